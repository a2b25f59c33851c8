"""Clouds that drift and persist, and the cooling they cause."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.mean_state import MeanState, Sampler, ramp, season_waves, season_waves_of
from engine.data.demo_ocean.process import HarmonicProcess, Stream, unit_variance
from engine.data.demo_ocean.spectral import Synthesis
from engine.sphere import LatLonGrid
from engine.typed import Floats, Singles


class CloudProcesses:
    """Cloud thickness as a Gaussian field of unit variance, the sum of three processes, and wind; independent of a
    grid.

    Midlatitude clouds drift east and tropical clouds west, each in its own latitudes; a slow component is stationary.
    """

    def __init__(self, seed: int) -> None:
        degree = np.arange(int(parameters.CLOUD_MAX_DEGREE) + 1, dtype=np.float64)
        memory = (
            parameters.CLOUD_LONGEST_DAYS
            * (parameters.CLOUD_DEGREE / np.maximum(degree, 1.0)) ** parameters.CLOUD_MEMORY_POWER
        )
        memory = np.clip(memory, parameters.CLOUD_SHORTEST_DAYS, parameters.CLOUD_LONGEST_DAYS)
        variances = _spectrum(degree) * (1.0 - parameters.CLOUD_SLOW_SHARE)
        self.midlatitudes = HarmonicProcess(
            variances, memory, seed, Stream.CLOUDS_MIDLATITUDES, parameters.CLOUD_DRIFT_MIDLATITUDES
        )
        self.tropics = HarmonicProcess(variances, memory, seed, Stream.CLOUDS_TROPICS, parameters.CLOUD_DRIFT_TROPICS)
        slow = degree[: int(parameters.CLOUD_SLOW_MAX_DEGREE) + 1]
        slow_memory = np.full(len(slow), parameters.CLOUD_SLOW_DAYS)
        self.slow = HarmonicProcess(
            _spectrum(slow) * parameters.CLOUD_SLOW_SHARE, slow_memory, seed, Stream.CLOUDS_SLOW
        )
        winds = degree[: int(parameters.WIND_MAX_DEGREE) + 1]
        wind_memory = np.full(len(winds), parameters.WIND_MEMORY_DAYS)
        self.wind = HarmonicProcess(_spectrum(winds), wind_memory, seed, Stream.WIND)


class Cooling:
    """Cooling of the mixed layer by past clouds: −k Σ_j e^(−j/τ) thickness(day − j), low degrees only.

    The filter is linear, so it is applied to the coefficients instead of the fields.
    """

    def __init__(self, grid: LatLonGrid, processes: CloudProcesses) -> None:
        self._processes = processes
        self._synthesis = Synthesis(grid, int(parameters.COOLING_MAX_DEGREE))
        self._of_midlatitudes, self._of_tropics = latitude_weights(grid)
        lags = np.arange(1, int(parameters.COOLING_WINDOW_DAYS) + 1)
        self._weights = -parameters.COOLING_K_PER_DAY * np.exp(-lags / parameters.COOLING_MEMORY_DAYS)

    def on(self, day: int) -> Singles:
        """(H, W) K, mostly negative under persistent clouds, positive after a long clear period."""
        processes = (self._processes.midlatitudes, self._processes.tropics, self._processes.slow)
        past = (process.filtered(day - 1, self._weights, int(parameters.COOLING_MAX_DEGREE)) for process in processes)
        midlatitudes, tropics, slow = self._synthesis(*past)
        return self._of_midlatitudes * midlatitudes + self._of_tropics * tropics + slow


class Clouds:
    """Clouds and wind on a grid, given the SST anomaly below."""

    def __init__(
        self, grid: LatLonGrid, state: MeanState, processes: CloudProcesses, sampler: Sampler, synthesis: Synthesis
    ) -> None:
        self._grid = grid
        self._processes = processes
        self._synthesis = synthesis
        self._of_midlatitudes, self._of_tropics = latitude_weights(grid)
        convective = ramp(np.abs(grid.lat), parameters.CLOUD_STRATUS_LAT, parameters.CLOUD_CONVECTION_LAT)
        response = parameters.CLOUD_CONVECTION * convective - parameters.CLOUD_STRATUS * (1.0 - convective)
        self._anomaly_response = response.astype(np.float32)[:, None]
        self._over_cool_water = np.float32(parameters.CLOUD_EAST) * sampler(state.coolness[None])[0]

    def clearness(self, day: int, anomaly: Singles) -> Singles:
        """(H, W) threshold minus cloud thickness, in standard deviations of thickness; cloudy where ≤ 0.

        ``anomaly`` (H, W) K: SST minus climatology. Warm water increases clouds near the equator, cold water elsewhere.
        """
        midlatitudes, tropics = self._synthesis(self._processes.midlatitudes.on(day), self._processes.tropics.on(day))
        clear = self._threshold(day) - self._synthesis(self._processes.slow.on(day))[0]
        clear -= self._of_midlatitudes * midlatitudes
        clear -= self._of_tropics * tropics
        clear -= self._anomaly_response * anomaly
        clear -= self._over_cool_water
        return clear

    def wind(self, day: int) -> Singles:
        """(H, W) in units of its median."""
        return np.exp(parameters.WIND_SPREAD * self._synthesis(self._processes.wind.on(day))[0])

    def _threshold(self, day: int) -> Singles:
        """(H, 1) the thickness above which a cell is cloudy; the tropical rain belt follows the sun."""
        sun = float(season_waves(day)[:2] @ season_waves_of(parameters.SUMMER_DAY)[:2])
        shift = parameters.CLOUD_RAIN_SHIFT * sun * np.exp(-((self._grid.lat / 20.0) ** 2))
        lats, thresholds = _thresholds()
        return np.interp(self._grid.lat - shift, lats, thresholds).astype(np.float32)[:, None]


def latitude_weights(grid: LatLonGrid) -> tuple[Singles, Singles]:
    """Factors (H, 1) of midlatitude and tropical clouds; their squares sum to 1."""
    weight = ramp(np.abs(grid.lat), parameters.CLOUD_TROPICS_LAT, parameters.CLOUD_MIDLATITUDES_LAT)[:, None]
    return np.sqrt(weight).astype(np.float32), np.sqrt(1.0 - weight).astype(np.float32)


def _spectrum(degree: Floats) -> Floats:
    return unit_variance(
        (1.0 + (degree / parameters.CLOUD_DEGREE) ** 2) ** (-parameters.CLOUD_POWER / 2.0) * (degree > 0)
    )


@lru_cache
def _thresholds() -> tuple[Floats, Floats]:
    """Latitudes, and the standard-normal quantile that is exceeded for the cloud fraction of each latitude."""
    normal = NormalDist()
    table = parameters.CLOUDS_BY_LAT
    return np.array(list(table), np.float64), np.array([normal.inv_cdf(1.0 - weight) for weight in table.values()])
