"""What the files of a run say about it: the little models on disk, and the state derived from them.

``meta.json`` is written by the store, ``status.json`` by whoever holds the run's lock, ``cancel`` by the store. Each
start of a run is a *launch*, counted from 1; every file names the launch it speaks of, so none has to be deleted.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import ChoiceError, EngineError
from engine.files import VERSION
from engine.runs.process import ProcessId

State = Literal["created", "queued", "running", "done", "failed", "cancelled", "pruned", "interrupted", "unreadable"]
"""A run is *created* until it is first launched, and *unreadable* when its files are damaged or newer than we are."""

ACTIVE: frozenset[str] = frozenset({"queued", "running"})
RESUMABLE: frozenset[str] = frozenset({"interrupted", "cancelled", "failed"})
ENDED: frozenset[str] = RESUMABLE | {"done", "pruned"}

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{10}")
MAX_NAME, MAX_NOTE, MAX_TAGS = 80, 4000, 16


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: Literal[1] = VERSION


class Meta(_File):
    """``meta.json``: what people and the queue say about a run."""

    task: str
    name: str
    note: str
    tags: tuple[str, ...]
    created: float  # seconds since 1970
    launch: int = 0  # the last launch asked for; 0: never
    order: float = 0.0  # place in the queue, ascending


class Failure(BaseModel):
    """Why a run failed, in the words of :class:`EngineError`."""

    model_config = ConfigDict(frozen=True)

    kind: str
    what: str
    where: str
    remedy: str

    @classmethod
    def of(cls, error: EngineError) -> Failure:
        """The failure that an error describes."""
        return cls(kind=type(error).__name__, what=error.what, where=error.where, remedy=error.remedy)

    def __str__(self) -> str:
        return f"{self.what} ({self.where}). Remedy: {self.remedy}."


OUT_OF_MEMORY = Failure(
    kind="MemoryError",
    what="the run ran out of memory",
    where="while the task ran",
    remedy="choose a smaller grid, degree or batch, or close other programs, then resume it",
)


class Status(_File):
    """``status.json``: what the run's process says about itself."""

    launch: int
    state: Literal["running", "done", "failed", "cancelled", "pruned", "interrupted"]
    process: ProcessId
    beat: int = 0  # grows with every writing of the file while the process lives
    heartbeat: float = 0.0  # seconds since 1970 at the last writing
    started: float  # seconds since 1970: the first launch that began
    ended: float | None = None
    seconds: float = 0.0  # time spent running, all launches together, by a clock that never jumps
    progress: float = Field(default=0.0, ge=0.0, le=1.0)
    seconds_left: float | None = None
    epoch: int | None = None
    num_epochs: int | None = None
    best: float | None = None
    failure: Failure | None = None


class Cancel(_File):
    """``cancel``: the wish that one launch of the run should end, because it is not worth going on if ``prune``."""

    launch: int
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
    is_stopping: bool = False  # running, and somebody asked for its end

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel."""
        return self.state in ACTIVE and not self.is_stopping

    @property
    def can_resume(self) -> bool:
        """Whether the run can go on where it stopped."""
        return self.state in RESUMABLE

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def current_launch(meta: Meta, status: Status | None) -> int:
    """The launch that counts. A worker started by hand, without the store, is one ahead of ``meta``."""
    return max(meta.launch, status.launch if status else 0)


def derive_state(meta: Meta, status: Status | None, cancel: Cancel | None, alive: bool) -> State:
    """The state of a run from its files; ``alive`` says whether the process that ``status`` names lives."""
    launch = current_launch(meta, status)
    if launch == 0:
        return "created"
    if status is None or status.launch < launch:
        return "cancelled" if cancel and cancel.launch >= launch else "queued"
    if status.state == "running" and not alive:
        return "interrupted"
    return status.state


def make_record(run_id: str, meta: Meta, status: Status | None, cancel: Cancel | None, alive: bool) -> RunRecord:
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
    """A run whose state is not what it was; ``before`` is None for a run not seen earlier."""

    run: RunRecord
    before: State | None


def changes(before: Mapping[str, RunRecord], after: Mapping[str, RunRecord]) -> list[Change]:
    """Which runs of ``after`` are new or in another state than in ``before``, oldest run first (both by id)."""
    found: list[Change] = []
    for run_id in sorted(after):
        earlier = before.get(run_id)
        if earlier is None or earlier.state != after[run_id].state:
            found.append(Change(after[run_id], earlier.state if earlier else None))
    return found


def new_id(now: float) -> str:
    """An id that sorts by time and fits in an address and a file name: UTC to the millisecond, then 28 random bits."""
    milliseconds = int(now * 1000) % 1000
    return f"{datetime.fromtimestamp(int(now), UTC):%Y%m%d-%H%M%S}-{milliseconds:03d}{secrets.randbits(28):07x}"


def is_id(text: str) -> bool:
    """Whether ``text`` is the id of a run; nothing else ever becomes part of a path."""
    return _ID.fullmatch(text) is not None


def checked_text(text: str, field: str, most: int) -> str:
    """``text`` without outer white space. It stays plain text: whoever shows it must not take it for HTML.

    Raises:
        ChoiceError: too long, a control character (line breaks are fine in a note), or a step up a folder.
    """
    text = text.strip()
    if len(text) > most:
        raise ChoiceError(f"the {field} has {len(text)} characters", field, f"use at most {most}")
    allowed = "\n\t" if field == "note" else ""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
        raise ChoiceError(f"the {field} holds a control character", field, "use letters, digits and signs")
    if field != "note" and ("../" in text or "..\\" in text):
        raise ChoiceError(f"the {field} {text!r} reads like a path", field, "leave out '../'")
    return text


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each checked like a name, without repetition."""
    if len(tags) > MAX_TAGS:
        raise ChoiceError(f"there are {len(tags)} tags", "tags", f"use at most {MAX_TAGS}")
    return tuple(dict.fromkeys(checked_text(tag, "tag", MAX_NAME) for tag in tags))
