"""The U-Net: what goes in against loops, the likelihood against scipy, every size, and that it learns a toy ocean."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from engine.data.prepare import prepare
from engine.errors import ChoiceError, ConfigError, DataError
from engine.models import SpatioTemporalConfig, SpatioTemporalModel, UNetModel, build_model
from engine.models.spatiotemporal.summary import SEGMENTS
from engine.models.spatiotemporal.window import centred
from engine.training.sst import data_module
from engine.training.sst.model_bundle import load_model
from engine.training.sst.module import weighted_error
from engine.training.sst.tiled_prediction import estimate_all, predict
from tests.support.ocean import LAND, small_ocean
from tests.support.trainings import SMALL, learn, lines_of
from tests.support.windows import window_of

SMALLEST: dict[str, Any] = {"width": 8, "levels": 3}


def unet_of(**changes: Any) -> UNetModel:
    torch.manual_seed(0)
    model = build_model(SpatioTemporalConfig.preset("unet", **(SMALLEST | changes))).eval()
    assert isinstance(model, UNetModel)
    return model


def changed(window: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {key: value.clone() if torch.is_tensor(value) else value for key, value in window.items()} | values


@pytest.mark.parametrize(("rows", "columns", "levels"), [(8, 12, 3), (7, 13, 4), (1, 5, 4), (3, 1, 1)])
def test_every_size_gives_whole_months_with_a_standard_deviation(rows: int, columns: int, levels: int) -> None:
    model = unet_of(levels=levels)
    window = window_of(model.config, samples=2, months=3, rows=rows, columns=columns)
    with torch.no_grad():
        result = model.forward_details(**window)
        assert torch.equal(model(**window), result.mean)
    assert result.mean.shape == result.std.shape == result.base.shape == (2, 3, rows, columns)
    assert result.mean.isfinite().all()
    assert (result.std > 0.0).all()
    on_land = window["land"][:, None].expand(2, 3, rows, columns)
    assert (result.mean[on_land] == 0.0).all()
    assert result.day_weights.shape == (2, 3, 31, rows, columns)
    seen = result.count > 0
    torch.testing.assert_close(result.day_weights.sum(2)[seen], torch.ones(int(seen.sum())))


def test_inputs_are_observations_over_their_error_variance() -> None:
    model = unet_of()
    with torch.no_grad():
        model.log_day_variance.fill_(math.log(0.25))
    window = window_of(model.config, months=3)
    days, _ = centred(model.config, **window, check=True)
    with torch.no_grad():
        channels, count = model.inputs(days, window["place"][0])
    edges = [round(number * 31 / SEGMENTS) for number in range(SEGMENTS + 1)]
    for month, row, column in ((0, 0, 0), (1, 3, 5), (2, 7, 11)):
        values, valid = days.values[0, :, :, row, column], days.valid[0, :, :, row, column] > 0
        for number in range(SEGMENTS):
            of_segment = values[month, edges[number] : edges[number + 1]][
                valid[month, edges[number] : edges[number + 1]]
            ]
            total = float(of_segment.sum()) / 0.25
            assert float(channels[0, month, number, row, column]) == pytest.approx(total, abs=1e-4)
            assert float(channels[0, month, SEGMENTS + number, row, column]) == pytest.approx(len(of_segment) / 0.25)
        for offset, first in ((-1, 2 * SEGMENTS), (1, 2 * SEGMENTS + 2)):
            other = month + offset
            sums = values[other][valid[other]] / 0.25 if 0 <= other < 3 else torch.zeros(0)
            assert float(channels[0, month, first, row, column]) == pytest.approx(float(sums.sum()), abs=1e-4)
            assert float(channels[0, month, first + 1, row, column]) == pytest.approx(len(sums) / 0.25)
        lon, lat = np.deg2rad(window["place"][0][0, row * 12 + column].numpy())
        expected = [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]
        assert channels[0, month, 2 * SEGMENTS + 4 : 2 * SEGMENTS + 7, row, column].tolist() == pytest.approx(
            expected, abs=1e-5
        )
        phases = window["phases"][0, month, ~window["padded"][0, month], 1]
        season = channels[0, month, 2 * SEGMENTS + 7 : 2 * SEGMENTS + 9, row, column]
        assert season.tolist() == pytest.approx([float(phases.cos().mean()), float(phases.sin().mean())], abs=1e-5)
        assert float(channels[0, month, -1, row, column]) == float(window["land"][0, row, column])
        assert int(count[0, month, row, column]) == int(valid[month].sum())


def test_missing_values_and_land_are_not_read_and_nothing_observed_is_no_fault() -> None:
    model = unet_of()
    window = window_of(model.config)
    hidden = window["missing"] | window["land"][:, None, None, None]
    other = changed(window, daily=torch.where(hidden, math.nan, window["daily"]))
    with torch.no_grad():
        assert torch.equal(model(**other), model(**window))
        empty = model.forward_details(**changed(window, missing=torch.ones_like(window["missing"])))
    assert empty.mean.isfinite().all()
    assert (empty.std > 0.0).all()
    assert not empty.day_weights.any()


def test_shifting_baseline_and_days_together_shifts_the_map() -> None:
    model = unet_of(levels=2)
    window = window_of(model.config, rows=7, columns=12)
    with torch.no_grad():
        small = model(**window)
        moved = changed(window, baseline=window["baseline"] + 3.0, daily=window["daily"] + 3.0)
        sea = ~window["land"][:, None].expand_as(small)
        torch.testing.assert_close(model(**moved)[sea], small[sea] + 3.0, rtol=0.0, atol=1e-3)


def test_the_likelihood_is_that_of_scipy() -> None:
    model = unet_of()
    window = window_of(model.config)
    with torch.no_grad():
        result = model.forward_details(**window)
    target, weight = result.mean + torch.randn_like(result.mean), torch.rand_like(result.mean)
    error = weighted_error("gaussian", result.mean, result.std, target, weight)
    expected = -(weight.numpy() * norm.logpdf(target.numpy(), result.mean.numpy(), result.std.numpy())).sum()
    assert float(error) == pytest.approx(expected, rel=1e-5)


def test_gradients_reach_every_parameter_with_and_without_checkpointing() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = unet_of(checkpointing=checkpointing).train()
        result = model.forward_details(**window_of(model.config, samples=2))
        (result.mean.square().mean() + result.std.mean()).backward()
        gradients.append([weight.grad for weight in model.parameters()])
        assert all(bool(grad.isfinite().all()) and bool(grad.any()) for grad in gradients[-1])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-6)


def test_what_a_unet_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="'unet' has patch = "):
        SpatioTemporalConfig.preset("unet", patch=(1, 4, 4))
    with pytest.raises(ChoiceError, match="build_model"):
        SpatioTemporalModel(SpatioTemporalConfig.preset("unet"))
    with pytest.raises(ChoiceError, match="choose the preset 'unet'"):
        UNetModel(SpatioTemporalConfig.preset("tiny"))
    model = unet_of()
    with pytest.raises(DataError, match="'unet' needs a place"):
        model(**changed(window_of(model.config), place=None))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unet")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(folder))
        patched.setattr(data_module, "open_source", lambda _: small_ocean(4))
        model = SpatioTemporalConfig.preset("unet", width=8, levels=3)
        settings = SMALL.model_copy(
            update={"model": model, "loss": "gaussian", "epochs": 6, "samples": 48, "learning_rate": 5e-3}
        )
        yield learn(folder / "run", settings)


def test_it_learns_a_toy_ocean_better_than_climatology(trained) -> None:
    last = lines_of(trained)[-1]
    assert last["best_mae"] < 0.8 * last["val_mae_climatology"]


def test_its_run_is_scored_loaded_and_used_as_every_model(trained, monkeypatch) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(trained.parent))
    scores = json.loads((trained / "scores.json").read_text())
    assert {"model", "climatology", "mean"} <= set(scores)
    bundle = load_model(trained)
    assert isinstance(bundle.model, UNetModel)
    data = prepare(small_ocean(4), (2004, 3), (2004, 4))
    estimate = estimate_all(bundle, data)
    assert np.isfinite(estimate.mean[:, ~LAND]).all()
    assert (estimate.std[:, ~LAND] > 0.0).all()
    error = np.abs(estimate.mean - data.target)[:, ~LAND]
    inside = (error < 1.645 * estimate.std[:, ~LAND]).mean()
    assert 0.6 < inside <= 1.0
    month = data if len(data.months) == 1 else prepare(small_ocean(4), (2004, 3), (2004, 3))
    prediction = predict(bundle, month)
    np.testing.assert_allclose(prediction.estimate.mean[0], estimate.mean[0], atol=1e-4)
    row, column = np.argwhere(np.isfinite(month.daily[0]).any(axis=0))[0]
    weights = prediction.day_weights(0, int(row), int(column))
    assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert (weights[np.isnan(month.daily[0][:, row, column])] == 0.0).all()
