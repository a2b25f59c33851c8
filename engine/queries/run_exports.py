"""Exported files of runs: their metrics and scores, and the field that a learned table holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import xarray as xr
from pydantic import BaseModel

from engine.config.expert import LandTiles
from engine.config.run_config import RunConfig, TableSettings
from engine.config.sst import DemoSource
from engine.data.cf import ancillary_attributes, value_attributes
from engine.data.kinds import VariableKind
from engine.evaluation import Verdict
from engine.provenance import Detail, Provenance, without_folders
from engine.queries.export import csv_file, netcdf_file
from engine.queries.leaderboard import COLUMNS, Leaderboard
from engine.queries.train.run_files import ERRORS, VALUES
from engine.queries.verdicts import score_rows
from engine.sphere import LatLonGrid
from engine.sphere.cf import CELSIUS, cf_grid, unit_attributes
from engine.typed import Floats

_COMPONENT = {"units": "1"}


def metrics_csv(config: RunConfig, columns: Mapping[str, Floats]) -> bytes:
    """The metrics of a run (N,) by name as CSV, a line for each report."""
    origin = _origin(
        config, "run.metrics", {}, f"Metrics of a run of the task {config.task!r}", {"num_lines": _len(columns)}
    )
    return csv_file(columns, origin)


def scores_csv(config: RunConfig, scores: Mapping[str, Any], result: Verdict | None) -> bytes:
    """Verdict and final scores of a training as CSV, the rows of :func:`engine.queries.verdicts.score_rows`."""
    rows = score_rows(scores, result)
    origin = _origin(config, "run.scores", {}, "Scores of a training on its test months", {})
    return csv_file({name: [row[name] for row in rows] for name in rows[0]}, origin)


def leaderboard_csv(board: Leaderboard) -> bytes:
    """A leaderboard as CSV, the rows of :meth:`engine.queries.leaderboard.Entry.row`; what is not known is empty."""
    rows = [entry.row() for entry in board.entries]
    columns = {name: [_plain(row[name]) for row in rows] for name in COLUMNS}
    origin = Provenance(
        recipe="",
        choices={},
        title=f"Scores: {board.title}",
        source="runs of the task 'sst' and their baselines",
        is_synthetic=isinstance(board.source, DemoSource),
        details={"skill_against": board.baseline, "unit_of_error": board.variable.error_symbol},
    )
    return csv_file(columns, origin)


def _plain(value: Any) -> Any:
    return " ".join(cast("list[str]", value)) if isinstance(value, list) else "" if value is None else value


def learned_netcdf(config: RunConfig, learned: xr.Dataset, iteration: int) -> bytes:
    """The field (lat, lon) of a learned table after ``iteration`` steps, at the points of the true one."""
    dataset = learned.copy()
    for name in dataset.data_vars:
        attrs = CELSIUS if dataset[name].attrs["units"] == "°C" else _COMPONENT
        dataset[name].attrs = {"long_name": f"{name}, learned", **attrs}
    return netcdf_file(dataset, learned_origin(config, learned, iteration))


def learned_origin(config: RunConfig, learned: xr.Dataset, iteration: int) -> Provenance:
    """The provenance of the field of a learned table."""
    title = f"{learned.attrs['title']}: learned by a table, iteration {iteration}"
    return _origin(config, "run.learned", {"iteration": iteration}, title, {"iteration": iteration})


def snapshot_netcdf(config: RunConfig, run: str, snapshot: xr.Dataset, variable: VariableKind) -> bytes:
    """The fields (lat, lon) of a snapshot (:func:`engine.queries.train.run_files.snapshot_fields`) as CF NetCDF."""
    grid = LatLonGrid(snapshot["lat"].values, snapshot["lon"].values)
    fields = {
        str(name): (
            ("lat", "lon"),
            field.values,
            {"long_name": field.attrs["long_name"], **_snapshot_attributes(str(name), variable)},
        )
        for name, field in snapshot.data_vars.items()
    }
    dataset = xr.Dataset({**fields, **cf_grid(grid)})
    return netcdf_file(dataset, snapshot_origin(config, run, snapshot.attrs["epoch"]))


def _snapshot_attributes(name: str, variable: VariableKind) -> dict[str, str]:
    """Standard name, where there is one, and unit of a field of a snapshot."""
    if name in VALUES:
        return value_attributes(variable)
    if name in ERRORS:
        of_logarithm = {"comment": "of the decimal logarithm"} if variable.is_logarithmic else {}
        return unit_attributes(variable.error_unit) | of_logarithm
    return ancillary_attributes(variable, "number_of_observations") | {"units": "1"}


def snapshot_origin(config: RunConfig, run: str, epoch: int) -> Provenance:
    """The provenance of a run's snapshot after ``epoch``."""
    choices, title = {"run": run, "epoch": epoch}, f"Snapshot of run {run}, epoch {epoch}"
    return _origin(config, "run.snapshot", choices, title, choices)


def config_json(config: RunConfig) -> bytes:
    """A configuration for everybody: ``harmonia train`` reads it, and finds the data by their name."""
    return json.dumps(without_folders(config.model_dump(mode="json")), indent=2, ensure_ascii=False).encode() + b"\n"


def is_simulated(settings: BaseModel) -> bool:
    """Whether a run with these settings learns from simulated data."""
    if isinstance(settings, TableSettings):
        return settings.target != "august"
    inside = [value for _, value in settings if isinstance(value, BaseModel)]
    return isinstance(settings, DemoSource | LandTiles) or any(map(is_simulated, inside))


def _len(columns: Mapping[str, Floats]) -> int:
    return max((np.size(values) for values in columns.values()), default=0)


def _origin(
    config: RunConfig, recipe: str, choices: Mapping[str, Any], title: str, details: Mapping[str, Detail]
) -> Provenance:
    return Provenance(
        recipe=recipe,
        choices={"config": config.model_dump(mode="json"), **choices},
        title=title,
        source=f"a run of the task {config.task!r} with seed {config.seed}",
        is_synthetic=is_simulated(config.settings),
        details={"task": config.task, "seed": config.seed, **_data(config.settings), **details},
    )


def _data(settings: BaseModel) -> dict[str, Detail]:
    """The data of the run in one line, where its settings name any."""
    if isinstance(settings, TableSettings):
        return {"data": settings.target}
    trained = getattr(settings, "trial", settings)  # a sweep has those of its trials
    known = getattr(trained, "source", None) or getattr(trained, "tiles", None)
    return {"data": known.model_dump(mode="json")} if isinstance(known, BaseModel) else {}
