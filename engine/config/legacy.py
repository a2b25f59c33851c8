"""The one reader of formats that earlier versions wrote: old names of fields, keys and files, and what they are now.

Files are written with the names of today only. Whoever reads a file, or an address, passes its content through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

_Value = TypeVar("_Value")

_KEYS = {
    # fields of configurations
    "average": "ema_decay",
    "withheld_share": "withheld_fraction",
    "sample_share": "sample_fraction",
    # keys of checkpoints, model files and ``status.json``
    "facts": "metadata",
    "what": "problem",
    "rivals_val_mae": "baselines_val_mae",
}
"""Keys of JSON objects. No old key has another meaning today, so keys are renamed at every level."""

_ARRAYS: dict[str, str] = {}
"""Prefixes of the names of a checkpoint's arrays, up to and with the colon."""

_FILES = {
    "baselines.npz": "rivals.npz",
}
"""Files in a run's folder, by the name of today."""

TRASH = "bin"
"""The folder of deleted runs in a home."""


def current_key(name: str) -> str:
    """The name of today of a field or key, which may be a path such as ``trial.average``."""
    outer, dot, last = name.rpartition(".")
    return outer + dot + _KEYS.get(last, last)


def current_keys(values: Any) -> Any:
    """Plain JSON values with the keys of today. An old key beside its new one is left, to be refused as unknown."""
    if isinstance(values, dict):
        items = cast("dict[str, Any]", values)
        return {key if current_key(key) in items else current_key(key): current_keys(items[key]) for key in items}
    if isinstance(values, list):
        return [current_keys(value) for value in cast("list[Any]", values)]
    return values


def current_trials(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a sweep's ``trials.json``, whose ``fields`` are names too."""
    content = current_keys(content)
    return content | {"fields": [current_key(name) for name in content["fields"]]}


def current_arrays(arrays: Mapping[str, _Value]) -> dict[str, _Value]:
    """The arrays of a checkpoint by their names of today."""

    def renamed(name: str) -> str:
        prefix, colon, rest = name.partition(":")
        return _ARRAYS.get(prefix + colon, prefix + colon) + rest

    return {renamed(name): value for name, value in arrays.items()}


def existing_file(path: Path) -> Path:
    """``path``, or the same file under the name that an earlier version gave it, where only that exists."""
    old = path.with_name(_FILES.get(path.name, path.name))
    return old if old.exists() and not path.exists() else path
