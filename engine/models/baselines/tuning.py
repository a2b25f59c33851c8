"""Choosing a number that cannot be learned: the one with the smallest error in years that were not learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from engine.models.baselines.observed import Floats, ObservedMonth
from engine.sphere import LatLonGrid

Candidate = TypeVar("Candidate")


def best(candidates: Sequence[Candidate], error: Callable[[Candidate], float]) -> Candidate:
    """The candidate with the smallest error; the earliest of equals."""
    return min(candidates, key=error)


def area_mae(months: Sequence[ObservedMonth], grid: LatLonGrid, estimate: Callable[[ObservedMonth], Floats]) -> float:
    """Area-weighted mean absolute error, K, over the cells that have an estimate, a known truth and little ice."""
    error, area = 0.0, 0.0
    for month in months:
        distance = np.abs(estimate(month) - month.target)
        weights = np.where(month.teaches & np.isfinite(distance), grid.cell_area_m2[:, None], 0.0)
        error += float(np.sum(weights * distance, where=weights > 0.0))
        area += float(weights.sum())
    return error / area if area else 0.0
