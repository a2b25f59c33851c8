"""Land and sea of a source: from a mask in its files, else from cells never valid, else from the coastlines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.land import draw_rows
from engine.data.sst._field import Field, Part
from engine.data.sst._meaning import place
from engine.data.sst._packing import Packing
from engine.data.sst._paths import Location
from engine.data.sst._sample import Sample
from engine.data.sst._times import Periods
from engine.errors import EngineError
from engine.sphere import LatLonGrid

Mask = NDArray[np.bool_]

MAX_UNSEEN_SEA = 0.15
"""Where more of the sea than this share of its area is never valid, gaps and ice hide it: coastlines are better."""

_LAND_NAMES = ("lsm", "land_sea_mask", "land_mask", "landmask", "land_binary_mask", "mask", "lsmask", "sftof", "sftlf")
_LAND_STANDARD = ("land_binary_mask", "land_area_fraction")
_SEA_STANDARD = ("sea_binary_mask", "sea_area_fraction")


class Land(NamedTuple):
    """(H, W) True = land, and a sentence that says where it comes from."""

    mask: Mask
    note: str


def own_mask(files: Iterable[tuple[Location, xr.Dataset]], grid: LatLonGrid) -> Land | None:
    """The land mask that one of the files holds on the grid, or None.

    A mask whose values run the other way (1 = sea) is noticed by the coastlines and turned.
    """
    for location, dataset in files:
        for name in (str(n) for n, v in dataset.variables.items() if v.ndim >= 2 and _is_mask(str(n), v)):
            try:
                found = _read_mask(location, dataset, name, grid)
            except EngineError:
                continue  # a mask on another grid is none of ours
            if found is not None:
                return found
    return None


def guessed_mask(sample: Sample, grid: LatLonGrid) -> Land:
    """Land as the cells never valid in a sample, unless that leaves much of the sea unseen: then the coastlines."""
    coast = draw_rows(grid.lat, grid.lon, "50m")
    if sample.ever is None:
        return Land(coast, f"land: from Natural Earth's coastlines; looked at {sample.looked}")
    area = np.broadcast_to(grid.cell_area_m2[:, None], grid.shape)
    sea = float(area[~coast].sum())
    unseen = float(area[~coast & ~sample.ever].sum()) / sea if sea else 0.0
    if unseen <= MAX_UNSEEN_SEA:
        return Land(~sample.ever, f"land: the cells never valid in {sample.looked}")
    note = f"land: from Natural Earth's coastlines, because {unseen:.0%} of the sea is never valid in {sample.looked}"
    return Land(coast & ~sample.ever, note)


def _is_mask(name: str, variable: xr.Variable) -> bool:
    if name == "l2p_flags":  # a swath's flags know the land where it was flown over, no farther
        return False
    standard = variable.attrs.get("standard_name")
    meanings = str(variable.attrs.get("flag_meanings", ""))
    return name.lower() in _LAND_NAMES or standard in (*_LAND_STANDARD, *_SEA_STANDARD) or "land" in meanings


def _read_mask(location: Location, dataset: xr.Dataset, name: str, grid: LatLonGrid) -> Land | None:
    variable = dataset[name]
    found = place(dataset, name, str(location))
    if found.grid != grid:
        return None
    packing = Packing.of(variable.attrs, variable.dtype, str(location))
    part = Part(location, packing, found.lead(variable), variable.encoding["chunksizes"])
    first = Periods(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([0, 1]), None, "standard", ())
    values = Field(name, (part,), found.layout, first)[0, :, :]
    land = _land_of(values, variable.attrs)
    coast = draw_rows(grid.lat, grid.lon, "50m")
    area = np.broadcast_to(grid.cell_area_m2[:, None], grid.shape)
    turned = float(area[land == coast].sum()) < 0.5 * float(area.sum())
    note = f"land: the file's own mask {name!r}" + (", whose 1 means sea" if turned else "")
    return Land(~land if turned else land, note)


def _land_of(values: NDArray[np.float32], attrs: dict[str, Any]) -> Mask:
    """Land by flags (lakes count as land), else by a share above one half; a missing value is land."""
    meanings = str(attrs.get("flag_meanings", "")).lower()
    if "land" in meanings:
        words = [w.strip() for w in (meanings.split(",") if "," in meanings else meanings.split())]
        dry = [("land" in w or "lake" in w or "river" in w) and "sea_land" not in w for w in words]
        flags = np.ravel(attrs.get("flag_values", attrs.get("flag_masks", []))).astype(np.int64)
        if flags.size == len(words):
            chosen = flags[dry]
            whole = np.nan_to_num(values, nan=0.0).astype(np.int64)
            if "flag_values" in attrs:
                return np.isin(whole, chosen)
            return (whole & int(np.bitwise_or.reduce(chosen))) != 0
    share = values / 100.0 if np.nanmax(values, initial=0.0) > 1.0 else values
    return ~(share < 0.5)
