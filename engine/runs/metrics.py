"""A run's metrics: one JSON object a line, appended while it runs, read without ever reading a line twice.

``{"step": 12, "time": 3.25, "loss": 0.41}``: ``step`` counts reports, ``time`` is seconds of running; the other keys
are the task's own. Values are numbers or null. The last line may be torn by a kill: it is left out until it is whole.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from engine.runs.files import write_error

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

_BLOCK_BYTES = 1 << 18  # what is parsed at once stays in the processor's cache
_IDENTITY_BYTES = 64  # the end of what was read, kept to notice that the file was cut back and written anew
_COMMAS = bytes.maketrans(b"}:", b",,")


class Series(NamedTuple):
    """One metric over the steps, thinned for drawing: ``step`` (P,), ``time`` (P,) seconds, ``value`` (P,)."""

    step: Floats
    time: Floats
    value: Floats


class MetricsWriter:
    """Appends lines; each goes to the system in one write, so that a reader sees it whole or not at all."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        """Open ``path`` and cut it to its first ``keep_bytes``: what came after the last checkpoint happens again."""
        self._path = path
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._file, min(keep_bytes, os.fstat(self._file).st_size))
            self._size = os.fstat(self._file).st_size
        except OSError as error:
            raise write_error(error, path) from error

    def append(self, values: Mapping[str, float | int | None]) -> None:
        """Write one line; a value that is not finite becomes null."""
        line = (
            json.dumps({key: _number(value) for key, value in values.items()}, separators=(",", ":")).encode() + b"\n"
        )
        try:
            written = os.write(self._file, line)
            if written < len(line):  # the disk filled up half way: the next write tells the reason
                os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise write_error(error, self._path) from error
        self._size += len(line)

    def sync(self) -> int:
        """Make all lines durable; returns their bytes."""
        os.fsync(self._file)
        return self._size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _number(value: float | int | None) -> float | int | None:
    return value if value is None or math.isfinite(value) else None


class MetricsReader:
    """Reads ``path`` on from where the last reading ended and keeps all values as columns of float64."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._offset = 0
        self._last_bytes = b""
        self._blocks: list[Columns] = []
        self._columns: Columns = {}

    def poll(self) -> bool:
        """Read what was written since; True when there is something new (or the file was cut back and began anew)."""
        try:
            with open(self._path, "rb") as file:
                restarted = self._was_rewritten(file.fileno())
                if restarted:
                    self._forget()
                file.seek(self._offset)
                rest = b""
                while content := file.read(_BLOCK_BYTES):
                    rest = self._take(rest + content)
        except FileNotFoundError:
            restarted = self._offset > 0
            self._forget()
        if self._blocks:
            self._columns = _joined([self._columns, *self._blocks] if self._columns else self._blocks)
        is_new = bool(self._blocks) or restarted
        self._blocks = []
        return is_new

    def _was_rewritten(self, file: int) -> bool:
        expected = self._last_bytes
        return os.pread(file, len(expected), self._offset - len(expected)) != expected

    def _take(self, content: bytes) -> bytes:
        """Parse the whole lines of ``content``; returns the part after them."""
        end = content.rfind(b"\n") + 1
        if end:
            self._blocks.append(parse(content[:end]))
            self._offset += end
            self._last_bytes = (self._last_bytes + content[:end])[-_IDENTITY_BYTES:]
        return content[end:]

    @property
    def columns(self) -> Columns:
        """Every value read so far: name → (N,) with N lines; NaN where a line lacks the name."""
        return self._columns

    def series(self, num_points: int = 2000) -> dict[str, Series]:
        """Each metric thinned to about ``num_points``, its smallest and largest values kept exactly."""
        if not self._columns:
            return {}
        step, time = self._columns["step"], self._columns["time"]
        thinned: dict[str, Series] = {}
        for name, value in self._columns.items():
            if name not in ("step", "time"):
                kept = decimate(value, num_points)
                thinned[name] = Series(step[kept], time[kept], value[kept])
        return thinned


def decimate(value: Floats, num_points: int) -> NDArray[np.intp]:
    """Which of ``value`` (N,) to draw: ascending indices of finite values, at most about ``num_points`` of them.

    The finite values are cut into num_points/2 equal stretches; each keeps its smallest and its largest. So no
    minimum or maximum is lost, and the curve drawn at that many pixels is the same.
    """
    finite = np.flatnonzero(np.isfinite(value))
    if finite.size <= max(num_points, 2):
        return finite
    width = -(-finite.size // max(num_points // 2, 1))
    whole = finite.size // width * width
    stretches = value[finite[:whole]].reshape(-1, width)
    first = np.arange(len(stretches)) * width
    kept = [first + stretches.argmin(axis=1), first + stretches.argmax(axis=1)]
    if whole < finite.size:
        tail = value[finite[whole:]]
        kept.append(whole + np.array([tail.argmin(), tail.argmax()]))
    return finite[np.unique(np.concatenate(kept))]


def parse(lines: bytes) -> Columns:
    """Columns of a block of whole lines: all at once when the lines are alike, else line by line."""
    columns = _parse_alike(lines)
    return parse_each(lines) if columns is None else columns


def parse_each(lines: bytes) -> Columns:
    """The readable way: each line for itself. A line that is no JSON object with step and time is skipped."""
    rows: list[dict[str, float]] = []
    names: dict[str, None] = {"step": None, "time": None}
    for line in lines.splitlines():
        try:
            values: Any = from_json(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "step" in values and "time" in values:
            row = {name: _float(value) for name, value in cast("dict[str, object]", values).items()}
            rows.append(row)
            names.update(dict.fromkeys(row))
    return {name: np.array([row.get(name, math.nan) for row in rows], np.float64) for name in names}


def _float(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan


def _parse_alike(lines: bytes) -> Columns | None:
    """The fast way, None where it does not apply: lines of the same keys are one flat list "key", value, "key", …"""
    count = lines.count(b"\n")
    try:
        names = list(from_json(lines[: lines.index(b"\n")]))
        flat: list[Any] = from_json(b"[%b]" % lines.translate(_COMMAS, b"{\n")[:-1])
        if flat[::2] != names * count or lines.count(b'"') != 2 * len(names) * count:  # a value is text
            return None
        table = np.array(flat[1::2], np.float64).reshape(count, len(names))
    except (ValueError, TypeError, OverflowError):
        return None
    if names[:2] != ["step", "time"]:
        return None
    return {name: np.ascontiguousarray(table[:, column]) for column, name in enumerate(names)}


def _joined(blocks: list[Columns]) -> Columns:
    names = dict.fromkeys(name for block in blocks for name in block)
    return {
        name: np.concatenate([block.get(name, np.full(len(block["step"]), np.nan)) for block in blocks])
        for name in names
    }
