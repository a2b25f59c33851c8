"""Land, sea and boxes as masks on any latitude–longitude grid, from the coastlines shipped in ``assets/``.

The coast is Natural Earth's, at 1:110 million ("110m", for pictures of the whole globe) and 1:50 million ("50m").
Lakes count as land, except the Caspian Sea; floating ice shelves count as sea; edges are straight in lon and lat.

Legend: H rows of latitude, W columns of longitude, E edges, C crossings of an edge with a row, N vertices.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from engine.assets import asset
from engine.errors import ChoiceError, check_choice
from engine.typed import Floats, Mask

if TYPE_CHECKING:  # draw_rows must not import torch
    import torch

    from engine.sphere import LatLonGrid

Resolution = Literal["110m", "50m"]

UNITS_PER_DEGREE = 10_000
"""The shipped rings are whole numbers of this unit: 11 m along a meridian, so that ±180° and −90° are exact."""

_CACHED_MASKS = 16
_CACHED_CELLS = 2_000_000  # 16 masks of at most this many bytes; 721×1440 has 1.04 million, larger ones are not cached


def land_mask(grid: LatLonGrid, resolution: Resolution = "50m", *, rows: slice | None = None) -> torch.Tensor:
    """Land mask of a grid: True for cells whose centre is inside a land polygon.

    Even–odd rule along each parallel, half open: a centre exactly on a coast belongs to the land north or east of it.
    Own code, because rasterio.features draws grids of equal steps only.
    The south pole is land, the north pole sea. Longitudes in any convention, rows in either order.

    Args:
        grid: the cells' centres, degrees.
        resolution: which coastline; "50m" resolves islands of about 0.05°, "110m" of about 1°.
        rows: only these rows of the grid. Concatenated bands equal the whole mask; a 0.02° grid can be processed band
            by band. Bands are not cached.

    Returns:
        bool (H, W) on the CPU, or (rows, W); True = land. The tensor is a copy.

    Raises:
        ChoiceError: an unknown resolution.
    """
    import torch

    _check(resolution)
    if rows is None and grid.lat.size * grid.lon.size <= _CACHED_CELLS:
        return torch.tensor(_draw_cached(grid, resolution))
    return torch.as_tensor(draw_rows(grid.lat[rows or slice(None)], grid.lon, resolution))


def coastlines(resolution: Resolution = "50m") -> tuple[Floats, ...]:
    """Coastlines to plot: each (N, 2) of longitude −180..180 and latitude, degrees, read-only.

    Lines are split at the date line for flat maps. Edges that only close polygons there and at the south pole are left
    out.

    Raises:
        ChoiceError: an unknown resolution.
    """
    _check(resolution)
    return _coastlines(resolution)


def _check(resolution: str) -> None:
    check_choice("coastline", resolution, get_args(Resolution), "resolution")


@lru_cache
def _rings(resolution: Resolution) -> tuple[Floats, ...]:
    """The closed rings (N, 2) of longitude and latitude, degrees: outer ones and holes alike; none overlap."""
    with np.load(asset(f"land-{resolution}.npz"), allow_pickle=False) as file:
        steps = np.stack([file["lon"], file["lat"]], axis=1)
        length = file["length"]
    vertices = np.cumsum(steps, axis=0) / UNITS_PER_DEGREE
    vertices.flags.writeable = False
    return tuple(np.split(vertices, np.cumsum(length)[:-1]))


@lru_cache
def _coastlines(resolution: Resolution) -> tuple[Floats, ...]:
    return tuple(line for ring in _rings(resolution) for line in _open(ring))


def _open(ring: Floats) -> list[Floats]:
    """The segments of a closed ring between the edges that only close its polygon."""
    closing = np.flatnonzero(_is_closing(ring[:-1], ring[1:]))
    if len(closing) == 0:
        return [ring]
    start = closing[0] + 1
    turned = np.concatenate([ring[start:-1], ring[: start + 1]])
    turned.flags.writeable = False
    cuts = np.sort((closing - start) % (len(ring) - 1)) + 1
    return [line for line in np.split(turned, cuts) if len(line) > 1]


def _is_closing(a: Floats, b: Floats) -> Mask:
    """Which edges from a to b, both (E, 2), run along the date line or the south pole, where no coast does."""
    along_date_line = (np.abs(a[:, 0]) == 180.0) & (a[:, 0] == b[:, 0])
    along_pole = (a[:, 1] == -90.0) & (b[:, 1] == -90.0)
    return along_date_line | along_pole


class _Edges(NamedTuple):
    """Polygon edges as functions of latitude, each (E,); horizontal ones cross no parallel and are left out."""

    south: Floats
    north: Floats
    lon_at_south: Floats
    lon_at_north: Floats


@lru_cache
def _edges(resolution: Resolution) -> _Edges:
    a = np.concatenate([ring[:-1] for ring in _rings(resolution)])
    b = np.concatenate([ring[1:] for ring in _rings(resolution)])
    sloped = a[:, 1] != b[:, 1]
    a, b = a[sloped], b[sloped]
    upward = (a[:, 1] < b[:, 1])[:, None]
    low, high = np.where(upward, a, b), np.where(upward, b, a)
    return _Edges(low[:, 1], high[:, 1], low[:, 0], high[:, 0])


def _crossings(lat: Floats, edges: _Edges) -> tuple[NDArray[np.intp], Floats]:
    """Where the edges cross the ascending parallels ``lat`` (H,): row (C,) and longitude (C,), south ≤ lat < north."""
    first = np.searchsorted(lat, edges.south, side="left")
    count = np.searchsorted(lat, edges.north, side="left") - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    south, north, lon_at_south, lon_at_north = (values[edge] for values in edges)
    fraction = (lat[row] - south) / (north - south)
    return row, lon_at_south + fraction * (lon_at_north - lon_at_south)


def draw_rows(lat: Floats, lon: Floats, resolution: Resolution) -> Mask:
    """The mask (H, W), True = land, of the points ``lat`` (H,) × ``lon`` (W,), degrees: ``land_mask`` without torch.

    Each crossing of the coast flips all cells of its row from there eastward.
    """
    wrapped = lon - 360.0 * np.floor((lon + 180.0) / 360.0)
    northward, eastward = np.argsort(lat), np.argsort(wrapped)
    row, crossing = _crossings(lat[northward], _edges(resolution))
    column = np.searchsorted(wrapped[eastward], crossing, side="left")
    inside = column < len(lon)
    flips = np.zeros((len(lat), len(lon)), np.uint8)
    np.bitwise_xor.at(flips, (northward[row[inside]], column[inside]), np.uint8(1))
    np.bitwise_xor.accumulate(flips, axis=1, out=flips)
    mask = flips.view(np.bool_)
    return mask if np.array_equal(eastward, np.arange(len(lon))) else mask[:, np.argsort(eastward)]


@lru_cache(maxsize=_CACHED_MASKS)
def _draw_cached(grid: LatLonGrid, resolution: Resolution) -> Mask:
    return draw_rows(grid.lat, grid.lon, resolution)


DOMAINS = {"sphere": "Whole sphere", "ocean": "Ocean", "land": "Land", "box": "Box"}


@dataclass(frozen=True)
class Domain:
    """A region of the Earth: ``kind`` is one of :data:`DOMAINS`; the edges, in degrees, apply to a box only.

    A box may cross the date line (``west`` > ``east``).
    """

    kind: str = "sphere"
    south: float = -30.0
    north: float = 30.0
    west: float = 120.0
    east: float = -80.0

    def __post_init__(self) -> None:
        check_choice("domain", self.kind, DOMAINS)
        if self.kind == "box" and not (-90 <= self.south < self.north <= 90):
            raise ChoiceError(
                f"the box runs from {self.south:g}° to {self.north:g}° north", "domain", "choose south below north"
            )

    def describe(self) -> dict[str, Any]:
        """The region as plain values, for a file's metadata."""
        return asdict(self) if self.kind == "box" else {"kind": self.kind}

    def mask(self, grid: LatLonGrid) -> Mask | None:
        """(H, W), True = the cell's centre is inside; None for the whole sphere."""
        if self.kind == "sphere":
            return None
        if self.kind in ("ocean", "land"):
            land = land_mask(grid).numpy()
            return land if self.kind == "land" else ~land
        width = (self.east - self.west) % 360 or 360.0
        in_lon = (grid.lon - self.west) % 360 <= width
        in_lat = (grid.lat >= self.south) & (grid.lat <= self.north)
        return in_lat[:, None] & in_lon[None, :]
