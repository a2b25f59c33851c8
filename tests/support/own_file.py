"""A file as a person brings one: a region of an agency's sea-surface temperature, days with clouds, packed kelvins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

STEP_DEG = 0.25


def write_region(
    path: Path,
    *,
    first: str = "2019-01-01",
    num_days: int = 731,
    shape: tuple[int, int] = (40, 60),
    corner: tuple[float, float] = (34.0, -20.0),
    cloudy: float = 0.6,
    seed: int = 0,
) -> Path:
    """Write ``num_days`` of a box of sea with a coast, as a GHRSST level-3 product lays it out.

    Latitude descends, longitude runs from 0 to 360, values are kelvins packed to int16, and clouds are fields of the
    size of weather that last for days. ``corner`` is the south-western edge, degrees north and east.
    """
    rng = np.random.default_rng(seed)
    lat = corner[0] + STEP_DEG * (0.5 + np.arange(shape[0]))[::-1]
    lon = (corner[1] + STEP_DEG * (0.5 + np.arange(shape[1]))) % 360.0
    time = np.arange(np.datetime64(first), np.datetime64(first) + num_days)
    day = np.arange(num_days)[:, None, None]
    north, east = np.linspace(1.0, 0.0, shape[0])[:, None], np.linspace(0.0, 1.0, shape[1])
    season = 4.0 * np.sin(2.0 * np.pi * (day - 120) / 365.25)
    wave = 0.8 * np.sin(2.0 * np.pi * (3.0 * east + 2.0 * north - day / 37.0))
    values = 288.0 - 6.0 * north + season + wave + 0.2 * rng.standard_normal((num_days, *shape))
    values[_clouds(rng, num_days, shape) < cloudy] = np.nan
    values[:, (east > 0.85) & (north < 0.4)] = np.nan  # land
    fields = {"sea_surface_temperature": (("time", "lat", "lon"), values, _ATTRIBUTES)}
    coords = {
        "time": time.astype("datetime64[ns]"),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    packing = {
        "chunksizes": (1, *shape),
        "dtype": "int16",
        "scale_factor": 0.01,
        "add_offset": 273.15,
        "_FillValue": np.int16(-32768),
    }
    dataset = xr.Dataset(fields, coords, {"title": "Daily SST of a region", "Conventions": "CF-1.7"})
    dataset.to_netcdf(path, encoding={"sea_surface_temperature": packing | {"zlib": True, "chunksizes": (1, *shape)}})
    return path


_ATTRIBUTES = {"units": "kelvin", "standard_name": "sea_surface_temperature", "long_name": "sea surface temperature"}


def _clouds(rng: np.random.Generator, num_days: int, shape: tuple[int, int]) -> np.ndarray:
    """(day, row, column) ranks in 0 … 1 of a smooth field that changes within days."""
    coarse = rng.standard_normal((num_days // 3 + 2, shape[0] // 8 + 2, shape[1] // 8 + 2))
    smooth = np.repeat(np.repeat(np.repeat(coarse, 3, 0), 8, 1), 8, 2)[:num_days, : shape[0], : shape[1]]
    field = smooth + 0.5 * rng.standard_normal(smooth.shape)
    return field.argsort(axis=None).argsort().reshape(field.shape) / field.size
