"""A sample of a field: a few days, or a few chunks where whole maps are too expensive."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.data.sst._field import Field
from engine.data.sst._packing import ZERO
from engine.errors import DataError, QualityError
from engine.typed import Mask, Singles

MAX_SAMPLES = 36
"""Days read on opening, to check the unit and find the cells that are ever valid."""

MAX_BYTES = 1.5e9
"""Limit of reading for the sample; files chunked by month give fewer days, files chunked in space no map."""

_MAX_COMPARED = 6  # days: enough for a fraction in per cent


NEAR_ZERO = 5.0
"""Of values above zero up to this, the most frequent one is counted beside the exact zeros."""

_SHOWN_CODES = 3
_MAX_CODES = 8


@dataclass(frozen=True)
class Sample:
    """``values`` of one day or chunk with valid cells, in the field's unit; all NaN where there is none.

    ``ever_valid`` (H, W), True = valid and within the limits on any sampled day, None where no whole map was read;
    ``ever_nonzero`` the same but for exact zeros; ``description`` of what was sampled. Of the ``total`` valid values,
    ``outside`` lie outside the limits, of which ``codes`` are the most frequent; ``zeros`` are exactly zero, and
    ``near_zero`` have the most frequent value just above it. ``implausible`` are the days whose values all lie
    outside, and are more than codes.
    """

    values: Singles
    ever_valid: Mask | None
    description: str
    ever_nonzero: Mask | None = None
    total: int = 0
    outside: int = 0
    codes: tuple[float, ...] = ()
    zeros: int = 0
    near_zero: int = 0
    implausible: tuple[int, ...] = ()

    def without_zeros(self) -> Sample:
        """The same where exact zeros are missing."""
        return replace(self, ever_valid=self.ever_nonzero, values=np.where(self.values == 0.0, np.nan, self.values))

    @property
    def num_valid_cells(self) -> int:
        """Number of cells that are valid on any sampled day."""
        return 0 if self.ever_valid is None else int(self.ever_valid.sum())

    def check_not_empty(self, where: str, quality_note: str | None = None) -> None:
        """Raise :class:`DataError` where the whole sample is missing.

        With a note on observations removed for their quality it is a :class:`QualityError`.
        """
        if np.isfinite(self.values).any():
            return
        message, remedy = (
            f"every cell is missing in {self.description}",
            "check the file, its fill values and its valid range",
        )
        if quality_note is None:
            raise DataError(message, where, remedy)
        raise QualityError(f"{message}; {quality_note}", where, f"choose all observations (quality 'all'), or {remedy}")


def sampled(field: Field, limits: tuple[float, float] = (-np.inf, np.inf)) -> Sample:
    """A sample of up to 36 days spread over the span, within 1.5 GB of reading, compared with plausible ``limits``."""
    affordable = _affordable(field)
    if affordable:
        count = min(field.shape[0], MAX_SAMPLES, affordable)
        blocks = ((day, field[day, :, :]) for day in _spread(field.shape[0], count))
        return _counted(blocks, field.shape[1:], limits, _days_text(field, count))
    chunks = ((None, field[block]) for block in _chunk_slices(field))
    return _counted(chunks, None, limits, _places_text(field))


def first_values(field: Field) -> tuple[Singles, str]:
    """The valid values of the first sampled day or chunk that has any, and what was looked at."""
    count = min(field.shape[0], MAX_SAMPLES, _affordable(field))
    blocks = [np.s_[day : day + 1, :, :] for day in _spread(field.shape[0], count)] or _chunk_slices(field)
    for block in blocks:
        values = field[block]
        if (valid := np.isfinite(values)).any():
            return values[valid], ""
    return np.empty(0, np.float32), _days_text(field, count) if count else _places_text(field)


def removed_fraction(field: Field) -> tuple[float, str]:
    """Fraction of observations removed by the field's ``missing``, and the days it was measured on."""
    whole, size = replace(field, missing=None), field.shape[0]
    count = min(size, _MAX_COMPARED, _affordable(field))
    blocks = [np.s_[day : day + 1, :, :] for day in _spread(size, count)] or _chunk_slices(field)[:_MAX_COMPARED]
    observed = sum(whole.count_valid(block) for block in blocks)
    kept = sum(field.count_valid(block) for block in blocks)
    where = "" if count == size else f" (on {count} of {size:,} days)" if count else f" (at {len(blocks)} places)"
    return (1.0 - kept / observed if observed else 0.0), where


def _affordable(field: Field) -> int:
    """Number of maps within the limit of reading."""
    steps, rows, columns = field.chunk
    _, height, width = field.shape
    together = max(steps, field.periods.most_steps)
    map_bytes = 4.0 * together * rows * math.ceil(height / rows) * columns * math.ceil(width / columns)
    return int(MAX_BYTES // map_bytes)


def _counted(
    blocks: Iterable[tuple[int | None, Singles]],
    shape: tuple[int, ...] | None,
    limits: tuple[float, float],
    description: str,
) -> Sample:
    """The sample of ``blocks``, each with its day; ``shape`` is that of a map, None where the blocks are none."""
    ever, nonzero = (None if shape is None else np.zeros(shape, np.bool_) for _ in range(2))
    kept = np.full((1, 1), np.nan, np.float32)
    total = outside = zeros = near = 0
    codes: Counter[float] = Counter()
    implausible: list[int] = []
    for day, values in blocks:
        valid = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            inside = (values >= limits[0]) & (values <= limits[1])
            zero = inside & (np.abs(values) < ZERO)
            above = values[inside & (values >= ZERO) & (values <= NEAR_ZERO)]
        near += int(np.unique(above, return_counts=True)[1].max(initial=0))
        beyond = values[valid & ~inside]
        total, outside, zeros = total + int(valid.sum()), outside + beyond.size, zeros + int(zero.sum())
        if beyond.size:
            numbers, repeats = np.unique(beyond, return_counts=True)
            codes.update({float(number): int(n) for number, n in zip(numbers, repeats, strict=True) if n > 1})
            if day is not None and numbers.size > _MAX_CODES and inside.sum() < beyond.size / 10:
                implausible.append(day)
        if inside.any() and not np.isfinite(kept).any():
            kept = np.where(inside, values, np.nan)
        if ever is not None and nonzero is not None:
            ever |= inside
            nonzero |= inside & ~zero
    shown = tuple(code for code, _ in codes.most_common(_SHOWN_CODES))
    return Sample(kept, ever, description, nonzero, total, outside, shown, zeros, near, tuple(implausible))


def _days_text(field: Field, count: int) -> str:
    size, unit = field.shape[0], "month" if field.periods.hour is None else "day"
    if count == size:
        return f"the one {unit}" if size == 1 else f"all {size} {unit}s"
    return f"{count} of {size:,} {unit}s"


def _places_text(field: Field) -> str:
    return f"{len(_chunk_slices(field))} places (the file is chunked in space: maps are slow to read)"


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
