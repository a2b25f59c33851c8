"""A sample of a field: a few days, or a few chunks where whole maps are too expensive."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.data.sst._field import Field
from engine.errors import DataError, QualityError
from engine.typed import Mask, Singles

MAX_SAMPLES = 36
"""Days read on opening, to check the unit and find the cells that are ever valid."""

MAX_BYTES = 1.5e9
"""Limit of reading for the sample; files chunked by month give fewer days, files chunked in space no map."""

_MAX_COMPARED = 6  # days: enough for a fraction in per cent


@dataclass(frozen=True)
class Sample:
    """``values`` of one day or chunk with valid cells, in the field's unit; all NaN where there is none.

    ``ever_valid`` (H, W), True = valid on any sampled day, None where no whole map was read; ``description`` of what
    was sampled.
    """

    values: Singles
    ever_valid: Mask | None
    description: str

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


def sampled(field: Field) -> Sample:
    """A sample of up to 36 days spread over the span, within 1.5 GB of reading."""
    affordable = _affordable(field)
    return _days(field, min(field.shape[0], MAX_SAMPLES, affordable)) if affordable else _chunks(field)


def removed_fraction(field: Field) -> tuple[float, str]:
    """Fraction of observations removed by the field's ``missing``, and the days it was measured on."""
    whole, size = replace(field, missing=None), field.shape[0]
    count = min(size, _MAX_COMPARED, _affordable(field))
    blocks = [np.s_[day : day + 1, :, :] for day in _spread(size, count)] or _chunk_slices(field)[:_MAX_COMPARED]
    observed = sum(int(np.isfinite(whole[block]).sum()) for block in blocks)
    kept = sum(int(np.isfinite(field[block]).sum()) for block in blocks)
    where = "" if count == size else f" (on {count} of {size:,} days)" if count else f" (at {len(blocks)} places)"
    return (1.0 - kept / observed if observed else 0.0), where


def _affordable(field: Field) -> int:
    """Number of maps within the limit of reading."""
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
    """Chunks spread over the map, until one has valid values."""
    values = np.full((1, 1), np.nan, np.float32)
    chosen = _chunk_slices(field)
    for block in chosen:
        values = field[block]
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
