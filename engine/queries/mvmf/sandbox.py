"""A mixture built by hand on the Geolocation page: density maps, credible regions, and the gradient of its loss.

Legend: K components, H × W the map.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.mvmf import MixtureVMF, RunningMap, credible_region, log_normaliser
from engine.queries.mvmf.centres import Component, Components, Floats
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, great_circle_km, lat_lon, unit_vectors
from engine.typed import Mask

LEVELS = (0.5, 0.9)
"""Probabilities of the credible regions."""

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_EARTH_KM2 = 4.0 * math.pi * _EARTH_KM**2
_STEP_DEG, _COARSE_STEP_DEG = 0.5, 1.0
_COARSE_TOLERANCE = 1e-3
_DECADES = 5.0  # of a logarithmic map, below its largest value
_MAX_LINE_KM, _OVERSHOOT_KM = 3000.0, 300.0  # length of a gradient line; of one that goes past the truth
_SHARP = 0.4  # κ × (height of a cell)² above which the corner of a cell is 10 % below a peak in its centre
_MIN_GRADIENT = 1e-6  # nats per 100 km: below it lines are drawn shorter


class MapField(NamedTuple):
    """A map: ``lat`` (H,) and ``lon`` (W,) in degrees, ``values`` (H, W), NaN = no value."""

    lat: Floats
    lon: Floats
    values: Floats


class Region(NamedTuple):
    """The smallest region with probability ``level``: its mask (H, W), area and number of cells."""

    level: float
    mask: Mask
    area_km2: float
    num_cells: int


class MixtureSummary(NamedTuple):
    """Of a mixture: cell masses, regions by :data:`LEVELS`, entropy in nats, and the area of equal uniform entropy."""

    mass: MapField
    regions: tuple[Region, ...]
    entropy: float
    entropy_km2: float


class LossGradient(NamedTuple):
    """The loss −ln p at the true location in nats per steradian, and its negative gradient for every component.

    ``times_uniform``: the density there over the uniform density. Each (K,): ``distance_km`` to the true location;
    ``responsibility``, the fraction of the density there from the component; ``centre_gradient``, the decrease of the
    loss in nats per 100 km as the centre moves towards the true location; ``weight_gradient``, the same for its
    log-weight, positive = increase; ``kappa_gradient`` for its ln κ. A line from the centre to ``end_lat``, ``end_lon``
    is proportional to the gradient: at most 3000 km long, and at most 300 km where it passes the true location.
    """

    loss: float
    times_uniform: float
    distance_km: Floats
    responsibility: Floats
    centre_gradient: Floats
    weight_gradient: Floats
    kappa_gradient: Floats
    end_lat: Floats
    end_lon: Floats


def half_radius_km(kappa: float) -> float:
    """Radius of the circle with half of the mass of a component: 1 − cos ρ = −ln(1 − (1 − e^−2κ)/2) / κ."""
    drop = -math.log1p(0.5 * math.expm1(-2.0 * kappa)) / kappa
    return 2.0 * _EARTH_KM * math.asin(min(math.sqrt(drop / 2.0), 1.0))


class Mixture:
    """An immutable mixture of von Mises–Fisher distributions. Densities are per km².

    Raises :class:`ChoiceError` without a component and for a κ out of range, :class:`DataError` when all weights are
    zero or a position is invalid.
    """

    def __init__(self, of: Components) -> None:
        _check(of)
        self.components = of
        self._mixture = MixtureVMF(
            unit_vectors(of.lat, of.lon), torch.tensor(of.kappa).log(), torch.tensor(of.weight).log()
        )

    def coarse_map(self) -> MapField:
        """An approximate density map on a coarse grid, as a first preview."""
        grid = _grid(_COARSE_STEP_DEG)
        density = torch.exp(self._mixture.log_prob_map(grid, _COARSE_TOLERANCE))
        return _with_peaks(_field(grid, density / _EARTH_KM**2), self.components)

    def map(self) -> MapField:
        """The density at the centre of every cell; in the cell of a peak too sharp for the grid, its height."""
        grid = _grid(_STEP_DEG)
        return _with_peaks(_field(grid, torch.exp(self._mixture.log_prob_map(grid)) / _EARTH_KM**2), self.components)

    def component_map(self, index: int) -> MapField:
        """The contribution of one component to the density."""
        field = self._single(index).map()
        return field._replace(values=field.values * self._fraction(index))

    def component_per_km2(self, index: int, lat: float, lon: float) -> float:
        """The same, exactly, at a point."""
        return self._fraction(index) * self._single(index).per_km2(lat, lon)

    def with_component(self, index: int, component: Component) -> Mixture:
        """A mixture with component ``index`` replaced."""
        return Mixture(self.components.with_component(index, component))

    def _single(self, index: int) -> Mixture:
        component = self.components.component(index)._replace(weight=1.0)
        return Mixture(Components(*(np.array([value]) for value in component)))

    def _fraction(self, index: int) -> float:
        return float(self.components.weight[index] / self.components.weight.sum())

    def summary(self) -> MixtureSummary:
        """Masses, regions and entropy."""
        grid = _grid(_STEP_DEG)
        mass = self._mixture.cell_mass(grid)
        regions: list[Region] = []
        for level in LEVELS:
            mask, area = credible_region(mass, grid, level, self._mixture)
            regions.append(Region(level, mask.numpy(), area, int(mask.sum())))
        entropy = float(self._mixture.entropy())
        return MixtureSummary(_field(grid, mass), tuple(regions), entropy, math.exp(entropy) * _EARTH_KM**2)

    def per_km2(self, lat: float, lon: float) -> float:
        """The exact density at a point."""
        point = unit_vectors(lat, lon)[None]
        return math.exp(float(self._mixture.log_prob(point))) / _EARTH_KM**2

    def loss_gradient(self, lat: float, lon: float) -> LossGradient:
        """The gradient of the loss for a true location."""
        fixed, truth = self._mixture, unit_vectors(lat, lon)
        mixture = MixtureVMF(
            fixed.centres, fixed.log_kappa, fixed.logits, learn_centres=True, learn_kappa=True, learn_logits=True
        )
        loss = -mixture.log_prob(truth[None])[0]
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        d_centres, d_kappa, d_logits = (
            _gradient(parameter) for parameter in (mixture.centres_raw, mixture.log_kappa, mixture.logits)
        )
        centres = fixed.centres
        tangent = torch.nn.functional.normalize(truth - (centres @ truth)[:, None] * centres, dim=1)
        distance_km = great_circle_km(lat, lon, self.components.lat, self.components.lon)
        weight = torch.softmax(fixed.logits, 0)
        gradient = -(d_centres * tangent).sum(1) * (100.0 / _EARTH_KM)
        angle = gradient * (_line_scale_km(gradient, distance_km) / _EARTH_KM)
        ends = lat_lon(torch.cos(angle)[:, None] * centres + torch.sin(angle)[:, None] * tangent)
        return LossGradient(
            float(loss.detach()),
            math.exp(-float(loss.detach())) * 4.0 * math.pi,
            distance_km.numpy(),
            (weight - d_logits).numpy(),
            gradient.numpy(),
            (-d_logits).numpy(),
            (-d_kappa).numpy(),
            *(end.numpy() for end in ends),
        )

    def live_map(self) -> LiveMap:
        """A map that updates one component at a time."""
        return LiveMap(self._mixture, self.components)


class LiveMap:
    """The density map while a component is dragged: only its contribution is computed again."""

    def __init__(self, mixture: MixtureVMF, of: Components) -> None:
        self._of = of
        self._log_total = math.log(of.weight.sum())
        self._running = RunningMap(mixture, _grid(_STEP_DEG))

    def move(self, index: int, to: Component) -> MapField:
        """The map with component ``index`` moved; its weight must be above zero."""
        self._of = self._of.with_component(index, to)
        centre = unit_vectors(to.lat, to.lon)
        self._running.replace(index, centre, math.log(to.kappa), math.log(to.weight) - self._log_total)
        return self.field()

    def field(self) -> MapField:
        """Density per km², as :meth:`Mixture.map`."""
        return _with_peaks(_field(self._running.grid, self._running.values / _EARTH_KM**2), self._of)


def map_grid() -> LatLonGrid:
    """The grid of :meth:`Mixture.map`."""
    return _grid(_STEP_DEG)


def decades(field: MapField) -> tuple[MapField, float, float]:
    """The map as log₁₀ of its values, and the limits of its scale: five decades up to the largest value."""
    with np.errstate(divide="ignore"):
        values = np.log10(field.values)
    top = float(np.nanmax(values))
    return field._replace(values=np.maximum(values, top - _DECADES)), top - _DECADES, top


def region_bands(summary: MixtureSummary) -> MapField:
    """The map of regions: for every cell the smallest level whose region contains it, in %; NaN outside all."""
    bands = np.full(summary.mass.values.shape, np.nan)
    for region in sorted(summary.regions, key=lambda region: -region.level):
        bands[region.mask] = 100.0 * region.level
    return summary.mass._replace(values=bands)


def searched_km2(summary: MixtureSummary, place: tuple[float, float]) -> float:
    """The area in km² of all cells at least as probable per area as that of ``place`` (lat, lon)."""
    grid, mass = _grid(_STEP_DEG), summary.mass.values
    areas = np.broadcast_to(grid.cell_area_m2[:, None] / 1e6, mass.shape)
    density = mass / areas
    return float(areas[density >= density[grid.nearest_cell(*place)]].sum())


def _with_peaks(field: MapField, of: Components) -> MapField:
    """The map with the height of every peak that is too sharp for the grid in the cell of its centre."""
    height, width = field.values.shape
    sharp = of.kappa * (math.pi / height) ** 2 > _SHARP
    lat, lon, kappa, weight = (values[sharp] for values in (of.lat, of.lon, of.kappa, of.weight))
    heights = torch.exp(log_normaliser(torch.tensor(kappa))).numpy() * (weight / of.weight.sum())
    row = ((lat + 90.0) * (height / 180.0)).astype(np.int64).clip(max=height - 1)
    column = np.floor((lon + 180.0) * (width / 360.0)).astype(np.int64) % width
    np.maximum.at(field.values, (row, column), heights / _EARTH_KM**2)
    return field


def _line_scale_km(gradient: Tensor, distance_km: Tensor) -> float:
    """Length in km of the line for a gradient of 1: the largest common scale at which no line is too long."""
    max_length = distance_km.clamp(_OVERSHOOT_KM, _MAX_LINE_KM)
    return float((max_length / gradient.clamp_min(_MIN_GRADIENT)).min())


def _check(of: Components) -> None:
    if not len(of):
        raise ChoiceError("there is no centre", "the mixture", "add one on the globe, or choose initial centres")
    if not all(np.isfinite(values).all() for values in (of.lat, of.lon, of.weight)) or (of.weight < 0.0).any():
        raise DataError("a centre has no position or no weight", "the mixture", "give finite positions and weights ≥ 0")
    if (beyond := np.abs(of.lat) > 90.0).any():
        index = int(beyond.argmax())
        raise DataError(
            f"a latitude of {of.lat[index]:g}", f"centre {index + 1}", "give latitudes from −90 to 90 degrees"
        )
    if not of.weight.any():
        raise DataError("all weights are zero", "the mixture", "give one centre a weight above 0")


@cache
def _grid(step_deg: float) -> LatLonGrid:
    return LatLonGrid.regular(step_deg)


def _field(grid: LatLonGrid, values: Tensor) -> MapField:
    return MapField(grid.lat, grid.lon, values.numpy())


def _gradient(of: Tensor) -> Tensor:
    assert of.grad is not None
    return of.grad
