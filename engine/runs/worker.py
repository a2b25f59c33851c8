"""The process of one run: ``python -m engine.runs.worker RUN_DIR``.

It holds the run's lock while it lives, loads the task by name, and writes a status that says how it ended. SIGTERM and
SIGINT ask it to stop: it writes a checkpoint and ends within seconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from engine.errors import CancelledError, DiskFullError, EngineError, RunError, StoreError
from engine.files import load, locked, sweep_temporaries
from engine.runs.context import RunContext
from engine.runs.disk import FOLDER_GONE, NO_ROOM, is_disk_full
from engine.runs.heartbeat import Heartbeat, log
from engine.runs.memory import limit_memory, means_out_of_memory, out_of_memory
from engine.runs.priority import give_way
from engine.runs.record import DISK_FULL, Failure, Meta, Status, current_launch
from engine.runs.run_folder import STORE_FILES, RunFolder

REFUSED = 3
"""Exit code of a worker whose folder is no run, or whose run another process works on."""

_LOCK_TIMEOUT_S = 2.0  # a reader that checks the lock holds it for a moment


def main(argv: Sequence[str] | None = None) -> int:
    """Work on one run until it ends; the exit code is 0 when it is done."""
    parser = argparse.ArgumentParser(prog="python -m engine.runs.worker", description="Work on one run.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the run's folder")
    parser.add_argument("--lock-fd", type=int, help="descriptor that already holds the run's lock")
    parser.add_argument("--slot-fd", type=int, help="descriptor of the slot to hold until the end")
    arguments = parser.parse_args(argv)
    folder: Path = arguments.run_dir.resolve()
    try:
        if arguments.slot_fd is not None:
            _keep_from_children(arguments.slot_fd)
        if arguments.lock_fd is not None:
            _keep_from_children(arguments.lock_fd)
            return work(folder)
        files = RunFolder(folder)
        with ExitStack() as locks:
            with locked(files.meta_lock):  # nobody else starts it meanwhile, or records its end
                _keep_from_children(locks.enter_context(locked(files.lock, _LOCK_TIMEOUT_S)))
            return work(folder)
    except EngineError as error:
        log(str(error))
        return NO_ROOM if isinstance(error, DiskFullError) else REFUSED


def _keep_from_children(descriptor: int) -> None:
    """A child process that outlives this one must not hold the lock that says whether this one lives."""
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=lambda: os.close(descriptor))


def work(folder: Path) -> int:
    """Run the task of ``folder``, whose lock the caller holds; returns the exit code."""
    sweep_temporaries(folder, keep=STORE_FILES)  # nobody else writes the run's other files
    status = _first_status(folder)
    heartbeat = Heartbeat(folder, status, _listen_for_signals())
    heartbeat.start()
    log(f"launch {status.launch} begins, process {os.getpid()}")
    state, failure = _run_task(folder, heartbeat)
    if failure is not None:  # room for the status, where the disk is full
        sweep_temporaries(folder, keep=(*STORE_FILES, "status.json"))
    log(f"launch {status.launch} ends: {failure or state}")
    try:
        heartbeat.finish(state, failure)
    except StoreError as error:
        log(f"status not written: {error}")
        if heartbeat.is_folder_gone:
            return FOLDER_GONE
        return NO_ROOM if isinstance(error, DiskFullError) else 1
    return 0 if state == "done" else 1


def _first_status(folder: Path) -> Status:
    meta = load(Meta, RunFolder(folder).meta)
    if meta is None:
        raise RunError("this is not a run's folder", str(folder), "create the run through the store")
    before = load(Status, RunFolder(folder).status)
    launch = current_launch(meta, before)
    if before is not None and before.launch == launch:  # started by hand, beside the store
        launch += 1
    return Status.of_launch(max(launch, 1), before)


def _listen_for_signals() -> int:
    """Make SIGTERM and SIGINT wake the heartbeat only; returns the descriptor that becomes readable.

    The byte is written when the signal arrives, even while the main thread is in a library call.
    """
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading.detach()


def _ignore(*_: object) -> None:
    """Do nothing, so that a signal does not end the process."""


def _run_task(folder: Path, heartbeat: Heartbeat) -> tuple[str, Failure | None]:
    """Run the task; returns the state it ended in, and the failure if it failed."""
    try:
        from engine.runs.tasks import load_task  # here: a task that cannot be imported is a failed run

        limit_memory()
        give_way()
        config = RunFolder(folder).read_config()
        context = RunContext(folder, config, heartbeat)
        try:
            load_task(config.task)(config.settings, context)
        finally:
            context.close()
    except CancelledError:
        return heartbeat.stopped_state(), None
    except EngineError as error:
        return "failed", Failure.of(error)
    except Exception as error:
        with suppress(OSError):  # the disk of the log is full
            traceback.print_exc()
        error.__traceback__ = None  # frees what the task held, before anything else needs memory
        return "failed", _failure_of(error, folder)
    return "done", None


def _failure_of(error: Exception, folder: Path) -> Failure:
    if isinstance(error, MemoryError) or means_out_of_memory(str(error)):
        return out_of_memory()
    if is_disk_full(error, folder):
        return DISK_FULL
    return Failure(
        kind=type(error).__name__,
        problem=f"{type(error).__name__}: {error}",
        where="while the task ran",
        remedy="read the end of the run's log, then resume it or start a new one",
    )


def _flush_log() -> None:
    """Drop what a full disk kept from the log: at its end, Python would change the exit code for it."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


if __name__ == "__main__":
    code = main()
    _flush_log()
    sys.exit(code)
