"""Reading the runs of a home folder: cheap to do once a second, whatever their number and whichever process writes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import StoreError
from engine.files import is_locked
from engine.runs.record import CancelRequest, Meta, RunRecord, Status, make_record, read_files
from engine.runs.run_folder import RunFolder, is_id

STALE_S = 120.0
"""A run on another machine whose heartbeat is not seen to change for this long is interrupted.

Only changes count, by this machine's monotonic clock: the clocks of two machines differ, and a network file system
shows changes of a folder up to a minute late.
"""

_SETTLED_S = 0.1  # two changes this close can bear the same time stamp, so a fresh one is read again


@dataclass(frozen=True, slots=True)
class _CachedRecord:
    """The content of a run's folder at its last reading, with the times that decide how long it is valid."""

    changed_ns: int
    first_read: float
    read: float
    meta: Meta | None = None
    status: Status | None = None
    cancel: CancelRequest | None = None
    record: RunRecord | None = None  # only where it cannot change without the folder changing

    def is_valid(self, changed_ns: int) -> bool:
        return changed_ns == self.changed_ns and self.read - self.first_read > _SETTLED_S


@dataclass(frozen=True, slots=True)
class _SeenHeartbeat:
    """The last heartbeat of a run on another machine: its number, when it was first seen, whether it was a change."""

    launch: int
    beat: int
    seen: float
    is_change: bool


class RunListing:
    """The records of the runs below ``folder``. Safe to use from several threads.

    Every file of a run is replaced by a rename, which changes the time stamp of its folder: that alone tells whether
    files must be read again. Whether a running process is alive is checked each time.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._cache: dict[str, _CachedRecord] = {}
        self._heartbeats: dict[str, _SeenHeartbeat] = {}

    def records(self) -> dict[str, RunRecord]:
        """All runs by id, newest first.

        Raises:
            StoreError: the folder cannot be read.
        """
        with self._lock:
            records = {name: self._record(name, changed_ns) for name, changed_ns in self._scan()}
            for gone in self._cache.keys() - records.keys():
                del self._cache[gone]
                self._heartbeats.pop(gone, None)
        return dict(sorted(records.items(), reverse=True))

    def record(self, run_id: str) -> RunRecord:
        """One run as it is now.

        Raises:
            StoreError: there is none.
        """
        with self._lock:
            try:
                changed_ns = (self._folder / run_id).stat().st_mtime_ns
            except OSError as error:
                raise StoreError("there is no such run", run_id, "choose one of the runs in the list") from error
            return self._record(run_id, changed_ns)

    def _scan(self) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if is_id(entry.name):
                        with suppress(OSError):  # it is just being deleted, or a broken link
                            status = entry.stat()
                            if stat.S_ISDIR(status.st_mode):
                                yield entry.name, status.st_mtime_ns
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                f"the runs cannot be listed: {error.strerror}", str(self._folder), "check HARMONIA_HOME"
            ) from error

    def _record(self, run_id: str, changed_ns: int) -> RunRecord:
        """The record of a run, whose files are read again only if its folder changed."""
        cached = self._cache.get(run_id)
        if cached is None or not cached.is_valid(changed_ns):
            cached = self._cache[run_id] = self._read(run_id, changed_ns, cached)
        if cached.record is not None:
            return cached.record
        assert cached.meta is not None
        assert cached.status is not None  # else the record is kept
        alive = self._is_alive(run_id, cached.status)
        record = make_record(run_id, cached.meta, cached.status, cached.cancel, alive)
        if not cached.status.process.is_here:
            return replace(record, is_confirmed=not alive or self._is_confirmed(run_id))
        if not alive:
            self._cache[run_id] = replace(cached, record=record)  # final: a new launch writes a new status
        return record

    def _read(self, run_id: str, changed_ns: int, before: _CachedRecord | None) -> _CachedRecord:
        read = self._monotonic()
        first_read = before.first_read if before and before.changed_ns == changed_ns else read
        folder = RunFolder(self._folder / run_id)
        try:
            meta, status, cancel = read_files(folder)
            if meta is None:
                raise StoreError("this folder is not a run", str(folder.path), "move it away")
        except StoreError as error:
            record = RunRecord(run_id, "unreadable", failure=str(error))
            return _CachedRecord(changed_ns, first_read, read, record=record)
        record = None
        if status is None or status.state != "running":
            record = make_record(run_id, meta, status, cancel, alive=False)
        return _CachedRecord(changed_ns, first_read, read, meta, status, cancel, record)

    def _is_alive(self, run_id: str, status: Status) -> bool:
        if status.process.is_here:
            # a process in another container can have this machine's name; it holds the lock
            return status.process.is_alive or self._is_held(run_id)
        return self._has_heartbeat(run_id, status) or self._is_held(run_id)

    def _is_held(self, run_id: str) -> bool:
        """Whether a process holds the run's lock; a file system may keep the locks of other machines to itself."""
        return is_locked(RunFolder(self._folder / run_id).lock)

    def _has_heartbeat(self, run_id: str, status: Status) -> bool:
        """Whether the heartbeat of a run on another machine changes, by this machine's clock."""
        now = self._monotonic()
        last = self._heartbeats.get(run_id)
        if last is None or (last.launch, last.beat) != (status.launch, status.beat):
            last = self._heartbeats[run_id] = _SeenHeartbeat(status.launch, status.beat, now, last is not None)
        return now - last.seen <= STALE_S

    def _is_confirmed(self, run_id: str) -> bool:
        """Whether a run on another machine is known to work: its heartbeat was seen to change, or its lock is held."""
        last = self._heartbeats.get(run_id)
        return (last is not None and last.is_change) or self._is_held(run_id)
