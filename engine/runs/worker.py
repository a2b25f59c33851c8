"""The process of one run: ``python -m engine.runs.worker RUN_DIR``.

It holds the run's lock for as long as it lives, finds its task by name, and leaves a status that says how it ended.
SIGTERM and SIGINT ask it to stop: it keeps a checkpoint and ends within seconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from engine.config.run_config import RunConfig
from engine.errors import CancelledError, EngineError, RunError, StoreError
from engine.files import load, locked
from engine.runs.context import RunContext
from engine.runs.heartbeat import Heartbeat, log
from engine.runs.process import ProcessId
from engine.runs.record import OUT_OF_MEMORY, Failure, Meta, Status, current_launch

REFUSED = 3
"""Exit code of a worker that found the folder no run, or the run already in hand."""

_LOCK_PATIENCE_S = 2.0  # a reader that looks whether the lock is free holds it for a moment


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
        with ExitStack() as held:
            with locked(folder / "meta.lock"):  # nobody else starts it meanwhile, or writes down how it ended
                _keep_from_children(held.enter_context(locked(folder / "run.lock", _LOCK_PATIENCE_S)))
            return work(folder)
    except EngineError as error:
        log(str(error))
        return REFUSED


def _keep_from_children(descriptor: int) -> None:
    """A child of ours that lives on must not hold what tells whether we live."""
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=lambda: os.close(descriptor))


def work(folder: Path) -> int:
    """Run the task of ``folder``, whose lock the caller holds; returns the exit code."""
    status = _first_status(folder)
    pulse = Heartbeat(folder, status, _listen_for_signals())
    pulse.start()
    log(f"launch {status.launch} begins, process {os.getpid()}")
    state, failure = _attempt(folder, pulse)
    log(f"launch {status.launch} ends: {failure or state}")
    try:
        pulse.finish(state, failure)
    except StoreError as error:
        log(f"status not written: {error}")
        return 1
    return 0 if state == "done" else 1


def _first_status(folder: Path) -> Status:
    meta = load(Meta, folder / "meta.json")
    if meta is None:
        raise RunError("this is not a run's folder", str(folder), "create the run through the store")
    before = load(Status, folder / "status.json")
    launch = current_launch(meta, before)
    if before is not None and before.launch == launch:  # started by hand, beside the store
        launch += 1
    return Status(
        launch=max(launch, 1),
        state="running",
        process=ProcessId.own(),
        started=before.started if before else time.time(),
        seconds=before.seconds if before else 0.0,
        best=before.best if before else None,
        beat=before.beat if before else 0,
    )


def _listen_for_signals() -> int:
    """Let SIGTERM and SIGINT do nothing but wake the pulse; returns the descriptor that becomes readable.

    The byte is written the moment the signal arrives, even while the main thread is deep in a library.
    """
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading.detach()


def _ignore(*_: object) -> None:
    """Keep a signal from ending the process."""


def _attempt(folder: Path, pulse: Heartbeat) -> tuple[str, Failure | None]:
    """Run the task; returns the state it ended in, and why if it failed."""
    try:
        from engine.runs.tasks import load_task  # late: a task that cannot be imported is a failed run, with its reason

        config = RunConfig.read(folder / "config.json")
        context = RunContext(folder, config, pulse)
        try:
            load_task(config.task)(config.settings, context)
        finally:
            context.close()
    except CancelledError:
        return pulse.stopped_state(), None
    except EngineError as error:
        return "failed", Failure.of(error)
    except Exception as error:
        traceback.print_exc()
        error.__traceback__ = None  # lets go of what the task held, before anything else needs memory
        return "failed", _failure_of(error)
    return "done", None


def _failure_of(error: Exception) -> Failure:
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return OUT_OF_MEMORY
    return Failure(
        kind=type(error).__name__,
        what=f"{type(error).__name__}: {error}",
        where="while the task ran",
        remedy="read the end of the run's log, then resume it or start it anew",
    )


if __name__ == "__main__":
    sys.exit(main())
