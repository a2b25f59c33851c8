"""The maps of the Data page: what a request asks for, read off the event loop, and packed for the globe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import xarray as xr

from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import MapChoice, SourceSummary
from engine.queries.scales import limits_of
from explorer.deck import Card
from explorer.pages.data import text
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_colours, pack_field

_COLOURS = {"coverage": "dense", "count": "dense", "difference": "balance"}
_QUANTITIES = {layer: layer for layer in ("coverage", "count", "difference", "gaps")}
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


def map_scale(source: SourceSummary, request: MapRequest, drawn: DrawnMap) -> Scale:
    """The colour scale of a map."""
    variable, (low, high) = source.variable, drawn.limits
    palette = _COLOURS.get(request.layer, variable.palette)
    shown = [layer for layer in (drawn.field, drawn.second) if layer is not None]
    return Scale(
        _QUANTITIES.get(request.layer, "value"),
        palette,
        low,
        high,
        text.scale_label(request.layer, variable),
        drawn.field.attrs["units"],
        partial(limits_of, [ocean.drawn(source.choice, layer).values for layer in shown], palette == "balance"),
        f"All {source.unit}s",
        logarithmic=variable.is_logarithmic and request.layer in ocean.OF_VALUES,
    )


def packed_map(source: SourceSummary, request: MapRequest, drawn: DrawnMap, when: str) -> Card:
    """The fields of a map as the globe draws them; it is of the day or period ``when``."""
    key = f"{source.key[:12]}-{request.layer}-{when}"
    second = b"" if drawn.second is None else _packed(ocean.drawn(source.choice, drawn.second), key)
    return Card(_packed(ocean.drawn(source.choice, drawn.field), key), second)


def _packed(field: xr.DataArray, key: str) -> bytes:
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
