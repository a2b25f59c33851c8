"""Tiles to read a place from: small pictures, what is true of them, and who may learn from which part of the Earth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.climate import Shares
from engine.errors import DataError

Floats = NDArray[np.float64]
Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

NO_PART = len(SPLITS)
"""Stands for the part of a tile that reaches into blocks of several."""

BLOCK_DEG = 2.5
"""Least height of the blocks that are kept apart, in degrees; they are about as wide (280 km)."""

_TILES_HIGH = 3.0  # blocks, so that enough of their tiles lie within them
_COLUMNS = 4320  # borders of blocks lie on multiples of 5′, as those of the climate raster's cells
_KEPT_SHARE = 0.1  # of the blocks, for validation and for the test each
_ROUNDING = 1e-9


class Tiles(NamedTuple):
    """N tiles: the picture, which a model may see, and the truth about it, which it may not.

    ``pixels`` (N, C, h, w) float32, rows from north to south, NaN = missing; ``lat`` and ``lon`` (N,) of the centre,
    degrees; ``day`` (N,) in the year, from 1 to 366; ``climate`` (N, 31) float32, the share of every class.
    """

    pixels: Pixels
    lat: Floats
    lon: Floats
    day: Floats
    climate: Shares

    def take(self, which: Indices | NDArray[np.bool_] | slice) -> Tiles:
        """Some of them, by indices, mask or slice."""
        return Tiles(self.pixels[which], self.lat[which], self.lon[which], self.day[which], self.climate[which])


class TileSource(Protocol):
    """Where tiles come from. Tile i of a part is the same whenever it is asked for."""

    @property
    def name(self) -> str:
        """What people call it; plain text that says so when the pictures are synthetic."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names (C,) of the channels."""
        ...

    @property
    def size(self) -> int:
        """Pixels along each side."""
        ...

    def count(self, part: Split) -> int | None:
        """How many different tiles the part has; None for any number."""
        ...

    def tiles(self, part: Split, numbers: ArrayLike) -> Tiles:
        """The tiles with these ``numbers`` (N,), from 0; beyond :meth:`count` they come again in another order."""
        ...


def part_of(lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int, tile_deg: float = 0.0) -> NDArray[np.uint8]:
    """The part, by its place in :data:`SPLITS`, of the block that holds each point; the arguments broadcast.

    A block is as a whole for training (80 % of them), validation or testing, at least one for each. It is at least
    three tiles high, whose height is ``tile_deg``, and about as wide, as long as there are six of them on the Earth.
    """
    return split_of_boxes(lat_deg, lat_deg, lon_deg, lon_deg, seed, tile_deg)


def split_of_boxes(
    south: ArrayLike, north: ArrayLike, west: ArrayLike, east: ArrayLike, seed: int, tile_deg: float
) -> NDArray[np.uint8]:
    """The part of the blocks that hold the whole of each box, degrees; :data:`NO_PART` where they are of several.

    With such boxes left out, no ground of a tested tile is seen in training. A box is not higher than ``tile_deg``; the
    arguments broadcast.
    """
    blocks = _blocks(seed, tile_deg)
    rows = [row.clip(0, len(blocks.part) - 1) for row in _spanned(south, north, 90.0, len(blocks.part) / 180.0)]
    first, last = _spanned(west, east, 180.0, _COLUMNS / 360.0)
    start = first % _COLUMNS
    stop = start + last - first + 1
    part = blocks.part[rows[0], start]
    is_whole = part == blocks.part[rows[1], start]
    for row in rows:
        is_whole &= stop <= blocks.end[row, start]
    return np.where(is_whole, part, np.uint8(NO_PART))


def _spanned(low: ArrayLike, high: ArrayLike, offset: float, scale: float) -> tuple[Indices, Indices]:
    """The first and the last of the equal steps that an interval reaches into; one that it only touches is none."""
    start = np.floor((np.asarray(low, np.float64) + offset) * scale + _ROUNDING).astype(np.int64)
    stop = np.ceil((np.asarray(high, np.float64) + offset) * scale - _ROUNDING).astype(np.int64) - 1
    return start, np.maximum(start, stop)


class _Blocks(NamedTuple):
    """The blocks of the Earth: rows from south to north, columns of 5′ from 180° W."""

    part: NDArray[np.uint8]
    """(rows, columns)"""
    end: Indices
    """(rows, columns), the first column from each on, counted beyond the date line, that is of another part"""


@lru_cache(maxsize=8)
def _blocks(seed: int, tile_deg: float) -> _Blocks:
    rows = max(2, int(180.0 / max(BLOCK_DEG, _TILES_HIGH * tile_deg)))
    middle = np.deg2rad((np.arange(rows) + 0.5) * (180.0 / rows) - 90.0)
    counts = np.maximum(1, np.round(2 * rows * np.cos(middle))).astype(np.int64)
    kept = max(1, round(_KEPT_SHARE * int(counts.sum())))
    parts = np.zeros(counts.sum(), np.uint8)
    parts[:kept], parts[kept : 2 * kept] = SPLITS.index("validation"), SPLITS.index("test")
    np.random.default_rng([seed, 0x9A27]).shuffle(parts)
    split = np.split(parts, np.cumsum(counts)[:-1])
    part = np.stack([own[np.arange(_COLUMNS) * len(own) // _COLUMNS] for own in split])
    twice = np.concatenate((part, part), axis=1)
    changes = np.where(twice[:, 1:] != twice[:, :-1], np.arange(1, 2 * _COLUMNS), 2 * _COLUMNS)
    end = np.minimum.accumulate(changes[:, ::-1], axis=1)[:, ::-1][:, :_COLUMNS]
    for table in (part, end):
        table.setflags(write=False)
    return _Blocks(part, end)


@dataclass(frozen=True, eq=False)
class FiniteTiles:
    """A :class:`TileSource` of tiles that are there, M in all: ``read`` gives the pixels of some of them by index.

    ``lat``, ``lon``, ``day`` (M,) and ``climate`` (M, 31) as in :class:`Tiles`; ``edges`` (M, 4) south, north, west and
    east, degrees, of the ground that is shown; ``seed`` cuts the Earth into parts. Tiles that reach into blocks of
    several parts are left out.

    Raises :class:`DataError` when a part has no tile.
    """

    name: str
    bands: tuple[str, ...]
    size: int
    lat: Floats
    lon: Floats
    day: Floats
    climate: Shares
    edges: Floats
    read: Callable[[Indices], Pixels]
    seed: int = 0

    def __post_init__(self) -> None:
        for part in SPLITS:
            if not self.count(part):
                raise DataError(
                    f"none of the {self.lat.size} tiles lies in a block for {part} alone",
                    self.name,
                    "bring tiles of more places, smaller ones, or choose another seed",
                )

    def count(self, part: Split) -> int:
        """How many tiles lie in the part's blocks only."""
        return self._members(part).size

    def tiles(self, part: Split, numbers: ArrayLike) -> Tiles:
        """Tiles by number; each further round through the part is in an order of its own."""
        members = self._members(part)
        rounds, places = np.divmod(np.asarray(numbers, np.int64), members.size)
        chosen = np.empty(rounds.shape, np.int64)
        for turn in np.unique(rounds):
            order = np.random.default_rng([self.seed, SPLITS.index(part), int(turn)]).permutation(members)
            chosen[rounds == turn] = order[places[rounds == turn]]
        return Tiles(self.read(chosen), self.lat[chosen], self.lon[chosen], self.day[chosen], self.climate[chosen])

    def _members(self, part: Split) -> Indices:
        return np.flatnonzero(self._parts == SPLITS.index(part))

    @cached_property
    def _parts(self) -> NDArray[np.uint8]:
        south, north, west, east = self.edges.T
        return split_of_boxes(south, north, west, east, self.seed, float((north - south).max()))
