"""Numbers of the MvMF page's sandbox: a belief on the sphere from centres that are placed, drawn or read.

Legend: K components, H × W the map.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.land import land_mask
from engine.errors import ChoiceError, DataError
from engine.mvmf import (
    MAX_KAPPA,
    MIN_KAPPA,
    MixtureVMF,
    RunningMap,
    centres_near,
    centres_within,
    credible_region,
    even_centres,
    hierarchy_centres,
    kmeans_centres,
    read_centres,
)
from engine.queries.cache import CACHE
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km, lat_lon, unit_vectors

Floats = NDArray[np.float64]

KAPPA_RANGE = (MIN_KAPPA, MAX_KAPPA)
"""What κ may be."""

STARTS: dict[str, int] = {
    "none": 0, "fibonacci": 32_768, "land": 32_768, "ocean": 32_768, "near-data": 4000, "kmeans": 1000,
    "hierarchy": 32_768, "file": 32_768,
}  # fmt: skip
"""Where centres may begin, and how many at most."""

LEVELS = (0.5, 0.9)
"""Probabilities of the regions that are shown."""

MAX_FILE_BYTES = 8 * 2**20
SITES = 4000  # places on land that stand for data, where centres are to lie near some

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_EARTH_KM2 = 4.0 * math.pi * _EARTH_KM**2
_STEP_DEG, _DRAFT_STEP_DEG, _MASK_STEP_DEG = 0.5, 1.0, 0.5
_DRAFT = 1e-3
_DECADES = 5.0  # of a logarithmic map, below its largest value
_SITE_SEED = 20_250
_LONGEST_ARROW = 0.5  # radians


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


class Field(NamedTuple):
    """A map: ``lat`` (H,) and ``lon`` (W,) in degrees, ``values`` (H, W), NaN = nothing to show."""

    lat: Floats
    lon: Floats
    values: Floats


class Region(NamedTuple):
    """The smallest part of the map that holds ``level`` of the belief: its mask (H, W), area and number of cells."""

    level: float
    mask: NDArray[np.bool_]
    area_km2: float
    num_cells: int


class Summary(NamedTuple):
    """A belief as a whole: cell masses, regions by :data:`LEVELS`, entropy in nats and as the area that is as open."""

    mass: Field
    regions: tuple[Region, ...]
    entropy: float
    open_km2: float


class Lesson(NamedTuple):
    """What one sighting would teach: the loss −ln p at the truth in nats per steradian, and its pull on every centre.

    ``times_uniform``: the density at the truth over that of knowing nothing. Each (K,): ``distance_km`` to the truth;
    ``share`` of the density there that the component gives; ``pull`` in nats per 100 km by which the loss falls when
    the centre moves towards the truth; ``weight_pull``, the same for its log-weight, positive = should weigh more;
    ``kappa_pull`` for its ln κ.
    """

    loss: float
    times_uniform: float
    distance_km: Floats
    share: Floats
    pull: Floats
    weight_pull: Floats
    kappa_pull: Floats
    end_lat: Floats
    end_lon: Floats


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
    rows = np.stack((lat, lon, np.full(lat.size, start.kappa), np.ones(lat.size)), 1)
    for of_start, component in placed:
        if 0 <= of_start < len(rows):
            rows[of_start] = component
    added = [component for of_start, component in placed if of_start < 0]
    if added:
        rows = np.concatenate((rows, np.array(added, float)))
    return Components(*rows.T)


def half_radius_km(kappa: float) -> float:
    """Radius of the circle that holds half of one component: 1 − cos ρ = −ln(1 − (1 − e^−2κ)/2) / κ."""
    drop = -math.log1p(0.5 * math.expm1(-2.0 * kappa)) / kappa
    return 2.0 * _EARTH_KM * math.asin(min(math.sqrt(drop / 2.0), 1.0))


def nearest(all_of: Components, lat: float, lon: float) -> tuple[int, float]:
    """Index and distance in km of the component nearest to a place."""
    apart = great_circle_km(lat, lon, all_of.lat, all_of.lon).numpy()
    index = int(apart.argmin())
    return index, float(apart[index])


class Belief:
    """A mixture as the page asks about it. Densities are per km²; nothing here changes after it was made.

    Raises :class:`ChoiceError` without a component and for a κ out of range, :class:`DataError` when all weights are
    zero or a place is no place.
    """

    def __init__(self, of: Components) -> None:
        _check(of)
        self.components = of
        self._mixture = MixtureVMF(
            unit_vectors(of.lat, of.lon), torch.tensor(of.kappa).log(), torch.tensor(of.weight).log()
        )

    def draft(self) -> Field:
        """A first map, fit to be looked at."""
        grid = _grid(_DRAFT_STEP_DEG)
        return _field(grid, torch.exp(self._mixture.log_prob_map(grid, _DRAFT)) / _EARTH_KM**2)

    def map(self) -> Field:
        """The density on the map."""
        grid = _grid(_STEP_DEG)
        return _field(grid, torch.exp(self._mixture.log_prob_map(grid)) / _EARTH_KM**2)

    def one(self, index: int) -> Field:
        """The part of the density that one component gives, by its share of the weights."""
        alone = self.components.one(index)
        share = alone.weight / float(self.components.weight.sum())
        mixture = MixtureVMF(
            unit_vectors(alone.lat, alone.lon)[None], torch.tensor([math.log(alone.kappa)]).double(), torch.zeros(1)
        )
        grid = _grid(_STEP_DEG)
        return _field(grid, torch.exp(mixture.log_prob_map(grid)) * (share / _EARTH_KM**2))

    def summary(self) -> Summary:
        """Masses, regions and entropy."""
        grid = _grid(_STEP_DEG)
        mass = self._mixture.cell_mass(grid)
        regions: list[Region] = []
        for level in LEVELS:
            mask, area = credible_region(mass, grid, level)
            regions.append(Region(level, mask.numpy(), area, int(mask.sum())))
        entropy = float(self._mixture.entropy())
        return Summary(_field(grid, mass), tuple(regions), entropy, math.exp(entropy) * _EARTH_KM**2)

    def per_km2(self, lat: float, lon: float) -> float:
        """The exact density at a place, not the map's."""
        point = unit_vectors(lat, lon)[None]
        return math.exp(float(self._mixture.log_prob(point))) / _EARTH_KM**2

    def lesson(self, lat: float, lon: float) -> Lesson:
        """What the truth at a place would teach."""
        given, truth = self._mixture, unit_vectors(lat, lon)
        mixture = MixtureVMF(
            given.centres, given.log_kappa, given.logits, learn_centres=True, learn_kappa=True, learn_logits=True
        )
        loss = -mixture.log_prob(truth[None])[0]
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        d_centres, d_kappa, d_logits = (
            _gradient(one) for one in (mixture.centres_raw, mixture.log_kappa, mixture.logits)
        )
        centres = given.centres
        ahead = truth - (centres @ truth)[:, None] * centres
        ahead = torch.nn.functional.normalize(ahead, dim=1)
        apart = great_circle_km(lat, lon, self.components.lat, self.components.lon)
        weight = torch.softmax(given.logits, 0)
        pull = -(d_centres * ahead).sum(1) * (100.0 / _EARTH_KM)
        angle = (apart / _EARTH_KM).clamp(max=_LONGEST_ARROW) * pull / pull.max().clamp_min(1e-300)
        ends = lat_lon(torch.cos(angle)[:, None] * centres + torch.sin(angle)[:, None] * ahead)
        return Lesson(
            float(loss.detach()),
            math.exp(-float(loss.detach())) * 4.0 * math.pi,
            apart.numpy(),
            (weight - d_logits).numpy(),
            pull.numpy(),
            (-d_logits).numpy(),
            (-d_kappa).numpy(),
            *(end.numpy() for end in ends),
        )

    def csv(self) -> bytes:
        """The components as a file that :func:`points_of_text` reads again."""
        of = self.components
        text = io.StringIO("lat_deg,lon_deg,kappa,weight\n")
        text.seek(0, io.SEEK_END)
        np.savetxt(text, np.stack((of.lat, of.lon, of.kappa, of.weight), 1), "%.9g", ",")
        return text.getvalue().encode()

    def live(self) -> LiveMap:
        """The map that follows one component at a time."""
        return LiveMap(self._mixture, self.components)


class LiveMap:
    """The density on the map while a component is dragged: only what that one gives is computed again."""

    def __init__(self, mixture: MixtureVMF, of: Components) -> None:
        self._log_total = math.log(of.weight.sum())
        self._running = RunningMap(mixture, _grid(_STEP_DEG))

    def move(self, index: int, to: Component) -> Field:
        """The map with component ``index`` as it is now; its weight is more than zero."""
        centre = unit_vectors(to.lat, to.lon)
        self._running.replace(index, centre, math.log(to.kappa), math.log(to.weight) - self._log_total)
        return self.field()

    def field(self) -> Field:
        """Density per km²."""
        return _field(self._running.grid, self._running.values / _EARTH_KM**2)


def decades(field: Field) -> tuple[Field, float, float]:
    """The map as log₁₀ of its values with both ends of its scale: five decades up to the largest value."""
    with np.errstate(divide="ignore"):
        values = np.log10(field.values)
    top = float(np.nanmax(values))
    return field._replace(values=np.maximum(values, top - _DECADES)), top - _DECADES, top


def region_bands(summary: Summary) -> Field:
    """The map of regions: for every cell the largest share of the belief that needs it, in %; NaN outside them all."""
    bands = np.full(summary.mass.values.shape, np.nan)
    for region in sorted(summary.regions, key=lambda region: -region.level):
        bands[region.mask] = 100.0 * region.level
    return summary.mass._replace(values=bands)


def searched_km2(summary: Summary, place: tuple[float, float]) -> float:
    """The area in km² that has to be searched, likeliest cells first, until the place's own cell is reached."""
    lat, lon, mass = summary.mass
    grid = _grid(_STEP_DEG)
    areas = np.broadcast_to(grid.cell_area_m2[:, None] / 1e6, mass.shape)
    density = mass / areas
    row, column = int(np.abs(lat - place[0]).argmin()), int(np.abs((lon - place[1] + 180.0) % 360.0 - 180.0).argmin())
    return float(areas[density >= density[row, column]].sum())


def points_of_text(content: bytes, name: str = "pasted.csv") -> tuple[tuple[tuple[float, float], ...], tuple[str, ...]]:
    """Places (lat, lon) in degrees of a file's content, and what was understood and repaired.

    Columns that are swapped and radians are noticed; see :func:`engine.mvmf.read_centres`.

    Raises :class:`DataError` for content that gives no centres, or too many.
    """
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{name} holds {len(content) / 1e6:.0f} MB", "file of centres", f"give at most {STARTS['file']} places"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("centres.npy" if name.lower().endswith(".npy") else "centres.csv")
        path.write_bytes(content)
        found = read_centres(path)
    if len(found.centres) > STARTS["file"]:
        raise DataError(
            f"{name} holds {len(found.centres)} places", "file of centres", f"give at most {STARTS['file']} of them"
        )
    lat, lon = (np.round(angle.numpy(), 9) for angle in lat_lon(found.centres))
    return tuple(zip(lat.tolist(), lon.tolist(), strict=True)), found.notes


def _check(of: Components) -> None:
    if not len(of):
        raise ChoiceError("there is no centre", "the belief", "place one on the globe, or choose where they begin")
    if not all(np.isfinite(values).all() for values in (of.lat, of.lon, of.weight)) or (of.weight < 0.0).any():
        raise DataError("a centre has no place or no weight", "the belief", "give finite places and weights from 0 up")
    if not of.weight.any():
        raise DataError("all weights are zero", "the belief", "give one centre a weight")


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


@cache
def _grid(step_deg: float) -> LatLonGrid:
    return LatLonGrid.regular(step_deg)


def _field(grid: LatLonGrid, values: Tensor) -> Field:
    return Field(grid.lat, grid.lon, values.numpy())


def _gradient(of: Tensor) -> Tensor:
    assert of.grad is not None
    return of.grad
