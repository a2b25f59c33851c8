"""A training is killed, starved or deceived: it goes on to the same bits, or says in words why it cannot."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.config.sst import FileSource, SSTSettings
from engine.runs import Run, RunConfig, RunStore
from engine.runs.checkpoints import read_checkpoint
from tests.engine.ocean import small_ocean
from tests.engine.test_fit import SMALL
from tests.faults.conftest import new_home
from tests.faults.tools import (
    INJECT,
    kill_worker,
    processes_of,
    wait_for,
    wait_until_ended,
)

TIMED = {"time", "step", "samples_per_s", "memory_mb"}


def write_days(path: Path) -> None:
    """Four years of a small ocean as a file of days, without the truth."""
    daily = small_ocean(4, monthly=False).daily
    daily = daily.assign_attrs(units="degree_Celsius", standard_name="sea_surface_temperature")
    daily["lat"].attrs["units"], daily["lon"].attrs["units"] = "degrees_north", "degrees_east"
    daily.to_netcdf(path)


def config(path: Path, **changes) -> RunConfig:
    settings = {**SMALL.model_dump(), "source": FileSource(path=str(path)), "epochs": 2, "overlap": 0, **changes}
    return RunConfig(settings=SSTSettings(**{**settings, "model": SMALL.model}))


def lines_of(run: Run) -> list[dict[str, float]]:
    """Metrics without what the clock decides: repetitions, and what was said while data was read."""
    text = (run.folder / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]  # the last may not be whole yet
    told = [{name: value for name, value in line.items() if name not in TIMED} for line in lines if "epoch" in line]
    return [line for line, _ in itertools.groupby(told)]


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Iterator[tuple[Path, list[dict[str, float]], dict[str, bytes]]]:
    """The file of days, and the metrics and results of a training that nothing disturbed."""
    days = tmp_path_factory.mktemp("days") / "days.nc"
    write_days(days)
    with new_home(tmp_path_factory.mktemp("home")) as home, pytest.MonkeyPatch.context() as patched:
        patched.setenv("HARMONIA_HOME", str(home))
        with RunStore(home) as store:
            run = store.create(config(days))
            store.launch(run)
            assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
            yield days, lines_of(run), {name: (run.folder / name).read_bytes() for name in RESULTS}


RESULTS = ("best.safetensors", "scores.json", "checkpoints/last.safetensors")


def assert_taught(run: Run, taught) -> None:
    assert run.state == "done", run.record.failure or run.log_tail()
    leave(run)
    _, lines, results = taught
    assert lines_of(run) == lines
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


def test_kills_inside_a_checkpoint_and_at_the_end_of_an_epoch(store, taught, monkeypatch):
    """What a training writes: status, checkpoints, snapshots, the best model; torn, not yet or just now renamed."""
    run, kills = store.create(config(taught[0])), 0
    for moment in ("fsync:100:before", "replace:12:before", "fsync:12:torn", "replace:10:after"):
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
    assert kills >= 3
    if run.state != "done":
        resume_until_done(run)
    assert_taught(run, taught)


def test_a_kill_in_the_middle_of_a_batch(store, taught):
    run = store.create(config(taught[0]))
    store.launch(run)
    wait_for(lambda: any(line["iteration"] >= 2 for line in lines_so_far(run)), "two steps")
    kill_worker(run)
    wait_until_ended(run)
    if run.state != "done":
        assert run.state == "interrupted"
        resume_until_done(run)
    assert_taught(run, taught)


def lines_so_far(run: Run) -> list[dict[str, float]]:
    return lines_of(run) if (run.folder / "metrics.jsonl").exists() else []


def test_a_cancelled_training_goes_on_to_the_same_curves(store, taught):
    run = store.create(config(taught[0]))
    store.launch(run)
    wait_for(lambda: lines_so_far(run), "the first step")
    run.cancel()
    assert wait_until_ended(run) in ("cancelled", "done")
    if run.state == "cancelled":
        assert_left_in_order_of_training(run)
        resume_until_done(run)
    assert_taught(run, taught)


def assert_left_in_order_of_training(run: Run) -> None:
    """A cancelled training that stops in time loses no step; one that does not loses those since its checkpoint."""
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    kept_step = 0 if kept is None else kept.metadata["task"]["learner"]["step"]
    lost = max(line["iteration"] for line in lines_of(run)) - kept_step
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


def test_a_diverging_loss_ends_the_run_with_its_reason(store, taught):
    wild = config(taught[0], learning_rate=10.0, warmup=0.0, clip_norm=1e6, samples=400, epochs=4)
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


def test_memory_that_ends(store, taught, monkeypatch):
    """A batch that cannot be held is told as such, and a smaller one would do: the run's folder is in order."""
    run = store.create(config(taught[0], batch=1024, samples=1024, window=(18, 36)))
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", INJECT)
        patched.setenv("HARMONIA_LIMIT", f"DATA:{1300 * 2**20}")
        store.launch(run)
        assert wait_until_ended(run) == "failed", run.log_tail()
    assert "ran out of memory" in (run.record.failure or ""), run.log_tail()
    leave(run)
    kept = read_checkpoint(run.folder / "checkpoints" / "last.safetensors")
    assert kept is None or kept.metadata["task"]["learner"]["step"] == 0
