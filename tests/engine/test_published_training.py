"""The published models trained the published way: the settings, against torch's own scheduler, and a run of each."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from engine.config.training_presets import TRAINING_PRESETS, training_preset
from engine.data.prepare import prepare
from engine.embedding import scale_features
from engine.models import SpatioTemporalConfig
from engine.queries.train import forms
from engine.runs import RunConfig
from engine.training.ddp import single_fabric
from engine.training.sst import data_module
from engine.training.sst.model_bundle import load_model
from engine.training.sst.module import SSTModule
from engine.training.sst.positions import PatchPositions, fit_basis
from engine.training.sst.samples import counted_area
from engine.training.sst.tiled_prediction import estimate_all
from engine.training.sst.windows import Corner, Windows
from tests.support.ocean import GRID, LAND, small_ocean
from tests.support.trainings import SMALL, learn, lines_of

SMALLEST = {"width": 8, "heads": 2, "patch": (1, 2, 2), "decoder_width": 8, "spatial_layers": 1}
PUBLISHED = SMALL.model_copy(update=training_preset("published", is_truth_known=True))


def module_of(**changes) -> SSTModule:
    settings = PUBLISHED.model_copy(update={"model": SpatioTemporalConfig.preset("documented", **SMALLEST), **changes})
    return SSTModule(settings, single_fabric(settings), 0, 100)


def test_the_optimiser_is_the_published_one():
    module = module_of()
    group = module.optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-2)
    assert module.clip_norm == math.inf
    assert (PUBLISHED.epochs, PUBLISHED.loss, PUBLISHED.ema_decay, PUBLISHED.extra_clouds) == (100, "l1", 0.0, 0.0)


def test_the_rate_is_that_of_torchs_scheduler_and_training_stops_only_at_the_least():
    module = module_of()
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(()))], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=5, threshold=1e-4, threshold_mode="abs", min_lr=1e-7, eps=0.0
    )
    module.step = 1  # the warm-up, of no fraction, has one step
    rng = np.random.default_rng(0)
    best, rates = math.inf, []
    for epoch in range(1, 200):
        score = 0.3 + 0.2 * 0.9**epoch + 1e-4 * rng.standard_normal()
        has_improved = score < best - PUBLISHED.min_improvement
        best = score if has_improved else best
        module.after_epoch(epoch, has_improved)
        scheduler.step(score)
        rates.append(module.learning_rate)
        assert rates[-1] == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        assert module.may_stop_early == (rates[-1] == 1e-7)
    assert rates[-1] == 1e-7
    assert len(set(rates)) == 15  # 1e-3 halved thirteen times, and 1e-7


def test_other_schedules_may_stop_whenever_their_patience_ends():
    assert module_of(schedule="cosine").may_stop_early
    assert module_of(min_learning_rate=0.0).may_stop_early


def test_every_cell_counts_the_same_in_the_published_loss(tmp_path):
    data = prepare(small_ocean(1), (2001, 1), (2001, 1), folder=tmp_path)
    assert np.array_equal(counted_area(data, None, "equal"), (~LAND).astype(np.float32))
    assert not np.array_equal(counted_area(data, None), counted_area(data, None, "equal"))


def test_the_repository_reads_the_sizes_of_its_patches_as_they_are():
    config = SpatioTemporalConfig.preset("repository", **SMALLEST, num_components=6)
    positions = PatchPositions(config, Windows.of(GRID, (12, 18), 4, (2, 2)), fit_basis(config, 4))
    _, features = positions.of(Corner(0, 0))
    window = positions.windows.coordinates(Corner(0, 0))
    expected = scale_features(window, (2, 2), "centres").reshape(-1, 10)
    np.testing.assert_allclose(features[:, 6:], expected, rtol=1e-6)


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_a_training_preset_is_found_again_in_the_form(name):
    values = RunConfig.demo("sst").settings.model_dump(mode="json")
    changed = forms.with_training(values, name)
    assert forms.training_of(changed) == name
    assert forms.training_of(forms.with_value(changed, "weight_decay", 0.5)) is None
    if name != "likelihood":  # which needs a model with uncertainty
        assert forms.checked_config(changed).settings.model == RunConfig.demo("sst").settings.model


def test_clouds_stay_where_the_truth_is_not_known():
    values = RunConfig.demo("sst").settings.model_dump(mode="json")
    values["source"] = {"kind": "file", "path": "sst.nc"}
    assert forms.with_training(values, "published")["extra_clouds"] == values["extra_clouds"] > 0.0
    clouded = values | {"extra_clouds": 0.4}
    for name in ("own", "published", "likelihood"):
        assert forms.with_training(clouded, name)["extra_clouds"] == 0.4
        assert forms.training_of(forms.with_training(clouded, name)) == name


@pytest.mark.parametrize("preset", ["documented", "repository"])
def test_a_published_model_is_trained_the_published_way_and_used(preset, tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4))
    model = SpatioTemporalConfig.preset(preset, **SMALLEST, num_components=6)
    settings = PUBLISHED.model_copy(update={"model": model, "epochs": 3, "samples": 16})
    folder = learn(tmp_path / "run", settings)
    lines = lines_of(folder)
    assert [line["val_mae"] for line in lines][-1] < lines[0]["val_mae"]
    assert lines[-1]["learning_rate"] == 1e-3
    bundle = load_model(folder)
    assert bundle.settings == settings
    data = prepare(small_ocean(4), (2004, 3), (2004, 4))
    estimate = estimate_all(bundle, data)
    assert np.isfinite(estimate.mean[:, ~LAND]).all()
    assert np.isnan(estimate.mean[:, LAND]).all()
    assert "model" in json.loads((folder / "scores.json").read_text())
