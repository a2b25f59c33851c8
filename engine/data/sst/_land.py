"""Land and sea of a source: a mask in its files, else cells that are never valid, else the coastlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from engine.data.kinds import VariableKind
from engine.data.land import draw_rows
from engine.data.sst._field import Field, FileSegment
from engine.data.sst._packing import Packing
from engine.data.sst._paths import Location
from engine.data.sst._sample import Sample
from engine.data.sst._times import Periods
from engine.data.sst._variables import variable_grid
from engine.errors import DataError, EngineError
from engine.formats.limits import check_field
from engine.sphere import LatLonGrid
from engine.typed import Mask, Singles

MAX_UNSEEN_SEA = 0.15
"""Largest fraction of the sea area that may never be valid; above it gaps and ice hide the sea, and the coastlines are
used.
"""

_LAND_NAMES = ("lsm", "land_sea_mask", "land_mask", "landmask", "land_binary_mask", "mask", "lsmask", "sftof", "sftlf")
_LAND_STANDARD = ("land_binary_mask", "land_area_fraction")
_SEA_STANDARD = ("sea_binary_mask", "sea_area_fraction")


class Land(NamedTuple):
    """(H, W) True = land, and a note on its origin."""

    mask: Mask
    note: str


def own_mask(files: Iterable[tuple[Location, xr.Dataset]], grid: LatLonGrid) -> Land | None:
    """The land mask in one of the files on the grid, or None.

    A mask with 1 = sea is detected by comparison with the coastlines and inverted. One that only its name, ``mask``,
    makes a mask is none where it changes with time: clouds, ice or quality of each day.
    """
    files = list(files)
    for location, dataset in files:
        for name in (str(n) for n, v in dataset.variables.items() if v.ndim >= 2 and is_mask(str(n), v)):
            try:
                mask = _read_mask(location, dataset, name, grid)
                if mask is None or (not _states_land(name, dataset[name]) and _changes(files, name, mask, grid)):
                    continue
            except EngineError:
                continue  # a mask on another grid
            return mask
    return None


def _changes(files: Sequence[tuple[Location, xr.Dataset]], name: str, first: Land, grid: LatLonGrid) -> bool:
    """Whether the mask of the last step differs from the ``first``."""
    location, dataset = next((file for file in reversed(files) if name in file[1].variables), files[0])
    last = _read_mask(location, dataset, name, grid, step=-1)
    return last is None or not np.array_equal(last.mask, first.mask)


def _states_land(name: str, variable: xr.DataArray) -> bool:
    text = " ".join(str(variable.attrs.get(a, "")) for a in ("standard_name", "long_name", "flag_meanings"))
    return name.lower() != "mask" or "land" in text.lower()


def land_of(
    files: Iterable[tuple[Location, xr.Dataset]],
    grid: LatLonGrid,
    sample: Sample,
    kind: VariableKind,
    chosen: str | None,
) -> Land:
    """The cells without values of a kind: land, or the sea for a field of the land.

    ``chosen`` is the name of a mask, "coastlines", or "never valid"; None is :func:`own_mask`, else
    :func:`guessed_mask`. Raises :class:`DataError` where the chosen mask is not in the files or on their grid.
    """
    if chosen == "never valid":
        never = np.zeros(grid.shape, np.bool_) if sample.ever_valid is None else ~sample.ever_valid
        return Land(never, f"land: the cells never valid in {sample.description}, as chosen")
    if kind.masked == "sea":
        return Land(~draw_rows(grid.lat, grid.lon, "50m"), "left out: the sea, by Natural Earth's coastlines")
    if chosen == "coastlines":
        return Land(draw_rows(grid.lat, grid.lon, "50m"), "land: from Natural Earth's coastlines, as chosen")
    if chosen is None and kind.masked == "neither":
        never = np.zeros(grid.shape, np.bool_) if sample.ever_valid is None else ~sample.ever_valid
        return Land(never, f"left out: the cells never valid in {sample.description}")
    if chosen is None:
        return own_mask(files, grid) or guessed_mask(sample, grid)
    for location, dataset in files:
        if chosen in dataset.variables and (mask := _read_mask(location, dataset, chosen, grid)) is not None:
            return mask
    raise DataError(
        f"no file has a mask {chosen!r} on its grid",
        "mask",
        "choose 'coastlines' or 'never valid'",
        {"mask": ("coastlines", "never valid")},
    )


def guessed_mask(sample: Sample, grid: LatLonGrid) -> Land:
    """Land as the cells that are never valid in a sample, or the coastlines where much of the sea is never valid."""
    coast = draw_rows(grid.lat, grid.lon, "50m")
    if sample.ever_valid is None:
        return Land(coast, f"land: from Natural Earth's coastlines; sampled {sample.description}")
    sea = _area(~coast, grid)
    unseen = _area(~coast & ~sample.ever_valid, grid) / sea if sea else 0.0
    if unseen <= MAX_UNSEEN_SEA:
        return Land(~sample.ever_valid, f"land: the cells never valid in {sample.description}")
    note = (
        f"land: from Natural Earth's coastlines, because {unseen:.0%} of the sea is never valid in {sample.description}"
    )
    return Land(coast & ~sample.ever_valid, note)


def _area(mask: Mask, grid: LatLonGrid) -> float:
    """Area of the marked cells in m²; row by row, because a map of areas takes more memory than the field."""
    return float((mask.sum(axis=1) * grid.cell_area_m2).sum())


def is_mask(name: str, variable: xr.Variable) -> bool:
    """Whether names or flags make a variable a mask of land or sea."""
    if name == "l2p_flags":  # flags of a swath mark land inside the swath only
        return False
    standard = variable.attrs.get("standard_name")
    meanings = str(variable.attrs.get("flag_meanings", ""))
    return name.lower() in _LAND_NAMES or standard in (*_LAND_STANDARD, *_SEA_STANDARD) or "land" in meanings


def _read_mask(location: Location, dataset: xr.Dataset, name: str, grid: LatLonGrid, step: int = 0) -> Land | None:
    """The mask at the first step, or at the last with ``step`` −1; None on another grid."""
    variable = dataset[name]
    mask = variable_grid(dataset, name, str(location))
    if mask.grid != grid:
        return None
    packing = Packing.of(variable.attrs, variable.dtype, str(location))
    check_field(name, variable.dtype, mask.grid.lat.size * mask.grid.lon.size, variable.encoding["chunksizes"], name)
    segment = FileSegment(location, packing, mask.lead(variable), variable.encoding["chunksizes"])
    index = step % max(1, segment.num_steps)
    first_or_last = Periods(np.zeros(1, np.int64), np.array([index]), np.array([0, 1]), None, "standard", ())
    values = Field(name, (segment,), mask.layout, first_or_last)[0, :, :]
    land = _land_of(values, variable.attrs)
    coast = draw_rows(grid.lat, grid.lon, "50m")
    turned = _area(land == coast, grid) < 0.5 * _area(np.ones_like(land), grid)
    note = f"land: the file's own mask {name!r}" + (", whose 1 means sea" if turned else "")
    return Land(~land if turned else land, note)


def _land_of(values: Singles, attrs: dict[str, Any]) -> Mask:
    """Land by flags (lakes are land), else by a fraction above one half; missing values are land."""
    meanings = str(attrs.get("flag_meanings", "")).lower()
    if "land" in meanings:
        meanings_list = [w.strip() for w in (meanings.split(",") if "," in meanings else meanings.split())]
        is_land = [("land" in w or "lake" in w or "river" in w) and "sea_land" not in w for w in meanings_list]
        flags = np.ravel(attrs.get("flag_values", attrs.get("flag_masks", []))).astype(np.int64)
        if flags.size == len(meanings_list):
            chosen = flags[is_land]
            whole = np.nan_to_num(values, nan=0.0).astype(np.int64)
            if "flag_values" in attrs:
                return np.isin(whole, chosen)
            return (whole & int(np.bitwise_or.reduce(chosen))) != 0
    fraction = values / 100.0 if np.nanmax(values, initial=0.0) > 1.0 else values
    return ~(fraction < 0.5)
