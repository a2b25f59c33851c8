"""Lines of metrics taken apart: all at once where they have the same keys, and then only the columns asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

Floats = NDArray[np.float64]

_QUOTE, _COMMA, _COLON, _BRACE, _NEWLINE, _SPACE = b'",:}\n '


class Lines(Protocol):
    """A block of whole lines, whose columns are made when asked for."""

    @property
    def names(self) -> Iterable[str]:
        """The keys of all lines, ``step`` and ``time`` first."""
        ...

    @property
    def count(self) -> int:
        """How many lines there are."""
        ...

    def column(self, name: str) -> Floats:
        """The values (count,) of one key; NaN where a line lacks it, or has no number there."""
        ...

    def last(self) -> dict[str, float]:
        """The values of the last line."""
        ...


def read_lines(text: bytes) -> Lines:
    """A block of whole lines. One that is no JSON object with step and time is skipped."""
    return AlikeLines.of(text) or SingleLines.of(text)


@dataclass(frozen=True, eq=False)
class SingleLines:
    """The readable way: each line for itself."""

    names: Sequence[str]
    rows: list[dict[str, float]]

    @classmethod
    def of(cls, text: bytes) -> SingleLines:
        """Parse every line."""
        rows: list[dict[str, float]] = []
        names: dict[str, None] = {"step": None, "time": None}
        for line in text.splitlines():
            try:
                values: Any = from_json(line)
            except ValueError:
                continue
            if isinstance(values, dict) and "step" in values and "time" in values:
                row = {name: _float(value) for name, value in cast("dict[str, object]", values).items()}
                rows.append(row)
                names.update(dict.fromkeys(row))
        return cls(tuple(names), rows)

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.rows)

    def column(self, name: str) -> Floats:
        """The values (count,) of one key."""
        return np.array([row.get(name, math.nan) for row in self.rows], np.float64)

    def last(self) -> dict[str, float]:
        """The values of the last line."""
        return self.rows[-1] if self.rows else {}


@dataclass(frozen=True, eq=False)
class AlikeLines:
    """The fast way: N lines of the same K keys, whose values are found by what stands between them."""

    names: Sequence[str]
    text: NDArray[np.uint8]
    """All bytes, and some more, so that every value has a stretch of one length after its beginning."""
    stops: NDArray[np.intp]
    """(N, K) where the comma or brace after each value is."""
    gaps: Sequence[bytes]
    """(K,) what stands between each value and the one before, be it in the line before."""

    @classmethod
    def of(cls, text: bytes) -> AlikeLines | None:
        """The block, or None where the way does not apply: all lines must equal the first but for the values."""
        first = text[: text.index(b"\n") + 1]
        try:
            names = list(cast("dict[str, object]", from_json(first)))
        except (ValueError, TypeError):
            return None
        found = np.frombuffer(text, np.uint8)
        num_lines, num_names = np.count_nonzero(found == _NEWLINE), len(names)
        num_values = num_lines * num_names
        stops = np.flatnonzero((found == _COMMA) | (found == _BRACE))
        if (
            names[:2] != ["step", "time"]
            or stops.size != num_values
            or np.count_nonzero(found == _COLON) != num_values
            or np.count_nonzero(found == _QUOTE) != 2 * num_values
            or not text.endswith(b"}\n")
        ):
            return None
        reach = int(np.diff(stops, prepend=0).max()) + len(first)
        padded = np.frombuffer(text + bytes(reach + 2), np.uint8)
        stops = stops.reshape(num_lines, num_names)
        begins = [0, *stops[0, :-1].tolist()]
        gaps = [first[begin : first.index(b":", begin) + 1] for begin in begins]
        gaps[0] = b"}\n" + gaps[0]
        lines = cls(names, padded, stops, gaps)
        return lines if all(lines._has_gap(column) for column in range(num_names)) else None

    def _before(self, column: int) -> NDArray[np.intp]:
        """Where the value before each of a column ends; before the first line there might be another."""
        return self.stops[:, column - 1] if column else np.append(-2, self.stops[:-1, -1])

    def _has_gap(self, column: int) -> bool:
        gap, before = self.gaps[column], self._before(column)
        before = before if column else before[1:]
        return _windows(self.text, len(gap))[before].tobytes() == gap * before.size

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.stops)

    def column(self, name: str) -> Floats:
        """The values (count,) of one key."""
        if name not in self.names:
            return np.full(self.count, math.nan)
        listed = self._listed(self.names.index(name))
        try:
            values = np.array(from_json(b"[%b]" % listed), np.float64)
            if values.ndim == 1:
                return values
        except (ValueError, TypeError, OverflowError):
            pass
        return np.array([_value(text) for text in listed.split(b",")], np.float64)

    def _listed(self, column: int) -> bytes:
        """A column as it is written, every value filled up with spaces to one width, with commas between them."""
        starts = self._before(column) + len(self.gaps[column])
        widths = (self.stops[:, column] - starts)[:, None]
        width = int(widths.max()) + 1
        table = _windows(self.text, width)[starts].view(np.uint8).reshape(-1, width)
        np.copyto(table, _SPACE, where=np.arange(width) >= widths)
        table[:, -1] = _COMMA
        return table.tobytes()[:-1]

    def last(self) -> dict[str, float]:
        """The values of the last line."""
        return SingleLines.of(self.text[self._before(0)[-1] + 2 :].tobytes()).last()


def _windows(text: NDArray[np.uint8], width: int) -> NDArray[np.void]:
    """(bytes − width + 1,) all stretches of ``width`` bytes, as a view."""
    return np.ndarray((text.size - width + 1,), f"V{width}", text, strides=(1,))


def _value(text: bytes) -> float:
    try:
        return _float(from_json(text))
    except ValueError:
        return math.nan


def _float(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
