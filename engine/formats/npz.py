"""Arrays from ``.npy`` and ``.npz``, whose declared shapes are compared with the size of the file first.

numpy allocates what a header declares before it notices that the data are missing; an archive may unpack to a thousand
times its size. Nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.formats.limits import check_file, memory_limit

Arrays = dict[str, NDArray[Any]]

_COPIES = 2  # the bytes, and the array made of them


def read_npz(source: Path | bytes, where: str = "", max_bytes: int | None = None) -> Arrays:
    """All arrays of an ``.npz`` by name; together at most ``max_bytes``, by default the memory that a file may take.

    Raises :class:`DataError` for a file that is damaged, declares more than it holds, or is too large.
    """
    where = where or str(source if isinstance(source, Path) else "the file")
    if isinstance(source, Path):
        check_file(source)
    limit = memory_limit() // _COPIES if max_bytes is None else max_bytes
    try:
        with zipfile.ZipFile(source if isinstance(source, Path) else io.BytesIO(source)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            total = sum(member.file_size for member in members)
            if total > limit:
                raise DataError(
                    f"its content takes {total / 1e9:,.2f} GB", f"{where}; at most {limit / 1e9:.2f} GB",
                    "split it into several files, or leave it out",
                )  # fmt: skip
            arrays: Arrays = {}
            for member in members:
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = _array(file, member.file_size)
            return arrays
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many types for damaged content
        raise _damaged(error, where) from error


def read_npy(content: bytes, where: str) -> NDArray[Any]:
    """The array of an ``.npy``. Raises as :func:`read_npz`."""
    try:
        return _array(io.BytesIO(content), len(content))
    except Exception as error:  # as above
        raise _damaged(error, where) from error


def _array(file: IO[bytes], size: int) -> NDArray[Any]:
    """The array in ``size`` bytes; ValueError where the header declares another size."""
    version = np.lib.format.read_magic(file)
    read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}.get(version[0])
    if read_header is None:
        raise ValueError(f"version {version[0]} of the format is not known")
    shape, by_columns, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    num_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or num_bytes != size - file.tell():
        raise ValueError(f"its header declares {num_bytes:,} bytes, the file holds {size - file.tell():,}")
    return np.ndarray(shape, dtype, bytearray(file.read(num_bytes)), order="F" if by_columns else "C")


def _damaged(error: Exception, where: str) -> DataError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"the arrays cannot be read: {reason}", where, "write the file again, or leave it out")
