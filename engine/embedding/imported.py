"""Embeddings computed elsewhere, such as SatCLIP's or GeoCLIP's, from NetCDF, Parquet or npz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.formats.npz import read_npz
from engine.typed import Floats, open_dataset, read_parquet

ENDINGS = (".nc", ".npz", ".parquet")
_LAT, _LON = ("lat", "latitude", "lat_deg", "y"), ("lon", "longitude", "lng", "lon_deg", "x")
_NAMES = ("embedding", "embeddings", "vectors", "features")
_REMEDY = "write latitudes, longitudes and one row of numbers for each point"


@dataclass(frozen=True, eq=False)
class ImportedEmbedding:
    """N places with D numbers each.

    Attributes:
        values: (N, D) float64, finite, without constant columns.
        lat, lon: (N,) degrees.
        notes: sentences on what was left out.
    """

    values: Floats
    lat: Floats
    lon: Floats
    notes: tuple[str, ...]


def read_embedding(path: Path) -> ImportedEmbedding:
    """The embedding in a file, checked once.

    - ``.npz``: arrays ``lat``, ``lon`` (N,) and ``embedding`` (N, D), or with axes (H, W, D) over lat (H,), lon (W,).
    - ``.nc``: the same as variables, in any order of the dimensions.
    - ``.parquet``: columns ``lat`` and ``lon``, and one column for each number, or one of lists named ``embedding``.

    Names such as ``latitude`` and ``vectors`` are understood too. Rows that are not finite and constant columns are
    left out, and the second of two rows at one place; ``notes`` says so.

    Raises:
        DataError: no such file or ending; coordinates or numbers are missing; unequal numbers of rows and coordinates;
            places beyond a pole; nothing is left, or more numbers than places.
    """
    readers = {".npz": _from_npz, ".nc": _from_netcdf, ".parquet": _from_parquet}
    if path.suffix not in readers:
        raise DataError(
            f"an embedding in {path.suffix or 'no format'!r} is not read", str(path), f"write {', '.join(ENDINGS)}"
        )
    if not path.is_file():
        raise DataError("there is no such file", str(path), "check the path")
    try:
        lat, lon, values = readers[path.suffix](path)
    except DataError:
        raise
    except Exception as error:  # the readers' libraries raise many types for damaged files
        raise DataError(f"the file cannot be read: {' '.join(str(error).split())[:200]}", str(path), _REMEDY) from error
    return _checked(lat, lon, values, str(path))


def _from_npz(path: Path) -> tuple[Floats, Floats, Floats]:
    arrays = read_npz(path)
    lat, lon, values = (_named(arrays, names, str(path)) for names in (_LAT, _LON, _NAMES))
    return _by_point(lat, lon, values)


def _from_netcdf(path: Path) -> tuple[Floats, Floats, Floats]:
    with open_dataset(path, decode_times=False) as dataset:
        variables: dict[Any, Any] = {str(name): dataset[name] for name in dataset.variables}
        lat, lon, field = (_named(variables, names, str(path)) for names in (_LAT, _LON, _NAMES))
        order = [name for name in (*lat.dims, *lon.dims) if name in field.dims]
        others = [name for name in field.dims if name not in order]
        values = field.transpose(*dict.fromkeys(order), *others).values
        return _by_point(np.asarray(lat.values), np.asarray(lon.values), np.asarray(values))


def _from_parquet(path: Path) -> tuple[Floats, Floats, Floats]:
    columns = read_parquet(path)
    lat, lon = (_named(columns, names, str(path)) for names in (_LAT, _LON))
    lists = next((columns[name] for name in _NAMES if name in columns), None)
    if lists is not None:
        sizes = {len(row) for row in lists}
        if len(sizes) > 1:
            raise DataError(f"its rows have from {min(sizes)} to {max(sizes)} numbers", str(path), _REMEDY)
        return lat, lon, np.stack(list(lists))
    others = {name: array for name, array in columns.items() if name.lower() not in (*_LAT, *_LON)}
    numbers = [array for array in others.values() if array.dtype.kind in "fiu"]
    if not numbers:
        raise DataError("it has no column of numbers beside the coordinates", str(path), _REMEDY)
    return lat, lon, np.stack(numbers, axis=1)


def _named(arrays: dict[str, Any], names: tuple[str, ...], where: str) -> Any:
    by_name = {name.lower(): array for name, array in arrays.items()}
    for name in names:
        if name in by_name:
            return by_name[name]
    raise DataError(f"it has no {names[0]!r}, but {', '.join(arrays) or 'nothing'}", where, _REMEDY)


def _by_point(lat: NDArray[Any], lon: NDArray[Any], values: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """A grid (H, W, D) as points; points stay."""
    if values.ndim != 3:
        return lat, lon, values
    if lat.ndim == 1 and values.shape[:2] == (lat.size, lon.size):
        lat, lon = np.meshgrid(lat, lon, indexing="ij")
    return lat.reshape(-1), lon.reshape(-1), values.reshape(-1, values.shape[2])


def _checked(lat: Any, lon: Any, values: Any, where: str) -> ImportedEmbedding:
    lat, lon, values = (np.asarray(array, np.float64) for array in (lat, lon, values))
    if values.ndim != 2 or lat.ndim != 1 or not len(values) == lat.size == lon.size:
        raise DataError(
            f"{lat.size} latitudes and {lon.size} longitudes stand beside numbers of shape {values.shape}",
            where,
            _REMEDY,
        )
    if (np.abs(lat) > 90.0).any() or (np.abs(lon) > 540.0).any():
        raise DataError("some places are not on the sphere", where, "give degrees: latitudes from −90 to 90")
    notes: list[str] = []
    is_finite = np.isfinite(values).all(axis=1) & np.isfinite(lat) & np.isfinite(lon)
    if not is_finite.all():
        notes.append(f"{(~is_finite).sum()} of {len(values)} rows were left out: they hold NaN or infinity")
    lat, lon, values = lat[is_finite], lon[is_finite], values[is_finite]
    places = np.stack((lat, np.where(np.abs(lat) == 90.0, 0.0, lon % 360.0)), axis=1)
    first = np.sort(np.unique(places, axis=0, return_index=True)[1])
    if len(first) < len(lat):
        notes.append(f"{len(lat) - len(first)} rows were left out: their place stands in the file before")
    lat, lon, values = lat[first], lon[first], values[first]
    varies = np.ptp(values, axis=0) > 0.0 if len(values) else np.zeros(values.shape[1], bool)
    if not varies.all():
        notes.append(f"{(~varies).sum()} of {values.shape[1]} columns were left out: they are constant")
    values = values[:, varies]
    if not values.size:
        raise DataError("nothing is left: " + ("; ".join(notes) or "it is empty"), where, _REMEDY)
    if values.shape[1] > len(values):
        raise DataError(
            f"{values.shape[1]} numbers for {len(values)} places",
            where,
            "give more places than numbers, or keep the leading principal components",
        )
    return ImportedEmbedding(values, lat, (lon + 180.0) % 360.0 - 180.0, tuple(notes))
