"""Slow, readable references that share no code with the engine."""

import math

import numpy as np
import scipy.special


def real_harmonic(degree: int, order: int, lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
    """Y_lm by SciPy. Its complex harmonics carry the Condon–Shortley phase (−1)^m, which is taken out here."""
    size = abs(order)
    value = scipy.special.sph_harm_y(degree, size, np.deg2rad(90.0 - np.asarray(lat_deg)), np.deg2rad(lon_deg))
    if order == 0:
        return value.real
    return math.sqrt(2.0) * (-1) ** size * (value.real if order > 0 else value.imag)


def real_harmonics(lat_deg: np.ndarray, lon_deg: np.ndarray, max_degree: int) -> np.ndarray:
    """All harmonics (..., (L+1)²) in the order l² + l + m."""
    fields = [
        real_harmonic(degree, order, lat_deg, lon_deg)
        for degree in range(max_degree + 1)
        for order in range(-degree, degree + 1)
    ]
    return np.stack(np.broadcast_arrays(*fields), axis=-1)


def legendre_column(max_degree: int, order: int, lat_deg: float, digits: int = 60) -> list[float]:
    """Profiles Q_lm, l = m … L, of one latitude by the textbook recursion on P_lm in ``digits`` decimal digits.

    P_mm = (2m−1)!! cos^m φ, P_lm = ((2l−1) sin φ P_{l−1,m} − (l+m−1) P_{l−2,m}) / (l−m), normalised afterwards.
    """
    import mpmath

    with mpmath.workdps(digits):
        sine, cosine = mpmath.sin(mpmath.radians(lat_deg)), mpmath.cos(mpmath.radians(lat_deg))
        before, now = mpmath.mpf(0), mpmath.fac2(2 * order - 1) * cosine**order
        column = []
        for degree in range(order, max_degree + 1):
            ratio = mpmath.factorial(degree - order) / mpmath.factorial(degree + order)
            norm = (1 if order == 0 else 2) * (2 * degree + 1) / (4 * mpmath.pi) * ratio
            column.append(float(mpmath.sqrt(norm) * now))
            following = ((2 * degree + 1) * sine * now - (degree + order) * before) / (degree + 1 - order)
            before, now = now, following
        return column


def weighted_moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) of ``values`` (N, D), one weight a row."""
    shares = weights / weights.sum()
    mean = shares @ values
    centred = values - mean
    return mean, centred.T @ (shares[:, None] * centred)


def rotation(angles_deg: tuple[float, float, float]) -> np.ndarray:
    """A rotation (3, 3): about z, then x, then z again."""
    a, b, c = np.deg2rad(angles_deg)

    def about_z(t: float) -> np.ndarray:
        return np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])

    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z(c) @ about_x @ about_z(a)
