"""Moving vortices: closed cores of water from elsewhere, born in cohorts, drifting, dying.

A cohort's births depend on the seed and the cohort alone, so that any day is found from the cohorts that can still be
alive on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_ocean import recipe
from engine.data.demo_ocean.mean_state import MeanState, at_points
from engine.data.demo_ocean.process import Stream, generator
from engine.sphere import EARTH_RADIUS_M, LatLonGrid

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

KM_PER_DEG = EARTH_RADIUS_M / 1000.0 * math.pi / 180.0

_REACH = math.pi / math.sqrt(2.0)  # cos²(πx/2w) has at its top the curvature of a Gaussian with σ = √2 w/π


class Births(NamedTuple):
    """What vortices are born with, each (N,): place, day, life, radius in degrees of arc, and their water.

    ``warm`` is +1 for a warm core and −1 for a cold one; ``origin`` °C is the mean temperature where its water is from;
    ``own`` K what its core has beside that.
    """

    lat: Floats
    lon: Floats
    day: Floats
    life: Floats
    radius: Floats
    warm: Floats
    origin: Floats
    own: Floats

    def those(self, chosen: NDArray[np.bool_]) -> Births:
        """Some of them."""
        return Births(*(values[chosen] for values in self))


class Cores(NamedTuple):
    """Vortices on one day, each (N,): centre, radius in degrees, anomaly of the core in K, displacement in degrees.

    ``swirl`` is the largest displacement of water around the core, positive for anticlockwise rotation.
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

    def on(self, day: int) -> Cores:
        """All that are alive on a day, in the order of their birth."""
        days = int(recipe.VORTEX_COHORT_DAYS)
        cohorts = range((day - int(recipe.VORTEX_LONGEST_DAYS)) // days, day // days + 1)
        births = _joined(self._cohort(cohort) for cohort in cohorts)
        alive = (births.day <= day) & (day < births.day + births.life)
        return self._moved(births.those(alive), day)

    def _born(self, cohort: int) -> Births:
        """The births of one cohort: tried all over the sphere, kept where the sea is lively."""
        random = generator(self._seed, Stream.VORTICES, cohort)
        tried = int(recipe.VORTEX_BIRTHS)
        edge = math.sin(math.radians(recipe.VORTEX_MAX_LAT))
        lat = np.rad2deg(np.arcsin(random.uniform(-edge, edge, tried)))
        lon = random.uniform(-180.0, 180.0, tried)
        start = recipe.VORTEX_COHORT_DAYS * (cohort + random.random(tried))
        life = recipe.VORTEX_SHORTEST_DAYS + random.exponential(recipe.VORTEX_LIFE_DAYS, tried)
        spread = np.exp(recipe.VORTEX_RADIUS_SPREAD * random.standard_normal(tried))
        radius = recipe.VORTEX_RADIUS_KM * spread * (1.0 + np.exp(-((lat / 15.0) ** 2))) / KM_PER_DEG
        warm = random.choice((-1.0, 1.0), tried)
        from_lat = lat - warm * np.sign(lat) * recipe.VORTEX_ORIGIN_DEG * random.random(tried)
        own = warm * recipe.VORTEX_OWN_K * np.abs(random.standard_normal(tried))
        likely = (0.1 + at_points(self._state.activity, lat, lon)) * at_points(self._state.sea, lat, lon)
        kept = (random.random(tried) < likely) & (np.abs(lat) > recipe.VORTEX_MIN_LAT)
        origin = at_points(self._state.mean, from_lat, lon).astype(np.float64)
        life = np.minimum(life, recipe.VORTEX_LONGEST_DAYS - recipe.VORTEX_COHORT_DAYS)
        return Births(lat, lon, start, life, radius, warm, origin, own).those(kept)

    def _moved(self, born: Births, day: int) -> Cores:
        """Where they are and how strong: they grow, carry their water along, and fade; over land they vanish."""
        age = day - born.day
        north = np.sign(born.lat)
        speed = recipe.VORTEX_SLOW_KM + recipe.VORTEX_FAST_KM * np.exp(-((born.lat / 18.0) ** 2))
        # the circumpolar current is faster than the waves and takes its vortices east
        westward = np.where(born.lat < -45.0, -speed, speed)
        lat = born.lat - recipe.VORTEX_DEFLECTION * born.warm * north * speed * age / KM_PER_DEG
        lon = born.lon - westward * age / KM_PER_DEG / np.cos(np.deg2rad(born.lat))
        growth = np.minimum(age / recipe.VORTEX_GROWING_DAYS, (born.life - age) / recipe.VORTEX_FADING_DAYS)
        strength = np.minimum(growth, 1.0) * at_points(self._state.sea, lat, lon)
        kept = recipe.VORTEX_TRAPPED * np.exp(-age / recipe.VORTEX_TRAPPED_DAYS)
        from_elsewhere = kept * (born.origin - at_points(self._state.mean, lat, lon))
        anomaly = strength * (from_elsewhere + born.own)
        return Cores(lat, lon, born.radius, anomaly, -strength * born.warm * north * recipe.VORTEX_SWIRL * born.radius)


def drawn(cores: Cores, grid: LatLonGrid) -> tuple[Singles, Singles, Singles]:
    """The vortices on a grid, each (H, W): anomaly in K, displacement of water eastward and northward, ° of arc.

    A core is cos²(πx/2w) cos²(πy/2w), nearly a Gaussian of its radius and nothing beyond w. Cells see its mean: the
    variance of a cell, Δ²/12, widens it and its height falls so that its sum stays.
    """
    lat_step, lon_step = float(grid.lat[1] - grid.lat[0]), grid.lon_step
    shrink = np.cos(np.deg2rad(cores.lat))
    tall = np.hypot(cores.radius, lat_step / math.sqrt(12.0))
    wide = np.hypot(cores.radius, lon_step * shrink / math.sqrt(12.0))
    seen = cores.radius**2 / (tall * wide)
    reach_y, reach_x = _REACH * tall, _REACH * wide
    first_row, num_rows = _covered(cores.lat - grid.lat[0], reach_y, lat_step)
    first_column, num_columns = _covered(cores.lon - grid.lon[0], reach_x / shrink, lon_step)

    owner, place = _ragged(num_rows * num_columns)
    row, column = np.divmod(place, num_columns[owner])
    row, column = row + first_row[owner], column + first_column[owner]
    # distances from the centre as angles: ±π/2 at the edge of the core
    y = ((row * lat_step + grid.lat[0] - cores.lat[owner]) * (math.pi / 2.0 / reach_y)[owner]).astype(np.float32)
    x = column * lon_step + grid.lon[0] - cores.lon[owner]
    x = (x * (math.pi / 2.0 * shrink / reach_x)[owner]).astype(np.float32)
    cos_x, cos_y = np.cos(x), np.cos(y)
    core = (cos_x * cos_y) ** 2
    # the derivative of cos² is −2 sin cos, whose largest value is 1
    turning = (cores.swirl * seen)[owner] * (2.0 * cos_x * cos_y)
    inside = (row >= 0) & (row < grid.shape[0])
    cell = (row * grid.shape[1] + column % grid.shape[1])[inside]
    parts = (
        (cores.anomaly * seen)[owner] * core,
        -turning * np.sin(y) * cos_x,
        turning * np.sin(x) * cos_y,
    )
    east_to_last = (np.bincount(cell, part[inside], grid.shape[0] * grid.shape[1]) for part in parts)
    anomaly, east, north = (field.astype(np.float32).reshape(grid.shape) for field in east_to_last)
    return anomaly, east, north


def _covered(centre: Floats, reach: Floats, step: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first cell centre within ``reach`` of each ``centre`` (counted from cell 0), and how many there are."""
    first = np.ceil((centre - reach) / step).astype(np.int64)
    last = np.floor((centre + reach) / step).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def _ragged(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """For ``counts[i]`` items of every i in a row: whose each item is, and which of them."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _joined(parts: Iterable[Births]) -> Births:
    return Births(*(np.concatenate(values) for values in zip(*parts, strict=True)))
