"""Headers and blocks of raw numbers of NetCDF files and Zarr stores.

Files are opened read-only for one header or one block at a time and closed again, so that a source can live for hours,
be pickled to another process, and detect a change.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
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
    netcdf_groups,
    netcdf_variables,
    opened_zarr,
    zarr_groups,
    zarr_variables,
)
from engine.typed import open_zarr

Index = tuple[int | slice, ...]


def skeleton(location: Location) -> xr.Dataset:
    """The undecoded dataset of a file: names, dimensions, attributes, and the values of 1-D variables
    and of bounds (N, 2).

    They are those of the location's group and of its parents, the inner ones where names or sizes differ.
    ``encoding["groups"]`` lists the groups of the file.

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
            with opened_zarr(location.path) as (store, folder):
                root = cast(Any, zarr).open_group(store, path=folder, mode="r")
                return np.asarray(next(g[name] for g in _holders(root, location.group) if name in g)[index])
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(location.path, "r") as file:
            variable = next(g.variables[name] for g in _holders(file, location.group) if name in g.variables)
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
        groups = netcdf_groups(file, str(location))
        variables: dict[str, xr.Variable] = {}
        for group in (groups[path] for path in _ancestors(location.group)):
            group.set_auto_maskandscale(False)
            own: dict[str, xr.Variable] = {}
            for declared in netcdf_variables(group, str(location)):
                held = group.variables[declared.name]
                own[declared.name] = _variable(declared, held.dimensions, _attributes(held), held)
            _add_outer(variables, own)
        return _dataset(variables, _attributes(file), groups)


def _zarr_skeleton(location: Location) -> xr.Dataset:
    check_zarr(location.path)
    with opened_zarr(location.path) as (store, folder):
        root = cast(Any, zarr).open_group(store, path=folder, mode="r")
        is_in_one_file = is_consolidated(root)
        groups = zarr_groups(root, str(location))
        variables: dict[str, xr.Variable] = {}
        attrs: dict[str, Any] = {}
        for path in _ancestors(location.group):
            declared_arrays = zarr_variables(groups[path].arrays(), str(location))
            inside = "/".join(part for part in (folder, path) if part)
            options = {"chunks": None, "decode_cf": False, "consolidated": is_in_one_file and not inside}
            with open_zarr(store, group=inside or None, **options) as opened:
                fields: dict[str, Any] = {str(name): field for name, field in opened.variables.items()}
                own = {
                    declared.name: _variable(declared, (held := fields[declared.name]).dims, held.attrs, held)
                    for declared in declared_arrays
                    if declared.name in fields
                }
                attrs = {**opened.attrs, **attrs}
            _add_outer(variables, own)
        return _dataset(variables, attrs, groups)


def _ancestors(group: str) -> list[str]:
    """The paths of a group and its parents, the inner ones first; the file itself is ""."""
    parts = group.split("/") if group else []
    return ["/".join(parts[:i]) for i in range(len(parts), -1, -1)]


def _holders(root: Any, group: str) -> list[Any]:
    return [root[path] if path else root for path in _ancestors(group)]


def _add_outer(variables: dict[str, xr.Variable], outer: Mapping[str, xr.Variable]) -> None:
    """Add variables of a parent: not those of the same name, nor along a dimension that has another size inside."""
    sizes = {dim: size for variable in variables.values() for dim, size in variable.sizes.items()}
    for name, variable in outer.items():
        if name not in variables and all(sizes.get(dim, size) == size for dim, size in variable.sizes.items()):
            variables[name] = variable


def _variable(declared: Declared, dims: Any, attrs: Any, held: Any) -> xr.Variable:
    if not declared.is_coordinate:
        zeros = np.broadcast_to(np.zeros((), declared.dtype), declared.shape)
        return xr.Variable(dims, zeros, attrs, {"chunksizes": declared.chunks})
    values, attrs = unpacked_coordinate(np.asarray(held[...]), attrs, declared.name)
    return xr.Variable(dims, values, attrs, {"chunksizes": declared.chunks})


def _dataset(variables: dict[str, xr.Variable], attrs: Any, groups: Mapping[str, Any]) -> xr.Dataset:
    dataset = xr.Dataset(variables, attrs=attrs)
    dataset.encoding["groups"] = [path for path in groups if path]
    return dataset.set_coords([name for name, v in variables.items() if v.ndim <= 1])


def _attributes(holder: Any) -> dict[str, Any]:
    return {name: holder.getncattr(name) for name in holder.ncattrs()}
