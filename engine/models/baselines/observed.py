"""What was observed of each month, in short: all that a baseline sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.months import MonthlyData

Floats = NDArray[np.float64]
Fields = NDArray[np.float32]

ICE_SHARE = 0.15
"""A cell-month with more of its days under ice than this is scored apart, and nothing is tuned on it; 15 % is the usual
edge of the ice in charts of its concentration."""


class ObservedMonth(NamedTuple):
    """One month of observations on (H, W) cells."""

    month: int
    """From 1 to 12."""
    mean: Fields
    """Mean of the valid days, °C; NaN where there is none."""
    num_days: NDArray[np.uint8]
    """Number of valid days."""
    target: Fields
    """The month's true mean, °C; NaN where unknown."""
    ice: Fields
    """Share of the days under ice."""

    @property
    def teaches(self) -> NDArray[np.bool_]:
        """(H, W), True = the truth is known and there is little ice."""
        return np.isfinite(self.target) & (self.ice <= ICE_SHARE)


def observed_months(data: MonthlyData) -> Iterator[ObservedMonth]:
    """The months one by one, so that no more than one month of days is in memory.

    A list of them is small beside the days: 5 bytes a cell and month, and a target that may stay on the disk.
    """
    for n, month in enumerate(data.months):
        mean, num_days = mean_of_valid_days(np.asarray(data.daily[n]))
        target = np.full(mean.shape, np.nan, np.float32) if data.target is None else data.target[n]
        yield ObservedMonth(int(month), mean.astype(np.float32), num_days.astype(np.uint8), target, data.ice[n])


def mean_of_valid_days(days: Fields) -> tuple[Floats, NDArray[np.int64]]:
    """Days (T, H, W) to their mean (H, W), summed in float64, NaN where no day is valid; and how many are (H, W)."""
    valid = np.isfinite(days)
    num_days = np.asarray(valid.sum(axis=0, dtype=np.int64))
    total = np.sum(days, axis=0, dtype=np.float64, where=valid)
    return np.where(num_days > 0, total / np.maximum(num_days, 1), np.nan), num_days
