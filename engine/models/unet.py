"""A U-Net with a Gaussian likelihood: the convolutional reconstruction that the spatio-temporal model is compared with.

After DINCAE (Barth et al. 2020, doi:10.5194/gmd-13-1609-2020; 2022, doi:10.5194/gmd-15-2183-2022): observations go in
divided by their error variance, so that a missing one is 0 and nothing has to be filled; what comes out is mean / σ²
and 1 / σ² of every cell.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.config.model import SpatioTemporalConfig
from engine.errors import ChoiceError
from engine.models.spatiotemporal.checks import check_place, check_window
from engine.models.spatiotemporal.model import Reconstruction
from engine.models.spatiotemporal.spatial import Place
from engine.models.spatiotemporal.summary import SEGMENTS, MonthSummary
from engine.models.spatiotemporal.window import Days, centred
from engine.typed import checkpoint

# Shape suffixes: B samples, M months, T day slots, H W cells, S = B·M maps, F input channels.

NUM_INPUTS = 2 * SEGMENTS + 4 + 3 + 2 + 1
"""Channels of :meth:`UNetModel.inputs`."""

_WIDEST = 8  # the channels double from one resolution to the next, up to so many times the first
_GROUPS = 8
_FIRST_HEAD = 0.01
_LEAST_PRECISION = 1e-2  # of 1 / scale_kelvin²
_MOST_PRECISION = 1e6


def unet_widths(config: SpatioTemporalConfig) -> list[int]:
    """Channels at each resolution, the finest first."""
    return [config.width * min(2**level, _WIDEST) for level in range(config.levels)]


class UNetModel(nn.Module):
    """Monthly means and their standard deviations from days with gaps, by convolutions at several resolutions.

    Called as :class:`engine.models.SpatioTemporalModel` is; ``place`` is needed, and holds the centres of the cells:
    lonlat (B, H·W, 2), degrees. Any number of rows and columns.

    Inputs of a cell in a month (:meth:`inputs`): of each of six segments of the month, and of the whole of the month
    before and after (0 at the ends of a sample), the mean anomaly divided by its error variance σ_d² / n, and n / σ_d²,
    n the number of observed days and σ_d² the learned error variance of a day; the place as a unit vector; cosine and
    sine of the season; land. Two 3×3 convolutions with GroupNorm and GELU a resolution, halved by means and doubled
    again by repetition; each resolution's features skip across. With outputs o₁ and o₂ of a cell, 1/σ² = 0.01 +
    softplus(o₂), mean = centre + s·σ²·o₁ and standard deviation s·σ, s = ``scale_kelvin``; the centre is the baseline,
    or ``offset_celsius`` without one. Where nothing is observed the deviation is that of the climatology, as learned.
    """

    needs_place = True
    num_features = 0

    def __init__(self, config: SpatioTemporalConfig) -> None:
        super().__init__()
        if config.architecture != "unet":
            raise ChoiceError(f"the architecture is {config.architecture!r}", "the U-Net", "choose the preset 'unet'")
        self.config = config
        widths = unet_widths(config)
        self.log_day_variance = nn.Parameter(torch.zeros(()))
        inward = [NUM_INPUTS, *widths[:-1]]
        self.down = nn.ModuleList(_Convolutions(*sizes) for sizes in zip(inward, widths, strict=True))
        self.up = nn.ModuleList(_Convolutions(fine + coarse, fine) for fine, coarse in list(pairwise(widths))[::-1])
        self.drop = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(widths[0], 2, 1)
        for weight in self.head.parameters():  # the first map is close to the centre
            nn.init.normal_(weight, std=_FIRST_HEAD)

    def forward(
        self,
        daily: Tensor,
        missing: Tensor,
        land: Tensor,
        padded: Tensor,
        phases: Tensor,
        place: Place | None = None,
        baseline: Tensor | None = None,
    ) -> Tensor:
        """The months' means (B, M, H, W), °C."""
        return self.forward_details(daily, missing, land, padded, phases, place, baseline).mean

    def forward_details(
        self,
        daily: Tensor,
        missing: Tensor,
        land: Tensor,
        padded: Tensor,
        phases: Tensor,
        place: Place | None = None,
        baseline: Tensor | None = None,
        *,
        attention: bool = True,
        check: bool = True,
    ) -> Reconstruction:
        """As :meth:`SpatioTemporalModel.forward_details`; there is no attention, and every observed day of a cell has
        the same weight. ``tokens`` are the features at the coarsest resolution."""
        config = self.config
        check_window(config, daily, missing, land, padded, phases, baseline)
        check_place(self, "unet", place, daily.shape[0], daily.shape[-2] * daily.shape[-1])
        days, centre = centred(config, daily, missing, land, padded, phases, place, baseline, check=check)
        assert place is not None
        inputs_BMFHW, count = self.inputs(days, place[0])
        B, M = inputs_BMFHW.shape[:2]
        natural, coarsest = self._natural(inputs_BMFHW.flatten(0, 1))
        weighted, precision = natural.reshape(B, M, *natural.shape[1:]).unbind(dim=2)
        on_land = land[:, None]
        base = centre.expand_as(weighted).masked_fill(on_land, 0.0)
        return Reconstruction(
            mean=(centre + config.scale_kelvin * weighted / precision).masked_fill(on_land, 0.0),
            std=config.scale_kelvin * precision.rsqrt(),
            base=base,
            count=count,
            tokens=coarsest.reshape(B, M, *coarsest.shape[1:]).permute(0, 1, 3, 4, 2),
            day_weights=days.valid / count[:, :, None].clamp(min=1.0),
            month_attention=None,
            month_scores=None,
            scene=None,
        )

    def inputs(self, days: Days, lonlat: Tensor) -> tuple[Tensor, Tensor]:
        """The channels (B, M, F, H, W) of a window whose cells lie at ``lonlat`` (B, H·W, 2), and the number of
        observed days of each cell (B, M, H, W)."""
        summary = MonthSummary.of(days.values, days.valid, days.land)
        precision_of_day = torch.exp(-self.log_day_variance)
        segments = precision_of_day * summary.segment_counts
        month = precision_of_day * summary.count
        month = torch.stack((month * summary.mean, month), dim=2)
        B, M, _, H, W = month.shape
        none = torch.zeros_like(month[:, :1])
        before, after = torch.cat((none, month[:, :-1]), dim=1), torch.cat((month[:, 1:], none), dim=1)
        return torch.cat(
            (
                segments * summary.segment_means,
                segments,
                before,
                after,
                _unit_vectors(lonlat).reshape(B, 1, H, W, 3).permute(0, 1, 4, 2, 3).expand(B, M, 3, H, W),
                _season(days)[..., None, None].expand(B, M, 2, H, W),
                days.land.to(month.dtype)[:, None, None].expand(B, M, 1, H, W),
            ),
            dim=2,
        ), summary.count

    def _natural(self, inputs_SFHW: Tensor) -> tuple[Tensor, Tensor]:
        """mean / σ² and 1 / σ² of the maps (S, 2, H, W), in units of ``scale_kelvin``, and the coarsest features."""
        H, W = inputs_SFHW.shape[-2:]
        multiple = 2 ** (self.config.levels - 1)
        # beyond the window as sea without observations
        field = functional.pad(inputs_SFHW, (0, -W % multiple, 0, -H % multiple))
        across: list[Tensor] = []
        for number, block in enumerate(self.down):
            field = self._run(block, functional.avg_pool2d(field, 2) if number else field)
            across.append(field)
        coarsest = field = self.drop(across.pop())
        for block in self.up:
            doubled = functional.interpolate(field, scale_factor=2, mode="nearest")
            field = self._run(block, torch.cat((across.pop(), doubled), dim=1))
        output = self.head(field)[..., :H, :W]
        weighted, precision = output.to(torch.promote_types(output.dtype, torch.float32)).unbind(dim=1)
        precision = (functional.softplus(precision) + _LEAST_PRECISION).clamp(max=_MOST_PRECISION)
        return torch.stack((weighted, precision), dim=1), coarsest

    def _run(self, block: nn.Module, field: Tensor) -> Tensor:
        if self.config.checkpointing and self.training:
            return checkpoint(block, field)
        return block(field)


class _Convolutions(nn.Sequential):
    """Two 3×3 convolutions, each with GroupNorm and GELU: (S, inward, H, W) to (S, outward, H, W)."""

    def __init__(self, inward: int, outward: int) -> None:
        groups = math.gcd(_GROUPS, outward)
        super().__init__(
            nn.Conv2d(inward, outward, 3, padding=1), nn.GroupNorm(groups, outward), nn.GELU(),
            nn.Conv2d(outward, outward, 3, padding=1), nn.GroupNorm(groups, outward), nn.GELU(),
        )  # fmt: skip


def _unit_vectors(lonlat: Tensor) -> Tensor:
    """Points (..., 3) on the unit sphere of longitude and latitude in degrees (..., 2)."""
    lon, lat = torch.deg2rad(lonlat).unbind(dim=-1)
    return torch.stack((lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()), dim=-1)


def _season(days: Days) -> Tensor:
    """Cosine and sine (B, M, 2) of the phase of the year, the mean over the days that are not padded."""
    phases = days.phases[..., 1]
    present = (~days.padded).to(phases.dtype)
    waves = torch.stack((phases.cos(), phases.sin()), dim=-1) * present[..., None]
    return waves.sum(dim=2) / present.sum(dim=2).clamp(min=1.0)[..., None]
