"""Latitude and longitude as variables of datasets after the CF conventions."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.sphere.grid import LatLonGrid
from engine.typed import Floats

Variables = dict[str, tuple[Any, Any, dict[str, Any]]]
"""Dimensions, values and attributes by name, as :class:`xarray.Dataset` takes them."""

BOUNDS = "bounds"
"""Name of the dimension of a cell's two edges."""

_CELSIUS = {"units": "degree_Celsius", "units_metadata": "temperature: on_scale"}
_KELVIN = {"units": "kelvin", "units_metadata": "temperature: difference"}
CELSIUS = {"standard_name": "sea_surface_temperature", **_CELSIUS}
"""Attributes of a sea-surface temperature."""


def unit_attributes(unit: str, is_difference: bool = False) -> dict[str, str]:
    """``units`` of values, or of differences of values; of temperatures with what CF 1.11 wants beside it."""
    if unit not in ("degC", "kelvin"):
        return {"units": unit}
    return dict(_KELVIN if is_difference or unit == "kelvin" else _CELSIUS)


DAYS = {"units": "days since 1970-01-01", "dtype": "int32"}
"""How times are written that are starts of days or months."""

_AXES = {"lat": ("latitude", "degrees_north", "Y"), "lon": ("longitude", "degrees_east", "X")}


def cf_points(lat_deg: Floats, lon_deg: Floats) -> Variables:
    """The variables ``lat`` (H,) and ``lon`` (W,) of values at points."""
    values = {"lat": lat_deg, "lon": lon_deg}
    return {
        name: (name, values[name], {"standard_name": standard_name, "units": units, "axis": axis})
        for name, (standard_name, units, axis) in _AXES.items()
    }


def cf_cells(lat_deg: Floats, lon_deg: Floats, lat_edges: Floats, lon_edges: Floats) -> Variables:
    """The same of cells with edges (H+1,) and (W+1,) in degrees: with ``lat_bounds`` (H, 2), ``lon_bounds`` (W, 2)."""
    variables = cf_points(lat_deg, lon_deg)
    for name, edges in {"lat": lat_edges, "lon": lon_edges}.items():
        bounds = f"{name}_bounds"
        variables[name][2]["bounds"] = bounds
        variables[bounds] = ((name, BOUNDS), np.stack((edges[:-1], edges[1:]), axis=1), {})
    return variables


def cf_grid(grid: LatLonGrid) -> Variables:
    """:func:`cf_cells` of a grid."""
    return cf_cells(grid.lat, grid.lon, grid.lat_bounds, grid.lon_bounds)


def name_missing_values(dataset: Any) -> None:
    """Let the fields of floats of an :class:`xarray.Dataset` be written with NaN as ``_FillValue``; coordinates and
    bounds have none, as CF wants it.
    """
    for variable in dataset.variables.values():
        is_field = variable.dtype.kind == "f" and {"lat", "lon"} <= set(variable.dims)
        variable.encoding["_FillValue"] = variable.dtype.type(np.nan) if is_field else None
