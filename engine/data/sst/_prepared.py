"""The five stores of the published preparation: months of 31 days (or 744 hours), ready for its training.

    input_da.zarr            (M, T, lat, lon)  observations, NaN or filled where missing
    input_da_nan_mask.zarr   (M, T, lat, lon)  bool, True = missing
    monthly_da.zarr          (M, lat, lon)     the month's mean, or its residual to the mean of the observed days
    padded_days_mask.zarr    (M, T)            bool, True = no such day, or a day without any value
    time_features.zarr       (M, T, 3)         phases; not read, :func:`engine.data.calendar.by_month` makes them

Each holds one variable of the same name. M are year and month as YYYYMM, T counts days or hours of the month from 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from engine.data.calendar import month_edges
from engine.data.kinds import kind_named, kind_of, own_kind
from engine.data.source import Overrules, SSTSource, Understood
from engine.data.sst._field import Field, as_array
from engine.data.sst._land import land_of
from engine.data.sst._paths import Location
from engine.data.sst._series import month_means, segments_of
from engine.data.sst._storage import read, skeleton
from engine.data.sst._time_axis import File
from engine.data.sst._time_units import TimeAxis
from engine.data.sst._times import Periods, Step, periods
from engine.data.sst._values import converted_field, understood_values
from engine.data.sst._variables import choose, grid_words, named, same_grid, variable_grid
from engine.data.units import Conversion
from engine.errors import ChoiceError, DataError
from engine.formats.limits import check_steps
from engine.sphere import LatLonGrid
from engine.typed import Floats, Ints, Mask

STORES = ("input_da.zarr", "input_da_nan_mask.zarr", "monthly_da.zarr", "padded_days_mask.zarr", "time_features.zarr")

_STEPS = ("M", "T")
_SLOTS: dict[int, tuple[Step, int]] = {31: ("days", 1), 31 * 24: ("hours", 24)}


def is_prepared(locations: Sequence[Location]) -> bool:
    """Whether the stores of the published preparation are among the files."""
    return {STORES[0], STORES[1]} <= {location.path.name for location in locations}


def open_prepared(
    locations: Sequence[Location], variable: str | None, name: str, key: str, overrules: Overrules
) -> SSTSource:
    """The source in the stores, one folder or one a year; further files may hold the land mask."""
    if overrules.step or overrules.calendar or overrules.fill is not None:
        raise ChoiceError(
            "prepared stores have days of the standard calendar and a mask of what is missing", "overrules",
            "leave step, calendar and fill to the files",
        )  # fmt: skip
    folders: dict[Path, dict[str, File]] = defaultdict(dict)
    other_files: list[File] = []
    for location in locations:
        file = (location, skeleton(location))
        if location.path.name in STORES:
            folders[location.path.parent][location.path.name] = file
        else:
            other_files.append(file)
    stores = list(folders.values())
    _refuse_missing(stores, locations)
    where = str(locations[0].path.parent)
    observed = [folder[STORES[0]] for folder in stores]
    chosen = _variable(observed[0][1], variable, where)
    days = _field(observed, chosen, _calendar_days(stores, where))
    days = replace(days, missing=_field([folder[STORES[1]] for folder in stores], chosen, days.periods))
    first = observed[0][1]
    grid = variable_grid(first, chosen, where, steps=_STEPS)
    kind = kind_named(overrules.kind) if overrules.kind else kind_of(chosen, first[chosen].attrs)
    kind = own_kind(kind, chosen, first[chosen].attrs, overrules.unit)
    variables = [dataset[chosen] for _, dataset in observed]
    values = understood_values(days, variables, kind, where, None, overrules.unit, overrules.zeros)
    land = land_of(other_files, grid.grid, values.sample, kind, overrules.mask)
    daily = as_array(replace(values.field, land=land.mask), grid.grid, "sst", f"daily-{key}", kind.unit)
    monthly, monthly_notes = _monthly(stores, chosen, daily, values.conversion, land.mask, key)
    span = f"{days.shape[0]:,} days, {days.periods.span}, standard calendar, prepared in {len(stores)} folders"
    notes = (
        named(first[chosen]), values.unit, span, *values.notes, *grid.notes, *days.periods.notes, *monthly_notes,
        land.note,
    )  # fmt: skip
    understood = Understood(
        chosen, kind.key, values.unit, "standard", f"the mask {STORES[1]}", "days", land.note, "no quality flags",
        grid_words(grid, overrules.regrid), values.zeros, overrules.names,
    )  # fmt: skip
    return SSTSource(name, key, grid.grid, land.mask, notes, daily, monthly, understood=understood, variable=kind)


def _refuse_missing(stores: Sequence[dict[str, File]], locations: Sequence[Location]) -> None:
    for folder in stores:
        absent = [name for name in (*STORES[:2], STORES[3]) if name not in folder]
        if absent:
            raise DataError(
                f"the prepared folder lacks {', '.join(absent)}",
                str(next(iter(folder.values()))[0].path.parent),
                "prepare it again",
            )


def _variable(dataset: xr.Dataset, variable: str | None, where: str) -> str:
    """The only variable of a store, of any name."""
    fields = [str(n) for n, v in dataset.data_vars.items() if v.ndim == 4]
    return fields[0] if variable is None and len(fields) == 1 else choose(dataset, variable, where)[0]


def _field(files: Sequence[File], variable: str, known: Periods) -> Field:
    where = str(files[0][0])
    grid = variable_grid(files[0][1], variable, where, steps=_STEPS)
    for location, dataset in files[1:]:
        same_grid(dataset, files[0][1], variable, str(location), apart=_STEPS)
    return Field(variable, segments_of(files, variable, grid), grid.layout, known)


def _calendar_days(stores: Sequence[dict[str, File]], where: str) -> Periods:
    """The days of the stores: all calendar days from the first that is not padded to the last."""
    starts: list[Floats] = []
    steps: list[Ints] = []
    unit: Step = "days"
    offset = 0
    for folder in stores:
        location, dataset = folder[STORES[3]]
        name = next((str(n) for n, v in dataset.data_vars.items() if v.dims == _STEPS), None)
        if name is None or dataset[name].shape[1] not in _SLOTS:
            raise DataError("a month has neither 31 days nor 744 hours", str(location), "prepare it again")
        check_steps(dataset[name].size, name, str(location))
        padded: Mask = read(location, name, (slice(None), slice(None))).astype(np.bool_)
        unit, per_day = _SLOTS[padded.shape[1]]
        first = _first_days(dataset, str(location))
        length = (_next_month(first) - first) * per_day
        slots: Ints = np.arange(int(padded.shape[1]))
        inside = slots < length[:, None]
        counted, kept = np.flatnonzero(inside & ~padded), np.flatnonzero(inside)
        if counted.size:
            kept = kept[(kept >= counted[0]) & (kept <= counted[-1])]
            month, slot = np.divmod(kept, padded.shape[1])
            starts.append(first[month] + slot / per_day)
            steps.append(kept + offset)
        offset += int(padded.size)
    if not steps:
        raise DataError("all days are padded", where, "prepare it again")
    days = periods(TimeAxis(np.concatenate(starts), "standard"), unit, where)
    return replace(days, steps=np.concatenate(steps)[days.steps])


def _next_month(first: Ints) -> Ints:
    months = first.astype("datetime64[D]").astype("datetime64[M]")
    return (months + 1).astype("datetime64[D]").astype(np.int64)


def _first_days(dataset: xr.Dataset, where: str) -> Ints:
    """The first days, as days since 1970, of the months M = YYYYMM."""
    months = np.asarray(dataset["M"].values if "M" in dataset.coords else [], np.int64)
    if months.size == 0 or not ((months % 100 >= 1) & (months % 100 <= 12)).all():
        raise DataError("the months M are not given as YYYYMM", where, "prepare it again")
    return np.array([month_edges(int(m) // 100 * 12 + int(m) % 100 - 1, 0, "standard")[0] for m in months])


def _monthly(
    stores: Sequence[dict[str, File]], variable: str, daily: xr.DataArray, conversion: Conversion, land: Mask, key: str
) -> tuple[xr.DataArray | None, list[str]]:
    """The monthly means; a residual is recognised, because it is nearer to zero than to its days, and the mean is
    added.
    """
    files = [folder[STORES[2]] for folder in stores if STORES[2] in folder]
    if len(files) < len(stores):
        return None, []
    first = np.concatenate([_first_days(dataset, str(location)) for location, dataset in files]).astype(np.float64)
    field = _field(files, variable, periods(TimeAxis(first, "standard"), "months", str(files[0][0])))
    month = field[0, :, :]
    near = daily.isel(time=daily["time"] < daily["time"][0] + np.timedelta64(5, "D")).mean("time").values
    both = np.isfinite(month) & np.isfinite(near)
    mean = month[both] * conversion.factor + conversion.offset
    is_residual = bool((np.abs(month[both]) < np.abs(mean - near[both])).mean() > 0.5)
    grid = LatLonGrid(daily["lat"].values, daily["lon"].values)
    field = converted_field(field, replace(conversion, offset=0.0) if is_residual else conversion)
    monthly = as_array(replace(field, land=land), grid, "sst", f"monthly-{key}", str(daily.attrs["units"]))
    if not is_residual:
        return monthly, []
    return monthly + month_means(daily), ["monthly: stored as residuals, to which the mean of observed days was added"]
