"""Latitude and longitude in two dimensions, where they are those of a regular grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.sst._packing import unpacked_coordinate
from engine.data.sst._storage import read
from engine.data.sst._time_axis import File
from engine.formats.limits import check_memory
from engine.typed import Floats

_SAME_DEG = 2e-4  # along a row or column of a regular grid; float32 near 360° is right to 3e-5
_NAMES = {"latitude": ("latitude", "lat", "nav_lat"), "longitude": ("longitude", "lon", "nav_lon")}
_UNITS = {"latitude": "degrees_north", "longitude": "degrees_east"}


def with_axes(files: Sequence[File], variable: str) -> tuple[list[File], str | None]:
    """``files`` with one-dimensional coordinates in place of two-dimensional ones that are regular, and a note.

    All values of the first file are compared; of the others a row and a column are read. Unchanged where a grid is
    curvilinear, or has axes already.
    """
    location, first = files[0]
    names = {kind: next(_wide(first, variable, kind), None) for kind in _NAMES}
    lat, lon = names["latitude"], names["longitude"]
    if lat is None or lon is None:
        return list(files), None
    size = first[lat].size + first[lon].size
    check_memory(24.0 * size, "the latitudes and longitudes in two dimensions", str(location))
    along = [_axis_of(_values(files[0], name, (slice(None), slice(None)))) for name in (lat, lon)]
    if None in along or along[0] == along[1] or first[lat].dims != first[lon].dims:
        return list(files), None
    changed = [(place, _replaced((place, ds), {lat: along[0], lon: along[1]})) for place, ds in files]
    return changed, f"{lat!r} and {lon!r} are two-dimensional, but those of a regular grid"


def _wide(dataset: xr.Dataset, variable: str, kind: str) -> Iterator[str]:
    """The two-dimensional coordinates of a kind along dimensions of the variable, unless there is an axis."""
    fields = {
        str(name): v
        for name, v in dataset.variables.items()
        if set(v.dims) <= set(dataset[variable].dims) and _is_coordinate(str(name), v, kind)
    }
    if not any(v.ndim == 1 for v in fields.values()):
        yield from (name for name, v in fields.items() if v.ndim == 2)


def _is_coordinate(name: str, variable: xr.Variable, kind: str) -> bool:
    attrs = variable.attrs
    if "standard_name" in attrs:
        return attrs["standard_name"] == kind
    return attrs.get("units") == _UNITS[kind] or name.lower() in _NAMES[kind]


def _axis_of(values: Floats) -> int | None:
    """The axis along which a two-dimensional coordinate changes, None where it changes along both."""
    for axis in (0, 1):
        line = np.take(values, [0], axis=1 - axis)
        if np.abs(values - line).max(initial=np.inf if values.size == 0 else 0.0) <= _SAME_DEG:
            return axis
    return None


def _replaced(file: File, axes: dict[str, int | None]) -> xr.Dataset:
    dataset = file[1]
    for name, axis in axes.items():
        if axis is None or name not in dataset or dataset[name].ndim != 2:
            continue
        line = (slice(None), 0) if axis == 0 else (0, slice(None))
        attrs = unpacked_coordinate(np.empty(0), dataset[name].attrs, name)[1]
        axis_values = xr.Variable((dataset[name].dims[axis],), _values(file, name, line), attrs, {"chunksizes": None})
        coords: dict[str, Any] = {name: axis_values}
        dataset = cast(Any, dataset.drop_vars(name)).assign_coords(coords)
    return dataset


def _values(file: File, name: str, index: tuple[int | slice, ...]) -> Floats:
    raw: NDArray[Any] = read(file[0], name, index)
    return unpacked_coordinate(raw, file[1][name].attrs, name)[0].astype(np.float64)
