"""The times of a variable over many files, its bounds where they are of use, and what is stated about its step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.sst._paths import Location
from engine.data.sst._time_units import TimeAxis, decoded, from_name_or_attributes, names_a_month
from engine.data.sst._times import Evidence, Step, date_words
from engine.data.sst._variables import VariableGrid
from engine.errors import DataError
from engine.typed import Floats

File = tuple[Location, xr.Dataset]

_HUGE = 1e30  # a number that was never written is 1e36
_LONGEST_DAYS = 32.0  # a longer interval is that of a climatology, not of a day or a month
_TOLERANCE = 0.01  # of an interval, by which a time may lie beyond its bounds

_STRUCTURED = ("frequency", "time_coverage_resolution", "temporal_range")
_TEXTS = ("title", "Title", "cell_methods", *_STRUCTURED)
_STATED: dict[Step, re.Pattern[str]] = {
    "days": re.compile(r"day|daily|1 ?d|p0*1d|pt24h|p0000-00-01.*", re.IGNORECASE),
    "months": re.compile(r"mon\w*|p0*1m|p0000-01-00.*", re.IGNORECASE),
}
_IN_TEXT: dict[Step, re.Pattern[str]] = {
    "days": re.compile(r"(?<![a-z])(?:daily|o?day|p1d)(?![a-z])", re.IGNORECASE),
    "months": re.compile(r"(?<![a-z])(?:o?mon(?:th|thly)?|p1m|mo)(?![a-z])", re.IGNORECASE),
}


class _FileTimes(NamedTuple):
    """The raw times of one file with the attributes that decode them, and the same of their bounds."""

    values: NDArray[Any]
    attrs: tuple[tuple[str, str], ...]
    edges: NDArray[Any] | None
    edges_attrs: tuple[tuple[str, str], ...]
    is_climatology: bool


def time_axis(
    files: Sequence[File], variable: str, grid: VariableGrid, where: str, calendar: str | None = None
) -> TimeAxis:
    """The concatenated times of all files, each step at the middle of its bounds where these are of use.

    Files of the same units and calendar are decoded together; a chosen ``calendar`` counts in place of theirs. Some
    means are stamped at the end of their interval, so the bounds tell more; but they are left alone where they are
    unwritten, zero, climatological, or beside their times.
    """
    axes: list[TimeAxis] = []
    all_times = [_times(location, dataset, variable, grid, calendar) for location, dataset in files]
    for _, group in groupby(all_times, key=lambda t: (t.attrs, t.edges is None, t.edges_attrs, t.is_climatology)):
        times = list(group)
        axis = decoded(np.concatenate([t.values for t in times]), dict(times[0].attrs), where)
        edges = [t.edges for t in times if t.edges is not None]
        axes.append(_at_middles(axis, np.concatenate(edges), times[0], where) if edges else axis)
    calendars = {axis.calendar for axis in axes}
    if len(calendars) > 1:
        raise DataError(
            f"the files have different calendars: {', '.join(sorted(calendars))}", where, "open them one by one"
        )
    lengths = [np.full(a.days.size, np.nan) if a.lengths is None else a.lengths for a in axes]
    notes = dict.fromkeys(note for axis in axes for note in axis.notes)
    return TimeAxis(
        np.concatenate([axis.days for axis in axes]), axes[0].calendar, np.concatenate(lengths), tuple(notes)
    )


def stated_steps(file: File, variable: str, steps_in_file: int) -> Evidence:
    """What the attributes and the name of a file say about the length of a step.

    ``time_coverage_duration`` is that of the file, so it tells only where the file has one step.
    """
    location, dataset = file
    attrs = {**dataset.attrs, **dataset[variable].attrs}
    names = (*_STRUCTURED, "time_coverage_duration") if steps_in_file == 1 else _STRUCTURED
    stated: list[tuple[Step, str]] = [
        (step, f"{name} {attrs[name]!r}")
        for name in names
        for step, pattern in _STATED.items()
        if pattern.fullmatch(str(attrs.get(name, "")).strip())
    ]
    text = " ".join([location.path.name, *(str(attrs.get(name, "")) for name in _TEXTS)])
    named: list[Step] = [step for step, pattern in _IN_TEXT.items() if pattern.search(text)]
    if not named and steps_in_file == 1 and names_a_month(location.path.name):
        named = ["months"]
    return Evidence(stated[0] if stated else None, named[0] if len(named) == 1 else None, steps_in_file)


def _times(
    location: Location, dataset: xr.Dataset, variable: str, grid: VariableGrid, calendar: str | None
) -> _FileTimes:
    steps = int(np.prod(grid.lead(dataset[variable])))
    if grid.time is not None and grid.time in dataset.coords:
        values, attrs = np.atleast_1d(dataset[grid.time].values), dict(dataset[grid.time].attrs)
        chosen = {} if calendar is None else {"calendar": calendar}
        if values.size == steps:
            is_climatology = "climatology" in attrs
            bounds = dataset.variables.get(str(attrs.get("bounds", attrs.get("climatology", ""))))
            if bounds is None or bounds.shape != (values.size, 2):
                return _FileTimes(values, _decoding(attrs | chosen), None, (), is_climatology)
            # bounds have the unit of their times unless they state one of their own
            return _FileTimes(
                values,
                _decoding(attrs | chosen),
                bounds.values,
                _decoding({**attrs, **bounds.attrs, **chosen}),
                is_climatology,
            )
    single = from_name_or_attributes(location.path, dataset.attrs)
    if steps == 1 and single is not None:
        attrs = {"units": "days since 1970-01-01", "calendar": single.calendar}
        return _FileTimes(single.days, _decoding(attrs), None, (), False)
    raise DataError(
        "no time was found" if steps else "there is no step of time in the file", str(location),
        "give the file a CF time coordinate (units 'days since …'), or one map and the date in its name, as 20200131",
    )  # fmt: skip


def _decoding(attrs: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(attrs[name])) for name in ("units", "calendar") if name in attrs)


def _at_middles(axis: TimeAxis, raw: NDArray[Any], times: _FileTimes, where: str) -> TimeAxis:
    """``axis`` with each step at the middle of its bounds ``raw`` (N, 2), or as it is with a note on why not."""
    numbers = raw.astype(np.float64)
    if not (np.abs(numbers) < _HUGE).all():
        return _without_bounds(axis, "they were never written")
    try:
        edges = decoded(raw.ravel(), dict(times.edges_attrs), where).days.reshape(-1, 2)
    except DataError as error:
        return _without_bounds(axis, error.problem)
    low, high = edges.min(axis=1), edges.max(axis=1)
    lengths = high - low
    if not (lengths > 0.0).any():
        return _without_bounds(axis, "they have no length")
    if times.is_climatology or lengths.max() > _LONGEST_DAYS:
        first, last = _span(low, high, axis.calendar)
        note = f"the times are climatological: their bounds span {first} to {last}"
        return TimeAxis(axis.days, axis.calendar, None, (*axis.notes, note))
    slack = _TOLERANCE * lengths
    if not ((axis.days >= low - slack) & (axis.days <= high + slack) & (lengths > 0.0)).all():
        return _without_bounds(axis, "they do not hold their times")
    return TimeAxis((low + high) / 2.0, axis.calendar, lengths, axis.notes)


def _without_bounds(axis: TimeAxis, reason: str) -> TimeAxis:
    return TimeAxis(axis.days, axis.calendar, None, (*axis.notes, f"the bounds of the times are not used: {reason}"))


def _span(low: Floats, high: Floats, calendar: str) -> list[str]:
    return date_words(np.array([np.floor(low.min()), np.floor(high.max())]).astype(np.int64), calendar)
