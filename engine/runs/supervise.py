"""Babysitting the process of one run: start it when its turn comes, wait for it, and tell how it ended if it cannot.

This is the task that the executor runs, in a thread here or on a worker of a Dask cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.compute import cpu_threads
from engine.errors import RunError, StoreError
from engine.files import is_locked, load, locked, try_lock, write_atomic, write_error
from engine.runs.process import ProcessId, gpus, oom_kills
from engine.runs.record import OUT_OF_MEMORY, Cancel, Failure, Meta, Status, current_launch, derive_state

_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.1
_STOPPING_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def supervise(run_dir: str, slots: int = 0, closing: threading.Event | None = None) -> None:
    """Start the process of a queued run when its turn comes, and wait for it.

    Returns at once when the run is not (or no longer) queued: it was cancelled, or somebody else has started it.

    Args:
        run_dir: the run's folder.
        slots: how many runs this machine takes at once; 0 leaves that to the cluster.
        closing: set when the server stops; the process then goes on alone.
    """
    folder, closing = Path(run_dir), closing or threading.Event()
    while _is_queued(folder):
        started = _start(folder, slots)
        if started is not None:
            _watch(started, folder, closing)
            return
        if closing.wait(_POLL_S):
            return


def _files(folder: Path) -> tuple[Meta | None, Status | None, Cancel | None]:
    return load(Meta, folder / "meta.json"), load(Status, folder / "status.json"), load(Cancel, folder / "cancel")


def _is_queued(folder: Path) -> bool:
    meta, status, cancel = _files(folder)
    return meta is not None and derive_state(meta, status, cancel, alive=True) == "queued"


@dataclass(frozen=True, slots=True)
class _Started:
    """A process and what must be known of the moment it started."""

    process: subprocess.Popen[bytes]
    launch: int
    oom_kills_before: int


def _start(folder: Path, slots: int) -> _Started | None:
    """Start the process while holding a slot and the run's lock, and pass both on to it; None when not free yet.

    A held ``run.lock`` means that somebody works, so it is taken for nothing else; starting the run and writing down
    its end keep out of each other's way by ``meta.lock``.
    """
    with ExitStack() as held:
        slot = _take_slot(folder.parent.parent / "slots", slots)
        if slot is None:
            return None
        number, descriptor = slot
        if descriptor is not None:
            held.callback(os.close, descriptor)
        try:
            held.enter_context(locked(folder / "meta.lock", _POLL_S))
        except RunError:
            return None
        meta, status, _ = _files(folder)
        if meta is None or not _is_queued(folder):
            return None
        lock = try_lock(folder / "run.lock")
        if lock is None:
            return None
        held.callback(os.close, lock)
        launch = current_launch(meta, status)
        try:
            return _Started(_spawn(folder, lock, descriptor, number if slots else None), launch, oom_kills())
        except OSError as error:
            _write_end(folder, status, launch, Failure.of(write_error(error, folder / "log.txt")))
            return None


def _spawn(folder: Path, lock: int, slot_lock: int | None, slot: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engine.runs.worker", str(folder), "--lock-fd", str(lock)]
    if slot_lock is not None:
        command += ["--slot-fd", str(slot_lock)]
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock] if slot_lock is None else [lock, slot_lock],
            env=_environment(slot),
        )


def _take_slot(folder: Path, slots: int) -> tuple[int, int | None] | None:
    """Number and descriptor of a free slot, None when all are taken; no descriptor where the cluster counts."""
    if slots == 0:
        return 0, None
    folder.mkdir(exist_ok=True)
    for number in range(slots):
        descriptor = try_lock(folder / f"{number}.lock")
        if descriptor is not None:
            return number, descriptor
    return None


def _environment(slot: int | None) -> dict[str, str]:
    """The process's environment: our code found first, threads that leave a core free, and the slot's own GPU."""
    environment = dict(os.environ)
    path = [str(_ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    for name in _THREAD_VARIABLES:
        environment.setdefault(name, str(cpu_threads()))
    if slot is not None and (found := gpus()):
        environment["CUDA_VISIBLE_DEVICES"] = found[slot % len(found)][0]
    return environment


def _watch(started: _Started, folder: Path, closing: threading.Event) -> None:
    process = started.process
    while process.poll() is None:
        if closing.wait(_POLL_S):
            process.returncode = 0  # it goes on alone; the object must not complain that nobody waited
            return
    with suppress(StoreError, RunError):  # the folder is gone or full: what the files say must do
        _settle(started, folder)


def _settle(started: _Started, folder: Path) -> None:
    """Write down how a process ended that could not do so itself."""
    code = started.process.returncode
    with locked(folder / "meta.lock"):
        if is_locked(folder / "run.lock"):  # somebody works on it again
            return
        status = load(Status, folder / "status.json")
        told = status.launch if status else 0  # the launch that the file speaks of
        if status is not None and (told > started.launch or (told == started.launch and status.state != "running")):
            return
        failure = _why(code, started.oom_kills_before, folder)
        if failure is not None or told < started.launch:  # else it reads as interrupted, as it would had we died too
            _write_end(folder, status, started.launch, failure)


def _write_end(folder: Path, before: Status | None, launch: int, failure: Failure | None) -> None:
    """Write the end of a launch in its process's place; the caller holds ``meta.lock`` and knows that nobody works."""
    now = time.time()
    first = Status(launch=launch, state="interrupted", process=ProcessId.own(), started=now)
    ended = (before or first).model_copy(
        update={
            "launch": launch,
            "state": "failed" if failure else "interrupted",
            "ended": now,
            "heartbeat": now,
            "seconds_left": None,
            "failure": failure,
        }
    )
    write_atomic(folder / "status.json", ended.model_dump_json().encode())


def _why(code: int, oom_kills_before: int, folder: Path) -> Failure | None:
    """Why a process ended with ``code`` and no word of its own; None when somebody stopped it."""
    if code == -signal.SIGKILL and oom_kills() > oom_kills_before:
        return OUT_OF_MEMORY
    if -code in _STOPPING_SIGNALS:
        return None
    what = f"the process ended with code {code}" if code >= 0 else f"the process crashed ({signal.Signals(-code).name})"
    return Failure(kind="RunError", what=what, where=str(folder / "log.txt"), remedy="read the end of the log")
