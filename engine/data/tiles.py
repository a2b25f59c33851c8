"""Tiles for geolocation: images with location, date and climate, and the spatial split into training and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.climate import Fractions
from engine.errors import DataError
from engine.typed import Floats, Ints, Mask, Singles

Pixels = Singles

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

NO_SPLIT = len(SPLITS)
"""Marks a tile that overlaps blocks of several splits."""

BLOCK_DEG = 2.5
"""Least height of the blocks of one split, in degrees; they are about as wide (280 km)."""

_TILES_HIGH = 3.0  # least height of a block in tiles, so that enough tiles are inside blocks
_COLUMNS = 4320  # block borders are multiples of 5′, as cells of the climate raster
_HELD_OUT_FRACTION = 0.1  # of the blocks, for validation and for test each
_ROUNDING = 1e-9


class Tiles(NamedTuple):
    """N tiles: images (the model's input) and their location, day and climate (the truth).

    ``pixels`` (N, C, h, w) float32, rows from north to south, NaN = missing; ``lat`` and ``lon`` (N,) of the centre,
    degrees; ``day`` (N,) in the year, from 1 to 366; ``climate`` (N, 31) float32, the area fraction of every class.
    """

    pixels: Pixels
    lat: Floats
    lon: Floats
    day: Floats
    climate: Fractions

    def take(self, index: Ints | Mask | slice) -> Tiles:
        """A subset, by indices, mask or slice."""
        return Tiles(self.pixels[index], self.lat[index], self.lon[index], self.day[index], self.climate[index])


class TileSource(Protocol):
    """A source of tiles. Tile i of a split is always the same."""

    @property
    def name(self) -> str:
        """The name on screen; plain text that says so when the images are synthetic."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names (C,) of the channels."""
        ...

    @property
    def size(self) -> int:
        """Pixels along each side."""
        ...

    def count(self, split: Split) -> int | None:
        """Number of different tiles of the split; None = unlimited."""
        ...

    def tiles(self, split: Split, numbers: ArrayLike) -> Tiles:
        """The tiles with these ``numbers`` (N,), from 0; beyond :meth:`count` they repeat in another order."""
        ...


def split_of_boxes(
    south: ArrayLike, north: ArrayLike, west: ArrayLike, east: ArrayLike, seed: int, tile_deg: float
) -> NDArray[np.uint8]:
    """The split, as index into :data:`SPLITS`, of the blocks that each box, in degrees, overlaps.

    A block belongs as a whole to training (80 % of them), validation or test, at least one to each. It is at least
    three tiles of height ``tile_deg`` high and about as wide, provided that six of them fit on the Earth. Where a box
    overlaps blocks of several splits: :data:`NO_SPLIT`.

    Without the latter no area of a test tile occurs in training. A box is not higher than ``tile_deg``; the arguments
    broadcast.
    """
    blocks = _blocks(seed, tile_deg)
    rows = [row.clip(0, len(blocks.split) - 1) for row in _spanned(south, north, 90.0, len(blocks.split) / 180.0)]
    first, last = _spanned(west, east, 180.0, _COLUMNS / 360.0)
    start = first % _COLUMNS
    stop = start + last - first + 1
    split = blocks.split[rows[0], start]
    is_whole = split == blocks.split[rows[1], start]
    for row in rows:
        is_whole &= stop <= blocks.end[row, start]
    return np.where(is_whole, split, np.uint8(NO_SPLIT))


def _spanned(low: ArrayLike, high: ArrayLike, offset: float, scale: float) -> tuple[Ints, Ints]:
    """The first and the last of the equal steps that an interval overlaps by more than rounding."""
    start = np.floor((np.asarray(low, np.float64) + offset) * scale + _ROUNDING).astype(np.int64)
    stop = np.ceil((np.asarray(high, np.float64) + offset) * scale - _ROUNDING).astype(np.int64) - 1
    return start, np.maximum(start, stop)


class _Blocks(NamedTuple):
    """The blocks of the Earth: rows from south to north, columns of 5′ from 180° W."""

    split: NDArray[np.uint8]
    """(rows, columns)"""
    end: Ints
    """(rows, columns), the next column of another split, counted on beyond the date line"""


@lru_cache(maxsize=8)
def _blocks(seed: int, tile_deg: float) -> _Blocks:
    rows = max(2, int(180.0 / max(BLOCK_DEG, _TILES_HIGH * tile_deg)))
    middle = np.deg2rad((np.arange(rows) + 0.5) * (180.0 / rows) - 90.0)
    num_blocks = np.maximum(1, np.round(2 * rows * np.cos(middle))).astype(np.int64)
    num_held_out = max(1, round(_HELD_OUT_FRACTION * int(num_blocks.sum())))
    splits = np.zeros(num_blocks.sum(), np.uint8)
    splits[:num_held_out], splits[num_held_out : 2 * num_held_out] = SPLITS.index("validation"), SPLITS.index("test")
    np.random.default_rng([seed, 0x9A27]).shuffle(splits)
    by_row = np.split(splits, np.cumsum(num_blocks)[:-1])
    split = np.stack([values[np.arange(_COLUMNS) * len(values) // _COLUMNS] for values in by_row])
    twice = np.concatenate((split, split), axis=1)
    changes = np.where(twice[:, 1:] != twice[:, :-1], np.arange(1, 2 * _COLUMNS), 2 * _COLUMNS)
    end = np.minimum.accumulate(changes[:, ::-1], axis=1)[:, ::-1][:, :_COLUMNS]
    for table in (split, end):
        table.setflags(write=False)
    return _Blocks(split, end)


@dataclass(frozen=True, eq=False)
class FiniteTiles:
    """A :class:`TileSource` of M tiles; ``read`` gives pixels by index.

    ``lat``, ``lon``, ``day`` (M,) and ``climate`` (M, 31) as in :class:`Tiles`; ``edges`` (M, 4) south, north, west and
    east, degrees, of the area shown; ``seed`` defines the split. Tiles that overlap blocks of several splits are left
    out.

    Raises :class:`DataError` when a split has no tile.
    """

    name: str
    bands: tuple[str, ...]
    size: int
    lat: Floats
    lon: Floats
    day: Floats
    climate: Fractions
    edges: Floats
    read: Callable[[Ints], Pixels]
    seed: int = 0

    def __post_init__(self) -> None:
        for split in SPLITS:
            if not self.count(split):
                raise DataError(
                    f"none of the {self.lat.size} tiles lies in a block for {split} alone",
                    self.name,
                    "add tiles of more places, use smaller ones, or choose another seed",
                )

    def count(self, split: Split) -> int:
        """Number of tiles inside blocks of the split."""
        return self._members(split).size

    def tiles(self, split: Split, numbers: ArrayLike) -> Tiles:
        """Tiles by number; every round through the split has its own order."""
        members = self._members(split)
        rounds, positions = np.divmod(np.asarray(numbers, np.int64), members.size)
        chosen = np.empty(rounds.shape, np.int64)
        for turn in np.unique(rounds):
            order = np.random.default_rng([self.seed, SPLITS.index(split), int(turn)]).permutation(members)
            chosen[rounds == turn] = order[positions[rounds == turn]]
        return Tiles(self.read(chosen), self.lat[chosen], self.lon[chosen], self.day[chosen], self.climate[chosen])

    def _members(self, split: Split) -> Ints:
        return np.flatnonzero(self._splits == SPLITS.index(split))

    @cached_property
    def _splits(self) -> NDArray[np.uint8]:
        south, north, west, east = self.edges.T
        return split_of_boxes(south, north, west, east, self.seed, float((north - south).max()))
