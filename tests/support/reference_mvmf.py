"""Slow, readable references for mixtures of von Mises–Fisher distributions; they share no code with the engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

if TYPE_CHECKING:
    from engine.sphere import LatLonGrid


def points_of(lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3)."""
    lat, lon = np.deg2rad(lat_deg), np.deg2rad(lon_deg)
    return np.stack(np.broadcast_arrays(np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), axis=-1)


def mixture_log_density(points: np.ndarray, centres: np.ndarray, kappa: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """ln Σ_k w_k p_k at points (N, 3), all pairs at once: (N,). p = κ/(4π sinh κ) e^(κ cos), written with e^−κ out."""
    log_weights = logits - scipy.special.logsumexp(logits)
    log_norm = np.log(kappa / (2.0 * math.pi)) - np.log(-np.expm1(-2.0 * kappa))
    chords = points[:, None, :] - centres
    return scipy.special.logsumexp(log_weights + log_norm - kappa * (chords**2).sum(-1) / 2.0, axis=1)


def mixture_log_map(grid: LatLonGrid, centres: np.ndarray, kappa: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The same at every point of a grid (H, W): the direct sum, row by row."""
    rows = [points_of(lat, grid.lon) for lat in grid.lat]
    return np.stack([mixture_log_density(row, centres, kappa, logits) for row in rows])


def cell_mass_by_midpoints(
    grid: LatLonGrid, rows: range, columns: range, centre: np.ndarray, kappa: float, parts: int = 400
) -> np.ndarray:
    """The probability of some cells under one component, each cut into parts × parts: (rows, columns)."""
    masses = np.zeros((len(rows), len(columns)))
    zeros = np.zeros(1)
    for i, row in enumerate(rows):
        south, north = np.sort(grid.lat_bounds[[row, row + 1]])
        lat = south + (north - south) * (np.arange(parts) + 0.5) / parts
        width = np.deg2rad(north - south) / parts * np.cos(np.deg2rad(lat))
        for j, column in enumerate(columns):
            west, east = grid.lon_bounds[[column, column + 1]]
            lon = west + (east - west) * (np.arange(parts) + 0.5) / parts
            points = points_of(lat[:, None], lon).reshape(-1, 3)
            density = np.exp(mixture_log_density(points, centre[None], np.array([kappa]), zeros)).reshape(parts, parts)
            masses[i, j] = np.deg2rad(east - west) / parts * (width @ density).sum()
    return masses
