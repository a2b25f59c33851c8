"""Scores: sums month by month against plain averages over whole arrays, strata, skill, error bars."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.evaluation.scores import ScoreSums, Table, over_seeds, score, score_table, table_rows
from engine.evaluation.strata import STRATA, Strata, coast_distance_km
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, unit_vectors
from tests.support.months import GRID, LAND, climatology_field, months_of

SEA = ~LAND
AREA = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)


@pytest.fixture(scope="module")
def data() -> MonthlyData:
    months = months_of(2, clear=(0.0, 0.03, 0.1, 0.4))
    rng = np.random.default_rng(9)
    assert months.target is not None
    target = np.where(rng.random(months.target.shape) < 0.05, np.float32(np.nan), months.target)
    return replace(months, target=target, ice=rng.choice([0.0, 0.1, 0.5], target.shape).astype(np.float32))


@pytest.fixture(scope="module")
def withheld(data) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 3, data.target.shape)


@pytest.fixture(scope="module")
def estimates(data) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    worse = data.target + rng.normal(0.3, 1.0, data.target.shape)
    better = data.target + rng.normal(0.1, 0.4, data.target.shape)
    better[:, 2, 7] = np.nan
    return {"worse": worse.astype(np.float32), "better": better.astype(np.float32)}


# --- against whole arrays -------------------------------------------------------------------------------------------


def masks(data: MonthlyData, withheld: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Every stratum's labels as masks (N, H, W), written down one by one."""
    shape = data.ice.shape
    count = np.isfinite(data.daily).sum(axis=1)
    lat = np.broadcast_to(GRID.lat[:, None], shape)
    coast = np.broadcast_to(coast_distance_km(GRID, LAND), shape)
    month = np.broadcast_to(data.months[:, None, None], shape)
    bounds = (-90, -60, -40, -20, 20, 40, 60, 90)
    return {
        "class": {
            "observed": count > 0,
            "withheld": (count == 0) & (withheld > 0),
            "never": (count == 0) & (withheld == 0),
        },
        "observations": {
            "0": count == 0,
            "1–3": (count >= 1) & (count <= 3),
            "4–8": (count >= 4) & (count <= 8),
            ">8": count > 8,
        },
        "latitude": {
            label: (lat >= a) & (lat < b)
            for label, a, b in zip(STRATA["latitude"], bounds[:-1], bounds[1:], strict=True)
        },
        "coast": {
            "<100 km": coast < 100,
            "100–300 km": (coast >= 100) & (coast < 300),
            "300–1000 km": (coast >= 300) & (coast < 1000),
            ">1000 km": coast >= 1000,
        },
        "month": {str(number): month == number for number in range(1, 13)},
    }


def averages(estimate: np.ndarray, truth: np.ndarray, base: np.ndarray, where: np.ndarray) -> dict[str, float]:
    """The scores of the cells ``where``, in two passes and as the textbook has them."""
    w = np.broadcast_to(AREA, where.shape)[where]
    p, t, e = (values[where].astype(float) for values in (estimate - base, truth - base, estimate - truth))
    bias = np.average(e, weights=w)
    covariance = np.cov(p, t, aweights=w)
    return {
        "mae": np.average(np.abs(e), weights=w),
        "rmse": np.sqrt(np.average(e**2, weights=w)),
        "bias": bias,
        "crmse": np.sqrt(np.average((e - bias) ** 2, weights=w)),
        "correlation": covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]),
    }


def test_sums_month_by_month_are_averages_over_the_whole(data, withheld, estimates):
    climatology = {month: climatology_field(np.array(month)) for month in range(1, 13)}
    table = score_table(score(data, estimates, withheld, climatology), baselines=["worse"])
    base = climatology_field(data.months)
    counted = SEA & np.isfinite(data.target) & np.isfinite(estimates["better"])
    icy = data.ice > 0.15
    strata = {"surface": {"sea": ~icy, "ice": icy}} | {
        name: {label: where & ~icy for label, where in labels.items()} for name, labels in masks(data, withheld).items()
    }
    assert set(table["better"]) == set(strata)
    for name, labels in strata.items():
        total = sum((np.broadcast_to(AREA, w.shape) * (w & counted)).sum() for w in labels.values())
        assert set(table["better"][name]) == {label for label, where in labels.items() if np.any(where & counted)}
        for label, row in table["better"][name].items():
            where = labels[label] & counted
            wanted = averages(estimates["better"], data.target, base, where)
            baseline = averages(estimates["worse"], data.target, base, where)
            assert row["area"] == pytest.approx((np.broadcast_to(AREA, where.shape) * where).sum() / total, rel=1e-12)
            for metric, value in wanted.items():
                assert row[metric] == pytest.approx(value, rel=1e-9, abs=1e-9), (name, label, metric)
            for metric in ("mae", "rmse", "crmse"):
                assert row[f"skill_{metric}_vs_worse"] == pytest.approx(1 - wanted[metric] / baseline[metric], rel=1e-9)


def test_two_cells_by_hand():
    """Rows of 60–90°S and 60–30°S: their cells' areas are as 1 − √3/2 to √3/2 − 1/2, errors 2 K and −1 K."""
    grid = LatLonGrid([-75.0, -45.0], [0.0, 30.0])
    target = np.array([[1.0, np.nan], [5.0, np.nan]])
    sums = ScoreSums(Strata.of(grid, np.zeros(grid.shape, bool)), ["it"])
    sums.add(3, target, {"it": target + np.array([[2.0], [-1.0]])}, num_observed=np.array([[0, 0], [9, 0]]))
    table = score_table(sums)["it"]
    south, north = 1 - np.sqrt(3) / 2, np.sqrt(3) / 2 - 0.5
    assert table["surface"]["sea"]["mae"] == pytest.approx((2 * south + north) / (south + north))
    assert table["surface"]["sea"]["bias"] == pytest.approx((2 * south - north) / (south + north))
    assert table["class"].keys() == {"never", "observed"}
    assert table["observations"][">8"]["mae"] == pytest.approx(1.0)
    assert table["latitude"]["90–60°S"]["area"] == pytest.approx(south / (south + north))
    assert table["month"].keys() == {"3"}
    assert table["coast"].keys() == {">1000 km"}  # there is no land
    # one month has no error bar, one cell no correlation
    assert table["observations"][">8"].keys() == {"area", "mae", "rmse", "bias", "crmse"}


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [2, 5, 0, 3, 1, 4]])
def test_the_order_of_the_months_does_not_matter(order):
    data = months_of(1)
    estimates = {"it": data.target + 0.5 * np.sin(np.arange(12))[:, None, None]}

    def table(months) -> Table:
        sums = ScoreSums(Strata.of(GRID, LAND), ["it"])
        for n in months:
            observed = np.isfinite(data.daily[n]).sum(axis=0)
            sums.add(int(data.months[n]), data.target[n], {"it": estimates["it"][n]}, num_observed=observed)
        return score_table(sums)

    shuffled, straight = table(order), table(range(6))
    for row, other in zip(table_rows(shuffled), table_rows(straight), strict=True):
        if not str(row["metric"]).endswith("_bar"):
            assert row.pop("value") == pytest.approx(other.pop("value"), rel=1e-12, abs=1e-12)
            assert row == other


def test_a_cell_that_one_estimate_lacks_counts_for_none(data, estimates):
    alone = score_table(score(data, {"worse": estimates["worse"]}))
    both = score_table(score(data, estimates))
    masked = np.where(np.isnan(estimates["better"]), np.float32(np.nan), estimates["worse"])
    assert both["worse"] == score_table(score(data, {"worse": masked}))["worse"]
    assert both["worse"] != alone["worse"]


# --- skill and bars -------------------------------------------------------------------------------------------------


def test_a_perfect_estimate_has_skill_one_and_a_baseline_none_over_itself(data, estimates):
    table = score_table(score(data, {"truth": data.target, **estimates}), ["worse"])
    assert table["truth"]["surface"]["sea"]["skill_mae_vs_worse"] == 1.0
    assert table["worse"]["surface"]["sea"]["skill_mae_vs_worse"] == 0.0


def test_the_bar_is_the_standard_error_of_independent_months():
    """Months whose error is one number each, the same in all cells: the MAE's standard error is std/√N."""
    data = months_of(5)
    size = np.abs(np.random.default_rng(1).normal(size=60))
    estimates = {"it": data.target + size[:, None, None], "half": data.target + 0.5 * size[:, None, None]}
    row = score_table(score(data, estimates), ["it"])["half"]["surface"]["sea"]
    assert row["mae_bar"] == pytest.approx(0.5 * size.std() / np.sqrt(60), rel=0.15)
    # the same months are drawn for both, so the skill of exactly one half has no bar
    assert row["skill_mae_vs_it"] == pytest.approx(0.5, abs=1e-6)
    assert row["skill_mae_vs_it_bar"] < 1e-6


def test_the_bar_of_few_months_is_as_long_as_that_of_many():
    """Two months of normal errors of 0.1 K about 1 K: the standard error of their mean is 0.1/√2, on average."""
    rng, squares = np.random.default_rng(0), []
    for _ in range(200):
        sums = ScoreSums(Strata.of(GRID, LAND), ["it"])
        for month in (1, 2):
            truth = np.zeros(GRID.shape)
            sums.add(month, truth, {"it": truth + rng.normal(1.0, 0.1)}, num_observed=np.full(GRID.shape, 5))
        squares.append(score_table(sums)["it"]["surface"]["sea"]["mae_bar"] ** 2)
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.1 / np.sqrt(2.0), rel=0.1)


def test_what_one_month_tells_of_has_no_bar(estimates, data):
    table = score_table(score(data, estimates), ["worse"])["better"]["month"]
    assert all("mae_bar" in row for row in table.values()), "two years have each month of the year twice"
    first = slice(0, 12)
    year = replace(data, target=data.target[first], daily=data.daily[first], ice=data.ice[first])
    year = replace(year, padded=data.padded[first], months=data.months[first], years=data.years[first])
    table = score_table(score(year, {name: field[first] for name, field in estimates.items()}), ["worse"])["better"]
    assert len(table["month"]) == 12
    assert not any(metric.endswith("_bar") for row in table["month"].values() for metric in row)
    assert table["surface"]["sea"]["mae_bar"] > 0.0


def test_bars_are_seeded(data, estimates):
    sums = score(data, estimates)
    assert score_table(sums, seed=1) == score_table(sums, seed=1)
    assert score_table(sums, seed=1) != score_table(sums, seed=2)


def test_seeds_make_a_mean_a_deviation_and_a_number():
    def table(mae: float, skill: float | None) -> Table:
        metrics = {"mae": mae, "mae_bar": 9.0} | ({} if skill is None else {"skill": skill})
        return {"it": {"surface": {"sea": metrics}}}

    summary = over_seeds([table(1.0, 0.5), table(2.0, None), table(6.0, 0.7)])["it"]["surface"]["sea"]
    assert summary == {
        "mae": 3.0,
        "mae_n": 3.0,
        "mae_std": pytest.approx(np.sqrt(7.0)),
        "skill": pytest.approx(0.6),
        "skill_n": 2.0,
        "skill_std": pytest.approx(np.sqrt(0.02)),
    }
    assert over_seeds([table(1.0, 0.5)])["it"]["surface"]["sea"] == {
        "mae": 1.0,
        "mae_n": 1.0,
        "skill": 0.5,
        "skill_n": 1.0,
    }


def test_a_table_is_plain_numbers(data, withheld, estimates):
    table = score_table(score(data, estimates, withheld), ["worse"])
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    rows = list(table_rows(table))
    assert {tuple(row) for row in rows} == {("estimate", "stratum", "label", "metric", "value")}
    for row in rows:
        assert table[row["estimate"]][row["stratum"]][row["label"]][row["metric"]] == row["value"]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_scored_is_refused(data, estimates):
    with pytest.raises(DataError, match="truth of the months is not known"):
        score(replace(data, target=None), estimates)
    sums = ScoreSums(Strata.of(GRID, LAND), ["worse", "better"])
    with pytest.raises(DataError, match="no month was scored"):
        score_table(sums)
    with pytest.raises(ChoiceError, match="give better, worse"):
        sums.add(1, data.target[0], {"worse": estimates["worse"][0]}, num_observed=np.zeros(GRID.shape, int))
    with pytest.raises(ChoiceError, match="'mean' was not scored"):
        score_table(score(data, estimates), ["mean"])


# --- distance to the coast ------------------------------------------------------------------------------------------


def by_tree(grid: LatLonGrid, land: np.ndarray) -> np.ndarray:
    """Straight lines through the Earth by SciPy's tree, made into arcs."""
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    points = unit_vectors(lat, lon).numpy()
    chord, _ = cKDTree(points[land]).query(points)
    return 2.0 * EARTH_RADIUS_M / 1000.0 * np.arcsin(np.minimum(chord / 2.0, 1.0))


@pytest.mark.parametrize(
    "grid",
    [
        LatLonGrid.regular(3.0),
        LatLonGrid.poles(5.0),
        LatLonGrid([88.0, 61.0, 38.0, 22.0, -1.0, -30.0, -50.0, -71.0], np.arange(0.0, 360.0, 7.5)),
        LatLonGrid(np.arange(-40.0, 40.0, 2.0), [*np.arange(150.0, 180.0, 2.5), *np.arange(-180.0, -120.0, 2.5)]),
    ],
    ids=["cells", "points", "irregular and descending", "box over the date line"],
)
@given(st.integers(0, 999), st.sampled_from([0.001, 0.02, 0.5]))
def test_the_nearest_land_is_the_nearest(grid: LatLonGrid, seed: int, share: float):
    rng = np.random.default_rng(seed)
    land = rng.random(grid.shape) < share
    land[rng.integers(grid.shape[0]), rng.integers(grid.shape[1])] = True
    # within a metre: neither is exact at the antipodes, where the arc sine is steep
    np.testing.assert_allclose(coast_distance_km(grid, land), by_tree(grid, land), atol=1e-3)


def test_without_land_the_coast_is_infinitely_far():
    assert np.isinf(coast_distance_km(GRID, np.zeros(GRID.shape, bool))).all()
