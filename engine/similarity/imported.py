"""Tokens of other models: any grid of patches, of one sample or several, from npz, NetCDF or Parquet.

Legend: S samples, h × w patches, C components.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.formats.limits import check_memory
from engine.formats.npz import read_npz
from engine.typed import Floats, Ints, Singles, open_dataset, read_parquet

ENDINGS = (".npz", ".nc", ".parquet")
_NAMES = ("tokens", "embedding", "embeddings", "sequence", "patches", "vectors", "features")
_CLASS = ("class_token", "class_tokens", "cls", "summary")
_ROWS, _COLUMNS = ("row", "lat", "latitude", "y"), ("col", "column", "lon", "longitude", "x")
_SAMPLES = ("sample", "chip", "image", "time", "month")
_COMPONENTS = ("dimension", "component", "components", "channel", "feature", "features", "dim", "k")
_REMEDY = "write an array 'tokens' of (rows, columns, components), or of (samples, rows, columns, components)"
_MOST_PATCHES = 100_000  # of one sample


@dataclass(frozen=True, eq=False)
class ImportedTokens:
    """Tokens of S samples.

    Attributes:
        tokens: (S, h, w, C), north or the first row at the top; NaN where a patch has none.
        class_tokens: (S, C), or None.
        targets: by name what else is known of each patch, (S, h, w), NaN = unknown.
        notes: sentences on how the file was understood.
    """

    tokens: Singles
    class_tokens: Singles | None
    targets: Mapping[str, Floats]
    notes: tuple[str, ...]

    @property
    def is_there(self) -> NDArray[np.bool_]:
        """(S, h, w), True = the patch has a token."""
        return np.asarray(np.isfinite(self.tokens).all(axis=-1))


def read_tokens(path: Path) -> ImportedTokens:
    """The tokens in a file, checked once.

    - ``.npz``: ``tokens`` (h, w, C) or (S, h, w, C); or a ``sequence`` (L, C) or (S, L, C) of h · w patches of a square
      grid, row by row, with the class token first where L − 1 is a square and L is not. ``class_token`` (C,) or (S, C).
      Other numbers of shape (h, w) or (S, h, w) are targets of a probe, (S,) of all patches of a sample.
    - ``.nc``: the same as variables, in any order of the dimensions; the grid's are row, col; lat, lon; or y, x.
    - ``.parquet``: a row for each patch: ``embedding``, a list; row and col, or lat and lon; ``sample`` where there are
      several; rows with a negative row are class tokens. Other columns of numbers are targets.

    Raises:
        DataError: no such ending; no tokens, or of another shape; fewer than two patches or components; class tokens of
            another width; a file that is damaged or too large.
    """
    readers = {".npz": _from_npz, ".nc": _from_netcdf, ".parquet": _from_parquet}
    if path.suffix not in readers:
        raise DataError(
            f"tokens in {path.suffix or 'no format'!r} are not read", path.name, f"write {', '.join(ENDINGS)}"
        )
    try:
        parts = readers[path.suffix](path)
    except DataError:
        raise
    except Exception as error:  # the readers' libraries raise many types for damaged files
        raise DataError(f"the file cannot be read: {' '.join(str(error).split())[:200]}", path.name, _REMEDY) from error
    return _checked(*parts, path.name)


_Parts = tuple[NDArray[Any], NDArray[Any] | None, dict[str, NDArray[Any]]]
"""Tokens, class tokens and other arrays, as they are in the file."""


def _from_npz(path: Path) -> _Parts:
    arrays = read_npz(path)
    name = _main(arrays, path.name)
    tokens = np.asarray(arrays.pop(name), np.float32)
    summary = next((arrays.pop(key) for key in _CLASS if key in arrays), None)
    length = tokens.shape[-2] if tokens.ndim in (2, 3) else 0
    with_class = _is_square(length - 1) and not _is_square(length) and length > 2
    if tokens.ndim == 2 or (tokens.ndim == 3 and (name == "sequence" or (with_class and tokens.shape[0] != length))):
        tokens = tokens.reshape(-1, *tokens.shape[-2:])
        if with_class:
            summary, tokens = tokens[:, 0], tokens[:, 1:]
        side = math.isqrt(tokens.shape[1])
        if side * side != tokens.shape[1]:
            raise DataError(f"a sequence of {length} tokens is no square grid", path.name, _REMEDY)
        tokens = tokens.reshape(len(tokens), side, side, -1)
    return tokens, summary, arrays


def _is_square(number: int) -> bool:
    return number > 0 and math.isqrt(number) ** 2 == number


def _from_netcdf(path: Path) -> _Parts:
    with open_dataset(path, decode_times=False) as dataset:
        fields: dict[str, Any] = {str(name): dataset[name] for name in dataset.data_vars}
        name = _main({key: field for key, field in fields.items() if field.ndim > 2}, path.name)
        field = fields.pop(name)
        check_memory(4.0 * field.size, "its tokens", path.name)
        row, col = (_dimension(field, names, path.name) for names in (_ROWS, _COLUMNS))
        width = next((str(dim) for dim in field.dims if dim in _COMPONENTS), str(field.dims[-1]))
        samples = [str(dim) for dim in field.dims if dim not in (row, col, width)]
        north_first = (
            row in ("lat", "latitude") and row in dataset.coords and float(dataset[row][0]) < float(dataset[row][-1])
        )

        def values(of: Any, *order: str) -> NDArray[Any]:
            array = of.transpose(*samples, *order)
            return np.asarray(array.isel({row: slice(None, None, -1)} if north_first and row in order else {}).values)

        tokens = values(field, row, col, width)
        tokens = tokens.reshape(-1, *tokens.shape[len(samples) :])
        summary = next(
            (fields.pop(key) for key in _CLASS if key in fields and set(fields[key].dims) == {*samples, width}), None
        )
        others = {
            key: values(other, row, col).reshape(tokens.shape[:-1])
            for key, other in fields.items()
            if set(other.dims) == {*samples, row, col}
        }
        flat = {
            key: np.asarray(other.values) for key, other in fields.items() if set(other.dims) == {row, col} and samples
        }
        class_tokens = None if summary is None else values(summary, width).reshape(-1, tokens.shape[-1])
        return tokens, class_tokens, {**flat, **others}


def _dimension(field: Any, names: tuple[str, ...], where: str) -> str:
    for name in names:
        if name in field.dims:
            return name
    raise DataError(
        f"it has the dimensions {', '.join(map(str, field.dims))}, none of {', '.join(names)}", where, _REMEDY
    )


def _from_parquet(path: Path) -> _Parts:
    columns = read_parquet(path)
    by_name = {name.lower(): array for name, array in columns.items()}
    name = next((name for name in _NAMES if name in by_name), None)
    if name is None:
        raise DataError(f"it has no column 'embedding', but {', '.join(columns)}", path.name, _REMEDY)
    lists = by_name.pop(name)
    if len({len(row) for row in lists}) > 1:
        raise DataError("its tokens have different numbers of components", path.name, _REMEDY)
    vectors = np.stack(list(lists)).astype(np.float32)
    row_key, col_key = (next((key for key in names if key in by_name), None) for names in (_ROWS, _COLUMNS))
    if row_key is None or col_key is None:
        raise DataError("it has no columns 'row' and 'col', or 'lat' and 'lon'", path.name, _REMEDY)
    of_class = by_name[row_key] < 0 if row_key == "row" else np.zeros(len(vectors), bool)
    # the north is at the top
    places = (-by_name[row_key] if row_key in ("lat", "latitude") else by_name[row_key]), by_name[col_key]
    by_name = {key: array for key, array in by_name.items() if key not in (row_key, col_key)}
    sample_key = next((key for key in _SAMPLES if key in by_name), None)
    sample = np.zeros(len(vectors), np.int64)
    if sample_key is not None:
        sample = np.unique(by_name.pop(sample_key), return_inverse=True)[1]
    rows, cols = (np.unique(place[~of_class], return_inverse=True) for place in places)
    shape = int(sample.max()) + 1, rows[0].size, cols[0].size
    if np.prod(shape) > 20 * len(vectors):
        raise DataError(
            f"{len(vectors)} tokens do not fill a grid of {shape[1]} × {shape[2]} patches", path.name, _REMEDY
        )
    at: tuple[Ints, ...] = sample[~of_class], rows[1], cols[1]
    tokens = np.full((*shape, vectors.shape[1]), np.nan, np.float32)
    tokens[at] = vectors[~of_class]
    others: dict[str, NDArray[Any]] = {}
    for key, array in by_name.items():
        if array.dtype.kind in "fiu":
            others[key] = np.full(shape, np.nan)
            others[key][at] = array[~of_class]
    class_tokens = None
    if of_class.any():
        class_tokens = np.full((shape[0], vectors.shape[1]), np.nan, np.float32)
        class_tokens[sample[of_class]] = vectors[of_class]
    return tokens, class_tokens, others


def _main(arrays: Mapping[str, Any], where: str) -> str:
    """The name of the tokens: a known one, or the only array with several axes."""
    for name in _NAMES:
        if name in arrays:
            return name
    several = [
        name for name, array in arrays.items() if array.ndim > 1 and array.dtype.kind == "f" and name not in _CLASS
    ]
    if len(several) == 1:
        return several[0]
    raise DataError(f"it has no 'tokens', but {', '.join(arrays) or 'nothing'}", where, _REMEDY)


def _checked(tokens: NDArray[Any], summary: Any, others: dict[str, NDArray[Any]], where: str) -> ImportedTokens:
    if tokens.dtype.kind not in "fiu":
        raise DataError("its tokens are no numbers", where, _REMEDY)
    tokens = tokens.astype(np.float32)
    tokens = tokens[None] if tokens.ndim == 3 else tokens
    if tokens.ndim != 4:
        raise DataError(f"its tokens have the shape {tokens.shape}", where, _REMEDY)
    if tokens.shape[1] * tokens.shape[2] > _MOST_PATCHES:
        raise DataError(f"a sample has {tokens.shape[1]} × {tokens.shape[2]} patches", where, "give at most 100 000")
    there = np.isfinite(tokens).all(axis=-1)
    if tokens.shape[3] < 2 or not tokens.size or (there.sum(axis=(1, 2)) < 2).any():
        raise DataError(
            f"its tokens of shape {tokens.shape} leave a sample with fewer than two patches or components",
            where,
            _REMEDY,
        )
    tokens[~there] = np.nan
    count, shape, width = len(tokens), tokens.shape[:3], tokens.shape[3]
    notes = [f"{count} sample{'s' if count > 1 else ''} of {shape[1]} × {shape[2]} patches with {width} components"]
    class_tokens = None
    if summary is not None:
        class_tokens = np.asarray(summary, np.float32)
        class_tokens = class_tokens[None] if class_tokens.ndim == 1 else class_tokens
        if class_tokens.shape != (count, width):
            raise DataError(
                f"its class tokens have the shape {class_tokens.shape}, its tokens {tokens.shape}", where,
                f"give class tokens of shape ({count}, {width})",
            )  # fmt: skip
        notes.append("with a class token")
    if not there.all():
        notes.append(f"{int((~there).sum())} patches have no token")
    targets = {name: field for name, array in others.items() if (field := _target(array, shape)) is not None}
    return ImportedTokens(tokens, class_tokens, targets, tuple(notes))


def _target(array: NDArray[Any], shape: tuple[int, ...]) -> Floats | None:
    """(S, h, w) float64; None for something else."""
    if array.dtype.kind not in "fiub":
        return None
    values = array.astype(np.float64)
    if values.shape == shape[:1] and shape[0] > 1:
        values = values[:, None, None]
    elif values.shape not in (shape, shape[1:]):
        return None
    values = np.broadcast_to(values, shape)
    known = values[np.isfinite(values)]
    return values if known.size and np.ptp(known) > 0.0 else None
