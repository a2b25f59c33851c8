"""Files of the Reconstruct page: months and scores to take away, and the film of a training."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import DemoSource, FileSource
from engine.errors import DataError, StoreError
from engine.queries.cache import CACHE
from engine.queries.ocean.sources import SourceChoice
from engine.queries.reconstruct.models import model_of
from engine.queries.reconstruct.months import MonthCase, Reconstructed, source_in_use
from engine.queries.reconstruct.scores import Verdict
from engine.runs.run_folder import RunFolder, is_id
from engine.sphere import LatLonGrid

Singles = NDArray[np.float32]

_FRAME_MS = 350
_LAST_MS = 1500
_GIF_WIDTH = 720
_LAND = (58, 67, 82)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A month of the validation as a training had it after an epoch; fields (H, W) float32, °C, NaN = unknown.

    ``error_kelvin`` and ``mean_error_kelvin`` are area-weighted mean absolute errors of the model and of the mean of
    valid days, where that has a value; NaN where no truth is known.
    """

    epoch: int
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    reconstruction: Singles
    observed: Singles
    truth: Singles
    std: Singles | None
    error_kelvin: float
    mean_error_kelvin: float


# --- the film -------------------------------------------------------------------------------------------------------


def epochs_of(run: str) -> tuple[int, ...]:
    """Epochs of which a run has a snapshot, ascending; none for a run that is gone."""
    return tuple(RunFolder.of(run).snapshot_epochs()) if is_id(run) else ()


def has_model(run: str) -> bool:
    """Whether a run has a model that can be used: from its first epoch on."""
    return is_id(run) and RunFolder.of(run).model.exists()


def snapshot(run: str, epoch: int) -> Snapshot:
    """What a training had after ``epoch``. Raises :class:`StoreError` when it is gone, damaged, or of another task."""
    folder = RunFolder.of(run)
    path = folder.snapshot(epoch)
    try:
        stamp = path.stat().st_mtime_ns
        return CACHE.get(("sst snapshot", str(path), stamp), lambda: _read(folder, epoch), _size)
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(
            f"the snapshot of epoch {epoch} cannot be read: {type(error).__name__}", str(path), "choose another epoch"
        ) from error


def _read(folder: RunFolder, epoch: int) -> Snapshot:
    held = folder.read_snapshot(epoch)
    lat, lon = held["lat"].astype(np.float64), held["lon"].astype(np.float64)
    fields = {name: held[name].astype(np.float32) for name in ("reconstruction", "observed", "target")}
    area = np.broadcast_to(LatLonGrid(lat, lon).cell_area_m2[:, None], (lat.size, lon.size))
    known = np.isfinite(sum(fields.values()))
    errors = [
        float(np.average(np.abs(fields[name] - fields["target"])[known], weights=area[known]))
        if known.any()
        else float("nan")
        for name in ("reconstruction", "observed")
    ]
    std = held["std"].astype(np.float32) if "std" in held else None
    return Snapshot(epoch, lat, lon, fields["reconstruction"], fields["observed"], fields["target"], std, *errors)


def _size(made: Snapshot) -> int:
    return 5 * made.truth.nbytes


def film_gif(run: str, colours: bytes, limits: tuple[float, float]) -> bytes:
    """The reconstruction epoch by epoch as an animated GIF, flat map, north up. ``colours`` are 256 × 3 bytes.

    Raises :class:`DataError` where there is no epoch yet.
    """
    from PIL import Image

    epochs = epochs_of(run)
    if not epochs:
        raise DataError("there is no epoch to show yet", run, "wait for the first one")
    table = np.vstack([np.frombuffer(colours, np.uint8).reshape(256, 3)[:255], [_LAND]]).astype(np.uint8)
    frames: list[Any] = []
    for epoch in epochs:
        field = snapshot(run, epoch).reconstruction[::-1]
        share = np.nan_to_num((field - limits[0]) / (limits[1] - limits[0]))
        codes = np.where(np.isfinite(field), np.clip(254 * share, 0, 254), 255).astype(np.uint8)
        factor = max(1, _GIF_WIDTH // codes.shape[1])
        frame = Image.fromarray(codes.repeat(factor, axis=0).repeat(factor, axis=1), mode="P")
        frame.putpalette(table.tobytes())
        frames.append(frame)
    with io.BytesIO() as content:
        durations = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
        frames[0].save(
            content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False
        )
        return content.getvalue()


# --- files to take away ---------------------------------------------------------------------------------------------


def month_netcdf(found: Reconstructed) -> bytes:
    """The month as :func:`engine.training.sst.cf.month_dataset` writes it: CF, and readable by ``open_sst``."""
    from engine.training.sst.cf import month_dataset, write_months

    std = None if found.std is None else found.std[None]
    dataset = month_dataset(
        model_of(found.case.model).trained, source_in_use(found.case), found.data, found.estimates["model"][None], std
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "month.nc"
        write_months(path, [dataset]).close()
        return path.read_bytes()


def scores_csv(verdicts: Sequence[tuple[str, Verdict]]) -> bytes:
    """All scores of verdicts as rows: months, estimate, stratum, label, metric, value (K, or none)."""
    from engine.evaluation.scores import table_rows

    with io.StringIO() as text:
        columns = ["months", "estimate", "stratum", "label", "metric", "value"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for months, found in verdicts:
            writer.writerows({"months": months, **row} for row in table_rows(found.table))
        return text.getvalue().encode()


# --- whole archives -------------------------------------------------------------------------------------------------


def archive_settings(case: MonthCase) -> ReconstructSettings:
    """The run that reconstructs all months of the case's source."""
    return ReconstructSettings(model=case.model, source=run_source(case.source), resample=case.resample)


def run_source(choice: SourceChoice) -> DemoSource | FileSource:
    """The source as a run's configuration names it: an upload by where it is kept."""
    if choice.kind == "demo":
        return DemoSource(step_deg=choice.step_deg, seed=choice.seed, years=choice.years)
    from engine.queries.ocean.files import resolved
    from engine.queries.ocean.uploads import uploaded

    paths = [uploaded(choice.path)] if choice.kind == "upload" else resolved(choice.path)
    path = str(paths[0]) if len(paths) == 1 else choice.path
    return FileSource(path=path, variable=choice.variable or None, quality=choice.quality)


def archive_file(run: str) -> Path | None:
    """What a run of the task ``reconstruct`` has written, once it is whole."""
    path = RunFolder.of(run).reconstruction if is_id(run) else None
    return path if path and path.exists() else None
