"""Reading the runs of a home folder: cheap to do once a second, however many there are and whoever writes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import StoreError
from engine.files import is_locked, load
from engine.runs.record import Cancel, Meta, RunRecord, Status, is_id, make_record

STALE_S = 30.0
"""A run on another machine whose heartbeat has not moved for this long is interrupted."""

_SETTLED_S = 0.1  # two changes this close can bear the same time stamp, so a fresh one is read again


@dataclass(frozen=True, slots=True)
class _CachedRecord:
    """What a run's folder held when it was last read, and how far that can be trusted."""

    changed_ns: int
    noticed: float
    read: float
    meta: Meta | None = None
    status: Status | None = None
    cancel: Cancel | None = None
    record: RunRecord | None = None  # only where it cannot change without the folder changing

    def still_holds(self, changed_ns: int) -> bool:
        return changed_ns == self.changed_ns and self.read - self.noticed > _SETTLED_S


class RunListing:
    """The records of the runs below ``folder``. Safe to use from several threads.

    Every file of a run is replaced by a rename, which changes its folder's time stamp: one look at that tells whether
    anything must be read again. Whether a running process lives is looked up each time.
    """

    def __init__(self, folder: Path, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[str, _CachedRecord] = {}
        self._beats: dict[str, tuple[int, float]] = {}

    def records(self) -> dict[str, RunRecord]:
        """All runs by id, newest first.

        Raises:
            StoreError: the folder cannot be read.
        """
        with self._lock:
            found = {name: self._look(name, changed_ns) for name, changed_ns in self._scan()}
            for gone in self._seen.keys() - found.keys():
                del self._seen[gone]
                self._beats.pop(gone, None)
        return dict(sorted(found.items(), reverse=True))

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
            return self._look(run_id, changed_ns)

    def _scan(self) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self._folder) as entries:
                yield from (
                    (entry.name, entry.stat().st_mtime_ns) for entry in entries if is_id(entry.name) and entry.is_dir()
                )
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                f"the runs cannot be listed: {error.strerror}", str(self._folder), "check HARMONIA_HOME"
            ) from error

    def _look(self, run_id: str, changed_ns: int) -> RunRecord:
        """The record of a run, read again only if its folder changed: every file in it is replaced by a rename."""
        seen = self._seen.get(run_id)
        if seen is None or not seen.still_holds(changed_ns):
            seen = self._seen[run_id] = self._read(run_id, changed_ns, seen)
        if seen.record is not None:
            return seen.record
        assert seen.meta is not None
        alive = self._is_alive(run_id, seen.status)
        record = make_record(run_id, seen.meta, seen.status, seen.cancel, alive)
        if not alive and seen.status is not None and seen.status.process.is_here:
            self._seen[run_id] = replace(seen, record=record)  # the dead stay dead: a new launch writes a new status
        return record

    def _read(self, run_id: str, changed_ns: int, seen: _CachedRecord | None) -> _CachedRecord:
        read = self._monotonic()
        noticed = seen.noticed if seen and seen.changed_ns == changed_ns else read
        folder = self._folder / run_id
        try:
            meta = load(Meta, folder / "meta.json")
            status = load(Status, folder / "status.json")
            cancel = load(Cancel, folder / "cancel")
            if meta is None:
                raise StoreError("this folder is not a run", str(folder), "move it away")
        except StoreError as error:
            return _CachedRecord(changed_ns, noticed, read, record=RunRecord(run_id, "unreadable", failure=str(error)))
        record = None
        if status is None or status.state != "running":
            record = make_record(run_id, meta, status, cancel, alive=False)
        return _CachedRecord(changed_ns, noticed, read, meta, status, cancel, record)

    def _is_alive(self, run_id: str, status: Status | None) -> bool:
        if status is None:
            return False
        if status.process.is_here:
            # a process in another container can have our machine's name: then the lock tells
            return status.process.is_alive or is_locked(self._folder / run_id / "run.lock")
        return self._beats_still(run_id, status)

    def _beats_still(self, run_id: str, status: Status) -> bool:
        """Whether a run on another machine lives: its heartbeat moves by our own clock, whatever its clock says."""
        now = self._monotonic()
        last = self._beats.get(run_id)
        if last is None:
            age = abs(self._now() - status.heartbeat)
            self._beats[run_id] = (status.beat, now - min(age, STALE_S + 1.0))
        elif last[0] != status.beat:
            self._beats[run_id] = (status.beat, now)
        return now - self._beats[run_id][1] <= STALE_S
