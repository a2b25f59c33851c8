"""The months of a source as plain arrays: what models and baselines learn from and are scored on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.sphere import LatLonGrid


@dataclass(frozen=True, eq=False)
class MonthlyData:
    """N consecutive months in memory (or memory-mapped), °C.

    Attributes:
        daily: (N, 31, H, W) float32, what was observed; NaN = missing, in padded slots, and on land.
        padded: (N, 31) bool, True = no such day in the month (or outside the source's span).
        phases: (N, 31, 3) float32, radians in [0, 2π): month in the year, day in the year, hour in the day.
        target: (N, H, W) float32, the month's mean to be found; NaN = unknown. None where no month is known.
        ice: (N, H, W) float32, share of the month's days under ice, 0 where nothing is known.
        land: (H, W) bool.
        years, months: (N,) int, calendar year, and month from 1 to 12.
        grid: the cells.
        key: hash of the content.
    """

    daily: NDArray[np.float32]
    padded: NDArray[np.bool_]
    phases: NDArray[np.float32]
    target: NDArray[np.float32] | None
    ice: NDArray[np.float32]
    land: NDArray[np.bool_]
    years: NDArray[np.int64]
    months: NDArray[np.int64]
    grid: LatLonGrid
    key: str
