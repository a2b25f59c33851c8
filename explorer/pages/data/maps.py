"""The maps of the Data page: what a request asks for, read off the event loop, and packed for the globe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr

from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import MapChoice, SourceSummary
from explorer.pages.data import text
from explorer.widgets.globe import Axes, pack_colours, pack_field

_FIXED_LIMITS = {"coverage": (0.0, 100.0), "gaps": (0.0, 2.0)}


@dataclass(frozen=True)
class MapRequest:
    """The map to draw; equal requests give the same picture."""

    key: str
    choice: MapChoice

    @property
    def layer(self) -> str:
        """The layer of the map."""
        return self.choice.layer


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """A map, the map right of the divider if there is one, and the limits of their colour scale."""

    field: xr.DataArray
    second: xr.DataArray | None
    limits: tuple[float, float]


def read_map(source: SourceSummary, request: MapRequest, report: Progress) -> DrawnMap:
    """The maps of a request; called off the event loop."""
    choice, layer = request.choice, request.layer
    field = ocean.chosen_map(choice, report)
    if layer == "withheld":
        return DrawnMap(ocean.day_map(choice.source, "observed", choice.day), field, source.limits)
    if layer == "difference":
        return DrawnMap(field, None, ocean.symmetric_limits(source, field))
    if layer == "count":
        return DrawnMap(field, None, (0.0, float(max(1.0, np.nan_to_num(field.values).max()))))
    return DrawnMap(field, None, _FIXED_LIMITS.get(layer, source.limits))


def packed(field: xr.DataArray, key: str) -> bytes:
    """A map as the globe reads it: values, or the colours of the layer of gaps."""
    axes = Axes.of(field["lat"].values, field["lon"].values)
    if field.name != "gaps":
        return pack_field(field.values, axes, key)
    missing = np.isnan(field.values)
    kinds = np.where(missing, 0, field.values).astype(int)
    return pack_colours(_gap_colours()[kinds], axes, key, missing)


@cache
def _gap_colours() -> np.ndarray:
    return np.array([list(bytes.fromhex(colour[1:])) for _, colour in text.GAPS_KEY], np.uint8)
