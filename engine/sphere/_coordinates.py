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

    Preferred are the lattices 180° k/n, on which steps divide the circle and centres lie on whole or half steps: they
    make grids from different files equal to the last bit.
    """
    size = values.size
    step = float(values[-1] - values[0]) / (size - 1)
    tolerance = max(_SNAP_STEP_SHARE * abs(step), _SNAP_DEG)
    if _SMALLEST_STEP_DEG <= abs(step) <= 180.0:
        per_circle = round(360.0 / abs(step))
        first = round(float(values[0]) * per_circle / 180.0)
        halves = first + 2 * math.copysign(1.0, step) * np.arange(size)
        lattice = halves * 180.0 / per_circle
        if np.abs(lattice - values).max() <= tolerance:
            return lattice
    even = values[0] + step * np.arange(size)
    return even if np.abs(even - values).max() <= tolerance else values
