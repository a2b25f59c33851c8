"""The thread that updates a run's ``status.json`` and notices, within a fraction of a second, a request to stop."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import StoreError
from engine.files import load, write_atomic
from engine.runs.disk import write_last_status
from engine.runs.record import CancelRequest, Failure, Status
from engine.runs.run_folder import RunFolder

POLL_S = 0.2
"""Interval of the checks for a request to stop (a signal wakes the thread at once)."""

HEARTBEAT_S = 2.0
"""Interval of the heartbeat while nothing else changes; a changed status is written after ``UPDATE_S``."""

UPDATE_S = 0.5
_GONE_POLLS = 5  # a network file system may miss a file for a moment
GRACE_S = 4.0
"""Time a task has to stop by itself; after it the process ends, and the run resumes from its last checkpoint."""


def log(text: str) -> None:
    """Write a line to the run's log, to which the process's standard error is redirected; a full disk drops it."""
    with suppress(OSError):
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", file=sys.stderr, flush=True)  # noqa: T201


class Heartbeat:
    """Writes the status from a thread of its own, so that it continues while the task is in a long calculation.

    Args:
        folder: the run's folder.
        status: the first status; its ``seconds`` are those of earlier launches.
        wake: descriptor that becomes readable when a signal arrives, or None.
        end_process: called with an exit code when the task does not stop in time.
    """

    def __init__(
        self, folder: Path, status: Status, wake: int | None = None, end_process: Callable[[int], Any] = os._exit
    ) -> None:
        self.stop_requested = threading.Event()
        self._files = RunFolder(folder)
        self._identity = _identity(self._files)
        self._polls_gone = 0
        self._status = status
        self._earlier_seconds = status.seconds
        self._began = time.monotonic()
        self._wake = wake
        self._end_process = end_process
        self._changed = False
        self._written_at = -HEARTBEAT_S
        self._stop_requested_at = 0.0
        self._closed = threading.Event()
        self._lock = threading.Lock()  # guards the status and its file
        self._busy_writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds of running so far, all launches together."""
        return self._earlier_seconds + time.monotonic() - self._began

    def start(self) -> None:
        """Write the first status and start the thread."""
        with self._lock:
            self._write()
        self._thread.start()

    def update(self, **fields: Any) -> None:
        """Change fields of the status; None keeps a field."""
        with self._lock:
            self._status = self._status.model_copy(
                update={name: value for name, value in fields.items() if value is not None}
            )
            self._changed = True

    @property
    def is_folder_gone(self) -> bool:
        """Whether the folder was deleted, moved or replaced."""
        return self._polls_gone >= _GONE_POLLS

    def require_folder(self) -> None:
        """Refuse to write results into a folder that is not this run's any more.

        Raises:
            StoreError: the folder was deleted, moved or replaced.
        """
        if self.is_folder_gone:
            raise StoreError("the run's folder was deleted or replaced", str(self._files.path), "start the run again")

    @contextmanager
    def writing(self) -> Generator[None]:
        """While the block runs, the process is not ended, so that a write is completed."""
        with self._busy_writing:
            yield

    def finish(self, state: str, failure: Failure | None = None) -> None:
        """Write the last status and stop the thread. Later calls do nothing."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            fields: dict[str, Any] = {"state": state, "failure": failure, "ended": time.time(), "seconds_left": None}
            if state == "done":
                fields["progress"] = 1.0
            self._status = self._status.model_copy(update=fields)
            self.require_folder()
            write_last_status(self._files, self._next_status())

    def stopped_state(self) -> str:
        """The state of a run that stops on request: cancelled or pruned as the store asked, else interrupted."""
        try:
            cancel = load(CancelRequest, self._files.cancel)
        except StoreError:  # a damaged request is ignored
            cancel = None
        if cancel is None or cancel.launch < self._status.launch:
            return "interrupted"
        return "pruned" if cancel.prune else "cancelled"

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wait()
            if self.stop_requested.is_set() and time.monotonic() - self._stop_requested_at > GRACE_S:
                self._end_now()
            self._beat()

    def _wait(self) -> None:
        """Wait for a signal or until the next check, then check for a request to stop."""
        signalled, _, _ = select.select([self._wake] if self._wake is not None else [], [], [], POLL_S)
        if signalled and self._wake is not None:
            os.read(self._wake, 64)
        if self.stop_requested.is_set():
            return
        self._polls_gone = self._polls_gone + 1 if _identity(self._files) != self._identity else 0
        if signalled or self.is_folder_gone or self._is_cancelled():
            self._stop_requested_at = time.monotonic()
            self.stop_requested.set()

    def _is_cancelled(self) -> bool:
        return self._files.cancel.exists() and self.stopped_state() != "interrupted"

    def _beat(self) -> None:
        age = time.monotonic() - self._written_at
        if age < (UPDATE_S if self._changed else HEARTBEAT_S):
            return
        with self._lock:
            if not self._closed.is_set():
                try:
                    self._write()
                except StoreError as error:  # a full disk may have room again before the run ends
                    log(f"status not written: {error}")

    def _write(self) -> None:
        self._changed = False
        self._written_at = time.monotonic()
        self.require_folder()
        write_atomic(self._files.status, self._next_status().model_dump_json().encode())

    def _next_status(self) -> Status:
        fields = {"beat": self._status.beat + 1, "heartbeat": time.time(), "seconds": round(self.seconds, 3)}
        self._status = self._status.model_copy(update=fields)
        return self._status

    def _end_now(self) -> None:
        """End the process, whose task is in a calculation that nothing can interrupt."""
        with self._busy_writing:
            log("the task did not stop in time: the process ends, the last checkpoint is kept")
            try:
                self.finish(self.stopped_state())
            finally:
                self._end_process(1)


def _identity(files: RunFolder) -> tuple[object, ...]:
    """What stays as it is while the folder is the run's: the folder, its lock file, and that there is a ``meta.json``.

    A process whose folder was deleted, or is being deleted file by file, can be reached by nobody: it must end itself.
    """
    return (_inode(files.path), _inode(files.lock), _inode(files.meta) is None)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
