"""Scores of beliefs about pictures: distances, likelihood, regions and their coverage, climate and date.

Legend: N pictures, K components.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.climate import GROUP_OF_CLASS, NUM_GROUPS
from engine.mvmf import MixtureVMF, decode_date, log_normaliser
from engine.mvmf.loss import DAYS
from engine.sphere import EARTH_RADIUS_M, great_circle_km, lat_lon, unit_vectors
from engine.typed import Floats, Ints, Mask, Singles

RADII_KM = (1.0, 25.0, 200.0, 750.0, 2500.0)
"""Street, city, region, country, continent: the usual radii of geolocation."""

LEVELS = (0.5, 0.9)
"""Probabilities of the regions that are scored."""

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_EARTH_KM2 = 4.0 * math.pi * _EARTH_KM**2

RECALL_AREAS_KM2 = (*(float(f"{area:.4g}") for area in np.geomspace(1e4, _EARTH_KM2, 25)[:-1]), _EARTH_KM2)
"""Areas at which recall is read; the last is the whole Earth."""

_NUM_DRAWN = 1024  # points drawn from a belief to measure its regions
_CANDIDATES_AT_ONCE = 1024


class Beliefs(NamedTuple):
    """Beliefs about N pictures: ``log_weights`` (N, K), fractions of ``climate`` (N, 31), ``day`` (N,) of the year.

    One row instead of N is one belief about all of them.
    """

    log_weights: Tensor
    climate: Tensor
    day: Floats

    def of(self, chosen: Ints) -> Beliefs:
        """Those about some of the pictures."""
        return self if len(self.day) == 1 else Beliefs(self.log_weights[chosen], self.climate[chosen], self.day[chosen])


class Truth(NamedTuple):
    """The truth of N pictures; only those with ``is_placed`` True are scored by place and date (the sea rule)."""

    lat: Floats
    lon: Floats
    day: Floats
    climate: Singles
    is_placed: Mask

    @property
    def points(self) -> Tensor:
        """(N, 3) unit vectors float64."""
        return unit_vectors(self.lat, self.lon)


@torch.no_grad()
def score(mixture: MixtureVMF, beliefs: Beliefs, truth: Truth) -> dict[str, Any]:
    """Every score of some beliefs, by name; kilometres, days, nats per steradian, fractions from 0 to 1.

    ``error_km``: great-circle distance from the truth to :func:`best_guess`, its quartiles and mean. ``within_km``: the
    fraction of guesses inside each of :data:`RADII_KM`; ``belief_within_km``: the mean probability inside, exact, which
    separates beliefs where no guess comes so close. ``nll``: mean −log density at the truth. ``area_km2``: median
    area of the smallest region that holds each of :data:`LEVELS`; ``coverage``: how often the truth lies in it.
    ``recall``: how often it lies in the smallest region of each of :data:`RECALL_AREAS_KM2`; ``area_to_truth_km2``: the
    median of the area that has to be searched, likeliest first. ``climate_accuracy``: whether the likeliest class, or
    group, is the largest in the picture. ``date_error_days``: mean distance round the year.
    """
    placed = np.flatnonzero(truth.is_placed)
    points, (log_weights, _, day) = truth.points[placed], beliefs.of(placed)
    guess = best_guess(mixture, log_weights)
    errors = great_circle_km(truth.lat[placed], truth.lon[placed], *guess).numpy()
    regions = _regions(mixture, log_weights, points)
    inside = belief_within(mixture, log_weights, points).mean(0)
    low, middle, high = np.quantile(errors, (0.25, 0.5, 0.75))
    fractions, groups = beliefs.climate.double().numpy(), _grouped(beliefs.climate.double().numpy())
    true_class, true_group = truth.climate.argmax(1), _grouped(truth.climate).argmax(1)
    return {
        "num_placed": len(placed),
        "error_km": {"median": float(middle), "q25": float(low), "q75": float(high), "mean": float(errors.mean())},
        "within_km": {f"{radius:g}": float((errors <= radius).mean()) for radius in RADII_KM},
        "belief_within_km": {f"{radius:g}": float(mass) for radius, mass in zip(RADII_KM, inside, strict=True)},
        "nll": -float(regions.log_density.mean()),
        "area_km2": {f"{level:g}": float(np.median(regions.areas[level])) for level in LEVELS},
        "coverage": {f"{level:g}": float((regions.mass_before < level).mean()) for level in LEVELS},
        "area_to_truth_km2": float(np.median(regions.area_to_truth)),
        "recall": [float((regions.area_to_truth <= area).mean()) for area in RECALL_AREAS_KM2],
        "climate_accuracy": float((fractions.argmax(1) == true_class).mean()),
        "climate_accuracy_coarse": float((groups.argmax(1) == true_group).mean()),
        "date_error_days": float(day_distance(day, truth.day[placed]).mean()),
    }


def best_guess(mixture: MixtureVMF, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude and longitude (N,) of the centre from which the belief (N, K) is nearest in the mean.

    argmin_j Σ_k w_k d(centre_k, centre_j): the guess with the least expected great-circle distance, each component
    taken as its centre. The mode of the density would follow the sharpest peak, however little weight it has.
    Computed where the mixture is, returned where ``log_weights`` are.
    """
    centres = mixture.centres.detach().double()
    weights = torch.softmax(log_weights.to(centres), 1)
    least = torch.full((len(weights),), math.inf, dtype=torch.float64, device=centres.device)
    index = torch.zeros(len(weights), dtype=torch.long, device=centres.device)
    for first in range(0, len(centres), _CANDIDATES_AT_ONCE):
        some = centres[first : first + _CANDIDATES_AT_ONCE]
        angles = 2.0 * torch.asin((torch.cdist(some, centres) / 2.0).clamp(max=1.0))
        expected, nearest = (weights @ angles.T).min(1)
        better = expected < least
        least, index = torch.where(better, expected, least), torch.where(better, first + nearest, index)
    return lat_lon(centres[index].to(log_weights.device))


def belief_within(mixture: MixtureVMF, log_weights: Tensor, points: Tensor) -> Tensor:
    """Probability that beliefs (N, K) give to the caps of :data:`RADII_KM` around the points (N, 3): (N, 5) float64.

    For one component at the angle θ from the point, ∫ over the cap's radius ψ, with the azimuth integrated in closed
    form: 2π C(κ) ∫ e^(−κ(1 − cos(θ−ψ))) i0e(κ sin θ sin ψ) sin ψ dψ, by Gauss–Legendre between the radii.
    """
    kappa, centres = mixture.kappa.detach().double(), mixture.centres.detach().double()
    factor = torch.softmax(log_weights.double(), 1) * torch.exp(log_normaliser(kappa)) * (2.0 * math.pi)
    theta = 2.0 * torch.asin((torch.cdist(points, centres) / 2.0).clamp(max=1.0))
    sine, mass = torch.sin(theta), torch.zeros_like(theta[:, 0])
    masses: list[Tensor] = []
    for inner, outer in zip((0.0, *RADII_KM), RADII_KM, strict=False):
        psi, step = _nodes(inner / _EARTH_KM, outer / _EARTH_KM)
        for angle, width in zip(psi, step, strict=True):
            near = torch.exp(-2.0 * kappa * torch.sin((theta - angle) / 2.0) ** 2)
            around = cast(Any, torch.special).i0e(kappa * sine * math.sin(angle))
            ring = near * around
            mass = mass + width * math.sin(angle) * (factor * ring).sum(1)
        masses.append(mass)
    return torch.stack(masses, 1)


def beliefs_of(place: Tensor, climate: Tensor, date: Tensor) -> Beliefs:
    """Beliefs, on the CPU, of a network's outputs: logits (N, K) and (N, 31), and codes of the date (N, 2)."""
    place, climate, date = place.cpu(), climate.cpu(), date.cpu()
    return Beliefs(torch.log_softmax(place, 1), torch.softmax(climate, 1), decode_date(date.double()).numpy())


def day_distance(first: Floats, second: Floats) -> Floats:
    """Days between two days of the year, the shorter way round: 0 to 182.5; the arguments broadcast."""
    apart = np.abs(first - second) % DAYS
    return np.minimum(apart, DAYS - apart)


def _nodes(inner: float, outer: float) -> tuple[Floats, Floats]:
    """Gauss–Legendre nodes and weights of an interval of angles, one for every quarter of a sharp peak's width."""
    count = 4 + math.ceil((outer - inner) * 4.0 * 100.0)  # 1/100: the width of a peak of κ = 10 000
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = (outer - inner) / 2.0
    return inner + half * (nodes + 1.0), half * weights


class _Regions(NamedTuple):
    """For N beliefs: region areas by level in km², the mass and the area likelier than the truth,
    and the truth's log-density per steradian, each (N,)."""

    areas: dict[float, Floats]
    mass_before: Floats
    area_to_truth: Floats
    log_density: Floats


def _regions(mixture: MixtureVMF, log_weights: Tensor, points: Tensor) -> _Regions:
    """Smallest regions, without a grid: from points x drawn from each belief p.

    The truth y lies inside the region of probability L where P(p(x) > p(y)) < L; the area where p > t is the
    expectation of 1/p(x) over the x with p(x) > t.
    """
    truths = mixture.paired_log_prob(points.to(log_weights.dtype), log_weights.expand(len(points), -1)).double()
    areas: dict[float, list[float]] = {level: [] for level in LEVELS}
    before: list[float] = []
    to_truth: list[float] = []
    drawn = truths
    for number, truth in enumerate(truths):
        if number < len(log_weights):
            drawn = _drawn_densities(mixture, log_weights[number], seed=number)
        searched = (torch.exp(-drawn).cumsum(0) * (_EARTH_KM**2 / _NUM_DRAWN)).clamp(max=_EARTH_KM2)
        for level in LEVELS:
            areas[level].append(float(searched[math.ceil(level * _NUM_DRAWN) - 1]))
        likelier = int(torch.count_nonzero(drawn > truth))
        before.append(likelier / _NUM_DRAWN)
        to_truth.append(float(searched[max(likelier, 1) - 1]))
    return _Regions(
        {level: np.array(values) for level, values in areas.items()},
        np.array(before),
        np.array(to_truth),
        truths.numpy(),
    )


def _drawn_densities(mixture: MixtureVMF, log_weights: Tensor, seed: int) -> Tensor:
    """Log-densities of points drawn from one belief (K,), likeliest first: float64."""
    belief = MixtureVMF(mixture.centres, mixture.kappa.log(), log_weights)
    points = belief.sample(_NUM_DRAWN, seed).to(log_weights.dtype)
    return belief.log_prob(points).double().sort(descending=True).values


def _grouped(fractions: NDArray[Any]) -> NDArray[Any]:
    """Fractions (N, 6) of the groups from those (N, 31) of the classes."""
    return fractions @ np.eye(NUM_GROUPS)[GROUP_OF_CLASS]
