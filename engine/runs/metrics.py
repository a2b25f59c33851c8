"""A run's metrics: one JSON object a line, appended while it runs and read incrementally.

``{"step": 12, "time": 3.25, "loss": 0.41}``: ``step`` counts reports, ``time`` is seconds of running; the other keys
are the task's own. Values are numbers or null. A last line that is incomplete after a kill is left out.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.errors import StoreError
from engine.files import open_file, write_error
from engine.runs.metric_lines import Floats, read_lines

_BLOCK_BYTES = 1 << 20  # few calls per block, and a block fits in the processor's cache
_MAX_LINE_BYTES = 1 << 20  # a longer line is none of ours and is skipped
_MAX_NAMES = 1000  # metrics of one run; further names are left out
_IDENTITY_BYTES = 64  # end of what was read, kept to notice that the file was truncated and rewritten


class MetricsWriter:
    """Appends lines; each is one system call, so that a reader sees complete lines."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        """Open ``path`` and truncate it to ``keep_bytes``; lines after the last checkpoint are written again."""
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
            if written < len(line):  # the disk is full: the next write raises
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


class Columns(Mapping[str, Floats]):
    """The values of the lines read so far: name → (N,) with N lines; NaN where a line lacks the name.

    Immutable. A column that was not ``wanted`` when the lines were read is read from the file at its first access; if
    the file was truncated since, it is NaN, and the next :meth:`MetricsReader.poll` starts from the beginning.
    """

    def __init__(self, path: Path, end: int, count: int, last: Mapping[str, float], held: Mapping[str, Floats]) -> None:
        """The ``count`` lines in the first ``end`` bytes of ``path``; ``held`` are the columns in memory."""
        self._path = path
        self.end = end
        self._count = count
        self.last = last
        """The values of the last line; NaN for names that it lacks."""
        self._held = held

    def __contains__(self, name: object) -> bool:
        return name in self.last

    def __iter__(self) -> Iterator[str]:
        return iter(self.last)

    def __len__(self) -> int:
        return len(self.last)

    def __getitem__(self, name: str) -> Floats:
        if name not in self:
            raise KeyError(name)
        return self.read([name])[name]

    def read(self, names: Iterable[str]) -> dict[str, Floats]:
        """Several columns; those that are not in memory are read from the file together."""
        names, held = list(names), dict(self._held)
        if missing := [name for name in names if name not in held]:
            count, columns = self._reread(missing)
            if count == self._count:
                self._held = held = held | columns
            else:
                held |= dict.fromkeys(missing, np.full(self._count, math.nan))
        return {name: held[name] for name in names}

    def _reread(self, names: Iterable[str]) -> tuple[int, dict[str, Floats]]:
        """Read the file's lines again: their number, and the columns ``names``."""
        empty = Columns(self._path, 0, 0, {}, {})
        try:
            with open_file(self._path) as file:
                read = empty.grown(_whole_lines(file, 0, self.end), names)
        except (OSError, StoreError):  # the next poll raises it
            read = empty
        return read._count, dict(read._held)

    def grown(self, texts: Iterable[bytes], wanted: Iterable[str] = ()) -> Columns:
        """These columns followed by the lines of ``texts``; at the start of a file, keep the ``wanted`` ones."""
        end, count, last = self.end, self._count, dict(self.last)
        known = self._held if end else dict.fromkeys(wanted, np.empty(0))
        parts = {name: [values] for name, values in known.items()}
        for text in texts:
            end += len(text)
            if not text.endswith(b"\n"):  # a part of a line that is too long
                continue
            lines = read_lines(text)
            if lines.count:
                count += lines.count
                last = dict.fromkeys([*last, *lines.names], math.nan) | lines.last()
                last = dict(itertools.islice(last.items(), _MAX_NAMES))
                for name, values in parts.items():
                    values.append(lines.column(name))
        held = {name: np.concatenate(values) for name, values in parts.items()}
        return Columns(self._path, end, count, last, held)


class MetricsReader:
    """Reads ``path`` incrementally and gives all values as columns of float64."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._last_bytes = b""
        self._columns = Columns(self._path, 0, 0, {}, {})

    def poll(self, wanted: Iterable[str] = ()) -> bool:
        """Read new lines; True when there are some (or the file was truncated and rewritten).

        The ``wanted`` metrics are kept in memory; others are read from the file at their first access.

        Raises:
            StoreError: what lies there is no regular file, or cannot be read.
        """
        try:
            with open_file(self._path) as file:
                restarted = self._was_rewritten(file.fileno())
                if restarted:
                    self._forget()
                before = self._columns.end
                texts = self._with_identity(_whole_lines(file, before))
                self._columns = self._columns.grown(texts, wanted)
        except FileNotFoundError:
            restarted, before = self._columns.end > 0, 0
            self._forget()
        return restarted or self._columns.end > before

    def _was_rewritten(self, file: int) -> bool:
        expected = self._last_bytes
        return os.pread(file, len(expected), self._columns.end - len(expected)) != expected

    def _with_identity(self, texts: Iterable[bytes]) -> Generator[bytes]:
        for text in texts:
            self._last_bytes = (self._last_bytes + text[-_IDENTITY_BYTES:])[-_IDENTITY_BYTES:]
            yield text

    @property
    def columns(self) -> Columns:
        """Every value read so far."""
        return self._columns


def _whole_lines(file: BinaryIO, start: int, end: float = math.inf) -> Generator[bytes]:
    """Blocks of complete lines in the bytes of ``file`` from ``start`` to ``end``.

    A line that is too long comes in parts: blocks that do not end with it, then its last part as a line.
    """
    file.seek(start)
    rest = b""
    while content := file.read(int(min(_BLOCK_BYTES, end - start))):
        start += len(content)
        text = rest + content
        cut = text.rfind(b"\n") + 1
        rest = text[cut:]
        if cut:
            yield text[:cut]
        if len(rest) > _MAX_LINE_BYTES:
            yield rest
            rest = b""


def decimate(value: Floats, num_points: int) -> NDArray[np.intp]:
    """Indices of ``value`` (N,) to draw: ascending indices of finite values, at most about ``num_points`` of them.

    The finite values are split into num_points/2 equal intervals; each keeps its minimum and maximum, so that the
    curve drawn at that many pixels is the same.
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
