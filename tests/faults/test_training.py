"""A training is killed, starved or deceived: it goes on to the same bits, or says in words why it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.config.sst import FileSource, SSTSettings
from engine.runs import Run, RunConfig, RunStore
from engine.runs.checkpoints import read_checkpoint
from tests.support.ocean import write_days
from tests.support.trainings import SMALL, lines_of
from tests.support.workers import (
    INJECT,
    kill_worker,
    new_home,
    processes_of,
    wait_for,
    wait_until_ended,
)

RESULTS = ("best.safetensors", "scores.json", "checkpoints/last.safetensors")


def config(path: Path, **changes) -> RunConfig:
    settings = {**SMALL.model_dump(), "source": FileSource(path=str(path)), "epochs": 2, "overlap": 0, **changes}
    return RunConfig(settings=SSTSettings(**{**settings, "model": SMALL.model}))


@pytest.fixture(scope="module")
def trained(made_once) -> tuple[Path, list[dict[str, float]], dict[str, bytes]]:
    """The file of days, and the metrics and results of a training that nothing disturbed."""

    def make(folder: Path) -> None:
        write_days(folder / "days.nc")
        with new_home(folder) as home, pytest.MonkeyPatch.context() as patched, RunStore(home) as store:
            patched.setenv("HARMONIA_HOME", str(home))
            run = store.create(config(folder / "days.nc"))
            store.launch(run)
            assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
            leave(run)
            shutil.copytree(run.folder, folder / "run")

    folder = made_once("undisturbed-training", make)
    return (
        folder / "days.nc",
        lines_of(folder / "run"),
        {name: (folder / "run" / name).read_bytes() for name in RESULTS},
    )


def assert_trained(run: Run, trained) -> None:
    assert run.state == "done", run.record.failure or run.log_tail()
    leave(run)
    _, lines, results = trained
    assert lines_of(run.folder) == lines
    for name in RESULTS[:2]:
        assert (run.folder / name).read_bytes() == results[name], name
    assert not list(run.folder.rglob("*.tmp"))
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    (folder := run.folder / "expected").mkdir()
    (folder / "last.safetensors").write_bytes(results[RESULTS[2]])
    expected = read_checkpoint(folder / "last.safetensors")
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array, err_msg=name)


def leave(run: Run) -> None:
    """Wait until the run's process is gone."""
    wait_for(lambda: not processes_of(run.folder), "the process to be gone")


def resume_until_done(run: Run) -> None:
    run.resume()
    wait_until_ended(run)


WRITES = ("fsync:100:before", "replace:12:before", "fsync:12:torn", "replace:10:after")


@pytest.mark.parametrize("moments", [WRITES[1:3], pytest.param(WRITES, marks=pytest.mark.long)], ids=["two", "all"])
def test_kills_inside_a_checkpoint_and_at_the_end_of_an_epoch(store, trained, monkeypatch, moments):
    """What a training writes: status, checkpoints, snapshots, the best model; torn, not yet or just now renamed."""
    run, kills = store.create(config(trained[0])), 0
    for moment in moments:
        with monkeypatch.context() as patched:
            patched.setenv("HARMONIA_FAULT", moment)
            patched.setenv("PYTHONPATH", INJECT)
            store.launch(run)
            wait_for(lambda: run.state != "queued", "the run to work")
            wait_until_ended(run)
        if run.state == "done":
            break
        assert run.state == "interrupted", run.record.failure or run.log_tail()
        kills += 1
        leave(run)
        assert not list((run.folder / "checkpoints").glob("last.safetensors.*"))
        read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    assert kills >= len(moments) - 1
    if run.state != "done":
        resume_until_done(run)
    assert_trained(run, trained)


def test_a_kill_in_the_middle_of_a_batch(store, trained):
    run = store.create(config(trained[0]))
    store.launch(run)
    wait_for(lambda: any(line["iteration"] >= 2 for line in lines_so_far(run)), "two steps")
    kill_worker(run)
    wait_until_ended(run)
    if run.state != "done":
        assert run.state == "interrupted"
        resume_until_done(run)
    assert_trained(run, trained)


def lines_so_far(run: Run) -> list[dict[str, float]]:
    return lines_of(run.folder) if (run.folder / "metrics.jsonl").exists() else []


def test_a_cancelled_training_goes_on_to_the_same_curves(store, trained):
    run = store.create(config(trained[0]))
    store.launch(run)
    wait_for(lambda: lines_so_far(run), "the first step")
    run.cancel()
    assert wait_until_ended(run) in ("cancelled", "done")
    if run.state == "cancelled":
        assert_left_in_order_of_training(run)
        resume_until_done(run)
    assert_trained(run, trained)


def assert_left_in_order_of_training(run: Run) -> None:
    """A cancelled training that stops in time loses no step; one that does not loses those since its checkpoint."""
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    kept_step = 0 if kept is None else kept.metadata["task"]["module"]["step"]
    lost = max(line["iteration"] for line in lines_of(run.folder)) - kept_step
    assert lost == 0 or any("did not stop in time" in line for line in run.log_tail()), lost


def test_a_source_that_is_taken_away(home, store, tmp_path):
    """While it is read that ends the run with its reason; put back, the run goes on. Once read it is not missed."""
    days = tmp_path / "days.nc"
    write_days(days)
    run = store.create(config(days, epochs=30))
    content = days.read_bytes()
    days.unlink()
    store.launch(run)
    assert wait_until_ended(run) == "failed"
    assert "days.nc" in (run.record.failure or "")
    days.write_bytes(content)
    run.resume()
    wait_for(lambda: lines_so_far(run), "the first step")
    days.unlink()
    wait_for(lambda: lines_so_far(run)[-1]["epoch"] >= 1, "an epoch without the file")
    run.cancel()
    assert wait_until_ended(run) == "cancelled"
    leave(run)


def test_a_diverging_loss_ends_the_run_with_its_reason(store, trained):
    wild = config(trained[0], learning_rate=10.0, warmup=0.0, clip_norm=1e6, samples=400, epochs=4)
    run = store.create(wild)
    store.launch(run)
    assert wait_until_ended(run) == "failed"
    assert "the loss diverged" in (run.record.failure or "")
    assert "lower learning_rate" in (run.record.failure or "")
    assert not (run.folder / "scores.json").exists()
    leave(run)
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    for name, array in ({} if kept is None else kept.arrays).items():
        assert array.dtype.kind != "f" or np.isfinite(array).all(), name


def test_memory_that_ends(store, trained, monkeypatch):
    """A batch that cannot be held is told as such, and a smaller one would do: the run's folder is in order."""
    run = store.create(config(trained[0], batch=1024, samples=1024, window=(18, 36)))
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", INJECT)
        patched.setenv("HARMONIA_LIMIT", f"DATA:{1300 * 2**20}")
        store.launch(run)
        assert wait_until_ended(run) == "failed", run.log_tail()
    assert "ran out of memory" in (run.record.failure or ""), run.log_tail()
    leave(run)
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    assert kept is None or kept.metadata["task"]["module"]["step"] == 0
