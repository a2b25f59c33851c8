"""The monthly statistics of observations that every baseline reads, and the error that tunes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.sphere import LatLonGrid
from engine.typed import Floats, Ints, Mask, Singles

ICE_FRACTION = 0.15
"""A cell-month with more than this fraction of its days under ice is scored apart and never used for tuning; charts of
ice concentration draw the ice edge at 15 %."""


class ObservedMonth(NamedTuple):
    """One month of observations on (H, W) cells, and its days, in the model space of the variable (°C)."""

    month: int
    """From 1 to 12."""
    mean: Singles
    """Mean of the observed days, °C; NaN where no day is observed."""
    num_days: NDArray[np.uint8]
    """Number of observed days."""
    target: Singles
    """The month's true mean, °C; NaN where unknown."""
    ice: Singles
    """Fraction of the days under ice."""
    days: Singles
    """(31, H, W) the observations, °C; they may stay on disk."""
    scale: float = 1.0
    """Size of ordinary differences from the climatology for this kind of variable, K."""

    @property
    def is_usable(self) -> Mask:
        """(H, W), True = the truth is known and the ice fraction is at most :data:`ICE_FRACTION`."""
        return np.isfinite(self.target) & (self.ice <= ICE_FRACTION)


def observed_months(data: MonthlyData) -> Iterator[ObservedMonth]:
    """The months one by one, so that at most one month of days is in memory.

    A list of them is small beside the days: 5 bytes a cell and month, and days and targets that may stay on disk.
    """
    scale = data.variable.measured_scale
    for n, month in enumerate(data.months):
        days = data.daily[n]
        mean, num_days = mean_of_observed_days(np.asarray(days))
        target = np.full(mean.shape, np.nan, np.float32) if data.target is None else data.target[n]
        mean, num_days = mean.astype(np.float32), num_days.astype(np.uint8)
        yield ObservedMonth(int(month), mean, num_days, target, data.ice[n], days, scale)


def has_truth(months: Sequence[ObservedMonth]) -> bool:
    """Whether some cell of some month can be compared with its true mean."""
    return any(bool(month.is_usable.any()) for month in months)


def evenly(months: Sequence[ObservedMonth], most: int) -> Sequence[ObservedMonth]:
    """At most ``most`` of the months, evenly spaced, so that all seasons take part."""
    chosen = np.unique(np.linspace(0, len(months) - 1, min(most, len(months))).round())
    return [months[int(n)] for n in chosen]


def mean_of_observed_days(days: Singles) -> tuple[Floats, Ints]:
    """Mean (H, W) of days (T, H, W), summed in float64, NaN without an observed day; number of observed days (H, W)."""
    valid = np.isfinite(days)
    num_days = np.asarray(valid.sum(axis=0, dtype=np.int64))
    total = np.sum(days, axis=0, dtype=np.float64, where=valid)
    return np.where(num_days > 0, total / np.maximum(num_days, 1), np.nan), num_days


def area_mae(months: Sequence[ObservedMonth], grid: LatLonGrid, predict: Callable[[ObservedMonth], Floats]) -> float:
    """Area-weighted mean absolute error, K, over the usable cells that have a prediction."""
    error, area = 0.0, 0.0
    for month in months:
        distance = np.abs(predict(month) - month.target)
        weights = np.where(month.is_usable & np.isfinite(distance), grid.cell_area_m2[:, None], 0.0)
        error += float(np.sum(weights * distance, where=weights > 0.0))
        area += float(weights.sum())
    return error / area if area else 0.0
