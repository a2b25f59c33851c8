"""Latitude–longitude grids whose cells have edges and areas.

A grid is checked once, when it is made; whatever takes a :class:`LatLonGrid` trusts it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from engine.errors import GridError
from engine.sphere._coordinates import checked_latitude, checked_longitude, coordinate
from engine.sphere.geometry import EARTH_RADIUS_M
from engine.typed import Floats, coords_of

# An outer edge that misses a pole by less than this share of a row belongs to a cell that reaches the pole
# (Gaussian latitudes: 0.27).
_POLE_REACH = 0.4

# Below this a shift is float64 rounding and not worth a note.
_NOTED_DEG = 1e-9


@dataclass(frozen=True, init=False, repr=False, eq=False)
class LatLonGrid:
    """Cells between circles of latitude and meridians, given by their centre coordinates in degrees.

    ``lat`` (H,) is strictly monotone and keeps its direction; it may be irregular (Gaussian grids). ``lon`` (W,) is
    equally spaced, ascending once a jump over the date line is unwrapped, and spans at most 360°. Coordinates that are
    regular but for rounding are put on the exact regular values. Both are float64 and read-only.

    Edges lie midway between neighbours; a row on a pole is a half cell. Grids with the same coordinates are equal and
    have the same :attr:`key`, so a grid can be part of a cache key.

    Raises :class:`GridError` for coordinates that are empty, not finite, not monotone, have a gap, cross a pole,
    repeat a meridian, or whose longitudes are unequally spaced.
    """

    lat: Floats
    lon: Floats

    def __init__(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> None:
        object.__setattr__(self, "lat", _read_only(checked_latitude(coordinate(lat_deg, "latitude"))))
        object.__setattr__(self, "lon", _read_only(checked_longitude(coordinate(lon_deg, "longitude"))))

    @classmethod
    def regular(cls, step_deg: float) -> LatLonGrid:
        """The whole sphere in cells of ``step_deg``: centres from −90 + step/2 and −180 + step/2, ascending."""
        rows = _rows_of(step_deg)
        step = 180.0 / rows
        return cls(step * (np.arange(rows) + 0.5) - 90.0, step * (np.arange(2 * rows) + 0.5) - 180.0)

    @classmethod
    def poles(cls, step_deg: float) -> LatLonGrid:
        """The whole sphere in grid points every ``step_deg``, with rows on both poles: 721 × 1440 at 0.25°."""
        rows = _rows_of(step_deg)
        return cls(np.linspace(-90.0, 90.0, rows + 1), np.arange(2 * rows) * (180.0 / rows) - 180.0)

    @classmethod
    def from_dataset(cls, ds: xr.Dataset | xr.DataArray) -> LatLonGrid:
        """The grid of the one-dimensional latitude and longitude coordinates of ``ds``.

        :func:`grid_from_dataset` also tells what was understood.
        """
        return grid_from_dataset(ds)[0]

    def __repr__(self) -> str:
        lat, lon = self.lat, self.lon
        return f"LatLonGrid({lat.size} × {lon.size}, lat {lat[0]:g} to {lat[-1]:g}, lon {lon[0]:g} to {lon[-1]:g})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatLonGrid) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def key(self) -> str:
        """A hash of the coordinates (32 hexadecimal digits), the same in every process."""
        content = self.lat.astype("<f8").tobytes() + b"|" + self.lon.astype("<f8").tobytes()
        return hashlib.sha256(content).hexdigest()[:32]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W): number of rows and of columns."""
        return self.lat.size, self.lon.size

    @cached_property
    def lat_bounds(self) -> Floats:
        """Edges (H+1,) of the rows in degrees, in the order of ``lat``, within ±90."""
        return _read_only(_latitude_edges(self.lat))

    @cached_property
    def lon_bounds(self) -> Floats:
        """Edges (W+1,) of the columns in degrees, ascending."""
        return _read_only(np.append(self.lon - self.lon_step / 2.0, self.lon[-1] + self.lon_step / 2.0))

    @property
    def lon_step(self) -> float:
        """Width of a column in degrees."""
        return float(self.lon[-1] - self.lon[0]) / (self.lon.size - 1)

    @cached_property
    def is_periodic(self) -> bool:
        """Whether the columns close the circle, so that the last one is a neighbour of the first."""
        return math.isclose(self.lon_step * self.lon.size, 360.0, rel_tol=1e-9)

    @cached_property
    def is_global(self) -> bool:
        """Whether the cells cover the whole sphere."""
        return self.is_periodic and {float(self.lat_bounds[0]), float(self.lat_bounds[-1])} == {-90.0, 90.0}

    @cached_property
    def cell_area_m2(self) -> Floats:
        """Area (H,) in m² of one cell of each row: R² (sin φ_north − sin φ_south) Δλ, exact on the sphere."""
        edges = np.deg2rad(self.lat_bounds)
        middle, half = (edges[1:] + edges[:-1]) / 2.0, np.abs(np.diff(edges)) / 2.0
        # sin a − sin b as a product, which does not cancel beside the poles
        height = 2.0 * np.cos(middle) * np.sin(half)
        return _read_only(EARTH_RADIUS_M**2 * height * math.radians(self.lon_step))

    @cached_property
    def area_weights(self) -> Floats:
        """Area (H,) of one cell of each row, 1 for one on the equator as high as the median row.

        cos φ where rows are equally spaced, but for half cells on the poles.
        """
        height = 2.0 * math.sin(math.radians(float(np.median(np.abs(np.diff(self.lat_bounds))))) / 2.0)
        return _read_only(self.cell_area_m2 / (EARTH_RADIUS_M**2 * height * math.radians(self.lon_step)))

    @cached_property
    def max_resolved_degree(self) -> int:
        """The highest degree l with more than two cells a wave in both directions: l < 180°/spacing."""
        spacing = max(float(np.abs(np.diff(self.lat)).max()), self.lon_step)
        return max(0, math.ceil(180.0 / spacing - 1e-9) - 1)

    def nearest_cell(self, lat_deg: float, lon_deg: float) -> tuple[int, int]:
        """Row and column of the cell whose centre has the nearest latitude and longitude."""
        column = np.abs((self.lon - lon_deg + 180.0) % 360.0 - 180.0).argmin()
        return int(np.abs(self.lat - lat_deg).argmin()), int(column)


def grid_from_dataset(ds: xr.Dataset | xr.DataArray) -> tuple[LatLonGrid, list[str]]:
    """The grid of an xarray object, and notes: sentences on what was understood and what was repaired.

    Coordinates are found by CF ``standard_name``, then by ``units``, then by their usual names; they must be
    one-dimensional. Raises :class:`GridError` where there is none, more than one, or a two-dimensional one.
    """
    lat, lon = find_coordinate(ds, "latitude"), find_coordinate(ds, "longitude")
    lat_deg, lon_deg = coordinate(_in_degrees(lat), "latitude"), coordinate(_in_degrees(lon), "longitude")
    grid = LatLonGrid(lat_deg, lon_deg)
    notes = [
        f"latitude from {str(lat.name)!r}, {grid.lat.size} rows, "
        + ("ascending" if grid.lat[0] < grid.lat[-1] else "descending"),
        f"longitude from {str(lon.name)!r}, {grid.lon.size} columns, {grid.lon[0]:g}° to {grid.lon[-1]:g}°",
    ]
    notes += [f"{c.name} converted from radians to degrees" for c in (lat, lon) if _is_radian(c)]
    if not np.array_equal(grid.lon, lon_deg) and np.any(np.diff(lon_deg) < 0.0):
        notes.append("longitudes unwrapped over the date line")
    for name, values, kept in (("latitude", lat_deg, grid.lat), ("longitude", lon_deg, grid.lon)):
        moved = float(np.abs(np.remainder(kept - values + 180.0, 360.0) - 180.0).max())
        if moved > _NOTED_DEG:
            notes.append(f"nearly regular {name}s put on exactly regular ones (moved by at most {moved:.1e}°)")
    return grid, notes


def _latitude_edges(lat: Floats) -> Floats:
    middles = (lat[1:] + lat[:-1]) / 2.0
    return np.concatenate(([_outer_edge(lat[0], lat[1])], middles, [_outer_edge(lat[-1], lat[-2])]))


def _outer_edge(row: float, neighbour: float) -> float:
    """The far edge of the first or last row: half a spacing out, on the pole if that comes close to it."""
    edge = row + (row - neighbour) / 2.0
    pole = math.copysign(90.0, row - neighbour)
    reaches = abs(edge) >= 90.0 or abs(pole - edge) < _POLE_REACH * abs(row - neighbour)
    return pole if reaches else edge


def _read_only(values: Floats) -> Floats:
    values = np.array(values, dtype=np.float64)
    values.setflags(write=False)
    return values


def _rows_of(step_deg: float) -> int:
    """The number of rows of ``step_deg`` between the poles, or a refusal."""
    rows = 180.0 / step_deg if step_deg > 0.0 else 0.0
    if rows < 1.0 or abs(rows - round(rows)) > 1e-6 * rows:
        raise GridError(
            f"a step of {step_deg:g}° does not divide 180°", "step_deg", "choose a step such as 0.25, 0.5, 1, 2 or 5"
        )
    return round(rows)


# --- reading a dataset ----------------------------------------------------------------------------------------------

_NAMES = {"latitude": ("lat", "latitude", "nav_lat", "y"), "longitude": ("lon", "long", "longitude", "nav_lon", "x")}
_UNITS = {
    "latitude": ("degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"),
    "longitude": ("degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"),
}


def find_coordinate(ds: xr.Dataset | xr.DataArray, kind: str) -> xr.DataArray:
    """The variable of ``ds`` that is its latitude or longitude; the most explicit mark decides."""
    candidates = dict(coords_of(ds))
    if isinstance(ds, xr.Dataset):
        candidates |= {str(name): v for name, v in ds.data_vars.items() if str(name).lower() in _NAMES[kind]}
    marks: tuple[Callable[[str, xr.DataArray], bool], ...] = (
        lambda _, v: v.attrs.get("standard_name") == kind,
        lambda _, v: str(v.attrs.get("units", "")).lower() in _UNITS[kind],
        lambda name, v: name.lower() in _NAMES[kind] and _may_be_angle(v),
    )
    for is_marked in marks:
        matches = [variable for name, variable in candidates.items() if is_marked(name, variable)]
        # cell bounds and auxiliary coordinates carry the same marks as the axis itself
        matches = [variable for variable in matches if variable.dims == (variable.name,)] or matches
        if len(matches) > 1:
            raise GridError(
                f"there are {len(matches)} candidates for the {kind}",
                ", ".join(str(v.name) for v in matches),
                "drop all but one of them",
            )
        if matches:
            return matches[0]
    raise GridError(
        f"no {kind} was found",
        f"coordinates: {', '.join(candidates) or 'none'}",
        f"name it {_NAMES[kind][0]!r} or give it the units {_UNITS[kind][0]!r}",
    )


def _may_be_angle(variable: xr.DataArray) -> bool:
    units = str(variable.attrs.get("units", "")).lower()
    return not units or units.startswith("deg") or _is_radian(variable)


def _is_radian(variable: xr.DataArray) -> bool:
    return str(variable.attrs.get("units", "")).lower() in ("radian", "radians", "rad")


def _in_degrees(variable: xr.DataArray) -> NDArray[Any]:
    return np.rad2deg(variable.values) if _is_radian(variable) else variable.values
