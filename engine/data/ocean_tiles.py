"""Tiles from an ocean source: temperature, anomaly, missing mask and land mask."""

from __future__ import annotations

import numpy as np

from engine.data.climate import box_fractions
from engine.data.source import SSTSource
from engine.data.tiles import FiniteTiles, Pixels
from engine.errors import ChoiceError, DataError
from engine.typed import Floats, Ints

BANDS = ("temperature", "anomaly", "missing", "land")
"""°C, °C, and 0 or 1 twice; the first two are NaN where missing."""

_MOST_MISSING = 0.95  # tiles with a larger missing fraction are left out


def ocean_tiles(source: SSTSource, size: int = 16, num_days: int = 120, seed: int = 0) -> FiniteTiles:
    """Windows of ``size`` × ``size`` cells, half a window apart, on ``num_days`` evenly spaced days.

    The centre of a window is sea. The anomaly is the difference from the mean of the same calendar month over these
    days. On periodic grids windows cross the date line; windows with nearly all values missing are left out.

    Raises:
        ChoiceError: a window larger than the grid.
        DataError: a source without days, or with too few values.
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
    months, days = (np.asarray(getattr(daily.time.dt, field)) for field in ("month", "dayofyear"))
    anomalies = fields - _monthly_means(fields, months)

    rows, columns = _first_cells(source, size)
    lat, lon, bounds = _edges(source, rows, columns, size)
    cells_of = _window_cells(rows, columns, size, source.grid.shape[1])
    missing = np.stack([np.isnan(field)[cells_of].mean(axis=(1, 2)) for field in fields])
    day, window_index = np.nonzero(missing < _MOST_MISSING)
    if day.size == 0:
        raise DataError("no window holds enough values", source.name, "choose larger windows or a fuller source")

    def read(numbers: Ints) -> Pixels:
        row, column = (cells[window_index[numbers]] for cells in cells_of)
        time = day[numbers, None, None]
        values, differences = fields[time, row, column], anomalies[time, row, column]
        bands = values, differences, np.isnan(values), source.land[row, column]
        # rows from north to south; latitudes of a source ascend
        return np.stack([band[:, ::-1] for band in bands], axis=1).astype(np.float32)

    return FiniteTiles(
        name=f"{source.name}, {size} × {size} cells",
        bands=BANDS,
        size=size,
        lat=lat[window_index],
        lon=lon[window_index],
        day=days[day].astype(np.float64),
        climate=box_fractions(*bounds)[window_index],
        edges=np.stack(bounds, axis=1)[window_index],
        read=read,
        seed=seed,
    )


def _monthly_means(fields: Pixels, months: Ints) -> Pixels:
    """For each day (D, H, W) the mean over the days of its calendar month; NaN where there is none."""
    means = np.empty_like(fields)
    for month in np.unique(months):
        here = fields[months == month]
        count = np.isfinite(here).sum(axis=0)
        means[months == month] = np.where(count > 0, np.nansum(here, axis=0) / np.maximum(count, 1), np.nan)
    return means


def _first_cells(source: SSTSource, size: int) -> tuple[Ints, Ints]:
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


def _window_cells(rows: Ints, columns: Ints, size: int, width: int) -> tuple[Ints, Ints]:
    """Rows (M, size, 1) and columns (M, 1, size) of the windows' cells."""
    steps = np.arange(size)
    return (rows[:, None] + steps)[:, :, None], ((columns[:, None] + steps) % width)[:, None, :]


def _edges(
    source: SSTSource, rows: Ints, columns: Ints, size: int
) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats, Floats]]:
    """Centre latitude and longitude (M,) of the windows, and their edges: south, north, west, east."""
    grid = source.grid
    south, north = grid.lat_bounds[rows], grid.lat_bounds[rows + size]
    west = grid.lon_bounds[columns]
    east = west + size * grid.lon_step
    lon = (west + east) / 2.0
    return (south + north) / 2.0, lon - 360.0 * np.floor((lon + 180.0) / 360.0), (south, north, west, east)
