"""A basis fit and the reconstruction of an archive are killed: they go on from what they kept to the same bits."""

from __future__ import annotations

from collections.abc import Callable

from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import FileSource
from engine.embedding import HarmonicBasis
from engine.runs import BasisSettings, Run, RunConfig, RunStore
from tests.support.ocean import write_days
from tests.support.trainings import untrained
from tests.support.workers import content_of, kill_worker, processes_of, wait_for, wait_until_ended

BASIS = RunConfig(settings=BasisSettings(step_deg=2.0, max_degree=36, num_components=64))
"""Its eigenvectors take hundreds of times longer than a look at the folder."""


def undisturbed(store: RunStore, config: RunConfig) -> Run:
    run = store.create(config)
    store.launch(run)
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    return run


def killed_and_resumed(store: RunStore, config: RunConfig, when: Callable[[Run], object]) -> Run:
    run = store.create(config)
    store.launch(run)
    wait_for(lambda: when(run), "something to be kept")
    assert kill_worker(run)
    assert wait_until_ended(run) == "interrupted", run.record.failure or run.log_tail()
    wait_for(lambda: not processes_of(run.folder), "the process to be gone")
    run.resume()
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    assert not list(run.folder.rglob("*.tmp*"))
    return run


def test_a_basis_fit_killed_among_its_eigenvectors(store):
    whole = undisturbed(store, BASIS)
    run = killed_and_resumed(store, BASIS, lambda run: (run.folder / "checkpoints" / "last.safetensors").exists())
    resumed, expected = (HarmonicBasis.load(finished.folder / "basis.safetensors") for finished in (run, whole))
    assert resumed.key == expected.key  # of every bit


def test_a_killed_reconstruction_of_an_archive(store, home, tmp_path):
    write_days(tmp_path / "days.nc")
    trained = home / "runs" / "20260101-000000-0123456789"
    trained.mkdir(parents=True)
    untrained().save(trained / "best.safetensors")
    source = FileSource(path=str(tmp_path / "days.nc"))
    config = RunConfig(settings=ReconstructSettings(model=trained.name, source=source, last="2001-12"))
    whole = undisturbed(store, config)
    run = killed_and_resumed(store, config, lambda run: len(list((run.folder / "parts").glob("*.npz"))) > 2)
    resumed, expected = (content_of(finished.folder / "reconstruction.nc") for finished in (run, whole))
    assert resumed == expected
    assert not (run.folder / "parts").exists()
