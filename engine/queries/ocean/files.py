"""Files of the Data page: the map that is shown, and the series at a place."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, cast

import numpy as np
import xarray as xr

from engine.data.cf import ancillary_attributes, spelled_title, value_attributes
from engine.data.kinds import VariableKind
from engine.data.source import SSTSource, understood_details
from engine.provenance import Detail, Provenance
from engine.queries.cache import Progress
from engine.queries.export import csv_file, netcdf_file
from engine.queries.ocean.days import dates, time_steps
from engine.queries.ocean.maps import OF_SPAN, MapChoice, PointSeries, series
from engine.queries.ocean.sources import GAP_CLASSES, OF_VALUES, SourceChoice, source
from engine.sphere import LatLonGrid
from engine.sphere.cf import BOUNDS, DAYS, Variables, cf_grid, unit_attributes

_MEAN = {"cell_methods": "time: mean"}


def _attributes(layer: str, variable: VariableKind) -> dict[str, Any]:
    """The attributes of a layer by CF."""
    if layer in OF_VALUES:
        return value_attributes(variable) | _MEAN
    others: dict[str, dict[str, Any]] = {
        "coverage": {"units": "percent"},
        "count": ancillary_attributes(variable, "number_of_observations") | {"units": "1"},
        "difference": unit_attributes(variable.unit, is_difference=True),
        "gaps": {
            "flag_values": np.arange(len(GAP_CLASSES), dtype=np.float32),
            "flag_meanings": " ".join(GAP_CLASSES),
        },
    }
    return others[layer]


@dataclass(frozen=True)
class SeriesChoice:
    """The series at a place (degrees north, east), over a span: index of the first day, and after the last."""

    source: SourceChoice
    place: tuple[float, float]
    span: tuple[int, int]


def map_netcdf(choice: MapChoice, field: xr.DataArray) -> bytes:
    """The map (lat, lon) of a choice (:func:`engine.queries.ocean.maps.chosen_map`) as a CF NetCDF file.

    Its dimensions are ``time``, of one step with bounds, ``lat`` and ``lon``; a difference has no ``time``.
    """
    ocean = source(choice.source)
    attrs = {"long_name": field.attrs["long_name"], **_attributes(choice.layer, ocean.variable)}
    variables = cf_grid(LatLonGrid.from_dataset(field))
    if choice.layer == "difference":
        variables[choice.layer] = (("lat", "lon"), field.values, attrs)
    else:
        variables[choice.layer] = (("time", "lat", "lon"), field.values[None], attrs)
        variables |= _time(ocean, *_span(choice))
    dataset = xr.Dataset(variables)
    if "time" in dataset:
        dataset["time"].encoding |= DAYS
        dataset["time_bounds"].encoding |= DAYS
    return netcdf_file(dataset, map_origin(choice, field))


def map_origin(choice: MapChoice, field: xr.DataArray) -> Provenance:
    """The provenance of a map."""
    ocean = source(choice.source)
    days, (first, after) = dates(ocean), _span(choice)
    details: dict[str, Detail] = {"day": days[first]}
    if choice.layer == "difference":
        details["other_day"] = days[choice.other]
    elif after > first + 1:
        details = {"days": f"{days[first]} to {days[after - 1]}"}
    if choice.layer == "withheld":
        details |= {"withheld_percent": choice.percent, "pattern": choice.pattern, "seed": choice.seed}
    return _origin(ocean, "data.map", choice, str(field.attrs["long_name"]), details)


def _span(choice: MapChoice) -> tuple[int, int]:
    """Index of the first day of a map, and of the day after its last."""
    return choice.span if choice.layer in OF_SPAN else (choice.day, choice.day + 1)


def chosen_series(choice: SeriesChoice, progress: Progress | None = None) -> PointSeries:
    """The series of a choice."""
    return series(choice.source, choice.place, slice(*choice.span), progress)


def series_csv(choice: SeriesChoice, shown: PointSeries) -> bytes:
    """Observations and truth (N,) by day as CSV, a column each with its unit (°C); empty where there is none."""
    variable = source(choice.source).variable
    unit = re.sub(r"\W+", "_", variable.unit.replace("%", "percent")).strip("_")
    columns: dict[str, Any] = {"date": shown.days, f"observed_{unit}": shown.observed}
    if shown.truth is not None:
        columns[f"truth_{unit}"] = shown.truth
    details: dict[str, Detail] = {"lat_deg": shown.lat, "lon_deg": shown.lon}
    origin = _origin(
        source(choice.source), "data.series", choice, f"{spelled_title(variable)} at a cell by day", details
    )
    return csv_file(columns, origin, missing="")


def _origin(
    ocean: SSTSource, recipe: str, choice: MapChoice | SeriesChoice, title: str, details: dict[str, Detail]
) -> Provenance:
    known: dict[str, Detail] = {"data": ocean.name, "data_hash": ocean.key, "data_notes": "; ".join(ocean.notes)}
    known |= understood_details(ocean)
    return Provenance(
        recipe=recipe,
        choices=asdict(choice),
        title=title,
        source=f"{'simulation' if ocean.is_synthetic else 'observations'}, {ocean.name}",
        is_synthetic=ocean.is_synthetic,
        details=known | details,
    )


def _time(ocean: SSTSource, first: int, after: int) -> Variables:
    """``time``, the start of the span, and its bounds, in the calendar of the source."""
    times = time_steps(ocean)["time"].values
    end = _end(times[after - 1], is_day=ocean.daily is not None)
    attrs = {"standard_name": "time", "long_name": "start of the time span", "axis": "T", "bounds": "time_bounds"}
    return {
        "time": ("time", times[first : first + 1], attrs | {"units_metadata": "leap_seconds: none"}),
        "time_bounds": (("time", BOUNDS), np.array([[times[first], end]], times.dtype), {}),
    }


def _end(time: Any, is_day: bool) -> Any:
    """The end of the day, or of the month, that begins at ``time``."""
    if isinstance(time, np.datetime64):
        return cast(Any, np).datetime64(time, "D" if is_day else "M") + 1
    if is_day:
        return time + timedelta(days=1)
    return time.replace(year=time.year + time.month // 12, month=time.month % 12 + 1)
