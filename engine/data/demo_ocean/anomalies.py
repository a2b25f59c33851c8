"""What makes one day differ from the climate: slow anomalies, El Niño, the clouds' cooling, stirring, fine texture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import recipe
from engine.data.demo_ocean.clouds import Cooling, Sky
from engine.data.demo_ocean.mean_state import MeanState, Sampler, anchor_grid, season_waves, season_waves_of
from engine.data.demo_ocean.process import HarmonicProcess, OrnsteinUhlenbeck, Stream, unit_gradient, unit_variance
from engine.data.demo_ocean.spectral import Synthesis, gradient
from engine.data.demo_ocean.vortices import Vortices, drawn
from engine.sphere import LatLonGrid

Singles = NDArray[np.float32]

_POLAR_COS = math.cos(math.radians(80.0))  # meridians are taken no closer than there
_CALM_COS = math.cos(math.radians(60.0))
_SQUARINGS = 3


class Background:
    """The large scales on the anchor: climate, basin anomalies, El Niño and the cooling that clouds leave behind."""

    def __init__(self, state: MeanState, sky: Sky, seed: int) -> None:
        self._state = state
        self._cooling = Cooling(anchor_grid(), sky)
        degree = np.arange(int(recipe.BASIN_MAX_DEGREE) + 1, dtype=np.float64)
        spectrum = (1.0 + (degree / recipe.BASIN_DEGREE) ** 2) ** (-recipe.BASIN_POWER / 2.0) * (degree > 0)
        memory = recipe.BASIN_MEMORY_DAYS * (5.0 / np.maximum(degree, 1.0)) ** recipe.BASIN_MEMORY_POWER
        memory = np.minimum(memory, recipe.BASIN_LONGEST_DAYS)
        self._basin = HarmonicProcess(unit_variance(spectrum), memory, seed, Stream.BASIN)
        self._enso = OrnsteinUhlenbeck(np.full(2, recipe.ENSO_MEMORY_DAYS), seed, Stream.ENSO)
        self._synthesis = Synthesis(anchor_grid(), self._basin.max_degree)
        self._basin_K = recipe.BASIN_K + recipe.BASIN_ACTIVE_K * state.activity

    def on(self, day: int) -> Singles:
        """(180, 360) °C, before anything is stirred."""
        basin = self._synthesis(self._basin.on(day))[0]
        enso = self.enso(day) * self._state.enso
        return self._state.climate(day) + self._basin_K * basin + enso + self._cooling.on(day)

    def enso(self, day: int) -> np.float32:
        """The index of the El Niño mode in K: an oscillator of two quadratures that turn once in its period."""
        angle = 2.0 * math.pi * day / recipe.ENSO_PERIOD_DAYS
        index = self._enso.at(day) @ (math.cos(angle), math.sin(angle))
        season = 1.0 + recipe.ENSO_SEASONALITY * season_waves(day)[0]
        return np.float32(recipe.ENSO_K * season * (index + recipe.ENSO_SKEWNESS * (index**2 - 1.0)))


class Mesoscale:
    """Stirring, vortices and texture on a grid of any step: what turns a smooth background into water."""

    def __init__(self, grid: LatLonGrid, state: MeanState, sampler: Sampler, synthesis: Synthesis, seed: int) -> None:
        self._grid = grid
        self._vortices = Vortices(state, seed)
        self._stir = _stirring(seed)
        self._fine = _texture(seed)
        self._waves = OrnsteinUhlenbeck(
            np.full(2 * len(recipe.WAVE_LENGTHS_DEG), recipe.WAVE_MEMORY_DAYS), seed, Stream.WAVES
        )
        self._synthesis = synthesis
        self._sampler = sampler
        activity = sampler(state.activity[None])[0]
        self._fine_K = recipe.FINE_K + recipe.FINE_ACTIVE_K * activity
        cos_lat = np.cos(np.deg2rad(grid.lat)).astype(np.float32)[:, None]
        self._degrees_of_arc = 1.0 / np.maximum(cos_lat, _POLAR_COS)
        # the gradient comes multiplied with cos φ; towards the poles, where meridians meet, water is left in peace
        calm = np.minimum(cos_lat / _CALM_COS, 1.0) * self._degrees_of_arc
        self._stir_deg = calm * (recipe.STIR_DEG + recipe.STIR_ACTIVE_DEG * activity)
        self._wave_rows = np.exp(-0.5 * ((grid.lat - 1.5) / 2.5) ** 2).astype(np.float32)

    def on(self, day: int, background: Singles) -> Singles:
        """(H, W) °C: the background stirred, and what is finer than it."""
        to_north, to_east, texture = self._synthesis(*gradient(self._stir.on(day)), self._fine.on(day))
        core, core_east, core_north = drawn(self._vortices.on(day), self._grid)
        east = (core_east - self._stir_deg * to_north) * self._degrees_of_arc
        north = core_north + self._stir_deg * to_east
        north += np.outer(self._wave_rows, self._instability_waves(day))
        field = self._sampler.displaced(background[None], self._stirred(east, north), cubic=True)[0]
        field += core
        field += self._fine_K * texture
        return field

    def _stirred(self, east: Singles, north: Singles) -> Singles:
        """(H, W, 2) where water comes from, degrees away, after it has followed a steady flow for one unit of time.

        ``east`` and ``north`` are the flow in degrees of longitude and latitude. Twice the way is the way and then
        the way from there: the flow's exponential by squaring, which folds water into filaments and never tears it.
        """
        shift = np.stack((east, north), axis=-1) * np.float32(0.5**_SQUARINGS)
        for _ in range(_SQUARINGS):
            onward = self._sampler.displaced(np.ascontiguousarray(shift.transpose(2, 0, 1)), shift)
            shift += onward.transpose(1, 2, 0)
        return shift

    def _instability_waves(self, day: int) -> Singles:
        """(W,) the displacement in ° that waves of the equatorial Pacific give on their middle row."""
        lon = self._grid.lon % 360.0
        basin = np.exp(-0.5 * ((lon - 235.0) / 25.0) ** 2) * (lon > 170.0) * (lon < 282.0)
        # strongest from July to December, when the cold tongue is
        season = 1.0 - 0.6 * float(season_waves(day)[:2] @ season_waves_of(recipe.COLD_TONGUE_DAY)[:2])
        strength = self._waves.at(day) * (recipe.WAVE_DEG / math.sqrt(len(recipe.WAVE_LENGTHS_DEG)))
        moved = lon - recipe.WAVE_SPEED * day
        waves = np.zeros(len(lon))
        for i, length in enumerate(recipe.WAVE_LENGTHS_DEG):
            angle = 2.0 * math.pi / length * moved
            waves += strength[2 * i] * np.cos(angle) + strength[2 * i + 1] * np.sin(angle)
        return (season * basin * waves).astype(np.float32)


def _stirring(seed: int) -> HarmonicProcess:
    """The stream function: its gradient has rms 1."""
    degree = np.arange(int(recipe.STIR_MAX_DEGREE) + 1, dtype=np.float64)
    spectrum = (1.0 + (degree / recipe.STIR_DEGREE) ** 2) ** (-recipe.STIR_POWER / 2.0)
    spectrum *= degree >= recipe.STIR_MIN_DEGREE
    memory = recipe.STIR_MEMORY_DAYS * (22.0 / np.maximum(degree, 1.0)) ** recipe.STIR_MEMORY_POWER
    return HarmonicProcess(unit_gradient(spectrum), memory, seed, Stream.STIR, recipe.STIR_DRIFT)


def _texture(seed: int) -> HarmonicProcess:
    degree = np.arange(int(recipe.FINE_MAX_DEGREE) + 1, dtype=np.float64)
    spectrum = np.maximum(degree, 1.0) ** -recipe.FINE_POWER * (degree >= recipe.FINE_MIN_DEGREE)
    memory = recipe.FINE_MEMORY_DAYS * 100.0 / np.maximum(degree, 1.0)
    return HarmonicProcess(unit_variance(spectrum), memory, seed, Stream.FINE, recipe.STIR_DRIFT)
