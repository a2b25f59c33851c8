"""A run with the costly baselines: they are scored beside the model, kept, and named where one is the best."""

from __future__ import annotations

import json

import numpy as np

from engine.config.baselines import BASELINE_CHOICES
from engine.evaluation import verdict
from engine.models.baselines import Baselines
from engine.training.sst import data_module
from tests.support.ocean import small_ocean
from tests.support.trainings import SMALL, learn


def test_a_run_is_compared_with_the_costly_baselines(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean())
    folder = learn(tmp_path / "run", SMALL.model_copy(update={"baselines": "all", "epochs": 1}))
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores) >= {"model", *BASELINE_CHOICES["all"]}
    assert verdict(scores).baseline in BASELINE_CHOICES["all"]
    with np.load(folder / "baselines.npz") as kept:
        assert set(Baselines.from_state_dict(dict(kept)).fitted) == set(BASELINE_CHOICES["all"])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    preparing = [line["preparing"] for line in lines if "preparing" in line]
    assert preparing == sorted(preparing)
    assert preparing[-1] > 0.9
    assert {f"val_mae_{name}" for name in BASELINE_CHOICES["all"]} <= set().union(*lines)
