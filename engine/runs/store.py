"""All runs of a home folder: create, launch, look at, cancel, resume.

``$HARMONIA_HOME`` (default: the platform's data folder) holds ``runs/<id>/``, ``trash/<id>/`` (deleted runs) and
``slots/``. Two servers on one home agree, because everything that matters is in files and locks; a store keeps nothing
that another could not read.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from engine.compute import cores
from engine.config import legacy
from engine.config.run_config import RunConfig
from engine.errors import RunError, StoreError
from engine.files import HOME, home_folder, load, locked, sync_folder, try_lock, write_atomic, write_error
from engine.runs.launch import SCHEDULER, Launcher, num_slots
from engine.runs.listing import RunListing
from engine.runs.metrics import MetricsReader
from engine.runs.process import describe_processor
from engine.runs.record import (
    ACTIVE,
    MAX_NAME,
    MAX_NOTE,
    RESUMABLE,
    Cancel,
    Meta,
    RunRecord,
    Status,
    checked_tags,
    checked_text,
    is_id,
    new_id,
)

_TAIL_BYTES = 65536


class RunStore:
    """The runs below ``home``. Safe to use from several threads; ``close`` it when the server stops.

    Args:
        home: the folder; default ``$HARMONIA_HOME``, else the platform's data folder. It is made when first needed.
        now: seconds since 1970, for what people read.
        monotonic: a clock that is never set, for what is decided by time.

    Raises:
        StoreError: ``home`` is a file.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = Path(home).expanduser().absolute() if home else home_folder()
        self._runs, self._trash = self.home / "runs", self.home / "trash"
        for folder in (self.home, self._runs, self._trash):
            if folder.exists() and not folder.is_dir():
                raise StoreError("the home folder is a file", str(folder), f"set {HOME} to a folder")
        self._now = now
        self._listing = RunListing(self._runs, now, monotonic)
        self._trash_listings = [
            RunListing(folder, now, monotonic) for folder in (self.home / legacy.TRASH, self._trash)
        ]
        self._launcher = Launcher()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop launching. Runs that work go on; queued ones wait for the next server (:meth:`adopt`)."""
        self._launcher.close()

    # --- looking ---------------------------------------------------------------------------------------------------

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
        folder = self.folder(run_id)
        if not (folder / "meta.json").exists() or not (folder / "config.json").exists():
            what = "this folder is not a run" if folder.exists() else "there is no such run"
            raise StoreError(what, str(folder), "choose one of the runs in the list")
        return Run(self, run_id)

    def record(self, run_id: str) -> RunRecord:
        """One run as it is now."""
        return self._listing.record(self.folder(run_id).name)

    def folder(self, run_id: str) -> Path:
        """The folder of a run.

        Raises:
            StoreError: ``run_id`` is not an id, so that nothing else ever becomes part of a path.
        """
        if not is_id(run_id):
            raise StoreError(f"{run_id[:80]!r} is not the id of a run", "runs", "copy the id from the list of runs")
        return self._runs / run_id

    # --- doing -----------------------------------------------------------------------------------------------------

    def create(self, config: RunConfig, name: str = "", note: str = "", tags: Sequence[str] = ()) -> Run:
        """Make the folder of a new run; it is not started.

        Raises:
            ChoiceError: a name, note or tag that cannot be taken.
            StoreError: the home folder cannot be written.
        """
        now = self._now()
        meta = Meta(
            task=config.task,
            name=checked_text(name, "name", MAX_NAME),
            note=checked_text(note, "note", MAX_NOTE),
            tags=checked_tags(tags),
            created=now,
        )
        run_id = new_id(now)
        unfinished = self._runs / f".new-{run_id}"  # renamed when whole, so that nobody sees half a run
        try:
            unfinished.mkdir(parents=True)
            write_atomic(unfinished / "config.json", config.to_json())
            write_atomic(unfinished / "meta.json", meta.model_dump_json().encode())
            (unfinished / "run.lock").touch()
            unfinished.rename(self._runs / run_id)
            sync_folder(self._runs)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise write_error(error, self._runs) from error
        return Run(self, run_id)

    def launch(self, run: Run) -> None:
        """Queue a run: a new one from the start, a stopped one from its last checkpoint. Twice is once.

        Raises:
            RunError: it is done, or the Dask scheduler does not answer.
            StoreError: the home folder cannot be written.
        """
        self._enqueue(run.id, RESUMABLE | {"created"})

    def resume(self, run: Run) -> None:
        """Queue a stopped run again; it goes on from its last checkpoint. Twice is once.

        Raises:
            RunError, StoreError: as :meth:`launch`.
        """
        self._enqueue(run.id, RESUMABLE)

    def _enqueue(self, run_id: str, allowed: frozenset[str]) -> None:
        self._launcher.connect()
        folder = self.folder(run_id)
        with locked(folder / "meta.lock"):
            record = self.record(run_id)
            launch = record.launch
            if record.state not in ACTIVE:
                if record.state not in allowed:
                    raise RunError(
                        f"the run is {record.state}", f"run {run_id}", "create a new one of the same settings"
                    )
                launch += 1
                self._write_meta(run_id, launch=launch, order=self._now())
        self._launcher.submit(folder, launch, record.task)

    def cancel(self, run: Run, *, prune: bool = False) -> None:
        """Ask a run to end: a queued one never starts, a working one keeps a checkpoint and stops within seconds.

        With ``prune`` it ends as *pruned*, which is not gone on from: its scores are not worth it.

        Raises:
            RunError: it is not queued and does not work.
            StoreError: the home folder cannot be written.
        """
        folder = self.folder(run.id)
        with locked(folder / "meta.lock"):
            record = self.record(run.id)
            if record.state == "cancelled":
                return
            if record.state not in ACTIVE:
                raise RunError(f"the run is {record.state}", f"run {run.id}", "there is nothing to cancel")
            write_atomic(folder / "cancel", Cancel(launch=record.launch, prune=prune).model_dump_json().encode())
        self._launcher.withdraw(folder, record.launch)
        status = load(Status, folder / "status.json")
        if status is not None and status.launch == record.launch and status.state == "running":
            status.process.terminate()

    def annotate(
        self, run: Run, *, name: str | None = None, note: str | None = None, tags: Sequence[str] | None = None
    ) -> None:
        """Change a run's name, note or tags; None leaves it as it is.

        Raises:
            ChoiceError: a text that cannot be taken.
            StoreError: the home folder cannot be written.
        """
        changed: dict[str, Any] = {}
        if name is not None:
            changed["name"] = checked_text(name, "name", MAX_NAME)
        if note is not None:
            changed["note"] = checked_text(note, "note", MAX_NOTE)
        if tags is not None:
            changed["tags"] = checked_tags(tags)
        with locked(self.folder(run.id) / "meta.lock"):
            self._write_meta(run.id, **changed)

    def _queue(self) -> list[RunRecord]:
        queued = [record for record in self.records().values() if record.state == "queued"]
        return sorted(queued, key=lambda record: (record.order, record.id))

    def move(self, run: Run, places: int) -> None:
        """Move a queued run by so many places in the queue: negative is earlier, −1 past the one before it.

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
        with locked(self.folder(run.id) / "meta.lock"):
            self._write_meta(run.id, order=(before + after) / 2.0)

    def duplicate(self, run: Run) -> Run:
        """A new run of the same configuration, name, note and tags; it is not started.

        Raises:
            StoreError: as :meth:`create`.
        """
        record = run.record
        return self.create(run.config, record.name, record.note, record.tags)

    def delete(self, run: Run) -> None:
        """Move a run that nobody works on to the trash, from where :meth:`restore` brings it back.

        Raises:
            RunError: it is queued or works.
            StoreError: the home folder cannot be written.
        """
        folder = self.folder(run.id)
        with locked(folder / "meta.lock"):
            state = self.record(run.id).state
            lock = None if state in ACTIVE else try_lock(folder / "run.lock")
            if lock is None:
                raise RunError(f"the run is {state}", f"run {run.id}", "cancel it first")
            try:
                self._trash.mkdir(parents=True, exist_ok=True)
                folder.rename(self._trash / run.id)
                sync_folder(self._runs)
            except OSError as error:
                raise write_error(error, self._trash) from error
            finally:
                os.close(lock)

    def restore(self, run_id: str) -> Run:
        """Bring a run back from the trash.

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
        return Run(self, run_id)

    def deleted(self) -> dict[str, RunRecord]:
        """The runs in the trash by id, newest first."""
        records = {run_id: record for listing in self._trash_listings for run_id, record in listing.records().items()}
        return dict(sorted(records.items(), reverse=True))

    def empty_trash(self) -> None:
        """Delete the runs in the trash permanently."""
        for run_id in self.deleted():
            shutil.rmtree(self._deleted_folder(run_id), ignore_errors=True)  # another server may delete it too

    def _deleted_folder(self, run_id: str) -> Path:
        old = self.home / legacy.TRASH / run_id
        return old if old.is_dir() else self._trash / run_id

    def _write_meta(self, run_id: str, **changed: Any) -> None:
        path = self.folder(run_id) / "meta.json"
        meta = load(Meta, path)
        if meta is None:
            raise StoreError("this folder is not a run", str(path.parent), "choose one of the runs in the list")
        write_atomic(path, meta.model_copy(update=changed).model_dump_json().encode())

    def adopt(self) -> list[str]:
        """Take over queued runs that no server cares for, in their order: call it at the start, and now and then.

        Runs that work need no adoption: they are seen as soon as they are listed.

        Raises:
            RunError: the Dask scheduler does not answer.
        """
        queued = self._queue()
        for record in queued:
            self._launcher.submit(self.folder(record.id), record.launch, record.task)
        return [record.id for record in queued]

    def machine_card(self) -> dict[str, Any]:
        """What runs have to work with: slots, device, cores, bytes of memory and disk, the cluster if there is one."""
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


class Run:
    """One run of a store; every property is read when it is asked for."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store = store
        self.id = run_id
        self.folder = store.folder(run_id)

    def __repr__(self) -> str:
        return f"Run({self.id})"

    @property
    def record(self) -> RunRecord:
        """Everything about it, as plain data."""
        return self._store.record(self.id)

    @property
    def state(self) -> str:
        """Its state now."""
        return self.record.state

    @property
    def config(self) -> RunConfig:
        """What it does."""
        return RunConfig.read(self.folder / "config.json")

    def cancel(self) -> None:
        """As :meth:`RunStore.cancel`."""
        self._store.cancel(self)

    def resume(self) -> None:
        """As :meth:`RunStore.resume`."""
        self._store.resume(self)

    def metrics(self) -> MetricsReader:
        """A reader of its metrics; keep it, and ``poll`` it for what is new."""
        return MetricsReader(self.folder / "metrics.jsonl")

    def log_tail(self, num_lines: int = 50) -> list[str]:
        """The last lines of its log."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-num_lines:]
        except OSError:
            return []

    def snapshots(self) -> list[Path]:
        """The snapshots it has written, oldest first."""
        return sorted((self.folder / "snapshots").glob("epoch-*.npz"))
