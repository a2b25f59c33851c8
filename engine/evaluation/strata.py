"""Classes that are scored separately: kinds of observation, latitude, distance to the coast, ice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.baselines import ICE_FRACTION
from engine.sphere import EARTH_RADIUS_M, LatLonGrid
from engine.typed import Floats, Ints, Mask

Numbers = NDArray[np.integer[Any]]

_LAT_EDGES = (-60.0, -40.0, -20.0, 20.0, 40.0, 60.0)
_COAST_EDGES_KM = (100.0, 300.0, 1000.0)
NUM_OBSERVED_EDGES = (1, 4, 9)

STRATA: dict[str, tuple[str, ...]] = {
    "surface": ("sea", "ice"),
    "class": ("observed", "withheld", "never"),
    "observations": ("0", "1–3", "4–8", ">8"),
    "latitude": ("90–60°S", "60–40°S", "40–20°S", "20°S–20°N", "20–40°N", "40–60°N", "60–90°N"),
    "coast": ("<100 km", "100–300 km", "300–1000 km", ">1000 km"),
}
"""What a cell-month is sorted by, and the labels, in order.

``class`` tells what an estimate could see of the cell in that month: ``observed`` some of its days, ``withheld`` none,
since all its observations were hidden, ``never`` none, since there were none. ``observations`` counts the days seen.
``ice``, more than :data:`engine.models.baselines.ICE_FRACTION` of the days under ice, is scored apart: all other strata
hold open sea only.
"""

OBSERVATION_CLASSES = (*STRATA["observations"], "ice")
"""Classes that a predicted standard deviation is assessed and scaled in: open sea by its observed days, and ice."""

SEASONS = ("December–February", "March–May", "June–August", "September–November")


def observation_class(num_observed: Numbers, ice: NDArray[np.floating]) -> Ints:
    """Index of a cell-month among :data:`OBSERVATION_CLASSES`, of any one shape."""
    classes = np.digitize(num_observed, NUM_OBSERVED_EDGES)
    return np.where(ice > ICE_FRACTION, len(OBSERVATION_CLASSES) - 1, classes).astype(np.int64)


def latitude_band(lat_deg: Floats) -> Ints:
    """Index of latitudes among the labels of the stratum ``latitude``."""
    return np.digitize(lat_deg, _LAT_EDGES).astype(np.int64)


JOINT_SHAPE = tuple(len(labels) for labels in STRATA.values())
"""Number of labels of each of :data:`STRATA`: the shape of the joint strata before they are flattened."""


@dataclass(frozen=True, eq=False)
class Strata:
    """The strata of a grid's sea.

    Attributes:
        grid: the cells.
        land: (H, W) bool, True = land.
        coast_km: (H, W) distance to the nearest land cell, :func:`coast_distance_km`.
    """

    grid: LatLonGrid
    land: Mask
    coast_km: Floats

    @classmethod
    def of(cls, grid: LatLonGrid, land: Mask) -> Strata:
        """The strata of the sea cells of ``land`` (H, W)."""
        return cls(grid, land, coast_distance_km(grid, land))

    def joint(self, num_observed: Numbers, num_withheld: Numbers, ice: NDArray[np.floating]) -> Ints:
        """(H, W) in which of the joint strata a cell lies that month, as one flat index."""
        visibility = np.where(num_observed > 0, 0, np.where(num_withheld > 0, 1, 2))
        indices = (
            (ice > ICE_FRACTION).astype(np.int64),
            visibility,
            np.digitize(num_observed, NUM_OBSERVED_EDGES),
            np.broadcast_to(latitude_band(self.grid.lat)[:, None], self.land.shape),
            np.digitize(self.coast_km, _COAST_EDGES_KM),
        )
        return np.ravel_multi_index(indices, JOINT_SHAPE)


NUM_JOINT = int(np.prod(JOINT_SHAPE))
"""How many joint strata there are."""


def margins(joint: Floats) -> dict[str, Floats]:
    """Sums over joint strata (joint, X) to those over each of :data:`STRATA` (labels, X); all but ice: open sea."""
    table = joint.reshape(*JOINT_SHAPE, -1)
    open_sea = table[0]
    result = {"surface": table.sum(axis=(1, 2, 3, 4))}
    for axis, name in enumerate(list(STRATA)[1:]):
        others = tuple(a for a in range(open_sea.ndim - 1) if a != axis)
        result[name] = open_sea.sum(axis=others)
    return result


def coast_distance_km(grid: LatLonGrid, land: Mask) -> Floats:
    """Great-circle distance (H, W) in km from every cell's centre to the nearest land cell's; infinite without land.

    With d the angle between (φ, λ) and (φ′, λ′), sin²(d/2) = sin²(Δφ/2) + cos φ cos φ′ sin²(Δλ/2) grows with |Δλ|, so
    in each row of land only the column nearest in longitude counts: it is found once for every row, and then the rows
    are compared pairwise, from near to far, until they lie farther off than any distance found. Exact.
    """
    lat = np.deg2rad(grid.lat)
    across = np.stack([_nearest_lon(grid.lon, row) for row in land])  # sin²(Δλ/2) (H, W); infinite in a row of no land
    cosines = np.cos(lat)[:, None]
    across *= cosines
    best = cosines * across
    for offset in range(1, len(lat)):
        along = np.sin((lat[offset:] - lat[:-offset]) / 2.0)[:, None] ** 2
        if along.min() > best.max():
            break
        south, north = slice(None, -offset), slice(offset, None)
        np.minimum(best[north], along + cosines[north] * across[south], out=best[north])
        np.minimum(best[south], along + cosines[south] * across[north], out=best[south])
    return 2.0 * EARTH_RADIUS_M / 1000.0 * np.arcsin(np.minimum(np.sqrt(best), 1.0)) if land.any() else best


def _nearest_lon(lon_deg: Floats, land: Mask) -> Floats:
    """sin²(Δλ/2) (W,) to the column of land nearest in longitude; infinite where the row has none."""
    land_lon = lon_deg[land]
    if land_lon.size == 0:
        return np.full(lon_deg.shape, np.inf)
    around = np.concatenate((land_lon[-1:] - 360.0, land_lon, land_lon[:1] + 360.0))
    right = np.searchsorted(around, lon_deg)
    right = np.clip(right, 1, around.size - 1)
    nearest = np.minimum(np.abs(around[right] - lon_deg), np.abs(lon_deg - around[right - 1]))
    return np.sin(np.deg2rad(nearest) / 2.0) ** 2
