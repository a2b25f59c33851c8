"""Reshape days into months of 31 slots and back, in the calendar of the data."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.errors import DataError
from engine.typed import Floats, Ints, Mask, cftime, coords_of, dask_array

SLOTS = 31

STANDARD = frozenset({"standard", "gregorian", "proleptic_gregorian"})
"""Calendars whose dates are numpy.datetime64."""

EPOCH = "days since 1970-01-01"

_CF, _DA = cftime(), dask_array()


class Months(NamedTuple):
    """M consecutive months of daily fields.

    Attributes:
        daily: (month, slot, lat, lon), slot 0 = the first of the month, NaN where padded or not in the source; lazy,
            one block a month. Coordinates: ``year``, ``month_number`` (1 to 12), ``num_days`` and ``is_partial``
            (month,); ``in_source`` (month, slot), True = the source has this day; ``hour`` (month, slot) if it had.
        padded: (month, 31) bool, True = beyond the month's end, or outside the span of the source. A day inside the
            span that the source lacks is missing, not padded.
        phases: (month, 31, 3) float64 in [0, 2π): month in the year 2π(m−1)/12, day in the year 2π(d−1)/days of that
            year, hour of day 2πh/24, h = 0 if the source has no hours. Slots beyond the month's end have the
            phases of its last day.
    """

    daily: xr.DataArray
    padded: Mask
    phases: Floats


def by_month(daily: xr.DataArray) -> Months:
    """Reshape days (time, lat, lon), ascending, each at most once, into months of 31 slots; any span, any calendar.

    All months from that of the first day to that of the last are included, also those without any day; the first and
    the last may be partial. ``in_source`` and ``hour`` make it invertible.

    Raises :class:`DataError` for times that are empty, not ascending, or twice on a day.
    """
    first, month, slot, calendar = _month_slots(daily["time"])
    num_months = int(month[-1]) + 1
    edges = month_edges(first, num_months, calendar)
    num_days = np.diff(edges)
    padded = np.arange(SLOTS) >= num_days[:, None]
    padded[0, : slot[0]] = True
    padded[-1, slot[-1] + 1 :] = True
    in_source = np.zeros((num_months, SLOTS), np.bool_)
    in_source[month, slot] = True
    years, numbers = np.divmod(first + np.arange(num_months), 12)
    coords: dict[str, Any] = {
        "year": ("month", years),
        "month_number": ("month", numbers + 1),
        "num_days": ("month", num_days),
        "is_partial": ("month", (~padded).sum(axis=1) < num_days),
        "in_source": (("month", "slot"), in_source),
        "lat": daily["lat"].values,
        "lon": daily["lon"].values,
    }
    hours = np.zeros((num_months, SLOTS))
    if (hour_of_day := _hours(daily)) is not None:
        hours[month, slot] = hour_of_day
        coords["hour"] = (("month", "slot"), hours)
    data = _stacked(daily, month, slot, num_months)
    attrs = {**daily.attrs, "calendar": calendar}
    array = xr.DataArray(data, coords, ("month", "slot", "lat", "lon"), daily.name, attrs)
    return Months(array, padded, _phases(edges, years, numbers, hours, calendar))


def month_edges(first: int, count: int, calendar: str) -> Ints:
    """(count + 1,) the first days, as days since 1970, of consecutive months; ``first`` is the number of months since
    year 0.
    """
    months = first + np.arange(count + 1)
    if calendar in STANDARD:
        return (months - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    dates = [_CF.datetime(m // 12, m % 12 + 1, 1, calendar=calendar) for m in months.tolist()]
    return np.asarray(_CF.date2num(dates, EPOCH, calendar), np.int64)


def date_labels(days: Ints, calendar: str) -> NDArray[Any]:
    """Days since 1970 as datetime64[s], or as cftime objects in other calendars."""
    if calendar in STANDARD:
        return days.astype("datetime64[D]").astype("datetime64[s]")
    return np.asarray(_CF.num2date(days, EPOCH, calendar), dtype=object)


def _month_slots(time: xr.DataArray) -> tuple[int, Ints, Ints, str]:
    """First month since year 0, months since the first (N,), slots (N,), and the calendar."""
    if time.size == 0:
        raise DataError("there is no day", "time", "choose a span with at least one day")
    dates: Any = time.dt
    months = np.asarray(dates.year.values * 12 + dates.month.values - 1, np.int64)
    slots = np.asarray(dates.day.values - 1, np.int64)
    wrong = np.flatnonzero(np.diff(months * SLOTS + slots) <= 0)
    if wrong.size:
        before, after = (str(time.values[i])[:10] for i in (wrong[0], wrong[0] + 1))
        raise DataError(f"the day {before} is followed by {after}", "time", "sort the days and keep each once")
    return int(months[0]), months - months[0], slots, str(dates.calendar)


def _hours(daily: xr.DataArray) -> Floats | None:
    hour = coords_of(daily).get("hour")
    return None if hour is None else hour.values


def _stacked(daily: xr.DataArray, month: Ints, slot: Ints, num_months: int) -> Any:
    """(month, slot, lat, lon): days in their slots; every other slot takes the NaN day appended after the last one."""
    data: Any = daily.data if daily.chunks is not None else _DA.from_array(daily.data, chunks=-1)
    num_days, *shape = data.shape
    missing_day = _DA.full((1, *shape), np.nan, dtype=data.dtype, chunks=(1, *data.chunks[1:]))
    indices = np.full((num_months, SLOTS), num_days)
    indices[month, slot] = np.arange(num_days)
    slots = _DA.take(_DA.concatenate([data, missing_day]), indices.ravel(), axis=0)
    return slots.rechunk((SLOTS, *data.chunks[1:])).reshape((num_months, SLOTS, *shape))


def _phases(edges: Ints, years: Ints, numbers: Ints, hours: Floats, calendar: str) -> Floats:
    """(M, 31, 3) the phases of every slot; ``numbers`` from 0."""
    turns = np.array([month_edges(12 * int(year), 12, calendar)[[0, -1]] for year in years])
    slots = np.minimum(np.arange(SLOTS), np.diff(edges)[:, None] - 1)
    day = (edges[:-1] - turns[:, 0])[:, None] + slots
    month = np.broadcast_to((numbers / 12.0)[:, None], day.shape)
    return 2.0 * math.pi * np.stack([month, day / np.diff(turns), hours / 24.0], axis=-1)
