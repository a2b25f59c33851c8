"""Painted chips: small aerial pictures of grass, fields, trees, water and a road, half of them with a small red house.

A case whose truth is known, and that a masked autoencoder learns in minutes. The house may be inferred from its
surroundings, as in the world: most houses have a drive to the road, and few other chips have one. Place and day change
the colour of what grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.typed import Floats, Ints, Mask, Singles

SIZE, WINDOW = 256, 32
"""Pixels a side of a chip, and of one of its 8 × 8 windows."""

SIDE = SIZE // WINDOW
"""Windows a side."""

COVERS = ("grass", "field", "trees", "water", "road", "drive", "house")
"""What a pixel shows. The ground is all but drive and house."""

GRASS, FIELD, TREES, WATER, ROAD, DRIVE, HOUSE = range(len(COVERS))
NUM_GROUND = DRIVE

DRIVE_WITH_HOUSE, DRIVE_ALONE = 0.9, 0.1
"""The chances of a drive where there is a house, and where there is none."""

_COLOURS = np.array(
    [
        (0.36, 0.56, 0.24),
        (0.62, 0.52, 0.30),
        (0.13, 0.30, 0.14),
        (0.16, 0.34, 0.52),
        (0.46, 0.45, 0.44),
        (0.68, 0.63, 0.54),
        (0.72, 0.18, 0.12),
    ]
)
_DRY = np.array([(0.20, -0.04, 0.05), (0.08, 0.0, 0.02), (0.08, -0.02, 0.0), *[(0.0, 0.0, 0.0)] * 4])
_SPREAD = np.array([0.04, 0.05, 0.03, 0.04, 0.03, 0.04, 0.06])
_GRAIN = np.float32(0.03)
_MOST_FIELDS = 4
_COVER_OF = np.array([*range(len(COVERS)), *[FIELD] * _MOST_FIELDS])
_WINDOW_OF = len(COVERS) * np.arange(SIDE * SIDE).reshape(SIDE, SIDE).repeat(WINDOW, axis=0).repeat(WINDOW, axis=1)


@dataclass(frozen=True, eq=False)
class Chips:
    """N painted chips.

    Attributes:
        pixels: (N, 3, 256, 256) uint8, red, green and blue.
        cover: (N, 8, 8, 7), the fraction of each window's pixels that shows each of :data:`COVERS`.
        ground: (N, 8, 8, 5), the same before drive and house were painted.
        has_house: (N,), True = there is a house.
        house: (N, 2), row and column of the window with the house, or where it would stand.
        is_touched: (N, 8, 8), True = house or drive lie in the window, or would.
        lat_deg, lon_deg, day: (N,), place and day of the year; in winter, what grows is yellow.
    """

    pixels: NDArray[np.uint8]
    cover: Singles
    ground: Singles
    has_house: Mask
    house: Ints
    is_touched: Mask
    lat_deg: Floats
    lon_deg: Floats
    day: Floats

    def __len__(self) -> int:
        return len(self.pixels)

    def averaged(self, cells: int) -> Singles:
        """Windows averaged to ``cells`` × ``cells``: (N, 64, 3 · cells²), row by row, from 0 to 1."""
        factor = WINDOW // cells
        means = np.empty((len(self), SIDE * SIDE, 3 * cells * cells), np.float32)
        for chip, pixels in zip(means, self.pixels, strict=True):
            parts = pixels.reshape(3, SIDE, cells, factor, SIDE, cells, factor).mean(axis=(3, 6), dtype=np.float32)
            chip[:] = parts.transpose(1, 3, 0, 2, 4).reshape(SIDE * SIDE, -1) / 255.0
        return means

    def place_and_time(self) -> Singles:
        """(N, 5): the unit vector of the place; cosine and sine of the day's angle in the year."""
        lat, lon, year = np.deg2rad(self.lat_deg), np.deg2rad(self.lon_deg), 2.0 * np.pi * self.day / 365.0
        parts = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(year), np.sin(year))
        return np.stack(parts, axis=1).astype(np.float32)


def paint_chips(number: int, seed: int, first: int = 0, house: bool | None = None) -> Chips:
    """Chips ``first`` to ``first + number`` of the series of a ``seed``; each is drawn from its own number.

    ``house``: paint or leave out the house of every chip; all else is as it is with None.
    """
    painted = [_paint(np.random.default_rng((seed, first + index)), house) for index in range(number)]
    return Chips(*(np.stack(parts) for parts in zip(*painted, strict=True)))


def _paint(random: np.random.Generator, wanted: bool | None) -> tuple[Any, ...]:
    """The fields of :class:`Chips` of one chip."""
    lat, lon, day = random.uniform(-60.0, 60.0), random.uniform(-180.0, 180.0), random.uniform(0.0, 365.0)
    drawn, road = _ground(random)
    ground = _fractions(drawn)[..., :NUM_GROUND]
    house = _house_window(random, road)
    row, col = (int(WINDOW * at + WINDOW // 2 + random.integers(-4, 5)) for at in house)
    start, end = sorted((row, int(np.clip(road[col], 0, SIZE - 1))))
    drive, walls = np.s_[start:end, col - 2 : col + 3], np.s_[row - 9 : row + 9, col - 7 : col + 8]
    touched = np.zeros((SIZE, SIZE), bool)
    touched[drive] = touched[walls] = True
    has_house = bool(random.random() < 0.5)
    if random.random() < (DRIVE_WITH_HOUSE if has_house else DRIVE_ALONE):
        drawn[drive] = DRIVE
    has_house = has_house if wanted is None else wanted
    if has_house:
        drawn[walls] = HOUSE
    noise = _GRAIN * random.standard_normal((1, SIZE, SIZE), np.float32)
    colours = 255.0 * random.uniform(0.8, 1.15) * _colours(random, lat, day).astype(np.float32)
    pixels = np.stack([np.take(channel, drawn) for channel in colours.T]) + 255.0 * noise
    return (
        np.clip(pixels, 0.0, 255.0, out=pixels).astype(np.uint8),
        _fractions(drawn),
        ground,
        has_house,
        np.asarray(house, np.int64),
        touched.reshape(SIDE, WINDOW, SIDE, WINDOW).any(axis=(1, 3)),
        lat,
        lon,
        day,
    )


def _colours(random: np.random.Generator, lat_deg: float, day: float) -> Floats:
    """Red, green and blue from 0 to 1 of every cover, and of the fields, each with its own crop: (7 + fields, 3).

    The year's warmest day is 20 July in the north and half a year later in the south; the tropics have no winter.
    """
    winter = 0.5 - 0.5 * np.cos(2.0 * np.pi * (day - 201.0) / 365.0) * np.tanh(lat_deg / 20.0)
    colours = _COLOURS + winter * _DRY + _SPREAD[:, None] * random.normal(size=_COLOURS.shape)
    return np.concatenate((colours, colours[FIELD] + random.normal(0.0, 0.05, (_MOST_FIELDS, 3))))


def _ground(random: np.random.Generator) -> tuple[NDArray[np.uint8], Floats]:
    """What is drawn (256, 256), covers and from 7 on the fields one by one, without house and drive; the road's row
    (256,)."""
    drawn = np.full((SIZE, SIZE), GRASS, np.uint8)
    for number in range(random.integers(2, _MOST_FIELDS + 1)):
        top, left = random.integers(0, SIZE - 60, 2)
        high, wide = random.integers(50, 120, 2)
        drawn[top : top + high, left : left + wide] = len(COVERS) + number
    if random.random() < 0.5:
        _disc(drawn, random.uniform(0, SIZE, 2), random.uniform(20, 45), WATER)
    for _ in range(random.integers(3, 9)):
        _disc(drawn, random.uniform(0, SIZE, 2), random.uniform(8, 22), TREES)
    # a road from the west to the east edge, bent a little
    base, tilt, bend = random.uniform(60, SIZE - 60), random.uniform(-0.3, 0.3), random.uniform(5, 20)
    along = np.arange(SIZE) - SIZE / 2
    road = base + tilt * along + bend * np.sin(along / random.uniform(25, 60))
    drawn[np.abs(np.arange(SIZE)[:, None] - road) < 6.0] = ROAD
    return drawn, road


def _disc(drawn: NDArray[np.uint8], centre: Floats, radius: float, kind: int) -> None:
    low, high = np.maximum(centre - radius, 0).astype(int), (centre + radius + 1).astype(int)
    rows, columns = np.ogrid[low[0] : min(high[0], SIZE), low[1] : min(high[1], SIZE)]
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
    drawn[low[0] : high[0], low[1] : high[1]][inside] = kind


def _house_window(random: np.random.Generator, road: Floats) -> tuple[int, int]:
    """A window two or three rows from the road, inside the chip."""
    col = int(random.integers(1, SIDE - 1))
    on_road = int(np.clip(road[col * WINDOW + WINDOW // 2] // WINDOW, 0, SIDE - 1))
    return int(random.choice([row for row in range(SIDE) if 2 <= abs(row - on_road) <= 3])), col


def _fractions(drawn: NDArray[np.uint8]) -> Singles:
    """(8, 8, 7): the fraction of each window that shows each cover."""
    pairs = _WINDOW_OF + _COVER_OF[drawn]
    num_pixels = np.bincount(pairs.ravel(), minlength=SIDE * SIDE * len(COVERS))
    return (num_pixels / WINDOW**2).reshape(SIDE, SIDE, len(COVERS)).astype(np.float32)
