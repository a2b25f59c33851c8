"""Checkpoints: arrays and plain metadata in one safetensors file with checksums. Nothing is unpickled."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic_core import from_json
from safetensors import safe_open
from safetensors.numpy import save

from engine.config.legacy import current_keys
from engine.errors import StoreError
from engine.files import VERSION, write_atomic

_KEY = "harmonia"  # one key only: with several, safetensors writes the header in an order that changes


class Checkpoint(NamedTuple):
    """What a task needs to resume: ``arrays`` by name, and ``metadata``, plain JSON values."""

    arrays: dict[str, NDArray[Any]]
    metadata: dict[str, Any]


def write_checkpoint(path: Path, arrays: Mapping[str, ArrayLike], metadata: Mapping[str, Any]) -> None:
    """Write ``path`` (``*.safetensors``), and its metadata again as ``*.json`` beside it for people and tools.

    The metadata are part of the safetensors file, so that one rename commits arrays and metadata together; the JSON
    file is never read.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    checksums = {name: _crc(array) for name, array in held.items()}
    text = json.dumps({"version": VERSION, "metadata": dict(metadata), "crc32": checksums}, sort_keys=True)
    write_atomic(path, save(held, {_KEY: text}))
    write_atomic(path.with_suffix(".json"), text.encode() + b"\n")


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read ``path`` back, bit for bit; None where there is none.

    Raises:
        StoreError: the file is damaged, not ours, or written by a newer version.
    """
    if not path.exists():
        return None
    if not path.is_file():  # opening a pipe would wait
        raise damaged_checkpoint(path)
    try:
        with cast("Any", safe_open(path, framework="numpy")) as file:
            header: dict[str, Any] = from_json(cast("dict[str, str]", file.metadata() or {})[_KEY])
            crcs: dict[str, int] = header.pop("crc32")
            arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in crcs}
        version, metadata = int(header["version"]), dict(current_keys(header)["metadata"])
    except Exception as error:  # safetensors, JSON and numpy raise many types for damaged content
        raise damaged_checkpoint(path) from error
    if version > VERSION:
        raise StoreError(
            f"the checkpoint was written by a newer Harmonia (version {version})", str(path), "update Harmonia"
        )
    if crcs != {name: _crc(array) for name, array in arrays.items()}:
        raise damaged_checkpoint(path)
    return Checkpoint(arrays, metadata)


def _crc(array: NDArray[Any]) -> int:
    flat: Any = array.reshape(-1).view(np.uint8)
    return zlib.crc32(flat)


def damaged_checkpoint(path: Path) -> StoreError:
    """The error for a checkpoint that does not hold what it should."""
    return StoreError("the checkpoint is damaged", str(path), "restore it from a copy, or start the run anew")
