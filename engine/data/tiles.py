"""Tiles to read a place from: small pictures, what is true of them, and who may learn from which part of the Earth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.climate import Shares
from engine.errors import DataError

Floats = NDArray[np.float64]
Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

BLOCK_DEG = 2.5
"""Height of the blocks that are kept apart, in degrees; they are about as wide (280 km)."""

_COLUMNS = 4320  # borders of blocks lie on multiples of 5′, as those of the climate raster's cells
_SHARES = (0.8, 0.1, 0.1)  # of the blocks, by part


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

    def count(self, part: Part) -> int | None:
        """How many different tiles the part has; None for any number."""
        ...

    def tiles(self, part: Part, numbers: ArrayLike) -> Tiles:
        """The tiles with these ``numbers`` (N,), from 0; beyond :meth:`count` they come again in another order."""
        ...


def part_of(lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> NDArray[np.uint8]:
    """The part, by its place in :data:`PARTS`, of the block that holds each point; the arguments broadcast.

    A block is as a whole for training (80 % of them), validation or testing, so a tested place lies in a block that
    training never saw. A tile may still reach over its block's border by half its width.
    """
    table = _part_table(seed)
    row = (np.floor((np.asarray(lat_deg) + 90.0) / BLOCK_DEG)).astype(np.int64).clip(0, len(table) - 1)
    column = np.floor((np.asarray(lon_deg) + 180.0) * (_COLUMNS / 360.0)).astype(np.int64) % _COLUMNS
    return table[row, column]


@lru_cache(maxsize=8)
def _part_table(seed: int) -> NDArray[np.uint8]:
    """(rows of blocks, columns of 5′): the part of every place."""
    rows = round(180.0 / BLOCK_DEG)
    drawn = np.random.default_rng([seed, 0x9A27])
    table = np.empty((rows, _COLUMNS), np.uint8)
    for row in range(rows):
        middle = np.deg2rad((row + 0.5) * BLOCK_DEG - 90.0)
        blocks = max(1, round(2 * rows * float(np.cos(middle))))
        part = np.searchsorted(np.cumsum(_SHARES)[:-1], drawn.random(blocks), side="right")
        table[row] = part[np.arange(_COLUMNS) * blocks // _COLUMNS]
    table.setflags(write=False)
    return table


@dataclass(frozen=True, eq=False)
class FiniteTiles:
    """A :class:`TileSource` of tiles that are there, M in all: ``read`` gives the pixels of some of them by index.

    ``lat``, ``lon``, ``day`` (M,) and ``climate`` (M, 31) as in :class:`Tiles`; ``seed`` cuts the Earth into parts.

    Raises :class:`DataError` when a part has no tile.
    """

    name: str
    bands: tuple[str, ...]
    size: int
    lat: Floats
    lon: Floats
    day: Floats
    climate: Shares
    read: Callable[[Indices], Pixels]
    seed: int = 0

    def __post_init__(self) -> None:
        for part in PARTS:
            if not self.count(part):
                raise DataError(
                    f"none of the {self.lat.size} tiles lies in a block for {part}",
                    self.name,
                    "bring tiles of more places, or choose another seed",
                )

    def count(self, part: Part) -> int:
        """How many tiles lie in the part's blocks."""
        return self._members(part).size

    def tiles(self, part: Part, numbers: ArrayLike) -> Tiles:
        """Tiles by number; each further round through the part is in an order of its own."""
        members = self._members(part)
        rounds, places = np.divmod(np.asarray(numbers, np.int64), members.size)
        chosen = np.empty(rounds.shape, np.int64)
        for turn in np.unique(rounds):
            order = np.random.default_rng([self.seed, PARTS.index(part), int(turn)]).permutation(members)
            chosen[rounds == turn] = order[places[rounds == turn]]
        return Tiles(self.read(chosen), self.lat[chosen], self.lon[chosen], self.day[chosen], self.climate[chosen])

    def _members(self, part: Part) -> Indices:
        return np.flatnonzero(part_of(self.lat, self.lon, self.seed) == PARTS.index(part))
