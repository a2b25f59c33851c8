"""All runs of a home folder: create, launch, list, cancel, resume, delete.

``$HARMONIA_HOME`` (default: the platform's data folder) holds ``runs/<id>/``, ``trash/<id>/`` (deleted runs),
``slots/`` and the audit log. Several servers may share one home, because all state is in files and locks.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from engine.compute import cores
from engine.config import legacy
from engine.config.run_config import RunConfig
from engine.errors import RunError, StoreError
from engine.files import (
    HOME,
    check_free_disk,
    home_folder,
    load,
    locked,
    sync_folder,
    try_lock,
    write_atomic,
    write_error,
)
from engine.runs.audit import AuditLog, current_actor
from engine.runs.disk import fill_reserve
from engine.runs.launch import SCHEDULER, Launcher, num_slots
from engine.runs.limits import require_place, require_space_in_list
from engine.runs.listing import RunListing
from engine.runs.memory import worker_memory_mb
from engine.runs.priority import worker_nice
from engine.runs.process import describe_processor
from engine.runs.record import (
    ACTIVE,
    MAX_NAME,
    MAX_NOTE,
    MAX_OWNER,
    RESUMABLE,
    CancelRequest,
    Meta,
    RunRecord,
    Status,
    checked_tags,
    checked_text,
)
from engine.runs.run import Run
from engine.runs.run_folder import RunFolder, new_id, runs_folder


class RunStore:
    """The runs below ``home``. Safe to use from several threads; ``close`` it when the server stops.

    Args:
        home: the folder; default ``$HARMONIA_HOME``, else the platform's data folder. It is made when first needed.
        now: clock of dates, seconds since 1970.
        monotonic: clock of durations, seconds.
        limited: whether the limits of :mod:`engine.runs.limits` hold for new runs; a sweep has limits of its own.

    Raises:
        StoreError: ``home`` is a file.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        limited: bool = True,
    ) -> None:
        self.home = Path(home).expanduser().absolute() if home else home_folder()
        self._runs, self._trash = runs_folder(self.home), self.home / "trash"
        for folder in (self.home, self._runs, self._trash):
            if folder.exists() and not folder.is_dir():
                raise StoreError("the home folder is a file", str(folder), f"set {HOME} to a folder")
        self._now = now
        self._limited = limited
        self.audit = AuditLog(self.home, now)
        self._listing = RunListing(self._runs, monotonic)
        self._trash_listings = [RunListing(folder, monotonic) for folder in (self.home / legacy.TRASH, self._trash)]
        self._launcher = Launcher()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop launching. Running runs continue; queued ones wait for the next server (:meth:`adopt`)."""
        self._launcher.close()

    # --- reading ---------------------------------------------------------------------------------------------------

    def records(self) -> dict[str, RunRecord]:
        """All runs as plain data by id, newest first. Reads only what changed: cheap to call once a second."""
        return self._listing.records()

    def list(self) -> list[Run]:
        """All runs, newest first."""
        return [Run(self, run_id) for run_id in self.records()]

    def get(self, run_id: str) -> Run:
        """The run of that id.

        Raises:
            StoreError: there is none, or its folder is no run.
        """
        files = self._files(run_id)
        if not os.path.exists(files.meta) or not os.path.exists(files.config):  # also where reading is forbidden
            problem = "this folder is not a run" if os.path.exists(files.path) else "there is no such run"
            raise StoreError(problem, str(files.path), "choose one of the runs in the list")
        return Run(self, run_id)

    def record(self, run_id: str) -> RunRecord:
        """One run as it is now."""
        return self._listing.record(self.folder(run_id).name)

    def folder(self, run_id: str) -> Path:
        """The folder of a run.

        Raises:
            StoreError: ``run_id`` is not an id.
        """
        return self._files(run_id).path

    def _files(self, run_id: str) -> RunFolder:
        return RunFolder.of(run_id, self.home)

    # --- changing --------------------------------------------------------------------------------------------------

    def create(self, config: RunConfig, name: str = "", note: str = "", tags: Sequence[str] = ()) -> Run:
        """Make the folder of a new run; it is not started.

        Raises:
            ChoiceError: a name, note or tag is not allowed.
            RunError: too many runs wait already.
            StoreError: the home folder cannot be written, or its disk is full, or nearly.
        """
        now, owner = self._now(), current_actor().owner
        meta = Meta(
            task=config.task,
            name=checked_text(name, "name", MAX_NAME),
            note=checked_text(note, "note", MAX_NOTE),
            tags=checked_tags(tags),
            created=now,
            owner=owner[:MAX_OWNER],
        )
        run_id = new_id(now)
        with self._admitting():
            if self._limited:
                records = self.records().values()
                require_space_in_list(len(records))
                require_place(records, meta.owner)
            self._make(run_id, config, meta)
        self.audit.write("created", run_id, task=config.task)
        return Run(self, run_id)

    @contextmanager
    def _admitting(self) -> Generator[None]:
        """Hold the lock under which runs are counted and added, with room on the disk."""
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, self._runs) from error
        check_free_disk(self.home)
        with locked(self.home / "runs.lock"):
            yield

    def _make(self, run_id: str, config: RunConfig, meta: Meta) -> None:
        for abandoned in self._runs.glob(".new-*"):  # by a killed process: who makes a run holds the lock
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = RunFolder(self._runs / f".new-{run_id}")  # renamed when complete
        try:
            unfinished.path.mkdir(parents=True)
            write_atomic(unfinished.config, config.to_json())
            write_atomic(unfinished.meta, meta.model_dump_json().encode())
            fill_reserve(unfinished)
            unfinished.path.rename(self._runs / run_id)
            sync_folder(self._runs)
        except (OSError, StoreError) as error:
            shutil.rmtree(unfinished.path, ignore_errors=True)
            raise (write_error(error, self._runs) if isinstance(error, OSError) else error) from error

    def launch(self, run: Run) -> None:
        """Queue a run: a new one from the start, a stopped one from its last checkpoint. A second call does nothing.

        Raises:
            RunError: it is done, too many runs wait already, or the Dask scheduler does not answer.
            StoreError: the home folder cannot be written, or its disk is full, or nearly.
        """
        self._enqueue(run.id, RESUMABLE | {"created"})

    def resume(self, run: Run) -> None:
        """Queue a stopped run again, from its last checkpoint. A second call does nothing.

        Raises:
            RunError, StoreError: as :meth:`launch`.
        """
        self._enqueue(run.id, RESUMABLE)

    def _enqueue(self, run_id: str, allowed: frozenset[str]) -> None:
        # a setting that is no number is refused here, not by each process
        worker_memory_mb()
        worker_nice()
        self._launcher.connect()
        files = self._files(run_id)
        with self._admitting(), locked(files.meta_lock):
            record = self.record(run_id)
            launch = record.launch
            if record.state not in ACTIVE:
                if record.state not in allowed:
                    raise RunError(
                        f"the run is {record.state}", f"run {run_id}", "create a new one of the same settings"
                    )
                if self._limited and record.state != "created":
                    require_place(self.records().values(), current_actor().owner)
                launch += 1
                fill_reserve(files)
                self._write_meta(run_id, launch=launch, order=self._now())
                self.audit.write("launched" if record.state == "created" else "resumed", run_id)
        self._launcher.submit(files.path, launch, record.task)

    def cancel(self, run: Run, *, prune: bool = False) -> None:
        """End a run: a queued one never starts, a running one writes a checkpoint and stops within seconds.

        With ``prune`` it ends as *pruned*, because its scores are not good enough, and cannot be resumed.

        Raises:
            RunError: it is neither queued nor running.
            StoreError: the home folder cannot be written.
        """
        files = self._files(run.id)
        with locked(files.meta_lock):
            record = self.record(run.id)
            if record.state == "cancelled":
                return
            if record.state not in ACTIVE:
                raise RunError(f"the run is {record.state}", f"run {run.id}", "there is nothing to cancel")
            request = CancelRequest(launch=record.launch, prune=prune)
            write_atomic(files.cancel, request.model_dump_json().encode())
        self.audit.write("pruned" if prune else "cancelled", run.id)
        self._launcher.withdraw(files.path, record.launch)
        status = load(Status, files.status)
        if status is not None and status.launch == record.launch and status.state == "running":
            status.process.terminate()

    def annotate(
        self, run: Run, *, name: str | None = None, note: str | None = None, tags: Sequence[str] | None = None
    ) -> None:
        """Change a run's name, note or tags; None keeps it.

        Raises:
            ChoiceError: a text is not allowed.
            StoreError: the home folder cannot be written.
        """
        changed: dict[str, Any] = {}
        if name is not None:
            changed["name"] = checked_text(name, "name", MAX_NAME)
        if note is not None:
            changed["note"] = checked_text(note, "note", MAX_NOTE)
        if tags is not None:
            changed["tags"] = checked_tags(tags)
        with locked(self._files(run.id).meta_lock):
            self._write_meta(run.id, **changed)
        self.audit.write("annotated", run.id)

    def _queue(self) -> list[RunRecord]:
        queued = [record for record in self.records().values() if record.state == "queued"]
        return sorted(queued, key=lambda record: (record.order, record.id))

    def move(self, run: Run, places: int) -> None:
        """Move a queued run by ``places`` in the queue: negative is earlier, −1 before its predecessor.

        Raises:
            RunError: it is not queued (any more).
            StoreError: the home folder cannot be written.
        """
        queue = self._queue()
        position = next((place for place, record in enumerate(queue) if record.id == run.id), None)
        if position is None:
            raise RunError(f"the run is {run.state}", f"run {run.id}", "only queued runs have a place in the queue")
        orders = [record.order for record in queue if record.id != run.id]
        place = min(max(0, position + places), len(orders))
        if not orders or place == position:
            return
        before = orders[place - 1] if place > 0 else orders[0] - 2.0
        after = orders[place] if place < len(orders) else orders[-1] + 2.0
        with locked(self._files(run.id).meta_lock):
            self._write_meta(run.id, order=(before + after) / 2.0)
        self.audit.write("moved", run.id, places=str(places))

    def duplicate(self, run: Run) -> Run:
        """A new run of the same configuration, name, note and tags; it is not started.

        Raises:
            StoreError: as :meth:`create`.
        """
        record = run.record
        return self.create(run.config, record.name, record.note, record.tags)

    def delete(self, run: Run) -> None:
        """Move a run that is not active to the trash; :meth:`restore` moves it back.

        Raises:
            RunError: it is queued or running.
            StoreError: the home folder cannot be written.
        """
        files = self._files(run.id)
        with locked(files.meta_lock):
            state = self.record(run.id).state
            lock = None if state in ACTIVE else try_lock(files.lock)
            if lock is None:
                raise RunError(f"the run is {state}", f"run {run.id}", "cancel it first")
            try:
                self._trash.mkdir(parents=True, exist_ok=True)
                files.path.rename(self._trash / run.id)
                sync_folder(self._runs)
            except OSError as error:
                raise write_error(error, self._trash) from error
            finally:
                os.close(lock)
        self.audit.write("deleted", run.id)

    def restore(self, run_id: str) -> Run:
        """Move a run back from the trash.

        Raises:
            StoreError: it is not there.
        """
        folder = self.folder(run_id)
        deleted = self._deleted_folder(run_id)
        if not deleted.is_dir() or folder.exists():
            raise StoreError("the run is not in the trash", run_id, "choose one of the deleted runs")
        try:
            deleted.rename(folder)
            sync_folder(self._runs)
        except OSError as error:
            raise write_error(error, folder) from error
        self.audit.write("restored", run_id)
        return Run(self, run_id)

    def deleted(self) -> dict[str, RunRecord]:
        """The runs in the trash by id, newest first."""
        records = {run_id: record for listing in self._trash_listings for run_id, record in listing.records().items()}
        return dict(sorted(records.items(), reverse=True))

    def empty_trash(self) -> None:
        """Delete the runs in the trash permanently."""
        for run_id in self.deleted():
            shutil.rmtree(self._deleted_folder(run_id), ignore_errors=True)  # another server may delete it too
        self.audit.write("emptied trash")

    def _deleted_folder(self, run_id: str) -> Path:
        old = self.home / legacy.TRASH / run_id
        return old if old.is_dir() else self._trash / run_id

    def _write_meta(self, run_id: str, **changed: Any) -> None:
        path = self._files(run_id).meta
        meta = load(Meta, path)
        if meta is None:
            raise StoreError("this folder is not a run", str(path.parent), "choose one of the runs in the list")
        write_atomic(path, meta.model_copy(update=changed).model_dump_json().encode())

    def adopt(self) -> list[str]:
        """Submit queued runs that no server supervises, in their order: call it at the start, and from time to time.

        Raises:
            RunError: the Dask scheduler does not answer.
        """
        queued = self._queue()
        for record in queued:
            self._launcher.submit(self.folder(record.id), record.launch, record.task)
        return [record.id for record in queued]

    def machine_card(self) -> dict[str, Any]:
        """The resources for runs: slots, device, cores, bytes of memory and disk, the cluster if there is one."""
        memory = psutil.virtual_memory()
        folder = next(folder for folder in (self.home, *self.home.parents) if folder.exists())
        return {
            "slots": num_slots(),
            "device": describe_processor(),
            "cores": cores(),
            "memory_bytes": memory.total,
            "memory_free_bytes": memory.available,
            "home": str(self.home),
            "disk_free_bytes": shutil.disk_usage(folder).free,
            "scheduler": os.environ.get(SCHEDULER),
            "dashboard": self._launcher.dashboard,
        }
