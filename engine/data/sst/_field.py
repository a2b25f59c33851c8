"""A field (time, lat, lon) over many files that is read block by block, already turned, unpacked and averaged."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, cast

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.sst._paths import Location
from engine.data.sst._storage import read
from engine.data.sst._times import Periods
from engine.sphere import LatLonGrid

_BLOCK_BYTES = 32 * 2**20
Block = NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """How one variable lies in its files, and how rows and columns are turned on reading.

    ``lat_axis`` and ``lon_axis`` are positions among the file's dimensions; the others are steps, in C order.
    ``shape`` is (H, W). ``flip`` reverses the rows; column j of the field is column (j + roll) mod W of the file.
    """

    lat_axis: int
    lon_axis: int
    shape: tuple[int, int]
    flip: bool
    roll: int


class Meaning(Protocol):
    """What the raw numbers of a file stand for."""

    def unpack(self, raw: NDArray[Any], shift: float) -> Block:
        """The values of ``raw``, plus ``shift``."""
        ...


@dataclass(frozen=True)
class Part:
    """One file of a field: where, how packed, the sizes of its leading dimensions, and its chunks, if it has any."""

    location: Location
    packing: Meaning
    lead: tuple[int, ...]
    chunks: tuple[int, ...] | None

    @property
    def num_steps(self) -> int:
        """Steps of time in this file."""
        return math.prod(self.lead)


@dataclass(frozen=True, eq=False)
class Field:
    """Something that dask indexes like an array (P, H, W) of float32; each index reads the files, nothing is kept.

    ``shift`` is added to every value (−273.15 turns kelvin into °C); ``land`` (H, W), where given, is NaN throughout.
    ``missing`` is a field over the same steps that is 1 where a value is to be taken for missing. A period of several
    steps is the mean of the valid ones.
    """

    name: str
    parts: tuple[Part, ...]
    layout: Layout
    periods: Periods
    shift: float = 0.0
    land: NDArray[np.bool_] | None = None
    missing: Field | None = None

    dtype = np.dtype(np.float32)
    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W)"""
        return (self.periods.start.size, *self.layout.shape)

    @cached_property
    def chunk(self) -> tuple[int, int, int]:
        """Steps, rows and columns that are read together; one row of one step where the file is not chunked."""
        part, layout = self.parts[0], self.layout
        if part.chunks is None:
            return (1, 1, layout.shape[1])
        lead = [size for axis, size in enumerate(part.chunks) if axis not in (layout.lat_axis, layout.lon_axis)]
        running = lead[_running_axis(part.lead)] if lead else 1
        height, width = layout.shape
        return (
            max(1, min(running, self.periods.steps.size)),
            min(part.chunks[layout.lat_axis], height),
            min(part.chunks[layout.lon_axis], width),
        )

    @cached_property
    def _firsts(self) -> list[int]:
        """The number of the first step of each file."""
        return [0, *np.cumsum([part.num_steps for part in self.parts]).tolist()]

    def __getitem__(self, index: Any) -> Block:
        """A block; ``index`` has a slice or an integer for each of the three axes, as dask gives it."""
        wanted = tuple(_as_range(i, size) for i, size in zip(index, self.shape, strict=True))
        block = self._read(*wanted)
        drop = tuple(0 if isinstance(i, int | np.integer) else slice(None) for i in index)
        return block[drop]

    def _read(self, times: range, rows: range, columns: range) -> Block:
        block = np.empty((len(times), len(rows), len(columns)), np.float32)
        bounds = self.periods.bounds
        if self.periods.most_steps == 1:  # one step a period: neighbours are read together
            for start, stop in _runs(self.periods.steps[list(times)]):
                block[start:stop] = self._steps(self.periods.steps[times[start]], stop - start, rows, columns)
        else:
            for i, period in enumerate(times):
                block[i] = self._mean(self.periods.steps[bounds[period] : bounds[period + 1]], rows, columns)
        if self.land is not None:
            block[:, self.land[rows.start : rows.stop, columns.start : columns.stop]] = np.nan
        return block

    def _mean(self, steps: NDArray[np.int64], rows: range, columns: range) -> Block:
        total = np.zeros((len(rows), len(columns)))
        count = np.zeros(total.shape, np.int64)
        for start, stop in _runs(steps):
            values = self._steps(steps[start], stop - start, rows, columns)
            valid = np.isfinite(values)
            total += np.where(valid, values, 0.0).sum(axis=0, dtype=np.float64)
            count += valid.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return (total / np.where(count == 0, np.nan, count)).astype(np.float32)

    def _steps(self, first: int, count: int, rows: range, columns: range) -> Block:
        """``count`` consecutive steps, across files where need be."""
        found: list[Block] = []
        begin = first
        while count > 0:
            which = bisect_right(self._firsts, first) - 1
            part, inside = self.parts[which], int(first) - self._firsts[which]
            axis = _running_axis(part.lead)
            length = part.lead[axis] if part.lead else 1
            # a run ends where the innermost dimension that has steps ends
            run = min(count, length - inside // math.prod(part.lead[axis + 1 :]) % length)
            found.append(self._from_file(part, inside, run, rows, columns))
            first, count = first + run, count - run
        values = found[0] if len(found) == 1 else np.concatenate(found)
        if self.missing is not None:
            values[self.missing._steps(begin, values.shape[0], rows, columns) > 0.5] = np.nan
        return values

    def _from_file(self, part: Part, inside: int, run: int, rows: range, columns: range) -> Block:
        lead: list[int | slice] = [int(i) for i in np.unravel_index(inside, part.lead)] if part.lead else []
        if lead:
            axis = _running_axis(part.lead)
            begin = lead[axis]
            assert isinstance(begin, int)
            lead[axis] = slice(begin, begin + run)
        height, width = self.layout.shape
        row = slice(height - rows.stop, height - rows.start) if self.layout.flip else slice(rows.start, rows.stop)
        pieces = [
            self._piece(part, lead, row, column)
            for column in _rolled(columns.start, columns.stop, self.layout.roll, width)
        ]
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
        return part.packing.unpack(values[:, ::-1] if self.layout.flip else values, self.shift)

    def _piece(self, part: Part, lead: Sequence[int | slice], row: slice, column: slice) -> NDArray[Any]:
        """(run, rows, columns) raw numbers as they lie in the file, latitude before longitude."""
        layout, index = self.layout, list(lead)
        for axis, selection in sorted(((layout.lat_axis, row), (layout.lon_axis, column))):
            index.insert(axis, selection)
        raw = read(part.location, self.name, tuple(index))
        kept = [axis for axis, selection in enumerate(index) if isinstance(selection, slice)]
        where = [kept.index(layout.lat_axis), kept.index(layout.lon_axis)]
        raw = np.moveaxis(raw, where, (-2, -1))
        return raw.reshape(-1, *raw.shape[-2:])


def as_array(field: Field, grid: LatLonGrid, name: str, key: str) -> xr.DataArray:
    """``field`` as a lazy DataArray (time, lat, lon) in °C.

    ``encoding`` keeps how many steps, rows and columns are read together (``chunksizes``) and how many steps make up
    a day (``steps_averaged``), from which :func:`series_note` judges.
    """
    lazy = cast(Any, dask.array).from_array(
        field,
        chunks=_blocks(field),
        name=f"{name}-{key}",
        asarray=False,
        lock=False,
        meta=np.empty((0, 0, 0), np.float32),
    )
    coords: dict[str, Any] = {"time": field.periods.labels, "lat": grid.lat, "lon": grid.lon}
    if field.periods.hour is not None:
        attrs = {"long_name": "mean hour of day of what a day holds", "units": "hours"}
        coords["hour"] = ("time", field.periods.hour, attrs)
    array = xr.DataArray(lazy, coords, ("time", "lat", "lon"), name, {"units": "degC"})
    array.encoding |= {"chunksizes": field.chunk, "steps_averaged": field.periods.most_steps}
    return array


def _blocks(field: Field) -> tuple[int, int, int]:
    """Dask blocks of whole chunks: a map in one block where that is not too large, else as many chunks as are not."""
    steps, rows, columns = field.chunk
    steps = max(1, steps // field.periods.most_steps)
    _, height, width = field.shape
    if 4 * steps * height * width <= _BLOCK_BYTES:
        return steps, height, width
    wide = min(width, columns * max(1, _BLOCK_BYTES // (4 * steps * rows * columns)))
    high = min(height, rows * max(1, _BLOCK_BYTES // (4 * steps * rows * wide)))
    return steps, high, wide


def _running_axis(lead: tuple[int, ...]) -> int:
    """The innermost leading dimension that has more than one step: along it neighbours in time are neighbours."""
    return max((axis for axis, size in enumerate(lead) if size > 1), default=max(0, len(lead) - 1))


def _as_range(index: Any, size: int) -> range:
    if isinstance(index, slice):
        return range(*index.indices(size))
    return range(int(index), int(index) + 1)


def _runs(steps: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Where consecutive numbers begin and end."""
    cuts = np.flatnonzero(np.diff(steps) != 1) + 1
    edges = [0, *cuts.tolist(), steps.size]
    return list(pairwise(edges)) if steps.size else []


def _rolled(start: int, stop: int, roll: int, width: int) -> list[slice]:
    """The columns [start, stop) of the field as slices of the file."""
    first, last = (start + roll) % width, (stop - 1 + roll) % width + 1
    return [slice(first, last)] if first < last else [slice(first, width), slice(0, last)]
