"""A small ocean in memory whose truth is known: made in a moment, so that training can be tested on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from engine.data.source import SSTSource
from engine.sphere import LatLonGrid

GRID = LatLonGrid.regular(10.0)
LAND = np.zeros(GRID.shape, bool)
LAND[2:7, 5:12] = True
LAND[0] = True


def small_ocean(
    years: int = 4,
    *,
    seed: int = 0,
    cloudy: float = 0.7,
    monthly: bool = True,
    ice: bool = True,
    grid: LatLonGrid = GRID,
    land: np.ndarray | None = None,
    chunk_days: int = 32,
) -> SSTSource:
    """Truth = latitude + season + a slow wave; observed with noise, a warm bias and gaps; 2001-01-01 on."""
    rng = np.random.default_rng(seed)
    land = LAND if land is None else land
    days = np.arange(np.datetime64("2001-01-01"), np.datetime64(f"{2001 + years}-01-01"))
    t = np.arange(len(days))[:, None, None]
    lat, lon = np.deg2rad(grid.lat)[:, None], np.deg2rad(grid.lon)
    truth = 28.0 * np.cos(lat) ** 2 + 3.0 * np.sin(lat) * np.sin(2 * np.pi * t / 365.25 - 2.0)
    truth = truth + 0.8 * np.cos(lat) * np.sin(2 * lon - 2 * np.pi * t / 47.0 + seed)
    truth = np.where(land, np.nan, truth).astype(np.float32)
    seen = truth + 0.3 + 0.25 * rng.standard_normal(truth.shape)
    seen = np.where(rng.random(truth.shape) < cloudy, np.nan, seen).astype(np.float32)
    coords = {"time": days.astype("datetime64[ns]"), "lat": grid.lat, "lon": grid.lon}
    dims = ("time", "lat", "lon")
    daily = xr.DataArray(seen, coords, dims, "sst").chunk({"time": chunk_days})
    months = days.astype("datetime64[M]")
    starts = np.unique(months)
    means = np.stack([truth[months == month].mean(axis=0) for month in starts])
    known = xr.DataArray(means, {**coords, "time": starts.astype("datetime64[ns]")}, dims, "sst").chunk(
        {"time": chunk_days}
    )
    frozen = np.zeros(truth.shape, bool)
    frozen[:, -1] = (days.astype("datetime64[M]").astype(int) % 12 < 3)[:, None]
    return SSTSource(
        name="A small ocean",
        key=f"small-{years}-{seed}-{cloudy}-{monthly}-{grid.key}",
        grid=grid,
        land=land,
        notes=(),
        daily=daily,
        monthly=known if monthly else None,
        ice=xr.DataArray(frozen, coords, dims, "ice").chunk({"time": chunk_days}) if ice else None,
    )


def write_days(path: Path) -> None:
    """Four years of a small ocean as a file of days, without the truth."""
    daily = small_ocean(4, monthly=False).daily
    daily = daily.assign_attrs(units="degree_Celsius", standard_name="sea_surface_temperature")
    daily["lat"].attrs["units"], daily["lon"].attrs["units"] = "degrees_north", "degrees_east"
    daily.to_netcdf(path)
