"""A run's metrics: one JSON object a line, appended while it runs, read on from where the last look at them ended.

``{"step": 12, "time": 3.25, "loss": 0.41}``: ``step`` counts reports, ``time`` is seconds of running; the other keys
are the task's own. Values are numbers or null. The last line may be torn by a kill: it is left out until it is whole.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.files import write_error
from engine.runs.metric_lines import Floats, read_lines

_BLOCK_BYTES = 1 << 20  # few calls a block, and what is parsed at once stays near the processor
_IDENTITY_BYTES = 64  # the end of what was read, kept to notice that the file was cut back and written anew


class MetricSeries(NamedTuple):
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


class Columns(Mapping[str, Floats]):
    """The values of the lines read so far: name → (N,) with N lines; NaN where a line lacks the name.

    It never changes. A column that was not wanted when the lines were read is taken from the file when it is first
    asked for; should the file have been cut back since, it is NaN, and the reader's next look begins anew.
    """

    def __init__(self, path: Path, end: int, count: int, last: Mapping[str, float], held: Mapping[str, Floats]) -> None:
        """Of the ``count`` lines in the first ``end`` bytes of ``path``, with the columns that are ``held`` already."""
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
        """Several columns, with one look at the file for all that are not held."""
        names, held = list(names), dict(self._held)
        if missing := [name for name in names if name not in held]:
            count, found = self._again(missing)
            if count == self._count:
                self._held = held = held | found
            else:
                held |= dict.fromkeys(missing, np.full(self._count, math.nan))
        return {name: held[name] for name in names}

    def _again(self, names: Iterable[str]) -> tuple[int, dict[str, Floats]]:
        """The file's lines so far once more: how many there are, and the columns of ``names``."""
        again = Columns(self._path, 0, 0, {}, {})
        try:
            with open(self._path, "rb") as file:
                again = again.grown(_whole_lines(file, 0, self.end), names)
        except FileNotFoundError:
            pass
        return again._count, dict(again._held)

    def grown(self, texts: Iterable[bytes], wanted: Iterable[str] = ()) -> Columns:
        """These with the lines of ``texts``, which follow them; of the very first lines the ``wanted`` are held."""
        end, count, last = self.end, self._count, dict(self.last)
        known = self._held if end else dict.fromkeys(wanted, np.empty(0))
        parts = {name: [values] for name, values in known.items()}
        for text in texts:
            end += len(text)
            lines = read_lines(text)
            if lines.count:
                count += lines.count
                last = dict.fromkeys([*last, *lines.names], math.nan) | lines.last()
                for name, values in parts.items():
                    values.append(lines.column(name))
        held = {name: np.concatenate(values) for name, values in parts.items()}
        return Columns(self._path, end, count, last, held)


class MetricsReader:
    """Reads ``path`` on from where the last reading ended and gives all values as columns of float64."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._last_bytes = b""
        self._columns = Columns(self._path, 0, 0, {}, {})

    def poll(self, wanted: Iterable[str] = ()) -> bool:
        """Read what was written since; True when there is something new (or the file was cut back and began anew).

        Metrics that are ``wanted`` are ready afterwards; any other takes another look at the file when asked for.
        """
        try:
            with open(self._path, "rb") as file:
                restarted = self._was_rewritten(file.fileno())
                if restarted:
                    self._forget()
                before = self._columns.end
                texts = self._remembered(_whole_lines(file, before))
                self._columns = self._columns.grown(texts, wanted)
        except FileNotFoundError:
            restarted, before = self._columns.end > 0, 0
            self._forget()
        return restarted or self._columns.end > before

    def _was_rewritten(self, file: int) -> bool:
        expected = self._last_bytes
        return os.pread(file, len(expected), self._columns.end - len(expected)) != expected

    def _remembered(self, texts: Iterable[bytes]) -> Generator[bytes]:
        for text in texts:
            self._last_bytes = (self._last_bytes + text[-_IDENTITY_BYTES:])[-_IDENTITY_BYTES:]
            yield text

    @property
    def columns(self) -> Columns:
        """Every value read so far."""
        return self._columns

    def series(self, num_points: int = 2000) -> dict[str, MetricSeries]:
        """Each metric thinned to about ``num_points``, its smallest and largest values kept exactly."""
        columns = self._columns.read(self._columns)
        thinned: dict[str, MetricSeries] = {}
        for name, value in columns.items():
            if name not in ("step", "time"):
                kept = decimate(value, num_points)
                thinned[name] = MetricSeries(columns["step"][kept], columns["time"][kept], value[kept])
        return thinned


def _whole_lines(file: BinaryIO, start: int, end: float = math.inf) -> Generator[bytes]:
    """Blocks of the whole lines in the bytes of ``file`` from ``start`` to ``end``."""
    file.seek(start)
    rest = b""
    while content := file.read(int(min(_BLOCK_BYTES, end - start))):
        start += len(content)
        text = rest + content
        cut = text.rfind(b"\n") + 1
        rest = text[cut:]
        if cut:
            yield text[:cut]


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
