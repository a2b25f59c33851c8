"""The bias of an estimate by latitude, season and number of observed days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.models.baselines.climatology import NUM_TERMS, season
from engine.models.baselines.observed import ObservedMonth, area_mae, evenly, has_truth
from engine.sphere import LatLonGrid
from engine.typed import Floats

NUM_LATITUDES = 7
"""Legendre polynomials P_0 … P_6 in sin φ: bands of about 30°."""

RIDGES = tuple(10.0**power for power in range(-7, 1))
"""Penalties tried, in units of the mean weight of a cell."""

_MONTHS = 24  # of training whose estimates are looked at
_TINY = 1e-12  # keeps the system regular without any data; the bias is then 0


@dataclass(frozen=True, eq=False)
class Bias:
    """bias(φ, month, n) = Σ_pk P_p(sin φ) s_k(month) (a_pk + b_pk/(1 + n)), K, of estimates from n observed days.

    Attributes:
        coeffs: (7, 5, 2) float64, K: a and b by polynomial P_p and term s_k of the season.
    """

    coeffs: Floats

    @classmethod
    def fit(cls, train: Sequence[ObservedMonth], validation: Sequence[ObservedMonth], grid: LatLonGrid) -> Bias:
        """Ridge regression, area-weighted, on the cells of ``train`` that have a mean and a known truth.

        The mean is that of the observed days, or any other estimate put in its place.

        The constant is not penalised. The penalty is the one of :data:`RIDGES` with the smallest area-weighted mean
        absolute error on ``validation``.
        """
        gram, moments = _normal_equations(train, grid)
        penalty = np.diag(np.arange(len(gram)) > 0)

        def solve(ridge: float) -> Bias:
            solution = np.linalg.solve(gram + ridge * penalty + _TINY * np.eye(len(gram)), moments)
            return cls(np.asarray(solution, np.float64).reshape(NUM_LATITUDES, NUM_TERMS, 2))

        return min(
            (solve(ridge) for ridge in RIDGES),
            key=lambda bias: area_mae(validation, grid, lambda month: month.mean - bias.of(month, grid)),
        )

    def of(self, month: ObservedMonth, grid: LatLonGrid) -> Floats:
        """(H, W) estimate minus true mean, K."""
        offset, slope = np.einsum("hp,pka,k->ah", _latitudes(grid), self.coeffs, season(month.month))
        return offset[:, None] + slope[:, None] / (1.0 + month.num_days)


def bias_of_days(train: Sequence[ObservedMonth], validation: Sequence[ObservedMonth], grid: LatLonGrid) -> Bias | None:
    """The bias of the observed means; None where the truth of one of the two is not known."""
    return Bias.fit(train, validation, grid) if has_truth(train) and has_truth(validation) else None


def bias_of_estimates(
    estimate: Callable[[ObservedMonth], Floats],
    train: Sequence[ObservedMonth],
    validation: Sequence[ObservedMonth],
    grid: LatLonGrid,
    progress: Callable[[float], None],
) -> Bias:
    """The bias of the estimates (H, W) of months, in the cells where they are not NaN; of ``train`` at most 24 months.

    ``progress`` is called with the fraction that is done.
    """
    learned, estimated = evenly(train, _MONTHS), list[ObservedMonth]()
    for month in (*learned, *validation):
        estimated.append(month._replace(mean=estimate(month).astype(np.float32)))
        progress(len(estimated) / (len(learned) + len(validation)))
    return Bias.fit(estimated[: len(learned)], estimated[len(learned) :], grid)


def _latitudes(grid: LatLonGrid) -> Floats:
    """(H, 7) the polynomials at the rows."""
    sines = np.sin(np.deg2rad(grid.lat))
    return np.asarray(np.polynomial.legendre.legvander(sines, NUM_LATITUDES - 1), np.float64)


def _normal_equations(months: Sequence[ObservedMonth], grid: LatLonGrid) -> tuple[Floats, Floats]:
    """Weighted mean products (D, D) of the D = 7·5·2 predictors, and (D,) of predictors and error.

    A predictor is (polynomial ⊗ season) ⊗ (1, 1/(1+n)): only the last factor varies along a row, so the sums over
    cells are computed row by row and the (cells, D) matrix is never held.
    """
    latitudes = _latitudes(grid)
    size = NUM_LATITUDES * NUM_TERMS
    gram, moments, total = np.zeros((size, 2, size, 2)), np.zeros((size, 2)), 0.0
    for month in months:
        counted = month.is_usable & np.isfinite(month.mean)
        weights = counted * grid.cell_area_m2[:, None]
        inverse = 1.0 / (1.0 + month.num_days)
        error = np.where(counted, month.mean - month.target, 0.0)
        places = np.einsum("hp,k->hpk", latitudes, season(month.month)).reshape(-1, size)
        powers = [np.sum(weights * inverse**power, axis=1) for power in range(3)]
        for a in range(2):
            for b in range(2):
                gram[:, a, :, b] += (places.T * powers[a + b]) @ places
            moments[:, a] += places.T @ np.sum(weights * inverse**a * error, axis=1)
        total += float(weights.sum())
    scale = total or 1.0
    return gram.reshape(2 * size, 2 * size) / scale, moments.reshape(2 * size) / scale
