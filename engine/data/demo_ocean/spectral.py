"""From harmonic coefficients to fields, many a second: Legendre tables held in float32, longitudes by FFT.

Coefficients are kept by order here: complex (M, L+1), entry (m, l) = c_{l,m} − i c_{l,−m} for l ≥ m, so that a field
is Re Σ_m e^{imλ} Σ_l entry(m, l) Q_lm(φ), with Q_lm of :mod:`engine.sphere.harmonics`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.sphere import LatLonGrid
from engine.sphere.harmonics import legendre_rows

Coefficients = NDArray[np.complex64]
Singles = NDArray[np.float32]

_ORDERS_AT_ONCE = 32


def by_order(coeffs: Singles) -> Coefficients:
    """Coefficients (..., D) by flat index l² + l + m as complex (..., L+1, L+1) by order and degree, 0 where l < m."""
    cosine, sine = _places(round(coeffs.shape[-1] ** 0.5))
    with_zero = np.concatenate((coeffs, np.zeros_like(coeffs[..., :1])), axis=-1)
    return np.asarray(with_zero[..., cosine] - 1j * with_zero[..., sine], np.complex64)


@lru_cache
def _places(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where entry (m, l) finds its cosine and its sine, each (L+1, L+1); the last place of all holds a zero."""
    order, degree = np.ogrid[:size, :size]
    cosine = np.where(degree >= order, degree * (degree + 1) + order, size * size)
    sine = np.where((degree >= order) & (order > 0), degree * (degree + 1) - order, size * size)
    return cosine, sine


class Synthesis:
    """Fields on one grid whose columns close the circle, from coefficients up to ``max_degree``.

    Degrees above what the grid resolves are left out: the same field, seen coarser. Holds (L+1)² · H float32.
    """

    def __init__(self, grid: LatLonGrid, max_degree: int) -> None:
        self._top = min(max_degree, grid.max_resolved_degree)
        self._columns = grid.shape[1]
        self._profiles = torch.zeros((self._top + 1, self._top + 1, grid.shape[0]))
        for degree, rows in enumerate(legendre_rows(grid.lat, self._top)):
            self._profiles[: degree + 1, degree] = rows
        # the FFT starts at the first column's longitude and counts every order but 0 twice
        first = np.exp(1j * np.arange(self._top + 1) * np.deg2rad(grid.lon[0]))
        self._start = (first * np.where(np.arange(self._top + 1) > 0, 0.5, 1.0)).astype(np.complex64)

    def __call__(self, *coeffs: Coefficients) -> Singles:
        """(F, H, W) the fields of F sets of coefficients, made at once; they may differ in their highest degree."""
        size = min(self._top + 1, max(each.shape[-1] for each in coeffs))
        turned = np.zeros((size, len(coeffs), size), np.complex64)
        for i, each in enumerate(coeffs):
            part = each[:size, :size]
            turned[: len(part), i, : len(part)] = part * self._start[: len(part), None]
        parts = torch.as_tensor(np.concatenate((turned.real, turned.imag), axis=1))
        # order m has no degree below m: a third less work when a block of orders begins at its own degrees
        blocks = (slice(first, min(first + _ORDERS_AT_ONCE, size)) for first in range(0, size, _ORDERS_AT_ONCE))
        sums = [torch.bmm(parts[m, :, m.start :], self._profiles[m, m.start : size]) for m in blocks]
        profiles = torch.cat(sums).permute(1, 2, 0)
        waves = torch.complex(profiles[: len(coeffs)].contiguous(), profiles[len(coeffs) :].contiguous())
        fields: Tensor = cast(Any, torch.fft).irfft(waves, n=self._columns, norm="forward")
        return fields.numpy()


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
    """What Q_lm gives to degree l + 1 and to l − 1, each (M, L+1), and the orders (M, 1)."""
    order, degree = (index.astype(np.float64) for index in np.ogrid[:size, :size])
    above, here = (np.sqrt(np.maximum(n**2 - order**2, 0.0) / np.abs(4.0 * n**2 - 1.0)) for n in (degree + 1.0, degree))
    return (-degree * above).astype(np.float32), ((degree + 1.0) * here).astype(np.float32), order.astype(np.float32)
