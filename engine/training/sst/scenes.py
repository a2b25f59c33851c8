"""One window of some months as a function of its observations: what a token of a trained model depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from engine.models.spatiotemporal.layers import LayerTokens, layer_tokens
from engine.models.spatiotemporal.model import SpatioTemporalModel
from engine.training.sst.samples import Batch


@dataclass(frozen=True, eq=False)
class Scene:
    """A window as :data:`engine.similarity.receptive_field.TokenModel`: ``scene(values)`` gives tokens.

    Values (B, M·T, H, W) are differences from the window's own climatology, K, NaN = not observed; tokens are those
    (B, h, w, C) of ``layer`` in the month ``month`` of the window. Place, calendar and coast stay the window's own.

    Attributes:
        batch: the window, B = 1.
    """

    model: SpatioTemporalModel
    batch: Batch
    layer: str
    month: int

    @cached_property
    def sample(self) -> Tensor:
        """The window's own values (M·T, H, W)."""
        batch = self.batch
        values = batch.daily[0, 0] - batch.baseline[0, :, None]
        return values.masked_fill(batch.missing[0, 0], math.nan).flatten(0, 1)

    def __call__(self, values: Tensor) -> Tensor:
        """Tokens (B, h, w, C) for ``values`` (B, M·T, H, W)."""
        return self.details(values).tokens[self.layer][:, self.month]

    def details(self, values: Tensor) -> LayerTokens:
        """Tokens of all layers for ``values`` (B, M·T, H, W)."""
        own, count = self.batch, len(values)
        num_months = own.baseline.shape[1]
        values = values.reshape(count, num_months, -1, *values.shape[-2:])
        missing = torch.isnan(values)
        daily = torch.where(missing, 0.0, values) + own.baseline[:, :, None]
        place = (_repeated(own.lonlat, count), None if own.features is None else _repeated(own.features, count))
        rest = (_repeated(part, count) for part in (own.land, own.padded, own.phases))
        return layer_tokens(
            self.model, (daily[:, None], missing[:, None], *rest, place, _repeated(own.baseline, count))
        )

    def observed(self, values: Tensor) -> Tensor:
        """As a call, where nothing is observed that the window itself has not: ``values`` elsewhere are not read.

        With it a sample without NaN (:attr:`finite`) can be differentiated, and NaN in ``values`` hides observations.
        """
        return self(values.masked_fill(torch.isnan(self.sample), math.nan))

    @property
    def finite(self) -> Tensor:
        """:attr:`sample` with 0 where nothing is observed, for :meth:`observed`."""
        return torch.nan_to_num(self.sample)

    def at_place_of(self, other: Scene) -> Scene:
        """The same observations with the coordinates and scale features of another window."""
        return replace(self, batch=replace(self.batch, lonlat=other.batch.lonlat, features=other.batch.features))

    def half_a_year_later(self) -> Scene:
        """The same observations with a calendar that is shifted by half a year: π in the first two phases."""
        shift = torch.tensor([math.pi, math.pi, 0.0], device=self.batch.phases.device)
        return replace(self, batch=replace(self.batch, phases=(self.batch.phases + shift) % math.tau))


def _repeated(values: Tensor, count: int) -> Tensor:
    return values.expand(count, *values.shape[1:])
