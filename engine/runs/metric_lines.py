"""Parsing of lines of metrics: whole columns at once where all lines have the same keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from engine.typed import Floats

_QUOTE, _COMMA, _COLON, _BRACE, _NEWLINE, _SPACE = b'",:}\n '


def read_lines(text: bytes) -> AlikeLines | SingleLines:
    """Parse a block of complete lines. A line that is no JSON object with step and time is skipped."""
    return AlikeLines.of(text) or SingleLines.of(text)


@dataclass(frozen=True, eq=False)
class SingleLines:
    """The reference: each line is parsed by itself."""

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
    """The fast path: N lines of the same K keys, whose values are located by the bytes between them."""

    names: Sequence[str]
    text: NDArray[np.uint8]
    """All bytes, padded so that a window of one length fits after the start of every value."""
    stops: NDArray[np.intp]
    """(N, K) position of the comma or brace after each value."""
    gaps: Sequence[bytes]
    """(K,) the bytes between each value and the previous one, which may be in the previous line."""

    @classmethod
    def of(cls, text: bytes) -> AlikeLines | None:
        """Parse a block; None where this does not apply: all lines must equal the first except for the values."""
        first = text[: text.index(b"\n") + 1]
        try:
            names = list(cast("dict[str, object]", from_json(first)))
        except (ValueError, TypeError):
            return None
        codes = np.frombuffer(text, np.uint8)
        num_lines, num_names = np.count_nonzero(codes == _NEWLINE), len(names)
        num_values = num_lines * num_names
        stops = np.flatnonzero((codes == _COMMA) | (codes == _BRACE))
        if (
            names[:2] != ["step", "time"]
            or stops.size != num_values
            or np.count_nonzero(codes == _COLON) != num_values
            or np.count_nonzero(codes == _QUOTE) != 2 * num_values
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
        """Where the previous value of each value in a column ends; -2 before the first line."""
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
        """The text of a column: values padded with spaces to one width, separated by commas."""
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
    """(bytes − width + 1,) all windows of ``width`` bytes, as a view."""
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
