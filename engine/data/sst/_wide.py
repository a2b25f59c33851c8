"""Latitude and longitude in two dimensions: those of a regular grid, of a curvilinear one, or of a swath."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.regrid import Regridder, check_regrid, proposals, regrid_text, regridder, target_grid
from engine.data.source import Regrid
from engine.data.sst._field import Native
from engine.data.sst._packing import unpacked_coordinate
from engine.data.sst._paths import Location
from engine.data.sst._storage import read
from engine.data.sst._time_axis import File
from engine.data.sst._variables import Curvilinear
from engine.errors import ChoiceError, GridError
from engine.formats.limits import check_memory
from engine.sphere import LatLonGrid
from engine.typed import Floats, Singles

_SAME_DEG = 2e-4  # along a row or column of a regular grid; float32 near 360° is right to 3e-5
_NAMES = {"latitude": ("latitude", "lat", "nav_lat"), "longitude": ("longitude", "lon", "nav_lon")}
_LEVEL_2 = re.compile(r"^\s*L(evel)?[ -]?2", re.IGNORECASE)
_MOST_EXTENTS = 64  # files of a swath whose places are all looked at; more are taken for the globe
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


def curvilinear_of(files: Sequence[File], variable: str, regrid: Regrid | None) -> tuple[Curvilinear | None, bool]:
    """How files with two-dimensional coordinates are regridded, and whether they are swaths; None for other grids.

    Raises :class:`GridError` with proposals where no ``regrid`` is chosen, :class:`ChoiceError` for one by area.
    """
    location, first = files[0]
    lat, lon = (next(_wide(first, variable, kind), None) for kind in _NAMES)
    if lat is None or lon is None or first[lat].dims != first[lon].dims:
        return None, False
    row, column = (str(dim) for dim in first[lat].dims)
    moves = any(not _same_places(file, files[0], (lat, lon)) for file in (files[-1], files[len(files) // 2]))
    is_swath = moves or bool(_LEVEL_2.search(str(first.attrs.get("processing_level", ""))))
    layout = "the data are a swath" if is_swath else "the grid is curvilinear"
    places = _places_of(files[0], lat, lon)
    if regrid is None:
        suited = proposals(*places, is_swath)
        listed = " or ".join(regrid_text(choice) for choice in suited[:2])
        raise GridError(
            f"{layout}: {lat!r} and {lon!r} are two-dimensional",
            str(location),
            f"regrid to {listed}",
            {"regrid": suited},
        )
    check_regrid(regrid)
    if regrid.method == "conservative":
        suited = tuple(replace(regrid, method=method) for method in ("bucket", "bilinear"))
        raise ChoiceError(
            f"{layout}, which is not regridded by area", "regrid", "choose bucket or bilinear", {"regrid": suited}
        )
    if not moves:
        extents = [places]
    elif len(files) <= _MOST_EXTENTS:
        extents = [_places_of(file, lat, lon) for file in files]
    else:
        extents = [(np.array([-89.9, 89.9]), np.arange(-180.0, 180.0))]
    grid = target_grid(regrid.step_deg, extents)
    origin = None if moves else files[0]

    def native(place: Location, dataset: xr.Dataset) -> Native:
        at, header = origin or (place, dataset)
        attrs = (header[lat].attrs, header[lon].attrs)
        height, width = dataset[lat].shape
        return Native((height, width), _FileRegridder(at, (lat, lon), grid, regrid.method, attrs))

    shape = " × ".join(f"{size:,}" for size in first[lat].shape)
    note = f"regridded from {shape} cells of a {'swath' if is_swath else 'curvilinear grid'} to {regrid_text(regrid)}"
    return Curvilinear((row, column), grid, native, note), is_swath


@dataclass(frozen=True)
class _FileRegridder:
    """The function from the native values of a file to a grid. It can be pickled; its weights are made when needed."""

    place: Location
    names: tuple[str, str]
    grid: LatLonGrid
    method: str
    attrs: tuple[dict[str, Any], dict[str, Any]] = field(compare=False)

    def __call__(self, values: Singles) -> Singles:
        return _weights(self)(values)


@lru_cache(maxsize=16)
def _weights(file: _FileRegridder) -> Regridder:
    lat, lon = _places(file.place, file.names, file.attrs)
    return regridder(lat, lon, file.grid, file.method)


def _same_places(file: File, first: File, names: tuple[str, str]) -> bool:
    """Whether the corners and the middle row of the coordinates are those of the first file."""
    if any(name not in file[1] or file[1][name].shape != first[1][name].shape for name in names):
        return False
    middle = first[1][names[0]].shape[0] // 2
    return all(
        np.allclose(_values(file, name, (row, slice(None))), _values(first, name, (row, slice(None))), equal_nan=True)
        for name in names
        for row in (0, middle)
    )


def _places(location: Location, names: tuple[str, str], attrs: tuple[dict[str, Any], ...]) -> tuple[Floats, Floats]:
    """Latitudes and longitudes (h, w), NaN where the file has none."""
    index = (slice(None), slice(None))
    lat, lon = (
        unpacked_coordinate(read(location, name, index), known, name)[0].astype(np.float64)
        for name, known in zip(names, attrs, strict=True)
    )
    check_memory(400.0 * lat.size, "regridding one map", str(location))
    lat[~(np.abs(lat) <= 90.0 + 1e-3)] = np.nan
    lon[~(np.abs(lon) <= 720.0)] = np.nan
    if not np.isfinite(lat + lon).any():
        raise GridError("no cell has a latitude and a longitude", str(location), "download or copy the file again")
    return lat, lon


def _places_of(file: File, lat: str, lon: str) -> tuple[Floats, Floats]:
    return _places(file[0], (lat, lon), (file[1][lat].attrs, file[1][lon].attrs))


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
