"""Decode the numbers of a time variable: CF units, and the further forms that archives write.

Beyond what cftime decodes are nanoseconds (xarray's own default for some times), months and years of the calendar
(``months since 1960-01-01`` of climate libraries), dates written as digits (``day as %Y%m%d.%f`` of CDO), and calendars
under other names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.calendar import EPOCH, STANDARD, month_edges
from engine.errors import DataError
from engine.typed import Floats, Ints, cftime

_CF = cftime()
CALENDARS = {
    "standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "366_day", "360_day", "julian",
}  # fmt: skip
_CALENDAR_ALIASES = {
    "": "standard", "360": "360_day", "360day": "360_day", "360_days": "360_day", "365": "noleap", "365day": "noleap",
    "365_days": "noleap", "no_leap": "noleap", "366": "all_leap", "366day": "all_leap", "366_days": "all_leap",
    "gregorian_proleptic": "proleptic_gregorian", "std": "standard",
}  # fmt: skip
_MIXED = {"standard", "gregorian"}  # Julian dates before 15 October 1582
_FIRST_GREGORIAN = (1582, 10, 15)
_NANOSECONDS = re.compile(r"\s*(?:nanoseconds?|nanosecs?|nsecs?|ns)\s+since\b", re.IGNORECASE)
_CALENDAR_MONTHS = re.compile(r"\s*(months?|mons?|years?|yrs?)\s+since\s+(.+)", re.IGNORECASE)
_DIGITS = re.compile(r"(%Y%m%d|yyyymmdd)|(%Y%m|yyyymm)", re.IGNORECASE)
_LAST_YEAR = 9999
_FLOAT32_WHOLE = 2**24  # from here on float32 skips whole numbers
_IN_NAME = re.compile(
    r"(?<!\d)(?:[AT]?)((?:19|20)\d{2})(?:[-_]?(0[1-9]|1[0-2])(?:[-_]?(0[1-9]|[12]\d|3[01]))?|(\d{3}))(?!\d)"
)


@dataclass(frozen=True)
class TimeAxis:
    """Times as days since 1970 of one calendar: ``days`` (N,) float64, whole numbers at midnight.

    ``lengths`` (N,) is the length of each step in days by its bounds, NaN where they tell nothing; ``notes`` on what
    was understood.
    """

    days: Floats
    calendar: str
    lengths: Floats | None = None
    notes: tuple[str, ...] = ()


def is_time_unit(units: object) -> bool:
    """Whether ``units`` is that of a time coordinate."""
    text = str(units)
    return bool(re.search(r"\bsince\b", text, re.IGNORECASE) or _DIGITS.search(text))


def decoded(values: NDArray[Any], attrs: Mapping[str, Any], where: str) -> TimeAxis:
    """The times of a time variable; :class:`DataError` where units, calendar or values are invalid."""
    units, (calendar, notes) = str(attrs.get("units", "")), _calendar(attrs, where)
    raw = np.atleast_1d(np.asarray(values))
    numbers = raw.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError("a time is missing or infinite", where, "drop such steps")
    name = "standard" if calendar in STANDARD else calendar
    if digits := _DIGITS.search(units):
        if raw.dtype == np.float32 and digits[1] and numbers.max(initial=0.0) > _FLOAT32_WHOLE:
            raise DataError("the dates are rounded: float32 cannot hold 20200101", where, "write the times as float64")
        return TimeAxis(_dates_in_digits(numbers, bool(digits[1]), calendar, units, where), name, notes=notes)
    if months := _CALENDAR_MONTHS.match(units):
        per_unit = 1.0 if months[1].lower().startswith("mon") else 12.0
        days = _calendar_months(numbers * per_unit, months[2], calendar, units, where)
        return TimeAxis(days, name, notes=(*notes, f"times in {units!r} counted in months of the calendar"))
    days, name = _linear(numbers, units, calendar, where)
    if name == "julian" and calendar in _MIXED:
        notes = (*notes, "dates before 1582 in the Julian calendar, as in CF's standard calendar")
    return TimeAxis(days, name, notes=notes)


def from_name_or_attributes(path: Path, attrs: Mapping[str, Any]) -> TimeAxis | None:
    """The one time of a file without time axis: from ``time_coverage_start``, else from a date in its name."""
    for text in (str(attrs.get("time_coverage_start", "")), path.name):
        match = _IN_NAME.search(text)
        if match:
            year, month, day, day_of_year = match.groups()
            start = np.datetime64(f"{year}-{month or '01'}-{day or '01'}", "D")
            if day_of_year:
                start += int(day_of_year) - 1
            return TimeAxis(np.array([start.astype(np.float64)]), "standard")
    return None


def names_a_month(name: str) -> bool:
    """Whether a file's name has a year and month without a day: ``sst_202001.nc``."""
    match = _IN_NAME.search(name)
    return match is not None and match[2] is not None and match[3] is None


def _calendar(attrs: Mapping[str, Any], where: str) -> tuple[str, tuple[str, ...]]:
    written = str(attrs.get("calendar", "standard")).strip().lower()
    calendar = _CALENDAR_ALIASES.get(written, written)
    if calendar not in CALENDARS:
        raise DataError(f"the calendar {calendar!r} is not known", where, f"use one of {', '.join(sorted(CALENDARS))}")
    return calendar, () if calendar == written else (f"calendar {written!r} taken for {calendar}",)


def _linear(numbers: Floats, units: str, calendar: str, where: str) -> tuple[Floats, str]:
    """Days since 1970, and the calendar in which they are counted.

    Times are linear in the numbers, so only the earliest and the latest are decoded; the others are interpolated.
    """
    if _NANOSECONDS.match(units):  # 0.3 µs are lost in float64
        numbers, units = numbers / 1000.0, _NANOSECONDS.sub("microseconds since", units)
    low, high = numbers.min(), numbers.max()
    try:
        ends = _CF.num2date(np.array([low, high]), units, calendar)
        is_julian = [calendar in _MIXED and (d.year, d.month, d.day) < _FIRST_GREGORIAN for d in ends]
        if is_julian[0] != is_julian[1]:
            raise DataError(
                "the times go from the Julian to the Gregorian calendar in October 1582", where,
                "open the years before and after 1582 apart: cdo selyear",
            )  # fmt: skip
        if is_julian[0]:
            calendar = "julian"
            ends = [
                _CF.datetime(d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond, calendar=calendar)
                for d in ends
            ]
        first, last = np.asarray(_CF.date2num(ends, EPOCH, calendar), np.float64)
    # cftime raises different types by unit and calendar
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise _undecodable(units, where, error) from error
    unit = (last - first) / (high - low) if high > low else 1.0
    return first + (numbers - low) * unit, "standard" if calendar in STANDARD else calendar


def _calendar_months(numbers: Floats, reference: str, calendar: str, units: str, where: str) -> Floats:
    """Days since 1970 of ``numbers`` months after a date; a fraction is one of its month."""
    try:
        start = _CF.num2date(0, f"days since {reference}", calendar)
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise _undecodable(units, where, error) from error
    whole = np.floor(numbers + 1e-6)
    first_day = start.day - 1 + start.hour / 24.0
    months = 12.0 * start.year + start.month - 1 + whole
    edges, lengths = _months(months, calendar, units, where)
    return edges + first_day + (numbers - whole).clip(0.0) * lengths


def _dates_in_digits(numbers: Floats, has_days: bool, calendar: str, units: str, where: str) -> Floats:
    """Days since 1970 of dates such as 20200131.5, or of months such as 202001.5."""
    whole = np.floor(numbers + 1e-9)
    fraction = (numbers - whole).clip(0.0)
    months, day = np.divmod(whole, 100.0) if has_days else (whole, np.ones_like(whole))
    year, month = np.divmod(months, 100.0)
    if not ((month >= 1) & (month <= 12) & (day >= 1)).all():
        raise _undecodable(units, where, "a number is no date")
    edges, lengths = _months(12.0 * year + month - 1, calendar, units, where)
    if (day > lengths).any():
        raise _undecodable(units, where, "a day is beyond the end of its month")
    return edges + day - 1 + fraction * (1.0 if has_days else lengths)


def _months(months: Floats, calendar: str, units: str, where: str) -> tuple[Floats, Floats]:
    """The first day, as days since 1970, and the number of days of months since year 0."""
    if not ((months >= 12) & (months < 12 * _LAST_YEAR)).all():
        raise _undecodable(units, where, f"a year is not between 1 and {_LAST_YEAR}")
    number: Ints = months.astype(np.int64)
    first = int(number.min())
    edges = month_edges(first, int(number.max()) - first + 1, calendar).astype(np.float64)
    return edges[number - first], np.diff(edges)[number - first]


def _undecodable(units: str, where: str, reason: object) -> DataError:
    return DataError(
        f"the times cannot be decoded from units {units!r}: {reason}",
        where,
        "give units such as 'days since 1970-01-01'",
    )
