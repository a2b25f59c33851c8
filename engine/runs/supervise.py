"""Supervision of the process of one run: start it in its turn, wait for it, and record its end if it could not.

This is the function that the executor calls, in a thread here or on a worker of a Dask cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.compute import cpu_threads
from engine.errors import DiskFullError, RunError, StoreError
from engine.files import check_free_disk, is_locked, load, locked, open_file, sweep_temporaries, try_lock, write_error
from engine.runs.disk import FOLDER_GONE, NO_ROOM, has_no_room, write_last_status
from engine.runs.memory import means_out_of_memory, out_of_memory
from engine.runs.process import ProcessId, gpus, oom_kills
from engine.runs.record import DISK_FULL, OUT_OF_MEMORY, Failure, Status, current_launch, derive_state, read_files
from engine.runs.run_folder import RunFolder

_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.1
_FULL_DISK_S = 1.0
_LOG_END_BYTES = 4096
_STOPPING_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def supervise(run_dir: str, slots: int = 0, closing: threading.Event | None = None) -> None:
    """Start the process of a queued run when a slot is free, and wait for it.

    Returns at once when the run is not (or no longer) queued: it was cancelled, or another supervisor has started it.

    Args:
        run_dir: the run's folder.
        slots: number of runs that this machine takes at once; 0 leaves that to the cluster.
        closing: set when the server stops; the process then continues without supervision.
    """
    folder, closing = RunFolder(Path(run_dir)), closing or threading.Event()
    while _is_queued(folder):
        try:
            worker = _start(folder, slots)
        except (DiskFullError, RunError) as error:
            failure = Failure.of(error)
            _retry_while_full(lambda failure=failure: _refuse(folder, failure), closing)
            return
        if worker is not None:
            _wait(worker, folder, closing)
            return
        if closing.wait(_POLL_S):
            return


def _refuse(folder: RunFolder, failure: Failure) -> None:
    """Record that a queued run cannot be started."""
    with locked(folder.meta_lock):
        meta, status, _ = read_files(folder)
        if meta is not None and _is_queued(folder):
            _write_end(folder, status, current_launch(meta, status), failure)


def _retry_while_full(record: Callable[[], None], closing: threading.Event) -> None:
    """Call ``record``, which writes how a run ended, again until the disk has room for it, or the server stops."""
    while True:
        try:
            record()
            return
        except DiskFullError:
            if closing.wait(_FULL_DISK_S):
                return
        except (StoreError, RunError):  # the folder is gone, or another process works on it: the files stay
            return


def _is_queued(folder: RunFolder) -> bool:
    meta, status, cancel = read_files(folder)
    return meta is not None and derive_state(meta, status, cancel, alive=True) == "queued"


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker process, its launch, and the machine's number of out-of-memory kills before it started."""

    process: subprocess.Popen[bytes]
    launch: int
    oom_kills_before: int


def _start(folder: RunFolder, slots: int) -> _Worker | None:
    """Start the process while holding a slot and the run's lock, and pass both on to it; None when none is free.

    A held ``run.lock`` means that a process works on the run, so it is taken for nothing else; ``meta.lock`` keeps
    starting the run and recording its end apart.

    Raises:
        DiskFullError: the disk is full, or nearly.
    """
    with ExitStack() as locks:
        slot = _take_slot(folder.home / "slots", slots)
        if slot is None:
            return None
        number, descriptor = slot
        if descriptor is not None:
            locks.callback(os.close, descriptor)
        try:
            locks.enter_context(locked(folder.meta_lock, _POLL_S))
        except RunError:
            return None
        meta, status, _ = read_files(folder)
        if meta is None or not _is_queued(folder):
            return None
        check_free_disk(folder.home)
        lock = try_lock(folder.lock)
        if lock is None:
            return None
        locks.callback(os.close, lock)
        launch = current_launch(meta, status)
        try:
            return _Worker(_spawn(folder, lock, descriptor, number if slots else None), launch, oom_kills())
        except OSError as error:
            _write_end(folder, status, launch, Failure.of(write_error(error, folder.log)))
            return None


def _spawn(folder: RunFolder, lock: int, slot_lock: int | None, slot: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "engine.runs.worker", str(folder.path), "--lock-fd", str(lock)]
    if slot_lock is not None:
        command += ["--slot-fd", str(slot_lock)]
    with open(folder.log, "ab") as log:
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
    """Number and descriptor of a free slot; None when all are taken; no descriptor where the cluster limits runs."""
    if slots == 0:
        return 0, None
    folder.mkdir(exist_ok=True)
    for number in range(slots):
        descriptor = try_lock(folder / f"{number}.lock")
        if descriptor is not None:
            return number, descriptor
    return None


def _environment(slot: int | None) -> dict[str, str]:
    """The process's environment: our code first on the path, threads that leave a core free, and the slot's GPU."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), environment.get("PYTHONPATH", "")]))
    for name in _THREAD_VARIABLES:
        environment.setdefault(name, str(cpu_threads()))
    if slot is not None and (devices := gpus()):
        environment["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)][0]
    return environment


def _wait(worker: _Worker, folder: RunFolder, closing: threading.Event) -> None:
    process = worker.process
    while process.poll() is None:
        if closing.wait(_POLL_S):
            process.returncode = 0  # it continues alone; Popen must not warn that its end was not awaited
            return
    _retry_while_full(lambda: _record_end(worker, folder), closing)


def _record_end(worker: _Worker, folder: RunFolder) -> None:
    """Write the status of a process that ended without writing its own."""
    with locked(folder.meta_lock):
        if is_locked(folder.lock):  # another process works on the run already
            return
        sweep_temporaries(folder.path)
        status = load(Status, folder.status)
        recorded = status.launch if status else 0
        if status is not None and (
            recorded > worker.launch or (recorded == worker.launch and status.state != "running")
        ):
            return
        failure = _failure_of(worker, folder)
        if failure is not None or recorded < worker.launch:  # else the state is derived: interrupted
            _write_end(folder, status, worker.launch, failure)


def _write_end(folder: RunFolder, before: Status | None, launch: int, failure: Failure | None) -> None:
    """Write the end of a launch for its process; the caller holds ``meta.lock``, and no process works on the run."""
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
    write_last_status(folder, ended)


def _failure_of(worker: _Worker, folder: RunFolder) -> Failure | None:
    """Why a process ended without a status of its own; None when a signal stopped it."""
    code = worker.process.returncode
    if code == -signal.SIGKILL and oom_kills() > worker.oom_kills_before:
        return OUT_OF_MEMORY
    if -code in _STOPPING_SIGNALS or code == FOLDER_GONE:  # what lies there now was not worked on to its end
        return None
    if code == NO_ROOM or has_no_room(folder.path):
        return DISK_FULL
    if code < 0 and means_out_of_memory(_log_end(folder)):  # a library in C that could not go on without it
        return out_of_memory()
    end = f"the process ended with code {code}" if code >= 0 else f"the process crashed ({signal.Signals(-code).name})"
    return Failure(kind="RunError", problem=end, where=str(folder.log), remedy="read the end of the log")


def _log_end(folder: RunFolder) -> str:
    with suppress(OSError, StoreError), open_file(folder.log) as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_END_BYTES))
        return log.read().decode(errors="replace")
    return ""
