"""Baselines fitted to the months of a run; those that take minutes are kept on disk for all runs on the same months.

``$HARMONIA_HOME/baselines/<key>.npz`` holds the state of one baseline; the key is that of the months it was fitted to
and tuned on, so it can be removed at any time and is found by any run, sweep or report of the same data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.config.baselines import BASELINE_KINDS
from engine.data.source import MonthlyData
from engine.errors import EngineError
from engine.files import home_folder
from engine.formats.npz import read_npz
from engine.models.baselines import BASELINES, Baseline, Baselines, Climatology
from engine.runs.run_folder import write_arrays

VERSION = 1
"""Part of every key; incremented with the meaning of the numbers."""

_MOST_FILES = 40  # the oldest are removed: at 1° an interpolation has 0.3 MB, DINEOF 5 MB

Progress = Callable[[float, str], None]


def fitted_baselines(
    names: Sequence[str], train: MonthlyData, validation: MonthlyData, progress: Progress | None = None
) -> Baselines:
    """As :meth:`engine.models.baselines.Baselines.fit`, the costly ones from disk where they are known."""
    paths = {name: _path(name, train, validation) for name in names if BASELINE_KINDS[name].cost == "costly"}
    states = {name: state for name, path in paths.items() if (state := _read(path)) is not None}
    baselines = Baselines.fit(train, validation, [name for name in names if name not in states], progress)
    kept = {name: _restored(name, state, baselines.climatology) for name, state in states.items()}
    if lost := [name for name, baseline in kept.items() if baseline is None]:
        for name in lost:
            paths[name].unlink(missing_ok=True)
        return fitted_baselines(names, train, validation, progress)
    for name in paths.keys() & baselines.fitted.keys():
        _write(paths[name], baselines.fitted[name].state_dict())
    fitted = {**baselines.fitted, **{name: baseline for name, baseline in kept.items() if baseline is not None}}
    return Baselines(baselines.climatology, {name: fitted[name] for name in BASELINES if name in fitted})


def _path(name: str, train: MonthlyData, validation: MonthlyData) -> Path:
    digest = hashlib.sha256(f"baseline {VERSION}|{name}|{train.key}|{validation.key}".encode()).hexdigest()[:32]
    return home_folder() / "baselines" / f"{digest}.npz"


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """None where there is no such file, or it is damaged."""
    if not path.is_file():
        return None
    try:
        return read_npz(path)
    except (EngineError, OSError):
        return None


def _restored(name: str, state: dict[str, NDArray[Any]], climatology: Climatology) -> Baseline | None:
    try:
        return BASELINES[name].from_state_dict(state, climatology)
    except (LookupError, ValueError, TypeError):
        return None


def _write(path: Path, state: dict[str, NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, state)
    files = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
    for file in files[:-_MOST_FILES]:
        file.unlink(missing_ok=True)
