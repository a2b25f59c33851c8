"""What it costs to read a time series at one place, or one map, in words."""

from __future__ import annotations

import math

import xarray as xr

SLOW_BYTES = 256e6
"""What reads more than this takes seconds, and is worth a sentence."""


def series_note(daily: xr.DataArray) -> str | None:
    """A sentence that says why a time series at one place must be slow, or None where it is quick.

    Judged by how the file is chunked: every chunk that holds the place is read and unpacked whole, so N steps read
    ⌈N / steps⌉ chunks of steps × rows × columns numbers, 4 bytes each once unpacked.
    """
    steps, rows, columns = _chunk(daily)
    size = daily.sizes["time"]
    read = 4.0 * math.ceil(size * _steps_a_day(daily) / steps) * steps * rows * columns
    if read <= SLOW_BYTES:
        return None
    return (
        f"The file is chunked by {_words(daily, steps)} of {rows} × {columns} cells: reading one point over {size:,} "
        f"days reads {read / 1e9:.1f} GB; rechunk it in space, for example to {size:,} × 16 × 16."
    )


def map_note(daily: xr.DataArray) -> str | None:
    """A sentence that says why one map must be slow (the file is chunked in space), or None where it is quick."""
    steps, rows, columns = _chunk(daily)
    height, width = daily.sizes["lat"], daily.sizes["lon"]
    together = max(steps, _steps_a_day(daily))
    read = 4.0 * together * rows * math.ceil(height / rows) * columns * math.ceil(width / columns)
    if read <= SLOW_BYTES:
        return None
    return (
        f"The file is chunked by {_words(daily, steps)} of {rows} × {columns} cells: one map reads "
        f"{read / 1e9:.1f} GB; rechunk it in time, for example to 1 × {height} × {width}."
    )


def _chunk(daily: xr.DataArray) -> tuple[int, int, int]:
    """Steps, rows and columns read together: as they lie in the file, else as dask computes them."""
    native = daily.encoding.get("chunksizes")
    steps, rows, columns = native or (max(axis) for axis in daily.chunks or ((daily.sizes["time"],), (1,), (1,)))
    return steps, rows, columns


def _steps_a_day(daily: xr.DataArray) -> int:
    return int(daily.encoding.get("steps_averaged", 1))


def _words(daily: xr.DataArray, steps: int) -> str:
    unit = "day" if _steps_a_day(daily) == 1 else "step"
    return unit if steps == 1 else f"{steps:,} {unit}s"
