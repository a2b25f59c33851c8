"""Days of an ocean as arrays: one at a time, by months that are kept, or piece by piece when there are many."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import partial
from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.source import SSTSource
from engine.errors import ChoiceError, DataError
from engine.queries.cache import CACHE, Progress

Singles = NDArray[np.float32]

KEPT_BYTES = 64 * 2**20
"""A month is kept whole when it takes less than this; otherwise it is read a piece at a time and let go."""

_PIECE_BYTES = 32 * 2**20
_PIECE_DAYS = 8


def span_of(days: tuple[str, ...], index: int, span: str) -> slice:
    """The days of the month or year that the day ``index`` belongs to, or all of them."""
    if span == "all":
        return slice(0, len(days))
    prefix = days[index].rsplit("-", 1 if span == "month" else 2)[0]
    return slice(bisect_left(days, prefix), bisect_right(days, f"{prefix}~"))


def variable(ocean: SSTSource, name: str) -> xr.DataArray:
    """One of the source's fields; of a source of months only, the months take the days' place."""
    found = time_steps(ocean) if name == "daily" else cast(xr.DataArray | None, getattr(ocean, name))
    if found is None:
        raise ChoiceError(f"the source knows no {name}", ocean.name, "choose what it has, or the demo ocean")
    return found


def time_steps(ocean: SSTSource) -> xr.DataArray:
    """The days of a source, or its months where it has no days."""
    found = ocean.daily if ocean.daily is not None else ocean.monthly
    if found is None:
        raise DataError("the source has neither days nor months", ocean.name, "choose another")
    return found


def dates(ocean: SSTSource) -> tuple[str, ...]:
    """ISO dates of the time axis, whatever its calendar."""

    def write() -> tuple[str, ...]:
        times = time_steps(ocean)["time"].values
        if np.issubdtype(times.dtype, np.datetime64):
            return tuple(np.datetime_as_string(times, "D").tolist())
        return tuple(f"{one.year:04d}-{one.month:02d}-{one.day:02d}" for one in times)

    return CACHE.get(("ocean dates", ocean.key), write, lambda made: 64 * len(made))


def day(ocean: SSTSource, name: str, index: int) -> Singles:
    """One day (H, W): out of its month where that is at hand."""
    month = span_of(dates(ocean), index, "month")
    if _block_key(ocean, name, month) in CACHE:
        return block(ocean, name, month, no_progress)[index - month.start]
    key = ("ocean day", ocean.key, name, index)
    return CACHE.get(key, partial(read_day, ocean, name, index), lambda made: made.nbytes)


def read_day(ocean: SSTSource, name: str, index: int) -> Singles:
    """One day (H, W), read anew."""
    return np.asarray(variable(ocean, name)[index].values, np.float32)


def block(ocean: SSTSource, name: str, month: slice, progress: Progress) -> Singles:
    """The days of one month, (N, H, W), kept when they are not too large."""

    def read() -> Singles:
        return np.concatenate(list(_read_pieces(variable(ocean, name), month, progress)))

    return CACHE.get(_block_key(ocean, name, month), read, lambda made: made.nbytes)


def _block_key(ocean: SSTSource, name: str, month: slice) -> tuple[str, str, str, int, int]:
    return "ocean block", ocean.key, name, month.start, month.stop


def pieces(ocean: SSTSource, name: str, span: slice, progress: Progress) -> Iterator[Singles]:
    """The days of a span in order, (n, H, W) at a time: months from the cache, or what fits, read and let go."""
    if 4 * 31 * ocean.land.size > KEPT_BYTES:
        yield from _read_pieces(variable(ocean, name), span, progress)
        return
    days, start, total = dates(ocean), span.start, span.stop - span.start
    while start < span.stop:
        month = span_of(days, start, "month")
        stop = min(month.stop, span.stop)
        done = between(progress, (start - span.start) / total, (stop - span.start) / total)
        yield block(ocean, name, month, done)[start - month.start : stop - month.start]
        start = stop


def _read_pieces(array: xr.DataArray, span: slice, progress: Progress) -> Iterator[Singles]:
    """Whole chunks of days where they fit, but short pieces: the person sees how far it is and can stop it."""
    steps = _chunk(array)[0]
    most = max(1, _PIECE_BYTES // (4 * array.shape[1] * array.shape[2]))
    size = min(most, max(steps, _PIECE_DAYS // steps * steps))
    start, total = span.start, span.stop - span.start
    while start < span.stop:
        progress((start - span.start) / total, f"Reading day {start - span.start + 1} of {total}")
        stop = min((start // size + 1) * size, span.stop)
        yield np.asarray(array[start:stop].values, np.float32)
        start = stop


def _chunk(array: xr.DataArray) -> tuple[int, int, int]:
    """Days, rows and columns that are read together: as they lie in the file, else as they are computed."""
    lazy = tuple(max(axis) for axis in array.chunks) if array.chunks else array.shape
    steps, rows, columns = cast(tuple[int, int, int], array.encoding.get("chunksizes") or lazy)
    return max(1, steps // int(array.encoding.get("steps_averaged", 1))), rows, columns


def touched_bytes(array: xr.DataArray, span: slice, at_point: bool = False) -> int:
    """Bytes (as float32) of the chunks that a span of days, or one place through it, lies in."""
    steps, rows, columns = _chunk(array)
    num_days = ((span.stop - 1) // steps - span.start // steps + 1) * steps
    return 4 * num_days * (rows * columns if at_point else array.shape[1] * array.shape[2])


def between(progress: Progress, first: float, last: float) -> Progress:
    """What reports a part of the work as the shares from ``first`` to ``last`` of the whole."""
    return lambda share, text: progress(first + (last - first) * share, text)


def no_progress(share: float, text: str) -> None:
    """For callers who do not want to know."""
    del share, text
