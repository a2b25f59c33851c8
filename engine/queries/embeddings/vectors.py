"""Vectors of a file, such as another model's embedding of places, on the patches of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.embedding import Patches
from engine.embedding.imported import ImportedEmbedding, read_embedding
from engine.errors import DataError
from engine.queries.cache import CACHE
from engine.queries.server_files import checked_path
from engine.typed import Singles

FILE = "file"
"""The name of the encoder whose numbers come from a file."""

FILE_TITLE = "Vectors of a file"
_LEAST_PATCHES = 3


@dataclass(frozen=True)
class GriddedVectors:
    """Vectors (Hp, Wp, K) of patches, NaN where no point lies in one; ``num_points`` (Hp, Wp) of each patch."""

    values: Singles
    num_points: NDArray[np.int64]


def vectors(text: str) -> ImportedEmbedding:
    """The checked vectors of a file, which a browser or an exported configuration names.

    Raises:
        DataError: no such file in the folders that may be used, several files, or as
            :func:`engine.embedding.imported.read_embedding`.
    """
    path = _path(text)
    key = ("embedding", "vectors", str(path), path.stat().st_mtime_ns)
    return CACHE.get(key, lambda: read_embedding(path), lambda known: known.values.nbytes)


def stamp(text: str) -> tuple[str, int]:
    """What a file's results are kept under: its path, and when it was written."""
    path = _path(text)
    return str(path), path.stat().st_mtime_ns


def gridded(known: ImportedEmbedding, patches: Patches) -> GriddedVectors:
    """The mean of the vectors of the points in each patch. A point on the edge belongs to the patch north or east of
    it, one at a pole to the outermost row.

    Raises:
        DataError: the points lie in fewer than three patches: nothing can be compared.
    """
    rows, columns = patches.shape
    row = np.clip(np.floor((known.lat + 90.0) / 180.0 * rows).astype(np.int64), 0, rows - 1)
    col = np.floor((known.lon + 180.0) / 360.0 * columns).astype(np.int64) % columns
    cell = row * columns + col
    count = np.bincount(cell, minlength=rows * columns)
    order = np.argsort(cell, kind="stable")
    occupied = np.flatnonzero(count)
    if len(occupied) < _LEAST_PATCHES:
        problem = f"its points lie in {len(occupied)} of {len(count)} patches"
        raise DataError(problem, "vectors of a file", "choose smaller patches or a finer grid, or give more points")
    starts = np.concatenate(([0], np.cumsum(count[occupied])[:-1]))
    values = np.full((rows * columns, known.values.shape[1]), np.nan, np.float32)
    values[occupied] = np.add.reduceat(known.values[order], starts, axis=0) / count[occupied, None]
    return GriddedVectors(values.reshape(rows, columns, -1), count.reshape(rows, columns))


def vector_sentences(text: str, is_known: NDArray[np.bool_]) -> list[str]:
    """What was read: numbers, points, patches (Hp, Wp) with one, and what was left out."""
    known = vectors(text)
    occupied, total = int(is_known.sum()), is_known.size
    num_points, num_numbers = known.values.shape
    covered = "Every patch has a point." if occupied == total else f"{occupied:,} of {total:,} patches have a point."
    about = f"{num_points:,} points with {num_numbers} numbers each. {covered}".replace(",", "\u202f")
    return [about, *(f"{note[0].upper()}{note[1:]}." for note in known.notes)]


def _path(text: str) -> Path:
    path = Path(checked_path(text))
    if not path.is_file():
        raise DataError("vectors are read from one file", text[:200], "choose a single file")
    return path
