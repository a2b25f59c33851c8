"""Small files as people have them: one field with times, coordinates and attributes that a test chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np

from tests.support.producers import truth_c

LAT, LON = np.arange(-82.5, 90.0, 15.0), np.arange(-172.5, 180.0, 15.0)


def sea(days: int = 4, lat: np.ndarray = LAT, lon: np.ndarray = LON) -> np.ndarray:
    """(day, lat, lon) °C without land, multiples of 0.01."""
    return np.stack([truth_c(lat, lon, day) for day in range(days)])


def write(
    path: Path, values: Any, times: Sequence[float] | np.ndarray, units: str = "degC", *,
    attrs: Mapping[str, Any] | None = None, time_attrs: Mapping[str, Any] | None = None,
    bounds: Any = None, bounds_attrs: Mapping[str, Any] | None = None, name: str = "sst", dtype: str = "f4",
    time_dtype: str = "f8", lat: np.ndarray = LAT, lon: np.ndarray = LON, coord: str = "f8",
    coord_attrs: Mapping[str, Any] | None = None, global_attrs: Mapping[str, Any] | None = None,
    form: Literal["NETCDF4", "NETCDF3_CLASSIC"] = "NETCDF4",
) -> Path:  # fmt: skip
    """A file (time, lat, lon) of raw ``values``; a ``_FillValue`` in ``attrs`` is written as such."""
    extra = dict(attrs or {})
    with netCDF4.Dataset(path, "w", format=form) as file:
        for dim, size in (("time", None), ("lat", len(lat)), ("lon", len(lon)), ("bnds", 2)):
            file.createDimension(dim, size)
        stamps = file.createVariable("time", time_dtype, ("time",))
        stamps.setncatts({"units": "days since 2020-01-01", **(time_attrs or {})})
        stamps.set_auto_maskandscale(False)
        stamps[:] = np.asarray(times)
        for dim, axis, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            variable = file.createVariable(dim, coord, (dim,))
            variable.set_auto_maskandscale(False)
            variable.setncatts({"units": unit, **(coord_attrs or {})})
            variable[:] = axis
        field = file.createVariable(name, dtype, ("time", "lat", "lon"), fill_value=extra.pop("_FillValue", None))
        field.set_auto_maskandscale(False)
        field.setncatts({"units": units, "standard_name": "sea_surface_temperature", **extra})
        if len(times):
            field[:] = values
        if bounds is not None:
            stamps.bounds = "time_bnds"
            edges = file.createVariable("time_bnds", "f8", ("time", "bnds"))
            edges.set_auto_maskandscale(False)
            edges.setncatts(bounds_attrs or {})
            edges[:] = bounds
        file.setncatts(global_attrs or {})
    return path


def add(path: Path, name: str, dims: tuple[str, ...], values: Any, dtype: str, **attrs: Any) -> Path:
    """A further variable in a file."""
    with netCDF4.Dataset(path, "a") as file:
        variable = file.createVariable(name, dtype, dims)
        variable.setncatts(attrs)
        variable[:] = values
    return path
