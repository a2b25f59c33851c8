"""Clouds that drift and persist, and what they leave behind in the water."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import recipe
from engine.data.demo_ocean.mean_state import MeanState, Sampler, ramp, season_waves, season_waves_of
from engine.data.demo_ocean.process import HarmonicProcess, Stream, unit_variance
from engine.data.demo_ocean.spectral import Synthesis
from engine.sphere import LatLonGrid

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]


class Sky:
    """Thickness of clouds as a Gaussian field of unit variance, in three parts, and wind; knows no grid.

    Midlatitude clouds drift east and tropical ones west, each seen in its own latitudes only; a slow part stays.
    """

    def __init__(self, seed: int) -> None:
        degree = np.arange(int(recipe.CLOUD_MAX_DEGREE) + 1, dtype=np.float64)
        memory = (
            recipe.CLOUD_LONGEST_DAYS * (recipe.CLOUD_DEGREE / np.maximum(degree, 1.0)) ** recipe.CLOUD_MEMORY_POWER
        )
        memory = np.clip(memory, recipe.CLOUD_SHORTEST_DAYS, recipe.CLOUD_LONGEST_DAYS)
        variances = _spectrum(degree) * (1.0 - recipe.CLOUD_SLOW_SHARE)
        self.midlatitudes = HarmonicProcess(
            variances, memory, seed, Stream.CLOUDS_MIDLATITUDES, recipe.CLOUD_DRIFT_MIDLATITUDES
        )
        self.tropics = HarmonicProcess(variances, memory, seed, Stream.CLOUDS_TROPICS, recipe.CLOUD_DRIFT_TROPICS)
        slow = degree[: int(recipe.CLOUD_SLOW_MAX_DEGREE) + 1]
        slow_memory = np.full(len(slow), recipe.CLOUD_SLOW_DAYS)
        self.slow = HarmonicProcess(_spectrum(slow) * recipe.CLOUD_SLOW_SHARE, slow_memory, seed, Stream.CLOUDS_SLOW)
        winds = degree[: int(recipe.WIND_MAX_DEGREE) + 1]
        wind_memory = np.full(len(winds), recipe.WIND_MEMORY_DAYS)
        self.wind = HarmonicProcess(_spectrum(winds), wind_memory, seed, Stream.WIND)


class Cooling:
    """What the clouds of the last weeks leave in the water: −k Σ_j e^(−j/τ) thickness(day − j), low degrees only.

    The filter is linear in the clouds' coefficients, so that it is applied to them and never to fields.
    """

    def __init__(self, grid: LatLonGrid, sky: Sky) -> None:
        self._sky = sky
        self._synthesis = Synthesis(grid, int(recipe.COOLING_MAX_DEGREE))
        self._of_midlatitudes, self._of_tropics = latitude_shares(grid)
        lags = np.arange(1, int(recipe.COOLING_WINDOW_DAYS) + 1)
        self._weights = -recipe.COOLING_K_PER_DAY * np.exp(-lags / recipe.COOLING_MEMORY_DAYS)

    def on(self, day: int) -> Singles:
        """(H, W) K, mostly negative under persistent clouds, positive where it has long been clear."""
        parts = (self._sky.midlatitudes, self._sky.tropics, self._sky.slow)
        past = (part.remembered(day - 1, self._weights, int(recipe.COOLING_MAX_DEGREE)) for part in parts)
        midlatitudes, tropics, slow = self._synthesis(*past)
        return self._of_midlatitudes * midlatitudes + self._of_tropics * tropics + slow


class Clouds:
    """The sky over a grid, once the state of the sea below is known."""

    def __init__(self, grid: LatLonGrid, state: MeanState, sky: Sky, sampler: Sampler, synthesis: Synthesis) -> None:
        self._grid = grid
        self._sky = sky
        self._synthesis = synthesis
        self._of_midlatitudes, self._of_tropics = latitude_shares(grid)
        convective = ramp(np.abs(grid.lat), recipe.CLOUD_STRATUS_LAT, recipe.CLOUD_CONVECTION_LAT)
        answer = recipe.CLOUD_CONVECTION * convective - recipe.CLOUD_STRATUS * (1.0 - convective)
        self._answer = answer.astype(np.float32)[:, None]
        self._over_cool_water = np.float32(recipe.CLOUD_EAST) * sampler(state.coolness[None])[0]

    def clearness(self, day: int, anomaly: Singles) -> Singles:
        """(H, W) how far the clouds are from covering a cell, in their standard deviations; clouded where ≤ 0.

        ``anomaly`` (H, W) K: the sea against its climate. Warm water feeds clouds near the equator, cold water
        elsewhere.
        """
        midlatitudes, tropics = self._synthesis(self._sky.midlatitudes.on(day), self._sky.tropics.on(day))
        clear = self._threshold(day) - self._synthesis(self._sky.slow.on(day))[0]
        clear -= self._of_midlatitudes * midlatitudes
        clear -= self._of_tropics * tropics
        clear -= self._answer * anomaly
        clear -= self._over_cool_water
        return clear

    def wind(self, day: int) -> Singles:
        """(H, W) in units of its median."""
        return np.exp(recipe.WIND_SPREAD * self._synthesis(self._sky.wind.on(day))[0])

    def _threshold(self, day: int) -> Singles:
        """(H, 1) the thickness above which a row's cells count as clouded; the tropical rains follow the sun."""
        sun = float(season_waves(day)[:2] @ season_waves_of(recipe.SUMMER_DAY)[:2])
        shift = recipe.CLOUD_RAIN_SHIFT * sun * np.exp(-((self._grid.lat / 20.0) ** 2))
        lats, thresholds = _thresholds()
        return np.interp(self._grid.lat - shift, lats, thresholds).astype(np.float32)[:, None]


def latitude_shares(grid: LatLonGrid) -> tuple[Singles, Singles]:
    """(H, 1) each: by what midlatitude and tropical clouds are multiplied; their squares add up to 1."""
    share = ramp(np.abs(grid.lat), recipe.CLOUD_TROPICS_LAT, recipe.CLOUD_MIDLATITUDES_LAT)[:, None]
    return np.sqrt(share).astype(np.float32), np.sqrt(1.0 - share).astype(np.float32)


def _spectrum(degree: Floats) -> Floats:
    return unit_variance((1.0 + (degree / recipe.CLOUD_DEGREE) ** 2) ** (-recipe.CLOUD_POWER / 2.0) * (degree > 0))


@lru_cache
def _thresholds() -> tuple[Floats, Floats]:
    """Latitudes, and the thickness that a standard normal exceeds for the share of the time named in the recipe."""
    normal = NormalDist()
    table = recipe.CLOUDS_BY_LAT
    return np.array(list(table), np.float64), np.array([normal.inv_cdf(1.0 - share) for share in table.values()])
