"""Files that continue each other, read as one field: the same variable, the same grid, one axis of time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.quality import Quality
from engine.data.sst._field import Field, Meaning, Part, as_array
from engine.data.sst._meaning import Place, fitting_shift, named, place, same_grid, stated_shift
from engine.data.sst._packing import Packing
from engine.data.sst._paths import Location
from engine.data.sst._quality import Bits, Levels, screen_of
from engine.data.sst._sample import Sample, left_out, sampled
from engine.data.sst._times import Clock, Periods, Step, decoded, from_name_or_attributes, periods, step_of
from engine.errors import DataError
from engine.sphere import LatLonGrid

_MAX_CELLS = 250_000_000  # of one map: 1 GB
_ICE_STANDARD = "sea_ice_area_fraction"
_ICE_NAMES = ("ice", "sea_ice_fraction", "siconc", "icec", "sic")
_ICE_SHARE = 0.15  # the customary edge of the ice

File = tuple[Location, xr.Dataset]


@dataclass(frozen=True)
class FileSeries:
    """One variable over files in order; ``step`` is what the files hold, ``field`` is by days or months.

    ``screen`` tells, in words, which observations count, "" where all do; ``told`` is a note about their quality.
    ``is_graded``: the files tell good observations from others, whether that is kept to or not.
    """

    files: tuple[File, ...]
    variable: str
    place: Place
    step: Step
    field: Field
    unit: str
    sample: Sample
    screen: str
    told: str | None
    is_graded: bool

    @property
    def grid(self) -> LatLonGrid:
        """The grid, turned to ascending latitude and longitude."""
        return self.place.grid

    @property
    def periods(self) -> Periods:
        """The days or months."""
        return self.field.periods

    @property
    def where(self) -> str:
        """The file, or the first of the files."""
        return _where(self.files)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was understood and repaired, one sentence each."""
        first = self.files[0][1][self.variable]
        size, unit = self.periods.start.size, "months" if self.step == "months" else "days"
        files = f" in {len(self.files):,} files" if len(self.files) > 1 else ""
        span = (
            f"{size:,} {unit if size > 1 else unit[:-1]}, {self.periods.span}, {self.periods.calendar} calendar{files}"
        )
        told = () if self.told is None else (self.told,)
        return (named(first), self.unit, span, *told, *self.place.notes, *self.periods.notes)

    def array(self, land: NDArray[np.bool_], name: str, key: str) -> xr.DataArray:
        """The field, lazy, with land missing."""
        return as_array(replace(self.field, land=land), self.grid, name, key)

    def ice(self, key: str) -> tuple[xr.DataArray | None, str | None]:
        """(time, lat, lon) bool, ice over 15 % of a cell, from a variable beside the temperature; and a note."""
        first = self.files[0][1]
        name = next((str(n) for n, v in first.data_vars.items() if _is_ice(str(n), v, self.place.dims)), None)
        if name is None or any(name not in dataset for _, dataset in self.files):
            return None, None
        field = replace(self.field, name=name, parts=parts_of(self.files, name, self.place), shift=0.0, missing=None)
        # some producers write the unit % beside shares from 0 to 1
        percent = float(np.nanmax(sampled(field).values, initial=0.0)) > 1.5
        array = as_array(field, self.grid, "ice", key)
        return array >= (100.0 * _ICE_SHARE if percent else _ICE_SHARE), f"ice: {name!r} above {_ICE_SHARE:.0%}"


def open_series(files: Sequence[File], variable: str, quality: Quality) -> FileSeries:
    """The series of ``variable`` over ``files``; everything that can be wrong with it is found here."""
    files = tuple(files)
    where, first = _where(files), files[0][1]
    found = place(first, variable, where)
    if np.prod(found.grid.shape, dtype=np.float64) > _MAX_CELLS:
        raise DataError(f"one map has {found.grid.shape} cells", where, "cut out a region: cdo sellonlatbox")
    for location, dataset in files[1:]:
        same_grid(dataset, first, variable, str(location))
    shift = stated_shift(first[variable], where)
    clock = _clock(files, variable, found)
    step = step_of(clock, _hints(files[0], variable), where)
    field = Field(variable, parts_of(files, variable, found), found.layout, periods(clock, step, where))
    screen, told = _screen(files, variable, found, quality)
    is_graded = screen is not None
    if screen is not None and quality == "all":
        screen, told = None, f"all observations count, whatever {screen.name!r} says of them"
    if screen is not None:
        field = replace(field, missing=_screened(files, screen, field.periods))
        share, looked = left_out(field)
        told = f"kept {screen.words}: {share:.0%} of observations left out{looked}"
    sample = sampled(field)
    sample.refuse_nothing(where, told if screen is not None else None)
    shift, unit = fitting_shift(sample.values, shift, where)
    words = "" if screen is None else screen.words
    return FileSeries(files, variable, found, step, replace(field, shift=shift), unit, sample, words, told, is_graded)


def grouped(files: Sequence[File]) -> list[list[File]]:
    """Files whose names differ in digits only belong together (and NOAA's preliminary days with the final ones)."""
    groups: dict[str, list[File]] = {}
    for location, dataset in files:
        groups.setdefault(re.sub(r"\d+", "#", location.path.name.replace("_preliminary", "")), []).append(
            (location, dataset)
        )
    return list(groups.values())


def month_means(days: xr.DataArray) -> xr.DataArray:
    """The means of the valid days of each month, lazy, labelled by the month's first day."""
    return cast(Any, days).resample(time="MS").mean().astype(np.float32)


def _screen(
    files: Sequence[File], variable: str, found: Place, quality: Quality
) -> tuple[Levels | Bits | None, str | None]:
    """What tells good observations from others in all files, if anything does, and a note where all count."""
    first = files[0][1]
    axes = found.dims[found.layout.lat_axis], found.dims[found.layout.lon_axis]
    screen, told = screen_of(first, variable, axes, quality, str(files[0][0]))
    if screen is None:
        return None, told
    for location, dataset in files[1:]:
        flags = dataset.data_vars.get(screen.name)
        if flags is None or flags.dims != first[screen.name].dims or flags.size != dataset[variable].size:
            return None, f"all observations count, because {location.path.name} has no {screen.name!r} as the first has"
    return screen, None


def _screened(files: Sequence[File], screen: Levels | Bits, known: Periods) -> Field:
    """A field that is 1 where an observation does not count."""
    found = place(files[0][1], screen.name, _where(files))
    return Field(screen.name, parts_of(files, screen.name, found, screen), found.layout, known)


def _where(files: Sequence[File]) -> str:
    return str(files[0][0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def parts_of(files: Sequence[File], variable: str, found: Place, meaning: Meaning | None = None) -> tuple[Part, ...]:
    """The files as parts of the field of a variable, each with its own packing unless all have one ``meaning``."""
    return tuple(
        Part(location, meaning or Packing.of(v.attrs, v.dtype, str(location)), found.lead(v), v.encoding["chunksizes"])
        for location, v in ((location, dataset[variable]) for location, dataset in files)
    )


def _clock(files: Sequence[File], variable: str, found: Place) -> Clock:
    """The times of all files one after the other; files that count alike are decoded together."""
    clocks: list[Clock] = []
    waiting: list[NDArray[Any]] = []
    told: dict[str, Any] = {}
    for location, dataset in files:
        values, attrs = _times(location, dataset, variable, found)
        if waiting and (attrs.get("units"), attrs.get("calendar")) != (told.get("units"), told.get("calendar")):
            clocks.append(decoded(np.concatenate(waiting), told, _where(files)))
            waiting = []
        waiting.append(values)
        told = dict(attrs)
    clocks.append(decoded(np.concatenate(waiting), told, _where(files)))
    calendars = {clock.calendar for clock in clocks}
    if len(calendars) > 1:
        raise DataError(
            f"the files count by different calendars: {', '.join(sorted(calendars))}",
            _where(files),
            "open them one by one",
        )
    return Clock(np.concatenate([clock.days for clock in clocks]), clocks[0].calendar)


def _times(
    location: Location, dataset: xr.Dataset, variable: str, found: Place
) -> tuple[NDArray[Any], Mapping[str, Any]]:
    steps = int(np.prod(found.lead(dataset[variable])))
    if found.time is not None and found.time in dataset.coords:
        values = np.atleast_1d(dataset[found.time].values)
        if values.size == steps:
            return _middles(dataset, found.time, values), dataset[found.time].attrs
    alone = from_name_or_attributes(location.path, dataset.attrs)
    if steps == 1 and alone is not None:
        return alone.days, {"units": "days since 1970-01-01", "calendar": alone.calendar}
    raise DataError(
        "no time was found" if steps else "there is no step of time in the file", str(location),
        "give the file a CF time coordinate (units 'days since …'), or one map and the date in its name, as 20200131",
    )  # fmt: skip


def _middles(dataset: xr.Dataset, time: str, stamps: NDArray[Any]) -> NDArray[Any]:
    """The middle of each step's CF bounds, where it has any: means may be stamped at the end of their interval."""
    edges = dataset.variables.get(str(dataset[time].attrs.get("bounds", "")))
    if edges is None or edges.shape != (stamps.size, 2):
        return stamps
    middles = edges.values.astype(np.float64).mean(axis=1)
    return middles if np.isfinite(middles).all() else stamps


def _hints(file: File, variable: str) -> str:
    location, dataset = file
    told = (
        "frequency",
        "time_coverage_resolution",
        "time_coverage_duration",
        "temporal_range",
        "title",
        "Title",
        "cell_methods",
    )
    attrs = {**dataset.attrs, **dataset[variable].attrs}
    return " ".join([location.path.name, *(str(attrs.get(name, "")) for name in told)])


def _is_ice(name: str, variable: xr.DataArray, dims: tuple[str, ...]) -> bool:
    named_so = variable.attrs.get("standard_name") == _ICE_STANDARD or name.lower() in _ICE_NAMES
    return named_so and tuple(variable.dims) == dims
