"""Data of the Data page: maps of days and spans, time series at a point, and the cost of reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.gaps import GapPattern, withhold
from engine.data.source import SSTSource
from engine.queries.cache import CACHE, Progress, no_progress, sub_progress
from engine.queries.ocean.days import (
    KEPT_BYTES,
    Singles,
    block,
    chunks,
    dates,
    day,
    span_of,
    time_steps,
    touched_bytes,
    variable,
)
from engine.queries.ocean.sources import (
    ICE,
    LAYERS,
    MISSING,
    OBSERVED,
    OF_VALUES,
    SourceChoice,
    SourceSummary,
    layer_units,
    short_names,
    source,
)
from engine.queries.scales import error_limit
from engine.sphere import LatLonGrid


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of a span: mean of the observed days (H, W) in its unit, number of observations (H, W), and of days."""

    mean: Singles
    count: NDArray[np.int32]
    num_days: int


@dataclass(frozen=True, eq=False)
class PointSeries:
    """Values (N,) by day at the cell nearest to a point; NaN = not observed. ``truth`` is None where unknown."""

    lat: float
    lon: float
    days: tuple[str, ...]
    observed: Singles
    truth: Singles | None


@dataclass(frozen=True)
class ReadCost:
    """Cost of reading a span: days, bytes read, bytes in memory at once, seconds."""

    num_days: int
    read_bytes: int
    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class MapChoice:
    """A map of a source: ``layer``, and what that is of, as indices of the source's days.

    ``day``; ``other``, for a difference; ``span``, first day and the day after the last, for a statistic; ``percent``,
    ``pattern`` and ``seed`` of what is withheld.
    """

    source: SourceChoice
    layer: str
    day: int = 0
    other: int = 0
    span: tuple[int, int] = (0, 1)
    percent: int = 0
    pattern: str = "clouds"
    seed: int = 0


OF_SPAN = ("mean", "coverage", "count")
"""The layers that are statistics of a span."""


def chosen_map(choice: MapChoice, progress: Progress | None = None) -> xr.DataArray:
    """The map (lat, lon) of a choice. Raises as the functions for days and spans below do."""
    with short_names(choice.source):
        return _chosen_map(choice, progress)


def _chosen_map(choice: MapChoice, progress: Progress | None) -> xr.DataArray:
    if choice.layer in OF_SPAN:
        return span_map(choice.source, choice.layer, slice(*choice.span), progress)
    if choice.layer == "difference":
        return difference_map(choice.source, choice.day, choice.other)
    if choice.layer == "withheld":
        hidden = (choice.percent / 100, choice.pattern, choice.seed)
        return withheld_map(choice.source, choice.day, *hidden, progress)
    return day_map(choice.source, choice.layer, choice.day)


# --- days -----------------------------------------------------------------------------------------------------------


def day_map(choice: SourceChoice, layer: str, index: int) -> xr.DataArray:
    """A map (lat, lon) float32 of one day: layer ``observed``, ``truth`` or ``gaps``.

    Raises :class:`ChoiceError` for a layer the source does not have.
    """
    ocean = source(choice)
    if layer == "gaps":
        return _map(ocean, layer, _gaps(ocean, index), dates(ocean)[index])
    values = day(ocean, {"observed": "daily"}.get(layer, layer), index)
    return _map(ocean, layer, values, dates(ocean)[index])


def difference_map(choice: SourceChoice, index: int, other: int) -> xr.DataArray:
    """Observations of the day ``index`` minus those of ``other``, where both exist."""
    ocean, days = source(choice), dates(source(choice))
    values = day(ocean, "daily", index) - day(ocean, "daily", other)
    return _map(ocean, "difference", values, f"{days[index]} minus {days[other]}")


def withheld_map(
    choice: SourceChoice, index: int, fraction: float, pattern: str, seed: int, progress: Progress | None = None
) -> xr.DataArray:
    """A day after ``fraction`` of the observations of its month is withheld; ``pattern`` of :data:`WITHHOLDING`.

    Reads the whole month: the clouds come from its days. Raises as :func:`engine.data.gaps.withhold` does.
    """
    ocean = source(choice)
    days = dates(ocean)
    month = span_of(days, index, "month")
    values = block(ocean, "daily", month, progress or no_progress)

    def hide() -> NDArray[np.bool_]:
        return withhold(np.isnan(values), ocean.land, fraction, seed, cast(GapPattern, pattern))

    key = ("ocean withheld", ocean.key, month.start, fraction, pattern, seed)
    hidden = CACHE.get(key, hide, lambda mask: mask.nbytes)[index - month.start]
    remaining = np.where(hidden, np.float32(np.nan), values[index - month.start])
    return _map(ocean, "withheld", remaining, days[index])


def _gaps(ocean: SSTSource, index: int) -> Singles:
    values = day(ocean, "daily", index)
    classes = np.where(np.isnan(values), np.float32(MISSING), np.float32(OBSERVED))
    if ocean.ice is not None:
        classes[day(ocean, "ice", index) > 0.5] = ICE
    classes[ocean.land] = np.nan
    return classes


# --- spans ----------------------------------------------------------------------------------------------------------


def read_cost(summary: SourceSummary, span: slice) -> ReadCost:
    """Estimated cost of :func:`statistics` over the span."""
    ocean = source(summary.choice)
    read_bytes = touched_bytes(time_steps(ocean), span)
    memory_bytes = min(4 * (span.stop - span.start) * ocean.land.size, KEPT_BYTES)
    return ReadCost(span.stop - span.start, read_bytes, memory_bytes, read_bytes / summary.bytes_per_second)


def has_statistics(choice: SourceChoice, span: slice) -> bool:
    """Whether :func:`statistics` of the span is in the cache."""
    return _statistics_key(source(choice), span) in CACHE


def statistics(choice: SourceChoice, span: slice, progress: Progress | None = None) -> Statistics:
    """Mean of the observed days and number of observations over a span. ``progress`` may raise to cancel the work.

    One chunk of days is in memory at a time.
    """
    ocean = source(choice)

    def compute() -> Statistics:
        total = np.zeros(ocean.grid.shape)
        number = np.zeros(ocean.grid.shape, np.int32)
        for chunk in chunks(ocean, "daily", span, progress or no_progress):
            valid = np.isfinite(chunk)
            total += np.where(valid, chunk, np.float32(0.0)).sum(axis=0, dtype=np.float64)
            number += valid.sum(axis=0, dtype=np.int32)
        mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return Statistics(mean.astype(np.float32), number, span.stop - span.start)

    return CACHE.get(_statistics_key(ocean, span), compute, lambda result: result.mean.nbytes + result.count.nbytes)


def _statistics_key(ocean: SSTSource, span: slice) -> tuple[str, str, int, int]:
    return "ocean statistics", ocean.key, span.start, span.stop


def span_map(choice: SourceChoice, layer: str, span: slice, progress: Progress | None = None) -> xr.DataArray:
    """A map (lat, lon) of a span: layer ``mean``, ``coverage`` (0 to 100 %) or ``count``; land is NaN."""
    ocean, result = source(choice), statistics(choice, span, progress)
    count = result.count.astype(np.float32)
    values = {"mean": result.mean, "coverage": 100.0 * count / np.float32(result.num_days), "count": count}[layer]
    days = dates(ocean)
    dates_text = f"{days[span.start]} to {days[span.stop - 1]}"
    return _map(ocean, layer, np.where(ocean.land, np.float32(np.nan), values), dates_text)


def series(
    choice: SourceChoice, place: tuple[float, float], span: slice, progress: Progress | None = None
) -> PointSeries:
    """Observations at the cell nearest to ``place`` (degrees north, east) over a span, and the truth if known."""
    ocean = source(choice)
    row, col = ocean.grid.nearest_cell(*place)
    names = ["daily"] if ocean.truth is None else ["daily", "truth"]
    fields: list[Singles] = []
    for index, name in enumerate(names):
        step = sub_progress(progress or no_progress, index / len(names), (index + 1) / len(names))
        fields.append(_point(ocean, name, row, col, span, step))
    lat, lon = float(ocean.grid.lat[row]), float(ocean.grid.lon[col])
    return PointSeries(lat, lon, dates(ocean)[span], fields[0], fields[1] if len(fields) > 1 else None)


def _point(ocean: SSTSource, name: str, row: int, col: int, span: slice, progress: Progress) -> Singles:
    array = variable(ocean, name)
    if touched_bytes(array, span, at_point=True) < touched_bytes(array, span) / 8:
        return np.asarray(array[span, row, col].values, np.float32)
    return np.concatenate([chunk[:, row, col] for chunk in chunks(ocean, name, span, progress)])


# --- statistics of a map --------------------------------------------------------------------------------------------


def map_histogram(field: xr.DataArray, limits: tuple[float, float], bins: int = 48) -> tuple[Singles, Singles]:
    """Edges (bins+1,) and fraction (bins,) of the area with a value; values beyond ``limits`` are in the outer bins.

    ``field`` and ``limits`` as they are drawn: :func:`drawn`.
    """
    values = field.values
    valid = np.isfinite(values)
    edges = np.linspace(*limits, bins + 1, dtype=np.float32)
    area = np.broadcast_to(LatLonGrid.from_dataset(field).cell_area_m2[:, None], values.shape)[valid]
    histogram, _ = np.histogram(np.clip(values[valid], *limits), edges, weights=area)
    return edges, (histogram / max(float(area.sum()), 1e-9)).astype(np.float32)


def drawn(choice: SourceChoice, field: xr.DataArray) -> xr.DataArray:
    """A map as its colours show it: values of the variable in its model space, other layers as they are."""
    variable = source(choice).variable
    if field.name not in OF_VALUES or not variable.is_logarithmic:
        return field
    return field.copy(data=variable.transformed(field.values))


def symmetric_limits(summary: SourceSummary, field: xr.DataArray) -> tuple[float, float]:
    """Ends of the colour scale of a difference: ± a multiple of half the kind's scale that 98 % of it stays below."""
    linear = replace(summary.variable, scale=None) if summary.variable.is_logarithmic else summary.variable
    limit = error_limit(linear, field.values)
    return -limit, limit


def coverage_percent(choice: SourceChoice, field: xr.DataArray) -> float:
    """The fraction of the sea's area, in %, where a map has a value."""
    ocean = source(choice)
    area = np.where(ocean.land, 0.0, ocean.grid.cell_area_m2[:, None])
    return 100.0 * float(area[np.isfinite(field.values)].sum()) / max(float(area.sum()), 1e-9)


def _map(ocean: SSTSource, layer: str, values: Any, dates_text: str) -> xr.DataArray:
    coords = {"lat": ocean.grid.lat, "lon": ocean.grid.lon}
    attrs = {"long_name": f"{LAYERS[layer]}, {dates_text}", "units": layer_units(layer, ocean.variable)}
    return xr.DataArray(np.asarray(values, np.float32), coords, ("lat", "lon"), layer, attrs)
