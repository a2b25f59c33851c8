"""What the Train page reads from the folder of one run: its newest metrics, snapshots and final scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from engine.errors import StoreError
from engine.queries.cache import CACHE
from engine.runs.metric_lines import SingleLines
from engine.runs.run_folder import RunFolder

_TAIL_BYTES = 8192
_NAMES = {
    "reconstruction": ("reconstructed monthly mean", "°C"),
    "target": ("true monthly mean", "°C"),
    "observed": ("mean of the valid days", "°C"),
    "error": ("reconstruction − truth", "K"),
    "std": ("predicted standard deviation", "K"),
    "count": ("valid days", "days"),
}


def latest_metrics(folder: Path) -> dict[str, float]:
    """The values of the last whole line of a run's metrics, without reading the lines before; empty before the first.

    Read again only when the file has changed.
    """
    path = RunFolder(folder).metrics
    try:
        stat = path.stat()
        key = ("newest metrics", str(path), stat.st_mtime_ns, stat.st_size)
        return CACHE.get(key, lambda: _last_line(path), lambda _: 1024)
    except OSError:
        return {}


def _last_line(path: Path) -> dict[str, float]:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    return SingleLines.of(whole).last()


def snapshot_epochs(folder: Path) -> list[int]:
    """The epochs of which there is a snapshot, ascending."""
    return RunFolder(folder).snapshot_epochs()


def snapshot_fields(folder: Path, epoch: int) -> xr.Dataset:
    """The snapshot of a run of the task ``sst`` after ``epoch`` passes, fields (lat, lon) float32.

    ``reconstruction``, ``target``, ``observed`` (°C), ``error`` (K), ``count`` (days), ``std`` (K) where it is
    predicted, as :func:`engine.training.sst.task.snapshot` explains; and ``mean_error`` (K), what the mean of the
    valid days is wrong by.

    Raises:
        StoreError: there is none, it is damaged, or the task makes no maps.
    """
    held = RunFolder(folder).read_snapshot(epoch)
    if "reconstruction" not in held:
        raise StoreError("this snapshot holds no map", str(folder), "choose a run of the task 'sst'")
    fields: dict[str, Any] = {
        name: (("lat", "lon"), held[name].astype(np.float32), {"long_name": said, "units": units})
        for name, (said, units) in _NAMES.items()
        if name in held
    }
    wrong = held["observed"].astype(np.float32) - held["target"].astype(np.float32)
    fields["mean_error"] = (("lat", "lon"), wrong, {"long_name": "mean of the valid days − truth", "units": "K"})
    return xr.Dataset(fields, {"lat": held["lat"], "lon": held["lon"]}, {"epoch": epoch})


def final_scores(folder: Path) -> dict[str, Any]:
    """What :func:`engine.evaluation.report.report` told of model and baselines on the test years; empty while there
    is none.

    Raises:
        StoreError: the file is damaged.
    """
    path = RunFolder(folder).scores
    try:
        stat = path.stat()
        key = ("final scores", str(path), stat.st_mtime_ns, stat.st_size)
        found = CACHE.get(key, lambda: json.loads(path.read_bytes()), lambda _: 8 * stat.st_size)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError("the scores are damaged", str(path), "train once more") from error
    return found if "model" in found else {}
