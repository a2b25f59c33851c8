"""Numbers of the MvMF page's sandbox: what a belief on the sphere says of places, regions and a truth.

Legend: K components, H × W the map.
"""

from __future__ import annotations

import io
import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.mvmf import MixtureVMF, RunningMap, credible_region, log_normaliser
from engine.queries.mvmf.centres import Component, Components, Floats
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km, lat_lon, unit_vectors

LEVELS = (0.5, 0.9)
"""Probabilities of the regions that are shown."""

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_EARTH_KM2 = 4.0 * math.pi * _EARTH_KM**2
_STEP_DEG, _DRAFT_STEP_DEG = 0.5, 1.0
_DRAFT = 1e-3
_DECADES = 5.0  # of a logarithmic map, below its largest value
_LONGEST_KM, _PAST_TRUTH_KM = 3000.0, 300.0  # of a pull's line; what it may have at most to go past the truth
_SHARP = 0.4  # κ × (a cell's height)² from which a cell's corner is 10 % below a peak in its middle
_FELT = 1e-6  # nats per 100 km: where no pull is stronger no line is as long as it could be


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


class LossGradient(NamedTuple):
    """What one sighting would teach: the loss −ln p at the truth in nats per steradian, and its pull on every centre.

    ``times_uniform``: the density at the truth over that of knowing nothing. Each (K,): ``distance_km`` to the truth;
    ``share`` of the density there that the component gives; ``pull`` in nats per 100 km by which the loss falls when
    the centre moves towards the truth; ``weight_pull``, the same for its log-weight, positive = should weigh more;
    ``kappa_pull`` for its ln κ. From the centre towards ``end_lat``, ``end_lon`` runs a line as long as its pull is
    strong, on one scale for all: none is longer than 3000 km, and none longer than 300 km goes past the truth.
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


def half_radius_km(kappa: float) -> float:
    """Radius of the circle that holds half of one component: 1 − cos ρ = −ln(1 − (1 − e^−2κ)/2) / κ."""
    drop = -math.log1p(0.5 * math.expm1(-2.0 * kappa)) / kappa
    return 2.0 * _EARTH_KM * math.asin(min(math.sqrt(drop / 2.0), 1.0))


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
        density = torch.exp(self._mixture.log_prob_map(grid, _DRAFT))
        return _with_tops(_field(grid, density / _EARTH_KM**2), self.components)

    def map(self) -> Field:
        """The density at the middle of every cell; where a peak is too sharp to be seen from there, its height."""
        grid = _grid(_STEP_DEG)
        return _with_tops(_field(grid, torch.exp(self._mixture.log_prob_map(grid)) / _EARTH_KM**2), self.components)

    def one(self, index: int) -> Field:
        """The part of the density that one component gives, by its share of the weights."""
        alone = self._alone(index)
        whole = alone.map()
        return whole._replace(values=whole.values * self._share(index))

    def one_per_km2(self, index: int, lat: float, lon: float) -> float:
        """The same, exactly, at a place."""
        return self._share(index) * self._alone(index).per_km2(lat, lon)

    def with_one(self, index: int, component: Component) -> Belief:
        """The belief with one component as it is now."""
        return Belief(self.components.with_one(index, component))

    def _alone(self, index: int) -> Belief:
        return Belief(Components(*(np.array([value]) for value in self.components.one(index)._replace(weight=1.0))))

    def _share(self, index: int) -> float:
        return float(self.components.weight[index] / self.components.weight.sum())

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

    def lesson(self, lat: float, lon: float) -> LossGradient:
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
        angle = pull * (_km_per_pull(pull, apart) / _EARTH_KM)
        ends = lat_lon(torch.cos(angle)[:, None] * centres + torch.sin(angle)[:, None] * ahead)
        return LossGradient(
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
        """The components as a file that :func:`mvmf_centres.points_of_text` reads again."""
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
        self._of = of
        self._log_total = math.log(of.weight.sum())
        self._running = RunningMap(mixture, _grid(_STEP_DEG))

    def move(self, index: int, to: Component) -> Field:
        """The map with component ``index`` as it is now; its weight is more than zero."""
        self._of = self._of.with_one(index, to)
        centre = unit_vectors(to.lat, to.lon)
        self._running.replace(index, centre, math.log(to.kappa), math.log(to.weight) - self._log_total)
        return self.field()

    def field(self) -> Field:
        """Density per km², as :meth:`Belief.map` gives it."""
        return _with_tops(_field(self._running.grid, self._running.values / _EARTH_KM**2), self._of)


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


def _with_tops(field: Field, of: Components) -> Field:
    """The map with every peak that is too sharp for its points at its height, in the cell where it stands."""
    height, width = field.values.shape
    sharp = of.kappa * (math.pi / height) ** 2 > _SHARP
    lat, lon, kappa, weight = (values[sharp] for values in (of.lat, of.lon, of.kappa, of.weight))
    tops = torch.exp(log_normaliser(torch.tensor(kappa))).numpy() * (weight / of.weight.sum())
    row = ((lat + 90.0) * (height / 180.0)).astype(np.int64).clip(max=height - 1)
    column = np.floor((lon + 180.0) * (width / 360.0)).astype(np.int64) % width
    np.maximum.at(field.values, (row, column), tops / _EARTH_KM**2)
    return field


def _km_per_pull(pull: Tensor, apart_km: Tensor) -> float:
    """Length of the lines in km for a pull of one: the largest that is common to all and goes too far with none."""
    longest = apart_km.clamp(_PAST_TRUTH_KM, _LONGEST_KM)
    return float((longest / pull.clamp_min(_FELT)).min())


def _check(of: Components) -> None:
    if not len(of):
        raise ChoiceError("there is no centre", "the belief", "place one on the globe, or choose where they begin")
    if not all(np.isfinite(values).all() for values in (of.lat, of.lon, of.weight)) or (of.weight < 0.0).any():
        raise DataError("a centre has no place or no weight", "the belief", "give finite places and weights from 0 up")
    if (beyond := np.abs(of.lat) > 90.0).any():
        at = int(beyond.argmax())
        raise DataError(f"a latitude of {of.lat[at]:g}", f"centre {at + 1}", "give latitudes from −90 to 90 degrees")
    if not of.weight.any():
        raise DataError("all weights are zero", "the belief", "give one centre a weight")


@cache
def _grid(step_deg: float) -> LatLonGrid:
    return LatLonGrid.regular(step_deg)


def _field(grid: LatLonGrid, values: Tensor) -> Field:
    return Field(grid.lat, grid.lon, values.numpy())


def _gradient(of: Tensor) -> Tensor:
    assert of.grad is not None
    return of.grad
