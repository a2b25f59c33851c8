"""The verdict: against the best baseline, with an interval that covers what it should, in words that follow it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import DataError, StoreError
from engine.evaluation import verdict
from engine.evaluation.blocks import LABELS, Blocks
from engine.evaluation.bootstrap import draw_weights, drawn_margins, margin_interval
from engine.evaluation.report import report
from engine.models.baselines import Baselines
from engine.queries.train.curves import sweep_summary
from engine.queries.verdicts import run_verdict, score_rows, trial_verdicts, validation_verdict, verdict_of
from engine.sphere import EARTH_RADIUS_M, LatLonGrid
from engine.training.sst.holdout import HoldOutSet
from tests.support.months import GRID, LAND, climatology_field, months_of
from tests.support.scores import drawn_one_by_one, plain, with_blocks

# --- level and words --------------------------------------------------------------------------------------------------


def test_the_baseline_is_the_best_one_and_not_the_mean() -> None:
    """A page said in green "7 % lower than the mean of observed days" where another baseline had the lower error."""
    result = verdict(plain(model=0.219, mean=0.2355, climatology=0.4, climatology_anomaly=0.216))
    assert result.baseline == "climatology_anomaly"
    assert result.level != "lower"
    assert result.margin == pytest.approx(1 - 0.219 / 0.216)
    assert "climatology + mean anomaly" in result.headline
    assert "0.219 K against 0.216 K" in result.text


def test_what_is_only_scored_beside_is_no_baseline() -> None:
    """The mean of model and interpolation holds the model itself, and the bound has seen the truth."""
    scores = plain(model=0.3, mean=0.5, optimal_interpolation=0.31, mean_of_both=0.29, linear_bound=0.28)
    result = verdict(scores)
    assert result.baseline == "optimal_interpolation"
    assert any("The best of 2 baselines" in note for note in result.notes)
    alone = verdict(plain(model=0.3, optimal_interpolation=0.31, mean_of_both=0.29))
    assert "best baseline" not in alone.headline
    assert alone.notes == ()


def test_an_abbreviation_keeps_its_capitals() -> None:
    assert "(DINEOF)" in verdict(plain(model=0.3, mean=0.5, dineof=0.4)).headline


def test_a_small_difference_without_an_interval_is_level() -> None:
    result = verdict(plain(model=0.514, mean=0.520))
    assert (result.level, result.interval) == ("level", None)
    assert result.headline.startswith("No clear difference")
    assert "No interval is known" in result.text


def test_scores_of_other_months_are_not_averaged() -> None:
    first, second = (with_blocks(seed, model=0.2, mean=0.3) for seed in range(2))
    for scores, months in ((first, [1, 2]), (second, [2, 3])):
        for estimate in scores.values():
            estimate["blocks"]["months"] = months
    with pytest.raises(StoreError, match="other months or cells"):
        verdict([first, second])


@pytest.mark.parametrize(
    ("model", "level", "phrase"), [(0.2, "lower", "lower error than"), (0.3, "higher", "higher error than"),
                                  (0.2501, "level", "No clear difference from")],
)  # fmt: skip
def test_the_words_follow_the_interval(model: float, level: str, phrase: str) -> None:
    result = verdict(with_blocks(model=model, mean=0.3, climatology=0.25))
    assert result.level == level
    assert result.baseline == "climatology"
    assert phrase in result.headline
    assert result.text.startswith(result.headline)
    assert result.interval is not None
    low, high = result.interval
    assert low < result.margin < high
    assert (low <= 0.0 <= high) == (level == "level")
    assert "95 % interval" in result.text
    assert json.loads(json.dumps(result.as_dict()))["text"] == result.text


def test_where_it_is_the_other_way_round_is_said() -> None:
    scores = plain(model=0.2, mean=0.3, climatology=0.4)
    for name, withheld, never in (("model", 0.5, 0.6), ("mean", 0.4, 0.4), ("climatology", 0.4, 0.4)):
        scores[name]["class"] = {"withheld": {"mae": withheld}, "never": {"mae": never}}
    result = verdict(scores)
    assert result.level == "lower"
    assert result.text.endswith("Higher in withheld cells (25 %) and cells that were never observed (50 %).")
    parts = {part.title: part for part in result.parts}
    assert parts["Withheld"].level == "higher"
    # each part is compared with the best baseline there, and where all are the same the simplest is named
    assert parts["Withheld"].baseline == "climatology"
    assert parts["Withheld"].baseline_title == "All baselines, the same here"


def test_baselines_with_the_same_numbers_are_named_together() -> None:
    scores = plain(model=0.2, mean=0.3, climatology=0.3, climatology_anomaly=0.25)
    note = "“Mean of observed days” and “Climatology” are the same numbers here"
    assert f"{note}." in verdict(scores).notes
    for name in scores:
        scores[name]["class"] = {"withheld": {"mae": 0.3}}
    assert any(each.startswith(f"{note}: no scored cell") for each in verdict(scores).notes)


def test_a_source_without_truth_has_one_baseline_under_two_names() -> None:
    """It is scored where all days are withheld, and there the mean of observed days is the climatology."""
    years = months_of(3, truth=False, clear=(0.1, 0.3))
    baselines = Baselines.fit(years, years)
    holdout = HoldOutSet.of(months_of(1, 1, truth=False, clear=(0.1, 0.3)), 0.3, 1)
    estimates = baselines.predict(holdout.data)
    climatology = {month: baselines.climatology.at(month) for month in range(1, 13)}
    scores = report(
        holdout.data,
        {"model": estimates["climatology"] * 0.9, **estimates},
        None,
        baselines=list(estimates),
        num_withheld=holdout.num_withheld,
        climatology=climatology,
        seed=0,
        with_spectra=False,
    )
    assert any("same numbers here: no scored cell has an observed day" in note for note in verdict(scores).notes)


def test_seeds_are_averaged_and_widen_the_interval() -> None:
    middle = with_blocks(model=0.24, mean=0.3)
    runs = [with_blocks(model=error, mean=0.3) for error in (0.2, 0.24, 0.28)]
    single, several = verdict(middle), verdict(runs)
    assert several.margin == pytest.approx(single.margin)
    assert "mean of 3 seeds" in several.text
    widths = [high - low for low, high in (single.interval or (0.0, 0.0), several.interval or (0.0, 0.0))]
    assert widths[1] > 3.0 * widths[0] > 0.0
    assert verdict([middle, plain(model=0.24, mean=0.3)]).interval is None


def test_without_errors_there_is_no_verdict() -> None:
    for scores in ({}, plain(model=0.2), plain(mean=0.2), plain(model=0.2, mean=0.0), {"model": None, "mean": 3}):
        with pytest.raises(DataError, match="no error of a model"):
            verdict(scores)


@pytest.mark.parametrize("damage", [None, [], "x", [[1.0]], [[[float("nan")]] * 20] * 12])
def test_damaged_sums_are_refused(damage: Any) -> None:
    scores = with_blocks(model=0.2, mean=0.3)
    scores["mean"]["blocks"]["abs_error"] = damage
    with pytest.raises(StoreError, match="damaged"):
        verdict(scores)


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_the_sums_of_all_blocks_are_the_scores_of_every_label() -> None:
    data = months_of(1, clear=(0.0, 0.05, 0.2, 0.6))
    rng = np.random.default_rng(2)
    assert data.target is not None
    estimates = {
        name: (data.target + rng.normal(size=data.target.shape)).astype(np.float32) for name in ("model", "mean")
    }
    withheld = rng.integers(0, 2, data.target.shape)
    climatology = {month: climatology_field(np.array(month)) for month in range(1, 13)}
    scores = report(
        data, estimates, None, baselines=["mean"], num_withheld=withheld, climatology=climatology, seed=0,
        with_spectra=False,
    )  # fmt: skip
    for table in scores.values():
        blocks = table["blocks"]
        area, error = np.array(blocks["area"]), np.array(blocks["abs_error"])
        assert area.shape == (12, len(blocks["lat"]), len(LABELS))
        assert area.sum() == pytest.approx(12 * (GRID.cell_area_m2[:, None] * ~LAND).sum() / 1e6, rel=1e-5)
        assert error.sum() / area.sum() == pytest.approx(table["surface"]["sea"]["mae"], rel=1e-5)
        for at, label in enumerate(LABELS):
            row = {**table["class"], **table["observations"]}[label]
            assert error[..., at].sum() / area[..., at].sum() == pytest.approx(row["mae"], rel=1e-5)
    result = verdict(scores)
    assert result.margin == pytest.approx(
        1 - scores["model"]["surface"]["sea"]["mae"] / scores["mean"]["surface"]["sea"]["mae"]
    )
    assert [part.title for part in result.parts][-2:] == ["Withheld", "Never observed"]
    assert all(part.interval is not None for part in result.parts)
    assert verdict(json.loads(json.dumps(scores))) == result


@pytest.mark.parametrize(
    ("south", "north", "west", "east"), [(-90, 90, -180, 180), (30, 46, -6, 36), (30, 50, 140, 220)]
)
def test_blocks_are_boxes_of_like_size_and_cross_the_date_line(south: int, north: int, west: int, east: int) -> None:
    grid = LatLonGrid(np.arange(south + 0.5, north), np.arange(west + 0.5, east))
    sea = np.ones(grid.shape, bool)
    blocks = Blocks.of(grid, sea)
    areas = np.bincount(blocks.index.ravel(), np.broadcast_to(grid.cell_area_m2[:, None], grid.shape).ravel())
    assert len(areas) == len(blocks.lat) >= 6
    whole = areas.max() / 1e6
    assert 0.5 * blocks.side_km**2 < whole < 2.0 * blocks.side_km**2
    for number in range(len(areas)):
        rows, columns = np.nonzero(blocks.index == number)
        height = np.deg2rad(np.ptp(rows) + 1) * EARTH_RADIUS_M / 1000.0
        assert height <= 1.6 * blocks.side_km
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), "a block has a hole"


# --- the interval -----------------------------------------------------------------------------------------------------


def test_draws_as_products_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(1)
    model, baseline = rng.uniform(1, 2, (3, 4, 5)), rng.uniform(1, 2, (4, 5))
    weights = [draw_weights(size, 30, (0, axis)) for axis, size in enumerate(model.shape)]
    expected = drawn_one_by_one(model, baseline, *weights)
    np.testing.assert_allclose(drawn_margins(model, baseline, *weights), expected, rtol=1e-12)


def test_weights_keep_the_number_of_units_and_have_the_variance_of_one() -> None:
    weights = draw_weights(5, 20_000, (0, 0))
    np.testing.assert_allclose(weights.sum(axis=1), 5.0)
    np.testing.assert_allclose(weights.var(axis=0), 1.0, rtol=0.05)
    assert (draw_weights(1, 3, (0, 0)) == 1.0).all()


@pytest.mark.parametrize(
    ("num_seeds", "num_months", "num_blocks", "spread"),
    [(1, 12, 30, (0.1, 0.05, 0.1, 0.0)), (1, 12, 8, (0.2, 0.0, 0.05, 0.0)), (1, 1, 40, (0.1, 0.0, 0.1, 0.0)),
     (3, 12, 30, (0.1, 0.05, 0.1, 0.05))],
)  # fmt: skip
def test_the_interval_covers_the_true_margin(num_seeds, num_months, num_blocks, spread) -> None:
    """In 95 % of synthetic scores whose relative errors vary by block, by month, by both, and by seed."""
    rng = np.random.default_rng(0)
    trials, true, covered = 200, 0.05, 0
    for _ in range(trials):
        base = rng.lognormal(0.0, 0.6, num_blocks) * np.exp(0.2 * rng.standard_normal((num_months, num_blocks)))
        relative = (
            spread[0] * rng.standard_normal((1, num_blocks))
            + spread[1] * rng.standard_normal((num_months, 1))
            + spread[2] * rng.standard_normal((num_months, num_blocks))
        )
        seeds = spread[3] * rng.standard_normal((num_seeds, 1, 1))
        low, high = margin_interval(base * (1.0 - true) * (1.0 + relative + seeds), base) or (1.0, 0.0)
        covered += low <= true <= high
    # 0.95 ± 3 standard errors of 200 trials; the draws are rather too wide where single blocks and months dominate
    assert 0.90 <= covered / trials <= 1.0
    assert covered < trials


def test_few_blocks_and_months_give_no_interval() -> None:
    few = with_blocks(model=0.2, mean=0.3)
    for table in few.values():
        for key in ("area", "abs_error"):
            table["blocks"][key] = [month[:3] for month in table["blocks"][key][:3]]
    assert "too few months and blocks" in verdict(few).text
    assert margin_interval(np.ones((1, 5, 5)), np.ones((5, 5))) is None
    assert margin_interval(np.ones((1, 12, 1)), np.full((12, 1), 2.0)) == pytest.approx((0.5, 0.5))
    # blocks without a cell of the sort do not count
    sparse = np.zeros((12, 30))
    sparse[:3, :3] = 1.0
    assert margin_interval(sparse[None], sparse) is None


def test_the_interval_is_the_same_for_the_same_seed() -> None:
    scores = with_blocks(model=0.2, mean=0.3)
    assert verdict(scores, seed=1) == verdict(scores, seed=1)
    assert verdict(scores, seed=1).interval != verdict(scores, seed=2).interval


# --- runs -------------------------------------------------------------------------------------------------------------


def write_scores(folder: Path, scores: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps(scores))
    return folder


def test_a_run_has_the_verdict_of_its_scores(tmp_path: Path) -> None:
    scores = with_blocks(model=0.2, mean=0.3)
    folder = write_scores(tmp_path / "first", scores)
    assert run_verdict(folder, "sst") == verdict(scores)
    assert run_verdict(folder, "expert") is None
    assert run_verdict(tmp_path / "none", "sst") is None
    write_scores(folder, with_blocks(model=0.4, mean=0.3))
    os.utime(folder / "scores.json", ns=(1, 1))
    assert (run_verdict(folder, "sst") or verdict(scores)).level == "higher", "it is read again when it changes"
    other = write_scores(tmp_path / "second", with_blocks(model=0.3, mean=0.3))
    assert "mean of 2 seeds" in (verdict_of([folder, other]) or verdict(scores)).text
    assert verdict_of([folder, tmp_path / "none"]) is None
    assert run_verdict(write_scores(tmp_path / "alone", plain(model=0.2)), "sst") is None


def test_a_sweep_has_the_verdict_of_its_best_trial_over_its_seeds(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    ids = [f"20260101-00000{number}-0123456789" for number in range(5)]
    for number, run in enumerate(ids[:3]):
        write_scores(runs / run, with_blocks(model=0.2 + 0.1 * number, mean=0.3))
    sweep = runs / ids[4]
    sweep.mkdir()

    def write_trials(*chosen: tuple[str, float, dict[str, Any]]) -> None:
        trials = [
            {"number": n, "state": "done", "run": run, "value": value, "chosen": values, "scores": [], "why": ""}
            for n, (run, value, values) in enumerate(chosen)
        ]
        (sweep / "trials.json").write_text(json.dumps({"fields": [], "trials": trials, "importance": {}}))

    write_trials((ids[1], 0.2, {"epochs": 1}), (ids[0], 0.3, {"epochs": 2}))
    assert run_verdict(sweep, "sweep") == run_verdict(runs / ids[1], "sst")
    # the same choices with other seeds count with it; one of them is not scored yet
    seeds = [(run, 0.2 + 0.1 * n, {"epochs": 1, "seed": n}) for n, run in enumerate(ids[1:4])]
    write_trials(*seeds, (ids[0], 0.5, {"epochs": 2, "seed": 0}))
    assert run_verdict(sweep, "sweep") == verdict_of([runs / ids[1], runs / ids[2]])
    assert trial_verdicts(sweep, sweep_summary(sweep)).keys() == {0, 1, 3}
    write_trials(("../../elsewhere", 0.2, {}))
    with pytest.raises(StoreError, match="not the id of a run"):
        run_verdict(sweep, "sweep")
    assert trial_verdicts(sweep, sweep_summary(sweep)) == {}


def test_a_training_is_compared_on_its_validation_months() -> None:
    last = {"val_mae": 0.2, "val_mae_mean": 0.3, "val_mae_climatology": 0.25, "best_mae": 0.1}
    result = validation_verdict(last)
    assert result is not None
    assert (result.level, result.baseline, result.interval) == ("lower", "climatology", None)
    assert validation_verdict({"train_loss": 1.0}) is None
    assert validation_verdict({"val_mae": float("nan"), "val_mae_mean": 0.3}) is None


def test_rows_of_a_file_hold_verdict_and_scores() -> None:
    scores = with_blocks(model=0.2, mean=0.3)
    result = verdict(scores)
    rows = score_rows(scores, result)
    assert rows[0]["value"] == result.text
    assert {"level", "baseline", "margin", "margin_low", "margin_high"} <= {str(row["metric"]) for row in rows}
    assert {row["estimate"] for row in rows} == {"verdict", "model", "mean"}
    assert all(isinstance(row["value"], str | float) for row in rows)
    assert len(score_rows(plain(model=0.2), None)) == 1
