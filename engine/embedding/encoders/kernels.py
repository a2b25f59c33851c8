"""Location encoders on the sphere that are not waves in latitude and longitude: harmonics, kernels, wavelets, a table.

Arguments and results as in :mod:`engine.embedding.encoders.formulas`. None has a seam: all see the sphere as it is.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from engine.embedding.basis import HarmonicBasis
from engine.embedding.table import Embedding2d, Topology
from engine.errors import ChoiceError
from engine.sphere.geometry import fibonacci_sphere, unit_vectors
from engine.sphere.grid import LatLonGrid
from engine.sphere.harmonics import harmonics_at

_POINTS_AT_ONCE = 16_384
_FIT_STEP_DEG = 2.0


def harmonic(
    lat_deg: Tensor,
    lon_deg: Tensor,
    *,
    max_degree: int = 10,
    num_components: int = 64,
    clip_sigma: float = 3.0,
    basis: HarmonicBasis | None = None,
) -> Tensor:
    """The components of a harmonic basis, standardised over its fit domain and clipped softly: c tanh(z/c).

    z = (Y(x) − mean) · component / standard deviation, as :func:`engine.embedding.position_field` has it on a grid.
    ``basis`` is a fitted one; without it, the basis of the whole sphere with L and K as given.
    """
    used = whole_sphere(max_degree, num_components) if basis is None else basis
    loadings = (used.components / used.std).to(lat_deg.device)
    offset = used.mean.to(lat_deg.device) @ loadings
    codes = torch.empty((lat_deg.numel(), used.num_components), dtype=torch.float64, device=lat_deg.device)
    for first in range(0, lat_deg.numel(), _POINTS_AT_ONCE):
        chunk = slice(first, first + _POINTS_AT_ONCE)
        values = harmonics_at(lat_deg[chunk], lon_deg[chunk], used.max_degree, dtype=torch.float64)
        # chunk by chunk, so that nothing as large as the result is held beside it
        codes[chunk] = clip_sigma * torch.tanh((values @ loadings - offset) / clip_sigma)
    return codes


@lru_cache(maxsize=8)
def whole_sphere(max_degree: int, num_components: int) -> HarmonicBasis:
    """The basis of the whole sphere: the harmonics by degree, nothing to fit."""
    return HarmonicBasis.fit(LatLonGrid.regular(_FIT_STEP_DEG), max_degree, num_components)


def harmonics(lat_deg: Tensor, lon_deg: Tensor, *, max_degree: int = 10) -> Tensor:
    """All real spherical harmonics Y_lm up to L, as they are: (L + 1)² numbers, the first a constant.

    The fixed part of SatCLIP's encoder: Rußwurm et al. (2024), equation 4.
    """
    return harmonics_at(lat_deg, lon_deg, max_degree, dtype=torch.float64)


def rbf(lat_deg: Tensor, lon_deg: Tensor, *, num_components: int = 64, kappa: float = 0.0) -> Tensor:
    """exp(κ(x · c_d − 1)): a von Mises–Fisher bump of height 1 at each of D centres of a Fibonacci sphere.

    κ = 0 stands for D/2: midway to its neighbour a bump then has about half of its height, whatever their number.
    """
    centres = unit_vectors(*fibonacci_sphere(num_components)).to(lat_deg.device)
    concentration = kappa if kappa > 0.0 else num_components / 2.0
    # half the squared chord: 1 − x·c without its cancellation
    chord = torch.cdist(unit_vectors(lat_deg, lon_deg), centres, compute_mode="donot_use_mm_for_euclid_dist")
    return torch.exp(-concentration * chord**2 / 2.0)


def needlets(lat_deg: Tensor, lon_deg: Tensor, *, max_level: int = 2) -> Tensor:
    """Spherical wavelets ψ_jk(x) = √w_jk Σ_l b(l/2^j) (2l+1)/4π P_l(x · ξ_jk) of the levels j = 0 … J, and a constant.

    Level j holds the degrees between 2^(j−1) and 2^(j+1); its points ξ_jk with weights w_jk are a Gauss–Legendre grid
    that integrates the products of two such waves exactly. With the constant 1/√4π in front they are a tight frame: the
    squares of a function's coefficients sum to its energy, for functions of degree ≤ 2^J. Levels 0 to 3 have 6, 28, 120
    and 496 points. Narcowich, Petrushev and Ward (2006), section 4.
    """
    codes = [
        torch.full((lat_deg.numel(), 1), 1.0 / math.sqrt(4.0 * math.pi), dtype=torch.float64, device=lat_deg.device)
    ]
    points = unit_vectors(lat_deg, lon_deg)
    for level in range(max_level + 1):
        centres, weights = needlet_points(level)
        cosine = (points @ centres.T.to(points)).clamp(-1.0, 1.0)
        codes.append(_zonal(cosine, needlet_window(level)) * weights.sqrt().to(points))
    return torch.cat(codes, dim=1)


def needlet_window(level: int) -> Tensor:
    """b(l/2^j) for l = 0 … 2^(j+1): zero outside (2^(j−1), 2^(j+1)), and Σ_j b² = 1 at every degree l ≥ 1.

    b²(t) = p(t/2) − p(t) with p falling smoothly from 1 at t ≤ 1/2 to 0 at t ≥ 1: the integral of exp(−1/(1 − u²)).
    """
    degrees = torch.arange(2 ** (level + 1) + 1, dtype=torch.float64) / 2.0**level
    return (_falling(degrees / 2.0) - _falling(degrees)).clamp_min(0.0).sqrt()


def needlet_points(level: int) -> tuple[Tensor, Tensor]:
    """Unit vectors (C, 3) and areas (C,) of the points of one level; exact for polynomials of degree 2^(j+2) − 2."""
    highest = 2 ** (level + 1) - 1
    sines, weights = np.polynomial.legendre.leggauss(highest + 1)
    num_columns = 2 * highest + 1
    lat = torch.rad2deg(torch.asin(torch.tensor(sines)))
    lon = torch.arange(num_columns, dtype=torch.float64) * 360.0 / num_columns
    rows, columns = torch.meshgrid(lat, lon, indexing="ij")
    areas = torch.tensor(weights)[:, None].expand(-1, num_columns) * 2.0 * math.pi / num_columns
    return unit_vectors(rows.reshape(-1), columns.reshape(-1)), areas.reshape(-1)


def table(lat_deg: Tensor, lon_deg: Tensor, *, weights: Tensor | None = None, topology: Topology = "sphere") -> Tensor:
    """The row of a learned table (W, H, N), longitude first, of the cell that each point lies in: Embedding2d."""
    if weights is None:
        raise ChoiceError(
            "a learned table holds nothing before it is trained",
            "encoder 'table'",
            "give its weights (W, H, N), such as those of a finished run of the task 'table'",
        )
    if weights.ndim != 3 or not bool(weights.isfinite().all()):
        raise ChoiceError(
            f"weights of shape {tuple(weights.shape)}"
            + ("" if weights.ndim != 3 else " with values that are not finite"),
            "encoder 'table'",
            "give finite weights (columns, rows, numbers)",
        )
    width, height, num_features = weights.shape
    lookup = Embedding2d((width, height, num_features), topology=topology, dtype=torch.float64, device=lat_deg.device)
    with torch.no_grad():
        lookup.weight.copy_(weights)
        west = torch.remainder(lon_deg + 180.0, 360.0) - 180.0
        return lookup(torch.stack((west, lat_deg), dim=1))[:, 0, 0]


def _zonal(cosine: Tensor, window: Tensor) -> Tensor:
    """Σ_l window_l (2l+1)/4π P_l(cosine), by the recursion of the Legendre polynomials."""
    before, now = torch.ones_like(cosine), cosine
    total = window[0] / (4.0 * math.pi) * before
    for degree in range(1, window.numel()):
        total = total + float(window[degree]) * (2 * degree + 1) / (4.0 * math.pi) * now
        before, now = now, ((2 * degree + 1) * cosine * now - degree * before) / (degree + 1)
    return total


def _falling(t: Tensor) -> Tensor:
    """1 for t ≤ 1/2, 0 for t ≥ 1, between them the integral of exp(−1/(1 − u²)) over u from 4t − 3 to 1, normalised."""
    nodes, weights = (torch.tensor(values) for values in np.polynomial.legendre.leggauss(64))

    def bump_integral(first: Tensor) -> Tensor:
        half = (1.0 - first) / 2.0
        u = first[..., None] + half[..., None] * (nodes + 1.0)
        inside = (1.0 - u**2).clamp_min(1e-300)
        return half * (weights * torch.exp(-1.0 / inside)).sum(-1)

    first = (4.0 * t - 3.0).clamp(-1.0, 1.0)
    return bump_integral(first) / bump_integral(torch.tensor(-1.0, dtype=torch.float64))
