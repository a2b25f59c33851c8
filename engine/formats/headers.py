"""What the headers of NetCDF files and Zarr stores declare: variables with sizes and chunks, before any value is read.

Called in the process that reads the file, and before that in a child process (:mod:`engine.formats.child`), because a
library may crash, loop or take all memory while it reads a damaged header.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from engine.errors import DataError
from engine.formats.classic import is_sound
from engine.formats.limits import MAX_STEPS, check_file, check_memory, check_steps

_NUMBERS = "iufb"
_COPIES = 4  # of a coordinate: raw, as float64, sorted, compared
_MAX_METADATA = 32 * 2**20  # bytes of one JSON file of a store
_MAX_INDEX = 4_000_000  # chunks in a shard; its index is read whole
_ZARR_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")


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


def netcdf_variables(file: netCDF4.Dataset, where: str) -> list[Declared]:
    """The variables of numbers of an open file, with :func:`check_coordinates`.

    Of an absurdly long dimension coordinate not even zeros may stand for the values, because xarray makes an index.
    """
    for name, variable in file.variables.items():
        if variable.dimensions == (name,):
            check_steps(variable.shape[0], name, where)
    variables = [
        Declared(name, v.shape, np.dtype(v.dtype), _chunks(v)) for name, v in file.variables.items() if _is_numeric(v)
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


def check_zarr(folder: Path) -> None:
    """Raise :class:`DataError` for a store whose metadata are too large, or no plain files."""
    folders = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    for path in (folder / name for folder in folders for name in _ZARR_METADATA):
        if path.exists() and (size := check_file(path).st_size) > _MAX_METADATA:
            raise DataError(
                f"the metadata of the store have {size / 1e6:.0f} MB", str(path),
                f"at most {_MAX_METADATA / 1e6:.0f} MB are read; write the store again",
            )  # fmt: skip


def is_consolidated(folder: Path) -> bool:
    """Whether all metadata of a store are in one file; xarray warns where it has to try."""
    if (folder / ".zmetadata").is_file():
        return True
    root = folder / "zarr.json"
    return root.is_file() and bool(json.loads(root.read_bytes()).get("consolidated_metadata"))


def _is_numeric(variable: Any) -> bool:
    """Whether the values are plain numbers; lists of any length, records and text are left out."""
    is_plain = isinstance(variable.datatype, np.dtype | netCDF4.EnumType)
    return is_plain and getattr(variable.dtype, "kind", "O") in _NUMBERS


def _chunks(variable: Any) -> tuple[int, ...] | None:
    chunks: Any = variable.chunking()  # "contiguous" where there are none
    return None if isinstance(chunks, str) or chunks is None else tuple(chunks)
