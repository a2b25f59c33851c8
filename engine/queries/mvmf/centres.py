"""Centres of a mixture on the Geolocation page: added by hand, generated, or read from a file.

Legend: K components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from engine.errors import DataError, check_choice
from engine.mvmf import FOLLOWING, MAX_KAPPA, MIN_KAPPA, centres_of_bytes, centres_of_kind
from engine.queries.cache import CACHE
from engine.sphere import great_circle_km, lat_lon
from engine.training.densities import density_points
from engine.training.expert.data_module import land_cells
from engine.typed import Floats

KAPPA_RANGE = (MIN_KAPPA, MAX_KAPPA)
"""Range of κ."""

CENTRE_KINDS: dict[str, int] = {
    "none": 0, "fibonacci": 32_768, "land": 32_768, "ocean": 32_768, "near-data": 4000, "kmeans": 1000,
    "minibatch": 10_000, "farthest": 4000, "partition": 10_000, "hierarchy": 32_768, "file": 32_768,
}  # fmt: skip
"""Ways to choose the initial centres, and the maximum number of each."""

MAX_FILE_BYTES = 8 * 2**20


class Component(NamedTuple):
    """A component: position in degrees, concentration κ, and relative weight (any scale, ≥ 0)."""

    lat: float
    lon: float
    kappa: float
    weight: float


class PlacedComponent(NamedTuple):
    """A component edited by hand: it replaces initial component ``start_index``, or is added to them when −1."""

    start_index: int
    component: Component


@dataclass(frozen=True)
class CentreChoice:
    """The initial centres: a kind of :data:`CENTRE_KINDS`, number, seed, and the κ and weight of all of them.

    ``separation_km`` is the minimum distance of centres near data; ``data``, a density of
    :data:`engine.training.densities.DENSITIES`, is what the kinds :data:`engine.mvmf.FOLLOWING` follow; ``points``
    (lat, lon) are those of a file.
    """

    kind: str
    count: int
    seed: int
    kappa: float
    separation_km: float = 100.0
    points: tuple[tuple[float, float], ...] = ()
    weight: float = 1.0
    data: str = "land"


@dataclass(frozen=True, eq=False)
class Components:
    """All components of a mixture, each an array (K,): degrees, κ, weights."""

    lat: Floats
    lon: Floats
    kappa: Floats
    weight: Floats

    def __len__(self) -> int:
        return self.lat.size

    def component(self, index: int) -> Component:
        """One component."""
        return Component(*(float(values[index]) for values in (self.lat, self.lon, self.kappa, self.weight)))

    def with_component(self, index: int, component: Component) -> Components:
        """A copy with component ``index`` replaced."""
        columns = tuple(values.copy() for values in (self.lat, self.lon, self.kappa, self.weight))
        for values, value in zip(columns, component, strict=True):
            values[index] = value
        return Components(*columns)


def initial_centres(choice: CentreChoice) -> tuple[Floats, Floats]:
    """Latitudes and longitudes (K,); fewer than ``count`` where there is no room for more.

    Raises :class:`ChoiceError` for an unknown kind or an impossible count.
    """
    check_choice("kind of centres", choice.kind, CENTRE_KINDS, "centres")
    if choice.kind == "none":
        return np.empty(0), np.empty(0)
    if choice.kind == "file":
        lat, lon = np.array(choice.points, float).reshape(-1, 2).T
        return lat, lon
    data = (choice.data, choice.points if choice.data == "file" else ()) if choice.kind in FOLLOWING else ()
    key = ("centres", choice.kind, choice.count, choice.seed, choice.separation_km, data)
    return CACHE.get(key, lambda: _generated(choice), lambda centres: 2 * centres[0].nbytes)


def components(choice: CentreChoice, placed: Sequence[PlacedComponent] = ()) -> Components:
    """The initial components, some replaced by hand, followed by the added ones."""
    lat, lon = initial_centres(choice)
    rows = np.stack((lat, lon, np.full(lat.size, choice.kappa), np.full(lat.size, choice.weight)), 1)
    for start_index, component in placed:
        if 0 <= start_index < len(rows):
            rows[start_index] = component
    added = [component for start_index, component in placed if start_index < 0]
    if added:
        rows = np.concatenate((rows, np.array(added, float)))
    return Components(*rows.T)


def nearest(components: Components, lat: float, lon: float) -> int:
    """Index of the component nearest to a point."""
    return int(great_circle_km(lat, lon, components.lat, components.lon).argmin())


def points_of_text(content: bytes, name: str = "pasted.csv") -> tuple[tuple[tuple[float, float], ...], tuple[str, ...]]:
    """Points (lat, lon) in degrees of the content of a file, and notes on what was inferred and repaired.

    Swapped columns and radians are detected; see :func:`engine.mvmf.centres_of_bytes`. ``name`` is the name of the
    file, for the messages.

    Raises :class:`DataError` for content without centres, or with too many.
    """
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"the file has {len(content) / 1e6:.0f} MB",
            name,
            f"choose one with at most {CENTRE_KINDS['file']:,} points",
        )
    parsed = centres_of_bytes(content, name, CENTRE_KINDS["file"])
    lat, lon = (np.round(angle.numpy(), 9) for angle in lat_lon(parsed.centres))
    return tuple(zip(lat.tolist(), lon.tolist(), strict=True)), parsed.notes


def _generated(choice: CentreChoice) -> tuple[Floats, Floats]:
    def points() -> Tensor:
        return density_points(choice.data, choice.points)

    centres = centres_of_kind(choice.kind, choice.count, points, land_cells, choice.separation_km, choice.seed)
    lat, lon = (angle.numpy() for angle in lat_lon(centres))
    return lat, lon
