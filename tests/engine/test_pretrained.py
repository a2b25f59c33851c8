"""The model that comes with Harmonia, on an ocean it has never seen and on the real August of 2012."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.assets import asset
from engine.data.august import august_sst
from engine.data.demo_ocean import demo_ocean
from engine.data.kinds import SST
from engine.data.prepare import prepare
from engine.data.source import MonthlyData
from engine.evaluation.scores import score, score_table
from engine.models.baselines import BASELINES, Baselines, Climatology
from engine.models.baselines.observed import ICE_FRACTION
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import PRETRAINED, PRETRAINED_BASELINES, ModelBundle, load_model
from engine.training.sst.tiled_prediction import estimate_all, estimate_months, ice_mask, predict


@pytest.fixture(scope="module")
def july(tmp_path_factory) -> MonthlyData:
    """A month of a demo ocean that nobody learned from."""
    return prepare(demo_ocean(1.0, seed=11, years=1), (2001, 7), (2001, 7), folder=tmp_path_factory.mktemp("july"))


def table_of(data: MonthlyData, trained: ModelBundle, baselines: Baselines) -> dict:
    """Scores of a model and of baselines."""
    ((_, estimate),) = estimate_months(trained.model, trained.model_inputs(data), trained.settings)
    assert np.isfinite(estimate.mean[:, ~data.land]).all()
    return score_table(score(data, {"model": estimate.mean, **baselines.predict(data)}))


def shipped_baselines() -> Baselines:
    with np.load(asset(PRETRAINED_BASELINES)) as kept:
        return Baselines.from_state_dict(dict(kept))


def mae(table: dict, name: str, stratum: str = "surface", label: str = "sea") -> float:
    return table[name][stratum][label]["mae"]


def test_it_is_small_and_has_a_card():
    path = asset(PRETRAINED)
    assert path.stat().st_size <= 3_000_000
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    num_parameters = sum(value.numel() for value in load_model("pretrained").model.parameters())
    assert f"{num_parameters:,} parameters" in card


def test_it_beats_its_baselines_on_an_ocean_it_has_not_seen(july):
    table = table_of(july, load_model("pretrained"), shipped_baselines())
    assert mae(table, "model") < 0.65 * mae(table, "mean")
    assert mae(table, "model") < 0.7 * mae(table, "mean_debiased")
    assert mae(table, "model") < 0.75 * mae(table, "climatology_anomaly")
    # the interpolation looks at a cell's neighbours, too: the margin over it is small
    assert mae(table, "model") < mae(table, "optimal_interpolation") < 0.75 * mae(table, "climatology_anomaly")
    for label in ("0", "1–3", "4–8", ">8"):
        assert mae(table, "model", "observations", label) < mae(table, "mean", "observations", label)


def test_it_reconstructs_the_real_august_of_2012_under_clouds(july):
    """The real monthly field stands still under the demo's July clouds, with a sensor's noise on every day.

    The demo's climatology is made of this very field, so it is taken from everybody: what they know beforehand is the
    mean of each parallel, and gyres, currents and upwelling must come from the days.
    """
    field = august_sst().sortby("lat").values
    land = np.isnan(field)
    noise = 0.25 * np.random.default_rng(0).standard_normal(july.daily.shape).astype(np.float32)
    data = replace(
        july,
        daily=np.where(np.isnan(july.daily), np.float32(np.nan), field + noise),
        target=field[None],
        ice=np.zeros_like(july.ice),
        land=land,
        months=np.array([8]),
    )
    coeffs = np.zeros((5, *field.shape), np.float32)
    sea = np.maximum((~land).sum(axis=1, keepdims=True), 1)
    coeffs[0] = np.where(land, np.nan, np.nan_to_num(field).sum(axis=1, keepdims=True) / sea)
    parallels = Climatology(coeffs, data.grid)
    baselines = Baselines(parallels, {name: BASELINES[name](parallels) for name in ("mean", "climatology")})
    table = table_of(data, replace(load_model("pretrained"), climatology=parallels, fallback=None), baselines)
    unseen = {name: mae(table, name, "observations", "0") for name in table}
    assert unseen["model"] < 0.6 * unseen["mean"] == 0.6 * unseen["climatology"]
    assert mae(table, "model") < 0.15 * mae(table, "climatology")
    assert mae(table, "model") < mae(table, "mean")


def test_it_reads_a_source_on_another_grid(tmp_path):
    ocean = demo_ocean(2.0, seed=11, years=1)
    data = prepare(ocean, (2001, 7), (2001, 7), folder=tmp_path)
    trained = load_model("pretrained")
    ((_, estimate),) = estimate_months(trained.model, trained.model_inputs(data), trained.settings)
    error = np.abs(estimate.mean - data.target)[:, ~data.land]
    assert error.mean() < 1.0


def test_in_ice_and_without_a_day_it_is_not_worse_than_climatology(july):
    trained = load_model("pretrained")
    estimate = estimate_all(trained, july)
    assert np.nanmin(estimate.mean) >= np.float32(SST.least)
    ice = ice_mask(july, estimate.mean)
    assert ice[july.ice > ICE_FRACTION].all()
    assert not estimate.is_climatology.any()

    blind = replace(july, daily=np.full_like(july.daily, np.nan))
    unseen = estimate_all(trained, blind)
    climatology = shipped_baselines().climatology.at(blind.months)
    table = score_table(score(july, {"model": unseen.mean, "climatology": climatology}))
    assert mae(table, "model") <= 1.001 * mae(table, "climatology")
    assert (unseen.is_climatology == ~july.land).all()


@pytest.mark.parametrize("rows", [slice(120, 136), slice(126, 129)], ids=["the Mediterranean", "three rows"])
def test_it_reconstructs_a_small_sea(july, rows):
    """16 × 42 cells: fewer rows than its windows share, and than a patch has."""
    columns = slice(174, 216)
    cut = {name: getattr(july, name)[..., rows, columns] for name in ("daily", "target", "ice", "land")}
    data = replace(july, grid=LatLonGrid(july.grid.lat[rows], july.grid.lon[columns]), **cut)
    trained = load_model("pretrained")
    estimate = estimate_all(trained, data)
    sea = ~data.land
    assert sea.any()
    error = np.abs(estimate.mean - data.target)[:, sea]
    assert error.mean() < 0.5
    assert np.isnan(estimate.mean[:, data.land]).all()
    prediction = predict(trained, data)
    np.testing.assert_allclose(prediction.estimate.mean, estimate.mean, atol=1e-5)
    row, column = np.argwhere(sea & np.isfinite(data.daily[0]).any(axis=0))[0]
    assert prediction.day_weights(0, row, column).sum() == pytest.approx(1.0)
