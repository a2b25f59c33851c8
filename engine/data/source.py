"""What every source of sea-surface temperature looks like, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.sphere import LatLonGrid


@dataclass(frozen=True, eq=False)
class SSTSource:
    """Sea-surface temperature on one grid; nothing is read or computed before it is asked for.

    All fields are lazy :class:`xarray.DataArray` (time, lat, lon), float32, °C, NaN = missing, latitude ascending,
    longitude ascending within −180..180, ``time`` the start of the day or month (cftime where the calendar asks for
    it). Land is missing everywhere.

    Attributes:
        name: what people call it; plain text.
        key: hash of what it holds: another content, another key.
        grid: the cells.
        land: (lat, lon) bool, True = land.
        notes: what was understood and repaired, one sentence each.
        daily: what was observed, day by day; None for a source of months only.
        monthly: the mean of each month as the source knows it (for the demo ocean the true one), or None.
        truth: what daily observations are of, without gaps, where that is known (the demo ocean), else None.
        ice: (time, lat, lon) bool on the days of ``daily``, True = covered by ice, where that is known, else None.
        grading: which observations count, in words, where the files grade them, so that there is a choice; else empty.
    """

    name: str
    key: str
    grid: LatLonGrid
    land: NDArray[np.bool_]
    notes: tuple[str, ...]
    daily: xr.DataArray | None
    monthly: xr.DataArray | None = None
    truth: xr.DataArray | None = None
    ice: xr.DataArray | None = None
    grading: str = ""
