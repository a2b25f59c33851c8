"""A covariance of anomalies on the sphere and in time that changes with latitude, and its fit to lagged products.

C(a, b) = Σ_j √(c_j(φ_a) c_j(φ_b)) (1 + r_j/L_j) e^(−r_j/L_j) e^(−|t_a − t_b|/T_j), with r_j the straight distance
of the points after the Earth's axis is stretched by s_j: for s > 1 anomalies are longer from east to west than from
north to south, most of all in the tropics. Every term is positive definite (a Matérn function of a distance in
space times an exponential in time, on either side the same factor), so the sum is, whatever the weights c ≥ 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.baselines.part_months import DAYS_APART, NUM_PARTS
from engine.sphere import EARTH_RADIUS_M, LatLonGrid
from engine.typed import Floats, Singles

LENGTHS_KM = (80.0, 150.0, 300.0, 600.0, 1200.0, 3000.0)
TIMES_DAYS = (4.0, 10.0, 25.0, 60.0, 400.0)
STRETCHES = (1.0, 2.0)
TERMS = np.array(list(product(LENGTHS_KM, TIMES_DAYS, STRETCHES)))
"""(60, 3) the dictionary: L in km, T in days, s."""

KNOTS_DEG = np.linspace(-75.0, 75.0, 7)
"""Latitudes at which the weights are fitted; linear between them, constant beyond."""

_KM = EARTH_RADIUS_M / 1000.0
_SHARED = 0.05  # share of the whole ocean's products in the fit at a latitude: what has no data of its own takes it
_OFFSETS = (
    (0, 0),
    *((0, j) for j in (1, 2, 3, 5, 8, 12, 20)),
    *((i, 0) for i in (1, 2, 3, 5, 8, 12)),
    *((i, j) for i in (1, 3, 6) for j in (i, -i)),
)
"""Rows and columns between two cells whose products are used."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """See the module. ``weights`` (7, J) are the c_j at :data:`KNOTS_DEG`, ``terms`` (J, 3) L in km, T in days, s."""

    weights: Floats
    terms: Floats

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """(len a, len b) for points (n, 3): latitude, longitude in degrees, day."""
        lag = (a[:, None, 2] - b[None, :, 2]).abs()
        spatial = self.spatial(a[:, None, 0], b[None, :, 0], a[:, None, 1] - b[None, :, 1])
        return (spatial * self.temporal(lag)).sum(dim=-1)

    def spatial(self, lat_a: Tensor, lat_b: Tensor, lon_apart: Tensor) -> Tensor:
        """(..., J) the terms at equal times, between latitudes (...) and longitudes (...) apart, degrees."""
        phi_a, phi_b, apart = (torch.deg2rad(angle)[..., None] for angle in (lat_a, lat_b, lon_apart))
        length, stretch = (torch.as_tensor(self.terms[:, k]).to(phi_a) for k in (0, 2))
        # 4 cos φ_a cos φ_b sin²(Δλ/2) + (cos φ_a − cos φ_b)²: near points do not cancel
        flat = 4.0 * phi_a.cos() * phi_b.cos() * (0.5 * apart).sin().square() + (phi_a.cos() - phi_b.cos()).square()
        distance = _KM * (flat + (stretch * (phi_a.sin() - phi_b.sin())).square()).sqrt() / length
        return self._root(lat_a) * self._root(lat_b) * (1.0 + distance) * (-distance).exp()

    def temporal(self, lag_days: Tensor) -> Tensor:
        """(..., J) e^(−lag/T_j) for lags (...)."""
        return (-lag_days[..., None] / torch.as_tensor(self.terms[:, 1]).to(lag_days)).exp()

    def variance(self, lat_deg: Floats) -> Floats:
        """(...) C(a, a) at latitudes (...)."""
        return np.asarray(np.interp(lat_deg, KNOTS_DEG, self.weights.sum(axis=1)), np.float64)

    def _root(self, lat: Tensor) -> Tensor:
        """(..., J) √c_j(φ)."""
        at = (lat.clamp(KNOTS_DEG[0], KNOTS_DEG[-1]) - KNOTS_DEG[0]) / (KNOTS_DEG[1] - KNOTS_DEG[0])
        low = at.floor().clamp(max=len(KNOTS_DEG) - 2)
        weights = torch.as_tensor(self.weights).to(lat)
        share = (at - low)[..., None]
        return ((1.0 - share) * weights[low.long()] + share * weights[low.long() + 1]).sqrt()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """``weights`` and ``terms``."""
        return {"weights": self.weights, "terms": self.terms}

    @classmethod
    def fit(cls, months: Iterable[tuple[Singles, Singles]], grid: LatLonGrid) -> Covariance:
        """Non-negative least squares of :data:`TERMS` on the mean products of anomalies at a distance and a lag.

        At every knot the products of the rows near it count (linear weights over 25°), and those of the whole sea with
        5 %. The known part of the noise is subtracted from the products of a value with itself.

        Args:
            months: of each month the anomalies (P, H, W) of its parts, NaN = missing, and their error variances, in the
                unit of the result and its square.
            grid: the cells.
        """
        lags = list(_lags(grid))
        sums, num_pairs = _products(months, lags, grid)
        terms = np.stack([_predictors(lag, grid) for lag in lags])  # (lags, H, J)
        near = np.clip(1.0 - np.abs(grid.lat[None] - KNOTS_DEG[:, None]) / 25.0, 0.0, 1.0)
        near[[0, -1]] = np.maximum(near[[0, -1]], np.stack((grid.lat < KNOTS_DEG[0], grid.lat > KNOTS_DEG[-1])))
        everywhere = _normal_equations(terms, sums, num_pairs, np.ones(len(grid.lat)))
        weights: list[Floats] = []
        for row_weights in near:
            own = _normal_equations(terms, sums, num_pairs, row_weights)
            gram, moments = (mine + _SHARED * shared for mine, shared in zip(own, everywhere, strict=True))
            weights.append(nonnegative_least_squares(gram, moments))
        stacked = np.stack(weights)
        used = stacked.max(axis=0) > 1e-4 * max(float(stacked.max()), 1e-12)
        used[0] |= not used.any()
        return cls(stacked[:, used], TERMS[used])


class _Lag(NamedTuple):
    rows: int
    columns: int
    parts: int


def _lags(grid: LatLonGrid) -> Iterator[_Lag]:
    height, width = grid.shape
    for (rows, columns), parts in product(_OFFSETS, range(NUM_PARTS)):
        fits = rows < height and abs(columns) <= (width // 2 if grid.is_periodic else width - 1)
        if fits:
            yield _Lag(rows, columns, parts)


def _products(months: Iterable[tuple[Singles, Singles]], lags: list[_Lag], grid: LatLonGrid) -> tuple[Floats, Floats]:
    """(lags, H) sums of products by the row of the first factor, and how many they are."""
    sums, num_pairs = np.zeros((len(lags), grid.shape[0])), np.zeros((len(lags), grid.shape[0]))
    for anomaly, noise in months:
        is_known = np.isfinite(anomaly)
        values, known = np.where(is_known, anomaly, np.float32(0.0)), is_known.astype(np.float32)
        sums[0] -= np.where(is_known, noise, 0.0).sum(axis=(0, 2))  # the first lag is none
        for n, lag in enumerate(lags):
            for array, total in ((values, sums), (known, num_pairs)):
                first, second = _paired(array, lag, grid.is_periodic)
                total[n, : first.shape[1]] += np.einsum("phw,phw->h", first, second)
    return sums, num_pairs


def _paired(array: Singles, lag: _Lag, is_periodic: bool) -> tuple[Singles, Singles]:
    """Views of (P, H, W) ``lag`` apart."""
    first, second = array[: NUM_PARTS - lag.parts, : array.shape[1] - lag.rows], array[lag.parts :, lag.rows :]
    if is_periodic:
        return first, np.roll(second, -lag.columns, axis=2)
    width = array.shape[2]
    if lag.columns < 0:
        return first[:, :, -lag.columns :], second[:, :, : width + lag.columns]
    return first[:, :, : width - lag.columns], second[:, :, lag.columns :]


def _predictors(lag: _Lag, grid: LatLonGrid) -> Floats:
    """(H, J) the terms of unit weight between each row and the one ``lag`` from it."""
    rows = torch.tensor(grid.lat)
    others = torch.tensor(grid.lat[np.minimum(np.arange(len(grid.lat)) + lag.rows, len(grid.lat) - 1)])
    ones = Covariance(np.ones((len(KNOTS_DEG), len(TERMS))), TERMS)
    apart = torch.full_like(rows, lag.columns * grid.lon_step)
    spatial = ones.spatial(rows, others, apart)
    return (spatial * ones.temporal(torch.tensor(lag.parts * DAYS_APART, dtype=torch.float64))).numpy()


def _normal_equations(terms: Floats, sums: Floats, num_pairs: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Gram matrix (J, J) and moments (J,) of the mean products, weighted by pairs of each lag and by row."""
    # every lag num_pairs the same, however many pairs it has
    weight = rows * num_pairs / np.maximum(num_pairs.sum(axis=1, keepdims=True), 1.0)
    mean = sums / np.maximum(num_pairs, 1.0)
    left = terms.reshape(-1, terms.shape[-1])
    flat = weight.ravel()
    scale = flat.sum() or 1.0
    return left.T @ (flat[:, None] * left) / scale, left.T @ (flat * mean.ravel()) / scale


def nonnegative_least_squares(gram: Floats, moments: Floats) -> Floats:
    """x ≥ 0 that minimises ½ xᵀ G x − mᵀ x, with an active set.

    Source: Lawson & Hanson (1974), Solving Least Squares Problems, chapter 23.
    """
    # neighbouring terms do nearly the same
    gram = gram + 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram))
    x, free = np.zeros(len(moments)), np.zeros(len(moments), bool)
    least = 1e-9 * max(float(np.abs(moments).max()), 1e-300)
    for _ in range(3 * len(moments)):
        gradient = np.where(free, -np.inf, moments - gram @ x)
        if float(gradient.max()) <= least:
            break
        free[int(gradient.argmax())] = True
        while True:
            wanted = np.zeros_like(x)
            wanted[free] = np.linalg.solve(gram[np.ix_(free, free)], moments[free])
            if (wanted[free] > 0.0).all():
                break
            blocked = free & (wanted <= 0.0)
            step = float((x[blocked] / np.maximum(x[blocked] - wanted[blocked], 1e-300)).min())
            x = x + step * (wanted - x)
            free &= x > 1e-14 * max(float(x.max()), 1e-300)
            x = np.where(free, x, 0.0)
        x = wanted
    return x
