"""Tiles of the user: a folder of GeoTIFF, NetCDF or ``.npz`` files, each with location and time.

A ``.npz`` file holds ``pixels`` (C, h, w) or (N, C, h, w), rows from north to south; ``lat`` and ``lon`` of the centre
in degrees, a number or (N,); and ``time`` (dates) or ``day`` (of the year, 1 to 366). ``bands`` (C,) may name the
channels; ``bounds`` (4,) or (N, 4), south, north, west, east in degrees, is the area whose climate classes
are the truth and which is kept apart between training and test; without it, the centre is used for both.

A NetCDF file holds variables on latitude, longitude and, optionally, time and one dimension of bands; every variable,
and every entry along that dimension, is a channel. Centre and bounds follow from the coordinates.

A GeoTIFF is one tile, in any coordinate system; see :mod:`engine.data.geotiff`.

File types may be mixed if size and channel names are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from engine.data.climate import NUM_CLASSES, Fractions, box_fractions, climate_at
from engine.data.geotiff import read_geotiff
from engine.data.tiles import FiniteTiles, Pixels
from engine.errors import DataError, EngineError
from engine.formats.headers import check_netcdf, netcdf_variables
from engine.formats.limits import check_field, check_file, memory_limit
from engine.formats.npz import read_npz
from engine.sphere import LatLonGrid
from engine.typed import Floats, open_dataset

_MAX_BYTES = 1_500_000_000  # of one file in memory
_NAMED = 8  # channels listed in a message, at most


def folder_tiles(folder: str | Path, seed: int = 0) -> FiniteTiles:
    """All tiles of a folder's ``.tif``, ``.tiff``, ``.nc`` and ``.npz`` files, by name; other files are ignored. Held
    in memory.

    Raises :class:`DataError`, with the file's name, for a folder without tiles, a file that cannot be read or is
    incomplete, coordinates out of range, and tiles that differ in size or channels.
    """
    folder = Path(folder)
    paths = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in _READERS]
    if not paths:
        raise DataError("there are no .tif, .tiff, .nc or .npz files", str(folder), "choose a folder with tiles")
    files = [_read(path) for path in paths]
    first = files[0]
    for path, file in zip(paths, files, strict=True):
        if file.pixels.shape[1:] != first.pixels.shape[1:]:
            raise DataError(
                f"tiles of {_shape(file)} are mixed with tiles of {_shape(first)}",
                str(path),
                "keep tiles of one shape in a folder",
            )
        if file.bands != first.bands:
            raise DataError(
                f"tiles with the channels {_names(file)} are mixed with tiles with {_names(first)}",
                str(path),
                "give the channels the same names in the same order, or use one folder each",
            )
    pixels, lat, lon, day, climate, ground = (
        np.concatenate([getattr(file, name) for file in files])
        for name in ("pixels", "lat", "lon", "day", "climate", "ground")
    )
    return FiniteTiles(
        name=f"{folder.name}, {len(lat)} tiles",
        bands=first.bands,
        size=first.pixels.shape[-1],
        lat=lat,
        lon=lon,
        day=day,
        climate=climate,
        edges=ground,
        read=lambda numbers: pixels[numbers],
        seed=seed,
    )


class _File(NamedTuple):
    pixels: Pixels
    bands: tuple[str, ...]
    lat: Floats
    lon: Floats
    day: Floats
    edges: Floats | None  # (N, 4): south, north, west, east

    @property
    def climate(self) -> Fractions:
        """Fractions inside the edges; without any, the class of the centre."""
        if self.edges is None:
            return np.eye(NUM_CLASSES, dtype=np.float32)[climate_at(self.lat, self.lon)]
        return box_fractions(*self.edges.T)

    @property
    def ground(self) -> Floats:
        """The edges (N, 4); without edges, the centre."""
        return np.stack((self.lat, self.lat, self.lon, self.lon), axis=1) if self.edges is None else self.edges


def _read(path: Path) -> _File:
    check_file(path)
    try:
        file = _READERS[path.suffix.lower()](path)
    except EngineError as error:
        raise DataError(error.problem, f"{path}: {error.where}", error.remedy) from error
    except Exception as error:  # for damaged files the libraries raise many types, from OSError to MemoryError
        raise DataError(
            f"the file is no tile: {error}", str(path), "see engine.data.tile_files for what it holds"
        ) from error
    if file.pixels.shape[-1] != file.pixels.shape[-2]:
        raise DataError(f"the tiles are {_shape(file)}", str(path), "cut them square")
    if not (np.isfinite(file.lon) & (np.abs(file.lon) <= 360.0) & (np.abs(file.lat) <= 90.0)).all():
        raise DataError("a centre is no point on Earth", str(path), "give latitude −90..90 and longitude −180..360")
    if file.edges is not None and not _are_boxes(file.edges):
        raise DataError("the bounds are no box", str(path), "give south < north and west < east ≤ west + 360, degrees")
    if not ((file.day >= 1) & (file.day <= 366)).all():
        raise DataError("a day is not in the year", str(path), "give days from 1 to 366, or dates as 'time'")
    if not np.isfinite(file.pixels).any():
        raise DataError("no pixel has a value", str(path), "leave the file out")
    return file


def _are_boxes(edges: Floats) -> bool:
    south, north, west, east = edges.T
    inside = (south >= -90.0) & (south < north) & (north <= 90.0) & (np.abs(west) <= 360.0)
    return bool((inside & (west < east) & (east <= west + 360.0)).all())


def _shape(file: _File) -> str:
    _, channels, height, width = file.pixels.shape
    return f"{channels} × {height} × {width}"


def _names(file: _File) -> str:
    names = ", ".join(file.bands[:_NAMED])
    return names if len(file.bands) <= _NAMED else f"{names} and {len(file.bands) - _NAMED} more"


def _limit() -> int:
    """Bytes that the arrays of one file may take; a copy is made of them."""
    return min(_MAX_BYTES, memory_limit() // 2)


def _check_size(num_bytes: int) -> None:
    if num_bytes > (limit := _limit()):
        raise DataError(
            f"its content takes {num_bytes / 1e9:.1f} GB",
            f"at most {limit / 1e9:g} GB",
            "split it into several files, or cut smaller tiles",
        )


def _from_npz(path: Path) -> _File:
    arrays = read_npz(path, max_bytes=_limit())
    raw = arrays["pixels"][None] if arrays["pixels"].ndim == 3 else arrays["pixels"]
    if raw.ndim != 4:
        raise ValueError(f"pixels have {raw.ndim} dimensions; (C, h, w) or (N, C, h, w) are meant")
    count = len(raw)
    sizes = {"lat": (1, count), "lon": (1, count), "day": (1, count), "time": (1, count), "bands": (raw.shape[1],)}
    for name, allowed in (sizes | {"bounds": (4, 4 * count)}).items():
        if name in arrays and arrays[name].size not in allowed:
            raise ValueError(f"{name} has the shape {arrays[name].shape} for pixels of {raw.shape}")
    _check_size(raw.size * np.dtype(np.float32).itemsize)
    pixels = raw.astype(np.float32)
    lat, lon = (np.broadcast_to(arrays[name].astype(np.float64), count) for name in ("lat", "lon"))
    day = arrays["day"].astype(np.float64) if "day" in arrays else _days(arrays["time"])
    bands = (
        tuple(map(str, arrays["bands"].ravel()))
        if "bands" in arrays
        else tuple(f"band {i + 1}" for i in range(pixels.shape[1]))
    )
    edges = np.broadcast_to(arrays["bounds"].astype(np.float64), (count, 4)) if "bounds" in arrays else None
    return _File(pixels, bands, lat, lon, np.broadcast_to(day, count), edges)


def _from_netcdf(path: Path) -> _File:
    _check_netcdf(path)
    with open_dataset(path) as dataset:
        grid = LatLonGrid.from_dataset(dataset)
        channels = [channel for name in dataset.data_vars for channel in _channels(dataset[name], grid)]
        day = _days(np.atleast_1d(dataset["time"].values))
    if not channels:
        raise ValueError("no variable lies on latitude and longitude")
    pixels = np.stack([values for _, values in channels], axis=1)
    if grid.lat[0] < grid.lat[-1]:
        pixels = pixels[:, :, ::-1]
    count = len(pixels)
    south, north = sorted((grid.lat_bounds[0], grid.lat_bounds[-1]))
    edges = np.tile((south, north, grid.lon_bounds[0], grid.lon_bounds[-1]), (count, 1))
    lat, lon = edges[:, :2].mean(axis=1), edges[:, 2:].mean(axis=1)
    return _File(pixels, tuple(name for name, _ in channels), lat, lon, np.broadcast_to(day, count), edges)


def _check_netcdf(path: Path) -> None:
    """Refuse by its header what takes too much memory, because xarray reads coordinates on opening."""
    check_netcdf(path)
    with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(path, "r") as file:
        _check_size(sum(8 * math.prod(variable.shape) for variable in file.variables.values()))
        for declared in netcdf_variables(file, str(path)):
            check_field(declared.name, declared.dtype, 0, declared.chunks, str(path))


def _from_geotiff(path: Path) -> _File:
    tile = read_geotiff(path, _check_size)
    lat, lon = np.array([tile.lat]), np.array([tile.lon])
    return _File(tile.pixels[None], tile.bands, lat, lon, _days(np.array([tile.date])), tile.edges[None])


def _channels(variable: xr.DataArray, grid: LatLonGrid) -> list[tuple[str, Pixels]]:
    """The channels of one variable by name, each (N, h, w)."""
    if variable.shape[-2:] != grid.shape:
        return []
    values = variable.expand_dims("time") if "time" not in variable.dims else variable
    extra_dims = [dim for dim in values.dims[:-2] if dim != "time"]
    values = values.transpose("time", *extra_dims, *values.dims[-2:])
    pixels = np.asarray(values.values, np.float32).reshape(len(values), -1, *grid.shape)
    names = [str(variable.name)] if not extra_dims else [f"{variable.name} {i + 1}" for i in range(pixels.shape[1])]
    return [(name, pixels[:, i]) for i, name in enumerate(names)]


def _days(times: NDArray[Any]) -> Floats:
    """Days in the year (N,) of dates: numpy's, text in ISO form, or of another calendar."""
    return np.array([_day(time) for time in np.atleast_1d(times)], np.float64)


def _day(time: Any) -> int:
    if hasattr(time, "timetuple"):  # a cftime date
        return time.timetuple().tm_yday
    day = np.datetime64(time, "D")
    return int((day - day.astype("datetime64[Y]")).astype(np.int64)) + 1


_READERS: dict[str, Callable[[Path], _File]] = {
    ".npz": _from_npz,
    ".nc": _from_netcdf,
    ".tif": _from_geotiff,
    ".tiff": _from_geotiff,
}
