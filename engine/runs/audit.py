"""Who did what: one JSON line for each action that changes runs or files, in ``audit.jsonl`` of the home folder.

``{"time": "2026-11-30T03:50:14Z", "who": "ada", "where": "192.0.2.7", "action": "launched", "subject": "<run id>"}``.
``who`` is the name that was logged in, ``where`` the address of the browser or ``shell``; both are empty where a
program acts by itself. At 10 MB the file becomes ``audit.1.jsonl``, and of these the five latest are kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from engine.errors import EngineError, StoreError
from engine.files import locked, open_file

Action = Literal[
    "created", "launched", "resumed", "cancelled", "pruned", "annotated", "moved", "deleted", "restored",
    "emptied trash", "uploaded", "removed upload",
]  # fmt: skip
"""What can be done; ``subject`` is the id of a run or the name of an upload."""

MAX_BYTES = 10 * 10**6
MAX_OLD_FILES = 5
_MAX_TEXT = 300
_MAX_DETAILS = 8
_NAME = "audit.jsonl"

_log = logging.getLogger("harmonia")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a name, and where from. Both may be empty."""

    who: str = ""
    where: str = ""

    @property
    def owner(self) -> str:
        """What tells one person from another: the name, else the address; empty for a program."""
        return self.who or self.where


_PROGRAM = Actor()
_actor: ContextVar[Actor] = ContextVar("actor", default=_PROGRAM)


@contextmanager
def acting(user: str, address: str) -> Generator[None]:
    """Within the block, and in threads that inherit its context, actions are those of ``user`` from ``address``."""
    token = _actor.set(Actor(user[:_MAX_TEXT], address[:_MAX_TEXT]))
    try:
        yield
    finally:
        _actor.reset(token)


def current_actor() -> Actor:
    """Who acts at the moment."""
    return _actor.get()


def _cut(value: object) -> object:
    return value[:_MAX_TEXT] if isinstance(value, str) else value


_Text = Annotated[str, BeforeValidator(_cut)]


class AuditEntry(BaseModel):
    """One line; longer texts are cut."""

    model_config = ConfigDict(frozen=True)

    time: str
    who: _Text
    where: _Text
    action: _Text
    subject: _Text
    details: Mapping[str, _Text] = {}


class AuditLog:
    """The audit log of a home folder; several processes may write it."""

    def __init__(self, home: Path, now: Callable[[], float] = time) -> None:
        self.path = home / _NAME
        self._now = now

    def write(self, action: Action, subject: str = "", **details: str) -> None:
        """Append a line about the current actor.

        An action is not refused because its line cannot be written: on a full disk, runs can still be cancelled. The
        line then goes to the server's log.
        """
        actor = current_actor()
        entry = AuditEntry(
            time=f"{datetime.fromtimestamp(self._now(), UTC):%Y-%m-%dT%H:%M:%SZ}",
            who=actor.who,
            where=actor.where,
            action=action,
            subject=subject,
            details=dict(list(details.items())[:_MAX_DETAILS]),
        )
        line = entry.model_dump_json(exclude_defaults=True).encode() + b"\n"
        try:
            with locked(self.path.with_name("audit.lock")):
                self._rotate(len(line))
                _append(self.path, line)
        except (OSError, EngineError) as error:
            _log.warning("the audit log cannot be written (%s): %s", error, line.decode().rstrip())

    def _rotate(self, added: int) -> None:
        if not self.path.exists() or self.path.stat().st_size + added <= MAX_BYTES:
            return
        for number in range(MAX_OLD_FILES, 0, -1):
            older = self._old(number)
            newer = self._old(number - 1) if number > 1 else self.path
            if newer.exists():
                os.replace(newer, older)

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"audit.{number}.jsonl")

    def entries(self, limit: int = 1000) -> list[AuditEntry]:
        """The latest lines of the current file, oldest first; damaged ones are left out."""
        try:
            with open_file(self.path) as file:
                lines = file.read(2 * MAX_BYTES).splitlines()
        except (OSError, StoreError):
            return []
        entries: list[AuditEntry] = []
        for line in lines[-limit:]:
            try:
                entries.append(AuditEntry.model_validate_json(line))
            except ValidationError:
                continue
        return entries


def _append(path: Path, line: bytes) -> None:
    """Append a line by one system call; what a full disk cut off is removed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, size)
            raise OSError("the line was cut off")
    finally:
        os.close(descriptor)
