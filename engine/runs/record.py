"""The JSON files of a run as models, and the state derived from them.

``meta.json`` is written by the store, ``status.json`` by the process that holds the run's lock, ``cancel`` by the
store. Each start of a run is a *launch*, counted from 1; every file names its launch, so none has to be deleted.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from engine.config.legacy import current_keys
from engine.errors import ChoiceError, EngineError
from engine.files import VERSION, load
from engine.runs.process import ProcessId
from engine.runs.run_folder import RunFolder

State = Literal["created", "queued", "running", "done", "failed", "cancelled", "pruned", "interrupted", "unreadable"]
"""A run is *created* until it is first launched, and *unreadable* when its files are damaged or of a newer version."""

ACTIVE: frozenset[str] = frozenset({"queued", "running"})
RESUMABLE: frozenset[str] = frozenset({"interrupted", "cancelled", "failed"})
ENDED: frozenset[str] = RESUMABLE | {"done", "pruned"}

MAX_NAME, MAX_NOTE, MAX_TAGS, MAX_OWNER = 80, 4000, 16, 200
_MAX_TEXT = 2000  # characters of each part of a failure

# Whatever reads a run may rely on these bounds: no date that a calendar lacks, no number that no run reaches.
_Moment = Annotated[float, Field(ge=0.0, le=253_402_300_799.0)]  # seconds since 1970, to the year 9999
_Duration = Annotated[float, Field(ge=0.0, le=1e12)]  # seconds
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Line = Annotated[str, Field(max_length=MAX_NAME)]
_CutText = Annotated[str, BeforeValidator(lambda text: text[:_MAX_TEXT] if isinstance(text, str) else text)]


class _VersionedFile(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    version: Literal[1] = VERSION


class Meta(_VersionedFile):
    """``meta.json``: a run's name, note, tags and place in the queue."""

    task: _Line
    name: _Line
    note: Annotated[str, Field(max_length=MAX_NOTE)]
    tags: Annotated[tuple[_Line, ...], Field(max_length=MAX_TAGS)]
    created: _Moment
    launch: _Count = 0  # the last launch requested; 0: never
    order: float = 0.0  # place in the queue, ascending
    owner: Annotated[str, Field(max_length=MAX_OWNER)] = ""  # who created it, for the limit of each person


class Failure(BaseModel):
    """Why a run failed, with the fields of :class:`EngineError`; a longer text is cut."""

    model_config = ConfigDict(frozen=True)

    kind: _CutText
    problem: _CutText
    where: _CutText
    remedy: _CutText

    _renamed = model_validator(mode="before")(current_keys)

    @classmethod
    def of(cls, error: EngineError) -> Failure:
        """The failure that an error describes."""
        return cls(kind=type(error).__name__, problem=error.problem, where=error.where, remedy=error.remedy)

    def __str__(self) -> str:
        return f"{self.problem} ({self.where}). Remedy: {self.remedy}."


DISK_FULL = Failure(
    kind="DiskFullError",
    problem="the disk is full",
    where="while the run wrote its files",
    remedy="free some space, then resume the run",
)
OUT_OF_MEMORY = Failure(
    kind="MemoryError",
    problem="the run ran out of memory",
    where="while the task ran",
    remedy="choose a smaller grid, degree or batch, or close other programs, then resume it",
)


class Status(_VersionedFile):
    """``status.json``: written by the run's process."""

    launch: _Count
    state: Literal["running", "done", "failed", "cancelled", "pruned", "interrupted"]
    process: ProcessId
    beat: _Count = 0  # grows with every write of the file
    heartbeat: _Moment = 0.0  # at the last write
    started: _Moment  # start of the first launch
    ended: _Moment | None = None
    seconds: _Duration = 0.0  # running time of all launches, by a monotonic clock
    progress: float = Field(default=0.0, ge=0.0, le=1.0)
    seconds_left: float | None = None
    epoch: _Count | None = None
    num_epochs: _Count | None = None
    best: float | None = None
    failure: Failure | None = None

    @classmethod
    def of_launch(cls, launch: int, before: Status | None) -> Status:
        """The first status of a launch in this process; ``before`` is the last one of the launch before it."""
        status = cls(launch=launch, state="running", process=ProcessId.own(), started=time.time())
        return status.model_copy(
            update=before.model_dump(include={"started", "seconds", "best", "beat"}) if before else {}
        )


class CancelRequest(_VersionedFile):
    """``cancel``: the request to end one launch of the run; with ``prune`` because its scores are not good enough."""

    launch: _Count
    prune: bool = False


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run at one moment, plain data. Times are seconds since 1970, durations seconds, ``progress`` 0..1."""

    id: str
    state: State
    task: str = ""
    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    progress: float = 0.0
    seconds_left: float | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    epoch: int | None = None
    num_epochs: int | None = None
    best: float | None = None
    failure: str | None = None
    host: str | None = None
    pid: int | None = None
    launch: int = 0
    order: float = 0.0
    owner: str = ""  # who created it
    is_stopping: bool = False  # running, and its end is requested
    is_confirmed: bool = True  # False: on another machine, whose heartbeat has not been seen to change yet

    @property
    def can_cancel(self) -> bool:
        """Whether it can be cancelled."""
        return self.state in ACTIVE and not self.is_stopping

    @property
    def can_resume(self) -> bool:
        """Whether it can continue from its last checkpoint."""
        return self.state in RESUMABLE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_files(folder: RunFolder) -> tuple[Meta | None, Status | None, CancelRequest | None]:
    """The JSON files of a run that change. Raises :class:`StoreError`."""
    return load(Meta, folder.meta), load(Status, folder.status), load(CancelRequest, folder.cancel)


def current_launch(meta: Meta, status: Status | None) -> int:
    """The current launch. A worker started by hand, without the store, is one ahead of ``meta``."""
    return max(meta.launch, status.launch if status else 0)


def derive_state(meta: Meta, status: Status | None, cancel: CancelRequest | None, alive: bool) -> State:
    """The state of a run from its files; ``alive`` says whether the process in ``status`` is alive."""
    launch = current_launch(meta, status)
    if launch == 0:
        return "created"
    if status is None or status.launch < launch:
        return "cancelled" if cancel and cancel.launch >= launch else "queued"
    if status.state == "running" and not alive:
        return "interrupted"
    return status.state


def make_record(run_id: str, meta: Meta, status: Status | None, cancel: CancelRequest | None, alive: bool) -> RunRecord:
    """The record of a run from its files; ``alive`` as for :func:`derive_state`."""
    state = derive_state(meta, status, cancel, alive)
    launch = current_launch(meta, status)
    is_waiting = state in ("created", "queued")
    return RunRecord(
        id=run_id,
        state=state,
        task=meta.task,
        name=meta.name,
        note=meta.note,
        tags=meta.tags,
        created=meta.created,
        launch=launch,
        is_stopping=state == "running" and cancel is not None and cancel.launch >= launch,
        order=meta.order,
        owner=meta.owner,
        progress=status.progress if status else 0.0,
        seconds_left=status.seconds_left if status and state == "running" else None,
        started=status.started if status else None,
        ended=(status.ended or status.heartbeat) if status and state in ENDED else None,
        seconds=status.seconds if status else 0.0,
        epoch=status.epoch if status else None,
        num_epochs=status.num_epochs if status else None,
        best=status.best if status else None,
        failure=str(status.failure) if status and status.failure and not is_waiting else None,
        host=status.process.host if status else None,
        pid=status.process.pid if status and state == "running" else None,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A run whose state is not what it was; ``before`` is None for a new run."""

    run: RunRecord
    before: State | None


def changes(before: Mapping[str, RunRecord], after: Mapping[str, RunRecord]) -> list[Change]:
    """Which runs of ``after`` are new or in another state than in ``before``, oldest run first (both by id)."""
    changed: list[Change] = []
    for run_id in sorted(after):
        earlier = before.get(run_id)
        if earlier is None or earlier.state != after[run_id].state:
            changed.append(Change(after[run_id], earlier.state if earlier else None))
    return changed


def checked_text(text: str, field: str, most: int) -> str:
    """``text`` without outer white space. It is plain text and must be escaped where it is shown as HTML.

    Raises:
        ChoiceError: too long, a control character (line breaks are fine in a note), or ``../``.
    """
    text = text.strip()
    if len(text) > most:
        raise ChoiceError(f"the {field} has {len(text)} characters", field, f"use at most {most}")
    allowed = "\n\t" if field == "note" else ""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
        raise ChoiceError(f"the {field} holds a control character", field, "use printable characters")
    if field != "note" and ("../" in text or "..\\" in text):
        raise ChoiceError(f"the {field} {text!r} reads like a path", field, "leave out '../'")
    return text


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each checked like a name, without repetition."""
    if len(tags) > MAX_TAGS:
        raise ChoiceError(f"there are {len(tags)} tags", "tags", f"use at most {MAX_TAGS}")
    return tuple(dict.fromkeys(checked_text(tag, "tag", MAX_NAME) for tag in tags))
