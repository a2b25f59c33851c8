"""The device contract: public functions take and return tensors on the caller's device, and every task trains there."""

from __future__ import annotations

import types
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch.utils._pytree import tree_leaves

from engine.config.mae import MAESettings
from engine.config.run_config import TableSettings
from engine.embedding import Embedding2d
from engine.models import SpatialConv
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import GeographicLoss, MixtureVMF
from engine.runs import tasks
from engine.sphere import HarmonicGrid, harmonics_at
from engine.training.expert.model_bundle import load_expert
from engine.training.expert.task import train_expert
from engine.training.mae import train_mae
from engine.training.sst import data_module
from engine.training.sst import task as sst_task
from engine.training.sst.reconstruct import reconstruct
from engine.training.table import fit_table
from tests.support.device_entries import ENTRIES, EXEMPT, GRID, PACKAGES
from tests.support.emulated_device import DEVICE, DeviceTensor, emulated_device, values
from tests.support.ocean import small_ocean
from tests.support.run_context import context
from tests.support.trainings import EXPERT, SMALL
from tests.support.windows import model_of, window_of


@pytest.fixture
def device():
    with pytest.MonkeyPatch.context() as patched, emulated_device(patched) as mode:
        yield mode


def test_the_emulated_device_refuses_what_a_real_one_does(device):
    there, here = torch.arange(6.0, device=DEVICE), torch.ones(6)
    for mixed in (
        lambda: there + here,
        lambda: here[there.long()],
        lambda: torch.cat((there, here)),
        lambda: torch.where(here > 0, there, 0.0),
        lambda: torch.rand(3, device=DEVICE, generator=torch.Generator()),
        lambda: there.numpy(),
    ):
        with pytest.raises((RuntimeError, TypeError)):
            mixed()
    assert values((there * torch.tensor(2.0))[torch.tensor([1, 2])]).tolist() == [2.0, 4.0]
    assert not device.waits
    assert float(there.sum()) == 15.0
    assert len(device.waits) == 1


@pytest.mark.parametrize("name", ENTRIES)
def test_a_public_name_computes_on_the_callers_device(name):
    compute, _ = ENTRIES[name]
    expected = [leaf for leaf in tree_leaves(compute(lambda value: value)) if isinstance(leaf, torch.Tensor)]
    assert expected
    with pytest.MonkeyPatch.context() as patched, emulated_device(patched):
        outputs = [
            leaf for leaf in tree_leaves(compute(lambda value: value.to(DEVICE))) if isinstance(leaf, torch.Tensor)
        ]
    assert len(outputs) == len(expected)
    for on_device, on_cpu in zip(outputs, expected, strict=True):
        if name not in ("agreement", "passport"):  # plain numbers
            assert isinstance(on_device, DeviceTensor)
        torch.testing.assert_close(values(on_device).detach(), on_cpu.detach(), rtol=1e-4, atol=1e-6, equal_nan=True)


def test_the_list_covers_every_public_name():
    public = {
        name
        for package in PACKAGES
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    covered = {name for _, names in ENTRIES.values() for name in names}
    assert public <= covered | set(EXEMPT)
    assert not covered & set(EXEMPT)


def waits_of(compute) -> list[str]:
    """The operations of ``compute(on)`` that waited for the device."""
    with pytest.MonkeyPatch.context() as patched, emulated_device(patched) as mode:
        run = compute(lambda value: value.to(DEVICE))
        mode.waits.clear()
        run()
        return list(mode.waits)


@pytest.mark.parametrize("encoder", ["harmonic", "table"])
def test_a_step_of_a_reconstruction_does_not_wait_for_the_device(encoder):
    def prepared(on, check=False):
        model, window = on_the_device(on, encoder=encoder)
        return lambda: model.forward_details(**window, attention=False, check=check).mean.square().mean().backward()

    assert not waits_of(prepared)
    assert len(waits_of(lambda on: prepared(on, check=True))) == 1


def test_a_step_of_the_expert_does_not_wait_for_the_device():
    def prepared(on):
        components = MixtureVMF(on(torch.eye(3)), on(torch.ones(3)), on(torch.zeros(3)), learn_kappa=True)
        expert = GeographicExpert(2, 8, components, on(torch.ones(2) / 2), width=8, head_degree=3).to(DEVICE)
        loss = GeographicLoss(torch.tensor([0, 1]), components, sea_class=0).to(DEVICE)
        pixels, ones, fractions = on(torch.rand(4, 2, 8, 8)), on(torch.ones(4)), on(torch.full((4, 2), 0.5))

        def step():
            truth = {"lat_deg": ones, "lon_deg": ones, "day_of_year": ones, "climate_fractions": fractions}
            loss(*expert(pixels), **truth).total.backward()

        return step

    assert not waits_of(prepared)


def test_a_step_of_a_table_does_not_wait_for_the_device():
    def prepared(on):
        model = SpatialConv((8, 4, 2), padding=(1, 1), device=DEVICE)
        cells = on(torch.tensor([0, 5, 9]))
        return lambda: model.at_cells(cells).square().mean().backward()

    assert not waits_of(prepared)


def test_points_are_checked_once_and_harmonics_of_a_grid_do_not_wait():
    table = Embedding2d((8, 4, 2), padding=(1, 1))
    points = torch.tensor([[0.0, 10.0], [170.0, -80.0]])
    assert len(waits_of(lambda on: partial(table.to(DEVICE), on(points)))) == 1
    table.cpu()
    assert len(waits_of(lambda on: partial(harmonics_at, on(points[:, 1]), on(points[:, 0]), 30))) == 1

    def prepared(on):
        harmonics = HarmonicGrid(GRID, 8, device=DEVICE)
        coeffs = on(torch.rand(81, dtype=torch.float64))
        return lambda: harmonics.analyse(harmonics.synthesise(coeffs))

    assert not waits_of(prepared)


def on_the_device(on, **changes):
    """A small model in training and a window of it."""
    model = model_of("tiny", **changes).to(DEVICE).train()
    window = window_of(model.config)
    place = tuple(None if value is None else on(value) for value in window.pop("place"))
    return model, {name: on(value) for name, value in window.items()} | {"place": place}


TASKS = {"expert", "table", "sst", "reconstruct", "mae"}
"""Trained, or used, on the device by the tests below."""

OTHER_TASKS = {
    "land": "draws a mask with numpy",
    "basis": "reads its domain from numpy, on the CPU, once; the entry 'basis' fits one on the device",
    "sweep": "starts runs of 'sst', each in a process of its own",
    "centres": "places and scores centres on the CPU, where clusters and cells are computed",
    "probe": "its embeddings go to the device, its maps and folds stay on the CPU",
}


def test_every_task_is_run_on_the_device_or_says_why_not():
    assert set(tasks.TASKS) == TASKS | set(OTHER_TASKS)


def on_device(tmp_path, settings, task):
    """``task`` of the settings on the emulated device, in this process."""
    with pytest.MonkeyPatch.context() as patched, emulated_device(patched) as mode:
        task(settings, context(tmp_path, settings))
    return mode


def test_the_geographic_expert_trains_on_the_device(tmp_path):
    settings = EXPERT.model_copy(update={"learn_centres": True, "learn_kappa": True, "epochs": 1, "samples": 32})
    on_device(tmp_path, settings, train_expert)
    expert = load_expert(tmp_path)
    assert all(value.device.type == "cpu" for value in expert.model.state_dict().values())
    assert expert.scores["expert"]["num_placed"] > 0


def test_a_masked_autoencoder_trains_on_the_device(tmp_path):
    settings = MAESettings(
        cells=4, width=8, layers=1, chips=64, epochs=1, batch=32, num_validation=16, num_test=60, hidden=0.5
    )
    on_device(tmp_path, settings, train_mae)
    assert (tmp_path / "autoencoder.safetensors").exists()


def test_a_table_is_fitted_on_the_device(tmp_path):
    on_device(tmp_path, TableSettings(width=12, height=6, padding=2, iterations=3), fit_table)
    assert (tmp_path / "table.safetensors").exists()


def test_a_reconstruction_trains_is_scored_and_used_on_the_device(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(data_module, "open_source", lambda _: small_ocean(4))
    monkeypatch.setattr(sst_task, "fabric_of", one_device_fabric)
    settings = SMALL.model_copy(update={"epochs": 1, "samples": 2, "withheld_fraction": 0.0})
    on_device(tmp_path, settings, sst_task.train_sst)
    assert (tmp_path / "scores.json").exists()
    with pytest.MonkeyPatch.context() as patched, emulated_device(patched):
        there = reconstruct(tmp_path, small_ocean(4), (2004, 1), (2004, 1))
    here = reconstruct(tmp_path, small_ocean(4), (2004, 1), (2004, 1))
    np.testing.assert_allclose(there["sst"], here["sst"], atol=1e-3)


class AnyDevice(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """The emulated device needs none."""


@contextmanager
def one_device_fabric(settings, run):
    """Fabric that moves models to the emulated device, as it does to an accelerator."""
    strategy = SingleDeviceStrategy(DEVICE, accelerator=AnyDevice())
    yield Fabric(strategy=strategy, precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true")
