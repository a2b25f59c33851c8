"""Days of a source as arrays: one at a time, by months from the cache, or in chunks when there are many."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import partial
from typing import cast

import numpy as np
import xarray as xr

from engine.data.source import SSTSource
from engine.errors import ChoiceError, DataError
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.typed import Singles

KEPT_BYTES = 64 * 2**20
"""A month of at most this size is cached whole; a larger one is read in chunks that are not kept."""

_CHUNK_BYTES = 32 * 2**20
_CHUNK_DAYS = 8


def span_of(days: tuple[str, ...], index: int, span: str) -> slice:
    """The days of the month or year that the day ``index`` belongs to, or all of them."""
    if span == "all":
        return slice(0, len(days))
    prefix = days[index].rsplit("-", 1 if span == "month" else 2)[0]
    return slice(bisect_left(days, prefix), bisect_right(days, f"{prefix}~"))


def variable(ocean: SSTSource, name: str) -> xr.DataArray:
    """One of the fields of the source; ``daily`` of a source without days is its months."""
    field = time_steps(ocean) if name == "daily" else cast(xr.DataArray | None, getattr(ocean, name))
    if field is None:
        raise ChoiceError(f"the source has no {name}", ocean.name, "choose one of its fields, or the demo ocean")
    return field


def time_steps(ocean: SSTSource) -> xr.DataArray:
    """The days of a source, or its months where it has no days."""
    steps = ocean.daily if ocean.daily is not None else ocean.monthly
    if steps is None:
        raise DataError("the source has neither days nor months", ocean.name, "choose another")
    return steps


def dates(ocean: SSTSource) -> tuple[str, ...]:
    """ISO dates of the time axis, in any calendar."""

    def compute() -> tuple[str, ...]:
        times = time_steps(ocean)["time"].values
        if np.issubdtype(times.dtype, np.datetime64):
            return tuple(np.datetime_as_string(times, "D").tolist())
        return tuple(f"{time.year:04d}-{time.month:02d}-{time.day:02d}" for time in times)

    return CACHE.get(("ocean dates", ocean.key), compute, lambda dates: 64 * len(dates))


def day(ocean: SSTSource, name: str, index: int) -> Singles:
    """One day (H, W), from its month where that is in the cache."""
    month = span_of(dates(ocean), index, "month")
    if _block_key(ocean, name, month) in CACHE:
        return block(ocean, name, month, no_progress)[index - month.start]
    key = ("ocean day", ocean.key, name, index)
    return CACHE.get(key, partial(read_day, ocean, name, index), lambda field: field.nbytes)


def read_day(ocean: SSTSource, name: str, index: int) -> Singles:
    """One day (H, W), read from the source."""
    return np.asarray(variable(ocean, name)[index].values, np.float32)


def block(ocean: SSTSource, name: str, month: slice, progress: Progress) -> Singles:
    """The days of one month (N, H, W), cached unless they exceed the budget of the cache."""

    def read() -> Singles:
        return np.concatenate(list(_read_chunks(variable(ocean, name), month, progress)))

    return CACHE.get(_block_key(ocean, name, month), read, lambda days: days.nbytes)


def _block_key(ocean: SSTSource, name: str, month: slice) -> tuple[str, str, str, int, int]:
    return "ocean block", ocean.key, name, month.start, month.stop


def chunks(ocean: SSTSource, name: str, span: slice, progress: Progress) -> Iterator[Singles]:
    """The days of a span in order, (n, H, W) at a time: months from the cache, or chunks that are not kept."""
    if 4 * 31 * ocean.land.size > KEPT_BYTES:
        yield from _read_chunks(variable(ocean, name), span, progress)
        return
    days, start, total = dates(ocean), span.start, span.stop - span.start
    while start < span.stop:
        month = span_of(days, start, "month")
        stop = min(month.stop, span.stop)
        step = sub_progress(progress, (start - span.start) / total, (stop - span.start) / total)
        yield block(ocean, name, month, step)[start - month.start : stop - month.start]
        start = stop


def _read_chunks(array: xr.DataArray, span: slice, progress: Progress) -> Iterator[Singles]:
    """Whole chunks of the file where they fit, but few days at a time, so that the work can be cancelled."""
    steps = _chunk_shape(array)[0]
    max_days = max(1, _CHUNK_BYTES // (4 * array.shape[1] * array.shape[2]))
    size = min(max_days, max(steps, _CHUNK_DAYS // steps * steps))
    start, total = span.start, span.stop - span.start
    while start < span.stop:
        progress((start - span.start) / total, f"Reading day {start - span.start + 1} of {total}")
        stop = min((start // size + 1) * size, span.stop)
        yield np.asarray(array[start:stop].values, np.float32)
        start = stop


def _chunk_shape(array: xr.DataArray) -> tuple[int, int, int]:
    """Days, rows and columns that are read together: the chunks of the file, else those of dask."""
    lazy = tuple(max(axis) for axis in array.chunks) if array.chunks else array.shape
    steps, rows, columns = cast(tuple[int, int, int], array.encoding.get("chunksizes") or lazy)
    return max(1, steps // int(array.encoding.get("steps_averaged", 1))), rows, columns


def touched_bytes(array: xr.DataArray, span: slice, at_point: bool = False) -> int:
    """Bytes (as float32) of the chunks that contain a span of days, or one point of it."""
    steps, rows, columns = _chunk_shape(array)
    num_days = ((span.stop - 1) // steps - span.start // steps + 1) * steps
    return 4 * num_days * (rows * columns if at_point else array.shape[1] * array.shape[2])
