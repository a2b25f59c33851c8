"""Data of the Learned table page: fields and losses of a run of the task ``table``, and the cells beyond the edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from engine.config.run_config import TableSettings
from engine.data.vectors import SYNTHETIC, Floats, Target, target
from engine.embedding.table import GLOBE, TOPOLOGIES, Embedding2d, Topology
from engine.errors import ChoiceError
from engine.queries.cache import CACHE
from engine.queries.results import check_shapes
from engine.runs.metrics import MetricsReader, decimate
from engine.runs.run_folder import RunFolder
from engine.sphere import lat_lon, unit_vectors
from engine.sphere.cf import cf_points

PLACES: dict[str, tuple[float, float]] = {
    "North Pole": (0.0, 90.0),
    "South Pole": (0.0, -90.0),
    "Date line": (180.0, 0.0),
}
"""Where the topologies differ: (longitude, latitude) in degrees."""


@dataclass(frozen=True, eq=False)
class TableFields:
    """Fields of a run on the points of the true field: datasets (lat, lon) of ``u`` and ``v``, or of ``value``.

    ``sampled`` is NaN outside the training sample; ``learned`` and ``table`` (W, H, N), the weights, are None until
    there is a first snapshot, as is ``iteration``, that of the snapshot.
    """

    true: xr.Dataset
    sampled: xr.Dataset
    learned: xr.Dataset | None
    table: NDArray[np.float32] | None
    iteration: int | None


@dataclass(frozen=True, eq=False)
class LossCurves:
    """Mean absolute errors by iteration, (P,) each, in units of the field: training, test, test by area."""

    iteration: Floats
    train: Floats
    test: Floats
    test_area: Floats


@dataclass(frozen=True)
class BaselineScore:
    """Mean absolute error of a baseline on the test points, in the units of the field: plain and weighted by area."""

    name: str
    test_l1: float
    test_area_l1: float


@dataclass(frozen=True, eq=False)
class CloseUp:
    """A neighbourhood of cells (2py+1, 2px+1), rows from south to north, columns from west to east.

    ``lat`` and ``lon``: centre of the table's cell at each position, degrees; ``values`` (…, N): its features.
    """

    lat: Floats
    lon: Floats
    values: Floats


def table_fields(folder: Path) -> TableFields:
    """True, sampled and learned field of the run in ``folder``, from its latest snapshot.

    Raises :class:`ChoiceError` for a run of another task, :class:`StoreError` for a damaged snapshot.
    """
    settings, seed = _settings(folder)
    field = _target(settings.target)
    is_sampled = field.sampled(settings.sample_fraction, seed)
    true = _dataset(field, field.values, field.lat, field.lon)
    sampled = true.where(xr.DataArray(is_sampled, dims=("lat", "lon")))
    iteration = latest_snapshot(folder)
    if iteration is None:
        return TableFields(true, sampled, None, None, None)
    learned, weights = _snapshot(folder, settings, iteration)
    return TableFields(true, sampled, learned, weights, iteration)


def learned_field(folder: Path, iteration: int) -> xr.Dataset:
    """The learned field (lat, lon) of a run after ``iteration`` steps. Raises as :func:`table_fields`."""
    return _snapshot(folder, _settings(folder)[0], iteration)[0]


def _snapshot(folder: Path, settings: TableSettings, iteration: int) -> tuple[xr.Dataset, NDArray[np.float32]]:
    """The learned field and the weights (W, H, N) of a snapshot."""
    field = _target(settings.target)
    arrays = RunFolder(folder).read_snapshot(iteration)
    shape = (field.lat.size, field.lon.size)
    expected = {**dict.fromkeys(field.names, shape), "table": (settings.width, settings.height, None)}
    check_shapes(arrays, expected, str(folder))
    values = np.stack([arrays[name] for name in field.names], axis=-1)
    return _dataset(field, values, field.lat, field.lon), arrays["table"]


def latest_snapshot(folder: Path) -> int | None:
    """Iteration of the latest snapshot of the run in ``folder``, None before the first."""
    return max(RunFolder(folder).snapshot_epochs(), default=None)


def loss_curves(reader: MetricsReader, num_points: int = 1000) -> LossCurves:
    """The loss curves of the metrics read so far, each thinned so that no minimum or maximum is lost.

    The caller keeps the reader and polls it, so that no line is read twice.
    """
    columns = reader.columns
    if not columns:
        return LossCurves(*(np.empty(0) for _ in range(4)))
    kept = np.unique(np.concatenate([decimate(columns[name], num_points) for name in ("train_l1", "test_l1")]))
    return LossCurves(*(columns[name][kept] for name in ("iteration", "train_l1", "test_l1", "test_area_l1")))


def nearest_baseline(folder: Path) -> BaselineScore:
    """The value of the nearest sampled point as prediction, on the test points of the run in ``folder``.

    Takes seconds for the ocean.

    Raises :class:`ChoiceError` for a run of another task.
    """
    settings, seed = _settings(folder)
    return CACHE.get(
        ("nearest", settings.target, settings.sample_fraction, seed),
        lambda: _nearest(_target(settings.target), settings.sample_fraction, seed),
        lambda _: 64,
    )


def true_table(name: str, width: int, height: int) -> Floats:
    """The field ``name`` at the centre of every cell of a table over the globe: (W, H, N), NaN where it is missing.

    Synthetic fields are exact; the temperature of the ocean is that of the nearest point.
    """
    lat, lon = _centres(width, height)
    if name in SYNTHETIC:
        return SYNTHETIC[name](lat, lon[:, None])
    field = _target(name)
    rows = np.abs(field.lat[:, None] - lat).argmin(axis=0)
    columns = np.abs(field.lon[:, None] - lon).argmin(axis=0)
    return field.values[rows[None, :], columns[:, None]]


def true_fields(name: str, width: int, height: int) -> xr.Dataset:
    """:func:`true_table` as a dataset (lat, lon) of ``u`` and ``v``, or of ``value``."""
    values = true_table(name, width, height).swapaxes(0, 1)
    return _dataset(_target(name), values, *_centres(width, height))


def close_ups(table: NDArray[Any], place: tuple[float, float], padding: tuple[int, int]) -> Mapping[Topology, CloseUp]:
    """Input of a convolution at ``place`` (longitude, latitude) in a ``table`` (W, H, N) over the globe, by topology.

    Raises :class:`ChoiceError` for a padding wider than the table, :class:`DataError` for a place off the globe.
    """
    return {topology: _close_up(table, place, padding, topology) for topology in TOPOLOGIES}


def _settings(folder: Path) -> tuple[TableSettings, int]:
    config = RunFolder(folder).read_config()
    if not isinstance(config.settings, TableSettings):
        raise ChoiceError(f"the run is of the task {config.task!r}", folder.name, "choose a run of the task 'table'")
    return config.settings, config.seed


def _nearest(field: Target, sample_fraction: float, seed: int) -> BaselineScore:
    sampled = field.sampled(sample_fraction, seed)
    rest = field.observed & ~sampled
    error = np.abs(field.nearest(sampled) - field.values).mean(axis=-1)[rest]
    area = np.broadcast_to(np.cos(np.deg2rad(field.lat))[:, None], rest.shape)[rest]
    return BaselineScore("nearest sampled point", float(error.mean()), float(np.average(error, weights=area)))


def _close_up(table: NDArray[Any], place: tuple[float, float], padding: tuple[int, int], topology: Topology) -> CloseUp:
    width, height, num_features = table.shape
    lat, lon = _centres(width, height)
    # between two columns the position is the mean of their unit vectors; the mean of their longitudes would be wrong
    vectors = unit_vectors(np.broadcast_to(lat, (width, height)), np.broadcast_to(lon[:, None], (width, height)))
    features = torch.cat((torch.tensor(np.asarray(table, np.float64)), vectors), dim=-1)
    grid = Embedding2d((width, height, num_features + 3), GLOBE, padding, topology, dtype=torch.float64)
    with torch.no_grad():
        grid.weight.copy_(features)
        patch = grid(torch.tensor(place, dtype=torch.float64)).movedim(0, 1)
    rows, columns = lat_lon(patch[..., num_features:])
    return CloseUp(rows.numpy(), columns.numpy(), patch[..., :num_features].numpy())


def _centres(width: int, height: int) -> tuple[Floats, Floats]:
    x, y, wide, high = GLOBE
    return y + high * (np.arange(height) + 0.5) / height, x + wide * (np.arange(width) + 0.5) / width


def _target(name: str) -> Target:
    return CACHE.get(("target", name), lambda: target(name), lambda field: field.values.nbytes)


def _dataset(field: Target, values: NDArray[Any], lat: Floats, lon: Floats) -> xr.Dataset:
    attrs = {"units": field.units}
    variables = {name: (("lat", "lon"), values[..., index], attrs) for index, name in enumerate(field.names)}
    return xr.Dataset(variables, cf_points(lat, lon), {"title": field.title})
