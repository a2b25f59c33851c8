"""Sums of errors by block of space and month, from which the spread of a difference of errors is drawn.

The errors of neighbouring cells, and of all cells in one month, are alike, so that the number of cells says nothing of
how sure a difference is. What counts as one independent piece is a block of the sea and a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluation.strata import JOINT_SHAPE, STRATA
from engine.sphere import EARTH_RADIUS_M, LatLonGrid
from engine.typed import Floats, Ints, Mask

LABELS = STRATA["class"][1:] + STRATA["observations"][1:]
"""What the cell-months of the open sea are sorted by in a block: each has one label, of ``class`` where it has no
observed day, else of ``observations``."""

_MIN_SIDE_KM, _MAX_SIDE_KM = 500.0, 2000.0
_NUM_BLOCKS = 64  # wanted, as far as the sides allow it


@dataclass(frozen=True, eq=False)
class Blocks:
    """Nearly square boxes of a sea with sides of about ``side_km``.

    Attributes:
        side_km: √(area/64), between 500 km, farther than errors of neighbours are alike, and 2000 km.
        index: (H, W) the block of a cell; arbitrary outside the sea.
        lat, lon: (B,) centres, degrees.
    """

    side_km: float
    index: Ints
    lat: Floats
    lon: Floats

    @classmethod
    def of(cls, grid: LatLonGrid, sea: Mask) -> Blocks:
        """The blocks of the cells ``sea`` (H, W); those without a cell of it are left out."""
        area_km2 = float((grid.cell_area_m2[:, None] * sea).sum()) / 1e6
        side_km = float(np.clip(np.sqrt(area_km2 / _NUM_BLOCKS), _MIN_SIDE_KM, _MAX_SIDE_KM))
        num_bands = round(np.pi * EARTH_RADIUS_M / 1000.0 / side_km)
        height = 180.0 / num_bands
        centres = -90.0 + height * (np.arange(num_bands, dtype=np.float64) + 0.5)
        num_columns = np.maximum(1, np.round(360.0 * np.cos(np.deg2rad(centres)) / height)).astype(np.int64)
        first = np.cumsum(num_columns) - num_columns
        band = np.minimum(((grid.lat + 90.0) / height).astype(np.int64), num_bands - 1)[:, None]
        columns = num_columns[band]
        column = np.minimum((((grid.lon + 180.0) % 360.0) / 360.0 * columns).astype(np.int64), columns - 1)
        number = first[band] + column
        present = np.unique(number[sea])
        of_band = np.repeat(np.arange(num_bands), num_columns)
        lon = -180.0 + 360.0 * (np.arange(len(of_band)) - first[of_band] + 0.5) / num_columns[of_band]
        index = np.minimum(np.searchsorted(present, number), max(0, len(present) - 1))
        return cls(side_km, index, centres[of_band][present], lon[present].astype(np.float64))

    def sums(self, where: Ints, joint: Ints, values: Floats) -> Floats:
        """Sums (B, label) of values (P,) of cells in the blocks ``where`` (P,) and the joint strata ``joint`` (P,).

        ``joint`` as of :meth:`engine.evaluation.strata.Strata.joint`; cells under ice do not count.
        """
        ice, visibility, observed = np.unravel_index(joint, JOINT_SHAPE)[:3]
        label = np.where(visibility == 0, observed + 1, visibility - 1)
        weights = np.where(ice == 0, values, 0.0)
        size = len(self.lat) * len(LABELS)
        sums = np.bincount(where * len(LABELS) + label, weights, size).astype(np.float64)
        return sums.reshape(-1, len(LABELS))

    def table(self, months: list[int], area_m2: Floats, abs_error: Floats) -> dict[str, Any]:
        """One estimate's sums (month, block, label) as plain values: areas in km², errors times areas in K km².

        Six digits are kept. ``months`` are numbered 1 to 12.
        """
        return {
            "side_km": round(self.side_km, 1),
            "labels": list(LABELS),
            "lat": _rounded(self.lat),
            "lon": _rounded(self.lon),
            "months": months,
            "area": _rounded(area_m2 / 1e6),
            "abs_error": _rounded(abs_error / 1e6),
        }


def _rounded(values: Floats) -> Any:
    """Nested lists of numbers with six digits."""
    flat = [float(f"{value:.6g}") for value in values.ravel().tolist()]
    return np.array(flat).reshape(values.shape).tolist()
