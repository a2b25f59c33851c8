"""Conservative regridding of a source: every new cell is the area-weighted mean of the old cells below it.

xarray's interp samples points and does not conserve area means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.source import SSTSource
from engine.errors import GridError
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles

HALF = 0.5
"""A new cell is sea where at least half of its area is, and has a value where half of its sea has one."""


def resampled(source: SSTSource, grid: LatLonGrid) -> SSTSource:
    """``source`` on ``grid``, lazily, one day at a time.

    With areas a_ij of old cell j below new cell i, T_i = Σ a_ij T_j / Σ a_ij over the j that have a value. Areas are
    exact on the sphere, and rows and columns separate: two small matrix products a day.

    Raises:
        GridError: the two grids have no area in common.
    """
    rows, columns = _row_areas(source.grid, grid), _column_areas(source.grid, grid)
    sea = _spread(rows, columns, ~source.land)
    cells = _spread(rows, columns, np.ones(source.grid.shape))
    if not cells.any():
        raise GridError(f"{grid!r} does not overlap {source.grid!r}", source.name, "choose another model")
    land = sea < HALF * np.maximum(cells, np.finfo(float).tiny)

    def values(days: Singles) -> Singles:
        valid = np.isfinite(days) & ~source.land
        total = _spread(rows, columns, np.where(valid, days, 0.0))
        area = _spread(rows, columns, valid)
        enough = (area >= HALF * sea) & (area > 0.0) & ~land
        return np.where(enough, total / np.where(enough, area, 1.0), np.nan).astype(np.float32)

    def flags(days: Mask) -> Mask:
        return (_spread(rows, columns, days & ~source.land) > HALF * sea) & ~land

    def moved(field: xr.DataArray | None, how: Callable[[Any], Any]) -> xr.DataArray | None:
        return None if field is None else _mapped(field, how, grid)

    return replace(
        source,
        key=hashlib.sha256(f"{source.key}|{grid.key}".encode()).hexdigest()[:32],
        grid=grid,
        land=land,
        notes=(*source.notes, f"resampled from {source.grid!r} by area"),
        daily=moved(source.daily, values),
        monthly=moved(source.monthly, values),
        truth=moved(source.truth, values),
        ice=moved(source.ice, flags),
        resampled_from=source.opened_key,
    )


def _mapped(field: xr.DataArray, how: Callable[[Any], Any], grid: LatLonGrid) -> xr.DataArray:
    days: Any = field.chunk(dict.fromkeys(field.dims[1:], -1)).data  # pyright: ignore[reportUnknownMemberType]
    chunks = (days.chunks[0], *((size,) for size in grid.shape))
    moved = days.map_blocks(how, dtype=field.dtype, chunks=chunks, meta=np.empty((0, 0, 0), field.dtype))
    coords = {"time": field["time"], "lat": grid.lat, "lon": grid.lon}
    return xr.DataArray(moved, coords, ("time", "lat", "lon"), field.name, field.attrs)


def _spread(rows: Floats, columns: Floats, field: NDArray[Any]) -> Floats:
    """rows (h, H) · field (…, H, W) · columnsᵀ (W, w)."""
    return rows @ field.astype(np.float64) @ columns.T


def _row_areas(old: LatLonGrid, new: LatLonGrid) -> Floats:
    """(h, H) height in sin φ that each new row shares with each old one."""
    return _overlaps(*(np.sort(np.sin(np.deg2rad(grid.lat_bounds))) for grid in (new, old)))[
        :: 1 if new.lat[0] < new.lat[-1] else -1, :: 1 if old.lat[0] < old.lat[-1] else -1
    ]


def _column_areas(old: LatLonGrid, new: LatLonGrid) -> Floats:
    """(w, W) degrees that each new column shares with each old one, modulo 360°."""
    turns = 360.0 * np.arange(-2, 3)
    return np.sum([_overlaps(new.lon_bounds, old.lon_bounds + turn) for turn in turns], axis=0)


def _overlaps(new: Floats, old: Floats) -> Floats:
    """Lengths (n, o) that the intervals between ascending edges have in common."""
    upper = np.minimum(new[1:, None], old[None, 1:])
    lower = np.maximum(new[:-1, None], old[None, :-1])
    return np.clip(upper - lower, 0.0, None)
