"""``harmonia evaluate`` from a file to a report: on days as an agency lays them out, without a known truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.config.sst import SSTSettings
from engine.config.sweep import SEED, Choices, SweepSettings
from engine.errors import ChoiceError
from engine.queries.evaluation import evaluation_config, start_evaluation
from engine.queries.leaderboard import leaderboards
from engine.queries.verdicts import run_verdict
from engine.runs import RunConfig, RunStore
from explorer.cli import main
from tests.support.own_file import write_region


def test_a_file_is_evaluated_from_end_to_end(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    source = write_region(tmp_path / "region.nc", num_days=430, shape=(8, 12))
    out = tmp_path / "evaluation.html"
    assert main(["evaluate", str(source), str(out), "--minutes", "0.1", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    assert str(out) in printed
    with RunStore(tmp_path / "home") as store:
        records = store.records().values()
        (sweep,) = (record for record in records if record.task == "sweep")
        trials = [store.get(record.id) for record in records if record.task == "sst"]
        assert sorted(trial.config.seed for trial in trials) == [0, 1]
        assert all(trial.record.state == "done" for trial in trials)
        result = run_verdict(store.folder(sweep.id), "sweep")
        (board,) = leaderboards(store, str(source))
        scores = json.loads(trials[0].files.scores.read_text())
        # again: what is done is not trained again
        assert start_evaluation(store, store.get(sweep.id).config, "again").id == sweep.id
    assert {"dineof", "optimal_interpolation"} <= set(scores)
    assert "observed" not in scores["model"]["class"]
    assert result is not None
    assert "mean of 2 seeds" in result.text
    (model,) = (entry for entry in board.entries if entry.kind == "model")
    assert (model.error, model.skill) == (result.model_error, result.margin)
    page = " ".join(re.sub("<[^>]*>", " ", out.read_text()).split())
    for part in ("2 seeds of run", "does not know the true monthly means", "They cannot tell", "What place is worth"):
        assert part in page


def test_an_evaluation_takes_every_seed_once_beside_all_baselines() -> None:
    settings = RunConfig.demo("sst").settings
    assert isinstance(settings, SSTSettings)
    config = evaluation_config(settings, 4)
    assert isinstance(config.settings, SweepSettings)
    assert config.settings.trial.baselines == "all"
    assert config.settings.space == {SEED: Choices(values=(0, 1, 2, 3))}
    for wrong in (0, 21):
        with pytest.raises(ChoiceError, match="seeds"):
            evaluation_config(settings, wrong)


def test_an_interrupted_evaluation_goes_on_though_its_epochs_were_planned_anew(tmp_path: Path, monkeypatch) -> None:
    settings = RunConfig.demo("sst").settings
    assert isinstance(settings, SSTSettings)
    launched = []
    monkeypatch.setattr(RunStore, "launch", lambda _, run: launched.append(run.id))
    with RunStore(tmp_path) as store:
        first = start_evaluation(store, evaluation_config(settings), "first")
        replanned = settings.model_copy(update={"epochs": 99})
        monkeypatch.setattr(type(first.record), "can_resume", property(lambda _: True))
        monkeypatch.setattr(RunStore, "resume", lambda _, run: launched.append(f"again {run.id}"))
        assert start_evaluation(store, evaluation_config(replanned), "second").id == first.id
        assert start_evaluation(store, evaluation_config(replanned, 5), "more seeds").id != first.id
    assert launched[:2] == [first.id, f"again {first.id}"]
