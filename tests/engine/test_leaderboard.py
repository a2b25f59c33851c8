"""The leaderboard: runs and baselines of one source and split together, with the numbers of the verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.sst import DemoSource
from engine.evaluation import verdict
from engine.queries.leaderboard import COLUMNS, Leaderboard, leaderboards
from engine.queries.verdicts import verdict_of
from engine.runs import Run, RunConfig, RunStore
from explorer.cli import main
from tests.support.scores import with_blocks

DEMO = RunConfig.demo("sst").settings


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    with RunStore(tmp_path) as store:
        yield store


def scored(store: RunStore, scores: dict[str, Any], name: str = "", seed: int = 0, **changes: Any) -> Run:
    """A run that has these scores."""
    settings = DEMO.model_copy(update=changes)
    run = store.create(RunConfig(seed=seed, settings=settings), name=name)
    run.files.scores.write_text(json.dumps(scores))
    return run


def only(boards: list[Leaderboard]) -> Leaderboard:
    (board,) = boards
    return board


def test_seeds_are_one_entry_and_the_numbers_those_of_the_verdict(store: RunStore) -> None:
    runs = [
        scored(store, with_blocks(seed, model=0.2 + 0.01 * seed, mean=0.25, climatology=0.4), f"seed {seed}", seed)
        for seed in range(3)
    ]
    board = only(leaderboards(store))
    assert [entry.kind for entry in board.entries] == ["model", "baseline", "baseline"]
    model = board.entries[0]
    expected = verdict_of([run.folder for run in runs[::-1]])
    assert expected is not None
    assert (model.error, model.skill, model.interval) == (expected.model_error, expected.margin, expected.interval)
    assert model.level == expected.level == "lower"
    assert set(model.runs) == {run.id for run in runs}
    errors = [json.loads(run.files.scores.read_text())["model"]["surface"]["sea"]["mae"] for run in runs]
    assert model.seed_std == pytest.approx(np.std(errors, ddof=1))
    assert board.baseline == "Mean of observed days"
    assert board.entries[1].skill == 0.0
    assert board.entries[1].interval is None
    worse = board.entries[2]
    assert worse.skill == pytest.approx(1.0 - worse.error / board.entries[1].error)
    assert worse.interval is not None
    assert worse.interval[1] < 0.0
    assert worse.level == "higher"


def test_skill_is_against_the_best_baseline_of_any_run(store: RunStore) -> None:
    scored(store, with_blocks(model=0.2, mean=0.25), "without", epochs=3)
    scored(store, with_blocks(model=0.21, mean=0.25, optimal_interpolation=0.205), "with", epochs=4)
    board = only(leaderboards(store))
    assert board.baseline == "Optimal interpolation"
    names = [entry.name for entry in board.entries]
    assert names == ["without", "Optimal interpolation", "with", "Mean of observed days"]
    best = board.entries[1]
    for entry in board.entries:
        assert entry.skill == pytest.approx(1.0 - entry.error / best.error)


def test_seeds_of_a_sweep_have_its_name(store: RunStore) -> None:
    sweep = store.create(RunConfig.demo("sweep"), name="Evaluation: my sea")
    for seed in range(2):
        config = RunConfig(seed=seed, settings=DEMO)
        trial = store.create(config, f"trial {seed}", tags=(f"sweep {sweep.id}", f"trial {seed}"))
        trial.files.scores.write_text(json.dumps(with_blocks(seed, model=0.2, mean=0.25)))
    assert only(leaderboards(store)).entries[0].name == "Evaluation: my sea"


def test_other_sources_splits_and_data_are_other_boards(store: RunStore) -> None:
    scores = with_blocks(model=0.2, mean=0.25)
    scored(store, scores)
    scored(store, scores, withheld_fraction=0.2)
    scored(store, scores, source=DemoSource(step_deg=2.0, years=4, seed=5))
    changed = with_blocks(model=0.2, mean=0.25)
    changed["model"]["source_key"] = "b"
    scored(store, changed)
    # the run without a hash goes with the newest that has one; the same file with another content does not
    older = with_blocks(model=0.2, mean=0.25)
    older["model"]["source_key"] = "a"
    scored(store, older)
    boards = leaderboards(store)
    assert len(boards) == 4
    assert sorted(sum(entry.kind == "model" for entry in board.entries) for board in boards) == [1, 1, 1, 1]
    assert len(leaderboards(store, "elsewhere.nc")) == 0


def test_scores_without_blocks_have_no_interval_and_damaged_ones_are_left_out(store: RunStore) -> None:
    scored(store, {name: {"surface": {"sea": {"mae": value}}} for name, value in (("model", 0.2), ("mean", 0.3))})
    damaged = scored(store, {})
    damaged.files.scores.write_text('{"model": 3}')
    model, baseline = only(leaderboards(store)).entries
    assert model.interval is None
    assert model.skill == pytest.approx(1 / 3)
    assert baseline.kind == "baseline"


def test_the_command_prints_the_same_numbers(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    scores = with_blocks(model=0.2, mean=0.25, climatology=0.4)
    scored(store, scores, "My training")
    board = only(leaderboards(store, "demo"))
    assert main(["scores", "demo", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line, entry in zip(lines, board.entries, strict=True):
        assert {name: line[name] for name in COLUMNS} == json.loads(json.dumps(entry.row()))
    assert lines[0]["verdicts"] == [json.loads(json.dumps(verdict(scores).as_dict()))]
    assert main(["scores", "demo"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == f"{board.title}; skill against Mean of observed days"
    assert verdict(scores).text in text
    assert f"{100 * board.entries[0].skill:+.1f} %" in text
    assert "My training" in text
