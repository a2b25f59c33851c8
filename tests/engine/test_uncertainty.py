"""The predicted standard deviation: where its intervals hold, and the factors that make them hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from engine.data.prepare import prepare
from engine.errors import DataError, StoreError
from engine.evaluation.calibration import NUM_PIT_BINS, CalibrationSums
from engine.evaluation.strata import OBSERVATION_CLASSES, SEASONS
from engine.evaluation.uncertainty import calibration, fit_std_factors, month_classes, scaled_std
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.tiled_prediction import estimate_months
from tests.support.months import months_of
from tests.support.ocean import small_ocean
from tests.support.trainings import MODEL, untrained

TRUE_FACTORS = {"0": 2.0, "1–3": 0.5, "4–8": 1.0, ">8": 1.5, "ice": 0.6}


@pytest.fixture(scope="module")
def months():
    """Two years with ice, a model's mean with Gaussian errors, and their true standard deviation."""
    data = months_of(2, clear=(0.0, 0.06, 0.2, 0.5))
    rng = np.random.default_rng(8)
    ice = (rng.random(data.ice.shape) < 0.2).astype(np.float32)
    std = rng.uniform(0.2, 2.0, data.target.shape).astype(np.float32)
    mean = data.target + std * rng.normal(size=std.shape).astype(np.float32)
    return replace(data, ice=ice), mean, std


def classes_of(data):
    return np.stack([month_classes(data, n) for n in range(len(data.months))])


def test_a_right_deviation_has_a_flat_histogram_and_intervals_that_hold(months):
    table = calibration(*months)
    assert table["coverage"] == pytest.approx({"50": 0.5, "68": 0.68, "90": 0.9, "95": 0.95}, abs=0.02)
    assert table["pit"] == pytest.approx([1 / NUM_PIT_BINS] * NUM_PIT_BINS, abs=0.012)
    assert sum(table["pit"]) == pytest.approx(1.0)
    for strata in table["by"].values():
        for part in strata.values():
            assert part["coverage"]["50"] == pytest.approx(0.5, abs=0.05)


def test_the_histogram_is_that_of_the_distribution_function():
    rng = np.random.default_rng(1)
    mean, target = rng.normal(size=(2, 500))
    std, area = rng.uniform(0.3, 2.0, 500), rng.uniform(1.0, 2.0, 500)
    sums = CalibrationSums()
    sums.add(mean, std, target, area)
    expected = np.histogram(norm.cdf(target, mean, std), NUM_PIT_BINS, (0.0, 1.0), weights=area)[0] / area.sum()
    np.testing.assert_allclose(sums.table()["pit"], expected)


def test_classes_hold_what_they_are_named_after(months):
    data, mean, std = months
    table = calibration(data, mean, std)
    assert list(table["by"]["observations"]) == list(OBSERVATION_CLASSES)
    assert list(table["by"]["season"]) == list(SEASONS)
    open_sea = ~data.land & (data.ice == 0)
    area = np.broadcast_to(data.grid.cell_area_m2[:, None], open_sea.shape)
    winter = open_sea & np.isin(data.months, (12, 1, 2))[:, None, None]
    unseen = open_sea & ~np.isfinite(data.daily).any(axis=1)
    tropics = open_sea & (np.abs(data.grid.lat) < 20.0)[:, None]
    inside = np.abs(data.target - mean) <= norm.ppf(0.75) * std
    for stratum, label, where in (
        ("season", "December–February", winter),
        ("observations", "0", unseen),
        ("latitude", "20°S–20°N", tropics),
        ("observations", "ice", ~data.land & (data.ice > 0)),
    ):
        part = table["by"][stratum][label]
        assert part["coverage"]["50"] == pytest.approx(np.average(inside[where], weights=area[where]))
        assert part["area"] == pytest.approx(area[where].sum() / area[open_sea].sum())


def test_the_factors_are_those_that_the_deviation_lacks_in_each_class(months):
    data, mean, std = months
    classes = classes_of(data)
    wrong = std / np.array([TRUE_FACTORS[label] for label in OBSERVATION_CLASSES], np.float32)[classes]
    before = calibration(data, mean, wrong)["by"]["observations"]
    assert abs(before["ice"]["coverage"]["50"] - 0.5) > 0.15
    factors = fit_std_factors(data, mean, wrong)
    assert factors == pytest.approx(TRUE_FACTORS, rel=0.06)
    after = calibration(data, mean, scaled_std(wrong, classes, factors))["by"]["observations"]
    for label in OBSERVATION_CLASSES:
        assert after[label]["coverage"]["50"] == pytest.approx(0.5, abs=0.02)
        assert after[label]["coverage"]["90"] == pytest.approx(0.9, abs=0.02)


def test_a_class_of_few_cells_keeps_its_deviation(months):
    data, mean, std = months
    few = replace(data, target=np.where(classes_of(data) == 0, np.float32(np.nan), data.target))
    factors = fit_std_factors(few, mean, std)
    assert "0" not in factors
    assert factors.keys() == set(OBSERVATION_CLASSES) - {"0"}
    kept = scaled_std(std, np.zeros(std.shape, np.int64), factors)
    np.testing.assert_array_equal(kept, std)
    nothing = replace(data, target=np.full_like(data.target, np.nan))
    assert fit_std_factors(nothing, mean, std) == {}
    with pytest.raises(DataError, match="truth"):
        fit_std_factors(replace(data, target=None), mean, std)


def test_a_model_keeps_its_factors_and_uses_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    plain = untrained(model=MODEL.model_copy(update={"uncertainty": True}))
    scaled = replace(plain, std_factors={"1–3": 3.0, ">8": 0.5})
    scaled.save(tmp_path / "model.safetensors")
    again = ModelBundle.load(tmp_path / "model.safetensors")
    assert again.std_factors == scaled.std_factors
    assert again.key == scaled.key != plain.key
    data = prepare(small_ocean(1), (2001, 2), (2001, 2))
    parts = [
        next(estimate_months(b.model, b.model_inputs(data), b.settings))[1]
        for b in (replace(again, std_factors={}), again)
    ]
    expected = scaled_std(parts[0].std, month_classes(data, 0)[None], scaled.std_factors)
    np.testing.assert_array_equal(parts[1].std, expected)
    np.testing.assert_array_equal(parts[1].mean, parts[0].mean)
    assert set(np.unique(month_classes(data, 0)[~data.land])) >= {1, 3}


@pytest.mark.parametrize("factors", [{"0": -1.0}, {"0": float("nan")}, {"elsewhere": 1.0}])
def test_damaged_factors_are_refused(tmp_path, factors):
    replace(untrained(), std_factors=factors).save(tmp_path / "model.safetensors")
    with pytest.raises(StoreError, match="damaged"):
        ModelBundle.load(tmp_path / "model.safetensors")
