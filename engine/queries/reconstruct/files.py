"""Files of the Reconstruct page: downloads of months and scores, and the snapshots of a training."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.config.reconstruct import ReconstructSettings
from engine.data.cf import reconstructed_title
from engine.data.kinds import SST, VariableKind
from engine.errors import StoreError
from engine.evaluation import Verdict
from engine.provenance import Detail, Provenance
from engine.queries.cache import CACHE
from engine.queries.export import csv_file
from engine.queries.ocean.run_sources import run_source
from engine.queries.reconstruct.models import model_of
from engine.queries.reconstruct.months import MonthRequest, MonthResult, model_source
from engine.queries.reconstruct.scores import ModelScores
from engine.queries.results import check_maps
from engine.queries.train.run_files import variable_of
from engine.queries.verdicts import score_rows, validation_verdict
from engine.runs.run_folder import RunFolder, is_id
from engine.sphere import LatLonGrid
from engine.typed import Floats, Singles

if TYPE_CHECKING:
    from engine.training.sst.model_bundle import ModelBundle


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A validation month after an epoch of a training; fields (H, W) float32, in model space (°C), NaN = unknown.

    ``error_kelvin`` and ``mean_error_kelvin`` are area-weighted mean absolute errors of the model and of the mean of
    the observed days, where that has a value; NaN without a known truth.
    """

    epoch: int
    lat: Floats
    lon: Floats
    reconstruction: Singles
    observed: Singles
    truth: Singles
    std: Singles | None
    error_kelvin: float
    mean_error_kelvin: float
    variable: VariableKind = SST

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on this epoch beside the mean of the observed days; None without a known truth."""
        errors = {"val_mae": self.error_kelvin, "val_mae_mean": self.mean_error_kelvin}
        return validation_verdict(errors, self.variable)


# --- snapshots of a training ----------------------------------------------------------------------------------------


def snapshot_epochs(run: str) -> tuple[int, ...]:
    """Epochs with a snapshot of a run, ascending; empty for a run that does not exist."""
    return tuple(RunFolder.of(run).snapshot_epochs()) if is_id(run) else ()


def has_model(run: str) -> bool:
    """Whether a run has a model: from its first epoch on."""
    return is_id(run) and RunFolder.of(run).model.exists()


def snapshot(run: str, epoch: int) -> Snapshot:
    """The snapshot of a run after ``epoch``. Raises :class:`StoreError` if it is missing or damaged."""
    return snapshot_in(RunFolder.of(run), epoch)


def snapshot_in(folder: RunFolder, epoch: int) -> Snapshot:
    """:func:`snapshot` of the training in a folder."""
    path = folder.snapshot(epoch)
    try:
        key = ("sst snapshot", str(path), path.stat().st_mtime_ns)
        return CACHE.get(key, lambda: _read(folder, epoch), lambda month: 5 * month.truth.nbytes)
    except OSError as error:
        raise StoreError(
            f"the snapshot of epoch {epoch} cannot be read: {type(error).__name__}", str(path), "choose another epoch"
        ) from error


def _read(folder: RunFolder, epoch: int) -> Snapshot:
    arrays = folder.read_snapshot(epoch)
    check_maps(arrays, ("reconstruction", "observed", "target"), ("std",), str(folder.snapshot(epoch)))
    lat, lon = arrays["lat"].astype(np.float64), arrays["lon"].astype(np.float64)
    fields = {name: arrays[name].astype(np.float32) for name in ("reconstruction", "observed", "target")}
    area = np.broadcast_to(LatLonGrid(lat, lon).cell_area_m2[:, None], (lat.size, lon.size))
    known = np.isfinite(sum(fields.values()))
    errors = [
        float(np.average(np.abs(fields[name] - fields["target"])[known], weights=area[known]))
        if known.any()
        else float("nan")
        for name in ("reconstruction", "observed")
    ]
    std = arrays["std"].astype(np.float32) if "std" in arrays else None
    variable = variable_of(folder.path)
    values = fields["reconstruction"], fields["observed"], fields["target"]
    return Snapshot(epoch, lat, lon, *values, std, errors[0], errors[1], variable)


# --- downloads ------------------------------------------------------------------------------------------------------


def month_netcdf(month: MonthResult) -> bytes:
    """The month as CF NetCDF (:func:`engine.training.sst.cf.month_dataset`), which ``open_sst`` can read."""
    from engine.training.sst.cf import month_dataset, write_months

    std = None if month.std is None else month.std[None]
    estimate, origin = month.estimates["model"][None], month_origin(month)
    dataset = month_dataset(month.data, estimate, std, month.is_climatology[None], origin)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "month.nc"
        write_months(path, [dataset]).close()
        return path.read_bytes()


def month_origin(month: MonthResult) -> Provenance:
    """The provenance of a month. Raises :class:`StoreError` where its model has been trained on since."""
    from engine.training.sst.cf import origin_of

    request = month.request
    return origin_of(
        _bundle_of(request, month.model_key),
        model_source(request),
        reconstructed_title(_bundle_of(request, month.model_key).variable, _month_of(request)),
        "reconstruct.month",
        asdict(request),
        _details(request),
    )


def scores_csv(scores: Sequence[tuple[str, ModelScores]]) -> bytes:
    """Verdict and scores by months as CSV: months and the columns of :func:`engine.queries.verdicts.score_rows`."""
    from engine.training.sst.cf import origin_of

    rows = [
        {"months": months, **row}
        for months, model_scores in scores
        for row in score_rows(model_scores.table, model_scores.verdict)
    ]
    columns = ("months", "estimate", "stratum", "label", "metric", "value")
    parts = [ScoredMonths(months, model_scores.region, model_scores.requests) for months, model_scores in scores]
    first, months = parts[0].requests[0], ", ".join(part.months for part in parts)
    num_clouds = "; ".join(str(len(part.requests[0].clouds)) for part in parts)
    origin = origin_of(
        _bundle_of(first, scores[0][1].model_key),
        model_source(first),
        f"Scores of a reconstruction, {months}, {parts[0].region}",
        "reconstruct.scores",
        {"parts": [asdict(part) for part in parts]},
        {**_details(first), "month": months, "painted_clouds": num_clouds, "region": parts[0].region},
    )
    return csv_file({name: [row[name] for row in rows] for name in columns}, origin)


def _bundle_of(request: MonthRequest, key: str) -> ModelBundle:
    """The model of a request, as long as its numbers are those of ``key``."""
    bundle = model_of(request.model).bundle
    if bundle.key != key:
        raise StoreError(
            "the model has been trained on since this was computed", request.model, "choose the run again, then export"
        )
    return bundle


@dataclass(frozen=True)
class ScoredMonths:
    """The months behind a part of a file of scores, by the name of the part."""

    months: str
    region: str
    requests: tuple[MonthRequest, ...]


def _month_of(request: MonthRequest) -> str:
    return f"{request.year:04d}-{request.month:02d}"


def _details(request: MonthRequest) -> dict[str, Detail]:
    """What was reconstructed, in words and numbers."""
    return {
        "model": request.model,
        "month": _month_of(request),
        "withheld_percent": request.hidden_percent,
        "painted_clouds": len(request.clouds),
    }


# --- runs that reconstruct all months of a source -------------------------------------------------------------------


def archive_settings(request: MonthRequest) -> ReconstructSettings:
    """The settings of a run that reconstructs all months of the source of a request."""
    return ReconstructSettings(model=request.model, source=run_source(request.source), resample=request.resample)


def archive_file(run: str) -> Path | None:
    """The result of a run of the task ``reconstruct``, once it is complete."""
    path = RunFolder.of(run).reconstruction if is_id(run) else None
    return path if path and path.is_file() else None
