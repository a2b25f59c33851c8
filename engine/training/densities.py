"""Where data lie: the densities of points that centres can follow and are compared on."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from engine.data.gazetteer import cities
from engine.errors import DataError, check_choice
from engine.mvmf import centres_within
from engine.sphere import unit_vectors
from engine.training.expert.data_module import land_cells

DENSITIES = {
    "Land, even in area": "land",
    "Ocean observations": "ocean",
    "Cities": "cities",
    "Points of a file": "file",
}
"""Titles of the densities, and their names."""

NUM_POINTS = 20_000
"""Points drawn of "land" and "ocean"; there are fewer cities."""

_SEED = 20_250
_FIRST_DAY, _DAYS = np.datetime64("2003-01-01"), 24  # every 15 days: a year of the demo ocean's satellite


def density_points(density: str, points: tuple[tuple[float, float], ...] = ()) -> Tensor:
    """Unit vectors (N, 3) of the density by its name.

    "land": even in area. "ocean": what the demo ocean's satellite sees in a year, clouds and ice left out. "cities":
    each of at least 100 000 people once. "file": ``points`` (lat, lon).

    Raises :class:`ChoiceError` for an unknown name, :class:`DataError` for a file without points.
    """
    check_choice("density", density, DENSITIES.values(), "densities")
    if density != "file":
        return _POINTS[density]()
    if not points:
        raise DataError("there are no points", "points of a file", "choose a file, or other data")
    lat, lon = np.array(points, np.float64).T
    return unit_vectors(lat, lon)


@cache
def _land() -> Tensor:
    grid, land = land_cells()
    return centres_within(land, grid, NUM_POINTS, _SEED)


@cache
def _ocean() -> Tensor:
    """As many points of each day as of any other, even in area over the cells that are seen."""
    from engine.data.demo_ocean.ocean import DemoOcean

    ocean = DemoOcean(1.0, 0)
    days = (_FIRST_DAY + 15 * number for number in range(_DAYS))
    seen = (np.isfinite(ocean.day(day).observed) for day in days)
    return torch.cat(
        [centres_within(cells, ocean.grid, NUM_POINTS // _DAYS, _SEED + number) for number, cells in enumerate(seen)]
    )


@cache
def _cities() -> Tensor:
    return unit_vectors(np.array([city.lat for city in cities()]), np.array([city.lon for city in cities()]))


_POINTS = {"land": _land, "ocean": _ocean, "cities": _cities}
