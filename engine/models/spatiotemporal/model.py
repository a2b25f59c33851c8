"""Gappy days in, whole months out: the spatio-temporal model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from engine.config.model import SpatioTemporalConfig
from engine.embedding.encoders import EncoderConfig
from engine.errors import ChoiceError
from engine.models.spatiotemporal.checks import check_place, check_window
from engine.models.spatiotemporal.decoder import MonthlyConvDecoder
from engine.models.spatiotemporal.published import Parts, documented_parts, repository_parts
from engine.models.spatiotemporal.spatial import Place, SpatialPositionalEncoding2D, SpatialTransformer
from engine.models.spatiotemporal.summary import NUM_SUMMARIES, MonthSummary
from engine.models.spatiotemporal.temporal import Aggregate, TemporalAttentionAggregator, TemporalPositionalEncoding
from engine.models.spatiotemporal.video import VideoEncoder, patches_of
from engine.models.spatiotemporal.window import Days, centred
from engine.typed import checkpoint

_LEAST_STD = 1e-3  # of scale_kelvin: a likelihood has no maximum without a least standard deviation


@dataclass(frozen=True)
class Reconstruction:
    """Maps of a window's months, and intermediate results.

    Attributes:
        mean: (B, M, H, W) float32, °C; 0 on land.
        std: (B, M, H, W) float32, K, > 0, the predicted standard deviation; None without ``uncertainty``.
        base: (B, M, H, W) float32, °C: the map that the network's output is added to.
        count: (B, M, H, W) float32, number of valid days of each cell.
        tokens: (B, M, h, w, C), the decoder's input.
        day_weights: (B, M, t, h, w), sum over t 1, or 0 where a patch was never observed in the month (in the
            published models, where all days are padded).
        month_attention: (B, h, w, M, M), attention of a month to each; None without ``cross_month``.
        month_scores: (B, M), weights of the months in the scene summary; None without.
        scene: (B, C), the scene summary token; None without one.
    """

    mean: Tensor
    std: Tensor | None
    base: Tensor
    count: Tensor
    tokens: Tensor
    day_weights: Tensor
    month_attention: Tensor | None
    month_scores: Tensor | None
    scene: Tensor | None


class SpatioTemporalModel(nn.Module):
    """Monthly means of a window from its days with gaps.

    ``model(daily, missing, land, padded, phases, place)`` takes °C and gives °C:

    - ``daily`` (B, 1, M, T, H, W), values where ``missing`` (the same shape, True = missing) is False; masked values
      (also NaN) are ignored, as are values on ``land`` (B, H, W) or in ``padded`` slots (B, M, T).
    - ``phases`` (B, M, T, 3), radians (month in the year, day in the year, hour in the day).
    - ``place``: None or (lonlat (B, N, 2) of the N = h·w patch centres in degrees, row by row; features (B, N, P) or
      None), as :func:`engine.embedding.build_encoder` reads them.
    - ``baseline`` (B, M, H, W), °C, optional: a climatology, finite off land.
    - the result (B, M, H, W) float32; 0 on land, a placeholder.

    T may be any number; it is padded to a multiple of Pt. Inside, values are v = (x − c) / s, s = ``scale_kelvin``
    and c the baseline, or ``offset_celsius`` without one. The map is base + s · (scale · head + bias), with base = the
    mean of the valid days (c in cells without one) if ``residual``, else c.

    VideoEncoder → TemporalAttentionAggregator → + place → SpatialTransformer → MonthlyConvDecoder. With ``summaries``,
    the mean, number and spread of the valid days of each cell (see :class:`MonthSummary`) join the month tokens through
    a patch embedding, and the decoder on cells. Without ``cross_month`` and spatial layers the values of a patch
    change the maps only within ``config.reach`` cells of it.

    Raises :class:`DataError` and :class:`ChoiceError` for invalid windows and values that are not finite.
    """

    def __init__(self, config: SpatioTemporalConfig) -> None:
        super().__init__()
        self.config = config
        if config.architecture == "unet":
            raise ChoiceError(
                "the configuration is that of a U-Net", "the model", "make it by engine.models.build_model"
            )
        if config.architecture == "spatiotemporal":
            parts = _own_parts(config)
        elif config.architecture == "documented":
            parts = documented_parts(config)
        else:
            parts = repository_parts(config)
        self.encoder, self.time, self.temporal, self.summary, self.place, self.spatial, self.decoder = parts

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
        return self.forward_details(daily, missing, land, padded, phases, place, baseline, attention=False).mean

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
        """The same with the standard deviation and all weights; ``month_attention`` only if ``attention``.

        ``check=False`` trusts the values: training and inference in windows, whose days were checked when they were
        read, do not wait for an accelerator then.
        """
        config = self.config
        check_window(config, daily, missing, land, padded, phases, baseline)
        num_places = daily.shape[-2] // config.patch[1] * (daily.shape[-1] // config.patch[2])
        check_place(self.place, config.encoder, place, daily.shape[0], num_places)
        days, centre = centred(config, daily, missing, land, padded, phases, place, baseline, check=check)
        return self.reconstruct(days, centre, place, attention)

    def reconstruct(self, days: Days, centre: Tensor, place: Place | None, attention: bool) -> Reconstruction:
        """What :meth:`forward_details` does after its window is checked, centred and scaled.

        ``centre`` (B or 1, M or 1, H or 1, W or 1), °C, was subtracted from the values.
        """
        config = self.config
        summary = MonthSummary.of(days.values, days.valid, days.land)
        cells = summary.channels(days.land) if config.summaries else None
        aggregate = self._months(days, cells, attention)
        tokens = self._mixed(aggregate.tokens, place)
        decoded = self._run(self.decoder, tokens.flatten(0, 1), None if cells is None else cells.flatten(0, 1))
        change, *rest = decoded.reshape(*tokens.shape[:2], *decoded.shape[1:]).unbind(dim=2)

        base = (centre + config.scale_kelvin * summary.mean) if config.residual else centre.expand_as(summary.mean)
        on_land = days.land[:, None]
        return Reconstruction(
            mean=(base + config.scale_kelvin * change).masked_fill(on_land, 0.0),
            std=config.scale_kelvin * (functional.softplus(rest[0]) + _LEAST_STD) if rest else None,
            base=base.masked_fill(on_land, 0.0),
            count=summary.count,
            tokens=tokens,
            day_weights=aggregate.day_weights,
            month_attention=aggregate.month_attention,
            month_scores=aggregate.month_scores,
            scene=aggregate.scene,
        )

    def _months(self, days: Days, cells: Tensor | None, attention: bool) -> Aggregate:
        """Month tokens (B, M, h, w, C) and their weights; ``cells`` (B, M, channels, H, W) or None."""
        tokens = self._run(self.encoder, days.values, days.valid, days.land.to(days.values.dtype))
        time = self.time(days.phases, days.padded, self.config.patch[0])
        observed = patches_of(days.valid, self.config.patch).mean(dim=-1)
        extra = None
        if self.summary is not None and cells is not None:
            extra = self.summary(patches_of(cells, (NUM_SUMMARIES, *self.config.patch[1:]))).squeeze(2)
        if self.config.architecture == "spatiotemporal":  # its days are weighted by what is observed
            is_padded = days.padded.all(dim=2)
        else:
            is_padded = days.padded.reshape(*tokens.shape[:3], -1).all(dim=3)
        return self._run(self.temporal, tokens, time, observed, is_padded, extra, attention)

    def _mixed(self, months: Tensor, place: Place | None) -> Tensor:
        """Tokens (B, M, h, w, C) after location encoding and spatial attention."""
        h, w = months.shape[2:4]
        where = self.place(place, (h, w), months.device)
        placed = months + where.reshape(where.shape[0], 1, h, w, -1)
        return self._run(self.spatial, placed.flatten(0, 1)).reshape(placed.shape)

    def _run(self, module: Callable[..., Any], *inputs: object) -> Any:
        """``module(*inputs)``, with gradient checkpointing if configured."""
        if self.config.checkpointing and self.training:
            return checkpoint(module, *inputs)
        return module(*inputs)


def _own_parts(config: SpatioTemporalConfig) -> Parts:
    width, cells = config.width, config.patch[1:]
    return Parts(
        encoder=VideoEncoder(config.patch, width, config.dropout),
        time=TemporalPositionalEncoding(width, config.time),
        temporal=TemporalAttentionAggregator(
            width, config.heads, day_layers=config.day_layers, cross_month=config.cross_month, dropout=config.dropout
        ),
        summary=nn.Linear(NUM_SUMMARIES * cells[0] * cells[1], width) if config.summaries else None,
        place=SpatialPositionalEncoding2D(encoder_config(config), cells),
        spatial=SpatialTransformer(
            width, config.heads, config.spatial_layers, local_mixing=config.local_mixing, dropout=config.dropout
        ),
        decoder=MonthlyConvDecoder(
            width,
            cells,
            config.decoder_width,
            overlap=config.overlap,
            refinement=config.refinement,
            skips=config.refinement_skips,
            norm=config.norm,
            num_inputs=NUM_SUMMARIES if config.summaries else 0,
            num_outputs=2 if config.uncertainty else 1,
            dropout=config.dropout,
        ),
    )


def encoder_config(config: SpatioTemporalConfig) -> EncoderConfig:
    """The location encoder of a model of ``config``."""
    options = config.encoder_options
    return EncoderConfig(
        kind=config.encoder,
        width=config.width,
        num_components=config.num_components,
        manifold=config.manifold,
        parameters=options.parameters(config.num_components),
        net=options.net,
        net_width=options.net_width,
        net_layers=options.net_layers,
        scale_features=options.scale_features,
    )
