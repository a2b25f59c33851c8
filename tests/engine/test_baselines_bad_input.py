"""What data can be at their worst: every baseline still gives a value in every cell of the sea."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.data.source import MonthlyData
from engine.models.baselines import BASELINES, Baselines, observed_months
from engine.sphere import LatLonGrid
from tests.support.gaussian_ocean import gaussian_months

REGION = LatLonGrid(np.arange(21.5, 34.0, 3.0), np.arange(-46.5, -28.0, 3.0))
NARROW = LatLonGrid([30.0, 31.0], np.arange(-20.0, -15.0))
"""Smaller than the shortest but one of the lengths of a covariance, and than a block of modes."""

Change = Callable[[MonthlyData], MonthlyData]


def months(seed: int, grid: LatLonGrid = REGION) -> MonthlyData:
    """A year with a cell of land."""
    data = gaussian_months(1, seed, grid=grid)
    land = np.zeros(grid.shape, bool)
    land[-1, -1] = True
    return _masked(replace(data, land=land), land)


def _masked(data: MonthlyData, hidden: np.ndarray) -> MonthlyData:
    assert data.target is not None
    target = np.where(data.land, np.float32(np.nan), data.target)
    return replace(data, daily=np.where(hidden, np.float32(np.nan), data.daily), target=target)


def without_a_day_in_june(data: MonthlyData) -> MonthlyData:
    return _masked(data, (data.months == 6)[:, None, None, None])


def two_days_in_all(data: MonthlyData) -> MonthlyData:
    """Fewer than any number of modes but one; no part of a month has two days, so nothing tells the noise."""
    hidden = np.ones(data.daily.shape, bool)
    hidden[0, 0] = hidden[6, 20] = data.land
    return _masked(replace(data, daily=np.full_like(data.daily, 15.0)), hidden)


def constant(data: MonthlyData) -> MonthlyData:
    """No anomaly, no noise: every covariance is zero."""
    days = np.where(np.isnan(data.daily), data.daily, np.float32(12.0))
    assert data.target is not None
    return _masked(replace(data, daily=days, target=np.full_like(data.target, 12.0)), data.land)


def alike_everywhere(data: MonthlyData) -> MonthlyData:
    """One anomaly for all cells and days of a month, without noise: every covariance is singular."""
    level = 12.0 + np.sin(np.arange(12.0) + data.months[0]).astype(np.float32)[:, None, None]
    days = np.where(np.isnan(data.daily), data.daily, level[:, None])
    assert data.target is not None
    return _masked(replace(data, daily=days, target=np.broadcast_to(level, data.target.shape)), data.land)


def under_ice(data: MonthlyData) -> MonthlyData:
    """Nowhere is there a truth to tune on."""
    return replace(data, ice=np.ones_like(data.ice))


def one_month(data: MonthlyData) -> MonthlyData:
    names = ("daily", "padded", "phases", "target", "ice", "years", "months")
    return replace(data, **{name: getattr(data, name)[:1] for name in names})


def unchanged(data: MonthlyData) -> MonthlyData:
    return data


CASES: dict[str, tuple[Change, LatLonGrid]] = {
    "one year": (unchanged, REGION),
    "a region smaller than the correlation length": (unchanged, NARROW),
    "a month without a day": (without_a_day_in_june, REGION),
    "fewer days than modes": (two_days_in_all, REGION),
    "constant fields": (constant, REGION),
    "singular covariances": (alike_everywhere, REGION),
    "ice everywhere": (under_ice, REGION),
    "one month": (one_month, REGION),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Baselines, MonthlyData]:
    change, grid = CASES[request.param]
    train, validation = (change(months(seed, grid)) for seed in (0, 1))
    one_realisation = list(observed_months(change(gaussian_months(1, 5, grid=grid, are_true=True))))
    return Baselines.fit(train, validation, list(BASELINES), truth=lambda: one_realisation), validation


@pytest.mark.parametrize("name", BASELINES)
def test_there_is_a_value_in_every_cell_of_the_sea(case: tuple[Baselines, MonthlyData], name: str):
    fitted, data = case
    if name not in fitted.fitted:  # those that learn a bias need a truth
        assert (data.ice == 1.0).all()
        assert name in ("mean_debiased", "climatology_anomaly")
        return
    alone = Baselines(fitted.climatology, {name: fitted.fitted[name]})
    mean, std = alone.predict_with_std(data)[name]
    sea = np.broadcast_to(~data.land, mean.shape)
    assert np.isfinite(mean[sea]).all()
    assert np.isnan(mean[~sea]).all()
    assert not (std[sea] < 0.0).any()
    assert np.abs(mean[sea] - data.target[sea]).max() < 6.0  # the anomalies are of 1 K
    again = Baselines.from_state_dict(alone.state_dict()).predict(data)[name]
    np.testing.assert_array_equal(mean, again)
