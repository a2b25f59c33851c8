"""Regridding of curvilinear grids and swaths to a regular grid, by pyresample; and which regular grid suits them.

Rectilinear grids are regridded by area in :mod:`engine.data.resample`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from engine.config.fields import whole_rows
from engine.data.source import Regrid
from engine.errors import ChoiceError
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, unit_vectors
from engine.typed import Floats, Singles

STEPS_DEG = (0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0)
"""Steps that are proposed; each divides 180."""

METHOD_TEXT = {"conservative": "by area", "bucket": "bucket mean", "bilinear": "bilinear"}

_FULL_BUCKET = 1.5  # least step of a bucket in spacings, so that every bucket inside of the data has a value
_LEAST_GAP_DEG = 20.0  # of longitudes without data, below which a grid goes around the Earth
_TILE_DEG = 60.0
_TILE_CELLS = 40_000  # with 32 neighbours each, pyresample takes 100 MB
_REACH = 4.0  # spacings within which corners are searched
_LEAST_SHARE = 1e-9
_NEWTON_STEPS = 8
_EDGE = 1e-6

Regridder = Callable[[Singles], Singles]


def spacing_deg(lat: Floats, lon: Floats) -> float:
    """The larger of the median distances between neighbours along rows and along columns, degrees of a great circle."""
    places = unit_vectors(lat, lon).numpy()
    across = [np.linalg.norm(np.diff(places, axis=axis), axis=-1) for axis in (0, 1) if lat.shape[axis] > 1]
    medians = [float(np.nanmedian(chords)) for chords in across if np.isfinite(chords).any()]
    return math.degrees(max(medians, default=math.radians(1.0)))


def proposals(lat: Floats, lon: Floats, is_swath: bool) -> tuple[Regrid, ...]:
    """What suits native cells at ``lat`` and ``lon`` (h, w), the best first: means for the many values of a swath,
    interpolation for a model's grid, whose cells leave buckets near the poles empty.
    """
    spacing = spacing_deg(lat, lon)
    fits = [step for step in STEPS_DEG if step >= _FULL_BUCKET * spacing] or [STEPS_DEG[-1]]
    near = [step for step in STEPS_DEG if step >= 0.95 * spacing] or [STEPS_DEG[-1]]
    means, between = Regrid(fits[0], "bucket"), Regrid(near[0], "bilinear")
    coarse = [Regrid(step, "bucket") for step in fits[1:2]]
    return (means, between, *coarse) if is_swath else (between, means, *coarse)


def check_regrid(regrid: Regrid) -> None:
    """Raise :class:`ChoiceError` for a step that does not divide 180, and a method that does not exist."""
    if regrid.method not in METHOD_TEXT:
        raise ChoiceError(f"there is no method {regrid.method!r}", "regrid", f"choose one of {', '.join(METHOD_TEXT)}")
    try:
        whole_rows(regrid.step_deg)
    except ValueError as error:
        raise ChoiceError(f"a step of {regrid.step_deg:g}° {error}", "regrid", "choose 0.25, 0.5 or 1") from error


def target_grid(step_deg: float, extents: Sequence[tuple[Floats, Floats]]) -> LatLonGrid:
    """The cells of the global regular grid of a step that hold all points; ``extents`` are (lat, lon) of any shape.

    The whole circle of longitudes, unless there is none on a part of it. A region across the date line goes on beyond
    180°.
    """
    lat = np.concatenate([lat[np.isfinite(lat)].ravel() for lat, _ in extents])
    lon = np.concatenate([lon[np.isfinite(lon)].ravel() for _, lon in extents])
    most = round(180.0 / step_deg) - 1
    edges = (float(lat.min()), float(lat.max()))
    south, north = (min(max(math.floor((edge + 90.0) / step_deg), 0), most) for edge in edges)
    south, north = (south - 1, north) if south == north == most else (south, max(north, south + 1))
    count = round(360.0 / step_deg)
    columns = np.unique(np.floor(wrapped(lon) / step_deg + count / 2.0).astype(np.int64) % count)
    gaps = np.diff(np.append(columns, columns[0] + count))
    widest = int(np.argmax(gaps))
    if gaps[widest] * step_deg < max(_LEAST_GAP_DEG, 2.0 * step_deg):
        west, east = 0, count - 1
    else:
        west, east = int(columns[(widest + 1) % columns.size]), int(columns[widest])
    east += count if east < west else 0
    rows, across = np.arange(south, north + 1) + 0.5, np.arange(west, max(east, west + 1) + 1) + 0.5
    return LatLonGrid(rows * step_deg - 90.0, across * step_deg - 180.0)


def wrapped(lon: Floats) -> Floats:
    """Longitudes within −180..180."""
    return lon - 360.0 * np.floor((lon + 180.0) / 360.0)


def regridder(lat: Floats, lon: Floats, grid: LatLonGrid, method: str) -> Regridder:
    """A function from values (h, w) at ``lat`` and ``lon`` (h, w) to ``grid``; NaN = missing on both sides.

    - ``bucket``: T_i = Σ a_j T_j / Σ a_j over the valid values whose centre lies in cell i, with their areas a_j, so
      that Σ T a over the sphere is kept; cells without any stay missing.
    - ``bilinear``: between the four native centres around the middle of a cell; missing where one of them is, and
      within the native cell that holds a pole.
    """
    return _buckets(lat, lon, grid) if method == "bucket" else _bilinear(lat, lon, grid)


def _buckets(lat: Floats, lon: Floats, grid: LatLonGrid) -> Regridder:
    from dask import array as dask_array
    from pyresample.bucket import BucketResampler

    area, known = cell_areas(lat, lon).ravel(), (np.isfinite(lat) & np.isfinite(lon)).ravel()
    around = float(grid.lon[[0, -1]].mean())
    arrays: Any = dask_array
    lons = arrays.from_array(np.where(known, wrapped(lon.ravel() - around), 0.0), chunks=-1)
    # 90° belongs to the top row
    lats = arrays.from_array(np.where(known, np.clip(lat.ravel(), -90.0, 90.0 - 1e-9), 0.0), chunks=-1)
    buckets: Any = BucketResampler(_area_of(grid, around), lons, lats)

    def regrid(values: Singles) -> Singles:
        flat = values.ravel()
        weight = np.where(known & np.isfinite(flat), area, 0.0)
        total, share = (
            np.asarray(buckets.get_sum(arrays.from_array(part, chunks=-1)))
            for part in (weight * np.nan_to_num(flat), weight)
        )
        has_value = share > _LEAST_SHARE * area.max(initial=0.0)
        means = np.where(has_value, total / np.where(has_value, share, 1.0), np.nan)
        return means[::-1].astype(np.float32)  # rows from the south

    return regrid


def _bilinear(lat: Floats, lon: Floats, grid: LatLonGrid) -> Regridder:
    """In tiles, each turned to longitude 0, so that no date line lies near."""
    from pyresample import bilinear, geometry

    library: Any = bilinear

    reach = _REACH * math.radians(spacing_deg(lat, lon)) * EARTH_RADIUS_M
    unknown = ~(np.isfinite(lat) & np.isfinite(lon))
    tiles: list[tuple[slice, slice, Any]] = []
    for rows, columns in _tiles(grid):
        part = LatLonGrid(grid.lat[rows], grid.lon[columns])
        around = float(part.lon[[0, -1]].mean())
        turned = np.where(unknown, np.nan, wrapped(lon - around))
        source: Any = geometry.SwathDefinition(lons=turned, lats=np.where(unknown, np.nan, lat))
        tile: Any = library.NumpyBilinearResampler(source, _area_of(part, around), reach, reduce_data=False)
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the text of the projection, and of few points
            tile.get_bil_info()
        tile.bilinear_s, tile.bilinear_t = _shares(tile, turned, lat, part, around, reach)
        tiles.append((rows, columns, tile))

    def regrid(values: Singles) -> Singles:
        result = np.full(grid.shape, np.nan, np.float32)
        padded = np.where(unknown, np.nan, values.astype(np.float64))
        for rows, columns, tile in tiles:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            result[rows, columns] = tile.get_sample_from_bil_info(padded, fill_value=np.nan).reshape(shape)[::-1]
        return result

    return regrid


def _shares(
    tile: Any, lon: Floats, lat: Floats, grid: LatLonGrid, around: float, reach_m: float
) -> tuple[Floats, Floats]:
    """(N,) s, t of the middles of cells between the four corners that pyresample has found, NaN outside of them.

    p = p₁(1−s)(1−t) + p₂ s(1−t) + p₃(1−s)t + p₄ s t, by Newton's method: pyresample's own solution is wrong by up to a
    third of a cell where corners are no rectangle.
    """
    corners = np.stack([lon[tile.slices_y, tile.slices_x], lat[tile.slices_y, tile.slices_x]])  # (2, N, 4)
    middles = np.meshgrid(grid.lon - around, grid.lat[::-1])
    place = np.stack([middle.ravel() for middle in middles])  # (2, N)
    first, right, down = corners[..., 0], corners[..., 1] - corners[..., 0], corners[..., 2] - corners[..., 0]
    twist = corners[..., 3] - corners[..., 2] - right
    s, t = np.full(place.shape[1], 0.5), np.full(place.shape[1], 0.5)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _ in range(_NEWTON_STEPS):
            miss = first + s * right + t * down + s * t * twist - place
            (a, c), (b, d) = right + t * twist, down + s * twist
            scale = a * d - b * c
            s = np.clip(s - (d * miss[0] - b * miss[1]) / scale, -1.0, 2.0)
            t = np.clip(t - (a * miss[1] - c * miss[0]) / scale, -1.0, 2.0)
        miss = np.abs(first + s * right + t * down + s * t * twist - place).max(axis=0)
        apart = (unit_vectors(corners[1], corners[0]) - unit_vectors(place[1], place[0])[:, None]).numpy()
        is_near = EARTH_RADIUS_M * np.linalg.norm(apart, axis=-1).max(axis=-1) <= reach_m
        is_inside = (s > -_EDGE) & (s < 1.0 + _EDGE) & (t > -_EDGE) & (t < 1.0 + _EDGE) & (miss < _EDGE)
    outside = ~(is_near & is_inside)
    return np.where(outside, np.nan, s), np.where(outside, np.nan, t)


def _tiles(grid: LatLonGrid) -> list[tuple[slice, slice]]:
    wide = max(2, min(grid.lon.size, int(_TILE_DEG / grid.lon_step)))
    high = max(2, _TILE_CELLS // wide)
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in _pieces(grid.lat.size, high)
        for left, right in _pieces(grid.lon.size, wide)
    ]


def _pieces(size: int, most: int) -> list[tuple[int, int]]:
    """Equal pieces of at most ``most`` cells, of two at least, because one cell tells no step."""
    count = max(1, min(math.ceil(size / most), size // 2))
    edges = np.linspace(0, size, count + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _area_of(grid: LatLonGrid, around: float) -> Any:
    """A grid as pyresample's area, rows from the north, longitudes counted from ``around``."""
    from pyresample import geometry

    south, north = float(grid.lat_bounds[0]), float(grid.lat_bounds[-1])
    west, east = float(grid.lon_bounds[0]) - around, float(grid.lon_bounds[-1]) - around
    height, width = grid.shape
    projection = {"proj": "longlat", "a": EARTH_RADIUS_M, "b": EARTH_RADIUS_M}
    library = cast(Any, geometry)
    return library.AreaDefinition("target", "", "", projection, width, height, (west, south, east, north))


def cell_areas(lat: Floats, lon: Floats) -> Floats:
    """(h, w) |∂r/∂i × ∂r/∂j| on the unit sphere, steradian: areas of native cells; equal ones where a side is one."""
    if min(lat.shape) < 2:
        return np.ones(lat.shape)
    places = unit_vectors(lat, lon).numpy()
    down, across = (np.gradient(places, axis=axis) for axis in (0, 1))
    area: Floats = np.linalg.norm(np.cross(down, across), axis=-1)
    return np.where(np.isfinite(area), area, np.nanmedian(area))


def regrid_text(regrid: Regrid) -> str:
    """``1° (bucket mean)``."""
    return f"{regrid.step_deg:g}° ({METHOD_TEXT[regrid.method]})"
