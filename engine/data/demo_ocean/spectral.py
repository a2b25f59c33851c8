"""Fast synthesis of fields from harmonic coefficients: Legendre tables in float32, longitudes by FFT.

Coefficients are stored by order: complex (M, L+1), entry (m, l) = c_{l,m} − i c_{l,−m} for l ≥ m, so that a field
is Re Σ_m e^{imλ} Σ_l entry(m, l) Q_lm(φ), with Q_lm of :mod:`engine.sphere.harmonics`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from engine.sphere import LatLonGrid
from engine.sphere.harmonics import legendre_rows
from engine.typed import Singles, irfft

Coefficients = NDArray[np.complex64]

_ORDERS_AT_ONCE = 32


def by_order(coeffs: Singles) -> Coefficients:
    """Coefficients (..., D) by flat index l² + l + m as complex (..., L+1, L+1) by order and degree, 0 where l < m."""
    cosine, sine = _flat_indices(round(coeffs.shape[-1] ** 0.5))
    with_zero = np.concatenate((coeffs, np.zeros_like(coeffs[..., :1])), axis=-1)
    return np.asarray(with_zero[..., cosine] - 1j * with_zero[..., sine], np.complex64)


@lru_cache
def _flat_indices(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat index (L+1, L+1) of the cosine and of the sine of entry (m, l); index (L+1)² stands for a zero."""
    order, degree = np.ogrid[:size, :size]
    cosine = np.where(degree >= order, degree * (degree + 1) + order, size * size)
    sine = np.where((degree >= order) & (order > 0), degree * (degree + 1) - order, size * size)
    return cosine, sine


class Synthesis:
    """Fields on one periodic grid from coefficients up to ``max_degree``.

    Degrees above what the grid resolves are truncated. Holds (L+1)² · H float32.
    """

    def __init__(self, grid: LatLonGrid, max_degree: int) -> None:
        self._top = min(max_degree, grid.max_resolved_degree)
        self._columns = grid.shape[1]
        self._profiles = torch.zeros((self._top + 1, self._top + 1, grid.shape[0]))
        for degree, rows in enumerate(legendre_rows(grid.lat, self._top)):
            self._profiles[: degree + 1, degree] = rows
        # the FFT starts at the first column's longitude and includes every order but 0 twice
        first = np.exp(1j * np.arange(self._top + 1) * np.deg2rad(grid.lon[0]))
        self._start = (first * np.where(np.arange(self._top + 1) > 0, 0.5, 1.0)).astype(np.complex64)

    def __call__(self, *coeffs: Coefficients) -> Singles:
        """(F, H, W) the fields of F sets of coefficients, computed together; their highest degrees may differ."""
        size = min(self._top + 1, max(each.shape[-1] for each in coeffs))
        turned = np.zeros((size, len(coeffs), size), np.complex64)
        for i, each in enumerate(coeffs):
            block = each[:size, :size]
            turned[: len(block), i, : len(block)] = block * self._start[: len(block), None]
        stacked = torch.as_tensor(np.concatenate((turned.real, turned.imag), axis=1))
        # order m has no degree below m: starting each block of orders there saves a third of the work
        blocks = (slice(first, min(first + _ORDERS_AT_ONCE, size)) for first in range(0, size, _ORDERS_AT_ONCE))
        sums = [torch.bmm(stacked[m, :, m.start :], self._profiles[m, m.start : size]) for m in blocks]
        profiles = torch.cat(sums).permute(1, 2, 0)
        waves = torch.complex(profiles[: len(coeffs)].contiguous(), profiles[len(coeffs) :].contiguous())
        return irfft(waves, n=self._columns).numpy()


def gradient(coeffs: Coefficients) -> tuple[Coefficients, Coefficients]:
    """cos φ ∂/∂φ and ∂/∂λ of a field, as coefficients (L+2, L+2) each.

    cos φ dQ_lm/dφ = (l+1) ε_lm Q_{l−1,m} − l ε_{l+1,m} Q_{l+1,m}, ε_lm² = (l² − m²)/(4l² − 1).
    """
    wide = np.pad(coeffs, ((0, 1), (0, 1)))
    up, down, order = _ladder(len(wide))
    northward = np.zeros_like(wide)
    northward[:, :-1] += wide[:, 1:] * down[:, 1:]
    northward[:, 1:] += wide[:, :-1] * up[:, :-1]
    return northward, np.asarray(wide * (1j * order), np.complex64)


@lru_cache
def _ladder(size: int) -> tuple[Singles, Singles, Singles]:
    """Factors of Q_lm in degree l + 1 and in l − 1, each (M, L+1), and the orders (M, 1)."""
    order, degree = (index.astype(np.float64) for index in np.ogrid[:size, :size])
    above, here = (np.sqrt(np.maximum(n**2 - order**2, 0.0) / np.abs(4.0 * n**2 - 1.0)) for n in (degree + 1.0, degree))
    return (-degree * above).astype(np.float32), ((degree + 1.0) * here).astype(np.float32), order.astype(np.float32)
