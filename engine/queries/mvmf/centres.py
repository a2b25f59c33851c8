"""Where a belief of the MvMF page's sandbox has its centres: placed by hand, drawn, or read from a file.

Legend: K components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.data.land import land_mask
from engine.errors import ChoiceError, DataError
from engine.mvmf import (
    MAX_KAPPA,
    MIN_KAPPA,
    centres_near,
    centres_of_bytes,
    centres_within,
    even_centres,
    hierarchy_centres,
    kmeans_centres,
)
from engine.queries.cache import CACHE
from engine.sphere import LatLonGrid, great_circle_km, lat_lon

Floats = NDArray[np.float64]

KAPPA_RANGE = (MIN_KAPPA, MAX_KAPPA)
"""What κ may be."""

STARTS: dict[str, int] = {
    "none": 0, "fibonacci": 32_768, "land": 32_768, "ocean": 32_768, "near-data": 4000, "kmeans": 1000,
    "hierarchy": 32_768, "file": 32_768,
}  # fmt: skip
"""Where centres may begin, and how many at most."""

MAX_FILE_BYTES = 8 * 2**20
SITES = 4000  # places on land that stand for data, where centres are to lie near some

_MASK_STEP_DEG = 0.5
_SITE_SEED = 20_250


class Component(NamedTuple):
    """One peak: where it stands in degrees, its concentration κ, and its weight beside the others (any scale, ≥ 0)."""

    lat: float
    lon: float
    kappa: float
    weight: float


class Placed(NamedTuple):
    """A component set by hand: one of the start's when ``of_start`` is its index, else (−1) one more."""

    of_start: int
    component: Component


@dataclass(frozen=True)
class Start:
    """Where the centres begin: a kind of :data:`STARTS`, how many, by which seed, all with the same κ and weight.

    ``separation_km`` is the least distance of centres near data; ``points`` (lat, lon) are those of a file.
    """

    kind: str
    count: int
    seed: int
    kappa: float
    separation_km: float = 100.0
    points: tuple[tuple[float, float], ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Components:
    """All components of a belief, each an array (K,): degrees, κ, weights."""

    lat: Floats
    lon: Floats
    kappa: Floats
    weight: Floats

    def __len__(self) -> int:
        return self.lat.size

    def one(self, index: int) -> Component:
        """One of them."""
        return Component(*(float(values[index]) for values in (self.lat, self.lon, self.kappa, self.weight)))

    def with_one(self, index: int, component: Component) -> Components:
        """All of them with one as it is now."""
        columns = tuple(values.copy() for values in (self.lat, self.lon, self.kappa, self.weight))
        for values, value in zip(columns, component, strict=True):
            values[index] = value
        return Components(*columns)


def start_points(start: Start) -> tuple[Floats, Floats]:
    """Latitudes and longitudes (K,) of a start; fewer than asked for where there is no room for more.

    Raises :class:`ChoiceError` for a kind or a count that cannot be.
    """
    if start.kind not in STARTS:
        raise ChoiceError(f"there is no start {start.kind!r}", "centres", f"choose one of {', '.join(STARTS)}")
    if start.kind == "none":
        return np.empty(0), np.empty(0)
    if start.kind == "file":
        lat, lon = np.array(start.points, float).reshape(-1, 2).T
        return lat, lon
    key = ("centres", start.kind, start.count, start.seed, start.separation_km)
    return CACHE.get(key, lambda: _drawn(start), lambda found: 2 * found[0].nbytes)


def components(start: Start, placed: Sequence[Placed] = ()) -> Components:
    """The start's components with those set by hand in their places, and the added ones after them."""
    lat, lon = start_points(start)
    rows = np.stack((lat, lon, np.full(lat.size, start.kappa), np.full(lat.size, start.weight)), 1)
    for of_start, component in placed:
        if 0 <= of_start < len(rows):
            rows[of_start] = component
    added = [component for of_start, component in placed if of_start < 0]
    if added:
        rows = np.concatenate((rows, np.array(added, float)))
    return Components(*rows.T)


def nearest(all_of: Components, lat: float, lon: float) -> tuple[int, float]:
    """Index and distance in km of the component nearest to a place."""
    apart = great_circle_km(lat, lon, all_of.lat, all_of.lon).numpy()
    index = int(apart.argmin())
    return index, float(apart[index])


def points_of_text(content: bytes, name: str = "pasted.csv") -> tuple[tuple[tuple[float, float], ...], tuple[str, ...]]:
    """Places (lat, lon) in degrees of a file's content, and what was understood and repaired.

    Columns that are swapped and radians are noticed; see :func:`engine.mvmf.centres_of_bytes`. ``name`` is the
    file's own, for the sentences.

    Raises :class:`DataError` for content that gives no centres, or too many.
    """
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"this holds {len(content) / 1e6:.0f} MB of centres", name, f"give at most {STARTS['file']:,} places"
        )
    found = centres_of_bytes(content, name, STARTS["file"])
    lat, lon = (np.round(angle.numpy(), 9) for angle in lat_lon(found.centres))
    return tuple(zip(lat.tolist(), lon.tolist(), strict=True)), found.notes


def _drawn(start: Start) -> tuple[Floats, Floats]:
    count, seed = start.count, start.seed
    match start.kind:
        case "fibonacci":
            found = even_centres(count)
        case "hierarchy":
            found = hierarchy_centres(count)
        case "near-data":
            found = centres_near(_sites(), count, start.separation_km, seed)
        case "kmeans":
            found = kmeans_centres(_sites(), count, seed)
        case kind:
            grid, land = _land()
            found = centres_within(land if kind == "land" else ~land, grid, count, seed)
    lat, lon = (angle.numpy() for angle in lat_lon(found))
    return lat, lon


@cache
def _land() -> tuple[LatLonGrid, NDArray[np.bool_]]:
    grid = LatLonGrid.regular(_MASK_STEP_DEG)
    return grid, np.asarray(land_mask(grid))


@cache
def _sites() -> Tensor:
    """Places on land (N, 3) that stand for those of training data."""
    grid, land = _land()
    return centres_within(land, grid, SITES, _SITE_SEED)
