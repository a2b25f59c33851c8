"""The way out: a trained model in one's own torch code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import engine
from engine.data.demo_ocean import demo_ocean
from engine.data.prepare import prepare
from engine.errors import ChoiceError, GridError
from engine.evaluation.uncertainty import month_classes, scaled_std
from engine.training.sst.model_bundle import ModelBundle, load_model
from engine.training.sst.tiled_prediction import predict_windows
from engine.training.sst.windows import Corner

Case = tuple[engine.RegionModel, dict[str, torch.Tensor], np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return load_model("pretrained")


@pytest.fixture(scope="module")
def case(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A window of an ocean, as the model of a region and as the tiles of the whole ocean reconstruct it."""
    data = prepare(demo_ocean(2.0, seed=3, years=1), (2001, 7), (2001, 7), folder=tmp_path_factory.mktemp("july"))
    inputs = bundle.model_inputs(data)
    corner = Corner(20, 40)
    ((_, tile),) = predict_windows(bundle.model, inputs, range(1), [corner], precision="float32")
    assert bundle.std_factors
    grid, land = inputs.windows.coordinates(corner), inputs.windows.cut(data.land, corner)
    days = {
        "daily": torch.tensor(inputs.windows.cut(data.daily, corner))[None],
        "padded": torch.tensor(np.asarray(data.padded))[None],
        "phases": torch.tensor(np.asarray(data.phases), dtype=torch.float32)[None],
        "months": torch.tensor(np.asarray(data.months))[None],
        "ice": torch.tensor(inputs.windows.cut(data.ice, corner))[None],
    }
    assert tile.std is not None
    # as the explorer shows it: scaled by class
    std = scaled_std(tile.std, inputs.windows.cut(month_classes(data, 0), corner)[None], bundle.std_factors)
    module = engine.load("pretrained", grid.lat, grid.lon, land)
    return module, days, np.where(land, np.nan, tile.mean), np.where(land, np.nan, std)


def test_a_region_is_reconstructed_as_the_tiles_of_the_ocean(case: Case) -> None:
    module, days, mean, std = case
    with torch.no_grad():
        own_mean, own_std = module(**days)
    assert own_std is not None
    np.testing.assert_allclose(own_mean[0], mean, atol=1e-4)
    np.testing.assert_allclose(own_std[0], std, atol=1e-4)


def test_a_month_without_days_is_the_climatology_and_nothing_is_below_freezing(case: Case) -> None:
    module, days, *_ = case
    with torch.no_grad():
        mean, _ = module(**days | {"daily": torch.full_like(days["daily"], torch.nan)})
    sea = ~module.land
    torch.testing.assert_close(mean[0, 0][sea], module.fallback[6][sea].clamp(min=module.variable.least))
    assert float(mean[0, 0][sea].min()) >= -1.8 - 1e-6


def test_it_is_trained_further_in_five_lines(bundle: ModelBundle) -> None:
    lat, lon = np.arange(30.5, 38.0), np.arange(-69.5, -62.0)
    module = engine.load("pretrained", lat, lon, np.zeros((8, 8), bool))
    days: dict[str, Any] = {
        "daily": 20.0 + torch.randn(1, 1, 31, 8, 8, generator=torch.Generator().manual_seed(0)),
        "padded": torch.zeros(1, 1, 31, dtype=torch.bool),
        "phases": torch.zeros(1, 1, 31, 3),
        "months": torch.tensor([[7]]),
    }
    target = torch.full((1, 1, 8, 8), 21.0)
    optimiser = torch.optim.AdamW(module.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        mean, _ = module(**days)
        loss = (mean - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    # the shipped weights are read anew by everybody else
    assert any(
        not torch.equal(own, other)
        for own, other in zip(module.model.parameters(), bundle.model.parameters(), strict=True)
    )


def test_it_is_exported_as_a_graph(case: Case) -> None:
    module, days, *_ = case
    exported = torch.export.export(module, (), days, strict=False).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(**days)[0], module(**days)[0], equal_nan=True)


@pytest.mark.parametrize(
    ("lat", "lon", "error", "sentence"),
    [
        (np.arange(30.5, 37.0), np.arange(-69.5, -62.0), ChoiceError, "do not divide 7 × 8"),
        (np.array([30.5, 99.5]), np.arange(-69.5, -62.0), GridError, "latitude"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(lat: Any, lon: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        engine.load("pretrained", lat, lon)
