"""Slow, readable references that share no code with the engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

if TYPE_CHECKING:
    from engine.embedding import HarmonicBasis
    from engine.sphere import LatLonGrid


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


def table_cell(
    lon_deg: float, lat_deg: float, exterior: tuple[float, float, float, float], shape: tuple[int, ...]
) -> tuple[int, int]:
    """Column and row of a table (W, H, …) that a point inside its exterior lies in, away from the cells' borders."""
    x, y, wide, high = exterior
    return math.floor((lon_deg - x) % wide / wide * shape[0]), math.floor((lat_deg - y) / high * shape[1])


def table_neighbours(column: int, row: int, shape: tuple[int, ...], topology: str) -> list[tuple[int, int]]:
    """The cells of a table (W, H, …) whose mean stands at any ``column`` and ``row``, also far beyond its edges.

    On the sphere by geography: beyond a pole, go on along the meridian and see where you are. Half a turn is W half
    columns, so an odd W ends on the border of two.
    """
    W, H = shape[:2]
    if topology == "clamp":
        return [(min(max(column, 0), W - 1), min(max(row, 0), H - 1))]
    if topology == "torus":
        return [(column % W, row % H)]
    if 0 <= row < H:
        return [(column % W, row)]
    row = 2 * H - 1 - row if row >= H else -1 - row
    half_columns = 2 * column + 1 + W
    if half_columns % 2:
        return [(half_columns // 2 % W, row)]
    return [((half_columns // 2 - 1) % W, row), (half_columns // 2 % W, row)]


def table_windows(
    weight: np.ndarray,
    points: np.ndarray,
    exterior: tuple[float, float, float, float],
    padding: tuple[int, int],
    topology: str,
) -> np.ndarray:
    """Neighbourhoods (P, 2px+1, 2py+1, N) of points (P, 2) in a table (W, H, N), entry by entry."""
    px, py = padding
    windows = np.zeros((len(points), 2 * px + 1, 2 * py + 1, weight.shape[2]), weight.dtype)
    for window, (lon, lat) in zip(windows, points, strict=True):
        column, row = table_cell(lon, lat, exterior, weight.shape)
        for i, j in np.ndindex(window.shape[:2]):
            cells = table_neighbours(column + i - px, row + j - py, weight.shape, topology)
            window[i, j] = sum(weight[cell] for cell in cells) / len(cells)
    return windows


def table_gradient(
    shape: tuple[int, int, int],
    points: np.ndarray,
    exterior: tuple[float, float, float, float],
    topology: str,
    gradient: np.ndarray,
) -> np.ndarray:
    """The gradient of a table (W, H, N) whose neighbourhoods have the gradient (P, 2px+1, 2py+1, N): the adjoint."""
    px, py = (size // 2 for size in gradient.shape[1:3])
    total = np.zeros(shape, gradient.dtype)
    for window, (lon, lat) in zip(gradient, points, strict=True):
        column, row = table_cell(lon, lat, exterior, shape)
        for i, j in np.ndindex(window.shape[:2]):
            cells = table_neighbours(column + i - px, row + j - py, shape, topology)
            for cell in cells:
                total[cell] += window[i, j] / len(cells)
    return total


def position_pixels(
    basis: HarmonicBasis, grid: LatLonGrid, clip_sigma: float | None, published: bool = False
) -> np.ndarray:
    """The position embedding of every cell (H, W, K): all harmonics on all cells, project, standardise, clip.

    ``published`` standardises over the cells of the grid, unweighted, with ddof 1 and + 1e-5.
    """
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    projected = (real_harmonics(lat, lon, basis.max_degree) - basis.mean.numpy()) @ basis.components.numpy()
    if published:
        mean, std = projected.mean(axis=(0, 1)), projected.std(axis=(0, 1), ddof=1)
        values = (projected - mean) / (std + 1e-5)
    else:
        values = projected / basis.std.numpy()
    return values if clip_sigma is None else clip_sigma * np.tanh(values / clip_sigma)


def patch_means(field: np.ndarray, row_areas: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """Area-weighted means (Hp, Wp, K) of a field (H, W, K), patch by patch; ``row_areas`` (H,) of one cell each."""
    height, width = patch
    areas = np.broadcast_to(row_areas[:, None], field.shape[:2])
    means = np.empty((field.shape[0] // height, field.shape[1] // width, field.shape[2]))
    for i, j in np.ndindex(means.shape[:2]):
        cells = slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width)
        means[i, j] = np.average(field[cells].reshape(height * width, -1), axis=0, weights=areas[cells].ravel())
    return means


def published_scale(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """The ten scale features of one patch by the published formulas, from the centres (ph,), (pw,) of its cells.

    Longitudes must not jump over the date line.
    """
    radius = 6_371_000.0
    dlat, dlon = np.deg2rad(np.ptp(lat)), np.deg2rad(np.ptp(lon))
    dx, dy = radius * max(np.cos(np.deg2rad(lat.mean())), 1e-3) * dlon, radius * dlat
    px, py = dx / (lon.size - 1), dy / (lat.size - 1)
    area = radius**2 * np.ptp(np.sin(np.deg2rad(lat))) * dlon
    sizes = [dx, dy, area, dx / dy, px, py, np.sqrt(px * py), px / py, np.pi * radius / dx, np.pi * radius / dy]
    return np.log(np.array(sizes) + 1e-6)
