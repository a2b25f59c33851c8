"""What the headers of NetCDF files and Zarr stores declare: variables with sizes and chunks, before any value is read.

Called in the process that reads the file, and before that in a child process (:mod:`engine.formats.child`), because a
library may crash, loop or take all memory while it reads a damaged header.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import netCDF4
import numpy as np
import zarr

from engine.errors import DataError
from engine.formats.classic import is_sound
from engine.formats.limits import MAX_STEPS, check_file, check_memory, check_steps
from engine.formats.zipped import check_zip, zarr_folder

_NUMBERS = "iufb"
_COPIES = 4  # of a coordinate: raw, as float64, sorted, compared
_MAX_METADATA = 32 * 2**20  # bytes of one JSON file of a store
_MAX_FOLDERS = 20_000
_MAX_INDEX = 4_000_000  # chunks in a shard; its index is read whole
_ZARR_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")
MAX_GROUPS = 1000
"""Groups of a file; more are refused."""


@dataclass(frozen=True)
class Declared:
    """A variable of numbers as its header declares it; ``chunks`` is None where it is not chunked."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None

    @property
    def is_coordinate(self) -> bool:
        """Whether its values are read on opening: one dimension, or bounds (N, 2), and not absurdly many."""
        is_line = len(self.shape) <= 1 or (len(self.shape) == 2 and self.shape[1] == 2)
        return is_line and math.prod(self.shape) <= MAX_STEPS


def check_coordinates(variables: list[Declared], where: str) -> None:
    """Raise :class:`DataError` where the values that are read on opening, or their chunks, take too much memory."""
    read = [variable for variable in variables if variable.is_coordinate]
    total = sum(math.prod(variable.shape) * variable.dtype.itemsize for variable in read)
    check_memory(_COPIES * total, f"the content of its {len(read)} coordinates", where)
    for variable in read:
        if variable.chunks is not None:
            size = math.prod(variable.chunks) * variable.dtype.itemsize
            check_memory(2 * size, f"one chunk of {variable.name!r}", where, "write it with smaller chunks")


def netcdf_groups(file: Any, where: str) -> dict[str, Any]:
    """All groups of an open file by their path, the file itself as ""; :class:`DataError` for too many."""
    groups: dict[str, Any] = {"": file}
    waiting = [""]
    while waiting:
        path = waiting.pop(0)
        inside = {f"{path}/{name}".lstrip("/"): group for name, group in groups[path].groups.items()}
        groups |= inside
        waiting += inside
        _check_groups(groups, where)
    return groups


def zarr_groups(root: Any, where: str) -> dict[str, Any]:
    """All groups of an open store by their path, the store itself as ""; :class:`DataError` for too many."""
    groups: dict[str, Any] = {"": root}
    waiting = [""]
    while waiting:
        path = waiting.pop(0)
        inside = {f"{path}/{name}".lstrip("/"): group for name, group in groups[path].groups()}
        groups |= inside
        waiting += inside
        _check_groups(groups, where)
    return groups


def _check_groups(groups: dict[str, Any], where: str) -> None:
    if len(groups) > MAX_GROUPS:
        raise DataError(f"there are more than {MAX_GROUPS:,} groups", where, "write one of them to a file of its own")


def netcdf_variables(file: Any, where: str) -> list[Declared]:
    """The variables of numbers of an open file, with :func:`check_coordinates`.

    Of an absurdly long dimension coordinate not even zeros may stand for the values, because xarray makes an index.
    """
    for name, variable in file.variables.items():
        if variable.dimensions == (name,):
            check_steps(variable.shape[0], name, where)
    variables = [
        Declared(name, v.shape, np.dtype(v.dtype), netcdf_chunks(v))
        for name, v in file.variables.items()
        if _is_numeric(v)
    ]
    check_coordinates(variables, where)
    return variables


def check_netcdf(path: Path) -> None:
    """Raise ValueError for a file that the library must not open, because its header contradicts its size."""
    check_file(path)
    if not is_sound(path):
        raise ValueError("its header contradicts its size")


def zarr_variables(arrays: Iterator[tuple[str, Any]], where: str) -> list[Declared]:
    """The arrays of numbers of an open store, with :func:`check_coordinates`.

    Arrays of text and dates are checked too: xarray makes an index of each dimension coordinate when it opens a store.
    """
    variables: list[Declared] = []
    for name, array in arrays:
        if len(array.shape) == 1:
            check_steps(array.shape[0], name, where)
        shards = getattr(array, "shards", None)
        if shards is not None and math.prod(shards) // max(1, math.prod(array.chunks)) > _MAX_INDEX:
            raise DataError(
                f"a shard of {name!r} has more than {_MAX_INDEX:,} chunks", where, "write it with larger chunks"
            )
        variables.append(Declared(name, array.shape, array.dtype, tuple(array.chunks)))
    check_coordinates(variables, where)
    return [variable for variable in variables if variable.dtype.kind in _NUMBERS]


def check_zarr(path: Path) -> None:
    """Raise :class:`DataError` for a store, a folder or a zip archive, whose metadata are too large or no plain files,
    and for an archive that :func:`check_zip` refuses.
    """
    if path.is_dir():
        _check_folder(path)
        return
    for member in check_zip(path):
        if member.filename.rpartition("/")[2] in _ZARR_METADATA:
            _check_metadata(member.file_size, f"{path}: {member.filename}")


def _check_folder(store: Path) -> None:
    waiting, seen = [store], 0
    while waiting:
        folder = waiting.pop()
        seen += 1
        if seen > _MAX_FOLDERS:
            raise DataError(f"the store has more than {_MAX_FOLDERS:,} folders of arrays", str(store), "divide it")
        for path in (folder / name for name in _ZARR_METADATA):
            if path.exists():
                _check_metadata(check_file(path).st_size, str(path))
        if _is_group(folder):  # what lies in an array are chunks
            waiting += (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _is_group(folder: Path) -> bool:
    if (folder / ".zarray").exists():
        return False
    root = folder / "zarr.json"
    return not root.is_file() or json.loads(root.read_bytes()).get("node_type") == "group"


def _check_metadata(size: int, where: str) -> None:
    if size > _MAX_METADATA:
        raise DataError(
            f"the metadata of the store have {size / 1e6:.0f} MB", where,
            f"at most {_MAX_METADATA / 1e6:.0f} MB are read; write the store again",
        )  # fmt: skip


@contextmanager
def opened_zarr(path: Path) -> Generator[tuple[Any, str]]:
    """A store for zarr and xarray, read-only, and the folder inside of it: of a zip archive, "" in other stores."""
    if path.is_dir():
        yield path, ""
        return
    status = path.stat()
    folder = _zarr_folder(path, status.st_size, status.st_mtime_ns)
    store = cast(Any, zarr).storage.ZipStore(path, mode="r")
    try:
        yield store, folder
    finally:
        store.close()


@lru_cache(maxsize=64)
def _zarr_folder(path: Path, *_stamp: int) -> str:
    return zarr_folder(check_zip(path), str(path))


def is_consolidated(group: Any) -> bool:
    """Whether all metadata of an open store are in one file; xarray warns where it has to try."""
    return group.metadata.consolidated_metadata is not None


def _is_numeric(variable: Any) -> bool:
    """Whether the values are plain numbers; lists of any length, records and text are left out."""
    is_plain = isinstance(variable.datatype, np.dtype | netCDF4.EnumType)
    return is_plain and getattr(variable.dtype, "kind", "O") in _NUMBERS


def netcdf_chunks(variable: Any) -> tuple[int, ...] | None:
    """The shape of a chunk of an open variable; None where it is not chunked."""
    chunks: Any = variable.chunking()  # "contiguous" where there are none
    return None if isinstance(chunks, str) or chunks is None else tuple(chunks)
