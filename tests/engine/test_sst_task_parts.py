"""What a training is made of: the loss, places, samples and hold-out sets, each against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from engine.data.prepare import prepare
from engine.embedding import position_embedding, scale_features
from engine.errors import ChoiceError, DataError
from engine.models import SpatioTemporalConfig
from engine.models.baselines import ICE_FRACTION, Climatology
from engine.sphere import LatLonGrid
from engine.training.ddp import single_fabric
from engine.training.sst.holdout import HoldOutSet, clouds_beside
from engine.training.sst.module import SSTModule, weighted_error
from engine.training.sst.positions import PatchPositions, fit_basis
from engine.training.sst.samples import Batch, ModelInputs, Samples, counted_area, in_box
from engine.training.sst.windows import Corner, Windows
from tests.support.ocean import GRID, LAND, small_ocean
from tests.support.trainings import MODEL, SMALL

CPU = torch.device("cpu")


# --- the loss -------------------------------------------------------------------------------------------------------


def test_the_loss_by_hand():
    mean, target = torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[[[2.0, 4.0, math.nan]]]])
    weight = torch.tensor([[[[0.5, 1.0, 0.0]]]])
    for kind, expected in {"l1": 0.5 * 1.0 + 1.0 * 2.0, "l2": 0.5 * 1.0 + 1.0 * 4.0}.items():
        assert float(weighted_error(kind, mean, None, target, weight)) == expected
    std = torch.tensor([[[[1.0, 2.0, 1.0]]]])
    total = weighted_error("gaussian", mean, std, target, weight)
    # −log N: ½·1² + log 1 + ½ log 2π and ½·1² + log 2 + ½ log 2π
    log2pi = math.log(2.0 * math.pi)
    assert float(total) == pytest.approx(0.5 * (0.5 + log2pi / 2) + (0.5 + math.log(2.0) + log2pi / 2))


@pytest.mark.parametrize("kind", ["l1", "l2", "gaussian"])
def test_what_does_not_count_has_no_gradient(kind):
    mean, std = torch.zeros(1, 1, 1, 3, requires_grad=True), torch.ones(1, 1, 1, 3, requires_grad=True)
    target = torch.tensor([[[[1.0, math.nan, math.inf]]]])
    total = weighted_error(kind, mean, std, target, torch.tensor([[[[1.0, 0.0, 0.0]]]]))
    total.backward()
    assert mean.grad[0, 0, 0, 0] != 0.0
    assert mean.grad[0, 0, 0, 1:].tolist() == [0.0, 0.0]
    assert std.grad is None or std.grad[0, 0, 0, 1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_a_spread_learns_from_the_errors_and_never_excuses_the_mean(kind):
    target, weight = torch.tensor([[[[1.0, -3.0]]]]), torch.ones(1, 1, 1, 2)
    alone, together = (torch.zeros(1, 1, 1, 2, requires_grad=True) for _ in range(2))
    std = torch.full((1, 1, 1, 2), 2.0, requires_grad=True)
    expected = weighted_error(kind, alone, None, target, weight)
    error = weighted_error(kind, together, std, target, weight)
    expected.backward()
    error.backward()
    assert error.item() == expected.item()
    assert torch.equal(together.grad, alone.grad)
    # d/dσ (½ e²/σ² + log σ) = 1/σ − e²/σ³: an error of 1 asks for a smaller spread, one of 3 for a larger
    direction = np.array([1.0 / 2.0 - 1.0 / 8.0, 1.0 / 2.0 - 9.0 / 8.0])
    np.testing.assert_allclose(
        std.grad.numpy().ravel() / np.abs(std.grad.numpy()).sum(), direction / abs(direction).sum()
    )


def test_no_unit_decides_on_a_step(folder):
    """Values times 1/4, exact in binary, of a kind with a quarter of the scale make the same clipped step."""
    settings = SMALL.model_copy(
        update={"model": MODEL.model_copy(update={"uncertainty": True, "dropout": 0.0}), "clip_norm": 0.01}
    )
    batch = Batch.of([samples_of(folder, settings).sample(0, 0)], CPU)
    quarter = replace(
        batch, daily=batch.daily / 4.0, baseline=batch.baseline / 4.0, target=cast(torch.Tensor, batch.target) / 4.0
    )
    for loss, factor in {"l1": 4.0, "l2": 16.0, "gaussian": None}.items():
        chosen = settings.model_copy(update={"loss": loss})
        fabric = single_fabric(chosen)
        whole, small = SSTModule(chosen, fabric, 0, 10), SSTModule(chosen, fabric, 0, 10, scale=0.25)
        of_whole, of_small = whole.training_step([batch]), small.training_step([quarter])
        assert of_small["gradient_norm"] == pytest.approx(of_whole["gradient_norm"], rel=1e-5)
        assert of_whole["gradient_norm"] > chosen.clip_norm
        in_units = of_small["train_loss"] + math.log(4.0) if factor is None else of_small["train_loss"] * factor
        assert in_units == pytest.approx(of_whole["train_loss"], rel=1e-5)
        for mine, other in zip(whole.model.parameters(), small.model.parameters(), strict=True):
            torch.testing.assert_close(mine, other)


# --- places ---------------------------------------------------------------------------------------------------------


def test_a_window_knows_the_places_of_the_whole_grid():
    grid, patch = LatLonGrid.regular(5.0), (2, 3)
    config = SpatioTemporalConfig.preset("tiny", patch=(1, *patch), overlap=1, num_components=12)
    basis = fit_basis(config, 5)
    places = PatchPositions(config, Windows.of(grid, (6, 9), 2, patch), basis)
    whole = position_embedding(basis, grid, patch).numpy()
    scale = scale_features(grid, patch).numpy()
    for row, column in ((0, 0), (15, 12), (30, 66), (12, 69)):
        centres, features = places.of(Corner(row, column))
        rows = (row // 2) + np.arange(3)
        columns = (column // 3 + np.arange(3)) % 24
        if row % 2 == 0:
            expected = whole[rows][:, columns].reshape(9, 12)
            np.testing.assert_allclose(features[:, :12], expected, atol=2e-5)
            difference = features[:, 12:] - scale[rows][:, columns].reshape(9, 10)
            np.testing.assert_allclose(difference - difference[0], 0.0, atol=1e-5)
        lon = (grid.lon[column % 72] + 5.0 + 15.0 * np.arange(3) + 180.0) % 360.0 - 180.0
        np.testing.assert_allclose(centres.reshape(3, 3, 2)[0, :, 0], lon, atol=1e-4)
        np.testing.assert_allclose(centres.reshape(3, 3, 2)[:, 0, 1], grid.lat[row] + 2.5 + 10.0 * np.arange(3))


def test_a_model_of_more_components_than_the_ocean_determines_is_refused():
    with pytest.raises(ChoiceError, match=r"the ocean determines 9\d\d of 960 components"):
        fit_basis(MODEL.model_copy(update={"num_components": 960}), 30)


def test_only_the_harmonic_encoder_needs_a_basis():
    for kind in ("table", "sinusoidal", "none"):
        assert fit_basis(MODEL.model_copy(update={"encoder": kind}), 5) is None


# --- samples --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


def samples_of(folder, settings=SMALL, monthly: bool = True, seed: int = 0) -> Samples:
    source = small_ocean(1, monthly=monthly)
    data = prepare(source, (2001, 1), (2001, 12), folder=folder)
    windows = Windows.of(GRID, settings.window, settings.overlap, settings.model.patch[1:])
    climatology = Climatology(np.where(LAND, np.nan, np.ones((5, *GRID.shape))).astype(np.float32), GRID)
    places = PatchPositions(settings.model, windows, fit_basis(settings.model, 3))
    return Samples(ModelInputs.of(data, climatology, windows, places), settings, seed)


def test_a_sample_is_the_same_whenever_it_is_asked_for(folder):
    samples, again = samples_of(folder), samples_of(folder)
    ahead = samples.sample(2, 5)
    again.sample(0, 0)
    later = again.sample(2, 5)
    for name, array in ahead.items():
        np.testing.assert_array_equal(array, later[name])
    assert any((samples.sample(2, 6)[name] != ahead[name]).any() for name in ("daily", "baseline"))
    assert (samples_of(folder, seed=1).sample(2, 5)["daily"] != ahead["daily"]).any()


def test_hidden_observations_leave_no_trace(folder):
    settings = SMALL.model_copy(update={"extra_clouds": 0.3, "withheld_fraction": 0.2})
    samples = samples_of(folder, settings)
    plain = samples_of(folder, SMALL.model_copy(update={"extra_clouds": 0.0, "withheld_fraction": 0.0}))
    shares, unseen = [], []
    for number in range(24):
        sample, whole = samples.sample(0, number), plain.sample(0, number)
        np.testing.assert_array_equal(sample["baseline"], whole["baseline"])
        assert (sample["missing"] >= whole["missing"]).all()
        assert not sample["daily"][sample["missing"]].any()
        np.testing.assert_array_equal(sample["target"], whole["target"])
        seen = ~whole["missing"]
        shares.append((sample["missing"] & seen).sum() / seen.sum())
        sea = ~sample["land"]
        unseen.append((sample["missing"][0, 0].all(axis=0) & sea).sum() / sea.sum())
    assert 0.3 < np.mean(shares) < 0.6
    assert 0.1 < np.mean(unseen) < 0.35, "whole cell-months are hidden too"


def test_all_months_take_turns(folder):
    samples = samples_of(folder)
    turns = [tuple(samples._months(epoch, number)) for epoch in (0, 1) for number in range(12)]
    assert sorted(turns[:12]) == sorted(turns[12:]) == [(month,) for month in range(12)]
    assert turns[:12] != turns[12:]


def test_land_ice_and_a_box_held_out_teach_nothing(folder):
    box = (-40.0, 20.0, 150.0, 200.0)
    samples = samples_of(folder, SMALL.model_copy(update={"held_out_box": box}))
    windows = samples.inputs.windows
    held = in_box(GRID, box)
    assert held[GRID.lat.searchsorted(0.0)][[0, 1, -1]].tolist() == [True, True, True]
    for number in range(12):
        sample = samples.sample(0, number)
        weight, month = sample["weight"][0], samples._months(0, number)[0]
        corner = next(
            corner
            for corner in (Corner(*pair) for pair in samples._corners)
            if np.array_equal(samples.inputs.positions.of(corner)[0], sample["lonlat"])
        )
        assert not weight[windows.cut(LAND | held, corner)].any()
        assert not weight[windows.cut(samples.inputs.data.ice[month], corner) > ICE_FRACTION].any()
        area = np.cos(np.deg2rad(GRID.lat))[corner.row : corner.row + 12, None]
        np.testing.assert_allclose(weight, np.where(weight > 0, area, 0.0), rtol=1e-6)
        assert weight.any()


def test_without_a_truth_the_target_is_the_mean_of_what_was_hidden(folder):
    settings = SMALL.model_copy(update={"extra_clouds": 0.4})
    samples = samples_of(folder, settings, monthly=False)
    sample = samples.sample(0, 3)
    corner = next(
        corner
        for corner in (Corner(*pair) for pair in samples._corners)
        if np.array_equal(samples.inputs.positions.of(corner)[0], sample["lonlat"])
    )
    month = samples._months(0, 3)[0]
    days = samples.inputs.windows.cut(samples.inputs.data.daily[month], corner)
    hidden = np.isfinite(days) & sample["missing"][0, 0]
    is_scored = hidden.any(axis=0)
    np.testing.assert_array_equal(sample["weight"][0] > 0, is_scored)
    expected = np.nanmean(np.where(hidden, days, np.nan)[:, is_scored], axis=0)
    np.testing.assert_allclose(sample["target"][0][is_scored], expected, rtol=1e-5)


def test_a_batch_is_its_samples_on_top_of_each_other(folder):
    samples = samples_of(folder)
    drawn = [samples.sample(0, number) for number in range(2)]
    batch = Batch.of(drawn, CPU)
    for name, array in drawn[1].items():
        np.testing.assert_array_equal(getattr(batch, name)[1].numpy(), array)
    assert batch.daily.shape == (2, 1, 1, 31, 12, 18)
    assert len(batch.inputs()) == 7


# --- hold-out sets --------------------------------------------------------------------------------------------------


def test_withheld_cell_months_are_hidden_whole(folder):
    data = prepare(small_ocean(1), (2001, 1), (2001, 12), folder=folder)
    hold_out = HoldOutSet.of(data, 0.2, seed=0)
    withheld = hold_out.num_withheld > 0
    seen = np.isfinite(hold_out.data.daily).any(axis=1)
    observed = np.isfinite(data.daily).any(axis=1)
    assert not (withheld & seen).any()
    np.testing.assert_array_equal(withheld | seen, observed)
    assert withheld.sum() / observed.sum() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(hold_out.num_withheld[withheld], np.isfinite(data.daily).sum(axis=1)[withheld])
    np.testing.assert_array_equal(hold_out.target, data.target)


def test_the_error_is_weighted_by_area_and_leaves_ice_and_land_out(folder):
    data = prepare(small_ocean(1), (2001, 1), (2001, 3), folder=folder)
    hold_out = HoldOutSet.of(data, 0.0, seed=0)
    estimate = np.where(np.isfinite(data.target), data.target, 99.0) + np.abs(GRID.lat)[:, None] / 90.0
    area = np.cos(np.deg2rad(GRID.lat))[:, None] * ~LAND * (data.ice <= ICE_FRACTION)
    expected = (area * (np.abs(GRID.lat)[:, None] / 90.0)).sum() / area.sum()
    assert hold_out.mae(estimate.astype(np.float32)) == pytest.approx(expected, rel=1e-5)
    parts = np.sum([hold_out.error_sums(estimate[n : n + 1], slice(n, n + 1)) for n in range(3)], axis=0)
    assert parts[0] / parts[1] == pytest.approx(expected, rel=1e-5)


def test_the_error_is_weighted_by_area_where_rows_are_not_equally_high(folder):
    north = np.array([1.0, 3.0, 6.0, 10.0, 16.0, 24.0, 35.0, 50.0, 70.0])
    rows = np.concatenate((-north[::-1], north))
    grid = LatLonGrid(rows, GRID.lon)
    land = np.zeros(grid.shape, bool)
    data = prepare(small_ocean(1, ice=False, grid=grid, land=land), (2001, 1), (2001, 1), folder=folder)
    size = np.broadcast_to(np.abs(rows)[:, None] / 90.0, grid.shape)
    expected = np.average(size[:, 0], weights=grid.cell_area_m2)
    assert np.average(size[:, 0], weights=np.cos(np.deg2rad(rows))) < 0.8 * expected
    assert HoldOutSet.of(data, 0.0, seed=0).mae(data.target + size.astype(np.float32)) == pytest.approx(
        expected, rel=1e-4
    )
    learned_from = counted_area(data, None)[:, 0]
    np.testing.assert_allclose(
        learned_from / learned_from.sum(), grid.cell_area_m2 / grid.cell_area_m2.sum(), rtol=1e-6
    )


def test_a_month_alone_is_evaluated_under_the_clouds_of_its_neighbour(folder):
    source = small_ocean(1)
    july, august = (prepare(source, (2001, month), (2001, month), folder=folder) for month in (7, 8))
    stripes = HoldOutSet.of(july, 0.2, seed=0)
    clouds = clouds_beside(august, is_later=True)
    hold_out = HoldOutSet.of(july, 0.2, seed=0, clouds=clouds)
    assert (stripes.pattern, hold_out.pattern) == ("swath", "clouds")
    np.testing.assert_array_equal(clouds, np.isnan(august.daily[0, 9:]))
    np.testing.assert_array_equal(clouds_beside(july, is_later=False), np.isnan(july.daily[0, :22]))
    withheld = hold_out.num_withheld[0] > 0
    assert withheld.sum() / np.isfinite(july.daily[0]).any(axis=0).sum() == pytest.approx(0.2, abs=0.02)


def test_without_a_truth_the_withheld_days_are_the_target(folder):
    data = prepare(small_ocean(1, monthly=False), (2001, 1), (2001, 12), folder=folder)
    hold_out = HoldOutSet.of(data, 0.3, seed=0)
    hidden = np.isfinite(data.daily) & np.isnan(hold_out.data.daily)
    known = hidden.any(axis=1)
    np.testing.assert_array_equal(np.isfinite(hold_out.target), known)
    n, y, x = np.argwhere(known)[10]
    assert hold_out.target[n, y, x] == pytest.approx(data.daily[n, hidden[n, :, y, x], y, x].mean(), rel=1e-5)


def test_nothing_to_evaluate_against(folder):
    data = prepare(small_ocean(1), (2001, 1), (2001, 1), folder=folder)
    icy = replace(data, ice=np.ones_like(data.ice))
    with pytest.raises(DataError, match="no cell can be scored"):
        HoldOutSet.of(icy, 0.0, seed=0).mae(np.zeros_like(icy.target))
