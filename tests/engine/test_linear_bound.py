"""The linear bound: on a Gaussian ocean it is kriging with the true covariance, and below every other baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.config.baselines import BASELINE_CHOICES
from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.data.source import MonthlyData
from engine.errors import DataError
from engine.evaluation import verdict
from engine.models.baselines import Baselines, LinearBound, observed_months
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.part_months import super_observations
from engine.training.sst import data_module
from tests.support.gaussian_ocean import COVARIANCE, GRID, NOISE_K, gaussian_months
from tests.support.ocean import LAND, small_ocean


@pytest.fixture(scope="module")
def fitted() -> Baselines:
    truth = [*observed_months(gaussian_months(8, 11, are_true=True))]
    names = BASELINE_CHOICES["bound"]
    return Baselines.fit(gaussian_months(2, 0), gaussian_months(1, 1), names, truth=lambda: truth)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def kriging(data: MonthlyData, fitted: Baselines) -> np.ndarray:
    """With the true covariance and noise, from all observations of a month."""
    everything = Neighbourhood(GRID, COVARIANCE, num_nearest=6 * GRID.shape[0] * GRID.shape[1], reach=40)
    means: list[np.ndarray] = []
    for month in observed_months(data):
        parts = super_observations(month, fitted.climatology, None)
        noise = (NOISE_K**2 / np.maximum(parts.num_days, 1)).astype(np.float32)
        mean, _ = everything.estimate(parts.anomaly, noise, np.ones(GRID.shape, bool))
        means.append(fitted.climatology.at(month.month) + mean)
    return np.stack(means)


def test_on_a_gaussian_ocean_no_baseline_is_below_it(fitted):
    test = gaussian_months(8, 2)
    errors = {name: rms(mean - test.target) for name, mean in fitted.predict(test).items()}
    assert set(errors) == set(BASELINE_CHOICES["bound"])
    bound = errors.pop("linear_bound")
    assert bound < min(errors.values())


def test_it_is_kriging_with_the_true_covariance(fitted):
    test = gaussian_months(1, 2)
    mean = Baselines(fitted.climatology, {"linear_bound": fitted.fitted["linear_bound"]}).predict(test)["linear_bound"]
    wanted = kriging(test, fitted)
    assert rms(mean - wanted) < 0.15 * rms(wanted - test.target)
    assert rms(mean - test.target) == pytest.approx(rms(wanted - test.target), rel=0.02)


def test_it_travels_as_plain_arrays(fitted):
    again = Baselines.from_state_dict(fitted.state_dict())
    assert isinstance(again.fitted["linear_bound"], LinearBound)
    data = gaussian_months(1, 3)
    bounds = [Baselines(each.climatology, {"linear_bound": each.fitted["linear_bound"]}) for each in (fitted, again)]
    np.testing.assert_array_equal(*(each.predict(data)["linear_bound"] for each in bounds))


def test_without_true_days_it_is_refused_in_words():
    train, validation = gaussian_months(1, 0), gaussian_months(1, 1)
    with pytest.raises(DataError, match="true days of other realisations"):
        Baselines.fit(train, validation, ["linear_bound"])
    with pytest.raises(DataError, match="choose a demo ocean"):
        LinearBound.fit(train, validation)
    with pytest.raises(ValueError, match="only the demo ocean has"):
        SSTSettings(source=FileSource(path="sea.nc"), baselines="bound")
    assert data_module.true_months(FileSource(path="sea.nc")) is None


def test_a_demo_ocean_has_true_days_of_other_seeds(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    opened: list[int] = []

    def ocean(step_deg: float, seed: int, start: str, years: int):
        opened.append(seed)
        assert (step_deg, start, years) == (2.0, "2001-01-01", 1)
        return replace(small_ocean(1, seed=seed), truth=small_ocean(1, seed=seed, cloudy=0.0).daily)

    monkeypatch.setattr(data_module, "demo_ocean", ocean)
    give = data_module.true_months(DemoSource(step_deg=2.0, seed=5))
    assert give is not None
    months = give()
    assert len(set(opened)) == 3
    assert 5 not in opened
    assert [month.month for month in months] == 3 * [*range(1, 13)]
    assert all((month.num_days[~LAND] >= 28).all() for month in months)


def test_no_verdict_compares_a_model_with_what_nobody_can_observe():
    def scores(error: float) -> dict:
        return {"surface": {"sea": {"mae": error, "area": 1.0}}}

    result = verdict(
        {"model": scores(0.2), "mean": scores(0.3), "linear_bound": scores(0.1), "mean_of_both": scores(0.1)}
    )
    assert result is not None
    assert result.baseline == "mean"
    assert "best baseline" not in result.headline  # there is one
