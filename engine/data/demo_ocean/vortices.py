"""Moving vortices: closed cores that carry water of another temperature, born in cohorts, with finite lifetimes.

A cohort depends on the seed and its number alone, so any day is computed from the cohorts that can be alive on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import parameters
from engine.data.demo_ocean.mean_state import MeanState, at_points
from engine.data.demo_ocean.process import Stream, generator
from engine.sphere import EARTH_RADIUS_M, LatLonGrid
from engine.typed import Floats, Ints, Mask, Singles

KM_PER_DEG = EARTH_RADIUS_M / 1000.0 * math.pi / 180.0

_REACH = math.pi / math.sqrt(2.0)  # cos²(πx/2w) has at its top the curvature of a Gaussian with σ = √2 w/π


class VortexBirths(NamedTuple):
    """Constants of N vortices: centre and day of birth, lifetime in days, radius in degrees of arc, and core
    temperature.

    ``warm`` is +1 for a warm core and −1 for a cold one; ``origin`` °C is the mean temperature at the origin of its
    water; ``own_anomaly`` K is the further anomaly of its core.
    """

    lat: Floats
    lon: Floats
    day: Floats
    life: Floats
    radius: Floats
    warm: Floats
    origin: Floats
    own_anomaly: Floats

    def where(self, chosen: Mask) -> VortexBirths:
        """A subset, by mask."""
        return VortexBirths(*(values[chosen] for values in self))


class VortexState(NamedTuple):
    """Vortices on one day, each (N,): centre, radius in degrees, anomaly of the core in K, displacement in degrees.

    ``swirl`` is the largest displacement around the core, positive for anticlockwise rotation.
    """

    lat: Floats
    lon: Floats
    radius: Floats
    anomaly: Floats
    swirl: Floats


class Vortices:
    """The vortices of one ocean on any day."""

    def __init__(self, state: MeanState, seed: int) -> None:
        self._state = state
        self._seed = seed
        self._cohort = lru_cache(maxsize=128)(self._born)

    def on(self, day: int) -> VortexState:
        """All vortices alive on a day, in the order of birth."""
        days = int(parameters.VORTEX_COHORT_DAYS)
        cohorts = range((day - int(parameters.VORTEX_LONGEST_DAYS)) // days, day // days + 1)
        births = _concatenate(self._cohort(cohort) for cohort in cohorts)
        alive = (births.day <= day) & (day < births.day + births.life)
        return self._moved(births.where(alive), day)

    def _born(self, cohort: int) -> VortexBirths:
        """The births of one cohort: candidates evenly over the sphere, thinned by mesoscale activity."""
        random = generator(self._seed, Stream.VORTICES, cohort)
        tried = int(parameters.VORTEX_BIRTHS)
        edge = math.sin(math.radians(parameters.VORTEX_MAX_LAT))
        lat = np.rad2deg(np.arcsin(random.uniform(-edge, edge, tried)))
        lon = random.uniform(-180.0, 180.0, tried)
        start = parameters.VORTEX_COHORT_DAYS * (cohort + random.random(tried))
        life = parameters.VORTEX_SHORTEST_DAYS + random.exponential(parameters.VORTEX_LIFE_DAYS, tried)
        spread = np.exp(parameters.VORTEX_RADIUS_SPREAD * random.standard_normal(tried))
        radius = parameters.VORTEX_RADIUS_KM * spread * (1.0 + np.exp(-((lat / 15.0) ** 2))) / KM_PER_DEG
        warm = random.choice((-1.0, 1.0), tried)
        from_lat = lat - warm * np.sign(lat) * parameters.VORTEX_ORIGIN_DEG * random.random(tried)
        own_anomaly = warm * parameters.VORTEX_OWN_K * np.abs(random.standard_normal(tried))
        likely = (0.1 + at_points(self._state.activity, lat, lon)) * at_points(self._state.sea, lat, lon)
        kept = (random.random(tried) < likely) & (np.abs(lat) > parameters.VORTEX_MIN_LAT)
        origin = at_points(self._state.mean, from_lat, lon).astype(np.float64)
        life = np.minimum(life, parameters.VORTEX_LONGEST_DAYS - parameters.VORTEX_COHORT_DAYS)
        return VortexBirths(lat, lon, start, life, radius, warm, origin, own_anomaly).where(kept)

    def _moved(self, born: VortexBirths, day: int) -> VortexState:
        """Positions and strengths: vortices grow, carry their water along, and decay; over land they vanish."""
        age = day - born.day
        north = np.sign(born.lat)
        speed = parameters.VORTEX_SLOW_KM + parameters.VORTEX_FAST_KM * np.exp(-((born.lat / 18.0) ** 2))
        # the circumpolar current is faster than the waves and advects vortices eastward
        westward = np.where(born.lat < -45.0, -speed, speed)
        lat = born.lat - parameters.VORTEX_DEFLECTION * born.warm * north * speed * age / KM_PER_DEG
        lon = born.lon - westward * age / KM_PER_DEG / np.cos(np.deg2rad(born.lat))
        growth = np.minimum(age / parameters.VORTEX_GROWING_DAYS, (born.life - age) / parameters.VORTEX_FADING_DAYS)
        strength = np.minimum(growth, 1.0) * at_points(self._state.sea, lat, lon)
        kept = parameters.VORTEX_TRAPPED * np.exp(-age / parameters.VORTEX_TRAPPED_DAYS)
        from_elsewhere = kept * (born.origin - at_points(self._state.mean, lat, lon))
        anomaly = strength * (from_elsewhere + born.own_anomaly)
        return VortexState(
            lat, lon, born.radius, anomaly, -strength * born.warm * north * parameters.VORTEX_SWIRL * born.radius
        )


def rasterise(cores: VortexState, grid: LatLonGrid) -> tuple[Singles, Singles, Singles]:
    """The vortices on a grid, each (H, W): anomaly in K, displacement eastward and northward, ° of arc.

    A core is cos²(πx/2w) cos²(πy/2w), nearly a Gaussian of its radius, and 0 beyond w. Cells hold its mean: the
    variance of a cell, Δ²/12, widens it and its height falls so that its sum is conserved.
    """
    lat_step, lon_step = float(grid.lat[1] - grid.lat[0]), grid.lon_step
    shrink = np.cos(np.deg2rad(cores.lat))
    tall = np.hypot(cores.radius, lat_step / math.sqrt(12.0))
    wide = np.hypot(cores.radius, lon_step * shrink / math.sqrt(12.0))
    cell_scale = cores.radius**2 / (tall * wide)
    reach_y, reach_x = _REACH * tall, _REACH * wide
    first_row, num_rows = _covered(cores.lat - grid.lat[0], reach_y, lat_step)
    first_column, num_columns = _covered(cores.lon - grid.lon[0], reach_x / shrink, lon_step)

    owner, position = _ragged(num_rows * num_columns)
    row, column = np.divmod(position, num_columns[owner])
    row, column = row + first_row[owner], column + first_column[owner]
    # distances from the centre as angles: ±π/2 at the edge of the core
    y = ((row * lat_step + grid.lat[0] - cores.lat[owner]) * (math.pi / 2.0 / reach_y)[owner]).astype(np.float32)
    x = column * lon_step + grid.lon[0] - cores.lon[owner]
    x = (x * (math.pi / 2.0 * shrink / reach_x)[owner]).astype(np.float32)
    cos_x, cos_y = np.cos(x), np.cos(y)
    core = (cos_x * cos_y) ** 2
    # the derivative of cos² is −2 sin cos, whose largest value is 1
    turning = (cores.swirl * cell_scale)[owner] * (2.0 * cos_x * cos_y)
    inside = (row >= 0) & (row < grid.shape[0])
    cell = (row * grid.shape[1] + column % grid.shape[1])[inside]
    fields = ((cores.anomaly * cell_scale)[owner] * core, -turning * np.sin(y) * cos_x, turning * np.sin(x) * cos_y)
    east_to_last = (np.bincount(cell, values[inside], grid.shape[0] * grid.shape[1]) for values in fields)
    anomaly, east, north = (field.astype(np.float32).reshape(grid.shape) for field in east_to_last)
    return anomaly, east, north


def _covered(centre: Floats, reach: Floats, step: float) -> tuple[Ints, Ints]:
    """The first cell centre within ``reach`` of each ``centre`` (counted from cell 0), and how many there are."""
    first = np.ceil((centre - reach) / step).astype(np.int64)
    last = np.floor((centre + reach) / step).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def _ragged(lengths: Ints) -> tuple[NDArray[np.intp], Ints]:
    """For ``lengths[i]`` items of every i in sequence: the owner i of each item, and its index within the owner."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _concatenate(fields: Iterable[VortexBirths]) -> VortexBirths:
    return VortexBirths(*(np.concatenate(values) for values in zip(*fields, strict=True)))
