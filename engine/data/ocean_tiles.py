"""Tiles cut from an ocean source: temperature, anomaly, what is missing, and the coast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.data.climate import box_shares
from engine.data.source import SSTSource
from engine.data.tiles import FiniteTiles, Floats, Indices, Pixels
from engine.errors import ChoiceError, DataError

BANDS = ("temperature", "anomaly", "missing", "land")
"""°C, °C, and 0 or 1 twice; the first two are NaN where nothing was observed."""

_MOST_MISSING = 0.95  # a tile with fewer values than this leaves has nothing to read


def ocean_tiles(source: SSTSource, size: int = 16, num_days: int = 120, seed: int = 0) -> FiniteTiles:
    """Windows of ``size`` × ``size`` cells, half a window apart, on ``num_days`` days spread evenly over a source.

    The centre of a window is sea. The anomaly is the difference from the mean of the same calendar month over these
    days. Windows cross the date line where the grid goes round; those that lack nearly all values are left out.

    Raises:
        ChoiceError: a window larger than the grid.
        DataError: a source without days, or with too little in them.
    """
    if not 4 <= size <= min(source.grid.shape):
        raise ChoiceError(
            f"a window of {size} cells does not fit", f"grid {source.grid.shape}", "choose at least 4, or a finer grid"
        )
    if source.daily is None:
        raise DataError("the source has no days, only months", source.name, "choose a source of daily fields")
    chosen = np.unique(np.linspace(0, source.daily.sizes["time"] - 1, num_days).round().astype(np.int64))
    daily = source.daily.isel(time=chosen)
    fields = np.asarray(daily.values, np.float32)
    months, days = (np.asarray(getattr(daily.time.dt, part)) for part in ("month", "dayofyear"))
    anomalies = fields - _monthly_means(fields, months)

    rows, columns = _corners(source, size)
    lat, lon, bounds = _places(source, rows, columns, size)
    window = _cells(rows, columns, size, source.grid.shape[1])
    missing = np.stack([np.isnan(field)[window].mean(axis=(1, 2)) for field in fields])
    day, place = np.nonzero(missing < _MOST_MISSING)
    if day.size == 0:
        raise DataError("no window holds enough values", source.name, "choose larger windows or a fuller source")

    def read(numbers: Indices) -> Pixels:
        row, column = (cells[place[numbers]] for cells in window)
        when = day[numbers, None, None]
        values, differences = fields[when, row, column], anomalies[when, row, column]
        bands = values, differences, np.isnan(values), source.land[row, column]
        # rows from north to south; latitudes of a source ascend
        return np.stack([band[:, ::-1] for band in bands], axis=1).astype(np.float32)

    return FiniteTiles(
        name=f"{source.name}, {size} × {size} cells",
        bands=BANDS,
        size=size,
        lat=lat[place],
        lon=lon[place],
        day=days[day].astype(np.float64),
        climate=box_shares(*bounds)[place],
        edges=np.stack(bounds, axis=1)[place],
        read=read,
        seed=seed,
    )


def _monthly_means(fields: Pixels, months: NDArray[np.int64]) -> Pixels:
    """For each day (D, H, W), the mean of the days of its calendar month; NaN where that has no value."""
    means = np.empty_like(fields)
    for month in np.unique(months):
        here = fields[months == month]
        count = np.isfinite(here).sum(axis=0)
        means[months == month] = np.where(count > 0, np.nansum(here, axis=0) / np.maximum(count, 1), np.nan)
    return means


def _corners(source: SSTSource, size: int) -> tuple[Indices, Indices]:
    """First rows and columns (M,) of the windows whose centre is sea."""
    height, width = source.grid.shape
    step = max(1, size // 2)
    rows, columns = (
        a.ravel()
        for a in np.meshgrid(
            np.arange(0, height - size + 1, step),
            np.arange(0, width if source.grid.is_periodic else width - size + 1, step),
            indexing="ij",
        )
    )
    sea = ~source.land[rows + size // 2, (columns + size // 2) % width]
    return rows[sea], columns[sea]


def _cells(rows: Indices, columns: Indices, size: int, width: int) -> tuple[Indices, Indices]:
    """Rows (M, size, 1) and columns (M, 1, size) of the windows' cells."""
    steps = np.arange(size)
    return (rows[:, None] + steps)[:, :, None], ((columns[:, None] + steps) % width)[:, None, :]


def _places(
    source: SSTSource, rows: Indices, columns: Indices, size: int
) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats, Floats]]:
    """Centre latitude and longitude (M,) of the windows, and their edges: south, north, west, east."""
    grid = source.grid
    south, north = grid.lat_bounds[rows], grid.lat_bounds[rows + size]
    west = grid.lon_bounds[columns]
    east = west + size * grid.lon_step
    lon = (west + east) / 2.0
    return (south + north) / 2.0, lon - 360.0 * np.floor((lon + 180.0) / 360.0), (south, north, west, east)
