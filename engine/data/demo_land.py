"""Synthetic land: multi-band tiles of any place on any day, made from the real climate, without a download.

Real are the Köppen–Geiger class of every place (:mod:`engine.data.climate`), with it the shape of every coast, and how
the seasons turn with latitude. Invented is all else: how a class looks, the texture, the relief that draws the snow
line, and the provinces, smooth fields by which soils and plants differ from one region to the next. The pictures are
for learning and showing how a place can be read from what is seen; they say nothing about the real ground.

Legend: N tiles, C bands, h rows from north to south, w columns, P provinces.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from engine.data.climate import NUM_CLASSES, RASTER_SHAPE, SEA, climate_at, climate_raster
from engine.data.land_looks import (
    BANDS,
    BRIGHT_SOIL,
    DARK_SOIL,
    HAZE,
    LOOK_TABLE,
    PLANTS,
    RED_SOIL,
    SNOW,
    WATER,
)
from engine.data.tiles import SPLITS, Pixels, Split, Tiles, split_of_boxes
from engine.errors import ChoiceError
from engine.sphere import EARTH_RADIUS_M, HarmonicGrid, LatLonGrid

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_DAYS_IN_YEAR = 365.25
_WARMEST_DAY = 200.0  # in the north: a month after the solstice
_TROPICS_DEG = 6.0  # seasons fade towards the equator over this many degrees

_SNOW_BELOW_CELSIUS, _SNOW_OVER_CELSIUS = -1.0, 1.5  # half covered at the one, within ± the other
_SEA_ICE_BELOW_CELSIUS = -1.8
_RELIEF_CELSIUS = 3.0  # standard deviation of what the relief does to temperature
_PROVINCE_CELSIUS = 1.5
_BORDER_KM = 6.0  # how far the texture pushes the borders of classes about
_NOISE = 0.004  # of the sensor, reflectance

_NUM_PROVINCES = 4
_PROVINCE_DEGREES = (3, 24)  # harmonic degrees: 830 to 6700 km
_TEXTURE_CELLS, _TEXTURE_KM = 2048, 5.0
_TEXTURE_SLOPE, _TEXTURE_WIDEST_KM = 1.3, 320.0  # amplitude falls as wavenumber^−slope below this wavelength


class DemoLand:
    """Any number of synthetic tiles, a :class:`~engine.data.tiles.TileSource`; the same ``seed``, the same Earth.

    A tile is an azimuthal equidistant picture, north up, ``size`` pixels of ``pixel_km`` along each side, so that
    neither its shape nor its scale tells the latitude. Places are all land, evenly by area; days are any of the year.

    Raises :class:`ChoiceError` for a size or a pixel that cannot be.
    """

    bands = BANDS
    synthetic = True

    def __init__(self, size: int = 32, pixel_km: float = 5.0, seed: int = 0) -> None:
        if size < 4 or not 0.5 <= pixel_km <= 100.0 or size * pixel_km > 5000.0:
            raise ChoiceError(
                f"a tile of {size} pixels of {pixel_km:g} km cannot be drawn",
                "demo_land",
                "choose at least 4 pixels of 0.5 to 100 km, and at most 5000 km in all",
            )
        self.size, self.pixel_km, self.seed = size, pixel_km, seed

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"Synthetic land from real climate classes, {self.size} × {self.size} pixels of {self.pixel_km:g} km"

    def count(self, part: Split) -> None:
        """There is no end to them."""

    def tiles(self, part: Split, numbers: ArrayLike) -> Tiles:
        """The tiles of a part with these ``numbers`` (N,): on land, whole in its blocks; days in the year."""
        numbers = np.asarray(numbers, np.int64)
        key = [self.seed, SPLITS.index(part)]
        drawn = np.stack([np.random.default_rng([*key, int(number)]).random(4) for number in numbers])
        lat, lon = self._places(part, drawn[:, 0], drawn[:, 1])
        return self.at(lat, lon, 1.0 + np.floor(365.0 * drawn[:, 2]), shots=(drawn[:, 3] * 2**32).astype(np.int64))

    def at(self, lat: ArrayLike, lon: ArrayLike, day: ArrayLike, shots: ArrayLike = 0) -> Tiles:
        """Tiles of the places ``lat``, ``lon``, degrees, on ``day`` of the year, each (N,) or a number.

        ``shots`` (N,) tells apart several pictures of one place and day: haze, light and noise differ.
        """
        lat, lon, day, shots = (np.atleast_1d(a) for a in np.broadcast_arrays(lat, lon, day, shots))
        lat, lon, day = lat.astype(np.float64), lon.astype(np.float64), day.astype(np.float64)
        points = self._points(lat, lon)
        pixel_lat, pixel_lon = _lat_lon(points)
        ground = self._ground(points, pixel_lat, pixel_lon, day.astype(np.float32)[:, None, None])
        classes = climate_at(pixel_lat, pixel_lon)
        return Tiles(_as_seen(ground, shots), lat, lon, day, _shares(classes))

    def _ground(self, points: Array, lat: Array, lon: Array, day: Array) -> Array:
        """Reflectances (N, C, h, w) of the ground at ``points`` (N, h, w, 3) on ``day`` (N, 1, 1)."""
        fine, relief, grain = self._textures(points)
        shift = (_BORDER_KM / 111.0) * np.stack((fine, grain))
        classes = climate_at((lat + shift[0]).clip(-90.0, 90.0), lon + shift[1] / np.cos(np.deg2rad(lat)).clip(0.01))
        looks: Array = LOOK_TABLE[:, classes]
        mean, half_range, least, most, peak, brightness, roughness = looks
        sand, iron, wood, warmth = self._provinces_at(lat, lon)
        sea: Mask = classes == SEA
        mean = np.where(sea, 27.0 - 32.0 * np.sin(np.deg2rad(lat)) ** 2, mean)

        season = 2.0 * np.pi * (day - _WARMEST_DAY) / _DAYS_IN_YEAR
        hemisphere = np.tanh(lat / _TROPICS_DEG)
        bumps = np.where(sea, 0.2, _RELIEF_CELSIUS) * relief
        celsius = mean + hemisphere * half_range * np.cos(season) + _PROVINCE_CELSIUS * warmth - bumps
        growth = 0.5 + 0.5 * hemisphere * np.cos(season - peak * (2.0 * np.pi / 12.0))
        green = least + (most - least) * growth
        green = (green + green * (1.0 - green) * (0.5 * wood + 0.3 * roughness * fine)).clip(0.0, 1.0)
        bare = (brightness + 0.2 * sand + 0.12 * roughness * grain).clip(0.0, 1.2)
        freezing = np.where(sea, _SEA_ICE_BELOW_CELSIUS, _SNOW_BELOW_CELSIUS)
        snow = 1.0 / (1.0 + np.exp(((celsius - freezing) / (_SNOW_OVER_CELSIUS / 2.0)).clip(-30.0, 30.0)))
        ground = _Ground(green, bare, iron.clip(-1.0, 2.0), snow, sea, fine)
        return np.stack([_reflectance(band, ground) for band in range(len(BANDS))], axis=1).astype(np.float32)

    def _points(self, lat: Floats, lon: Floats) -> Array:
        """Unit vectors (N, h, w, 3) of the pixels' centres: along great circles from the tile's centre."""
        offset = (np.arange(self.size) - (self.size - 1) / 2.0) * (self.pixel_km / _EARTH_KM)
        return _around(lat, lon, np.asarray(offset, np.float64))

    def _textures(self, points: Array) -> tuple[Array, Array, Array]:
        """Three rough fields (N, h, w) of unit variance, the same wherever the place is seen from.

        The texture lies on the six faces of a cube around the Earth, by angle, a piece of its own on each.
        """
        axis = np.abs(points).argmax(axis=-1)
        depth = np.take_along_axis(points, axis[..., None], -1)[..., 0]
        across = [np.take_along_axis(points, ((axis + k) % 3)[..., None], -1)[..., 0] for k in (1, 2)]
        face = 2 * axis + (depth > 0.0)
        row, column = (
            (np.arctan(side / np.abs(depth)) * (_EARTH_KM / _TEXTURE_KM)).astype(np.int64) + shift * face
            for side, shift in zip(across, (691, 1009), strict=True)
        )
        sheet, cells = _texture(self.seed), _TEXTURE_CELLS
        fine, relief, grain = (sheet[(row + k) % cells, (column + k) % cells] for k in (0, 487, 1291))
        return fine, relief, grain

    def _provinces_at(self, lat: Array, lon: Array) -> Array:
        """(P, N, h, w), linear between the points of the 1° field."""
        field = _provinces(self.seed)
        rows, columns = field.shape[1:]
        y = (lat + 89.5).clip(0.0, rows - 1.001)
        x = (lon + 179.5) % columns
        i, j = y.astype(np.int64), np.minimum(x.astype(np.int64), columns - 1)
        v, u, right = y - i, x - j, (j + 1) % columns
        south = field[:, i, j] * (1 - u) + field[:, i, right] * u
        north = field[:, i + 1, j] * (1 - u) + field[:, i + 1, right] * u
        return (south * (1 - v) + north * v).astype(np.float32)

    def _places(self, part: Split, down: Floats, along: Floats) -> tuple[Floats, Floats]:
        """Land cells of a part (N,), evenly by area, from numbers in [0, 1): a row, then a cell in the row."""
        cells, first = _land_cells(self.seed, self.size * self.pixel_km)[part]
        rows, columns = RASTER_SHAPE
        lat = 90.0 - (np.arange(rows) + 0.5) * (180.0 / rows)
        count = np.diff(first)
        weight = np.cumsum(count * np.cos(np.deg2rad(lat)))
        row = np.asarray(np.searchsorted(weight, down * weight[-1], side="right"), np.int64)
        cell = cells[first[row] + (along * count[row]).astype(np.int64)]
        lon = (cell % columns + 0.5) * (360.0 / columns) - 180.0
        return np.asarray(lat[row], np.float64), np.asarray(lon, np.float64)


class _Cells(NamedTuple):
    """Land cells of the climate raster, in order, and where each of its rows begins among them."""

    cells: NDArray[np.int32]
    first: NDArray[np.int64]


@lru_cache(maxsize=2)
def _land_cells(seed: int, tile_km: float) -> dict[Split, _Cells]:
    """The land cells around which tiles of ``tile_km`` lie whole in blocks of each part."""
    rows, columns = RASTER_SHAPE
    lat: Floats = np.asarray(90.0 - (np.arange(rows) + 0.5) * (180.0 / rows), np.float64)
    lon = (np.arange(columns) + 0.5) * (360.0 / columns) - 180.0
    reaches, height = np.stack(_reach(lat, tile_km), axis=1).tolist(), float(np.rad2deg(tile_km / _EARTH_KM))
    part = np.stack(
        [split_of_boxes(south, north, lon - wide, lon + wide, seed, height) for south, north, wide in reaches]
    )
    land = climate_raster() != SEA
    found: dict[Split, _Cells] = {}
    for number, name in enumerate(SPLITS):
        cells = np.flatnonzero(land & (part == number)).astype(np.int32)
        found[name] = _Cells(cells, np.searchsorted(cells, np.arange(rows + 1) * columns))
    return found


@lru_cache(maxsize=2)
def _texture(seed: int) -> Array:
    """Noise (2048, 2048) without edges, of unit variance; amplitude ∝ wavenumber^−1.3 below 320 km, flat above."""
    drawn = np.random.default_rng([seed, 0x7E47]).standard_normal((_TEXTURE_CELLS, _TEXTURE_CELLS))
    waves = np.fft.fftfreq(_TEXTURE_CELLS)[:, None], np.fft.rfftfreq(_TEXTURE_CELLS)
    size = np.hypot(np.hypot(*waves), _TEXTURE_KM / _TEXTURE_WIDEST_KM)
    sheet = np.fft.irfft2(np.fft.rfft2(drawn) * size**-_TEXTURE_SLOPE, s=drawn.shape)
    return ((sheet - sheet.mean()) / sheet.std()).astype(np.float32)


@lru_cache(maxsize=2)
def _provinces(seed: int) -> Array:
    """Smooth fields (P, 180, 360) of unit variance on the 1° grid."""
    low, high = _PROVINCE_DEGREES
    drawn = np.random.default_rng([seed, 0x9207])
    coeffs = np.zeros((_NUM_PROVINCES, (high + 1) ** 2))
    for degree in range(low, high + 1):
        span = slice(degree**2, (degree + 1) ** 2)
        coeffs[:, span] = drawn.standard_normal((_NUM_PROVINCES, 2 * degree + 1)) * degree**-1.5
    coeffs *= np.sqrt(4.0 * np.pi / (coeffs**2).sum(axis=1, keepdims=True))
    fields = HarmonicGrid(LatLonGrid.regular(1.0), high).synthesise(torch.tensor(coeffs))
    return fields.numpy().astype(np.float32)


def _reach(lat: Floats, tile_km: float) -> tuple[Floats, Floats, Floats]:
    """How far tiles with centres at ``lat`` (N,) reach: south, north, and to either side, degrees.

    The corners and the middles of the edges reach farthest, unless the tile holds a pole or almost does.
    """
    half = tile_km / _EARTH_KM / 2.0
    reached = _lat_lon(_around(lat, np.zeros_like(lat), np.array([-half, 0.0, half])))
    lats, lons = (angle.reshape(len(lat), -1).astype(np.float64) for angle in reached)
    is_polar = np.abs(lat) + np.rad2deg(math.sqrt(2.0) * half) >= 90.0
    return lats.min(axis=1), lats.max(axis=1), np.where(is_polar, 180.0, np.abs(lons).max(axis=1))


def _around(lat: Floats, lon: Floats, offset: Floats) -> Array:
    """Unit vectors (N, w, w, 3) of the points ``offset`` (w,) radians to the south and the east of each place."""
    x, y = np.meshgrid(offset, -offset)
    distance = np.hypot(x, y)
    ahead = np.sinc(distance / np.pi)  # sin r / r
    phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[:, None]
    zero = np.zeros_like(phi)
    up = np.concatenate((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)), axis=1)
    east = np.concatenate((-np.sin(lam), np.cos(lam), zero), axis=1)
    north = np.concatenate((-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)), axis=1)
    frame = np.stack((up, east, north), axis=1)
    steps = np.stack((np.cos(distance), ahead * x, ahead * y), axis=-1)
    return (steps.reshape(1, -1, 3) @ frame).reshape(-1, *x.shape, 3).astype(np.float32)


def _lat_lon(points: Array) -> tuple[Array, Array]:
    x, y, z = np.moveaxis(points, -1, 0)
    return np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.rad2deg(np.arctan2(y, x))


class _Ground(NamedTuple):
    """What pixels (N, h, w) are made of: shares of plants and snow, bare ground from dark to bright, its iron."""

    green: Array
    bare: Array
    iron: Array
    snow: Array
    sea: Mask
    fine: Array


def _reflectance(band: int, ground: _Ground) -> Array:
    """Reflectance (N, h, w) in one band of plants over bare ground, or water, under snow or ice."""
    green, bare, iron, snow, sea, fine = ground
    soil: Array = DARK_SOIL[band] + bare * (BRIGHT_SOIL[band] - DARK_SOIL[band] + 0.6 * iron * RED_SOIL[band])
    land = soil + green * (PLANTS[band] - soil)
    water: Array = WATER[band] * (1.0 + 0.1 * fine)
    uncovered: Array = np.where(sea, water, land)
    return uncovered + snow * (SNOW[band] * (1.0 + 0.03 * fine) - uncovered)


def _as_seen(ground: Array, shots: NDArray[np.int64]) -> Pixels:
    """The ground (N, C, h, w) as the sensor has it: a little brighter or darker, through haze, with noise."""
    seen = np.empty(ground.shape, np.float32)
    for number, shot in enumerate(shots.tolist()):
        drawn = np.random.default_rng([shot, 0x5EE4])
        light, haze = 1.0 + 0.04 * drawn.standard_normal(), drawn.random() ** 2
        noise = drawn.normal(0.0, _NOISE, ground.shape[1:])
        seen[number] = light * ground[number] + (haze * HAZE)[:, None, None] + noise
    return seen


def _shares(classes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shares (N, 31) of the classes of the pixels (N, h, w), which have equal areas."""
    tiles = len(classes)
    flat = np.arange(tiles)[:, None] * NUM_CLASSES + classes.reshape(tiles, -1)
    counts = np.bincount(flat.ravel(), minlength=tiles * NUM_CLASSES).reshape(tiles, NUM_CLASSES)
    return (counts / classes[0].size).astype(np.float32)
