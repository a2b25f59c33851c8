"""The days of a window, centred and scaled: what every model of the reconstruction begins with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from engine.config.model import SpatioTemporalConfig
from engine.models.spatiotemporal.checks import check_values
from engine.models.spatiotemporal.spatial import Place


@dataclass(frozen=True)
class Days:
    """The days of a window as network inputs.

    Attributes:
        values: (B, M, T, H, W) float32, centred and scaled, 0 where missing, padded or on land.
        valid: the same shape and dtype, 1 where observed, else 0.
        land: (B, H, W) bool.
        padded: (B, M, T) bool.
        phases: (B, M, T, 3), radians.
    """

    values: Tensor
    valid: Tensor
    land: Tensor
    padded: Tensor
    phases: Tensor

    def whole_patches(self, num_days: int) -> Days:
        """T padded up to a multiple of ``num_days`` with padded slots."""
        short = -self.values.shape[2] % num_days
        if not short:
            return self
        values, valid = (functional.pad(days, (0, 0, 0, 0, 0, short)) for days in (self.values, self.valid))
        padded = functional.pad(self.padded, (0, short), value=True)
        return Days(values, valid, self.land, padded, functional.pad(self.phases, (0, 0, 0, short)))


def centred(
    config: SpatioTemporalConfig,
    daily: Tensor,
    missing: Tensor,
    land: Tensor,
    padded: Tensor,
    phases: Tensor,
    place: Place | None,
    baseline: Tensor | None,
    *,
    check: bool,
) -> tuple[Days, Tensor]:
    """The days of a window whose shapes are checked, and their centre (B or 1, M or 1, H or 1, W or 1), °C.

    Values are v = (x − c) / ``scale_kelvin``, c the baseline or, without one, ``offset_celsius``; c is 0 on land.
    ``check`` raises :class:`DataError` for values that count and are not finite.
    """
    valid = ~(missing[:, 0] | land[:, None, None] | padded[..., None, None])
    observed = daily[:, 0].masked_fill(~valid, 0.0)
    if baseline is None:
        centre = observed.new_full((1, 1, 1, 1), config.offset_celsius)
    else:
        centre = baseline.masked_fill(land[:, None], 0.0)
    if check:
        check_values(observed, centre, place)
    values = ((observed - centre[:, :, None]) / config.scale_kelvin).masked_fill(~valid, 0.0)
    return Days(values, valid.to(values.dtype), land, padded, phases).whole_patches(config.patch[0]), centre
