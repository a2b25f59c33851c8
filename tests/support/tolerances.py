"""How far a result may be from the truth, by dtype: the one table that all numeric tests read."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Tolerance:
    harmonic: float
    """Absolute error of one harmonic, degree ≤ 40, values up to 5."""
    orthonormal: float
    """Absolute error of an inner product that is 0 or 1."""
    moment: float
    """Absolute error of a weighted mean or covariance of harmonics."""
    field: float
    """Absolute error of a standardised component, values up to 10."""


TOLERANCES = {
    torch.float64: Tolerance(harmonic=1e-12, orthonormal=1e-10, moment=1e-13, field=1e-10),
    torch.float32: Tolerance(harmonic=5e-6, orthonormal=1e-4, moment=1e-5, field=2e-5),
}

DEGREE_1000 = 1e-9
"""Error of a harmonic of degree 1000, relative to the largest of that degree, in float64."""
