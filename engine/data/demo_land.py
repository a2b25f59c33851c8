"""Synthetic land: multi-band tiles of any place on any day, from real climate classes, without a download.

The Köppen–Geiger class of every place (:mod:`engine.data.climate`), the coasts and the dependence of the seasons on
latitude are real. The appearance of a class, the texture, the relief that sets the snow line, and the provinces (smooth
fields by which soils and vegetation differ between regions) are synthetic. The images serve to train and to demonstrate
geolocation; they do not show the real ground.

Legend: N tiles, C bands, h rows from north to south, w columns, P provinces.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from engine.data.climate import CLASSES, NUM_CLASSES, RASTER_SHAPE, SEA, climate_at, climate_raster
from engine.data.tiles import SPLITS, Pixels, Split, Tiles, split_of_boxes
from engine.errors import ChoiceError
from engine.sphere import EARTH_RADIUS_M, HarmonicGrid, LatLonGrid
from engine.typed import Floats, Ints, Mask, Singles

BANDS = ("blue", "green", "red", "near infrared", "shortwave infrared")
"""Names of the bands; values are reflectances, 0 to about 1."""


class Appearance(NamedTuple):
    """Temperature, vegetation and bare ground of a climate class."""

    mean_celsius: float
    half_range_celsius: float
    least_green: float
    most_green: float
    months_to_peak: float  # from the warmest month to the greenest one
    brightness: float  # of bare ground: 0 dark, 1 bright
    roughness: float  # weight of the texture


APPEARANCES = {
    "Sea": Appearance(0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.1),  # its mean depends on latitude
    "Af": Appearance(26.0, 1.0, 0.85, 0.93, 1.0, 0.2, 0.4),
    "Am": Appearance(26.0, 1.5, 0.75, 0.92, 1.5, 0.25, 0.5),
    "Aw": Appearance(25.0, 3.0, 0.30, 0.85, 2.0, 0.35, 0.7),
    "BWh": Appearance(24.0, 8.0, 0.01, 0.05, 1.0, 0.95, 0.8),
    "BWk": Appearance(8.0, 15.0, 0.02, 0.10, 0.5, 0.75, 1.0),
    "BSh": Appearance(23.0, 7.0, 0.08, 0.45, 2.0, 0.65, 0.9),
    "BSk": Appearance(8.0, 14.0, 0.06, 0.45, 0.0, 0.5, 0.9),
    "Csa": Appearance(16.0, 8.0, 0.30, 0.62, -3.0, 0.5, 1.0),
    "Csb": Appearance(13.0, 6.0, 0.42, 0.70, -2.5, 0.4, 1.0),
    "Csc": Appearance(7.0, 6.0, 0.40, 0.60, -1.5, 0.3, 1.2),
    "Cwa": Appearance(20.0, 7.0, 0.25, 0.80, 2.0, 0.4, 0.7),
    "Cwb": Appearance(16.0, 4.0, 0.35, 0.80, 2.0, 0.35, 1.1),
    "Cwc": Appearance(9.0, 4.0, 0.20, 0.50, 1.5, 0.35, 1.3),
    "Cfa": Appearance(17.0, 10.0, 0.35, 0.85, 1.0, 0.3, 0.6),
    "Cfb": Appearance(11.0, 6.5, 0.50, 0.85, 0.5, 0.2, 0.7),
    "Cfc": Appearance(5.0, 5.0, 0.40, 0.65, 1.0, 0.15, 1.0),
    "Dsa": Appearance(11.0, 14.0, 0.15, 0.50, -1.5, 0.5, 1.3),
    "Dsb": Appearance(6.0, 13.0, 0.20, 0.60, -1.0, 0.4, 1.3),
    "Dsc": Appearance(0.0, 13.0, 0.25, 0.60, 0.0, 0.3, 1.3),
    "Dsd": Appearance(-8.0, 22.0, 0.25, 0.55, 0.0, 0.3, 1.2),
    "Dwa": Appearance(8.0, 16.0, 0.12, 0.80, 1.0, 0.4, 0.7),
    "Dwb": Appearance(4.0, 17.0, 0.20, 0.80, 0.5, 0.35, 0.8),
    "Dwc": Appearance(-3.0, 18.0, 0.25, 0.70, 0.5, 0.25, 1.0),
    "Dwd": Appearance(-10.0, 24.0, 0.20, 0.60, 0.3, 0.25, 1.0),
    "Dfa": Appearance(9.0, 14.0, 0.15, 0.82, 0.5, 0.2, 0.5),
    "Dfb": Appearance(5.0, 14.0, 0.30, 0.80, 0.5, 0.15, 0.6),
    "Dfc": Appearance(-3.0, 16.0, 0.40, 0.70, 0.5, 0.1, 0.6),
    "Dfd": Appearance(-11.0, 25.0, 0.30, 0.60, 0.3, 0.15, 0.8),
    "ET": Appearance(-8.0, 11.0, 0.02, 0.35, 0.5, 0.3, 1.3),
    "EF": Appearance(-25.0, 12.0, 0.0, 0.0, 0.0, 0.3, 1.0),
}
APPEARANCE_TABLE: Singles = np.array([APPEARANCES[c.code] for c in CLASSES], np.float32).T.copy()
"""(7, 31): the fields of :class:`Appearance` of every class, in the order of the classes."""

# Reflectances (C,) of ground materials: measured spectra, rounded.
PLANTS = np.array([0.03, 0.07, 0.04, 0.42, 0.18], np.float32)
DARK_SOIL = np.array([0.05, 0.07, 0.09, 0.14, 0.20], np.float32)
BRIGHT_SOIL = np.array([0.20, 0.28, 0.36, 0.44, 0.50], np.float32)
RED_SOIL = np.array([-0.04, -0.03, 0.05, 0.05, 0.03], np.float32)  # added by iron
SNOW = np.array([0.90, 0.90, 0.88, 0.75, 0.12], np.float32)
WATER = np.array([0.07, 0.05, 0.025, 0.010, 0.005], np.float32)
HAZE = np.array([0.05, 0.035, 0.022, 0.010, 0.004], np.float32)  # the largest addition by haze

_EARTH_KM = EARTH_RADIUS_M / 1000.0
_DAYS_IN_YEAR = 365.25
_WARMEST_DAY = 200.0  # in the northern hemisphere, a month after the solstice
_TROPICS_DEG = 6.0  # seasons fade towards the equator over this many degrees

_SNOW_BELOW_CELSIUS, _SNOW_OVER_CELSIUS = -1.0, 1.5  # 50 % cover, and half width of the transition
_SEA_ICE_BELOW_CELSIUS = -1.8
_RELIEF_CELSIUS = 3.0  # standard deviation of temperature by relief
_PROVINCE_CELSIUS = 1.5
_BORDER_KM = 6.0  # displacement of class borders by the texture
_NOISE = 0.004  # of the sensor, reflectance

MAX_LANDS = 8
"""Textures and provinces that are kept in memory, 17 MB each."""

_NUM_PROVINCES = 4
_PROVINCE_DEGREES = (3, 24)  # harmonic degrees: 830 to 6700 km
_TEXTURE_CELLS, _TEXTURE_KM = 2048, 5.0
_TEXTURE_SLOPE, _TEXTURE_WIDEST_KM = 1.3, 320.0  # amplitude ∝ wavenumber^−slope below this wavelength


class DemoLand:
    """Any number of synthetic tiles, a :class:`~engine.data.tiles.TileSource`; the same ``seed``, the same Earth.

    A tile is an azimuthal equidistant picture, north up, ``size`` pixels of ``pixel_km`` along each side, so that
    neither its shape nor its scale depends on latitude. Tile centres are on land, uniform by area; days are uniform.

    With ``num_lands`` > 1 tile i of a split shows land i mod ``num_lands``: texture and provinces (sand, iron, wood,
    warmth) of seed ``seed`` + that number, while climate, coasts and the split stay the same. What a network learns of
    all of them is what they share. :meth:`at` shows the first.

    Raises :class:`ChoiceError` for sizes out of range.
    """

    bands = BANDS
    synthetic = True

    def __init__(self, size: int = 32, pixel_km: float = 5.0, seed: int = 0, num_lands: int = 1) -> None:
        if size < 4 or not 0.5 <= pixel_km <= 100.0 or size * pixel_km > 5000.0:
            raise ChoiceError(
                f"a tile of {size} pixels of {pixel_km:g} km cannot be drawn",
                "demo_land",
                "choose at least 4 pixels of 0.5 to 100 km, and at most 5000 km in all",
            )
        self.size, self.pixel_km, self.seed, self.num_lands = size, pixel_km, seed, num_lands

    @property
    def name(self) -> str:
        """Description on screen."""
        return f"Synthetic land from real climate classes, {self.size} × {self.size} pixels of {self.pixel_km:g} km"

    def count(self, split: Split) -> None:
        """None: any number of tiles."""

    def tiles(self, split: Split, numbers: ArrayLike) -> Tiles:
        """The tiles of a split with these ``numbers`` (N,): on land, entirely inside blocks of the split."""
        numbers = np.asarray(numbers, np.int64)
        key = [self.seed, SPLITS.index(split)]
        drawn = np.stack([np.random.default_rng([*key, int(number)]).random(4) for number in numbers])
        lat, lon = self._land_points(split, drawn[:, 0], drawn[:, 1])
        day, shots = 1.0 + np.floor(365.0 * drawn[:, 2]), (drawn[:, 3] * 2**32).astype(np.int64)
        shown = numbers % self.num_lands
        lands = {int(land): DemoLand(self.size, self.pixel_km, self.seed + int(land)) for land in np.unique(shown)}
        parts = [land.at(*(a[shown == number] for a in (lat, lon, day, shots))) for number, land in lands.items()]
        in_order = np.argsort(np.argsort(shown, kind="stable"), kind="stable")
        return Tiles(*(np.concatenate(field)[in_order] for field in zip(*parts, strict=True)))

    def at(self, lat: ArrayLike, lon: ArrayLike, day: ArrayLike, shots: ArrayLike = 0) -> Tiles:
        """Tiles centred at ``lat``, ``lon``, degrees, on ``day`` of the year, each (N,) or a number.

        ``shots`` (N,) seeds haze, light and noise, so that images of one place and day differ.
        """
        lat, lon, day, shots = (np.atleast_1d(a) for a in np.broadcast_arrays(lat, lon, day, shots))
        lat, lon, day = lat.astype(np.float64), lon.astype(np.float64), day.astype(np.float64)
        points = self._points(lat, lon)
        pixel_lat, pixel_lon = _lat_lon(points)
        ground = self._ground(points, pixel_lat, pixel_lon, day.astype(np.float32)[:, None, None])
        classes = climate_at(pixel_lat, pixel_lon)
        return Tiles(_observed(ground, shots), lat, lon, day, _class_fractions(classes))

    def _ground(self, points: Singles, lat: Singles, lon: Singles, day: Singles) -> Singles:
        """Reflectances (N, C, h, w) of the ground at ``points`` (N, h, w, 3) on ``day`` (N, 1, 1)."""
        fine, relief, grain = self._textures(points)
        shift = (_BORDER_KM / 111.0) * np.stack((fine, grain))
        classes = climate_at((lat + shift[0]).clip(-90.0, 90.0), lon + shift[1] / np.cos(np.deg2rad(lat)).clip(0.01))
        appearance: Singles = APPEARANCE_TABLE[:, classes]
        mean, half_range, least, most, peak, brightness, roughness = appearance
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

    def _points(self, lat: Floats, lon: Floats) -> Singles:
        """Unit vectors (N, h, w, 3) of the pixels' centres: along great circles from the tile's centre."""
        offset = (np.arange(self.size) - (self.size - 1) / 2.0) * (self.pixel_km / _EARTH_KM)
        return _azimuthal_grid(lat, lon, np.asarray(offset, np.float64))

    def _textures(self, points: Singles) -> tuple[Singles, Singles, Singles]:
        """Three rough fields (N, h, w) of unit variance, functions of position on the Earth alone.

        The texture covers the six faces of a cube around the Earth, equiangular, with a different part on each face.
        """
        axis = np.abs(points).argmax(axis=-1)
        depth = np.take_along_axis(points, axis[..., None], -1)[..., 0]
        across = [np.take_along_axis(points, ((axis + k) % 3)[..., None], -1)[..., 0] for k in (1, 2)]
        cube_face = 2 * axis + (depth > 0.0)
        row, column = (
            (np.arctan(side / np.abs(depth)) * (_EARTH_KM / _TEXTURE_KM)).astype(np.int64) + shift * cube_face
            for side, shift in zip(across, (691, 1009), strict=True)
        )
        sheet, cells = _texture(self.seed), _TEXTURE_CELLS
        fine, relief, grain = (sheet[(row + k) % cells, (column + k) % cells] for k in (0, 487, 1291))
        return fine, relief, grain

    def _provinces_at(self, lat: Singles, lon: Singles) -> Singles:
        """(P, N, h, w), bilinear in the 1° field."""
        field = _provinces(self.seed)
        rows, columns = field.shape[1:]
        y = (lat + 89.5).clip(0.0, rows - 1.001)
        x = (lon + 179.5) % columns
        i, j = y.astype(np.int64), np.minimum(x.astype(np.int64), columns - 1)
        v, u, right = y - i, x - j, (j + 1) % columns
        south = field[:, i, j] * (1 - u) + field[:, i, right] * u
        north = field[:, i + 1, j] * (1 - u) + field[:, i + 1, right] * u
        return (south * (1 - v) + north * v).astype(np.float32)

    def _land_points(self, split: Split, down: Floats, along: Floats) -> tuple[Floats, Floats]:
        """Centres (N,) of land cells of a split, uniform by area, from numbers in [0, 1): a row, then a cell in it."""
        cells, first = _land_cells(self.seed, self.size * self.pixel_km)[split]
        rows, columns = RASTER_SHAPE
        lat = 90.0 - (np.arange(rows) + 0.5) * (180.0 / rows)
        count = np.diff(first)
        weight = np.cumsum(count * np.cos(np.deg2rad(lat)))
        row = np.asarray(np.searchsorted(weight, down * weight[-1], side="right"), np.int64)
        cell = cells[first[row] + (along * count[row]).astype(np.int64)]
        lon = (cell % columns + 0.5) * (360.0 / columns) - 180.0
        return np.asarray(lat[row], np.float64), np.asarray(lon, np.float64)


class _Cells(NamedTuple):
    """Flat indices of land cells of the climate raster, ascending, and the first of each row among them."""

    cells: NDArray[np.int32]
    first: Ints


@lru_cache(maxsize=2)
def _land_cells(seed: int, tile_km: float) -> dict[Split, _Cells]:
    """The land cells around which tiles of ``tile_km`` are entirely inside blocks of one split, by split."""
    rows, columns = RASTER_SHAPE
    lat: Floats = np.asarray(90.0 - (np.arange(rows) + 0.5) * (180.0 / rows), np.float64)
    lon = (np.arange(columns) + 0.5) * (360.0 / columns) - 180.0
    reaches, height = np.stack(_reach(lat, tile_km), axis=1).tolist(), float(np.rad2deg(tile_km / _EARTH_KM))
    split = np.stack(
        [split_of_boxes(south, north, lon - wide, lon + wide, seed, height) for south, north, wide in reaches]
    )
    land = climate_raster() != SEA
    cells_by_split: dict[Split, _Cells] = {}
    for number, name in enumerate(SPLITS):
        cells = np.flatnonzero(land & (split == number)).astype(np.int32)
        cells_by_split[name] = _Cells(cells, np.searchsorted(cells, np.arange(rows + 1) * columns))
    return cells_by_split


@lru_cache(maxsize=MAX_LANDS)
def _texture(seed: int) -> Singles:
    """Noise (2048, 2048) without edges, of unit variance; amplitude ∝ wavenumber^−1.3 below 320 km, flat above."""
    drawn = np.random.default_rng([seed, 0x7E47]).standard_normal((_TEXTURE_CELLS, _TEXTURE_CELLS))
    waves = np.fft.fftfreq(_TEXTURE_CELLS)[:, None], np.fft.rfftfreq(_TEXTURE_CELLS)
    size = np.hypot(np.hypot(*waves), _TEXTURE_KM / _TEXTURE_WIDEST_KM)
    sheet = np.fft.irfft2(np.fft.rfft2(drawn) * size**-_TEXTURE_SLOPE, s=drawn.shape)
    return ((sheet - sheet.mean()) / sheet.std()).astype(np.float32)


@lru_cache(maxsize=MAX_LANDS)
def _provinces(seed: int) -> Singles:
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
    """Extent of tiles centred at ``lat`` (N,): southern and northern limit, half width in longitude, degrees.

    Corners and edge midpoints are the extremes, unless the tile contains a pole or nearly does.
    """
    half = tile_km / _EARTH_KM / 2.0
    reached = _lat_lon(_azimuthal_grid(lat, np.zeros_like(lat), np.array([-half, 0.0, half])))
    lats, lons = (angle.reshape(len(lat), -1).astype(np.float64) for angle in reached)
    is_polar = np.abs(lat) + np.rad2deg(math.sqrt(2.0) * half) >= 90.0
    return lats.min(axis=1), lats.max(axis=1), np.where(is_polar, 180.0, np.abs(lons).max(axis=1))


def _azimuthal_grid(lat: Floats, lon: Floats, offset: Floats) -> Singles:
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


def _lat_lon(points: Singles) -> tuple[Singles, Singles]:
    x, y, z = np.moveaxis(points, -1, 0)
    return np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.rad2deg(np.arctan2(y, x))


class _Ground(NamedTuple):
    """Composition of pixels (N, h, w): vegetation and snow fraction, brightness and iron of bare ground."""

    green: Singles
    bare: Singles
    iron: Singles
    snow: Singles
    sea: Mask
    fine: Singles


def _reflectance(band: int, ground: _Ground) -> Singles:
    """Reflectance (N, h, w) in one band of vegetation over bare ground, or of water, under snow or ice."""
    green, bare, iron, snow, sea, fine = ground
    soil: Singles = DARK_SOIL[band] + bare * (BRIGHT_SOIL[band] - DARK_SOIL[band] + 0.6 * iron * RED_SOIL[band])
    land = soil + green * (PLANTS[band] - soil)
    water: Singles = WATER[band] * (1.0 + 0.1 * fine)
    uncovered: Singles = np.where(sea, water, land)
    return uncovered + snow * (SNOW[band] * (1.0 + 0.03 * fine) - uncovered)


def _observed(ground: Singles, shots: Ints) -> Pixels:
    """The sensor image (N, C, h, w) of the ground: illumination, haze and noise."""
    observed = np.empty(ground.shape, np.float32)
    for number, shot in enumerate(shots.tolist()):
        drawn = np.random.default_rng([shot, 0x5EE4])
        light, haze = 1.0 + 0.04 * drawn.standard_normal(), drawn.random() ** 2
        noise = drawn.normal(0.0, _NOISE, ground.shape[1:])
        observed[number] = light * ground[number] + (haze * HAZE)[:, None, None] + noise
    return observed


def _class_fractions(classes: NDArray[np.uint8]) -> Singles:
    """Class fractions (N, 31) of the pixels (N, h, w), which have equal areas."""
    tiles = len(classes)
    flat = np.arange(tiles)[:, None] * NUM_CLASSES + classes.reshape(tiles, -1)
    histogram = np.bincount(flat.ravel(), minlength=tiles * NUM_CLASSES).reshape(tiles, NUM_CLASSES)
    return (histogram / classes[0].size).astype(np.float32)
