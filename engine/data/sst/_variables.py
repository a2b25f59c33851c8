"""Interpretation of variables: which one is meant, on which grid, along which times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cf_xarray  # noqa: F401  # pyright: ignore[reportUnusedImport]  (gives .cf to xarray objects)
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.kinds import KINDS, kind_of
from engine.data.regrid import regrid_text
from engine.data.source import Regrid
from engine.data.sst._field import Layout, Native
from engine.data.sst._paths import Location
from engine.data.sst._time_units import is_time_unit
from engine.errors import DataError, GridError
from engine.formats.limits import check_field, check_steps
from engine.sphere import LatLonGrid
from engine.sphere.grid import grid_from_dataset

_SAME_DEG, _SAME_STEP_SHARE = 2e-5, 0.1  # how far coordinates of one grid may differ
_VERSIONS = "expver"  # ERA5: final and preliminary months in one file
_REGRID = "regrid it first: cdo remapbil,r360x180 FILE out.nc, or xESMF"


@dataclass(frozen=True)
class Curvilinear:
    """A grid of two-dimensional coordinates along ``dims``, or a swath, that is regridded to ``grid``.

    ``native`` gives the native grid of a file.
    """

    dims: tuple[str, str]
    grid: LatLonGrid
    native: Callable[[Location, xr.Dataset], Native]
    note: str


@dataclass(frozen=True)
class VariableGrid:
    """Dimensions, layout and grid of a variable; ``time`` is the name of its time coordinate, or None.

    ``versions`` of the same steps are merged; ``layout`` reads the first of them.
    """

    dims: tuple[str, ...]
    time: str | None
    layout: Layout
    grid: LatLonGrid
    notes: tuple[str, ...]
    versions: int = 1
    curvilinear: Curvilinear | None = None

    def lead(self, field: xr.DataArray) -> tuple[int, ...]:
        """The sizes of the dimensions of ``field`` that count steps."""
        return tuple(size for axis, size in enumerate(field.shape) if self.layout.is_lead(axis))


def candidates(dataset: xr.Dataset, kind_key: str | None = None) -> list[str]:
    """The variables of the first kind that the file has, ``kind_key`` before the others: by CF standard name, else by
    common names.
    """
    fields = {str(name): v for name, v in dataset.data_vars.items() if v.ndim >= 2}
    for kind in sorted(KINDS.values(), key=lambda kind: kind.key != kind_key):
        by_standard_name = [n for n, v in fields.items() if v.attrs.get("standard_name") in kind.standard_names]
        if matches := by_standard_name or [n for n in fields if n.lower() in (*kind.names, kind.key)]:
            return matches
    return []


def choose(dataset: xr.Dataset, variable: str | None, where: str, kind_key: str | None = None) -> list[str]:
    """The name of the variable, or several names with separate time axes (days and months in one file).

    Raises :class:`DataError` with a list of the variables where none or several match.
    """
    if variable is not None:
        if variable in dataset.data_vars:
            return [variable]
        raise DataError(f"there is no variable {variable!r}", where, f"choose one of: {_listed(dataset)}")
    matches = candidates(dataset, kind_key)
    if len({dataset[name].dims[0] for name in matches}) == len(matches) > 1:
        return matches
    by_name = [name for name in matches if name.lower() in kind_of(name, dataset[name].attrs).names]
    if len(matches) == 1 or len(by_name) == 1:
        return matches if len(matches) == 1 else by_name
    if matches:
        title = kind_of(matches[0], dataset[matches[0]].attrs).title
        raise DataError(
            f"{len(matches)} variables could be the {title[0].lower()}{title[1:]}", where,
            f"choose one as variable: {', '.join(matches)}", {"variable": tuple(matches)},
        )  # fmt: skip
    raise DataError(
        "no variable looks like a sea-surface temperature",
        where,
        f"choose one as variable: {_listed(dataset)}",
        {"variable": tuple(str(name) for name, v in dataset.data_vars.items() if v.ndim >= 2)[:6]},
    )


def variable_grid(
    dataset: xr.Dataset,
    variable: str,
    where: str,
    steps: tuple[str, ...] = (),
    curvilinear: Curvilinear | None = None,
) -> VariableGrid:
    """Grid, times and order of dimensions of ``variable``; the dimensions ``steps`` are times.

    Raises :class:`DataError` or :class:`GridError` for curvilinear and unstructured grids and for further dimensions of
    size > 1.
    """
    field = dataset[variable]
    if curvilinear is None:
        lat, lon = _axes(dataset, field, where)
        lat_dim, lon_dim = str(dataset[lat].dims[0]), str(dataset[lon].dims[0])
    else:
        lat = lon = ""
        lat_dim, lon_dim = curvilinear.dims
    for dim in (lat_dim, lon_dim):
        check_steps(field.sizes[dim], dim, where)
    check_steps(field.size // max(1, field.sizes[lat_dim] * field.sizes[lon_dim]), variable, where)
    check_field(variable, field.dtype, field.sizes[lat_dim] * field.sizes[lon_dim], None, where)
    dims = tuple(str(dim) for dim in field.dims)
    time = _time_of(dataset, field)
    time_dim = str(dataset[time].dims[0]) if time and dataset[time].ndim else None
    notes: list[str] = []
    versions = 1
    for dim in dims:
        if dim in (lat_dim, lon_dim, time_dim, *steps) or (time_dim is None and dim.lower() in ("time", "t")):
            continue
        if dim == _VERSIONS and field.sizes[dim] > 1:
            versions = field.sizes[dim]
            notes.append(f"the {versions} versions along {dim!r} are merged: the first that has a value counts")
            continue
        if field.sizes[dim] > 1:
            raise _further_dimension(dataset, variable, dim, field.sizes[dim], where)
        notes.append(f"the single {dim!r} was dropped")
    fixed = ((dims.index(_VERSIONS), 0),) if versions > 1 else ()
    if curvilinear is not None:
        layout = Layout(dims.index(lat_dim), dims.index(lon_dim), curvilinear.grid.shape, False, 0, fixed)
        notes.append(curvilinear.note)
        return VariableGrid(dims, time, layout, curvilinear.grid, tuple(notes), versions, curvilinear)
    try:
        raw_grid, grid_notes = grid_from_dataset(dataset[[lat, lon]])
    except GridError as error:
        raise GridError(error.problem, f"{where}: {error.where}", error.remedy) from error
    grid, flip, roll, turned = _turned(raw_grid)
    layout = Layout(dims.index(lat_dim), dims.index(lon_dim), grid.shape, flip, roll, fixed)
    return VariableGrid(dims, time, layout, grid, (*notes, *grid_notes, *turned), versions)


def named(field: xr.DataArray) -> str:
    """Name and long name of a variable."""
    long_name = field.attrs.get("long_name") or field.attrs.get("standard_name")
    return f"variable {str(field.name)!r}" + (f", {long_name}" if long_name else "")


def grid_words(grid: VariableGrid, regrid: Regrid | None) -> str:
    """The grid in a few words, and how it was made."""
    rows, columns = grid.grid.shape
    cells = f"{rows:,} × {columns:,} cells"
    if grid.curvilinear is not None:
        return f"{cells}, {grid.curvilinear.note}"
    return cells if regrid is None else f"{cells}, regridded to {regrid_text(regrid)}"


def same_grid(
    dataset: xr.Dataset, first: xr.Dataset, variable: str, where: str, apart: tuple[str, ...] = (), moves: bool = False
) -> None:
    """Raise where dimensions or coordinates (except ``apart``) of a further file differ from the first's; those of a
    swath move.
    """
    if variable not in dataset.data_vars:
        raise DataError(f"the variable {variable!r} is missing in this file", where, "remove the file")
    ours, theirs = dataset[variable], first[variable]
    if ours.dims != theirs.dims:
        raise DataError("dimensions differ from the first file's", where, "open these files one by one")
    if moves:
        return
    for name in (str(c) for c in first.coords if first[c].ndim == 1 and first[c].dims[0] in theirs.dims):
        if name in apart or _is_time(first[name]):
            continue
        if name not in dataset.coords or not _nearly_equal(dataset[name].values, first[name].values):
            raise DataError(f"{name!r} differs from the first file's", where, "open files of one grid together")


def _nearly_equal(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Whether coordinates are equal but for rounding: float32, or decimals cut off in one of the files."""
    if ours.shape != theirs.shape or ours.dtype.kind not in "iuf" or theirs.dtype.kind not in "iuf":
        return np.array_equal(ours, theirs)
    step = float(np.abs(np.diff(theirs.astype(np.float64))).min()) if theirs.size > 1 else 0.0
    return np.allclose(ours, theirs, rtol=0.0, atol=max(_SAME_DEG, _SAME_STEP_SHARE * step), equal_nan=True)


def time_like(dataset: xr.Dataset) -> Iterable[str]:
    """The time coordinates by CF, the most explicit first."""
    cf: Any = dataset.cf
    named = [*cf.coordinates.get("time", []), *cf.axes.get("T", [])]
    return dict.fromkeys([*map(str, named), *(str(n) for n in dataset.coords if _is_time(dataset[n]))])


def _is_time(variable: xr.DataArray) -> bool:
    return is_time_unit(variable.attrs.get("units", ""))


def _time_of(dataset: xr.Dataset, field: xr.DataArray) -> str | None:
    names = [
        n for n in time_like(dataset) if n in dataset.coords and _is_time(dataset[n]) and dataset[n].dtype.kind in "iuf"
    ]
    along = [n for n in names if dataset[n].ndim == 1 and dataset[n].dims[0] in field.dims]
    scalar = [n for n in names if dataset[n].ndim == 0]
    return next(iter(sorted(along, key=lambda n: n not in field.dims) or scalar), None)


def _axes(dataset: xr.Dataset, field: xr.DataArray, where: str) -> tuple[str, str]:
    """The names of the 1-D latitude and longitude along the last dimensions of a field."""
    matches: list[str] = []
    cf: Any = dataset.cf
    for kind, short in (("latitude", "lat"), ("longitude", "lon")):
        marked = [str(n) for n in cf.coordinates.get(kind, [])]
        by_name = [str(n) for n in dataset.variables if str(n).lower() in (kind, short, f"nav_{short}")]
        names = marked or by_name
        axes = [n for n in names if dataset[n].ndim == 1 and dataset[n].dims[0] in field.dims]
        wide = [n for n in names if dataset[n].ndim == 2]
        if len(axes) == 1:
            matches.append(axes[0])
        elif wide:
            raise GridError(f"the grid is curvilinear: {wide[0]!r} is two-dimensional", where, _REGRID)
        elif axes:
            raise GridError(
                f"there are {len(axes)} candidates for the {kind}", f"{where}: {', '.join(axes)}", "drop one"
            )
        else:
            raise GridError(
                f"{field.name!r} has no {kind} among its dimensions", f"{where}: {', '.join(map(str, field.dims))}",
                f"give the coordinate the standard_name {kind!r}, or choose another variable",
            )  # fmt: skip
    dims = [dataset[name].dims[0] for name in matches]
    if dims[0] == dims[1]:
        raise GridError(f"the grid is unstructured: both coordinates lie along {dims[0]!r}", where, _REGRID)
    return matches[0], matches[1]


def _turned(raw: LatLonGrid) -> tuple[LatLonGrid, bool, int, list[str]]:
    """The grid with ascending latitude and longitude from −180, whether rows are flipped, the roll of columns."""
    notes: list[str] = []
    flip = bool(raw.lat[0] > raw.lat[-1])
    if flip:
        notes.append("latitude flipped to ascend")
    wrapped = raw.lon - 360.0 * np.floor((raw.lon + 180.0) / 360.0)
    roll = int(np.argmin(wrapped)) if raw.is_periodic else 0
    if roll:
        notes.append(f"longitude rolled from {raw.lon[0]:g}°…{raw.lon[-1]:g}° to −180…180°")
    turned = np.roll(wrapped, -roll) if raw.is_periodic else raw.lon + (wrapped[0] - raw.lon[0])
    if not raw.is_periodic and turned[-1] > 180.0:
        notes.append("the region crosses the date line, so its longitudes go on beyond 180°")
    return LatLonGrid(raw.lat[::-1] if flip else raw.lat, turned), flip, roll, notes


def _further_dimension(dataset: xr.Dataset, variable: str, dim: str, size: int, where: str) -> DataError:
    cf: Any = dataset.cf
    vertical = dim in cf.axes.get("Z", []) or dim.lower() in ("depth", "lev", "level", "zlev", "deptht", "z")
    if vertical:
        return DataError(
            f"{variable!r} is a three-dimensional ocean: {size} levels of {dim!r}", where,
            "take the surface first: cdo sellevidx,1 FILE out.nc",
        )  # fmt: skip
    return DataError(
        f"{variable!r} has {size} of the dimension {dim!r}", where, f"choose one first: ncks -d {dim},0 FILE out.nc"
    )


def _listed(dataset: xr.Dataset) -> str:
    fields = [f"{name} ({', '.join(map(str, v.dims))})" for name, v in dataset.data_vars.items() if v.ndim >= 2]
    return ", ".join(fields) or "none: the file holds no field"
