"""A first look at a field: a few of its days, or of its chunks where whole maps would cost too much."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.data.sst._field import Field
from engine.errors import DataError, QualityError

MAX_SAMPLES = 36
"""Days read on opening: they tell the unit, and which cells are ever valid."""

MAX_BYTES = 1.5e9
"""What the first look may read; a file chunked by month gives fewer days, one chunked in space no map at all."""

_MAX_COMPARED = 6  # days: enough for a share in per cent


@dataclass(frozen=True)
class Sample:
    """``values`` of one day or chunk that holds some, in the field's unit; all NaN where none was found.

    ``ever`` (H, W) is where any sampled day is valid, None where no whole map was read; ``looked`` says at what.
    """

    values: NDArray[np.float32]
    ever: NDArray[np.bool_] | None
    looked: str

    @property
    def num_seen(self) -> int:
        """Cells known to be valid at some time."""
        return 0 if self.ever is None else int(self.ever.sum())

    def refuse_nothing(self, where: str, told: str | None = None) -> None:
        """Raise :class:`DataError` where all that was looked at is missing.

        ``told`` is what was left out of it for its quality: then a :class:`QualityError`.
        """
        if np.isfinite(self.values).any():
            return
        what, remedy = f"every cell is missing in {self.looked}", "check the file, its fill values and its valid range"
        if told is None:
            raise DataError(what, where, remedy)
        raise QualityError(f"{what}; {told}", where, f"choose all observations (quality 'all'), or {remedy}")


def sampled(field: Field) -> Sample:
    """A look at up to 36 days spread over the span, all where there are no more, within 1.5 GB of reading."""
    affordable = _affordable(field)
    return _days(field, min(field.shape[0], MAX_SAMPLES, affordable)) if affordable else _chunks(field)


def left_out(field: Field) -> tuple[float, str]:
    """The share of its observations that the field's ``missing`` takes away, and on which days that was found."""
    whole, size = replace(field, missing=None), field.shape[0]
    count = min(size, _MAX_COMPARED, _affordable(field))
    looks = [np.s_[day : day + 1, :, :] for day in _spread(size, count)] or _chunk_slices(field)[:_MAX_COMPARED]
    observed = sum(int(np.isfinite(whole[look]).sum()) for look in looks)
    kept = sum(int(np.isfinite(field[look]).sum()) for look in looks)
    where = "" if count == size else f" (on {count} of {size:,} days)" if count else f" (at {len(looks)} places)"
    return (1.0 - kept / observed if observed else 0.0), where


def _affordable(field: Field) -> int:
    """How many maps may be read."""
    steps, rows, columns = field.chunk
    _, height, width = field.shape
    together = max(steps, field.periods.most_steps)
    map_bytes = 4.0 * together * rows * math.ceil(height / rows) * columns * math.ceil(width / columns)
    return int(MAX_BYTES // map_bytes)


def _days(field: Field, count: int) -> Sample:
    size = field.shape[0]
    ever = np.zeros(field.shape[1:], np.bool_)
    kept = np.full((1, 1), np.nan, np.float32)
    for index in _spread(size, count):
        values = field[index, :, :]
        valid = np.isfinite(values)
        if valid.any() and not ever.any():
            kept = values
        ever |= valid
    unit = "month" if field.periods.hour is None else "day"
    if count == size:
        return Sample(kept, ever, f"the one {unit}" if size == 1 else f"all {size} {unit}s")
    return Sample(kept, ever, f"{count} of {size:,} {unit}s")


def _chunks(field: Field) -> Sample:
    """Chunks spread over the map, until one holds values."""
    values = np.full((1, 1), np.nan, np.float32)
    chosen = _chunk_slices(field)
    for look in chosen:
        values = field[look]
        if np.isfinite(values).any():
            break
    return Sample(values, None, f"{len(chosen)} places (the file is chunked in space: maps are slow to read)")


def _chunk_slices(field: Field) -> list[tuple[slice, slice, slice]]:
    """Chunks of the first steps, spread over the map."""
    steps, rows, columns = field.chunk
    size, height, width = field.shape
    down, across = math.ceil(height / rows), math.ceil(width / columns)
    corners = (divmod(index, across) for index in _spread(down * across, min(down * across, MAX_SAMPLES)))
    return [
        np.s_[: min(size, steps), rows * row : rows * (row + 1), columns * column : columns * (column + 1)]
        for row, column in corners
    ]


def _spread(size: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, size - 1, count).round().astype(int)).tolist()
