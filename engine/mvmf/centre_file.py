"""Centres from a file of latitudes and longitudes; exchanged columns and radians are detected and noted."""

from __future__ import annotations

import csv
import math
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from engine.errors import DataError
from engine.formats.limits import check_file
from engine.formats.npz import read_npy
from engine.mvmf.clusters import MOST_CENTRES
from engine.sphere import unit_vectors
from engine.typed import Floats

_LAT_NAMES = ("lat", "latitude", "lat_deg", "lat_rad", "latitude_deg", "y")
_LON_NAMES = ("lon", "lng", "long", "longitude", "lon_deg", "lon_rad", "longitude_deg", "x")
_MOST_BYTES = 64 * 2**20
_KINDS = "give a CSV of numbers or a .npy array (K, 2)"
_NEAR_ORIGIN = 0.1  # radians: 6°, so near to 0° N 0° E that these are no likelier than degrees


class CentreFile(NamedTuple):
    """Unit vectors (K, 3) float64, and notes on interpretation and repairs, one sentence each."""

    centres: Tensor
    notes: tuple[str, ...]


def read_centres(path: str | PathLike[str]) -> CentreFile:
    """Centres from a CSV or text file (a header may name the columns; else latitude, longitude) or an ``.npy`` (K, 2).

    Interpretation and errors as in :func:`centres_of_bytes`; unreadable files raise :class:`DataError` too.
    """
    path = Path(path)
    try:
        size = check_file(path).st_size
        content = path.read_bytes() if size <= _MOST_BYTES else b""
    except DataError as error:
        raise _refused(path.name, error.problem, _KINDS) from error
    except OSError as error:
        raise _refused(path.name, f"it cannot be read: {error}", _KINDS) from error
    if size > _MOST_BYTES:
        raise _refused(path.name, "it is larger than 64 MB", "give a file of latitudes and longitudes only")
    return centres_of_bytes(content, path.name)


def centres_of_bytes(content: bytes, name: str, most: int = MOST_CENTRES) -> CentreFile:
    """Centres from the content of a file, ``most`` of them at most; ``name`` identifies an ``.npy`` and is used in
    messages.

    Degrees are expected. The columns are exchanged if the first exceeds ±90 and the second does not. Numbers within the
    range of radians would, in degrees, all be in the Gulf of Guinea: without a column name in degrees they are read as
    radians, exchanged if the first exceeds ±π/2; a single point, whole and half numbers, and numbers close to 0, 0 stay
    degrees. Notes report all of this, and duplicate points.

    Raises :class:`DataError` for unreadable content, no or too many points, and numbers that are no latitude and
    longitude.
    """
    pairs, says_degrees, notes = _pairs(content, name)
    if not 0 < len(pairs) <= most:
        raise _refused(name, f"it holds {len(pairs)} points", f"give 1 to {most:,} of them")
    bad = np.flatnonzero(~np.isfinite(pairs).all(1))
    if bad.size:
        raise _refused(name, f"point {bad[0] + 1} is not a number", "leave missing points out")
    if not says_degrees:
        pairs, note = _out_of_radians(pairs)
        notes += note
    largest = np.abs(pairs).max(0)
    if largest[0] > 90.0 >= largest[1]:
        pairs = pairs[:, ::-1]
        notes.append(
            "the first column goes beyond ±90, so it was taken as the longitude and the second as the latitude"
        )
    lat, lon = pairs[:, 0], pairs[:, 1]
    _check_degrees(lat, lon, name)
    centres = unit_vectors(lat, lon)
    num_duplicates = len(pairs) - len(np.unique(np.round(centres.numpy(), 9), axis=0))
    if num_duplicates:
        notes.append(f"{num_duplicates} of {len(pairs)} points are duplicates")
    return CentreFile(centres, tuple(notes))


def _out_of_radians(pairs: Floats) -> tuple[Floats, list[str]]:
    """The pairs, converted to degrees if they are in radians, and notes."""
    first, second = pairs[:, 0], pairs[:, 1]
    straight, swapped = _fit_radians(first, second, 2.0 * math.pi), _fit_radians(second, first, 2.0 * math.pi)
    if not (straight or swapped) or not pairs.any():
        return pairs, []
    # read as degrees, a longitude beyond π as latitude can still be on land: Accra is at 5.6° N, 0.2° W
    is_likely = straight or _fit_radians(second, first, math.pi)
    is_likely &= len(np.unique(pairs, axis=0)) > 1 and bool((pairs % 0.5).any())
    if is_likely and np.abs(pairs).max() > _NEAR_ORIGIN:
        return np.rad2deg(pairs), [
            "read as radians: in degrees all would lie within 7° of 0° N 0° E, in the sea of the Gulf of Guinea; if"
            " that is where they are, let the first line be lat_deg,lon_deg"
        ]
    return pairs, [
        "read as degrees, near 0° N 0° E, but they may be radians: if they are, let the first line be lat_rad,lon_rad"
    ]


def _fit_radians(lat: Floats, lon: Floats, most: float) -> bool:
    """Whether latitudes lie within ±π/2 and longitudes from −π to ``most``."""
    return bool(np.abs(lat).max() <= math.pi / 2.0 and lon.min() >= -math.pi and lon.max() <= most)


def _check_degrees(lat: Floats, lon: Floats, name: str) -> None:
    wrong_lat, wrong_lon = np.abs(lat) > 90.0, np.abs(lon) > 360.0
    if wrong_lat.any():
        at, beside = int(wrong_lat.argmax()), int((np.abs(lon) > 90.0).argmax())
        message = f"the first is {lat[at]:g} at point {at + 1}, the second {lon[beside]:g} at point {beside + 1}"
        raise _refused(name, f"neither column can be the latitude: {message}", "give latitudes from −90 to 90 degrees")
    if wrong_lon.any():
        at = int(wrong_lon.argmax())
        message = f"the longitude of point {at + 1} is {lon[at]:g}"
        raise _refused(name, message, "give longitudes from −180 to 180 or from 0 to 360 degrees")


def _pairs(content: bytes, name: str) -> tuple[Floats, bool, list[str]]:
    """Numbers (K, 2), latitude first if the file has column names; whether they say degrees; notes."""
    try:
        if name.lower().endswith(".npy"):
            return _array(name, content), False, ["columns read as latitude, longitude"]
        return _table(name, content.decode("utf-8-sig"))
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise _refused(name, f"it cannot be read: {error}", _KINDS) from error


def _array(name: str, content: bytes) -> Floats:
    try:
        array = read_npy(content, name)
    except DataError as error:
        raise _refused(name, error.problem, _KINDS) from error
    if array.ndim != 2 or array.shape[1] != 2:
        raise _refused(name, f"it holds an array of shape {array.shape}", "save it as (K, 2)")
    return np.asarray(array, dtype=np.float64)


def _table(name: str, text: str) -> tuple[Floats, bool, list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return np.empty((0, 2)), False, []
    separator = next((mark for mark in (";", "\t", ",") if mark in lines[0]), None)
    # pandas.read_csv refuses lines with further columns
    rows = list(csv.reader(lines, delimiter=separator)) if separator else [line.split() for line in lines]
    names = [cell.strip().lower() for cell in rows[0]]
    if _is_number(names[0]):
        return _columns(name, rows, 0, 1), False, ["no column names: read as latitude, longitude"]
    columns = [next((names.index(name) for name in known if name in names), None) for known in (_LAT_NAMES, _LON_NAMES)]
    if columns[0] is None or columns[1] is None:
        raise _refused(name, f"no latitude and longitude among its columns {', '.join(names)}", "name them lat and lon")
    chosen = names[columns[0]], names[columns[1]]
    numbers = _columns(name, rows[1:], columns[0], columns[1])
    if all(name.endswith("_rad") for name in chosen):
        return np.rad2deg(numbers), True, ["columns in radians converted to degrees"]
    return numbers, all(name.endswith("_deg") for name in chosen), [f"columns {chosen[0]!r} and {chosen[1]!r}"]


def _columns(name: str, rows: list[list[str]], first: int, second: int) -> Floats:
    try:
        return np.array([(float(row[first]), float(row[second])) for row in rows], dtype=np.float64).reshape(-1, 2)
    except (ValueError, IndexError) as error:
        raise _refused(name, f"a line is not two numbers: {error}", "give a number in every line") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refused(name: str, problem: str, remedy: str) -> DataError:
    return DataError(f"this gives no centres: {problem}", name, remedy)
