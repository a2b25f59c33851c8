"""Interpolation and DINEOF on made-up anomalies: shared matrices, the smaller Gram matrix, and a year of DINEOF."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from engine.data.land import land_mask
from engine.data.source import MonthlyData
from engine.models.baselines import DINEOF
from engine.models.baselines.dineof import _truncated
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.part_months import NUM_PARTS
from engine.sphere import LatLonGrid
from tests.benchmarks import Row, peak_mb_above_base, seconds
from tests.support.gaussian_ocean import COVARIANCE

EVERY = 9
"""Rows from one that is interpolated to the next: a month at 1° takes this many times as long."""


def rows() -> Iterator[Row]:
    yield interpolation_row()
    yield truncation_row()
    year = globe(12, 0)
    yield Row(
        "DINEOF of a year at 1°: fitted, and its months estimated",
        seconds(lambda: dineof_year(year)),
        "s",
        target_figure=180.0,
        note="random days, 40 % of the sea seen",
    )
    yield Row(
        "the same, memory above base",
        peak_mb_above_base(dineof_year, None, warm=globe_of_two),
        "MB",
        target_figure=2000.0,
        note="its days included, 96 MB",
    )


def globe(num_months: int, seed: int) -> MonthlyData:
    """Months at 1° whose days are random, under clouds that move by the day."""
    grid, rng = LatLonGrid.regular(1.0), np.random.default_rng(seed)
    shape = (num_months, 31, *grid.shape)
    target = rng.normal(size=(num_months, *grid.shape)).astype(np.float32)
    days = rng.normal(size=shape).astype(np.float32) + target[:, None]
    days[rng.random(shape, np.float32) < 0.6] = np.nan
    land = land_mask(grid).numpy()
    days[..., land], target[:, land] = np.nan, np.nan
    return MonthlyData(
        daily=days,
        padded=np.zeros(shape[:2], bool),
        phases=np.zeros((*shape[:2], 3), np.float32),
        target=target,
        ice=np.zeros(target.shape, np.float32),
        land=land,
        years=np.full(num_months, 2001),
        months=np.arange(num_months) % 12 + 1,
        grid=grid,
        key=f"random {num_months} {seed}",
    )


def globe_of_two() -> MonthlyData:
    return globe(2, 1)


def dineof_year(year: MonthlyData | None) -> None:
    months = globe(12, 0) if year is None else year
    DINEOF.fit(months, globe_of_two()).predict(months)


def interpolation_row() -> Row:
    grid, rng = LatLonGrid.regular(1.0), np.random.default_rng(0)
    shape = (NUM_PARTS, *grid.shape)
    values = np.where(rng.random(shape) < 0.6, np.nan, rng.normal(size=shape)).astype(np.float32)
    noise = np.full(shape, 0.3, np.float32)
    where = np.zeros(grid.shape, bool)
    where[EVERY // 2 :: EVERY] = True
    together, apart = (
        Neighbourhood(grid, COVARIANCE, num_nearest=nearest, num_together=count)
        for nearest, count in ((80, 3), (72, 1))
    )
    return Row(
        f"{np.count_nonzero(where)} cells of a month interpolated at 1°",
        seconds(lambda: together.estimate(values, noise, where)),
        "s",
        naive=seconds(lambda: apart.estimate(values, noise, where)),
        target_figure=60.0 / EVERY,
        note="naive: every cell with 72 observations of its own; the error on the demo ocean is the same",
    )


def truncation_row() -> Row:
    """A step of DINEOF on two years of parts of months."""
    values = torch.as_tensor(np.random.default_rng(1).normal(size=(144, 10_000)), dtype=torch.float32)

    def decomposed() -> torch.Tensor:
        left, singular, right = torch.linalg.svd(values, full_matrices=False)
        return (left[:, :20] * singular[:20]) @ right[:20]

    return Row(
        "144 × 10 000 values cut to 20 modes",
        1e3 * seconds(lambda: _truncated(values, 20)),
        "ms",
        naive=1e3 * seconds(decomposed),
        note="naive: the whole singular value decomposition",
    )
