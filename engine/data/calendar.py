"""Days by month and back: 31 slots a month, in the calendar of the data."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import cftime  # pyright: ignore[reportMissingTypeStubs]
import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.errors import DataError

SLOTS = 31

STANDARD = frozenset({"standard", "gregorian", "proleptic_gregorian"})
"""Calendars whose dates are numpy.datetime64."""

EPOCH = "days since 1970-01-01"

# neither library declares its types in full
_CF, _DA = cast(Any, cftime), cast(Any, dask.array)


class Months(NamedTuple):
    """M consecutive months of daily fields.

    Attributes:
        daily: (month, slot, lat, lon), slot 0 = the first of the month, NaN where padded or not in the source; lazy,
            one block a month. Coordinates: ``year``, ``month_number`` (1 to 12), ``num_days`` and ``is_partial``
            (month,); ``in_source`` (month, slot), True = the source has this day; ``hour`` (month, slot) if it had.
        padded: (month, 31) bool, True = beyond the month's end, or outside the span of the source. A day inside the
            span that the source lacks is missing, not padded.
        phases: (month, 31, 3) float64 in [0, 2π): month in the year 2π(m−1)/12, day in the year 2π(d−1)/days of that
            year, hour of day 2πh/24, where h = 0 if the source tells none. Slots beyond the month's end have the
            phases of its last day.
    """

    daily: xr.DataArray
    padded: NDArray[np.bool_]
    phases: NDArray[np.float64]


def by_month(daily: xr.DataArray) -> Months:
    """Reshape days (time, lat, lon), ascending, each at most once, into months of 31 slots; any span, any calendar.

    All months from that of the first day to that of the last are there, also those without any day; the first and
    the last may be partial. :func:`from_months` gives back what was put in.

    Raises :class:`DataError` for times that are empty, not ascending, or twice on a day.
    """
    first, month, slot, calendar = _places(daily["time"])
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
    if (given := _hours(daily)) is not None:
        hours[month, slot] = given
        coords["hour"] = (("month", "slot"), hours)
    data = _stacked(daily, month, slot, num_months)
    attrs = {**daily.attrs, "calendar": calendar}
    array = xr.DataArray(data, coords, ("month", "slot", "lat", "lon"), daily.name, attrs)
    return Months(array, padded, _phases(edges, years, numbers, hours, calendar))


def from_months(months: Months) -> xr.DataArray:
    """The days (time, lat, lon) that :func:`by_month` was given, lazy: the same dates, ``hour`` and values."""
    daily = months.daily
    month, slot = np.nonzero(daily["in_source"].values)
    calendar = str(daily.attrs["calendar"])
    first = int(daily["year"].values[0]) * 12 + int(daily["month_number"].values[0]) - 1
    days = month_edges(first, daily.sizes["month"], calendar)[month] + slot
    coords: dict[str, Any] = {
        "time": date_labels(days, calendar),
        "lat": daily["lat"].values,
        "lon": daily["lon"].values,
    }
    if (hours := _hours(daily)) is not None:
        coords["hour"] = ("time", hours[month, slot])
    lazy: Any = daily.data
    data = _DA.concatenate([lazy[m][slot[month == m]] for m in np.unique(month)])
    attrs = {name: value for name, value in daily.attrs.items() if name != "calendar"}
    return xr.DataArray(data, coords, ("time", "lat", "lon"), daily.name, attrs)


def month_edges(first: int, count: int, calendar: str) -> NDArray[np.int64]:
    """(count + 1,) the first days, as days since 1970, of consecutive months; ``first`` counts months from year 0."""
    months = first + np.arange(count + 1)
    if calendar in STANDARD:
        return (months - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    dates = [_CF.datetime(m // 12, m % 12 + 1, 1, calendar=calendar) for m in months.tolist()]
    return np.asarray(_CF.date2num(dates, EPOCH, calendar), np.int64)


def date_labels(days: NDArray[np.int64], calendar: str) -> NDArray[Any]:
    """Midnights, given as days since 1970: datetime64[s], or cftime objects in other calendars."""
    if calendar in STANDARD:
        return days.astype("datetime64[D]").astype("datetime64[s]")
    return np.asarray(_CF.num2date(days, EPOCH, calendar), dtype=object)


def _places(time: xr.DataArray) -> tuple[int, NDArray[np.int64], NDArray[np.int64], str]:
    """The first month, counted from year 0, the months after it (N,), the slots (N,), and the calendar."""
    if time.size == 0:
        raise DataError("there is no day", "time", "choose a span that holds some")
    parts: Any = time.dt
    months = np.asarray(parts.year.values * 12 + parts.month.values - 1, np.int64)
    slots = np.asarray(parts.day.values - 1, np.int64)
    wrong = np.flatnonzero(np.diff(months * SLOTS + slots) <= 0)
    if wrong.size:
        before, after = (str(time.values[i])[:10] for i in (wrong[0], wrong[0] + 1))
        raise DataError(f"the day {before} is followed by {after}", "time", "sort the days and keep each once")
    return int(months[0]), months - months[0], slots, str(parts.calendar)


def _hours(daily: xr.DataArray) -> NDArray[np.float64] | None:
    coords = cast(Any, daily).coords
    return coords["hour"].values if "hour" in coords else None


def _stacked(daily: xr.DataArray, month: NDArray[np.int64], slot: NDArray[np.int64], num_months: int) -> Any:
    """(month, slot, lat, lon): days put into their slots; every other slot takes the NaN day behind the last one."""
    data: Any = daily.data if daily.chunks is not None else _DA.from_array(daily.data, chunks=-1)
    num_days, *shape = data.shape
    nothing = _DA.full((1, *shape), np.nan, dtype=data.dtype, chunks=(1, *data.chunks[1:]))
    which = np.full((num_months, SLOTS), num_days)
    which[month, slot] = np.arange(num_days)
    slots = _DA.take(_DA.concatenate([data, nothing]), which.ravel(), axis=0)
    return slots.rechunk((SLOTS, *data.chunks[1:])).reshape((num_months, SLOTS, *shape))


def _phases(
    edges: NDArray[np.int64],
    years: NDArray[np.int64],
    numbers: NDArray[np.int64],
    hours: NDArray[np.float64],
    calendar: str,
) -> NDArray[np.float64]:
    """(M, 31, 3) the phases of every slot; ``numbers`` from 0."""
    turns = np.array([month_edges(12 * int(year), 12, calendar)[[0, -1]] for year in years])
    slots = np.minimum(np.arange(SLOTS), np.diff(edges)[:, None] - 1)
    day = (edges[:-1] - turns[:, 0])[:, None] + slots
    month = np.broadcast_to((numbers / 12.0)[:, None], day.shape)
    return 2.0 * math.pi * np.stack([month, day / np.diff(turns), hours / 24.0], axis=-1)
