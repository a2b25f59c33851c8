"""Climate fractions of the patches of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.data.climate import box_fractions
from engine.sphere import LatLonGrid


def patch_fractions(grid: LatLonGrid, patch: tuple[int, int] = (1, 1)) -> NDArray[np.float32]:
    """Area fraction of every class in every patch of a grid, (H/ph, W/pw, 31); each sums to 1."""
    lat, lon = grid.lat_bounds[:: patch[0]], grid.lon_bounds[:: patch[1]]
    south, north = np.minimum(lat[:-1], lat[1:]), np.maximum(lat[:-1], lat[1:])
    shape = (south.size, lon.size - 1)
    edges = [np.broadcast_to(e, shape).ravel() for e in (south[:, None], north[:, None], lon[:-1], lon[1:])]
    return box_fractions(*edges).reshape(*shape, -1)
