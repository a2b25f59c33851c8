"""What the Train page reads from the folder of one run: its newest metrics, snapshots and final scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.data.kinds import SST, VariableKind, kind_from
from engine.errors import ChoiceError, StoreError
from engine.files import read_file
from engine.queries.cache import CACHE
from engine.queries.results import SSTScores, check_maps, read_result
from engine.runs.metric_lines import SingleLines
from engine.runs.run_folder import RunFolder

if TYPE_CHECKING:
    import xarray as xr

_TAIL_BYTES = 8192
_VARIABLE_BYTES = 65_536
VALUES = {
    "reconstruction": "reconstructed monthly mean",
    "target": "reference: the true monthly mean, or the mean of the withheld days",
    "observed": "mean of the valid days",
}
"""Fields of a snapshot in the unit of the variable, with their titles."""

ERRORS = {
    "error": "reconstruction − reference",
    "mean_error": "mean of the valid days − reference",
    "std": "predicted standard deviation",
}
"""Fields of a snapshot in the unit of errors."""


def variable_of(folder: Path) -> VariableKind:
    """The kind of variable that a run reconstructs; the sea-surface temperature where its training has written none.

    Raises:
        StoreError: the file is damaged.
    """
    path = RunFolder(folder).variable
    try:
        return kind_from(json.loads(read_file(path, _VARIABLE_BYTES)))
    except FileNotFoundError:
        return SST
    except (OSError, ValueError, LookupError, TypeError, ChoiceError) as error:
        raise StoreError("the kind of variable of the run cannot be read", str(path), "train once more") from error


def latest_metrics(folder: Path) -> dict[str, float]:
    """The values of the last whole line of a run's metrics, without reading earlier lines; empty before the first.

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


def snapshot_fields(folder: Path, epoch: int) -> xr.Dataset:
    """The snapshot of a run of the task ``sst`` after ``epoch`` passes, fields (lat, lon) float32.

    ``reconstruction``, ``target``, ``observed`` (°C, or the variable's unit), ``error`` (K, or log₁₀ units), ``count``
    (days), ``std`` where it is predicted, as :func:`engine.training.sst.task.snapshot` explains; and ``mean_error``,
    the error of the mean of the valid days. The attribute ``variable`` is the key of the kind.

    Raises:
        StoreError: there is none, it is damaged, or the task makes no maps.
    """
    import xarray as xr

    snapshot = RunFolder(folder).read_snapshot(epoch)
    if "reconstruction" not in snapshot:
        raise StoreError("this snapshot holds no map", str(folder), "choose a run of the task 'sst'")
    check_maps(snapshot, ("reconstruction", "target", "observed", "error", "count"), ("std",), str(folder))
    variable = variable_of(folder)
    arrays = {name: values.astype(np.float32) for name, values in snapshot.items() if name not in ("lat", "lon")}
    arrays["mean_error"] = arrays["observed"] - arrays["target"]
    units = dict.fromkeys(VALUES, variable.symbol) | dict.fromkeys(ERRORS, variable.error_symbol)
    titles = VALUES | ERRORS | {"count": "valid days"}
    fields: dict[str, Any] = {}
    for name, long_name in titles.items():
        if name in arrays:
            values = variable.restored(arrays[name]) if name in VALUES else arrays[name]
            fields[name] = (("lat", "lon"), values, {"long_name": long_name, "units": units.get(name, "days")})
    return xr.Dataset(
        fields, {"lat": snapshot["lat"], "lon": snapshot["lon"]}, {"epoch": epoch, "variable": variable.key}
    )


def final_scores(folder: Path) -> dict[str, Any]:
    """The final scores of model and baselines on the test months (:func:`engine.evaluation.report.report`); empty while
    there are none.

    Raises:
        StoreError: the file is damaged.
    """
    key = scores_key(folder)
    if key is None:
        return {}
    scores = CACHE.get(("final scores", key), lambda: read_scores(folder), lambda _: 8 * key[-1])
    return scores if "model" in scores else {}


def scores_key(folder: Path) -> tuple[str, int, int] | None:
    """Path, time of change and size of a run's scores, which tell whether they are read; None while there are none.

    Raises:
        StoreError: the file cannot be read.
    """
    path = RunFolder(folder).scores
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError("the scores cannot be read", str(path), "train once more") from error
    return str(path), stat.st_mtime_ns, stat.st_size


def read_scores(folder: Path) -> dict[str, Any]:
    """The content of a run's ``scores.json``, read now.

    Raises:
        StoreError: the file is damaged.
    """
    path = RunFolder(folder).scores
    try:
        return read_result(SSTScores, path, "train once more").model_dump(exclude_unset=True)
    except OSError as error:
        raise StoreError("the scores cannot be read", str(path), "train once more") from error
