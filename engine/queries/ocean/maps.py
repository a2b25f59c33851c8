"""Numbers of the Data page: maps of a day and of a span, what a place has been like, what a read will cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.data.gaps import GapPattern, withhold
from engine.data.source import SSTSource
from engine.queries.cache import CACHE
from engine.queries.ocean.days import (
    KEPT_BYTES,
    Progress,
    Singles,
    between,
    block,
    dates,
    day,
    no_progress,
    pieces,
    span_of,
    time_steps,
    touched_bytes,
    variable,
)
from engine.queries.ocean.sources import ICE, LAYERS, MISSING, OBSERVED, Opened, SourceChoice, source
from engine.sphere import LatLonGrid


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the days of a span: mean of valid days (H, W) in °C, number of observations (H, W), and number of days."""

    mean: Singles
    count: NDArray[np.int32]
    num_days: int


@dataclass(frozen=True, eq=False)
class PlaceSeries:
    """Values (N,) at the cell nearest to a place, day by day; NaN = not observed. ``truth`` is None where unknown."""

    lat: float
    lon: float
    days: tuple[str, ...]
    observed: Singles
    truth: Singles | None


@dataclass(frozen=True)
class Cost:
    """What reading a span takes: days, bytes read in all, bytes held at once, seconds."""

    num_days: int
    read_bytes: int
    held_bytes: int
    seconds: float


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
    """What was observed on the day ``index`` minus on ``other``, where both were."""
    ocean, days = source(choice), dates(source(choice))
    values = day(ocean, "daily", index) - day(ocean, "daily", other)
    return _map(ocean, "difference", values, f"{days[index]} minus {days[other]}")


def withheld_map(
    choice: SourceChoice, index: int, share: float, pattern: str, seed: int, progress: Progress | None = None
) -> xr.DataArray:
    """What is left of a day when ``share`` of its month's observations is withheld; ``pattern`` of :data:`WITHHOLDING`.

    Reads the whole month, whose days lend their clouds. Raises as :func:`engine.data.gaps.withhold` does.
    """
    ocean = source(choice)
    days = dates(ocean)
    month = span_of(days, index, "month")
    values = block(ocean, "daily", month, progress or no_progress)

    def hide() -> NDArray[np.bool_]:
        return withhold(np.isnan(values), ocean.land, share, seed, cast(GapPattern, pattern))

    key = ("ocean withheld", ocean.key, month.start, share, pattern, seed)
    hidden = CACHE.get(key, hide, lambda made: made.nbytes)[index - month.start]
    left = np.where(hidden, np.float32(np.nan), values[index - month.start])
    return _map(ocean, "withheld", left, days[index])


def _gaps(ocean: SSTSource, index: int) -> Singles:
    values = day(ocean, "daily", index)
    classes = np.where(np.isnan(values), np.float32(MISSING), np.float32(OBSERVED))
    if ocean.ice is not None:
        classes[day(ocean, "ice", index) > 0.5] = ICE
    classes[ocean.land] = np.nan
    return classes


# --- spans ----------------------------------------------------------------------------------------------------------


def cost(found: Opened, span: slice) -> Cost:
    """What :func:`statistics` over the span will take, roughly."""
    ocean = source(found.choice)
    read = touched_bytes(time_steps(ocean), span)
    held = min(4 * (span.stop - span.start) * ocean.land.size, KEPT_BYTES)
    return Cost(span.stop - span.start, read, held, read / found.bytes_a_second)


def has_statistics(choice: SourceChoice, span: slice) -> bool:
    """Whether :func:`statistics` of the span is at hand."""
    return _statistics_key(source(choice), span) in CACHE


def statistics(choice: SourceChoice, span: slice, progress: Progress | None = None) -> Statistics:
    """Mean of valid days and number of observations over a span. ``progress`` may raise to abandon the work.

    One piece of the days is in memory at a time, however long the span is.
    """
    ocean = source(choice)

    def count() -> Statistics:
        total = np.zeros(ocean.grid.shape)
        number = np.zeros(ocean.grid.shape, np.int32)
        for piece in pieces(ocean, "daily", span, progress or no_progress):
            valid = np.isfinite(piece)
            total += np.where(valid, piece, np.float32(0.0)).sum(axis=0, dtype=np.float64)
            number += valid.sum(axis=0, dtype=np.int32)
        mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
        return Statistics(mean.astype(np.float32), number, span.stop - span.start)

    return CACHE.get(_statistics_key(ocean, span), count, lambda made: made.mean.nbytes + made.count.nbytes)


def _statistics_key(ocean: SSTSource, span: slice) -> tuple[str, str, int, int]:
    return "ocean statistics", ocean.key, span.start, span.stop


def span_map(choice: SourceChoice, layer: str, span: slice, progress: Progress | None = None) -> xr.DataArray:
    """A map (lat, lon) of a span: layer ``mean``, ``coverage`` (0 to 100 %) or ``count``; land is NaN."""
    ocean, found = source(choice), statistics(choice, span, progress)
    count = found.count.astype(np.float32)
    values = {"mean": found.mean, "coverage": 100.0 * count / np.float32(found.num_days), "count": count}[layer]
    days = dates(ocean)
    when = f"{days[span.start]} to {days[span.stop - 1]}"
    return _map(ocean, layer, np.where(ocean.land, np.float32(np.nan), values), when)


def series(
    choice: SourceChoice, place: tuple[float, float], span: slice, progress: Progress | None = None
) -> PlaceSeries:
    """What was observed at the cell nearest to ``place`` (degrees north, east) over a span, and the truth if known."""
    ocean = source(choice)
    row = int(np.abs(ocean.grid.lat - place[0]).argmin())
    col = int(np.abs((ocean.grid.lon - place[1] + 180.0) % 360.0 - 180.0).argmin())
    names = ["daily"] if ocean.truth is None else ["daily", "truth"]
    parts = [
        between(progress or no_progress, index / len(names), (index + 1) / len(names)) for index in range(len(names))
    ]
    found = [_point(ocean, name, row, col, span, part) for name, part in zip(names, parts, strict=True)]
    days = dates(ocean)[span]
    lat, lon = float(ocean.grid.lat[row]), float(ocean.grid.lon[col])
    return PlaceSeries(lat, lon, days, found[0], found[1] if len(found) > 1 else None)


def _point(ocean: SSTSource, name: str, row: int, col: int, span: slice, progress: Progress) -> Singles:
    array = variable(ocean, name)
    if touched_bytes(array, span, at_point=True) < touched_bytes(array, span) / 8:
        return np.asarray(array[span, row, col].values, np.float32)
    return np.concatenate([piece[:, row, col] for piece in pieces(ocean, name, span, progress)])


# --- figures of a map -----------------------------------------------------------------------------------------------


def map_histogram(field: xr.DataArray, limits: tuple[float, float], bins: int = 48) -> tuple[Singles, Singles]:
    """Edges (bins+1,) and share (bins,) of the area that has a value, by value; what is beyond counts at the ends."""
    values = field.values
    valid = np.isfinite(values)
    edges = np.linspace(*limits, bins + 1, dtype=np.float32)
    area = np.broadcast_to(LatLonGrid.from_dataset(field).cell_area_m2[:, None], values.shape)[valid]
    found, _ = np.histogram(np.clip(values[valid], *limits), edges, weights=area)
    return edges, (found / max(float(area.sum()), 1e-9)).astype(np.float32)


def seen_percent(choice: SourceChoice, field: xr.DataArray) -> float:
    """The share of the sea's area, in %, where a map has a value."""
    ocean = source(choice)
    area = np.where(ocean.land, 0.0, ocean.grid.cell_area_m2[:, None])
    return 100.0 * float(area[np.isfinite(field.values)].sum()) / max(float(area.sum()), 1e-9)


def _map(ocean: SSTSource, layer: str, values: Any, when: str) -> xr.DataArray:
    name, units = LAYERS[layer]
    coords = {"lat": ocean.grid.lat, "lon": ocean.grid.lon}
    attrs = {"long_name": f"{name}, {when}", "units": units}
    return xr.DataArray(np.asarray(values, np.float32), coords, ("lat", "lon"), layer, attrs)
