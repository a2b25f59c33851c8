"""Headers and blocks of raw numbers of NetCDF files and Zarr stores.

Files are opened read-only for one header or one block at a time and closed again, so that a source can live for hours,
be pickled to another process, and detect a change.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import netCDF4
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from engine.data.sst._classic import is_sound
from engine.data.sst._paths import Location
from engine.errors import DataError, EngineError
from engine.typed import open_zarr

_MAX_COORDINATE = 5_000_000  # values; 500 years of hours

_NUMBERS = "iufb"

Index = tuple[int | slice, ...]


def skeleton(location: Location) -> xr.Dataset:
    """The undecoded dataset of a file: names, dimensions, attributes, and the values of 1-D variables
    and of bounds (N, 2).

    Variables of more dimensions hold zeros that take no memory; ``encoding["chunksizes"]`` of each is its chunk in the
    file, None for contiguous. Raises :class:`DataError` for unreadable files.
    """
    with _readable(location):
        return _netcdf_skeleton(location) if location.kind == "netcdf" else _zarr_skeleton(location)


def read(location: Location, name: str, index: Index) -> NDArray[Any]:
    """A block of raw numbers of one variable, neither unpacked nor masked; integers in ``index`` drop their axis.

    Raises :class:`DataError` where the file changed since it was opened, or is unreadable.
    """
    location.refuse_change()
    with _readable(location):
        if location.kind == "zarr":
            return np.asarray(cast(Any, zarr).open_group(location.path, mode="r")[name][index])
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(location.path, "r") as file:
            variable = file.variables[name]
            variable.set_auto_maskandscale(False)
            return np.asarray(variable[index])


@contextmanager
def _readable(location: Location) -> Generator[None]:
    try:
        yield
    except EngineError:
        raise
    # for damaged files the libraries raise many types, from OSError to RecursionError
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"the file cannot be read, it is damaged or cut off: {reason}",
            str(location),
            "download or copy it again, and try: ncdump -h FILE",
        ) from error


def _netcdf_skeleton(location: Location) -> xr.Dataset:
    if not is_sound(location.path):
        raise ValueError("its header contradicts its size")
    with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(location.path, "r") as file:
        file.set_auto_maskandscale(False)
        variables = {
            name: _variable(v.dimensions, v.shape, v.dtype, _attributes(v), _chunks(v), lambda v=v: v[...])
            for name, v in file.variables.items()
            if v.dtype is not str and getattr(v.dtype, "kind", "O") in _NUMBERS
        }
        if not variables and file.groups:
            raise DataError(
                "the variables lie in groups",
                f"{location}: {', '.join(file.groups)}",
                "flatten them with: ncks -G : FILE out.nc",
            )
        return _dataset(variables, _attributes(file))


def _zarr_skeleton(location: Location) -> xr.Dataset:
    with open_zarr(location.path, chunks=None, decode_cf=False, consolidated=_is_consolidated(location)) as store:
        fields: dict[str, Any] = {str(name): field for name, field in store.variables.items()}
        variables = {
            name: _variable(v.dims, v.shape, v.dtype, v.attrs, v.encoding.get("chunks"), lambda v=v: v.values)
            for name, v in fields.items()
            if v.dtype.kind in _NUMBERS
        }
        return _dataset(variables, store.attrs)


def _variable(dims: Any, shape: Any, dtype: Any, attrs: Any, chunks: Any, load: Any) -> xr.Variable:
    is_line = len(shape) <= 1 or (len(shape) == 2 and shape[1] == 2)
    small = is_line and int(np.prod(shape, dtype=np.float64)) <= _MAX_COORDINATE
    values = np.asarray(load()) if small else np.broadcast_to(np.zeros((), dtype), shape)
    return xr.Variable(dims, values, attrs, {"chunksizes": None if chunks is None else tuple(chunks)})


def _dataset(variables: dict[str, xr.Variable], attrs: Any) -> xr.Dataset:
    dataset = xr.Dataset(variables, attrs=attrs)
    return dataset.set_coords([name for name, v in variables.items() if v.ndim <= 1])


def _attributes(holder: Any) -> dict[str, Any]:
    return {name: holder.getncattr(name) for name in holder.ncattrs()}


def _chunks(variable: Any) -> tuple[int, ...] | None:
    chunks: Any = variable.chunking()  # "contiguous" where there are none
    return None if isinstance(chunks, str) or chunks is None else tuple(chunks)


def _is_consolidated(location: Location) -> bool:
    """Whether all metadata are in one file; xarray warns where it has to try."""
    if (location.path / ".zmetadata").is_file():
        return True
    root = location.path / "zarr.json"
    return root.is_file() and bool(json.loads(root.read_bytes()).get("consolidated_metadata"))
