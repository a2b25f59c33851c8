"""Limits of what one file may take, and the check that a path is a plain file.

Sizes are known from a file's metadata, so a file is refused before anything of that size is allocated. Only what is
held at once counts: a file of any size is opened lazily.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.environment import number
from engine.errors import DataError

FILE_MEMORY = "HARMONIA_FILE_MB"
"""Environment variable: memory in MB that opening a file, or reading one block of it, may take."""

MAX_STEPS = 5_000_000
"""Values of a time axis or of another coordinate: 500 years of hours."""

_DEFAULT_MB = 2500
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def memory_limit() -> int:
    """Bytes that opening a file may take: ``$HARMONIA_FILE_MB``, else 2500 MB."""
    return int(1e6 * number(FILE_MEMORY, _DEFAULT_MB))


def check_memory(num_bytes: float, subject: str, where: str, remedy: str = "") -> None:
    """Raise :class:`DataError` where ``subject`` takes more memory than a file may."""
    limit = memory_limit()
    if num_bytes > limit:
        other = f"{remedy}, or raise" if remedy else "make it smaller, or raise"
        raise DataError(
            f"{subject} takes {num_bytes / 1e9:,.1f} GB of memory at once, more than the {limit / 1e9:.1f} GB allowed",
            where,
            f"{other} {FILE_MEMORY}",
        )


def check_field(name: str, dtype: np.dtype[Any], cells: int, chunks: Sequence[int] | None, where: str) -> None:
    """Raise :class:`DataError` where one map of ``cells``, or one chunk, of a variable takes too much memory.

    A library reads whole chunks. Beside the raw numbers, once compressed and once not, are their float32 and masks.
    """
    cell_bytes = 2 * dtype.itemsize + 6
    check_memory(cells * cell_bytes, f"one map of {name!r}", where, "cut out a region: cdo sellonlatbox")
    if chunks is not None:
        shape = " × ".join(f"{size:,}" for size in chunks)
        check_memory(
            math.prod(chunks) * cell_bytes, f"one chunk of {name!r}, {shape} values,", where,
            "rechunk it: nccopy -c DIMENSION/SIZE,… FILE out.nc",
        )  # fmt: skip


def check_steps(count: int, name: str, where: str) -> None:
    """Raise :class:`DataError` for an axis longer than any real one."""
    if count > MAX_STEPS:
        raise DataError(
            f"{name!r} has {count:,} steps; at most {MAX_STEPS:,} are read",
            where,
            "cut out a part: ncks -d time,0,9999",
        )


def check_file(path: Path) -> os.stat_result:
    """The status of a plain file; links are followed. Nothing is opened, because opening a named pipe waits.

    Raises :class:`DataError` for a folder, a pipe, a socket, a device, a loop of links, and a file that is missing.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the file cannot be found: {reason}", str(path), "check the path and its links") from error
    for matches, kind in _KINDS:
        if matches(status.st_mode):
            raise DataError(f"this is {kind}, not a file", str(path), "name a file")
    return status
