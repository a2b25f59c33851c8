"""One variable over many files as one field: the same grid, one time axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from engine.data.kinds import SST, VariableKind, kind_named, kind_of, own_kind
from engine.data.source import Overrules, Quality, Understood
from engine.data.sst._field import Decoder, Field, FileSegment, as_array
from engine.data.sst._packing import Packing
from engine.data.sst._quality import BitFilter, LevelFilter, filter_of
from engine.data.sst._sample import removed_fraction, sampled
from engine.data.sst._time_axis import File, stated_steps, time_axis
from engine.data.sst._times import Periods, Step, periods, step_of
from engine.data.sst._values import Values, stated_conversion, understood_values
from engine.data.sst._variables import Curvilinear, VariableGrid, grid_words, named, same_grid, variable_grid
from engine.data.sst._wide import curvilinear_of, with_axes
from engine.errors import DataError
from engine.formats.limits import check_field
from engine.sphere import LatLonGrid
from engine.typed import Mask, resample_mean

_ICE_STANDARD = "sea_ice_area_fraction"
_ICE_NAMES = ("ice", "sea_ice_fraction", "siconc", "icec", "sic")
_ICE_FRACTION = 0.15  # ice edge in charts of concentration


@dataclass(frozen=True)
class MultiFileVariable:
    """One variable over files in order; ``step`` is that of the files, ``values`` are by days or months.

    ``filter_text`` describes the quality filter, "" where none is applied; ``quality_note`` is a note on quality.
    ``is_graded``: the files have quality flags, applied or not.
    """

    files: tuple[File, ...]
    variable: str
    kind: VariableKind
    variable_grid: VariableGrid
    step: Step
    values: Values
    filter_text: str
    quality_note: str | None
    is_graded: bool

    @property
    def grid(self) -> LatLonGrid:
        """The grid with ascending latitude and longitude."""
        return self.variable_grid.grid

    @property
    def periods(self) -> Periods:
        """The days or months."""
        return self.values.field.periods

    @property
    def where(self) -> str:
        """The file, or the first of the files."""
        return _where(self.files)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How the files were interpreted and what was repaired, one sentence each."""
        first = self.files[0][1][self.variable]
        size, unit = self.periods.start.size, "months" if self.step == "months" else "days"
        files = f" in {len(self.files):,} files" if len(self.files) > 1 else ""
        span = (
            f"{size:,} {unit if size > 1 else unit[:-1]}, {self.periods.span}, {self.periods.calendar} calendar{files}"
        )
        note = () if self.quality_note is None else (self.quality_note,)
        kind = () if self.kind is SST else (f"taken for: {self.kind.phrase}",)
        return (
            named(first), self.values.unit, span, *kind, *self.values.notes, *note, *self.variable_grid.notes,
            *self.periods.notes,
        )  # fmt: skip

    def understood(self, land_note: str, overrules: Overrules) -> Understood:
        """The interpretation point by point."""
        decoder = self.values.field.segments[0].decoder
        fills = decoder.fills if isinstance(decoder, Packing) else ()
        return Understood(
            variable="/".join(part for part in (self.files[0][0].group, self.variable) if part),
            kind=self.kind.key,
            unit=self.values.unit,
            calendar=self.periods.calendar,
            fill=", ".join(dict.fromkeys(f"{fill:g}".replace("nan", "NaN") for fill in fills)) or "none",
            step=self.step,
            mask=land_note,
            quality=self.quality_note or "no quality flags",
            grid=grid_words(self.variable_grid, overrules.regrid),
            zeros=self.values.zeros,
            overruled=overrules.names,
        )

    def array(self, land: Mask, name: str, key: str) -> xr.DataArray:
        """The field, lazy, with land missing."""
        return as_array(replace(self.values.field, land=land), self.grid, name, key, self.kind.unit)

    def ice(self, key: str) -> tuple[xr.DataArray | None, str | None]:
        """(time, lat, lon) bool, ice over 15 % of a cell, from a second variable of the files; and a note."""
        first = self.files[0][1]
        name = next((str(n) for n, v in first.data_vars.items() if _is_ice(str(n), v, self.variable_grid.dims)), None)
        if name is None or any(name not in dataset for _, dataset in self.files):
            return None, None
        field = field_of(self.files, name, self.variable_grid, self.periods)
        # some producers write the unit % for fractions from 0 to 1
        percent = float(np.nanmax(sampled(field).values, initial=0.0)) > 1.5
        ice = as_array(field, self.grid, "ice", key, "1") >= (100.0 * _ICE_FRACTION if percent else _ICE_FRACTION)
        return ice, f"ice: {name!r} above {_ICE_FRACTION:.0%}"


def open_variable(files: Sequence[File], variable: str, quality: Quality, overrules: Overrules) -> MultiFileVariable:
    """``variable`` over ``files``, with all checks."""
    files, left_out = _with_steps(files, variable)
    files, axes_note = with_axes(files, variable)
    left_out += [axes_note] if axes_note else []
    where, first = _where(files), files[0][1]
    curvilinear, is_swath = curvilinear_of(files, variable, overrules.regrid)
    grid = variable_grid(first, variable, where, curvilinear=curvilinear)
    for location, dataset in files[1:]:
        same_grid(dataset, first, variable, str(location), moves=is_swath)
    kind = kind_named(overrules.kind) if overrules.kind else kind_of(variable, first[variable].attrs)
    kind = own_kind(kind, variable, first[variable].attrs, overrules.unit)
    for location, dataset in files:
        stated_conversion(dataset[variable], kind, str(location), overrules.unit)
    axis = time_axis(files, variable, grid, where, overrules.calendar)
    evidence = stated_steps(files[0], variable, math.prod(grid.lead(first[variable])))
    if overrules.step is None and is_swath:
        step, step_note = "hours", "a swath is a part of a day"
    elif overrules.step is None:
        step, step_note = step_of(axis, evidence, where)
    else:
        step, step_note = overrules.step, f"one step is a {overrules.step[:-1]}, as chosen"
    known = periods(axis, step, where)
    known = replace(known, notes=(*left_out, *axis.notes, *([step_note] if step_note else []), *known.notes))
    field = field_of(files, variable, grid, known, overrules.fill)
    quality_filter, note = _quality_filter(files, variable, grid, quality)
    is_graded = quality_filter is not None
    if quality_filter is not None and quality == "all":
        quality_filter, note = None, f"all observations are used; {quality_filter.name!r} is ignored"
    if quality_filter is not None:
        field = replace(field, missing=_removed(files, quality_filter, field.periods, curvilinear))
        fraction, sampled_days = removed_fraction(field)
        note = f"kept {quality_filter.text}: {fraction:.0%} of observations left out{sampled_days}"
    variables = [dataset[variable] for _, dataset in files]
    values = understood_values(
        field, variables, kind, where, note if quality_filter is not None else None, overrules.unit, overrules.zeros
    )
    filter_text = "" if quality_filter is None else quality_filter.text
    return MultiFileVariable(tuple(files), variable, kind, grid, step, values, filter_text, note, is_graded)


def grouped(files: Sequence[File]) -> list[list[File]]:
    """Group files whose names differ only in digits (and NOAA's preliminary days with the final ones)."""
    groups: dict[str, list[File]] = {}
    for location, dataset in files:
        groups.setdefault(re.sub(r"\d+", "#", location.path.name.replace("_preliminary", "")), []).append(
            (location, dataset)
        )
    return list(groups.values())


def month_means(days: xr.DataArray) -> xr.DataArray:
    """The means of the valid days of each month, lazy, labelled by the month's first day."""
    return resample_mean(days, "MS")


def _quality_filter(
    files: Sequence[File], variable: str, grid: VariableGrid, quality: Quality
) -> tuple[LevelFilter | BitFilter | None, str | None]:
    """The quality filter that all files support, or None, and a note where all observations are kept."""
    first = files[0][1]
    axes = grid.dims[grid.layout.lat_axis], grid.dims[grid.layout.lon_axis]
    quality_filter, note = filter_of(first, variable, axes, quality, str(files[0][0]))
    if quality_filter is None:
        return None, note
    for location, dataset in files[1:]:
        flags = dataset.data_vars.get(quality_filter.name)
        if flags is None or flags.dims != first[quality_filter.name].dims or flags.size != dataset[variable].size:
            return (None, f"all observations are used, because {location.path.name} has no {quality_filter.name!r}")
    return quality_filter, None


def _removed(
    files: Sequence[File], quality_filter: LevelFilter | BitFilter, known: Periods, curvilinear: Curvilinear | None
) -> Field:
    """A field that is 1 where an observation is removed."""
    grid = variable_grid(files[0][1], quality_filter.name, _where(files), curvilinear=curvilinear)
    return Field(quality_filter.name, segments_of(files, quality_filter.name, grid, quality_filter), grid.layout, known)


def _with_steps(files: Sequence[File], variable: str) -> tuple[tuple[File, ...], list[str]]:
    """The files that hold a step of the variable, and a note on the others; raises where none does."""
    empty = [location for location, dataset in files if variable in dataset and dataset[variable].size == 0]
    kept = tuple(file for file in files if file[0] not in empty)
    if not kept:
        raise DataError(
            "there is no step of time in the file", _where(files), "request the data again, for a time that has some"
        )
    names = ", ".join(location.path.name for location in empty[:3]) + (" …" if len(empty) > 3 else "")
    return kept, [f"left out, because they hold no step of time: {names}"] if empty else []


def _where(files: Sequence[File]) -> str:
    return str(files[0][0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def field_of(
    files: Sequence[File], variable: str, grid: VariableGrid, known: Periods, fill: float | None = None
) -> Field:
    """The field of a variable over files; where a version of a step is missing, the next one counts."""
    segments = segments_of(files, variable, grid, fill=fill)
    fallback = None
    for version in reversed(range(grid.versions)):
        fixed = tuple((axis, version) for axis, _ in grid.layout.fixed)
        fallback = Field(variable, segments, replace(grid.layout, fixed=fixed), known, fallback=fallback)
    assert fallback is not None
    return fallback


def segments_of(
    files: Sequence[File],
    variable: str,
    grid: VariableGrid,
    decoder: Decoder | None = None,
    fill: float | None = None,
) -> tuple[FileSegment, ...]:
    """The files as segments of the field of a variable, each with its own packing, and a further ``fill``, unless a
    ``decoder`` is given.

    Raises :class:`DataError` where one map or one chunk takes too much memory.
    """
    cells = grid.grid.lat.size * grid.grid.lon.size
    for location, dataset in files:
        field = dataset[variable]
        rows, columns = (field.shape[axis] for axis in (grid.layout.lat_axis, grid.layout.lon_axis))
        check_field(variable, field.dtype, max(cells, rows * columns), field.encoding["chunksizes"], str(location))
    return tuple(
        FileSegment(
            location,
            decoder or Packing.of(v.attrs, v.dtype, str(location), fill),
            grid.lead(v),
            v.encoding["chunksizes"],
            None if grid.curvilinear is None else grid.curvilinear.native(location, dataset),
        )
        for location, dataset, v in ((location, dataset, dataset[variable]) for location, dataset in files)
    )


def _is_ice(name: str, variable: xr.DataArray, dims: tuple[str, ...]) -> bool:
    named_so = variable.attrs.get("standard_name") == _ICE_STANDARD or name.lower() in _ICE_NAMES
    return named_so and tuple(variable.dims) == dims
