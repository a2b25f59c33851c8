"""A field (time, lat, lon) over many files, read block by block, oriented, unpacked and averaged."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.sst._paths import Location
from engine.data.sst._storage import read
from engine.data.sst._times import Periods
from engine.sphere import LatLonGrid
from engine.typed import Ints, Mask, Singles, dask_array

_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Layout:
    """The axes of a variable in its files, and the reordering of rows and columns on reading.

    ``lat_axis`` and ``lon_axis`` are positions among the file's dimensions; the others are steps, in C order.
    ``fixed`` are further axes, each with the one index that is read. ``shape`` is (H, W). ``flip`` reverses the rows;
    column j of the field is column (j + roll) mod W of the file.
    """

    lat_axis: int
    lon_axis: int
    shape: tuple[int, int]
    flip: bool
    roll: int
    fixed: tuple[tuple[int, int], ...] = ()

    def is_lead(self, axis: int) -> bool:
        """Whether a dimension of the file counts steps."""
        return axis not in (self.lat_axis, self.lon_axis, *(fixed for fixed, _ in self.fixed))


class Decoder(Protocol):
    """Converts the raw numbers of a file to values."""

    def unpack(self, raw: NDArray[Any]) -> Singles:
        """The values of ``raw``."""
        ...


class Native(NamedTuple):
    """The shape (h, w) of a curvilinear grid or swath, and the function from its values to the grid of a field."""

    shape: tuple[int, int]
    regrid: Callable[[Singles], Singles]


@dataclass(frozen=True)
class FileSegment:
    """One file of a field: location, decoder, sizes of the leading dimensions, chunks if it is chunked, and its native
    grid if it is regridded.
    """

    location: Location
    decoder: Decoder
    lead: tuple[int, ...]
    chunks: tuple[int, ...] | None
    native: Native | None = None

    @property
    def num_steps(self) -> int:
        """Steps of time in this file."""
        return math.prod(self.lead)


@dataclass(frozen=True, eq=False)
class Field:
    """An array-like (P, H, W) of float32 for dask; each index reads the files, nothing is cached.

    Cells of ``land`` (H, W) are NaN. Values that are missing are those of ``fallback``, a field over the same steps;
    ``missing`` is one that is 1 where a value is removed. A period of several steps is the mean of the valid ones.
    """

    name: str
    segments: tuple[FileSegment, ...]
    layout: Layout
    periods: Periods
    land: Mask | None = None
    missing: Field | None = None
    fallback: Field | None = None

    dtype = np.dtype(np.float32)
    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(P, H, W)"""
        return (self.periods.start.size, *self.layout.shape)

    @cached_property
    def chunk(self) -> tuple[int, int, int]:
        """Steps, rows and columns of a chunk; one row of one step where the file is not chunked."""
        segment, layout = self.segments[0], self.layout
        if segment.native is not None:  # each block needs the whole native map
            return (1, *layout.shape)
        if segment.chunks is None:
            return (1, 1, layout.shape[1])
        lead = [size for axis, size in enumerate(segment.chunks) if layout.is_lead(axis)]
        running = lead[_running_axis(segment.lead)] if lead else 1
        height, width = layout.shape
        return (
            max(1, min(running, self.periods.steps.size)),
            min(segment.chunks[layout.lat_axis], height),
            min(segment.chunks[layout.lon_axis], width),
        )

    @cached_property
    def _firsts(self) -> list[int]:
        """Index of the first step of each file."""
        return [0, *np.cumsum([segment.num_steps for segment in self.segments]).tolist()]

    def __getitem__(self, index: Any) -> Singles:
        """A block; ``index`` holds a slice or an integer for each of the three axes."""
        times, *places = (_as_range(i, size) for i, size in zip(index, self.shape, strict=True))
        rows, columns = (range(min(r), max(r) + 1) if r else r for r in places)
        block = self._read(times, rows, columns)
        for axis, (wanted, whole) in enumerate(zip(places, (rows, columns), strict=True), start=1):
            if wanted != whole:
                block = np.take(block, np.array(wanted) - whole.start, axis=axis)
        drop = tuple(0 if isinstance(i, int | np.integer) else slice(None) for i in index)
        return block[drop]

    def _read(self, times: range, rows: range, columns: range) -> Singles:
        block = np.empty((len(times), len(rows), len(columns)), np.float32)
        bounds = self.periods.bounds
        if self.periods.most_steps == 1:  # one step a period: read consecutive steps together
            for start, stop in _runs(self.periods.steps[list(times)]):
                block[start:stop] = self._steps(self.periods.steps[times[start]], stop - start, rows, columns)
        else:
            for i, period in enumerate(times):
                block[i] = self._mean(self.periods.steps[bounds[period] : bounds[period + 1]], rows, columns)
        if self.land is not None:
            block[:, self.land[rows.start : rows.stop, columns.start : columns.stop]] = np.nan
        return block

    def _mean(self, steps: Ints, rows: range, columns: range) -> Singles:
        total = np.zeros((len(rows), len(columns)))
        count = np.zeros(total.shape, np.int64)
        for start, stop in _runs(steps):
            values = self._steps(steps[start], stop - start, rows, columns)
            valid = np.isfinite(values)
            total += np.where(valid, values, 0.0).sum(axis=0, dtype=np.float64)
            count += valid.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return (total / np.where(count == 0, np.nan, count)).astype(np.float32)

    def _steps(self, first: int, count: int, rows: range, columns: range) -> Singles:
        """``count`` consecutive steps, across files, on the grid of the field."""
        if self.segments[0].native is None:
            return self._native_steps(first, count, rows, columns)
        block = np.empty((count, len(rows), len(columns)), np.float32)
        for i, step in enumerate(range(int(first), int(first) + count)):  # one native map in memory at a time
            native = self.segments[bisect_right(self._firsts, step) - 1].native
            assert native is not None
            values = native.regrid(self._native_map(step))
            block[i] = values[rows.start : rows.stop, columns.start : columns.stop]
        return block

    def count_valid(self, index: Any) -> int:
        """Number of valid values in a block; before it is regridded, where it is."""
        if self.segments[0].native is None:
            return int(np.isfinite(self[index]).sum())
        times, bounds = _as_range(index[0], self.shape[0]), self.periods.bounds
        return sum(
            int(np.isfinite(self._native_map(int(step))).sum())
            for period in times
            for step in self.periods.steps[bounds[period] : bounds[period + 1]]
        )

    def _native_map(self, step: int) -> Singles:
        """(h, w) one step on the native grid of its file."""
        native = self.segments[bisect_right(self._firsts, step) - 1].native
        assert native is not None
        height, width = native.shape
        return self._native_steps(step, 1, range(height), range(width))[0]

    def _native_steps(self, first: int, count: int, rows: range, columns: range) -> Singles:
        """``count`` consecutive steps, across files, with their own rows and columns."""
        blocks: list[Singles] = []
        begin = first
        while count > 0:
            segment_index = bisect_right(self._firsts, first) - 1
            segment, inside = self.segments[segment_index], int(first) - self._firsts[segment_index]
            axis = _running_axis(segment.lead)
            length = segment.lead[axis] if segment.lead else 1
            # a run ends with the innermost dimension that has several steps
            run = min(count, length - inside // math.prod(segment.lead[axis + 1 :]) % length)
            blocks.append(self._from_file(segment, inside, run, rows, columns))
            first, count = first + run, count - run
        values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        if self.fallback is not None and (gaps := np.isnan(values)).any():
            values = np.where(gaps, self.fallback._native_steps(begin, values.shape[0], rows, columns), values)
        if self.missing is not None:
            values[self.missing._native_steps(begin, values.shape[0], rows, columns) > 0.5] = np.nan
        return values

    def _from_file(self, segment: FileSegment, inside: int, run: int, rows: range, columns: range) -> Singles:
        lead: list[int | slice] = [int(i) for i in np.unravel_index(inside, segment.lead)] if segment.lead else []
        if lead:
            axis = _running_axis(segment.lead)
            begin = lead[axis]
            assert isinstance(begin, int)
            lead[axis] = slice(begin, begin + run)
        height, width = self.layout.shape
        row = slice(height - rows.stop, height - rows.start) if self.layout.flip else slice(rows.start, rows.stop)
        pieces = [
            self._piece(segment, lead, row, column)
            for column in _rolled(columns.start, columns.stop, self.layout.roll, width)
        ]
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
        return segment.decoder.unpack(values[:, ::-1] if self.layout.flip else values)

    def _piece(self, segment: FileSegment, lead: Sequence[int | slice], row: slice, column: slice) -> NDArray[Any]:
        """(run, rows, columns) raw numbers in the order of the file, latitude before longitude."""
        layout, index = self.layout, list(lead)
        for axis, selection in sorted(((layout.lat_axis, row), (layout.lon_axis, column), *layout.fixed)):
            index.insert(axis, selection)
        raw = read(segment.location, self.name, tuple(index))
        kept = [axis for axis, selection in enumerate(index) if isinstance(selection, slice)]
        where = [kept.index(layout.lat_axis), kept.index(layout.lon_axis)]
        raw = np.moveaxis(raw, where, (-2, -1))
        return raw.reshape(math.prod(raw.shape[:-2]), *raw.shape[-2:])


def as_array(field: Field, grid: LatLonGrid, name: str, key: str, unit: str) -> xr.DataArray:
    """``field`` as a lazy DataArray (time, lat, lon), its values in ``unit``.

    ``encoding`` holds the chunk of steps, rows and columns (``chunksizes``) and the number of steps in a day
    (``steps_averaged``), which :func:`series_note` reads.
    """
    lazy = dask_array().from_array(
        field,
        chunks=_blocks(field),
        name=f"{name}-{key}",
        asarray=False,
        lock=False,
        meta=np.empty((0, 0, 0), np.float32),
    )
    coords: dict[str, Any] = {"time": field.periods.labels, "lat": grid.lat, "lon": grid.lon}
    if field.periods.hour is not None:
        attrs = {"long_name": "mean hour of day of the steps of a day", "units": "hours"}
        coords["hour"] = ("time", field.periods.hour, attrs)
    array = xr.DataArray(lazy, coords, ("time", "lat", "lon"), name, {"units": unit})
    array.encoding |= {"chunksizes": field.chunk, "steps_averaged": field.periods.most_steps}
    return array


def _blocks(field: Field) -> tuple[int, int, int]:
    """Sizes of dask blocks in whole chunks: a map in one block if it fits the limit, else as many chunks as fit."""
    steps, rows, columns = field.chunk
    steps = max(1, steps // field.periods.most_steps)
    _, height, width = field.shape
    if 4 * steps * height * width <= _BLOCK_BYTES:
        return steps, height, width
    wide = min(width, columns * max(1, _BLOCK_BYTES // (4 * steps * rows * columns)))
    high = min(height, rows * max(1, _BLOCK_BYTES // (4 * steps * rows * wide)))
    return steps, high, wide


def _running_axis(lead: tuple[int, ...]) -> int:
    """The innermost leading dimension with more than one step, along which consecutive times are contiguous."""
    return max((axis for axis, size in enumerate(lead) if size > 1), default=max(0, len(lead) - 1))


def _as_range(index: Any, size: int) -> range:
    if isinstance(index, slice):
        return range(*index.indices(size))
    return range(int(index), int(index) + 1)


def _runs(steps: Ints) -> list[tuple[int, int]]:
    """Start and stop of every run of consecutive numbers."""
    cuts = np.flatnonzero(np.diff(steps) != 1) + 1
    edges = [0, *cuts.tolist(), steps.size]
    return list(pairwise(edges)) if steps.size else []


def _rolled(start: int, stop: int, roll: int, width: int) -> list[slice]:
    """The columns [start, stop) of the field as slices of the file."""
    if roll == 0:
        return [slice(start, stop)]
    first, last = (start + roll) % width, (stop - 1 + roll) % width + 1
    return [slice(first, last)] if first < last else [slice(first, width), slice(0, last)]
