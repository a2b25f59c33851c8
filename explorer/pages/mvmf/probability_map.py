"""A probability map on the globe: colours, the edge of a region, pins, handles, and the read-out at the pointer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.queries.mvmf import sandbox as queries
from engine.queries.mvmf.sandbox import MapField, MixtureSummary
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import DENSITY, LOG, MASS, PAIR, REGIONS, MvmfModel
from explorer.stage import Stage
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_field, pack_mask
from explorer.widgets.probe import Pointed, Probe

TRUTH_COLOUR = "#E2604F"
GUESS_COLOUR = "#3FD0B6"
_REGION_COLOURS = (127, 230)  # of the 256: the 50 % region, the 90 % region
_REGION_EDGE = 0.55  # of the scale from 0 to 100 %, between both levels


class DrawnDensity(NamedTuple):
    """A density on a grid, and the exact density per km² at a place (lat, lon)."""

    field: MapField
    per_km2: Callable[[float, float], float]


class ProbabilityMap:
    """Draws distributions on a stage's globe, with the scale and outline of the model; ``probe`` reads the map."""

    def __init__(self, model: MvmfModel, stage: Stage) -> None:
        self._model = model
        self._stage = stage
        self._serial = 0
        self._read_at = _nothing
        self.probe = Probe(
            lambda at: self._read_at(at), label=text.PER_KM2, group=type(model).__name__, margin=0, height=44, width=250
        )

    def draw(
        self, drawn: DrawnDensity, summary: MixtureSummary | None, show: str, component: DrawnDensity | None = None
    ) -> None:
        """Draw the density ``drawn`` or the quantity ``show`` of ``summary``; ``component`` is right of the divider."""
        if show == REGIONS and summary is not None:
            self._put_regions(summary)
        elif show == MASS and summary is not None:
            self._put([summary.mass], f"mass-{self._model.scale}")
        elif show in (DENSITY, PAIR):
            self._put(
                [drawn.field] if component is None else [drawn.field, component.field], f"density-{self._model.scale}"
            )
        else:  # regions and masses come later than the density
            self._stage.veil(True)
        self._stage.caption(*(() if show != PAIR or component is None else ("All centres", "The selected one alone")))
        regions = () if summary is None else summary.regions
        edged = [region for region in regions if f"{100 * region.level:g}" == self._model.outline]
        self._stage.globe.domain = pack_mask(edged[0].mask, Axes.of(drawn.field.lat, drawn.field.lon)) if edged else b""
        self._read(text.PER_KM2, lambda at: _density(drawn if component is None or not at.second else component, at))

    def draw_errors(self, errors: MapField) -> None:
        """The map of the test errors."""
        self._stage.globe.domain = b""
        self._stage.caption()
        self._send([errors], "errors", (0.0, float(np.nanmax(errors.values))), "amp")
        self._read(text.MEDIAN_HERE, lambda at: text.cell_error(at.value))

    def _read(self, label: str, read_at: Callable[[Pointed], str]) -> None:
        """Set the read-out at the pointer."""
        self._read_at = read_at
        self.probe.label = label

    def _put_regions(self, summary: MixtureSummary) -> None:
        """One colour a region."""
        dense = np.frombuffer(colormap_bytes("dense"), np.uint8).reshape(-1, 3)[::-1]
        first, last = dense[list(_REGION_COLOURS)]
        steps = np.where(np.arange(256)[:, None] < 256 * _REGION_EDGE, first, last).astype(np.uint8)
        self._send([queries.region_bands(summary)], "regions", (0.0, 100.0), steps.tobytes(), text.REGION_NAMES)

    def _put(self, fields: list[MapField], kind: str) -> None:
        """Maps on the colour scale of the first."""
        units = ""
        if kind.endswith(f"-{LOG}"):
            scaled, low, high = queries.decades(fields[0])
            others = (queries.decades(field)[0] for field in fields[1:])
            fields = [scaled, *(field._replace(values=np.maximum(field.values, low)) for field in others)]
        else:
            low, high = 0.0, float(np.nanmax(fields[0].values))
            power = math.floor(math.log10(high)) if high > 0.0 else 0
            if power < -2:  # readable numbers with a power of ten as unit
                units = f"× {text.ten_to(power)}"
                fields = [field._replace(values=field.values / 10.0**power) for field in fields]
                high /= 10.0**power
        self._send(fields, kind, (low, high), "dense", units=units)

    def _send(
        self,
        fields: list[MapField],
        kind: str,
        limits: tuple[float, float],
        palette: str | bytes,
        names: tuple[str, ...] = (),
        units: str = "",
    ) -> None:
        """Maps and their scale to the browser."""
        self._serial += 1
        key = f"mvmf-{kind}-{self._serial}"
        packed = [pack_field(field.values, Axes.of(field.lat, field.lon), key) for field in fields]
        label, own_units = text.GLOBE_LABELS[kind]
        self._stage.bar.names = list(names)
        drawn = self._stage.scale(Scale(kind.replace("-", "_"), palette, *limits, label, units or own_units))
        self._stage.veil(False)
        self._stage.globe.param.update(
            field=packed[0],
            field_b=packed[1] if len(packed) > 1 else b"",
            blocks=not kind.startswith("density"),
            **drawn,
        )

    def mark(self, pins: list[dict[str, Any]], handles: list[dict[str, Any]]) -> None:
        """Pins on both maps, handles on the globe."""
        self._stage.globe.param.update(markers=pins, handles=handles)
        # labels overlap on the small map
        self._stage.flat.markers = [{**pin, "label": ""} for pin in pins]

    def clear(self) -> None:
        """An empty globe."""
        self._read(text.PER_KM2, _nothing)
        self._stage.veil(False)
        self._stage.globe.param.update(field=b"", field_b=b"", domain=b"")
        self._stage.caption()
        self._stage.bar.visible = False
        self._stage.show_readout([])
        self.mark([], [])


def _nothing(at: Pointed) -> str:
    del at
    return "–"


def _density(drawn: DrawnDensity, at: Pointed) -> str:
    return text.per_km2(drawn.per_km2(at.lat, at.lon))
