"""Time axes: the length of a step, and the steps of each day or month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.calendar import STANDARD, date_labels
from engine.data.sst._time_units import TimeAxis
from engine.errors import DataError
from engine.typed import Floats, Ints

Step = Literal["hours", "days", "months"]
"""Length of a step of a time axis; hours stand for any step shorter than a day."""

_DAY, _MONTH = (0.75, 1.5), (27.0, 32.0)  # lengths in days, from and to
_SHOWN = 5
_ROUNDING_DAYS = 1e-6  # a tenth of a second: decoded times are right to a microsecond


class Evidence(NamedTuple):
    """What a file states about its step: an attribute made for it and its text, a word of title or name, and the
    number of steps in the file.
    """

    attribute: tuple[Step, str] | None
    word: Step | None
    steps_in_file: int


def step_of(axis: TimeAxis, evidence: Evidence, where: str) -> tuple[Step, str | None]:
    """The length of a step, and a note where the spacing of the times does not tell it.

    In this order count: several times a day, the bounds, the attributes made for it, the least spacing, words. A step
    longer than the least spacing is impossible. Attributes survive averaging over months, so they make days of months
    only where each file holds one step.
    """
    spacing = np.diff(np.unique(axis.days))
    least, typical = (float(spacing.min()), float(np.median(spacing))) if spacing.size else (np.inf, np.inf)
    if typical < _DAY[0]:
        return "hours", None
    length = np.inf if axis.lengths is None or np.isnan(axis.lengths).all() else float(np.nanmedian(axis.lengths))
    by_spacing = _step_of_length(least)
    by_bounds = "days" if length < _DAY[0] <= least else _step_of_length(length)
    if by_bounds is not None and _is_possible(by_bounds, least):
        return by_bounds, _step_note(by_bounds, by_spacing, "the bounds of the times")
    if evidence.attribute is not None and _is_possible(evidence.attribute[0], least):
        step, text = evidence.attribute
        if step == by_spacing or by_spacing != "months" or evidence.steps_in_file == 1:
            return step, _step_note(step, by_spacing, text)
    if by_spacing is not None and np.isinf(length):
        return by_spacing, None if _step_of_length(typical) else _step_note(by_spacing, None, "the least spacing")
    if evidence.word is not None and _is_possible(evidence.word, least):
        return evidence.word, _step_note(evidence.word, by_spacing, "title or name")
    if not spacing.size and np.isinf(length):
        return "days", None
    raise DataError(
        f"one step is {min(typical, length):.3g} days, neither hours nor a day nor a month", where,
        "give daily or monthly data, or interpolate it: cdo inttime; where they are days of which many are missing, "
        "choose the step 'days'", {"step": ("days", "months")},
    )  # fmt: skip


def _step_of_length(days: float) -> Step | None:
    return "days" if _DAY[0] <= days < _DAY[1] else "months" if _MONTH[0] < days < _MONTH[1] else None


def _is_possible(step: Step, least: float) -> bool:
    return least > _MONTH[0] if step == "months" else least >= _DAY[0]


def _step_note(step: Step, by_spacing: Step | None, reason: str) -> str | None:
    return None if step == by_spacing else f"one step is a {step[:-1]}, by {reason}"


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


def periods(axis: TimeAxis, step: Step, where: str) -> Periods:
    """Days (of daily or shorter steps) or months. Unsorted steps are sorted, with a note.

    Raises :class:`DataError` with the dates where two steps are in the same day or month, or at the same instant.
    """
    notes: list[str] = []
    order = np.argsort(axis.days, kind="stable")
    if np.any(np.diff(axis.days) < 0.0):
        notes.append("times were not in order and were sorted")
    days = axis.days[order]
    whole = np.floor(days + _ROUNDING_DAYS).astype(np.int64)
    start = _month_starts(whole, axis.calendar) if step == "months" else whole
    same = np.diff(days) < _ROUNDING_DAYS if step == "hours" else np.diff(start) == 0
    if same.any():
        raise _duplicates(start[1:][same], step, axis.calendar, where)
    first = np.flatnonzero(np.concatenate(([True], np.diff(start) > 0)))
    bounds = np.append(first, start.size)
    if step == "hours":
        steps_per_day = np.diff(bounds)
        notes.append(f"{steps_per_day.max()} steps a day averaged to days" + _short_days(steps_per_day))
    hours = np.round(24.0 * (days - whole).clip(0.0), 6)
    hour = None if step == "months" else np.add.reduceat(hours, first) / np.diff(bounds)
    return Periods(start[first], order, bounds, hour, axis.calendar, tuple(notes))


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
