"""Observations by a polar orbiter: swaths, diurnal warming, noise, and the cold bias at cloud edges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.mean_state import season_waves, season_waves_of
from engine.data.demo_ocean.process import Stream, generator
from engine.data.demo_ocean.vortices import KM_PER_DEG
from engine.sphere import LatLonGrid
from engine.typed import Mask, Singles

ORBITS_A_DAY = 24.0 * 60.0 / parameters.ORBIT_PERIOD_MIN
_SOLSTICE_DAY = 172.0
_OBLIQUITY_DEG = 23.44


class Satellite:
    """One sun-synchronous satellite; every cell is observed on a northward pass by day.

    Its ground track crosses a parallel φ at sin u = sin φ / sin i, and there lies atan2(cos i sin u, cos u) − u/n east
    of its ascending node, n orbits a day; successive nodes are 360°/n apart, westward.
    """

    def __init__(self, grid: LatLonGrid, seed: int) -> None:
        self._grid = grid
        self._seed = seed
        lat = np.deg2rad(grid.lat)
        inclination = math.radians(parameters.ORBIT_INCLINATION)
        along = np.arcsin(np.clip(np.sin(lat) / math.sin(inclination), -1.0, 1.0))
        east = np.arctan2(math.cos(inclination) * np.sin(along), np.cos(along)) - along / ORBITS_A_DAY
        # orbits west of the day's first noon, fractional
        orbit = ((180.0 - grid.lon + np.rad2deg(east)[:, None]) % 360.0) / 360.0 * ORBITS_A_DAY
        self._orbit = orbit.astype(np.float32)
        slanted = np.sqrt(np.maximum(np.cos(lat) ** 2 - math.cos(inclination) ** 2, 0.0))
        half = parameters.SWATH_KM / 2.0 / (360.0 / ORBITS_A_DAY * KM_PER_DEG)
        self._half_swath = (half / np.maximum(slanted, 1e-3)).astype(np.float32)[:, None]

    def swaths(self, day: int) -> tuple[NDArray[np.intp], Mask]:
        """(H, W) each: index from 0 of the day's nearest pass, and True where the cell is outside its swath."""
        first = -day * ORBITS_A_DAY % 1.0
        since_first = self._orbit - np.float32(first)
        nearest = np.clip(np.rint(since_first), 0.0, math.floor(ORBITS_A_DAY - first))
        return nearest.astype(np.intp), np.abs(since_first - nearest) > self._half_swath

    def errors(self, day: int, clearness: Singles, wind: Singles, swath: NDArray[np.intp]) -> Singles:
        """(H, W) K: retrieval minus the day's true mean.

        The sum of diurnal warming on calm clear days, the bias of the swath, noise, and near clouds a cold error with
        an exponential tail. ``clearness`` and ``wind`` as of :class:`Clouds`.
        """
        random = generator(self._seed, Stream.SENSOR, day)
        biases = (parameters.SWATH_BIAS_K * random.standard_normal(math.ceil(ORBITS_A_DAY) + 1)).astype(np.float32)
        error = biases[swath]
        clear = np.maximum(clearness, 0.0)
        calm = np.exp(wind * np.float32(-1.0 / parameters.DIURNAL_CALM))
        error += self._noon_warming(day) * calm * np.minimum(clear, 1.0)
        error += np.float32(parameters.NOISE_K) * random.standard_normal(error.shape, dtype=np.float32)
        rim = np.exp(clear * np.float32(-1.0 / parameters.EDGE_WIDTH))
        error -= np.float32(parameters.EDGE_K) * rim * random.standard_exponential(error.shape, dtype=np.float32)
        return error

    def _noon_warming(self, day: int) -> Singles:
        """(H, 1) K: warming at noon under calm clear sky at each latitude."""
        declination = _OBLIQUITY_DEG * float(season_waves(day)[:2] @ season_waves_of(_SOLSTICE_DAY)[:2])
        height = np.maximum(np.cos(np.deg2rad(self._grid.lat - declination)), 0.0)
        return (parameters.DIURNAL_K * height**parameters.DIURNAL_POWER).astype(np.float32)[:, None]
