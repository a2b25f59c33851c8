"""From a smooth field on one grid to values or cell integrals on any other: the sphere as a double Fourier series.

On a meridian circle through both poles a function of degree ≤ L is a trigonometric polynomial. Of its longitude
orders the even ones are cosine series in the colatitude θ, the odd ones sine series, so that samples at
θ_i = (i + ½) π/N and 2N longitudes give it exactly for L < N: no Legendre function is needed.

Legend: N rows and 2N columns of the level, H × W the grid, M orders.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.sphere import LatLonGrid
from engine.typed import rfft

Kind = Literal["point", "cell"]
"""Values of the field at the grid's points, or integrals over its cells (steradians)."""


def level_angles(num_rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Latitudes (N,) ascending from half a step above −90°, longitudes (2N,) from −180° on, float64 radians."""
    step = math.pi / num_rows
    steps = torch.arange(2 * num_rows, dtype=torch.float64, device=device) * step
    return steps[:num_rows] + step / 2.0 - math.pi / 2.0, steps - math.pi


def carry(levels: Iterable[Tensor], grid: LatLonGrid, kind: Kind) -> Tensor:
    """The sum of fields given on levels (N, 2N) of any sizes, on ``grid``: (H, W), in the dtype of the levels."""
    spectra = [_spectrum(level, grid, kind) for level in levels]
    total = max(spectra, key=lambda spectrum: spectrum.shape[0])
    for spectrum in spectra:
        if spectrum is not total:
            total[: spectrum.shape[0]] += spectrum
    return total.flatten(0, 1).T @ _waves(grid, total.shape[0], kind, total.device, total.dtype)


def _spectrum(level: Tensor, grid: LatLonGrid, kind: Kind) -> Tensor:
    """Cosine and sine amplitudes (M = N, 2, H) in longitude, counted from −180°, at the grid's rows."""
    num_rows = level.shape[0]
    amplitudes = torch.view_as_real(rfft(level, dim=1)[:, :num_rows] / num_rows).permute(1, 2, 0)
    even, odd = _rows(grid, num_rows, kind, level.device, level.dtype)
    spectrum = level.new_empty((num_rows, 2, grid.shape[0]))
    spectrum[0::2] = amplitudes[0::2] @ even
    spectrum[1::2] = amplitudes[1::2] @ odd
    spectrum[0] /= 2.0
    return spectrum


@lru_cache(maxsize=48)
def _rows(grid: LatLonGrid, num_rows: int, kind: Kind, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Matrices (N, H) from a level's rows to the grid's, for even and for odd orders."""
    theta = np.pi - (np.arange(num_rows) + 0.5) * (np.pi / num_rows)  # latitudes ascend
    cosines, sines = np.arange(num_rows), np.arange(1, num_rows + 1)
    analyse_even = np.cos(np.outer(theta, cosines)) * (np.where(cosines > 0, 2.0, 1.0) / num_rows)
    analyse_odd = np.sin(np.outer(theta, sines)) * (np.where(sines < num_rows, 2.0, 1.0) / num_rows)
    if kind == "point":
        at = np.deg2rad(90.0 - grid.lat)
        even, odd = np.cos(np.outer(cosines, at)), np.sin(np.outer(sines, at))
    else:
        edges = np.deg2rad(90.0 - grid.lat_bounds)
        middle, width = (edges[1:] + edges[:-1]) / 2.0, np.abs(np.diff(edges))

        def integral(wave: np.ufunc, order: np.ndarray) -> np.ndarray:
            return width * wave(np.outer(order, middle)) * np.sinc(np.outer(order, width) / (2.0 * np.pi))

        # ∫ cos nθ sin θ and ∫ sin nθ sin θ over a row
        even = (integral(np.sin, cosines + 1) - integral(np.sin, cosines - 1)) / 2.0
        odd = (integral(np.cos, sines - 1) - integral(np.cos, sines + 1)) / 2.0
    return tuple(
        torch.tensor(matrix, dtype=dtype, device=device) for matrix in (analyse_even @ even, analyse_odd @ odd)
    )


@lru_cache(maxsize=8)
def _waves(grid: LatLonGrid, num_orders: int, kind: Kind, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(2M, W): cos m(λ + 180°) and −sin m(λ + 180°), averaged or integrated over the columns for ``kind="cell"``."""
    orders = np.arange(num_orders)
    angles = np.deg2rad(np.fmod(np.outer(orders, grid.lon + 180.0), 360.0))
    step = math.radians(grid.lon_step)
    size = step * np.sinc(orders * (step / (2.0 * np.pi))) if kind == "cell" else np.ones(num_orders)
    waves = np.stack((np.cos(angles), -np.sin(angles)), 1) * size[:, None, None]
    return torch.tensor(waves.reshape(2 * num_orders, -1), dtype=dtype, device=device)
