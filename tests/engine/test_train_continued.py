"""A finished training goes on for further epochs, as a run of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.config.sst import SSTSettings
from engine.errors import ChoiceError, StoreError
from engine.queries.train.command import continued_config
from engine.runs import RunConfig, RunStore, worker
from engine.runs.checkpoints import read_checkpoint
from engine.training.sst import data_module
from engine.training.sst.model_bundle import ModelBundle
from tests.support.ocean import small_ocean
from tests.support.trainings import SMALL, lines_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        path = tmp_path_factory.mktemp("home")
        patched.setenv("HARMONIA_HOME", str(path))
        patched.setattr(data_module, "open_source", lambda _: small_ocean(4))
        yield path


@pytest.fixture(scope="module")
def runs(home):
    """A finished run, and what it became after two further epochs."""
    with RunStore() as store:
        first = store.create(RunConfig(settings=SMALL, seed=3), name="first")
        assert worker.work(first.folder) == 0, first.record.failure
        later = store.create(continued_config(first, 2), name="later")
        assert worker.work(later.folder) == 0, later.record.failure
        yield store, first, later


def test_it_goes_on_from_the_end_of_the_first(runs):
    _, first, later = runs
    assert later.config.settings.continues == first.id
    assert (later.record.epoch, later.record.num_epochs) == (5, 5)
    iterations = sorted({line["iteration"] for line in lines_of(later.folder)})
    assert iterations == list(range(13, 21))
    end, begun = (read_checkpoint(run.files.checkpoint()) for run in (first, later))
    assert end is not None
    assert begun is not None
    assert end.metadata["task"]["epoch"] == 3
    assert begun.metadata["task"]["epoch"] == 5
    moved = [
        np.abs(begun.arrays[name] - end.arrays[name]).max() for name in end.arrays if name.startswith("module:model")
    ]
    assert 0.0 < max(moved) < 0.5  # eight small steps from there, not from random weights


def test_the_best_model_is_the_better_of_the_two_and_says_where_it_belongs(runs):
    _, first, later = runs
    bundles = [ModelBundle.load(run.files.model) for run in (first, later)]
    assert bundles[1].scores["val_mae"] <= bundles[0].scores["val_mae"]
    assert bundles[1].settings == later.config.settings
    assert json.loads(later.files.scores.read_text())["model"]["surface"]["sea"]["mae"] > 0.0


def test_a_run_with_other_data_or_model_cannot_be_continued(runs):
    store, first, _ = runs
    settings = continued_config(first, 1).settings
    assert isinstance(settings, SSTSettings)
    for changes, text in (
        ({"samples": 12}, "differs in samples"),
        ({"test": ("2004-03", "2004-12")}, "differs in test"),
        ({"loss_weights": "equal"}, "differs in loss_weights"),
        ({"epochs": 3}, "3 epochs are none beyond its 3"),
    ):
        other = store.create(RunConfig(settings=settings.model_copy(update=changes), seed=3))
        assert worker.work(other.folder) != 0
        assert text in str(other.record.failure)
    missing = settings.model_copy(update={"continues": "20260101-000000-0123456789"})
    gone = store.create(RunConfig(settings=missing, seed=3))
    assert worker.work(gone.folder) != 0
    assert "20260101-000000-0123456789" in str(gone.record.failure)


def test_what_cannot_be_continued_is_refused(runs):
    store, first, _ = runs
    with pytest.raises(ChoiceError, match="0 further epochs"):
        continued_config(first, 0)
    basis = store.create(RunConfig.demo("basis"))
    with pytest.raises(ChoiceError, match="the task is 'basis'"):
        continued_config(basis, 3)
    with pytest.raises(StoreError, match="not the id of a run"):
        store.get("../elsewhere")
