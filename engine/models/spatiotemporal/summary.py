"""Monthly statistics of the observed days of each cell: the base of the reconstruction, and further inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

SEGMENTS = 6
"""Segments of about five days in a month."""

NUM_SUMMARIES = 9 + 2 * SEGMENTS
"""Channels of :meth:`MonthSummary.channels`."""


@dataclass(frozen=True)
class MonthSummary:
    """Statistics of the observed days of each cell, of values centred and scaled; all (B, M, H, W) float32.

    Attributes:
        mean: of the observed days, 0 where there is none.
        spread: standard deviation of the observed days (population), 0 for fewer than two.
        count: number of observed days.
        skew: mean slot of the observed days, −1 (all on the first day) to 1 (all on the last); 0 where there is none.
        inner_count: number of observed days without a missing sea cell among the eight neighbours: away from cloud
            edges, where values are often too cold.
        inner_mean: mean of those days less ``mean``, 0 where there is none.
        segment_counts: (B, M, P, H, W), number of observed days in each of P = :data:`SEGMENTS` segments of the month:
            neighbours observed at other times inform about the days that the cell's own mean lacks.
        segment_means: (B, M, P, H, W), mean of those days, 0 where there is none.
    """

    mean: Tensor
    spread: Tensor
    count: Tensor
    skew: Tensor
    inner_count: Tensor
    inner_mean: Tensor
    segment_counts: Tensor
    segment_means: Tensor

    @classmethod
    def of(cls, values: Tensor, valid: Tensor, land: Tensor) -> MonthSummary:
        """Of ``values`` (B, M, T, H, W), 0 where not ``valid`` (the same shape, 0 or 1, of the same dtype).

        ``land`` (B, H, W), True = land. Cells beyond the window are not missing.
        """
        num_slots = values.shape[2]
        count = valid.sum(dim=2)
        at_least_one = count.clamp(min=1.0)
        mean = values.sum(dim=2) / at_least_one
        square = torch.einsum("bmthw,bmthw->bmhw", values, values) / at_least_one
        slots = torch.linspace(-1.0, 1.0, num_slots, dtype=values.dtype, device=values.device)
        skew = torch.einsum("bmthw,t->bmhw", valid, slots) / at_least_one
        # the smallest positive number under the root keeps its gradient finite
        spread = (square - mean.square()).clamp(min=1e-12).sqrt() * (count > 1.0)
        clouded = (1.0 - valid).masked_fill(land[:, None, None], 0.0)
        inner = valid * (1.0 - functional.max_pool2d(clouded.flatten(0, 1), 3, 1, 1).view_as(valid))
        inner_count = inner.sum(dim=2)
        inner_sum = torch.einsum("bmthw,bmthw->bmhw", values, inner)
        inner_mean = (inner_sum / inner_count.clamp(min=1.0) - mean) * (inner_count > 0.0)
        edges = [round(index * num_slots / SEGMENTS) for index in range(SEGMENTS + 1)]
        segments = [slice(first, last) for first, last in pairwise(edges)]
        segment_counts = torch.stack([valid[:, :, index].sum(dim=2) for index in segments], dim=2)
        segment_means = torch.stack(
            [values[:, :, index].sum(dim=2) for index in segments], dim=2
        ) / segment_counts.clamp(min=1.0)
        return cls(mean, spread, count, skew, inner_count, inner_mean, segment_counts, segment_means)

    def channels(self, land: Tensor) -> Tensor:
        """Input channels of each cell, of order 1: (B, M, 21, H, W); ``land`` is (B, H, W).

        In this order, n = count: mean; mean / (1 + n), the amount that shrinking towards zero removes; 1 / (1 + n);
        n / 31; spread; skew; inner mean; inner count / 31; land as 0 or 1; the segments' means; n / (1 + n) of each
        segment.
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
        trust = self.segment_counts / (1.0 + self.segment_counts)
        return torch.cat((torch.stack(channels, dim=2), self.segment_means, trust), dim=2)
