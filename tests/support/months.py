"""Small months made up for tests: a field whose truth, bias and noise are known."""

from __future__ import annotations

import numpy as np

from engine.data.source import MonthlyData
from engine.sphere import LatLonGrid

GRID = LatLonGrid.regular(15.0)
LAND = np.zeros(GRID.shape, bool)
LAND[3:8, 4:9] = True


def climatology_field(month: np.ndarray, grid: LatLonGrid = GRID) -> np.ndarray:
    """(..., H, W): a mean and two annual harmonics that differ from cell to cell."""
    lat, lon = np.deg2rad(grid.lat)[:, None], np.deg2rad(grid.lon)[None]
    theta = 2.0 * np.pi * (np.asarray(month, float)[..., None, None] - 0.5) / 12.0
    return 25.0 * np.cos(lat) ** 2 - 4.0 * np.sin(lat) * np.cos(theta + 0.3 * np.cos(lon)) + 0.5 * np.sin(2.0 * theta)


def months_of(
    years: int,
    seed: int = 0,
    *,
    anomaly: float = 0.5,
    noise: float = 1.0,
    bias: float = 0.0,
    clear: tuple[float, ...] = (0.0, 0.05, 0.3),
    truth: bool = True,
) -> MonthlyData:
    """``years`` of months: climatology + anomaly (one number a month and cell), seen with noise, bias and gaps.

    The share of clear days of a cell-month is drawn from ``clear``.
    """
    rng = np.random.default_rng(seed)
    num_months = 12 * years
    month = np.arange(num_months) % 12 + 1
    target = climatology_field(month) + anomaly * rng.normal(size=(num_months, *GRID.shape))
    days = target[:, None] + bias + noise * rng.normal(size=(num_months, 31, *GRID.shape))
    seen = rng.random(days.shape) < rng.choice(clear, (num_months, 1, *GRID.shape))
    return MonthlyData(
        daily=np.where(seen & ~LAND, days, np.nan).astype(np.float32),
        padded=np.zeros((num_months, 31), bool),
        phases=np.zeros((num_months, 31, 3), np.float32),
        target=np.where(LAND, np.nan, target).astype(np.float32) if truth else None,
        ice=np.zeros((num_months, *GRID.shape), np.float32),
        land=LAND,
        years=2001 + np.arange(num_months) // 12,
        months=month,
        grid=GRID,
        key=f"made up {seed}",
    )
