"""Exported files opened again: their provenance, their values, and how two of them differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
import xarray as xr
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from engine.errors import DataError, EngineError
from engine.formats.npz import read_npz
from engine.provenance import PREFIX, recipe_of

PICTURE = ".png"
"""The ending of a picture, which has the provenance of the data that it shows."""

Arrays = dict[str, NDArray[Any]]

_HASHES = {"model_hash": "the model", "data_hash": "the source"}
_CLOCK = ("step", "time", "samples_per_s", "memory_mb", "preparing")
"""Metrics that depend on the clock: two trainings of equal values differ in them."""


def attributes_of(path: Path) -> Mapping[str, Any]:
    """The provenance of an exported file, as :meth:`engine.provenance.Provenance.attributes` wrote it.

    Raises :class:`DataError` for a file that is missing, damaged, or of a kind that has none.
    """
    return _read(path, lambda form: form.attributes)


def differences(original: Path, remade: Path) -> list[str]:
    """How the provenance and, unless one is a picture, the values of two exported files differ, a sentence each."""
    before, after = attributes_of(original), attributes_of(remade)
    texts = [
        f"{name} is another one: its hash was {before[key]}, and is {after.get(key)}"
        for key, name in ((f"{PREFIX}{short}", name) for short, name in _HASHES.items())
        if key in before and before[key] != after.get(key)
    ]
    if original.suffix == PICTURE:
        return texts
    old, new = (_read(path, lambda form: form.arrays) for path in (original, remade))
    if recipe_of(before, str(original))[0] == "run.metrics":
        old, new = _without_clock(old), _without_clock(new)
        count = min((values.size for values in old.values()), default=0)
        new = {name: values[:count] for name, values in new.items()}  # the run may not have ended yet
    return texts + [text for name in old | new if (text := _difference(name, old.get(name), new.get(name)))]


def _difference(name: str, old: NDArray[Any] | None, new: NDArray[Any] | None) -> str:
    if old is None or new is None:
        return f"{name!r} is in one of them only"
    if old.shape != new.shape:
        return f"{name!r} had the shape {old.shape}, and has {new.shape}"
    if old.dtype.kind not in "fiub" or new.dtype.kind not in "fiub":
        return "" if (old.astype(str) == new.astype(str)).all() else f"{name!r} has other texts"
    if np.array_equal(old, new, equal_nan=True):
        return ""
    largest = float(np.nanmax(np.abs(old.astype(np.float64) - new.astype(np.float64))))
    return f"{name!r} differs by up to {largest:.3g}"


def _without_clock(columns: Arrays) -> Arrays:
    """Metrics without what the clock decides: columns, and lines that repeat the one before or only wait."""
    frame: Any = pd.DataFrame({name: values for name, values in columns.items() if name not in _CLOCK})
    frame = frame.dropna(how="all")
    repeats = (frame.eq(frame.shift()) | (frame.isna() & frame.shift().isna())).all(axis=1)
    return {str(name): frame[name][~repeats].to_numpy() for name in frame}


def _open_dataset(path: Path) -> Any:
    reader = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {"engine": "netcdf4"}
    return cast(Any, xr).open_dataset(path, decode_times=False, **reader)


def _dataset_attributes(path: Path) -> Mapping[str, Any]:
    with _open_dataset(path) as dataset:
        return dict(dataset.attrs)


def _dataset_arrays(path: Path) -> Arrays:
    with _open_dataset(path) as dataset:
        return {str(name): variable.values for name, variable in dataset.variables.items()}


def _csv_attributes(path: Path) -> Mapping[str, Any]:
    with open(path, encoding="utf-8") as file:
        lines = (line.removeprefix("# ").rstrip("\n") for line in takewhile(lambda line: line.startswith("# "), file))
        return dict(line.split(": ", 1) for line in lines)


def _csv_arrays(path: Path) -> Arrays:
    frame: Any = pd.read_csv(path, comment="#")
    return {str(name): frame[name].to_numpy() for name in frame}


def _npz_attributes(path: Path) -> Mapping[str, Any]:
    return json.loads(str(read_npz(path)["provenance"]))


def _npz_arrays(path: Path) -> Arrays:
    return {name: values for name, values in read_npz(path).items() if name != "provenance"}


def _safetensors_attributes(path: Path) -> Mapping[str, Any]:
    from safetensors import safe_open

    with cast(Any, safe_open(path, framework="numpy")) as file:
        return file.metadata() or {}


def _safetensors_arrays(path: Path) -> Arrays:
    from safetensors import safe_open

    with cast(Any, safe_open(path, framework="numpy")) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


def _png_attributes(path: Path) -> Mapping[str, Any]:
    with Image.open(path) as picture:
        return dict(cast(Any, picture).text)


def _gif_attributes(path: Path) -> Mapping[str, Any]:
    with Image.open(path) as film:
        return json.loads(cast(Any, film).info.get("comment", b"{}"))


def _gif_arrays(path: Path) -> Arrays:
    with Image.open(path) as film:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    return {f"frame {index}": frame for index, frame in enumerate(frames)}


def _no_arrays(path: Path) -> Arrays:
    raise DataError("a picture holds no values", str(path), "compare the files of its data")


class _Format(NamedTuple):
    """How files with an ending are read."""

    attributes: Callable[[Path], Mapping[str, Any]]
    arrays: Callable[[Path], Arrays]


_FORMATS = {
    ".nc": _Format(_dataset_attributes, _dataset_arrays),
    ".zarr": _Format(_dataset_attributes, _dataset_arrays),
    ".csv": _Format(_csv_attributes, _csv_arrays),
    ".npz": _Format(_npz_attributes, _npz_arrays),
    ".safetensors": _Format(_safetensors_attributes, _safetensors_arrays),
    ".gif": _Format(_gif_attributes, _gif_arrays),
    PICTURE: _Format(_png_attributes, _no_arrays),
}


def _read(path: Path, reader: Callable[[_Format], Callable[[Path], Any]]) -> Any:
    if path.suffix not in _FORMATS:
        raise DataError(f"files {path.suffix!r} cannot be made anew", str(path), f"choose one of {', '.join(_FORMATS)}")
    if not path.exists():
        raise DataError("there is no such file", str(path), "check the path")
    try:
        return reader(_FORMATS[path.suffix])(path)
    except EngineError:
        raise
    except Exception as error:  # the readers of these formats raise many types for damaged content
        raise DataError(f"it cannot be read: {error}", str(path), "export it again") from error
