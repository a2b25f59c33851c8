"""What the valid days of a month say of each cell: the mean a model starts from, and inputs beside the days."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

PARTS = 6
"""Stretches of about five days that a month is cut into."""

NUM_SUMMARIES = 9 + 2 * PARTS
"""Channels of :meth:`MonthSummary.channels`."""


@dataclass(frozen=True)
class MonthSummary:
    """Moments of the valid days of each cell, of values already centred and scaled; all (B, M, H, W) float32.

    Attributes:
        mean: of the valid days, 0 where there is none.
        spread: standard deviation of the valid days (population), 0 for fewer than two.
        count: number of valid days.
        skew: mean slot of the valid days, −1 (all on the first day) to 1 (all on the last); 0 where there is none.
        inner_count: number of the valid days on which none of the eight cells around was water that was missing:
            away from the edges of clouds, where values are often too cold.
        inner_mean: mean of those days less ``mean``, 0 where there is none.
        part_counts: (B, M, P, H, W), number of valid days in each of P = :data:`PARTS` stretches of the month: what was
            seen around a cell while the cell itself was not tells of the days that its own mean lacks.
        part_means: (B, M, P, H, W), mean of those days, 0 where there is none.
    """

    mean: Tensor
    spread: Tensor
    count: Tensor
    skew: Tensor
    inner_count: Tensor
    inner_mean: Tensor
    part_counts: Tensor
    part_means: Tensor

    @classmethod
    def of(cls, values: Tensor, valid: Tensor, land: Tensor) -> MonthSummary:
        """Of ``values`` (B, M, T, H, W), 0 where not ``valid`` (the same shape, 0 or 1, of the same dtype).

        ``land`` (B, H, W), True = land. Beyond the window nothing is missing.
        """
        num_slots = values.shape[2]
        count = valid.sum(dim=2)
        one = count.clamp(min=1.0)
        mean = values.sum(dim=2) / one
        square = torch.einsum("bmthw,bmthw->bmhw", values, values) / one
        slots = torch.linspace(-1.0, 1.0, num_slots, dtype=values.dtype, device=values.device)
        skew = torch.einsum("bmthw,t->bmhw", valid, slots) / one
        # the smallest positive number under the root keeps its gradient finite
        spread = (square - mean.square()).clamp(min=1e-12).sqrt() * (count > 1.0)
        clouded = (1.0 - valid).masked_fill(land[:, None, None], 0.0)
        inner = valid * (1.0 - functional.max_pool2d(clouded.flatten(0, 1), 3, 1, 1).view_as(valid))
        inner_count = inner.sum(dim=2)
        inner_sum = torch.einsum("bmthw,bmthw->bmhw", values, inner)
        inner_mean = (inner_sum / inner_count.clamp(min=1.0) - mean) * (inner_count > 0.0)
        edges = [round(part * num_slots / PARTS) for part in range(PARTS + 1)]
        parts = [slice(first, last) for first, last in pairwise(edges)]
        part_counts = torch.stack([valid[:, :, part].sum(dim=2) for part in parts], dim=2)
        part_means = torch.stack([values[:, :, part].sum(dim=2) for part in parts], dim=2) / part_counts.clamp(min=1.0)
        return cls(mean, spread, count, skew, inner_count, inner_mean, part_counts, part_means)

    def channels(self, land: Tensor) -> Tensor:
        """Everything a network is told of each cell, about 1 in size: (B, M, 21, H, W); ``land`` is (B, H, W).

        In this order, n = count: mean; mean / (1 + n), what shrinking it towards nothing would take off; 1 / (1 + n);
        n / 31; spread; skew; inner mean; inner count / 31; land as 0 or 1; the parts' means; n / (1 + n) of each part.
        """
        shrunk = 1.0 / (1.0 + self.count)
        on_land = land.to(self.mean.dtype)[:, None].expand_as(self.mean)
        channels = (
            self.mean,
            self.mean * shrunk,
            shrunk,
            self.count / 31.0,
            self.spread,
            self.skew,
            self.inner_mean,
            self.inner_count / 31.0,
            on_land,
        )
        trust = self.part_counts / (1.0 + self.part_counts)
        return torch.cat((torch.stack(channels, dim=2), self.part_means, trust), dim=2)
