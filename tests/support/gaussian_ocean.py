"""A Gaussian ocean: anomalies of a known covariance, days of known noise under clouds of some size, truth known."""

from __future__ import annotations

import numpy as np
import torch

from engine.data.source import MonthlyData
from engine.models.baselines.covariance import KNOTS_DEG, Covariance
from engine.models.baselines.part_months import DAYS_APART, NUM_PARTS, PART_WEIGHTS
from engine.sphere import LatLonGrid

GRID = LatLonGrid(np.arange(21.5, 45.0, 3.0), np.arange(-46.5, -10.0, 3.0))
"""8 × 13 cells of 3°."""

COVARIANCE = Covariance(np.tile([[0.7, 0.3]], (len(KNOTS_DEG), 1)), np.array([[600.0, 25.0, 1.0], [150.0, 10.0, 2.0]]))
"""Of the anomalies, K²."""

NOISE_K = 0.6
"""Of a day."""

_PART = np.repeat(np.arange(NUM_PARTS), [5, 5, 5, 5, 5, 6])


def points(grid: LatLonGrid = GRID) -> torch.Tensor:
    """(6·H·W, 3) latitude, longitude and day of every part of a month in every cell."""
    day, lat, lon = np.meshgrid(np.arange(NUM_PARTS) * DAYS_APART, grid.lat, grid.lon, indexing="ij")
    return torch.as_tensor(np.stack((lat, lon, day), axis=-1).reshape(-1, 3))


def gaussian_months(
    years: int, seed: int, clear: float = 0.15, grid: LatLonGrid = GRID, are_true: bool = False
) -> MonthlyData:
    """Months without a season: each is drawn anew; the anomaly stays the same within a part of a month.

    ``are_true``: the days are the true ones, without gaps.
    """
    rng = np.random.default_rng(seed)
    num_months, places = 12 * years, points(grid)
    factor = np.linalg.cholesky(COVARIANCE(places, places).numpy() + 1e-9 * np.eye(len(places)))
    parts = (factor @ rng.normal(size=(len(places), num_months))).T.reshape(num_months, NUM_PARTS, *grid.shape)
    days = parts[:, _PART] + NOISE_K * rng.normal(size=(num_months, 31, *grid.shape))
    # a cloud deck moves over the region from day to day; what it leaves open is seen here and there
    phase = rng.random((num_months, 31, 1, 1)) * 2.0 * np.pi
    deck = np.cos(np.deg2rad(6.0 * grid.lon) + np.deg2rad(5.0 * grid.lat)[:, None] + phase)
    seen = (deck > 0.0) & (rng.random(days.shape) < 2.0 * clear)
    if are_true:
        days, seen = parts[:, _PART], np.ones(days.shape, bool)
    target = np.einsum("p,mphw->mhw", PART_WEIGHTS, parts)
    return MonthlyData(
        daily=np.where(seen, 15.0 + days, np.nan).astype(np.float32),
        padded=np.zeros((num_months, 31), bool),
        phases=np.zeros((num_months, 31, 3), np.float32),
        target=(15.0 + target).astype(np.float32),
        ice=np.zeros((num_months, *grid.shape), np.float32),
        land=np.zeros(grid.shape, bool),
        years=2001 + np.arange(num_months) // 12,
        months=np.arange(num_months) % 12 + 1,
        grid=grid,
        key=f"gaussian {seed} {years} {clear} {are_true}",
    )
