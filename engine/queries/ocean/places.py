"""Places of a source: whether it has cells there, and which of its sea is nearest."""

from __future__ import annotations

import numpy as np

from engine.queries.ocean.sources import SourceChoice, source
from engine.sphere import great_circle_km

Place = tuple[float, float]
"""Degrees north, degrees east."""


def is_covered(choice: SourceChoice, place: Place) -> bool:
    """Whether a place lies in a cell of the source's grid."""
    grid, (lat, lon) = source(choice).grid, place
    south, north = np.sort(grid.lat_bounds[[0, -1]])
    east_of_edge = (lon - grid.lon_bounds[0]) % 360.0
    return bool(south <= lat <= north and east_of_edge <= grid.lon_bounds[-1] - grid.lon_bounds[0])


def covered_place(choice: SourceChoice, place: Place) -> Place:
    """The place itself where the source has a cell, else the centre of the sea cell nearest to it."""
    if is_covered(choice, place):
        return place
    ocean = source(choice)
    distance_km = np.asarray(great_circle_km(*place, ocean.grid.lat[:, None], ocean.grid.lon[None]))
    row, column = np.unravel_index(np.where(ocean.land, np.inf, distance_km).argmin(), ocean.land.shape)
    return float(ocean.grid.lat[row]), float((ocean.grid.lon[column] + 180.0) % 360.0 - 180.0)
