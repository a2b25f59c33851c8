"""Headers and blocks of raw numbers of NetCDF files and Zarr stores.

Files are opened read-only for one header or one block at a time and closed again, so that a source can live for hours,
be pickled to another process, and detect a change.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import netCDF4
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from engine.data.sst._packing import unpacked_coordinate
from engine.data.sst._paths import Location
from engine.errors import DataError, EngineError
from engine.formats.headers import (
    Declared,
    check_netcdf,
    check_zarr,
    is_consolidated,
    netcdf_variables,
    zarr_variables,
)
from engine.typed import open_zarr

Index = tuple[int | slice, ...]


def skeleton(location: Location) -> xr.Dataset:
    """The undecoded dataset of a file: names, dimensions, attributes, and the values of 1-D variables
    and of bounds (N, 2).

    Variables of more dimensions hold zeros that take no memory; ``encoding["chunksizes"]`` of each is its chunk in the
    file, None for contiguous. Raises :class:`DataError` for unreadable files, and before it reads what takes too much
    memory (:mod:`engine.formats`).
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
    check_netcdf(location.path)
    with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(location.path, "r") as file:
        file.set_auto_maskandscale(False)
        variables: dict[str, xr.Variable] = {}
        for declared in netcdf_variables(file, str(location)):
            held = file.variables[declared.name]
            variables[declared.name] = _variable(declared, held.dimensions, _attributes(held), held)
        if not variables and file.groups:
            raise DataError(
                "the variables lie in groups",
                f"{location}: {', '.join(file.groups)}",
                "flatten them with: ncks -G : FILE out.nc",
            )
        return _dataset(variables, _attributes(file))


def _zarr_skeleton(location: Location) -> xr.Dataset:
    check_zarr(location.path)
    is_in_one_file = is_consolidated(location.path)
    arrays = cast(Any, zarr).open_group(location.path, mode="r", use_consolidated=is_in_one_file).arrays()
    declared_arrays = zarr_variables(arrays, str(location))
    with open_zarr(location.path, chunks=None, decode_cf=False, consolidated=is_in_one_file) as store:
        fields: dict[str, Any] = {str(name): field for name, field in store.variables.items()}
        variables = {
            declared.name: _variable(declared, (held := fields[declared.name]).dims, held.attrs, held)
            for declared in declared_arrays
            if declared.name in fields
        }
        return _dataset(variables, store.attrs)


def _variable(declared: Declared, dims: Any, attrs: Any, held: Any) -> xr.Variable:
    if not declared.is_coordinate:
        zeros = np.broadcast_to(np.zeros((), declared.dtype), declared.shape)
        return xr.Variable(dims, zeros, attrs, {"chunksizes": declared.chunks})
    values, attrs = unpacked_coordinate(np.asarray(held[...]), attrs, declared.name)
    return xr.Variable(dims, values, attrs, {"chunksizes": declared.chunks})


def _dataset(variables: dict[str, xr.Variable], attrs: Any) -> xr.Dataset:
    dataset = xr.Dataset(variables, attrs=attrs)
    return dataset.set_coords([name for name, v in variables.items() if v.ndim <= 1])


def _attributes(holder: Any) -> dict[str, Any]:
    return {name: holder.getncattr(name) for name in holder.ncattrs()}
