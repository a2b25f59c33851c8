"""Daily SST anomalies: basin-scale anomalies, El Niño, cloud cooling, stirring, vortices and fine texture."""

from __future__ import annotations

import math

import numpy as np

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.clouds import CloudProcesses, Cooling
from engine.data.demo_ocean.mean_state import MeanState, Sampler, anchor_grid, season_waves, season_waves_of
from engine.data.demo_ocean.process import HarmonicProcess, OrnsteinUhlenbeck, Stream, unit_gradient, unit_variance
from engine.data.demo_ocean.spectral import Synthesis, gradient
from engine.data.demo_ocean.vortices import Vortices, rasterise
from engine.sphere import LatLonGrid
from engine.typed import Singles

_POLAR_COS = math.cos(math.radians(80.0))  # convergence of meridians is capped at this latitude
_CALM_COS = math.cos(math.radians(60.0))
_SQUARINGS = 3


class Background:
    """The large scales on the anchor grid: climatology, basin anomalies, El Niño and the cooling by past clouds."""

    def __init__(self, state: MeanState, processes: CloudProcesses, seed: int) -> None:
        self._state = state
        self._cooling = Cooling(anchor_grid(), processes)
        degree = np.arange(int(parameters.BASIN_MAX_DEGREE) + 1, dtype=np.float64)
        spectrum = (1.0 + (degree / parameters.BASIN_DEGREE) ** 2) ** (-parameters.BASIN_POWER / 2.0) * (degree > 0)
        memory = parameters.BASIN_MEMORY_DAYS * (5.0 / np.maximum(degree, 1.0)) ** parameters.BASIN_MEMORY_POWER
        memory = np.minimum(memory, parameters.BASIN_LONGEST_DAYS)
        self._basin = HarmonicProcess(unit_variance(spectrum), memory, seed, Stream.BASIN)
        self._enso = OrnsteinUhlenbeck(np.full(2, parameters.ENSO_MEMORY_DAYS), seed, Stream.ENSO)
        self._synthesis = Synthesis(anchor_grid(), self._basin.max_degree)
        self._basin_K = parameters.BASIN_K + parameters.BASIN_ACTIVE_K * state.activity

    def on(self, day: int) -> Singles:
        """(180, 360) °C, before stirring."""
        basin = self._synthesis(self._basin.on(day))[0]
        enso = self.enso(day) * self._state.enso
        return self._state.climate(day) + self._basin_K * basin + enso + self._cooling.on(day)

    def enso(self, day: int) -> np.float32:
        """The index of the El Niño mode in K: an oscillator of two quadratures that rotate once a period."""
        angle = 2.0 * math.pi * day / parameters.ENSO_PERIOD_DAYS
        index = self._enso.at(day) @ (math.cos(angle), math.sin(angle))
        season = 1.0 + parameters.ENSO_SEASONALITY * season_waves(day)[0]
        return np.float32(parameters.ENSO_K * season * (index + parameters.ENSO_SKEWNESS * (index**2 - 1.0)))


class Mesoscale:
    """Stirring, vortices and texture on a grid of any step, added to the smooth background."""

    def __init__(self, grid: LatLonGrid, state: MeanState, sampler: Sampler, synthesis: Synthesis, seed: int) -> None:
        self._grid = grid
        self._vortices = Vortices(state, seed)
        self._stir = _stirring(seed)
        self._fine = _texture(seed)
        self._waves = OrnsteinUhlenbeck(
            np.full(2 * len(parameters.WAVE_LENGTHS_DEG), parameters.WAVE_MEMORY_DAYS), seed, Stream.WAVES
        )
        self._synthesis = synthesis
        self._sampler = sampler
        activity = sampler(state.activity[None])[0]
        self._fine_K = parameters.FINE_K + parameters.FINE_ACTIVE_K * activity
        cos_lat = np.cos(np.deg2rad(grid.lat)).astype(np.float32)[:, None]
        self._degrees_of_arc = 1.0 / np.maximum(cos_lat, _POLAR_COS)
        # gradient() returns cos φ ∂/∂φ; stirring fades towards the poles, where meridians converge
        calm = np.minimum(cos_lat / _CALM_COS, 1.0) * self._degrees_of_arc
        self._stir_deg = calm * (parameters.STIR_DEG + parameters.STIR_ACTIVE_DEG * activity)
        self._wave_rows = np.exp(-0.5 * ((grid.lat - 1.5) / 2.5) ** 2).astype(np.float32)

    def on(self, day: int, background: Singles) -> Singles:
        """(H, W) °C: the stirred background plus the finer scales."""
        to_north, to_east, texture = self._synthesis(*gradient(self._stir.on(day)), self._fine.on(day))
        core, core_east, core_north = rasterise(self._vortices.on(day), self._grid)
        east = (core_east - self._stir_deg * to_north) * self._degrees_of_arc
        north = core_north + self._stir_deg * to_east
        north += np.outer(self._wave_rows, self._instability_waves(day))
        field = self._sampler.displaced(background[None], self._stirred(east, north), cubic=True)[0]
        field += core
        field += self._fine_K * texture
        return field

    def _stirred(self, east: Singles, north: Singles) -> Singles:
        """(H, W, 2) the displacement, degrees, to the origin of each parcel after one unit of time in a steady flow.

        ``east`` and ``north`` are the flow in degrees of longitude and latitude. The flow map is its exponential by
        scaling and squaring, which keeps it invertible: fronts fold into filaments without tearing.
        """
        shift = np.stack((east, north), axis=-1) * np.float32(0.5**_SQUARINGS)
        for _ in range(_SQUARINGS):
            onward = self._sampler.displaced(np.ascontiguousarray(shift.transpose(2, 0, 1)), shift)
            shift += onward.transpose(1, 2, 0)
        return shift

    def _instability_waves(self, day: int) -> Singles:
        """(W,) the displacement in ° by tropical instability waves of the Pacific on their central row."""
        lon = self._grid.lon % 360.0
        basin = np.exp(-0.5 * ((lon - 235.0) / 25.0) ** 2) * (lon > 170.0) * (lon < 282.0)
        # strongest from July to December, as the cold tongue
        season = 1.0 - 0.6 * float(season_waves(day)[:2] @ season_waves_of(parameters.COLD_TONGUE_DAY)[:2])
        strength = self._waves.at(day) * (parameters.WAVE_DEG / math.sqrt(len(parameters.WAVE_LENGTHS_DEG)))
        moved = lon - parameters.WAVE_SPEED * day
        waves = np.zeros(len(lon))
        for i, length in enumerate(parameters.WAVE_LENGTHS_DEG):
            angle = 2.0 * math.pi / length * moved
            waves += strength[2 * i] * np.cos(angle) + strength[2 * i + 1] * np.sin(angle)
        return (season * basin * waves).astype(np.float32)


def _stirring(seed: int) -> HarmonicProcess:
    """The stream function; its gradient has rms 1."""
    degree = np.arange(int(parameters.STIR_MAX_DEGREE) + 1, dtype=np.float64)
    spectrum = (1.0 + (degree / parameters.STIR_DEGREE) ** 2) ** (-parameters.STIR_POWER / 2.0)
    spectrum *= degree >= parameters.STIR_MIN_DEGREE
    memory = parameters.STIR_MEMORY_DAYS * (22.0 / np.maximum(degree, 1.0)) ** parameters.STIR_MEMORY_POWER
    return HarmonicProcess(unit_gradient(spectrum), memory, seed, Stream.STIR, parameters.STIR_DRIFT)


def _texture(seed: int) -> HarmonicProcess:
    degree = np.arange(int(parameters.FINE_MAX_DEGREE) + 1, dtype=np.float64)
    spectrum = np.maximum(degree, 1.0) ** -parameters.FINE_POWER * (degree >= parameters.FINE_MIN_DEGREE)
    memory = parameters.FINE_MEMORY_DAYS * 100.0 / np.maximum(degree, 1.0)
    return HarmonicProcess(unit_variance(spectrum), memory, seed, Stream.FINE, parameters.STIR_DRIFT)
