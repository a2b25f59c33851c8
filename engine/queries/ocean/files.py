"""Downloads of the Data page."""

from __future__ import annotations

import xarray as xr

from engine.queries.export import csv_file, lat_lon_coords, netcdf_file
from engine.typed import Singles


def map_netcdf(field: xr.DataArray) -> bytes:
    """A map (lat, lon) as a CF NetCDF file."""
    coords = lat_lon_coords(field["lat"].values, field["lon"].values)
    units = {"°C": "degC", "%": "percent"}.get(field.attrs["units"], field.attrs["units"])
    variable = (("lat", "lon"), field.values, {**field.attrs, "units": units})
    return netcdf_file(xr.Dataset({str(field.name): variable}, coords, {"title": str(field.attrs["long_name"])}))


def series_csv(days: tuple[str, ...], columns: dict[str, Singles]) -> bytes:
    """Values (N,) by day as CSV, a column each; empty where there is none."""
    return csv_file({"date": days, **columns}, missing="")
