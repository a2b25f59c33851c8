"""Baselines fitted to the months of a run; those that take minutes are kept on disk for all runs on the same months.

``$HARMONIA_HOME/baselines/<key>/NAME.npz`` holds the state of one baseline; the key is that of the months it was fitted
to and tuned on and of their scale, so it can be removed at any time and is found by any run, sweep or report of the
same data. Of several processes that need the same one, a run's own ranks say, one fits and the others wait for it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from engine.config.baselines import BASELINE_KINDS
from engine.data.source import MonthlyData
from engine.errors import EngineError
from engine.files import home_folder, locked
from engine.formats.npz import read_npz
from engine.models.baselines import BASELINES, Baseline, Baselines, Climatology
from engine.models.baselines.baseline import Months
from engine.runs.run_folder import write_arrays

VERSION = 3
"""Part of every key; incremented with the meaning of the numbers."""

_MOST_FOLDERS = 20  # the oldest are removed: at 1° an interpolation has 0.3 MB, DINEOF 9 MB
_PATIENCE_S = 3600.0  # for another process that fits the same

Progress = Callable[[float, str], None]


def fitted_baselines(
    names: Sequence[str],
    train: MonthlyData,
    validation: MonthlyData,
    progress: Progress | None = None,
    truth: Callable[[], Months] | None = None,
) -> Baselines:
    """As :meth:`engine.models.baselines.Baselines.fit`, the costly ones from disk where they are known.

    Raises:
        RunError: another process has been fitting the same baselines for an hour.
    """
    costly = [name for name in names if BASELINE_KINDS[name].cost == "costly"]
    if not costly:
        return Baselines.fit(train, validation, names, progress, truth=truth)
    folder = _folder(train, validation)

    def restore(name: str, climatology: Climatology) -> Baseline | None:
        return _restored(folder / f"{name}.npz", name, climatology) if name in costly else None

    def wait() -> None:
        if progress is not None:
            progress(0.0, "waiting for another process that fits the same baselines")

    with locked(folder / "lock", _PATIENCE_S, wait):
        baselines = Baselines.fit(train, validation, names, progress, restore, truth)
        for name in costly:
            if name in baselines.fitted and not (path := folder / f"{name}.npz").exists():
                write_arrays(path, baselines.fitted[name].state_dict())
    _remove_oldest(folder.parent)
    return baselines


def _folder(train: MonthlyData, validation: MonthlyData) -> Path:
    scale = repr(train.variable.measured_scale)  # measured on the months of the climatology, which no other key holds
    digest = hashlib.sha256(f"baselines {VERSION}|{train.key}|{validation.key}|{scale}".encode()).hexdigest()[:32]
    folder = home_folder() / "baselines" / digest
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _restored(path: Path, name: str, climatology: Climatology) -> Baseline | None:
    """None where there is no such file; a damaged one is removed."""
    with suppress(EngineError, OSError, LookupError, ValueError, TypeError):
        if path.is_file():
            return BASELINES[name].from_state_dict(read_npz(path), climatology)
    path.unlink(missing_ok=True)
    return None


def _remove_oldest(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in kept[:-_MOST_FOLDERS]:
        shutil.rmtree(path, ignore_errors=True)
