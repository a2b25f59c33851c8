"""Scale features of a patch: its extent, its pixels and the finest resolved wave."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.embedding.patches import Patches
from engine.errors import ChoiceError
from engine.sphere.geometry import EARTH_RADIUS_M
from engine.sphere.grid import LatLonGrid
from engine.typed import Floats

Extent = Literal["edges", "centres"]

SCALE_FEATURES: tuple[tuple[str, str], ...] = (
    ("width", "m"),
    ("height", "m"),
    ("area", "m²"),
    ("width / height", "1"),
    ("pixel width", "m"),
    ("pixel height", "m"),
    ("pixel size", "m"),
    ("pixel width / height", "1"),
    ("finest degree eastward", "1"),
    ("finest degree northward", "1"),
)
"""Name and unit of the quantity whose natural logarithm each feature is, in order."""

# Constants of the published convention
_LOG_OFFSET = 1e-6
_SMALLEST_COSINE = 1e-3


def scale_features(grid: LatLonGrid, patch: tuple[int, int], extent: Extent = "edges") -> Tensor:
    """Logarithms of ten sizes of every patch of (ph, pw) cells: float64 (Hp, Wp, 10), named by ``SCALE_FEATURES``.

    ln of dx, dy, area, dx/dy, dx_px, dy_px, √(dx_px dy_px), dx_px/dy_px, l_x, l_y, lengths in metres, area in m²,
    l = πR/extent the degree whose half wave fills the extent.

    ``extent="edges"``: dy = R Δφ between the outer edges, area = R² (sin φ_north − sin φ_south) Δλ exactly, dx =
    area/dy, pixel = extent/n. ``"centres"``, the published convention: Δφ and Δλ between the outer cells' centres,
    dx = R max(cos φ_c, 1e-3) Δλ at the middle latitude φ_c, dy = R Δφ, area = R² Δ(sin φ) Δλ, pixel = extent/(n − 1),
    and 1e-6 is added before each logarithm. A patch over the date line has its true extent in both.

    Raises :class:`ChoiceError` for patches that do not fill the grid, and for one cell across with ``"centres"``.
    """
    patches = Patches(grid, patch)
    sizes = _between_edges(patches) if extent == "edges" else _between_centres(patches)
    rows = torch.tensor(np.log(np.stack(sizes, axis=-1)))
    return rows[:, None].expand(*patches.shape, len(SCALE_FEATURES)).contiguous()


def _between_edges(patches: Patches) -> list[Floats]:
    height = EARTH_RADIUS_M * np.deg2rad(np.abs(np.diff(patches.lat_bounds)))
    return _sizes(patches.area_m2 / height, height, patches.area_m2, patches.size)


def _between_centres(patches: Patches) -> list[Floats]:
    rows, columns = patches.size
    if min(rows, columns) < 2:
        raise ChoiceError(
            "a patch of one cell has no extent from centre to centre",
            f"patch {rows} × {columns}",
            "choose two or more cells each way, or extent='edges'",
        )
    lat = patches.grid.lat.reshape(-1, rows)
    height = EARTH_RADIUS_M * np.deg2rad(np.abs(lat[:, -1] - lat[:, 0]))
    cosine = np.maximum(np.cos(np.deg2rad(lat.mean(axis=1))), _SMALLEST_COSINE)
    turn = math.radians(patches.grid.lon_step * (columns - 1))
    sines = np.sin(np.deg2rad(lat[:, [0, -1]]))
    area = EARTH_RADIUS_M**2 * np.abs(sines[:, 1] - sines[:, 0]) * turn
    sizes = _sizes(EARTH_RADIUS_M * cosine * turn, height, area, (rows - 1, columns - 1))
    return [size + _LOG_OFFSET for size in sizes]


def _sizes(dx: Floats, dy: Floats, area: Floats, steps: tuple[int, int]) -> list[Floats]:
    """The ten sizes (Hp,) of a patch of extent dx × dy divided into ``steps`` (rows, columns)."""
    dx_px, dy_px = dx / steps[1], dy / steps[0]
    half_turn = math.pi * EARTH_RADIUS_M
    return [dx, dy, area, dx / dy, dx_px, dy_px, np.sqrt(dx_px * dy_px), dx_px / dy_px, half_turn / dx, half_turn / dy]
