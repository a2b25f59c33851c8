"""Time axes: decoding, the length of a step, and the steps of each day or month."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.calendar import EPOCH, STANDARD, date_labels
from engine.errors import DataError
from engine.typed import Floats, Ints, cftime

Step = Literal["hours", "days", "months"]
"""Length of a step of a time axis; hours stand for any step shorter than a day."""

_CF = cftime()
_CALENDARS = {
    "standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "366_day", "360_day", "julian",
}  # fmt: skip
_IN_NAME = re.compile(
    r"(?<!\d)(?:[AT]?)((?:19|20)\d{2})(?:[-_]?(0[1-9]|1[0-2])(?:[-_]?(0[1-9]|[12]\d|3[01]))?|(\d{3}))(?!\d)"
)
_SHOWN = 5
_ROUNDING_DAYS = 1e-6  # a tenth of a second: decoded times are right to a microsecond


@dataclass(frozen=True)
class TimeAxis:
    """Times as days since 1970 of one calendar: ``days`` (N,) float64, whole numbers at midnight."""

    days: Floats
    calendar: str


def decoded(values: NDArray[Any], attrs: Mapping[str, Any], where: str) -> TimeAxis:
    """The times of a CF time variable; :class:`DataError` where units, calendar or values are invalid.

    Times are linear in the numbers, so only the earliest and the latest are decoded; the others are interpolated.
    """
    units, calendar = str(attrs.get("units", "")), str(attrs.get("calendar", "standard")).lower()
    if calendar not in _CALENDARS:
        raise DataError(f"the calendar {calendar!r} is not known", where, f"use one of {', '.join(sorted(_CALENDARS))}")
    numbers = np.atleast_1d(np.asarray(values)).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise DataError("a time is missing or infinite", where, "drop such steps")
    low, high = numbers.min(), numbers.max()
    try:
        ends = _CF.num2date(np.array([low, high]), units, calendar)
        first, last = np.asarray(_CF.date2num(ends, EPOCH, calendar), np.float64)
    # cftime raises different types by unit and calendar
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DataError(
            f"the times cannot be decoded from units {units!r}: {error}",
            where,
            "give units such as 'days since 1970-01-01'",
        ) from error
    unit = (last - first) / (high - low) if high > low else 1.0
    return TimeAxis(first + (numbers - low) * unit, "standard" if calendar in STANDARD else calendar)


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


def step_of(clock: TimeAxis, hints: str, where: str) -> Step:
    """The length of a step from the median spacing; for a single step from text about it (``hints``)."""
    spacing = np.diff(np.unique(clock.days))
    if spacing.size == 0:
        return "months" if re.search(r"\bmon(th|thly)?\b|_mon_|\bP1M\b|\.MO\.", hints, re.IGNORECASE) else "days"
    typical = float(np.median(spacing))
    if typical < 0.75:
        return "hours"
    if typical < 1.5:
        return "days"
    if 27.0 < typical < 32.0:
        return "months"
    raise DataError(
        f"one step is {typical:.3g} days, neither hours nor a day nor a month", where,
        "give daily or monthly data, or interpolate it: cdo inttime",
    )  # fmt: skip


@dataclass(frozen=True)
class Periods:
    """The days or months of a time axis, ascending, and the steps of the files that make up each.

    ``start`` (P,) days since 1970; ``steps`` (S,) all steps in order of time; ``bounds`` (P+1,) where in ``steps``
    each period begins; ``hour`` (P,) mean hour of day of the steps of a day, None for months; ``notes``
    on repairs.
    """

    start: Ints
    steps: Ints
    bounds: Ints
    hour: Floats | None
    calendar: str
    notes: tuple[str, ...]

    @cached_property
    def most_steps(self) -> int:
        """Largest number of steps in a period: 1, or for instance 24 where hours are averaged."""
        return int(np.diff(self.bounds).max())

    @property
    def labels(self) -> NDArray[Any]:
        """(P,) the start of each period: datetime64, or cftime in other calendars."""
        return date_labels(self.start, self.calendar)

    @property
    def span(self) -> str:
        """First and last date as text."""
        first, last = date_words(self.start[[0, -1]], self.calendar)
        return first if first == last else f"{first} to {last}"


def periods(clock: TimeAxis, step: Step, where: str) -> Periods:
    """Days (of daily or shorter steps) or months. Unsorted steps are sorted, with a note.

    Raises :class:`DataError` with the dates where two steps are in the same day or month, or at the same instant.
    """
    notes: list[str] = []
    order = np.argsort(clock.days, kind="stable")
    if np.any(np.diff(clock.days) < 0.0):
        notes.append("times were not in order and were sorted")
    days = clock.days[order]
    whole = np.floor(days + _ROUNDING_DAYS).astype(np.int64)
    start = _month_starts(whole, clock.calendar) if step == "months" else whole
    same = np.diff(days) < _ROUNDING_DAYS if step == "hours" else np.diff(start) == 0
    if same.any():
        raise _duplicates(start[1:][same], step, clock.calendar, where)
    first = np.flatnonzero(np.concatenate(([True], np.diff(start) > 0)))
    bounds = np.append(first, start.size)
    if step == "hours":
        steps_per_day = np.diff(bounds)
        notes.append(f"{steps_per_day.max()} steps a day averaged to days" + _short_days(steps_per_day))
    hours = np.round(24.0 * (days - whole).clip(0.0), 6)
    hour = None if step == "months" else np.add.reduceat(hours, first) / np.diff(bounds)
    return Periods(start[first], order, bounds, hour, clock.calendar, tuple(notes))


def date_words(days: Sequence[int] | Ints, calendar: str) -> list[str]:
    """Dates as 2020-02-30."""
    return [str(label)[:10] for label in date_labels(np.asarray(days, np.int64), calendar)]


def _month_starts(days: Ints, calendar: str) -> Ints:
    if calendar in STANDARD:
        return days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days - np.array([date.day - 1 for date in date_labels(days, calendar)], np.int64)


def _short_days(steps_per_day: Ints) -> str:
    short = int((steps_per_day < steps_per_day.max()).sum())
    return f"; {short} {'day has' if short == 1 else 'days have'} fewer" if short else ""


def _duplicates(days: Ints, step: Step, calendar: str, where: str) -> DataError:
    names = date_words(np.unique(days), calendar)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return DataError(
        f"times come twice: {shown}", where, f"keep one step for each {'instant' if step == 'hours' else step[:-1]}"
    )
