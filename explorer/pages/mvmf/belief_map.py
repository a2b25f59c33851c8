"""A belief on the globe: its map in the chosen colours, a region's edge, pins and handles, and what is read there."""

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
from explorer.widgets.globe import Axes, colormap_bytes, pack_field, pack_mask
from explorer.widgets.probe import Pointed, Probe

TRUTH_COLOUR = "#E2604F"
GUESS_COLOUR = "#3FD0B6"
_REGION_COLOURS = (127, 230)  # of the 256: half of the belief, nine tenths of it
_REGION_EDGE = 0.55  # of the scale from 0 to 100 %, between both levels


class Drawn(NamedTuple):
    """A density as it is drawn, and the same density at a place (lat, lon), exactly and per km²."""

    field: MapField
    per_km2: Callable[[float, float], float]


class BeliefMap:
    """Puts beliefs on a stage's globe, as the model's scale and outline say; ``probe`` reads what is on it."""

    def __init__(self, model: MvmfModel, stage: Stage) -> None:
        self._model = model
        self._stage = stage
        self._serial = 0
        self._look = _nothing
        self.probe = Probe(
            lambda at: self._look(at), label=text.PER_KM2, group=type(model).__name__, margin=0, height=44, width=250
        )

    def draw(self, of: Drawn, summary: MixtureSummary | None, show: str, alone: Drawn | None = None) -> None:
        """The density ``of``, or what ``show`` asks of ``summary``; ``alone`` stands right of a divider."""
        if show == REGIONS and summary is not None:
            self._put_regions(summary)
        elif show == MASS and summary is not None:
            self._put([summary.mass], f"mass-{self._model.scale}")
        elif show in (DENSITY, PAIR):
            self._put([of.field] if alone is None else [of.field, alone.field], f"density-{self._model.scale}")
        self._stage.caption(*(() if show != PAIR or alone is None else ("All centres", "The chosen one alone")))
        regions = () if summary is None else summary.regions
        edged = [one for one in regions if f"{100 * one.level:g}" == self._model.outline]
        self._stage.globe.domain = pack_mask(edged[0].mask, Axes.of(of.field.lat, of.field.lon)) if edged else b""
        self._read(text.PER_KM2, lambda at: _density(of if alone is None or not at.second else alone, at))

    def draw_errors(self, errors: MapField) -> None:
        """The map of the test's errors."""
        self._stage.globe.domain = b""
        self._stage.caption()
        self._send([errors], "errors", (0.0, float(np.nanmax(errors.values))), colormap_bytes("amp"))
        self._read(text.MEDIAN_HERE, lambda at: text.cell_error(at.value))

    def _read(self, label: str, look: Callable[[Pointed], str]) -> None:
        """What the pointer reads from now on."""
        self._look = look
        self.probe.label = label

    def _put_regions(self, summary: MixtureSummary) -> None:
        """One colour a region: the smaller its share, the nearer to the heart of the belief."""
        dense = np.frombuffer(colormap_bytes("dense"), np.uint8).reshape(-1, 3)[::-1]
        first, last = dense[list(_REGION_COLOURS)]
        steps = np.where(np.arange(256)[:, None] < 256 * _REGION_EDGE, first, last).astype(np.uint8)
        self._send([queries.region_bands(summary)], "regions", (0.0, 100.0), steps.tobytes(), text.REGION_NAMES)

    def _put(self, fields: list[MapField], kind: str) -> None:
        """Maps with one scale, that of the first."""
        units = ""
        if kind.endswith(f"-{LOG}"):
            scaled, low, high = queries.decades(fields[0])
            others = (queries.decades(one)[0] for one in fields[1:])
            fields = [scaled, *(one._replace(values=np.maximum(one.values, low)) for one in others)]
        else:
            low, high = 0.0, float(np.nanmax(fields[0].values))
            power = math.floor(math.log10(high)) if high > 0.0 else 0
            if power < -2:  # numbers that can be read, with what they are to be taken times
                units = f"× {text.ten_to(power)}"
                fields = [one._replace(values=one.values / 10.0**power) for one in fields]
                high /= 10.0**power
        self._send(fields, kind, (low, high), colormap_bytes("dense"), units=units)

    def _send(
        self,
        fields: list[MapField],
        kind: str,
        limits: tuple[float, float],
        colours: bytes,
        names: tuple[str, ...] = (),
        units: str = "",
    ) -> None:
        """Maps and their scale to the browser."""
        self._serial += 1
        key = f"mvmf-{kind}-{self._serial}"
        packed = [pack_field(one.values, Axes.of(one.lat, one.lon), key) for one in fields]
        self._stage.globe.param.update(
            field=packed[0], field_b=packed[1] if len(packed) > 1 else b"", vmin=limits[0], vmax=limits[1],
            colormap=colours, blocks=not kind.startswith("density"),
        )  # fmt: skip
        label, own_units = text.GLOBE_LABELS[kind]
        self._stage.bar.names = list(names)
        self._stage.scale(colours, *limits, label, units or own_units)

    def mark(self, pins: list[dict[str, Any]], handles: list[dict[str, Any]]) -> None:
        """Pins on both maps, handles on the globe."""
        self._stage.globe.param.update(markers=pins, handles=handles)
        # on the small map labels would cover each other
        self._stage.flat.markers = [{**pin, "label": ""} for pin in pins]

    def clear(self) -> None:
        """An empty globe, on which nothing is to be read."""
        self._read(text.PER_KM2, _nothing)
        self._stage.globe.param.update(field=b"", field_b=b"", domain=b"")
        self._stage.caption()
        self._stage.bar.visible = False
        self._stage.say_facts([])
        self.mark([], [])


def _nothing(at: Pointed) -> str:
    del at
    return "–"


def _density(of: Drawn, at: Pointed) -> str:
    return text.per_km2(of.per_km2(at.lat, at.lon))
