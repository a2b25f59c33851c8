"""The climatology of the demo ocean: the real August field, the seasonal cycle, and maps of mesoscale activity.

All maps are on the *anchor* grid, that of the August field: 1°, latitude ascending; other grids sample them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn.functional import grid_sample

from engine.data.august import august_sst
from engine.data.demo_ocean import parameters
from engine.data.land import land_mask
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles

_RELAXATIONS = 400
_WRAP_DEG = 30.0  # degrees repeated beyond the date line, so that displaced points stay inside


class MeanState(NamedTuple):
    """Maps on the anchor (180, 360) float32.

    Attributes:
        mean: °C, the real August field without its season, smooth over land.
        season: (4, 180, 360) K, coefficients of cos θ, sin θ, cos 2θ, sin 2θ, θ the phase of the year.
        enso: pattern of the El Niño mode, 1 in the eastern equatorial Pacific.
        activity: 0 … 1.5, strength of stirring, from the gradient of the real field.
        sea: 0 … 1, sea fraction smoothed over one to two degrees.
        coolness: K, zonal mean minus the field.
    """

    mean: Singles
    season: Singles
    enso: Singles
    activity: Singles
    sea: Singles
    coolness: Singles

    def climate(self, day: int) -> Singles:
        """The mean and the season of a day, °C."""
        return self.mean + np.tensordot(season_waves(day), self.season, axes=1)


@cache
def anchor_grid() -> LatLonGrid:
    """The grid of the anchor: 180 × 360 cells of 1°."""
    return LatLonGrid.regular(1.0)


@cache
def mean_state() -> MeanState:
    """The maps, computed once a process."""
    grid = anchor_grid()
    land = land_mask(grid).numpy()
    august = _filled(august_sst().values[::-1].astype(np.float64))
    season = _season(grid, land)
    # under thick ice the mean is set below freezing, so that ice persists into summer
    under_ice = parameters.UNDER_ICE_K * _blurred(
        ramp(august, parameters.FREEZING_C + 0.6, parameters.FREEZING_C + 0.05), 1.0
    )
    mean = august - under_ice - np.tensordot(season_waves_of(parameters.ANCHOR_DAY), season, axes=1)
    step = np.hypot(np.gradient(august, axis=0), _eastward_step(august) / np.cos(np.deg2rad(grid.lat))[:, None])
    step = _blurred(np.where(np.abs(grid.lat)[:, None] < 72.0, np.minimum(step, 4.0), 0.0), 1.5)
    sea_mean = np.average(august, axis=1, weights=np.maximum(~land, 1e-6))
    maps = {
        "mean": mean,
        "season": season,
        "enso": _enso_pattern(grid),
        "activity": 1.5 * step / (step + 2.0 * parameters.ACTIVITY_MEAN_K),
        "sea": _blurred(~land * 1.0, 0.7),
        "coolness": _blurred(sea_mean[:, None] - august, 2.0),
    }
    return MeanState(**{name: values.astype(np.float32) for name, values in maps.items()})


def season_waves(day: int) -> Singles:
    """(4,) cos θ, sin θ, cos 2θ, sin 2θ of a day counted from 1 January 1970."""
    return season_waves_of(day % parameters.YEAR_DAYS)


def season_waves_of(day_of_year: float) -> Singles:
    """As :func:`season_waves`, for a day of the year."""
    theta = 2.0 * math.pi * day_of_year / parameters.YEAR_DAYS
    return np.array([math.cos(theta), math.sin(theta), math.cos(2 * theta), math.sin(2 * theta)], np.float32)


class Sampler:
    """Interpolates global maps of any step to the cells of one grid, or to displaced points."""

    def __init__(self, grid: LatLonGrid) -> None:
        self._places = np.stack(np.meshgrid(grid.lon, grid.lat), axis=-1).astype(np.float32)

    def __call__(self, maps: Singles) -> Singles:
        """Maps (C, H', W') at the cells: (C, H, W), bilinear."""
        return _sampled(maps, self._places, "bilinear")

    def displaced(self, maps: Singles, shift_deg: Singles, *, cubic: bool = False) -> Singles:
        """Maps (C, H', W') at points ``shift_deg`` (H, W, 2) degrees of longitude and latitude away: (C, H, W)."""
        return _sampled(maps, self._places + shift_deg, "bicubic" if cubic else "bilinear")


def at_points(values: Singles, lat_deg: Floats, lon_deg: Floats) -> Singles:
    """One map (H', W') of the whole sphere at scattered points (N,), bilinear; longitudes in any convention."""
    places = np.stack(((lon_deg + 180.0) % 360.0 - 180.0, lat_deg), axis=-1).astype(np.float32)
    return _sampled(values[None], places[None], "bilinear")[0, 0]


def _sampled(maps: Singles, places: Singles, mode: str) -> Singles:
    """Maps (C, H', W') at ``places`` (H, W, 2) of longitude and latitude, degrees, up to 30° beyond the date line."""
    columns = maps.shape[-1]
    wrap = math.ceil(_WRAP_DEG / 360.0 * columns)
    wide = np.concatenate((maps[..., -wrap:], maps, maps[..., :wrap]), axis=-1)
    # xarray's interp needs scipy in two dimensions; grid_sample spans −1 to 1 between the outer edges
    scale = np.array((1.0 / (180.0 + wrap * 360.0 / columns), 1.0 / 90.0), np.float32)
    image, points = torch.as_tensor(wide)[None], torch.as_tensor(places * scale)[None]
    return grid_sample(image, points, mode=mode, padding_mode="border", align_corners=False)[0].numpy()


def _filled(august: Floats) -> Floats:
    """The field with its gaps filled by relaxation of Laplace's equation, starting from zonal means.

    xarray's interpolate_na is one-dimensional and would leave stripes over continents.
    """
    gap = np.isnan(august)
    known = (~gap).sum(axis=1)
    rows = np.where(known > 0, np.nansum(august, axis=1) / np.maximum(known, 1), parameters.FREEZING_C)
    field = np.where(gap, rows[:, None], august)
    for _ in range(_RELAXATIONS):
        north, south = np.vstack((field[1:], field[-1:])), np.vstack((field[:1], field[:-1]))
        around = (north + south + np.roll(field, 1, axis=1) + np.roll(field, -1, axis=1)) / 4.0
        field = np.where(gap, around, august)
    return field


def _eastward_step(field: Floats) -> Floats:
    return (np.roll(field, -1, axis=1) - np.roll(field, 1, axis=1)) / 2.0


def _blurred(field: Floats, sigma_deg: float) -> Floats:
    """A Gaussian blur of ``sigma_deg`` cells on the anchor grid, periodic in longitude, reflected at the poles."""
    reach = math.ceil(3.0 * sigma_deg)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_deg) ** 2)
    kernel /= kernel.sum()
    wide = np.pad(np.pad(field, ((reach, reach), (0, 0)), "symmetric"), ((0, 0), (reach, reach)), "wrap")
    rows = sliding_window_view(wide, len(kernel), axis=0) @ kernel
    return np.asarray(sliding_window_view(rows, len(kernel), axis=1) @ kernel)


def _season(grid: LatLonGrid, land: Mask) -> Floats:
    """(4, 180, 360): coefficients of the annual and the semi-annual wave."""
    table = parameters.SEASON_BY_LAT
    by_lat = np.interp(grid.lat, list(table), list(table.values())) * np.tanh(grid.lat / 6.0)
    fraction = parameters.SEASON_OPEN_SEA + parameters.SEASON_UPWIND_LAND * _upwind_land(land)
    amplitude = by_lat[:, None] * np.where(np.abs(grid.lat)[:, None] > 15.0, fraction, 1.0)
    first = season_waves_of(parameters.SUMMER_DAY)
    tongue = parameters.COLD_TONGUE_K * _cold_tongue(grid)
    tongue_waves = season_waves_of(parameters.COLD_TONGUE_DAY)
    second = parameters.SECOND_HARMONIC * np.abs(amplitude)
    return np.stack(
        [amplitude * first[i] + tongue * tongue_waves[i] for i in (0, 1)] + [second * first[i] for i in (2, 3)]
    )


def _upwind_land(land: Mask) -> Floats:
    """0 … 1, (180, 360): land to the west, decaying with distance: the westerlies carry the continental seasonal cycle
    over the sea.
    """
    kept = math.exp(-1.0 / parameters.UPWIND_DEG)
    fraction, result = np.zeros(land.shape[0]), np.zeros(land.shape)
    for column in range(-land.shape[1], land.shape[1]):  # the first turn removes the start value, the second is kept
        fraction = kept * fraction + (1.0 - kept) * land[:, column]
        result[:, column] = fraction
    return _blurred(result, 2.0)


def _cold_tongue(grid: LatLonGrid) -> Floats:
    """0 … 1: the eastern equatorial Pacific, fading westward over 60°."""
    east = ramp(grid.lon, -78.0, -84.0)
    fading = np.exp(-np.maximum(-85.0 - grid.lon, 0.0) / 30.0) * (grid.lon < -75.0)
    return np.exp(-0.5 * ((grid.lat[:, None] + 1.0) / 4.5) ** 2) * (east * fading)


def _enso_pattern(grid: LatLonGrid) -> Floats:
    """1 in the eastern equatorial Pacific, −0.3 in the horseshoe around its west, 0.25 in the Indian Ocean."""
    lon = grid.lon % 360.0
    lat = grid.lat[:, None]
    east = ramp(lon, 160.0, 205.0) * ramp(lon, 282.0, 274.0)
    west = np.exp(-0.5 * ((lon - 150.0) / 18.0) ** 2)
    horseshoe = np.exp(-0.5 * ((lat + 20.0) / 8.0) ** 2) + np.exp(-0.5 * ((lat - 22.0) / 8.0) ** 2)
    indian = np.exp(-0.5 * ((lat + 3.0) / 10.0) ** 2) * np.exp(-0.5 * ((lon - 70.0) / 15.0) ** 2)
    return np.exp(-0.5 * (lat / 5.5) ** 2) * east - 0.3 * horseshoe * west + 0.25 * indian


def ramp(x: Floats, start: float, end: float) -> Floats:
    """0 beyond ``zero``, 1 beyond ``one``, smooth between."""
    fraction = np.clip((x - start) / (end - start), 0.0, 1.0)
    return fraction * fraction * (3.0 - 2.0 * fraction)
