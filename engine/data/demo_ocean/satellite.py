"""What a polar orbiter sees of the sea: swaths, warm skins, noise, and the cold rims of clouds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import recipe
from engine.data.demo_ocean.mean_state import season_waves, season_waves_of
from engine.data.demo_ocean.process import Stream, generator
from engine.data.demo_ocean.vortices import KM_PER_DEG
from engine.sphere import LatLonGrid

Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]

ORBITS_A_DAY = 24.0 * 60.0 / recipe.ORBIT_PERIOD_MIN
_SOLSTICE_DAY = 172.0
_OBLIQUITY_DEG = 23.44


class Satellite:
    """One sun-synchronous satellite that passes northward over every cell by day.

    Its ground track crosses a parallel φ at sin u = sin φ / sin i, and there lies atan2(cos i sin u, cos u) − u/n east
    of its ascending node, n orbits a day; successive nodes are 360°/n apart, westward.
    """

    def __init__(self, grid: LatLonGrid, seed: int) -> None:
        self._grid = grid
        self._seed = seed
        lat = np.deg2rad(grid.lat)
        inclination = math.radians(recipe.ORBIT_INCLINATION)
        along = np.arcsin(np.clip(np.sin(lat) / math.sin(inclination), -1.0, 1.0))
        east = np.arctan2(math.cos(inclination) * np.sin(along), np.cos(along)) - along / ORBITS_A_DAY
        # orbits west of the day's first noon, fractional
        orbit = ((180.0 - grid.lon + np.rad2deg(east)[:, None]) % 360.0) / 360.0 * ORBITS_A_DAY
        self._orbit = orbit.astype(np.float32)
        slanted = np.sqrt(np.maximum(np.cos(lat) ** 2 - math.cos(inclination) ** 2, 0.0))
        half = recipe.SWATH_KM / 2.0 / (360.0 / ORBITS_A_DAY * KM_PER_DEG)
        self._half_swath = (half / np.maximum(slanted, 1e-3)).astype(np.float32)[:, None]

    def swaths(self, day: int) -> tuple[NDArray[np.intp], Bools]:
        """(H, W) each: the pass of the day that comes closest to a cell, from 0, and True where it misses the cell."""
        first = -day * ORBITS_A_DAY % 1.0
        since_first = self._orbit - np.float32(first)
        nearest = np.clip(np.rint(since_first), 0.0, math.floor(ORBITS_A_DAY - first))
        return nearest.astype(np.intp), np.abs(since_first - nearest) > self._half_swath

    def errors(self, day: int, clearness: Singles, wind: Singles, swath: NDArray[np.intp]) -> Singles:
        """(H, W) K: what a retrieval differs by from the day's mean, wherever there is one.

        Warming of a calm clear day (largest at noon), the bias of the swath, noise, and near clouds a cold error with
        an exponential tail. ``clearness`` and ``wind`` as of :class:`Clouds`.
        """
        random = generator(self._seed, Stream.SENSOR, day)
        biases = (recipe.SWATH_BIAS_K * random.standard_normal(math.ceil(ORBITS_A_DAY) + 1)).astype(np.float32)
        error = biases[swath]
        clear = np.maximum(clearness, 0.0)
        calm = np.exp(wind * np.float32(-1.0 / recipe.DIURNAL_CALM))
        error += self._noon_warming(day) * calm * np.minimum(clear, 1.0)
        error += np.float32(recipe.NOISE_K) * random.standard_normal(error.shape, dtype=np.float32)
        rim = np.exp(clear * np.float32(-1.0 / recipe.EDGE_WIDTH))
        error -= np.float32(recipe.EDGE_K) * rim * random.standard_exponential(error.shape, dtype=np.float32)
        return error

    def _noon_warming(self, day: int) -> Singles:
        """(H, 1) K: of a calm clear noon at each latitude."""
        declination = _OBLIQUITY_DEG * float(season_waves(day)[:2] @ season_waves_of(_SOLSTICE_DAY)[:2])
        height = np.maximum(np.cos(np.deg2rad(self._grid.lat - declination)), 0.0)
        return (recipe.DIURNAL_K * height**recipe.DIURNAL_POWER).astype(np.float32)[:, None]
