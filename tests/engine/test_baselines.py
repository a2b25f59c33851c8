"""The baselines: each against a slow reference or a case whose answer is known, and the fits that tune them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.config.baselines import CHEAP
from engine.errors import ChoiceError, DataError
from engine.models.baselines import Baselines, Bias, Climatology, mean_of_observed_days, observed_months
from engine.models.baselines.bias import RIDGES
from engine.models.baselines.climatology import season
from engine.models.baselines.observed import area_mae
from engine.sphere import LatLonGrid
from tests.support.months import GRID, LAND, climatology_field, months_of

SEA = ~LAND
AREA = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)


@pytest.fixture(scope="module")
def fitted() -> Baselines:
    return Baselines.fit(months_of(3, bias=0.4), months_of(1, 1, bias=0.4))


def errors(baselines: Baselines, data) -> dict[str, float]:
    estimates = baselines.predict(data)
    weights = np.broadcast_to(AREA, data.target.shape)[:, SEA]
    return {name: np.average(np.abs(v - data.target)[:, SEA], weights=weights) for name, v in estimates.items()}


# --- what is seen ---------------------------------------------------------------------------------------------------


def test_the_mean_is_that_of_the_valid_days():
    days = months_of(1).daily[0]
    mean, num_days = mean_of_observed_days(days)
    seen = num_days > 0
    np.testing.assert_array_equal(num_days, np.isfinite(days).sum(axis=0))
    np.testing.assert_allclose(mean[seen], np.nanmean(days[:, seen].astype(float), axis=0), rtol=1e-12)
    assert np.isnan(mean[~seen]).all()


def test_days_are_read_one_month_at_a_time(fitted):
    data = months_of(1, 2)
    months_read = []

    class Days:
        def __getitem__(self, month):
            months_read.append(month)
            return data.daily[month]

    estimates = fitted.predict(replace(data, daily=Days()))
    assert months_read == list(range(12))
    for name, values in fitted.predict(data).items():
        np.testing.assert_array_equal(estimates[name], values)


# --- climatology ----------------------------------------------------------------------------------------------------


def test_climatology_finds_the_year_that_the_truth_was_made_of():
    climatology = Climatology.fit(list(observed_months(months_of(3, anomaly=0.0))), LAND, GRID).at(np.arange(1, 13))
    wanted = climatology_field(np.arange(1, 13))
    np.testing.assert_allclose(climatology[:, SEA], wanted[:, SEA], atol=5e-3)
    assert np.isnan(climatology[:, LAND]).all()


def test_climatology_of_gappy_means_is_the_weighted_least_squares_fit():
    data = months_of(2, truth=False)
    months = list(observed_months(data))
    coeffs = Climatology.fit(months, LAND, GRID).coeffs
    # the ridge of 0.01 on the four harmonics as four more equations
    ridge = np.diag([0.0, 0.1, 0.1, 0.1, 0.1])
    for i, j in ((0, 0), (1, 20), (5, 11), (11, 3)):
        count = np.array([month.num_days[i, j] for month in months])
        mean = np.array([month.mean[i, j] for month in months])
        root = np.sqrt(count / (count + 1.0))[count > 0]
        left = np.vstack((root[:, None] * season(data.months[count > 0]), ridge))
        right = np.concatenate((root * mean[count > 0], np.zeros(5)))
        np.testing.assert_allclose(coeffs[:, i, j], np.linalg.lstsq(left, right, rcond=None)[0], rtol=1e-5, atol=1e-5)


def test_a_cell_that_was_never_seen_takes_its_rows_mean_or_its_neighbours():
    data = months_of(2, anomaly=0.0)
    assert data.target is not None
    blind = data.target.copy()
    blind[:, 0, 5], blind[:, 6] = np.nan, np.nan
    daily = np.where(np.isnan(blind)[:, None], np.float32(np.nan), data.daily)
    coeffs = Climatology.fit(list(observed_months(replace(data, target=blind, daily=daily))), LAND, GRID).coeffs
    assert np.isfinite(coeffs[:, SEA]).all()
    np.testing.assert_allclose(coeffs[:, 0, 5], np.delete(coeffs[:, 0], 5, axis=1).mean(axis=1), rtol=1e-5)
    rows = [coeffs[:, row, SEA[row]].mean(axis=1) for row in (5, 7)]
    np.testing.assert_allclose(coeffs[:, 6, 0], np.mean(rows, axis=0), rtol=1e-4, atol=1e-5)


def test_nothing_to_learn_from_is_refused():
    data = months_of(1, truth=False)
    with pytest.raises(DataError, match="no value to fit the climatology to"):
        Baselines.fit(replace(data, daily=np.full_like(data.daily, np.nan)), months_of(1))


# --- bias -----------------------------------------------------------------------------------------------------------


def biased(years: int, seed: int):
    """Means that are too warm by what latitude, season and the number of days say, and nothing else."""
    data = months_of(years, seed, noise=0.0)
    sine = np.sin(np.deg2rad(GRID.lat))[:, None]
    shape = (1.0 + np.cos(2.0 * np.pi * (data.months - 0.5) / 12.0))[:, None, None] * (0.3 - 0.2 * sine)
    count = np.isfinite(data.daily).sum(axis=1)
    return replace(data, daily=(data.daily + (0.1 + shape / (1.0 + count))[:, None]).astype(np.float32))


def test_a_bias_of_the_assumed_form_is_found():
    train, validation, test = biased(3, 0), biased(1, 1), biased(1, 2)
    bias = Bias.fit(list(observed_months(train)), list(observed_months(validation)), GRID)
    months = list(observed_months(test))
    assert area_mae(months, GRID, lambda month: month.mean) > 0.15
    assert area_mae(months, GRID, lambda month: month.mean - bias.of(month, GRID)) < 1e-4


def test_the_bias_is_the_ridge_regression_on_every_cell():
    train, validation = list(observed_months(months_of(1))), list(observed_months(months_of(1, 1)))
    bias = Bias.fit(train, validation, GRID)
    predictors, weights, error = [], [], []
    polynomials = np.polynomial.legendre.legvander(np.sin(np.deg2rad(GRID.lat)), 6)
    for month in train:
        for i, j in np.argwhere((month.num_days > 0) & SEA):
            of_number = [1.0, 1.0 / (1.0 + month.num_days[i, j])]
            predictors.append(np.multiply.outer(np.outer(polynomials[i], season(month.month)), of_number).ravel())
            weights.append(AREA[i, j])
            error.append(month.mean[i, j] - month.target[i, j])
    left, share = np.array(predictors), np.array(weights) / np.sum(weights)
    gram = left.T @ (share[:, None] * left)
    free = np.diag(np.arange(70) > 0)
    fits = [Bias(np.linalg.solve(gram + r * free, left.T @ (share * error)).reshape(7, 5, 2)) for r in RIDGES]
    scores = [area_mae(validation, GRID, lambda month, b=fit: month.mean - b.of(month, GRID)) for fit in fits]
    np.testing.assert_allclose(bias.coeffs, fits[int(np.argmin(scores))].coeffs, rtol=1e-5, atol=1e-8)


def test_ice_teaches_nothing_about_the_bias():
    train, validation = months_of(2, bias=0.3), months_of(1, 1, bias=0.3)
    icy = np.zeros(GRID.shape, bool)
    icy[:2] = True
    spoilt = replace(
        train,
        daily=(train.daily + np.where(icy, 50.0, 0.0)).astype(np.float32),
        ice=np.broadcast_to(icy, train.ice.shape).astype(np.float32),
    )
    cleared = replace(train, target=np.where(icy, np.float32(np.nan), train.target))
    tuned = list(observed_months(validation))
    with_ice = Bias.fit(list(observed_months(spoilt)), tuned, GRID)
    without = Bias.fit(list(observed_months(cleared)), tuned, GRID)
    np.testing.assert_allclose(with_ice.coeffs, without.coeffs, rtol=1e-9, atol=1e-12)


# --- all of them ----------------------------------------------------------------------------------------------------


def test_every_estimate_is_whole_on_the_sea_and_falls_back_to_climatology(fitted):
    data = months_of(1, 2, bias=0.4)
    estimates = fitted.predict(data)
    assert set(estimates) == set(CHEAP)
    unseen = (np.isfinite(data.daily).sum(axis=1) == 0) & SEA
    assert unseen.any()
    for values in estimates.values():
        assert values.shape == data.target.shape
        np.testing.assert_array_equal(np.isnan(values), np.broadcast_to(LAND, values.shape))
        np.testing.assert_array_equal(values[unseen], estimates["climatology"][unseen])


def test_each_baseline_beats_the_one_that_knows_less(fitted):
    mae = errors(fitted, months_of(2, 5, bias=0.4))
    assert mae["mean_debiased"] < mae["mean"]
    assert mae["climatology_anomaly"] < 0.9 * min(mae["mean_debiased"], mae["climatology"])


@pytest.mark.parametrize(("noise", "anomaly"), [(1.0, 0.5), (0.5, 0.5), (2.0, 0.5)])
def test_the_anomaly_is_shrunk_by_the_noise_over_the_signal(noise: float, anomaly: float):
    """For Gaussian anomalies and noise the best k is their ratio of variances, and the optimum is flat."""
    kinds = {"noise": noise, "anomaly": anomaly, "clear": (0.03, 0.1, 0.3)}
    baselines = Baselines.fit(months_of(6, **kinds), months_of(3, 1, **kinds))
    assert baselines.state_dict()["climatology_anomaly.days"] == pytest.approx((noise / anomaly) ** 2, rel=0.5)


def test_a_perfect_mean_is_not_shrunk():
    baselines = Baselines.fit(months_of(2, noise=0.0), months_of(1, 1, noise=0.0))
    assert baselines.state_dict()["climatology_anomaly.days"] == 0.0


def test_without_the_truth_only_those_remain_that_need_none():
    baselines = Baselines.fit(months_of(2, truth=False), months_of(1, 1))
    assert list(baselines.fitted) == ["mean", "climatology"]
    assert list(Baselines.from_state_dict(baselines.state_dict()).fitted) == ["mean", "climatology"]


def test_they_travel_as_plain_arrays(fitted, tmp_path):
    np.savez(tmp_path / "baselines.npz", **fitted.state_dict())
    with np.load(tmp_path / "baselines.npz", allow_pickle=False) as arrays:
        again = Baselines.from_state_dict(dict(arrays))
    data = months_of(1, 3)
    for name, values in fitted.predict(data).items():
        np.testing.assert_array_equal(again.predict(data)[name], values)


def test_another_grid_is_refused(fitted):
    data = replace(months_of(1), grid=LatLonGrid(GRID.lat, GRID.lon + 1.0))
    with pytest.raises(ChoiceError, match="the same grid"):
        fitted.predict(data)
    with pytest.raises(ChoiceError, match="the same grid"):
        Baselines.fit(months_of(1), data)
