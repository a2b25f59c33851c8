"""Centres from a file of latitudes and longitudes, with the usual mix-ups noticed and said."""

from __future__ import annotations

import csv
import math
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import DataError
from engine.mvmf.centres import MOST_CENTRES
from engine.sphere import unit_vectors

Floats = NDArray[np.float64]

_LAT_NAMES = ("lat", "latitude", "lat_deg", "lat_rad", "latitude_deg", "y")
_LON_NAMES = ("lon", "lng", "long", "longitude", "lon_deg", "lon_rad", "longitude_deg", "x")
_MOST_BYTES = 64 * 2**20


class CentreFile(NamedTuple):
    """Unit vectors (K, 3) float64, and what was understood and repaired: one sentence each."""

    centres: Tensor
    notes: tuple[str, ...]


def read_centres(path: str | PathLike[str]) -> CentreFile:
    """Centres from a CSV or text file (a header may name the columns; else latitude, longitude) or an ``.npy`` (K, 2).

    Degrees are expected. Columns whose first goes beyond ±90 while the second does not are exchanged. Where no column
    name says degrees and everything lies within ±π/2 and ±π (or 2π) yet spreads over more than a radian both ways, the
    numbers are taken as radians. Both are said in a note, as are points that come twice.

    Raises :class:`DataError` for a file that cannot be read, holds no points or too many, or numbers that are no
    latitude and longitude.
    """
    path = Path(path)
    pairs, says_degrees, notes = _pairs(path)
    if not 0 < len(pairs) <= MOST_CENTRES:
        raise _refused(path, f"it holds {len(pairs)} points", f"give 1 to {MOST_CENTRES} of them")
    bad = np.flatnonzero(~np.isfinite(pairs).all(1))
    if bad.size:
        raise _refused(path, f"point {bad[0] + 1} is not a number", "leave missing points out")
    largest = np.abs(pairs).max(0)
    if largest[0] > 90.0 >= largest[1]:
        pairs = pairs[:, ::-1]
        notes.append(
            "the first column goes beyond ±90, so it was taken as the longitude and the second as the latitude"
        )
    lat, lon = pairs[:, 0], pairs[:, 1]
    if np.abs(lat).max() > 90.0 or np.abs(lon).max() > 360.0:
        raise _refused(path, "neither column can be the latitude", "give latitude −90..90 and longitude in degrees")
    if not says_degrees and _look_like_radians(lat, lon):
        lat, lon = np.rad2deg(lat), np.rad2deg(lon)
        notes.append("all values lie within ±π/2 and 2π: read as radians (name the columns lat_deg, lon_deg if not)")
    centres = unit_vectors(lat, lon)
    twice = len(pairs) - len(np.unique(np.round(centres.numpy(), 9), axis=0))
    if twice:
        notes.append(f"{twice} of {len(pairs)} points stand on another one")
    return CentreFile(centres, tuple(notes))


def _look_like_radians(lat: Floats, lon: Floats) -> bool:
    fits = np.abs(lat).max() <= math.pi / 2.0 and lon.min() >= -math.pi and lon.max() <= 2.0 * math.pi
    return bool(fits and np.ptp(lat) > 1.0 and np.ptp(lon) > 1.0)


def _pairs(path: Path) -> tuple[Floats, bool, list[str]]:
    """Numbers (K, 2), latitude first if the file says which is which; whether it says degrees; notes."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _refused(path, "it is larger than 64 MB", "give a file of latitudes and longitudes only")
        if path.suffix.lower() == ".npy":
            array = np.load(path, allow_pickle=False)
            if array.ndim != 2 or array.shape[1] != 2:
                raise _refused(path, f"it holds an array of shape {array.shape}", "save it as (K, 2)")
            return np.asarray(array, dtype=np.float64), False, ["columns read as latitude, longitude"]
        return _table(path, path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _refused(path, f"it cannot be read: {error}", "give a CSV of numbers or a .npy array (K, 2)") from error


def _table(path: Path, text: str) -> tuple[Floats, bool, list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return np.empty((0, 2)), False, []
    separator = next((mark for mark in (";", "\t", ",") if mark in lines[0]), None)
    rows = list(csv.reader(lines, delimiter=separator)) if separator else [line.split() for line in lines]
    names = [cell.strip().lower() for cell in rows[0]]
    if _is_number(names[0]):
        return _columns(path, rows, 0, 1), False, ["no column names: read as latitude, longitude"]
    found = [next((names.index(name) for name in known if name in names), None) for known in (_LAT_NAMES, _LON_NAMES)]
    if found[0] is None or found[1] is None:
        raise _refused(path, f"no latitude and longitude among its columns {', '.join(names)}", "name them lat and lon")
    chosen = names[found[0]], names[found[1]]
    numbers = _columns(path, rows[1:], found[0], found[1])
    if all(name.endswith("_rad") for name in chosen):
        return np.rad2deg(numbers), True, ["columns in radians converted to degrees"]
    return numbers, all(name.endswith("_deg") for name in chosen), [f"columns {chosen[0]!r} and {chosen[1]!r}"]


def _columns(path: Path, rows: list[list[str]], first: int, second: int) -> Floats:
    try:
        return np.array([(float(row[first]), float(row[second])) for row in rows], dtype=np.float64).reshape(-1, 2)
    except (ValueError, IndexError) as error:
        raise _refused(path, f"a line is not two numbers: {error}", "give a number in every line") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refused(path: Path, what: str, remedy: str) -> DataError:
    return DataError(f"{path.name} gives no centres: {what}", "file of centres", remedy)
