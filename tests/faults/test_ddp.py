"""Two processes train one model; either is killed, and the run goes on to the same weights."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from engine.config.sst import FileSource, SSTSettings
from engine.runs import Run, RunConfig, RunStore
from tests.support.ocean import write_days
from tests.support.trainings import SMALL
from tests.support.workers import describe, kill_worker, processes_of, wait_for, wait_until_ended

RESULTS = ("best.safetensors", "scores.json")


def config(days: str) -> RunConfig:
    changes = {"source": FileSource(path=days), "epochs": 2, "overlap": 0, "devices": 2, "accelerator": "cpu"}
    return RunConfig(settings=SSTSettings(**{**SMALL.model_dump(), **changes, "model": SMALL.model}))


def other_ranks(run: Run) -> list[psutil.Process]:
    """Processes of rank 1 and later."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "engine.training.ddp" in (process.info["cmdline"] or []) and str(run.folder) in process.info["cmdline"]
    ]


def kill_other_rank(run: Run) -> None:
    for process in other_ranks(run):
        process.kill()


def are_gone(run: Run) -> bool:
    return not processes_of(run.folder) and not other_ranks(run)


def kill(run: Run, store: RunStore, reached: Callable[[], bool], strike: Callable[[Run], object]) -> str:
    """Launch a run, kill one of its processes at a moment; both end of it, and the state is returned."""
    store.launch(run)
    wait_for(reached, "the moment of the kill", run)
    strike(run)
    state = wait_until_ended(run)
    wait_for(lambda: are_gone(run), "both processes to be gone", run)
    return state


def test_either_of_two_processes_is_killed_and_the_weights_are_the_same(store, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    write_days(tmp_path / "days.nc")
    undisturbed, run = (store.create(config(str(tmp_path / "days.nc"))) for _ in range(2))
    store.launch(undisturbed)
    assert wait_until_ended(undisturbed) == "done", describe(undisturbed)

    assert kill(run, store, run.files.checkpoint().exists, kill_other_rank) == "failed"
    failure = str(run.record.failure)
    assert "the process of rank 1 ended with code -9" in failure
    assert "resume the run" in failure

    first = run.files.checkpoint().stat().st_mtime_ns
    state = kill(run, store, lambda: run.files.checkpoint().stat().st_mtime_ns > first, kill_worker)
    assert state == "interrupted", describe(run)

    store.launch(run)
    assert wait_until_ended(run) == "done", describe(run)
    for name in RESULTS:
        assert (run.folder / name).read_bytes() == (undisturbed.folder / name).read_bytes(), name


def test_a_rank_that_never_comes_is_not_waited_for(store, tmp_path, monkeypatch):
    """It dies before the processes have met."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    write_days(tmp_path / "days.nc")
    run = store.create(config(str(tmp_path / "days.nc")))
    assert kill(run, store, lambda: bool(other_ranks(run)), kill_other_rank) in ("interrupted", "failed")
    assert "the process of rank 1 ended with code -9" in "\n".join([*run.log_tail(), str(run.record.failure)])
