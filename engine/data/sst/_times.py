"""Time axes as whole days of a calendar: decoding, what one step stands for, and which steps make up a day or month."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import cftime  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from numpy.typing import NDArray

from engine.data.calendar import EPOCH, STANDARD, date_labels
from engine.errors import DataError

Step = Literal["hours", "days", "months"]
"""What one step of a time axis stands for; hours are any step shorter than a day."""

_CF = cast(Any, cftime)  # declares no types
_CALENDARS = {
    "standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "366_day", "360_day", "julian",
}  # fmt: skip
_IN_NAME = re.compile(
    r"(?<!\d)(?:[AT]?)((?:19|20)\d{2})(?:[-_]?(0[1-9]|1[0-2])(?:[-_]?(0[1-9]|[12]\d|3[01]))?|(\d{3}))(?!\d)"
)
_SHOWN = 5
_ROUNDING_DAYS = 1e-6  # a tenth of a second: decoded times are right to a microsecond


@dataclass(frozen=True)
class Clock:
    """Times as days since 1970 of one calendar: ``days`` (N,) float64, whole numbers at midnight."""

    days: NDArray[np.float64]
    calendar: str


def decoded(values: NDArray[Any], attrs: Mapping[str, Any], where: str) -> Clock:
    """The times of a CF time variable; :class:`DataError` where units, calendar or values cannot be understood.

    Times count evenly, so only the earliest and the latest are decoded as dates and checked; the rest follow from them.
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
    # cftime says the same in many ways, by the unit and by the calendar
    except (ValueError, OverflowError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DataError(
            f"the times cannot be decoded from units {units!r}: {error}",
            where,
            "give units such as 'days since 1970-01-01'",
        ) from error
    unit = (last - first) / (high - low) if high > low else 1.0
    return Clock(first + (numbers - low) * unit, "standard" if calendar in STANDARD else calendar)


def from_name_or_attributes(path: Path, attrs: Mapping[str, Any]) -> Clock | None:
    """The one time of a file without time axis: from ``time_coverage_start``, else from a date in its name."""
    for text in (str(attrs.get("time_coverage_start", "")), path.name):
        found = _IN_NAME.search(text)
        if found:
            year, month, day, day_of_year = found.groups()
            start = np.datetime64(f"{year}-{month or '01'}-{day or '01'}", "D")
            if day_of_year:
                start += int(day_of_year) - 1
            return Clock(np.array([start.astype(np.float64)]), "standard")
    return None


def step_of(clock: Clock, hints: str, where: str) -> Step:
    """What a step stands for, from the median spacing; of a single one from words about it (``hints``)."""
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
    what was repaired.
    """

    start: NDArray[np.int64]
    steps: NDArray[np.int64]
    bounds: NDArray[np.int64]
    hour: NDArray[np.float64] | None
    calendar: str
    notes: tuple[str, ...]

    @cached_property
    def most_steps(self) -> int:
        """The steps of the fullest period: 1, or for instance 24 where hours are averaged."""
        return int(np.diff(self.bounds).max())

    @property
    def labels(self) -> NDArray[Any]:
        """(P,) the start of each period: datetime64, or cftime where the calendar asks for it."""
        return date_labels(self.start, self.calendar)

    @property
    def span(self) -> str:
        """First and last date in words."""
        first, last = date_words(self.start[[0, -1]], self.calendar)
        return first if first == last else f"{first} to {last}"


def periods(clock: Clock, step: Step, where: str) -> Periods:
    """Days (of daily or shorter steps) or months. Unsorted steps are sorted and noted.

    Raises :class:`DataError` naming the dates where two steps claim the same day or month, or the same instant.
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
        counts = np.diff(bounds)
        notes.append(f"{counts.max()} steps a day averaged to days" + _short_days(counts))
    hours = np.round(24.0 * (days - whole).clip(0.0), 6)
    hour = None if step == "months" else np.add.reduceat(hours, first) / np.diff(bounds)
    return Periods(start[first], order, bounds, hour, clock.calendar, tuple(notes))


def date_words(days: Sequence[int] | NDArray[np.int64], calendar: str) -> list[str]:
    """Dates as 2020-02-30."""
    return [str(label)[:10] for label in date_labels(np.asarray(days, np.int64), calendar)]


def _month_starts(days: NDArray[np.int64], calendar: str) -> NDArray[np.int64]:
    if calendar in STANDARD:
        return days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days - np.array([date.day - 1 for date in date_labels(days, calendar)], np.int64)


def _short_days(counts: NDArray[np.int64]) -> str:
    short = int((counts < counts.max()).sum())
    return f"; {short} {'day has' if short == 1 else 'days have'} fewer" if short else ""


def _duplicates(days: NDArray[np.int64], step: Step, calendar: str, where: str) -> DataError:
    names = date_words(np.unique(days), calendar)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return DataError(
        f"times come twice: {shown}", where, f"keep one step for each {'instant' if step == 'hours' else step[:-1]}"
    )
