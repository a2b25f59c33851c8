"""A disk that is really full: a small file system in memory, mounted for one process and its workers only."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import textwrap
import threading

import pytest

from engine.errors import DiskFullError
from engine.runs import supervise as supervise
from tests.support.workers import PATIENCE_S, SMALL, assert_result, wait_for, wait_until_ended

UNSHARE = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    trial = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


real_disk = pytest.mark.skipif(not can_mount(), reason="this user may not mount a file system")

BEGIN = """
import os, sys
from pathlib import Path
from engine.errors import DiskFullError
from engine.runs import LandSettings, RunConfig, RunStore, supervise
from tests.support.workers import LONG, SMALL, describe, processes_of, wait_for, wait_until_ended

os.environ["HARMONIA_DISK_RESERVE_MB"] = "0"
home = Path(sys.argv[1])
ballast = home / "ballast"

def fill():
    with open(ballast, "ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass

def temporaries():
    return list((home / "runs").rglob(".*.tmp*"))
"""


def on_small_disk(tmp_path, code: str) -> None:
    """Run ``code`` with a file system of 2 MB as its home folder."""
    (tmp_path / "disk").mkdir()
    script = tmp_path / "script.py"
    script.write_text(BEGIN + textwrap.dedent(code))
    mount = f"mount -t tmpfs -o size=2m tmpfs {tmp_path}/disk && exec {sys.executable} {script} {tmp_path}/disk"
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", mount],
        env={**environment(), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("HARMONIA_")}


@real_disk
def test_a_disk_full_at_the_first_status_ends_the_run_with_its_reason(tmp_path):
    on_small_disk(
        tmp_path,
        """
        spawn = supervise._spawn
        supervise._spawn = lambda *arguments: (fill(), spawn(*arguments))[1]
        with RunStore(home) as store:
            run = store.create(SMALL)
            store.launch(run)
            assert wait_until_ended(run) == "failed", describe(run)
            assert "the disk is full" in run.record.failure, describe(run)
            assert not temporaries()
            ballast.unlink()
            supervise._spawn = spawn
            run.resume()
            assert wait_until_ended(run) == "done", describe(run)
            assert run.record.failure is None
        """,
    )


@real_disk
def test_a_disk_that_fills_up_under_a_run_ends_it_with_its_reason(tmp_path):
    on_small_disk(
        tmp_path,
        """
        with RunStore(home) as store:
            run = store.create(LONG)
            store.launch(run)
            wait_for(lambda: run.record.progress > 0, "some progress", run)
            fill()
            assert wait_until_ended(run) == "failed", describe(run)
            assert "the disk is full" in run.record.failure, describe(run)
            wait_for(lambda: not processes_of(home), "the process to be gone")
            assert not temporaries()
            ballast.unlink()
            run.resume()
            wait_for(lambda: run.state == "running", "it to go on", run)
            run.cancel()
            assert wait_until_ended(run) == "cancelled", describe(run)
        """,
    )


@real_disk
def test_what_needs_room_is_refused_in_words_and_cancelling_needs_none_that_is_not_there(tmp_path):
    on_small_disk(
        tmp_path,
        """
        with RunStore(home) as store:
            run = store.create(SMALL)
            fill()
            for act in (lambda: store.create(SMALL), lambda: store.launch(run), lambda: store.annotate(run, name="x")):
                try:
                    act()
                except DiskFullError as error:
                    assert "the disk is full" in str(error)
                else:
                    raise AssertionError("it was not refused")
            assert run.state == "created"
            assert not temporaries()
            assert list(store.records()) == [run.id]
            ballast.unlink()
            store.launch(run)
            assert wait_until_ended(run) == "done", describe(run)
        """,
    )


def test_an_end_that_cannot_be_written_yet_is_written_once_there_is_room(store, undisturbed, inject, monkeypatch):
    """The same without a mount: neither the worker nor who started it can write, then the latter can."""
    refused, room = threading.Event(), threading.Event()
    write = supervise.write_last_status

    def write_when_there_is_room(folder, status):
        if not room.is_set():
            refused.set()
            raise DiskFullError("the disk is full", str(folder.path), "free some space")
        write(folder, status)

    monkeypatch.setattr(supervise, "write_last_status", write_when_there_is_room)
    monkeypatch.setattr(supervise, "_FULL_DISK_S", 0.01)
    undo = inject("HARMONIA_FAULT", "fsync:1:full")
    run = store.create(SMALL)
    store.launch(run)
    assert refused.wait(PATIENCE_S)
    assert run.state == "queued"
    undo()
    room.set()
    assert wait_until_ended(run) == "failed"
    assert "the disk is full" in (run.record.failure or "")
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)


def test_a_run_whose_turn_comes_on_a_nearly_full_disk_fails_with_its_reason(store, monkeypatch):
    free = itertools.chain([True, True], itertools.repeat(False))  # at creation and launch there is room

    def require(home):
        if not next(free):
            raise DiskFullError("the disk is nearly full", str(home), "free some space")

    for module in ("store", "supervise"):
        monkeypatch.setattr(f"engine.runs.{module}.check_free_disk", require)
    run = store.create(SMALL)
    store.launch(run)
    assert wait_until_ended(run) == "failed"
    assert "nearly full" in (run.record.failure or "")


@pytest.mark.parametrize("name", [".last.safetensors.tmp", ".reconstruction.tmp.nc", ".table.tmp.zarr/part"])
def test_temporary_files_of_a_killed_worker_are_swept(store, undisturbed, inject, name):
    undo = inject("HARMONIA_FAULT", "replace:20:before")
    run = store.create(SMALL)
    path = run.folder / "checkpoints" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    store.launch(run)
    assert wait_until_ended(run) == "interrupted"
    undo()
    wait_for(lambda: not list(run.folder.rglob("*.tmp*")), "what the killed process left to be swept")
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)
