"""Headers and blocks of raw numbers of NetCDF files and Zarr stores.

Files are opened read-only for one header or one block at a time and closed again, so that a source can live for hours,
be pickled to another process, and detect a change.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
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
from engine.formats.chunks import Blocks, check_hdf5_chunks, check_zarr_chunks
from engine.formats.headers import (
    Declared,
    check_netcdf,
    check_zarr,
    is_consolidated,
    netcdf_chunks,
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

    Steps of a chunk that holds many are read together and kept, because each read unpacks whole chunks.

    Raises :class:`DataError` where the file changed since it was opened, is unreadable, or a chunk unpacks to more than
    its shape.
    """
    location.refuse_change()
    with _readable(location), _opened_array(location, name) as array:
        steps = _steps_together(array, index)
        if steps is None:
            return array.read(index)
        key = (location.path, location.stamp, location.group, name, steps, str(index[1:]))
        block = _KEPT.get(key)
        if block is None:
            block = array.read((slice(*steps), *index[1:]))
            _KEPT.put(key, block)
        first = index[0]
        if isinstance(first, int):
            return block[first - steps[0]].copy()
        start, stop, step = first.indices(array.shape[0])
        return block[start - steps[0] : stop - steps[0] : step].copy()


@dataclass(frozen=True)
class _Array:
    """A variable of an open file: ``chunks`` are what is unpacked at once, ``check`` looks at chunks before."""

    values: Any
    shape: tuple[int, ...]
    item_bytes: int
    chunks: tuple[int, ...] | None
    check: Callable[[Blocks], None]

    def read(self, index: Index) -> NDArray[Any]:
        """A block of raw numbers."""
        if self.chunks is not None:
            ranges = [_range(selection, size) for selection, size in zip(index, self.shape, strict=True)]
            if all(ranges):
                self.check([range(r[0] // c, r[-1] // c + 1) for r, c in zip(ranges, self.chunks, strict=True)])
        return np.asarray(self.values[index])


@contextmanager
def _opened_array(location: Location, name: str) -> Generator[_Array]:
    path, stamp = location.path, location.stamp
    if location.kind == "zarr":
        with opened_zarr(path) as (store, folder):
            root = cast(Any, zarr).open_group(store, path=folder, mode="r")
            array = next(g[name] for g in _holders(root, location.group) if name in g)
            chunks = tuple(array.shards or array.chunks)
            check = partial(check_zarr_chunks, path, stamp, array)
            yield _Array(array, array.shape, array.dtype.itemsize, chunks, check)
        return
    with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(path, "r") as file:
        holder = next(g for g in _holders(file, location.group) if name in g.variables)
        variable = holder.variables[name]
        variable.set_auto_maskandscale(False)
        check = partial(check_hdf5_chunks, path, stamp, f"{holder.path.rstrip('/')}/{name}")
        yield _Array(variable, variable.shape, variable.dtype.itemsize, netcdf_chunks(variable), check)


def _steps_together(array: _Array, index: Index) -> tuple[int, int] | None:
    """The steps of one chunk, of the first axis, around those of ``index``, as many as are kept; None where reading
    ``index`` unpacks nothing beside it, or more than one chunk.
    """
    if array.chunks is None or len(index) < 3:
        return None
    wanted = _range(index[0], array.shape[0])
    sizes = [len(_range(selection, size)) for selection, size in zip(index[1:], array.shape[1:], strict=True)]
    step_bytes = array.item_bytes * math.prod(sizes)
    together = min(array.chunks[0], _BLOCK_BYTES // max(1, step_bytes))
    if not 0 < len(wanted) < together:
        return None
    chunk = wanted[0] // array.chunks[0] * array.chunks[0]
    start = chunk + (wanted[0] - chunk) // together * together
    stop = min(start + together, chunk + array.chunks[0], array.shape[0])
    return (start, stop) if wanted[-1] < stop else None


def _range(selection: int | slice, size: int) -> range:
    return range(*selection.indices(size)) if isinstance(selection, slice) else range(selection, selection + 1)


class _Blocks:
    """The blocks that were read last, by key, of at most ``most`` bytes together."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes, self._lock = most, 0, Lock()
        self._blocks: OrderedDict[tuple[Any, ...], NDArray[Any]] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> NDArray[Any] | None:
        """The block of a key, None where it is not kept."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def put(self, key: tuple[Any, ...], block: NDArray[Any]) -> None:
        """Keep a block in place of the oldest ones."""
        with self._lock:
            if key in self._blocks:
                return
            self._blocks[key] = block
            self._bytes += block.nbytes
            while self._bytes > self._most:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes


_BLOCK_BYTES = 64 * 2**20
_KEPT = _Blocks(4 * _BLOCK_BYTES)  # values, quality levels and masks are read in turn


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
