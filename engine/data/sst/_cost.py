"""Notes on the cost of reading a time series at one point, or one map."""

from __future__ import annotations

import math

import xarray as xr

SLOW_BYTES = 256e6
"""Reads larger than this take seconds and get a note."""


def series_note(daily: xr.DataArray) -> str | None:
    """A note if a time series at one point is slow to read, else None.

    Computed from the chunks of the file: every chunk with the point is read and unpacked whole, so N steps read
    ⌈N / steps⌉ chunks of steps × rows × columns numbers, 4 bytes each once unpacked.
    """
    steps, rows, columns = _chunk(daily)
    size = daily.sizes["time"]
    read = 4.0 * math.ceil(size * _steps_a_day(daily) / steps) * steps * rows * columns
    if read <= SLOW_BYTES:
        return None
    return (
        f"The file is chunked by {_steps_text(daily, steps)} of {rows} × {columns} cells: reading one point over "
        f"{size:,} days reads {read / 1e9:.1f} GB; rechunk it in space, for example to {size:,} × 16 × 16."
    )


def map_note(daily: xr.DataArray) -> str | None:
    """A note if one map is slow to read (the file is chunked in space), else None."""
    steps, rows, columns = _chunk(daily)
    height, width = daily.sizes["lat"], daily.sizes["lon"]
    together = max(steps, _steps_a_day(daily))
    read = 4.0 * together * rows * math.ceil(height / rows) * columns * math.ceil(width / columns)
    if read <= SLOW_BYTES:
        return None
    return (
        f"The file is chunked by {_steps_text(daily, steps)} of {rows} × {columns} cells: one map reads "
        f"{read / 1e9:.1f} GB; rechunk it in time, for example to 1 × {height} × {width}."
    )


def _chunk(daily: xr.DataArray) -> tuple[int, int, int]:
    """Steps, rows and columns of a chunk: of the file, else of dask."""
    native = daily.encoding.get("chunksizes")
    steps, rows, columns = native or (max(axis) for axis in daily.chunks or ((daily.sizes["time"],), (1,), (1,)))
    return steps, rows, columns


def _steps_a_day(daily: xr.DataArray) -> int:
    return int(daily.encoding.get("steps_averaged", 1))


def _steps_text(daily: xr.DataArray, steps: int) -> str:
    unit = "day" if _steps_a_day(daily) == 1 else "step"
    return unit if steps == 1 else f"{steps:,} {unit}s"
