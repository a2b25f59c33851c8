"""The climatological seasonal cycle of every cell: a mean, an annual and a semi-annual harmonic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import DataError
from engine.models.baselines.observed import ObservedMonth
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles

NUM_TERMS = 5
"""1, cos θ, sin θ, cos 2θ, sin 2θ with θ = 2π (month − ½)/12."""

# In units of one month's weight: negligible where the whole year is known (3 mK in 5 K after three years), and enough
# to keep the harmonics small where only one season is.
_RIDGE = 0.01


def season(months: ArrayLike) -> Floats:
    """The terms (N, 5) of the seasonal cycle in months (N,) from 1 to 12."""
    theta = 2.0 * np.pi * (np.asarray(months, np.float64) - 0.5) / 12.0
    return np.stack((np.ones_like(theta), np.cos(theta), np.sin(theta), np.cos(2 * theta), np.sin(2 * theta)), axis=-1)


@dataclass(frozen=True, eq=False)
class Climatology:
    """T(month) = Σ_k c_k s_k(month), °C, with the terms s of :func:`season`.

    Attributes:
        coeffs: (5, H, W) float32, °C; NaN on land, a value in every cell of the sea.
        grid: the cells.
    """

    coeffs: Singles
    grid: LatLonGrid

    @classmethod
    def fit(cls, months: Sequence[ObservedMonth], land: Mask, grid: LatLonGrid, has_season: bool = True) -> Climatology:
        """Least squares in every cell on the months' true means, and where those are unknown on the observed ones.

        An observed mean of n days has weight n/(n+1). A cell without any value takes the mean coefficients of its
        row, or those of the nearest rows between which it lies. Without a season, as anomalies are, all terms but the
        mean are 0.

        Raises:
            DataError: no month has a value anywhere.
        """
        gram, moments = np.zeros((NUM_TERMS, NUM_TERMS, *grid.shape)), np.zeros((NUM_TERMS, *grid.shape))
        for month in months:
            values, weights = _values_and_weights(month)
            terms = season(month.month)
            for k, term in enumerate(terms):
                moments[k] += term * weights * values
                for other, product in enumerate(term * terms):
                    gram[k, other] += product * weights
        known = (gram[0, 0] > 0.0) & ~land
        if not known.any():
            raise DataError(
                "there is no value to fit the climatology to", "climatology", "choose other months or another region"
            )
        fitted = NUM_TERMS if has_season else 1
        penalty = _RIDGE * np.diag(np.arange(fitted) > 0)
        cells = np.moveaxis(gram[:fitted, :fitted][:, :, known], -1, 0) + penalty
        coeffs = np.full((NUM_TERMS, *grid.shape), np.nan)
        coeffs[:, known] = 0.0
        coeffs[:fitted, known] = np.linalg.solve(cells, moments[:fitted, known].T[..., None])[..., 0].T
        return cls(np.where(land, np.nan, _filled(coeffs, known)).astype(np.float32), grid)

    def at(self, months: ArrayLike) -> Singles:
        """The climatological fields (..., H, W), °C, for months (...) from 1 to 12."""
        return np.tensordot(season(months).astype(np.float32), self.coeffs, axes=1)


def _values_and_weights(month: ObservedMonth) -> tuple[Floats, Floats]:
    """A month's true or observed means (H, W), zero where there is none, and their weights."""
    true = np.isfinite(month.target)
    values = np.where(true, month.target, month.mean)
    return np.nan_to_num(values), np.where(true, 1.0, month.num_days / (month.num_days + 1.0))


def _filled(coeffs: Floats, known: Mask) -> Floats:
    """Fill the cells that are not known by their row's mean, interpolated between the nearest rows that have one."""
    rows = np.flatnonzero(known.any(axis=1))
    means = np.stack([coeffs[:, row, known[row]].mean(axis=1) for row in rows], axis=1)
    everywhere = np.empty(coeffs.shape[:2])
    for k, line in enumerate(means):
        everywhere[k] = np.interp(np.arange(len(known)), rows, line)
    return np.where(known, coeffs, everywhere[:, :, None])
