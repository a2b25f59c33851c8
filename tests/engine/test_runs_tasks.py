"""What the two tasks give, run in this process and without a store."""

import threading
import zlib

import numpy as np
import pytest
import torch

from engine.data import land_mask
from engine.embedding import HarmonicBasis
from engine.errors import CancelledError
from engine.runs import BasisSettings, LandSettings, MetricsReader
from engine.runs.tasks import load_task
from engine.sphere import LatLonGrid
from tests.support.run_context import context


def test_the_land_task_gives_the_mask_of_land_mask(tmp_path):
    settings = LandSettings(step_deg=1.5, rows_per_band=7)
    load_task("land")(settings, context(tmp_path, settings))
    with np.load(tmp_path / "land.npz") as result:
        mask = np.unpackbits(result["bits"], axis=1, count=int(result["shape"][1])).astype(bool)
        assert result["crc32"] == zlib.crc32(result["bits"].tobytes())
        assert mask.shape == tuple(result["shape"])
    np.testing.assert_array_equal(mask, land_mask(LatLonGrid.regular(1.5)).numpy())


@pytest.mark.parametrize("stop_after", [1, 5, 17])
def test_a_land_task_that_was_stopped_goes_on_to_the_same_mask(tmp_path, stop_after):
    settings = LandSettings(step_deg=1.5, rows_per_band=7)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    load_task("land")(settings, context(whole, settings))
    with pytest.raises(CancelledError):
        load_task("land")(settings, context(parts, settings, stop_after))
    load_task("land")(settings, context(parts, settings))
    with np.load(whole / "land.npz") as expected, np.load(parts / "land.npz") as resumed:
        for name in expected:
            np.testing.assert_array_equal(resumed[name], expected[name])


@pytest.mark.parametrize(
    "settings",
    [
        BasisSettings(step_deg=4.0, max_degree=6, num_components=10),
        BasisSettings(step_deg=4.0, max_degree=6, num_components=10, domain="land"),
        BasisSettings(step_deg=4.0, max_degree=6, num_components=10, domain="box", box=(-30.0, 30.0, 170.0, 200.0)),
    ],
)
def test_the_basis_task_gives_the_basis_of_fit(tmp_path, settings):
    load_task("basis")(settings, context(tmp_path, settings))
    basis = HarmonicBasis.load(tmp_path / "basis.safetensors")
    grid = LatLonGrid.regular(4.0)
    if settings.domain == "box":
        lon = np.where(grid.lon < 0, grid.lon + 360, grid.lon)
        where = torch.tensor(((np.abs(grid.lat) <= 30)[:, None]) & ((lon >= 170) & (lon <= 200)))
    else:
        where = land_mask(grid) if settings.domain == "land" else ~land_mask(grid)
    assert basis.domain["kind"] == settings.domain
    torch.testing.assert_close(basis.components, HarmonicBasis.fit(grid, 6, 10, where=where).components)


def test_a_basis_task_goes_on_with_the_moments_it_kept(tmp_path, monkeypatch):
    settings = BasisSettings(step_deg=4.0, max_degree=6, num_components=10)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    load_task("basis")(settings, context(whole, settings))
    run = context(parts, settings)
    checkpoint = run.checkpoint

    def ask_to_stop(*arguments, **keywords):
        run._heartbeat.stop_requested.set()
        checkpoint(*arguments, **keywords)

    run.checkpoint = ask_to_stop
    with pytest.raises(CancelledError):
        load_task("basis")(settings, run)
    assert not (parts / "basis.safetensors").exists()
    monkeypatch.setattr("engine.embedding.basis.moments", lambda *_, **__: pytest.fail("the moments were kept"))
    load_task("basis")(settings, context(parts, settings))
    resumed, expected = (HarmonicBasis.load(folder / "basis.safetensors") for folder in (parts, whole))
    assert resumed.key == expected.key  # of every bit
    reader = MetricsReader(parts / "metrics.jsonl")
    reader.poll()
    assert reader.columns["step"].tolist() == list(range(1, len(reader.columns["step"]) + 1))
    assert (np.diff(reader.columns["percent"]) >= 0).all()


def test_a_basis_task_can_be_left(tmp_path):
    settings = BasisSettings(step_deg=4.0, max_degree=6, num_components=10)
    with pytest.raises(CancelledError):
        load_task("basis")(settings, context(tmp_path, settings, stop_after=3))
    assert not (tmp_path / "basis.safetensors").exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "repeat"]
