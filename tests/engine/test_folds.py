"""Rolling origin: the folds' scores pooled are the scores of all their months, and every place says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.sst import SSTSettings
from engine.errors import StoreError
from engine.evaluation import verdict
from engine.evaluation.folds import pooled
from engine.evaluation.scores import ScoreSums, score_table
from engine.evaluation.strata import Strata
from engine.queries.folds import folds_verdict, new_tag
from engine.queries.report import run_report
from engine.runs import Run, RunConfig, RunStore
from explorer import cli
from explorer.report import report_html
from tests.support.months import GRID, LAND, climatology_field
from tests.support.trainings import SMALL

SPANS = (("2002-01", "2002-04"), ("2002-05", "2002-08"), ("2002-09", "2002-12"))


def scores_of(months: range) -> dict[str, Any]:
    """Content of ``scores.json`` of these months of one made-up year, whose errors do not depend on the fold."""
    sums = ScoreSums(Strata.of(GRID, LAND), ["model", "mean", "climatology"])
    for month in months:
        rng = np.random.default_rng(month)
        truth = climatology_field(np.array(month))
        noise = {"model": 0.2, "mean": 0.3, "climatology": 0.4}
        estimates = {name: truth + size * rng.normal(size=truth.shape) for name, size in noise.items()}
        seen = rng.integers(0, 12, truth.shape)
        sums.add(month, truth, estimates, num_observed=seen, num_withheld=rng.integers(0, 3, truth.shape))
    table, blocks = score_table(sums, ("mean", "climatology")), sums.by_block()
    return {name: {**table[name], "blocks": blocks[name]} for name in table}


FOLDS = [scores_of(range(first, first + 4)) for first in (1, 5, 9)]


def test_pooled_folds_are_the_scores_of_all_months() -> None:
    together, whole = pooled(FOLDS), scores_of(range(1, 13))
    for name, strata in whole.items():
        assert together[name]["blocks"]["months"] == list(range(1, 13))
        assert together[name]["surface"]["sea"]["mae"] == pytest.approx(strata["surface"]["sea"]["mae"], rel=1e-5)
        for stratum in ("class", "observations"):
            known = {label: row["mae"] for label, row in together[name][stratum].items()}
            expected = {label: row["mae"] for label, row in strata[stratum].items() if label in known}
            assert known == pytest.approx(expected, rel=1e-5)
    assert set(together["model"]["class"]) == {"observed", "withheld", "never"}
    pooled_verdict, whole_verdict = verdict(together), verdict(whole)
    assert pooled_verdict.margin == pytest.approx(whole_verdict.margin, rel=1e-4)
    assert pooled_verdict.interval == pytest.approx(whole_verdict.interval, abs=1e-4)
    assert [part.label for part in pooled_verdict.parts] == [part.label for part in whole_verdict.parts]


def test_folds_of_other_cells_or_without_blocks_are_not_pooled() -> None:
    other = json.loads(json.dumps(FOLDS[1]))
    for estimate in other.values():
        estimate["blocks"]["lat"][0] += 1.0
    without = {name: {"surface": strata["surface"]} for name, strata in FOLDS[1].items()}
    for second in (other, without):
        with pytest.raises(StoreError, match="no sums by block and month of the same cells"):
            pooled([FOLDS[0], second])


@pytest.fixture
def folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    tag = new_tag()
    with RunStore(tmp_path) as store:
        runs = []
        for span in SPANS:
            train = {"climatology": ("2001-01", "2001-06"), "train": ("2001-01", "2001-06")}
            splits = {**train, "validation": ("2001-08", "2001-10"), "test": span}
            settings = SSTSettings.model_validate(SMALL.model_dump() | splits)
            runs.append(store.create(RunConfig(settings=settings), tags=(tag,)))
        yield runs


def write_scores(run: Run, scores: dict[str, Any]) -> None:
    run.files.scores.write_text(json.dumps(scores))


def test_the_verdict_on_folds_comes_with_the_second_and_is_of_all(folds: list[Run]) -> None:
    write_scores(folds[0], FOLDS[0])
    assert folds_verdict(folds[0]) is None
    write_scores(folds[2], FOLDS[2])
    so_far = folds_verdict(folds[1])
    assert so_far is not None
    assert so_far.title.startswith("2 of 3 folds together")
    write_scores(folds[1], FOLDS[1])
    whole = [folds_verdict(run) for run in folds]
    assert whole[0] == whole[1] == whole[2]
    assert whole[0] is not None
    assert whole[0].title == "3 folds together, tested on 2002"
    assert whole[0].verdict.margin == pytest.approx(verdict(pooled(FOLDS)).margin)
    assert whole[0].verdict.text.count("% lower") >= 3, "the margin of each fold is in the text"
    assert "Fold by fold: 2002-01" in whole[0].verdict.text


def test_a_fold_that_is_trained_again_takes_the_place_of_the_first(folds: list[Run]) -> None:
    for run, scores in zip(folds, FOLDS, strict=True):
        write_scores(run, scores)
    again = folds[1]._store.duplicate(folds[1])
    write_scores(again, FOLDS[1])
    result = folds_verdict(folds[0])
    assert result is not None
    assert result.title.startswith("3 of 4 folds together")
    assert result.verdict.margin == pytest.approx(verdict(pooled(FOLDS)).margin)


def test_every_place_says_the_verdict_on_the_folds(folds: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    for run, scores in zip(folds, FOLDS, strict=True):
        write_scores(run, scores)
    result = folds_verdict(folds[0])
    assert result is not None
    page = report_html(run_report(folds[1], folds[1]._store))
    assert result.title in page
    assert "Fold by fold" in page
    assert cli.main(["runs"]) == 0
    assert result.verdict.text in capsys.readouterr().out
    assert cli.main(["runs", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["folds"]["title"] for row in rows] == [result.title] * 3
    assert cli.main(["scores", "demo"]) == 0
    assert result.verdict.text in capsys.readouterr().out
