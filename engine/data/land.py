"""Land and sea on any latitude–longitude grid, from the coastlines shipped in ``assets/``.

The coast is Natural Earth's, at 1:110 million ("110m", for pictures of the whole globe) and 1:50 million ("50m").
Lakes count as land, except the Caspian Sea; floating ice shelves count as sea; edges are straight in lon and lat.

Legend: H rows of latitude, W columns of longitude, E edges, C crossings of an edge with a row, N vertices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from engine.assets import asset
from engine.errors import ChoiceError

if TYPE_CHECKING:  # a run that draws bands by draw_rows starts without waiting for torch
    import torch

    from engine.sphere import LatLonGrid

Resolution = Literal["110m", "50m"]
FloatArray = NDArray[np.float64]

UNITS_PER_DEGREE = 10_000
"""The shipped rings are whole numbers of this unit: 11 m along a meridian, so that ±180° and −90° are exact."""

_CACHED_MASKS = 16
_CACHED_CELLS = 2_000_000  # 16 masks of at most this many bytes; 721×1440 has 1.04 million, larger ones are drawn anew


def land_mask(grid: LatLonGrid, resolution: Resolution = "50m", *, rows: slice | None = None) -> torch.Tensor:
    """Which cells of a grid are land: those whose centre lies inside a land polygon.

    Even–odd rule along each parallel, half open: a centre exactly on a coast belongs to the land north or east of it.
    The south pole is land, the north pole sea. Longitudes may be in any convention, rows in either order.

    Args:
        grid: the cells' centres, degrees.
        resolution: which coastline; "50m" resolves islands of about 0.05°, "110m" of about 1°.
        rows: only these rows of the grid. Bands put together equal the whole mask; memory follows the band, so that
            a 0.02° grid can be drawn without ever being whole. Bands are not cached.

    Returns:
        bool (H, W) on the CPU, or (rows, W); True = land. The tensor is the caller's own.

    Raises:
        ChoiceError: an unknown resolution.
    """
    import torch

    _check(resolution)
    if rows is None and grid.lat.size * grid.lon.size <= _CACHED_CELLS:
        return torch.tensor(_draw_cached(grid, resolution))
    return torch.as_tensor(draw_rows(grid.lat[rows or slice(None)], grid.lon, resolution))


def coastlines(resolution: Resolution = "50m") -> tuple[FloatArray, ...]:
    """The coast as lines to plot: each (N, 2) of longitude −180..180 and latitude, degrees, read-only.

    Lines end at the date line and begin again on its other side, so that they may be drawn on a flat map as they are.
    The edges that close the polygons there and at the south pole are no coast and are left out.

    Raises:
        ChoiceError: an unknown resolution.
    """
    _check(resolution)
    return _coastlines(resolution)


def _check(resolution: str) -> None:
    known = get_args(Resolution)
    if resolution not in known:
        raise ChoiceError(f"there is no coastline {resolution!r}", "resolution", f"choose {' or '.join(known)}")


@lru_cache
def _rings(resolution: Resolution) -> tuple[FloatArray, ...]:
    """The closed rings (N, 2) of longitude and latitude, degrees: outer ones and holes alike; none overlap."""
    with np.load(asset(f"land-{resolution}.npz"), allow_pickle=False) as file:
        steps = np.stack([file["lon"], file["lat"]], axis=1)
        length = file["length"]
    vertices = np.cumsum(steps, axis=0) / UNITS_PER_DEGREE
    vertices.flags.writeable = False
    return tuple(np.split(vertices, np.cumsum(length)[:-1]))


@lru_cache
def _coastlines(resolution: Resolution) -> tuple[FloatArray, ...]:
    return tuple(line for ring in _rings(resolution) for line in _open(ring))


def _open(ring: FloatArray) -> list[FloatArray]:
    """The parts of a closed ring between the edges that only close its polygon."""
    closing = np.flatnonzero(_is_closing(ring[:-1], ring[1:]))
    if len(closing) == 0:
        return [ring]
    start = closing[0] + 1
    turned = np.concatenate([ring[start:-1], ring[: start + 1]])
    turned.flags.writeable = False
    cuts = np.sort((closing - start) % (len(ring) - 1)) + 1
    return [line for line in np.split(turned, cuts) if len(line) > 1]


def _is_closing(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Which edges from a to b, both (E, 2), run along the date line or the south pole, where no coast does."""
    along_date_line = (np.abs(a[:, 0]) == 180.0) & (a[:, 0] == b[:, 0])
    along_pole = (a[:, 1] == -90.0) & (b[:, 1] == -90.0)
    return along_date_line | along_pole


class _Edges(NamedTuple):
    """Polygon edges as functions of latitude, each (E,); horizontal ones cross no parallel and are left out."""

    south: FloatArray
    north: FloatArray
    lon_at_south: FloatArray
    lon_at_north: FloatArray


@lru_cache
def _edges(resolution: Resolution) -> _Edges:
    a = np.concatenate([ring[:-1] for ring in _rings(resolution)])
    b = np.concatenate([ring[1:] for ring in _rings(resolution)])
    sloped = a[:, 1] != b[:, 1]
    a, b = a[sloped], b[sloped]
    upward = (a[:, 1] < b[:, 1])[:, None]
    low, high = np.where(upward, a, b), np.where(upward, b, a)
    return _Edges(low[:, 1], high[:, 1], low[:, 0], high[:, 0])


def _crossings(lat: FloatArray, edges: _Edges) -> tuple[NDArray[np.intp], FloatArray]:
    """Where the edges cross the ascending parallels ``lat`` (H,): row (C,) and longitude (C,), south ≤ lat < north."""
    first = np.searchsorted(lat, edges.south, side="left")
    count = np.searchsorted(lat, edges.north, side="left") - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    south, north, lon_at_south, lon_at_north = (values[edge] for values in edges)
    share = (lat[row] - south) / (north - south)
    return row, lon_at_south + share * (lon_at_north - lon_at_south)


def draw_rows(lat: FloatArray, lon: FloatArray, resolution: Resolution) -> NDArray[np.bool_]:
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
def _draw_cached(grid: LatLonGrid, resolution: Resolution) -> NDArray[np.bool_]:
    return draw_rows(grid.lat, grid.lon, resolution)
