"""A home folder that an earlier version filled (``tests/support/legacy_home``) opens, resumes and is read as today's.

Its runs are tiny trainings of every task on the small ocean of :mod:`tests.support.ocean`, with the files and fields of
that version: ``bin``, ``rivals.npz``, ``average``, ``withheld_share``, ``sample_share``, ``facts``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.config import RunConfig, TableSettings
from engine.config.legacy import current_key, current_keys, current_study, current_trials
from engine.config.sst import SSTSettings
from engine.config.sweep import SweepSettings
from engine.embedding import HarmonicBasis
from engine.errors import ConfigError
from engine.evaluation import verdict
from engine.queries import reconstruct
from engine.queries.mvmf import expert
from engine.queries.reconstruct import archive_file, has_model, model_card, snapshot
from engine.queries.reconstruct.models import model_of
from engine.queries.table import loss_curves, nearest_baseline, table_fields
from engine.queries.train.curves import curve, sweep_summary
from engine.queries.train.run_files import final_scores, latest_metrics, snapshot_fields
from engine.runs import Run, RunStore, worker
from engine.runs.checkpoints import read_checkpoint
from engine.training.sst import data_module
from explorer.pages.train.model import TrainModel
from tests.support.ocean import small_ocean

LEGACY_HOME = Path(__file__).parents[1] / "support" / "legacy_home"
DELETED = "20261130-000513-094827bec1"


@pytest.fixture
def store(tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(LEGACY_HOME, home)
    monkeypatch.setenv("HARMONIA_HOME", str(home))
    with RunStore() as store:
        yield store


def run_named(store: RunStore, name: str) -> Run:
    return next(run for run in store.list() if run.record.name == name)


def test_all_runs_are_listed_with_their_states_metrics_and_logs(store):
    records = store.records().values()
    states = {record.name: record.state for record in records}
    assert states == {
        "land": "done",
        "land, interrupted": "interrupted",
        "basis": "done",
        "table": "done",
        "sst": "done",
        "sst, interrupted": "interrupted",
        "expert": "done",
        "reconstruct": "done",
        "sweep": "done",
        "0215 trial 0": "done",
        "0215 trial 1": "done",
    }
    land = run_named(store, "land").record
    assert (land.note, land.tags) == ("a note of two\nlines", ("first", "old"))
    for run in store.list():
        reader = run.metrics()
        assert reader.poll(), run
        assert len(reader.columns["step"]) > 0
        assert latest_metrics(run.folder)["step"] == reader.columns["step"][-1]
    assert run_named(store, "sweep").log_tail()[-1].endswith("launch 1 ends: done")


def test_configurations_with_old_fields_open_and_are_written_with_the_new_ones(store):
    for run in store.list():
        assert RunConfig.from_json(run.config.to_json()) == run.config
        assert not any(name in run.config.to_json() for name in (b'"average"', b"withheld_share", b"sample_share"))
    sst = run_named(store, "sst").config.settings
    assert isinstance(sst, SSTSettings)
    assert (sst.ema_decay, sst.withheld_fraction) == (0.98, 0.1)
    assert (sst.validation, sst.test, sst.gap_days) == (("2003-02", "2003-11"), ("2004-02", "2004-12"), 31)
    table = run_named(store, "table").config.settings
    assert isinstance(table, TableSettings)
    assert table.sample_fraction == 0.1
    sweep = run_named(store, "sweep").config.settings
    assert isinstance(sweep, SweepSettings)
    assert list(sweep.space) == ["ema_decay", "learning_rate"]
    assert sweep.trial == sst
    with pytest.raises(ConfigError, match="average: unknown"):
        RunConfig.checked({"settings": {"task": "sst", "average": 0.5, "ema_decay": 0.5}})


def months_left_out(years: dict[str, tuple[int, int]], split: str, gap: int) -> list[str]:
    """The months of a split as the version with years had them: a plain transcription of its rule."""
    first, last = years[split]
    months = [f"{year:04d}-{month:02d}" for year in range(first, last + 1) for month in range(1, 13)]
    if split in ("climatology", "train"):
        return months
    taken = {year for name, (a, b) in years.items() if name != split for year in range(a, b + 1)}
    return months[gap if first - 1 in taken else 0 : len(months) - (gap if last + 1 in taken else 0)]


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize(
    "years",
    [
        {"climatology": (2001, 2001), "train": (2002, 2002), "validation": (2003, 2003), "test": (2004, 2004)},
        {"climatology": (2001, 2002), "train": (2001, 2002), "validation": (2004, 2005), "test": (2003, 2003)},
        {"climatology": (2005, 2006), "train": (2003, 2004), "validation": (2002, 2002), "test": (2008, 2009)},
    ],
)
def test_splits_of_whole_years_become_the_same_months(years, gap):
    old = {f"{split}_years": list(span) for split, span in years.items()} | {"gap_months": gap}
    source = {"kind": "demo", "years": 9}
    settings = RunConfig.checked({"settings": {"task": "sst", "source": source, **old}}).settings
    assert isinstance(settings, SSTSettings)
    for split in years:
        assert list(map(str, settings.months_of(split))) == months_left_out(years, split, gap)
    assert settings.gap_days == (31 if gap else 0)


def test_years_that_were_left_to_their_defaults_and_those_that_are_none():
    some = RunConfig.checked({"settings": {"task": "sst", "test_years": [2006, 2006], "gap_months": 2}}).settings
    assert isinstance(some, SSTSettings)
    assert (some.train, some.validation, some.test) == (
        ("2003-01", "2004-12"),
        ("2005-03", "2005-10"),
        ("2006-03", "2006-12"),
    )
    for wrong in ({"train_years": [2004, "2005"]}, {"train_years": [2003, 2004], "train": ["2003-01", "2004-12"]}):
        with pytest.raises(ConfigError, match="train_years: unknown"):
            RunConfig.checked({"settings": {"task": "sst", **wrong}})


@pytest.mark.parametrize("task", ["land", "sst"])
def test_an_interrupted_run_goes_on_to_the_result_of_the_whole_one(store, monkeypatch, task):
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4))
    run, whole = run_named(store, f"{task}, interrupted"), run_named(store, task)
    assert run.record.can_resume
    assert worker.work(run.folder) == 0, run.record.failure
    assert run.state == "done"
    if task == "land":
        with np.load(run.folder / "land.npz") as made, np.load(whole.folder / "land.npz") as expected:
            np.testing.assert_array_equal(made["bits"], expected["bits"])
    else:
        made, expected = (read_checkpoint(each.folder / "best.safetensors") for each in (run, whole))
        assert made is not None
        assert expected is not None
        for name, values in expected.arrays.items():
            np.testing.assert_allclose(made.arrays[name], values, rtol=1e-3, atol=1e-5, err_msg=name)
        assert made.metadata["config"]["settings"]["ema_decay"] == 0.98
        old, new = (final_scores(each.folder)["model"].keys() for each in (whole, run))
        assert new == old | {"blocks", "num_parameters", "place", "source_key", "std_factors"}
        assert verdict(final_scores(whole.folder)).interval is None
        assert verdict(final_scores(run.folder)).interval is not None
        assert (run.folder / "baselines.npz").exists()


def test_a_training_is_read_by_the_train_page(store):
    sst = run_named(store, "sst")
    assert sst.files.snapshot_epochs() == [0, 1, 2]
    assert set(snapshot_fields(sst.folder, 2)) == {
        "reconstruction",
        "target",
        "observed",
        "error",
        "count",
        "mean_error",
    }
    assert {"model", "climatology"} <= final_scores(sst.folder).keys()
    reader = sst.metrics()
    reader.poll()
    assert np.isfinite(curve(reader, "val_mae").y).any()


def test_a_trained_model_and_its_baselines_are_read_by_the_reconstruct_page(store):
    run = run_named(store, "sst").id
    assert has_model(run)
    assert reconstruct.snapshot_epochs(run) == (0, 1, 2)
    assert np.isfinite(snapshot(run, 2).error_kelvin)
    card = model_card(run)
    assert card.has_baselines
    assert "baselines_val_mae" in card.scores
    model = model_of(run)
    assert model.bundle.settings.ema_decay == 0.98
    assert {"mean", "mean_debiased", "climatology", "climatology_anomaly"} <= set(model.title)
    assert archive_file(run_named(store, "reconstruct").id) is not None


def test_other_results_are_read(store):
    table = run_named(store, "table")
    fields = table_fields(table.folder)
    assert fields.iteration == 20
    assert fields.table is not None
    reader = table.metrics()
    reader.poll()
    assert len(loss_curves(reader).iteration) > 0
    assert nearest_baseline(table.folder).test_l1 > 0
    assert HarmonicBasis.load(run_named(store, "basis").folder / "basis.safetensors").components.shape == (25, 8)
    folder = run_named(store, "expert").folder
    assert expert.scores(folder)
    assert expert.tile_prediction(folder, 0)
    assert expert.test_predictions(folder)


def test_a_sweep_is_read_with_todays_names(store):
    view = sweep_summary(run_named(store, "sweep").folder)
    assert view.fields == ("ema_decay", "learning_rate")
    assert set(view.importance) == set(view.fields)
    assert all(set(trial.chosen) == set(view.fields) for trial in view.scored)
    assert len(view.scored) == 2
    journal = current_study(run_named(store, "sweep").files.study.read_text())
    assert journal.count('"param_name":"ema_decay"') == 2
    assert '"param_name":"average"' not in journal


def test_the_journal_of_a_sweep_over_presets_names_those_of_today():
    choices = '"distribution":"{\\"attributes\\": {\\"choices\\": [\\"\\\\\\"published\\\\\\"\\"]}}"'
    journal = f'{{"param_name":"preset",{choices}}}\n{{"param_name":"published","user":"published"}}\n'
    preset, other = current_study(journal).splitlines()
    assert json.loads(json.loads(json.loads(preset)["distribution"])["attributes"]["choices"][0]) == "base"
    assert json.loads(other)["user"] == "published"


def test_deleted_runs_of_before_can_be_restored_and_deleted_for_good(store):
    assert list(store.deleted()) == [DELETED]
    assert store.restore(DELETED).state == "done"
    assert not store.deleted()
    store.delete(store.get(DELETED))
    assert list(store.deleted()) == [DELETED]
    store.empty_trash()
    assert not store.deleted()
    assert not (store.home / "bin" / DELETED).exists()


def test_the_draft_of_an_old_address_opens():
    changes = json.dumps({"average": 0.5, "withheld_share": 0.25})
    model = TrainModel({"task": "sst", "set": changes})
    assert (model.values["ema_decay"], model.values["withheld_fraction"]) == (0.5, 0.25)
    assert not model.notes


def test_old_names_of_paths_and_dimensions():
    assert current_key("trial.average") == "trial.ema_decay"
    assert current_key("model.width") == "model.width"
    assert current_keys([{"a": {"average": 1}}]) == [{"a": {"ema_decay": 1}}]
    space = {"preset": {"kind": "choices", "values": ["tiny", "published"]}}
    assert current_keys({"space": space}) == {"space": {"preset": {"kind": "choices", "values": ["tiny", "base"]}}}
    assert current_keys({"chosen": {"preset": "published"}}) == {"chosen": {"preset": "base"}}
    assert current_keys({"preset": {"kind": "range", "low": 1}}) == {"preset": {"kind": "range", "low": 1}}
    content = {"fields": ["average"], "importance": {"average": 1.0}, "trials": [{"chosen": {"average": 0.9}}]}
    assert current_trials(content) == {
        "fields": ["ema_decay"],
        "importance": {"ema_decay": 1.0},
        "trials": [{"chosen": {"ema_decay": 0.9}}],
    }
