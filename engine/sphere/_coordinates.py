"""Checks of latitude and longitude coordinates: finite, monotone, without gaps; nearly regular ones are snapped."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import GridError
from engine.typed import Floats

# A coordinate counts as regular when no value is further than this from equal spacing: float32 rounding (2e-5° near
# 180°) or decimals cut off in the file. Gaussian latitudes deviate by 1.5e-2 of a step and stay as they are.
_SNAP_STEP_SHARE = 2e-3
_SNAP_DEG = 2e-5
_ROUNDED_STEP_SHARE = 0.2  # of a step, by which decimals may be rounded off: 1/12° to two decimals is 0.06
_START_DECIMALS = 4
_EXACT_DEG = 1e-9
_ROUND_COUNT = 86_400  # a multiple of 360, 720, 1440, 4320, 8640
_MOST_DIVISIONS = 64
_SMALLEST_STEP_DEG = 1e-6  # a tenth of a metre: what is finer has no lattice to be put on

_GAP_RATIO = 1.9
_GAP_NEIGHBOURS = 3


def coordinate(values: ArrayLike, name: str) -> Floats:
    """``values`` as float64, one-dimensional, finite, at least two; :class:`GridError` where they are not."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GridError(f"the {name} is not made of numbers", str(error), "give degrees as plain numbers") from error
    if array.ndim != 1:
        raise GridError(
            f"the {name} has {array.ndim} dimensions, not one",
            f"shape {array.shape}",
            "regrid to a latitude–longitude grid",
        )
    if array.size < 2:
        raise GridError(
            f"the grid has {array.size} {name}{'' if array.size == 1 else 's'}",
            f"{name} coordinate",
            "give at least two, so that the cells have edges",
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise GridError(
            f"the {name} is not a number at index {bad[0]}",
            f"{bad.size} of {array.size} values",
            "drop or fill these coordinates",
        )
    return array


def checked_latitude(lat: Floats) -> Floats:
    """``lat`` in its direction, strictly monotone, without gap, within ±90, put on regular values if nearly so."""
    spacing = np.diff(lat)
    wrong = np.flatnonzero(spacing * np.sign(lat[-1] - lat[0]) <= 0.0)
    if wrong.size:
        raise _not_monotone("latitude", lat, int(wrong[0]), "sort the rows and drop repeated ones")
    _refuse_gap("latitude", lat)
    lat = _snapped(lat)
    beyond = np.flatnonzero(np.abs(lat) > 90.0)
    if beyond.size:
        raise GridError(
            f"latitude {lat[beyond[0]]:g}° lies beyond a pole",
            f"index {beyond[0]} of {lat.size}",
            "keep latitudes between -90 and 90; if the two coordinates are swapped, exchange them",
        )
    return lat


def checked_longitude(lon: Floats) -> Floats:
    """``lon`` ascending after at most one jump over the date line, equally spaced, within one turn."""
    falls = np.flatnonzero(np.diff(lon) <= 0.0)
    if falls.size == 1 and lon[falls[0]] != lon[falls[0] + 1]:
        lon = lon + 360.0 * (np.arange(lon.size) > falls[0])
    elif falls.size:
        raise _not_monotone("longitude", lon, int(falls[0]), "sort the columns from west to east")
    if lon[-1] - lon[0] >= 360.0 - _SNAP_DEG:
        raise GridError(
            f"the longitudes span {lon[-1] - lon[0]:g}°, so the first meridian comes again",
            f"{lon[0]:g}° to {lon[-1]:g}°",
            "drop the repeated columns; the grid closes over the date line by itself",
        )
    _refuse_gap("longitude", lon)
    snapped = _snapped(lon)
    spacing = np.diff(snapped)
    if np.ptp(spacing) > 1e-9:
        raise GridError(
            f"the longitudes are unequally spaced, {spacing.min():g}° to {spacing.max():g}°",
            f"{lon[0]:g}° to {lon[-1]:g}°",
            "interpolate onto equally spaced longitudes",
        )
    if spacing[0] * lon.size > 360.0 * (1.0 + 1e-9):
        raise GridError(
            f"{lon.size} columns of {spacing[0]:g}° overlap on the circle",
            f"{lon[0]:g}° to {lon[-1]:g}°",
            "drop the columns that come again, or give longitudes that divide 360°",
        )
    return snapped


def _not_monotone(name: str, values: Floats, index: int, remedy: str) -> GridError:
    return GridError(
        f"the {name} is not monotone: {values[index]:g}° is followed by {values[index + 1]:g}°",
        f"index {index} to {index + 1} of {values.size}",
        remedy,
    )


def _refuse_gap(name: str, values: Floats) -> None:
    """Raise where a spacing is far wider than those around it; a gradual stretch is no gap."""
    spacing = np.abs(np.diff(values))
    if spacing.size < 2:
        return
    padded = np.pad(spacing, 1, constant_values=np.inf)
    for index in np.flatnonzero(spacing > _GAP_RATIO * np.minimum(padded[:-2], padded[2:])):
        first = max(0, index - _GAP_NEIGHBOURS)
        around = np.median(np.delete(spacing[first : index + _GAP_NEIGHBOURS + 1], index - first))
        if spacing[index] > _GAP_RATIO * around:
            raise GridError(
                f"the {name} has a gap: {values[index]:g}° is followed by {values[index + 1]:g}°, "
                f"where its neighbours are {around:g}° apart",
                f"index {index} to {index + 1} of {values.size}",
                "fill the missing rows or columns, or cut the grid there",
            )


def _snapped(values: Floats) -> Floats:
    """The regular coordinates that ``values`` are but for rounding, else ``values``.

    In this order: lattices 180° k/n, on which steps divide the circle and centres lie on whole or half steps, so that
    grids from different files are equal to the last bit; steps that divide the circle from any start; equal steps. Last
    come values rounded to decimals, which are further from regular.
    """
    size = values.size
    step = float(values[-1] - values[0]) / (size - 1)
    if not _SMALLEST_STEP_DEG <= abs(step) <= 180.0:
        return values
    tolerance = max(_SNAP_STEP_SHARE * abs(step), _SNAP_DEG)
    even = values[0] + step * np.arange(size)
    per_circle = round(360.0 / abs(step))
    nearest = (
        _on_lattice(values, per_circle, tolerance),
        _dividing_circle(values, per_circle, _SNAP_DEG),
        even if np.abs(even - values).max() <= tolerance else None,
    )
    rounding = _rounding(values)
    if tolerance < rounding <= _ROUNDED_STEP_SHARE * abs(step):
        for count in _divisions(step, size, rounding):
            nearest += (_on_lattice(values, count, rounding), _dividing_circle(values, count, rounding))
    return next((regular for regular in nearest if regular is not None), values)


def _on_lattice(values: Floats, per_circle: int, tolerance: float) -> Floats | None:
    """The coordinates 180° k/n, n = ``per_circle``, nearest to ``values``, None where one is beyond the tolerance."""
    first = round(float(values[0]) * per_circle / 180.0)
    halves = first + 2 * math.copysign(1.0, values[-1] - values[0]) * np.arange(values.size)
    lattice = halves * 180.0 / per_circle
    return lattice if np.abs(lattice - values).max() <= tolerance else None


def _dividing_circle(values: Floats, per_circle: int, tolerance: float) -> Floats | None:
    """The nearest coordinates in steps of 360°/n from any start, of few decimals where these are near enough."""
    step = math.copysign(360.0 / per_circle, values[-1] - values[0])
    steps = step * np.arange(values.size, dtype=np.float64)
    starts = values - steps
    start = float(starts.min() + starts.max()) / 2.0
    is_exact = np.abs(steps + start - values).max() <= _EXACT_DEG  # then no decimals were cut off
    for first in (round(start, _START_DECIMALS), start):
        regular: Floats = steps + first
        if np.abs(regular - values).max() <= (_EXACT_DEG if is_exact else tolerance):
            return regular
    return None


def _rounding(values: Floats) -> float:
    """The largest error of ``values`` if they were rounded to 1 to 4 decimals, infinite where they were not."""
    for decimals in range(1, 5):
        if np.abs(np.round(values, decimals) - values).max() <= _SNAP_DEG / 2.0:
            return 0.5 * 10.0**-decimals + _SNAP_DEG
    return math.inf


def _divisions(step: float, size: int, rounding: float) -> list[int]:
    """The numbers of steps on the circle that rounded coordinates allow, the rounder numbers first."""
    slack = 2.0 * rounding / (size - 1)
    low, high = math.ceil(360.0 / (abs(step) + slack)), math.floor(360.0 / max(abs(step) - slack, _SMALLEST_STEP_DEG))
    divisions = sorted(range(low, high + 1), key=lambda n: (-math.gcd(n, _ROUND_COUNT), abs(n - 360.0 / abs(step))))
    return divisions[:_MOST_DIVISIONS]
