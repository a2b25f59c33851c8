"""What a probe reads: fields and classes over the Earth whose data come along.

Maps are read in the 1° cell that holds a point; NaN where a task has no value there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from engine.data.august import august_sst
from engine.data.climate import CLASSES, GROUP_OF_CLASS, GROUPS, SEA, climate_at
from engine.data.demo_ocean.mean_state import mean_state
from engine.data.demo_ocean.ocean import DemoOcean
from engine.data.land import coastlines
from engine.errors import DataError, check_choice
from engine.sphere import great_circle_km
from engine.sphere.geometry import unit_vectors
from engine.typed import Floats, Mask, Singles, nearest

Domain = Literal["everywhere", "land", "ocean"]

_BIAS_DAYS = 60
_BIAS_STEP = 12  # days from one to the next: two years in all
_FIRST_DAY = np.datetime64("2001-01-03")


@dataclass(frozen=True)
class ProbeTask:
    """A field in ``unit``, or ``classes`` by number; it has values in its ``domain``.

    ``values`` maps latitudes and longitudes (N,), degrees, to (N,) float64, NaN = no value.
    """

    title: str
    unit: str
    domain: Domain
    source: str
    values: Callable[[Floats, Floats], Floats]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TaskValues:
    """A task at N points: ``values`` (N,) float64, NaN = no value; numbers of ``classes`` where there are any."""

    title: str
    unit: str
    domain: Domain
    values: Floats
    classes: tuple[str, ...] = ()

    @property
    def valid(self) -> Mask:
        """(N,) True where there is a value."""
        return np.isfinite(self.values)


def task_values(task: str, lat_deg: Floats, lon_deg: Floats) -> TaskValues:
    """The values of the task called ``task`` at points in degrees. Raises :class:`ChoiceError` for an unknown one."""
    check_choice("task", task, TASKS)
    known = TASKS[task]
    values = known.values(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64))
    return TaskValues(known.title, known.unit, known.domain, values, known.classes)


def _land(lat: Floats, lon: Floats) -> Floats:
    return (climate_at(lat, lon) != SEA).astype(np.float64)


def _koppen(lat: Floats, lon: Floats) -> Floats:
    classes = climate_at(lat, lon)
    return np.where(classes == SEA, np.nan, classes - 1.0)


def _koppen_coarse(lat: Floats, lon: Floats) -> Floats:
    groups = GROUP_OF_CLASS[climate_at(lat, lon)]
    return np.where(groups == 0, np.nan, groups - 1.0)


def _coast_km(lat: Floats, lon: Floats) -> Floats:
    vertices = np.concatenate(coastlines("50m"))
    points = unit_vectors(vertices[:, 1], vertices[:, 0]).numpy()
    coast = vertices[nearest(points, unit_vectors(lat, lon).numpy())]
    return great_circle_km(lat, lon, coast[:, 1], coast[:, 0]).numpy()


def _sst(lat: Floats, lon: Floats) -> Floats:
    return _at(august_sst().values[::-1], lat, lon)


def _climatology(lat: Floats, lon: Floats) -> Floats:
    return _at(_at_sea(mean_state().mean), lat, lon)


def _variability(lat: Floats, lon: Floats) -> Floats:
    """Standard deviation of the seasonal cycle: that of each wave is its amplitude over √2."""
    return _at(_at_sea(np.sqrt((mean_state().season ** 2).sum(axis=0) / 2.0)), lat, lon)


def _bias(lat: Floats, lon: Floats) -> Floats:
    return _at(_mean_error(), lat, lon)


@cache
def _mean_error() -> Floats:
    """(180, 360) K: observed minus true, averaged over the observed of days spread over two years."""
    ocean = DemoOcean(1.0, 0)
    total, count = np.zeros(ocean.grid.shape), np.zeros(ocean.grid.shape)
    for number in range(_BIAS_DAYS):
        day = ocean.day(_FIRST_DAY + number * _BIAS_STEP)
        error = day.observed - day.truth
        is_seen = np.isfinite(error)
        total[is_seen] += error[is_seen]
        count += is_seen
    return np.where(count >= 5, total / np.maximum(count, 1), np.nan)


def _at_sea(field: Singles) -> Singles:
    return np.where(np.isfinite(august_sst().values[::-1]), field, np.nan)


def _at(field: Floats | Singles, lat: Floats, lon: Floats) -> Floats:
    """The values of a map of 1° cells, south first and 180°W first."""
    if not (np.isfinite(lon).all() and (np.abs(lat) <= 90.0).all()):
        raise DataError("some points are not on the sphere", "probe", "give latitudes from −90 to 90, no NaN")
    rows = np.minimum((lat + 90.0).astype(np.int64), 179)
    return field[rows, np.floor(lon + 180.0).astype(np.int64) % 360].astype(np.float64)


_HADISST = "HadISST 1.1, August 2012 (Rayner et al. 2003)"
_CLIMATE = "Köppen–Geiger, Rubel et al. (2017)"
_DEMO = "the demo ocean"

TASKS: dict[str, ProbeTask] = {
    "land": ProbeTask("Land or sea", "", "everywhere", _CLIMATE, _land, ("sea", "land")),
    "coast": ProbeTask("Distance to the coast", "km", "everywhere", "Natural Earth, 1:50 million", _coast_km),
    "koppen": ProbeTask("Climate class", "", "land", _CLIMATE, _koppen, tuple(c.code for c in CLASSES[1:])),
    "koppen_coarse": ProbeTask(
        "Climate group", "", "land", _CLIMATE, _koppen_coarse, tuple(group.name for group in GROUPS[1:])
    ),
    "sst": ProbeTask("August sea-surface temperature", "°C", "ocean", _HADISST, _sst),
    "climatology": ProbeTask("Annual mean sea-surface temperature", "°C", "ocean", _DEMO, _climatology),
    "variability": ProbeTask("Seasonal standard deviation", "K", "ocean", _DEMO, _variability),
    "bias": ProbeTask("Sensor bias", "K", "ocean", _DEMO + ", observed minus true over 60 days", _bias),
}
"""The tasks by name."""
