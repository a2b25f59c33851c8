"""A belief on the globe: its map in the chosen colours, the edge of a region, pins and handles."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.queries import mvmf as queries
from engine.queries.mvmf import Field, Summary
from explorer.pages.mvmf import words
from explorer.pages.mvmf.model import DENSITY, LOG, MASS, PAIR, REGIONS, MvmfModel
from explorer.stage import Stage
from explorer.widgets.globe import Axes, colormap_bytes, pack_field, pack_mask

TRUTH_COLOUR = "#E2604F"
GUESS_COLOUR = "#3FD0B6"


class BeliefMap:
    """Puts beliefs on a stage's globe, as the model's scale and outline say."""

    def __init__(self, model: MvmfModel, stage: Stage) -> None:
        self._model = model
        self._stage = stage
        self._serial = 0

    def draw(self, field: Field, summary: Summary | None, show: str, alone: Field | None = None) -> None:
        """The density ``field``, or what ``show`` asks of ``summary``; ``alone`` stands right of a divider."""
        if show == REGIONS and summary is not None:
            self._put([queries.region_bands(summary)], "regions", (0.0, 100.0))
        elif show == MASS and summary is not None:
            self._put([summary.mass], f"mass-{self._model.scale}")
        elif show in (DENSITY, PAIR):
            self._put([field] if alone is None else [field, alone], f"density-{self._model.scale}")
        self._stage.caption(*(() if show != PAIR or alone is None else ("All centres", "The chosen one alone")))
        regions = () if summary is None else summary.regions
        edged = [one for one in regions if f"{100 * one.level:g}" == self._model.outline]
        axes = Axes.of(field.lat, field.lon)
        self._stage.globe.domain = pack_mask(edged[0].mask, axes) if edged else b""

    def draw_errors(self, errors: Field) -> None:
        """The map of the test's errors."""
        self._stage.globe.domain = b""
        self._stage.caption()
        self._put([errors], "errors", (0.0, float(np.nanmax(errors.values))), "amp")

    def _put(
        self, fields: list[Field], kind: str, limits: tuple[float, float] | None = None, name: str = "dense"
    ) -> None:
        """Maps with one scale, that of the first."""
        if kind.endswith(f"-{LOG}"):
            scaled, low, high = queries.decades(fields[0])
            others = (queries.decades(one)[0] for one in fields[1:])
            fields = [scaled, *(one._replace(values=np.maximum(one.values, low)) for one in others)]
        else:
            low, high = limits or (0.0, float(np.nanmax(fields[0].values)))
        self._serial += 1
        key = f"mvmf-{kind}-{self._serial}"
        packed = [pack_field(one.values, Axes.of(one.lat, one.lon), key) for one in fields]
        colours, blocks = colormap_bytes(name), not kind.startswith("density")
        if kind == "regions":  # the smaller the share, the nearer to the heart of the belief
            colours = np.frombuffer(colours, np.uint8).reshape(-1, 3)[::-1].tobytes()
        self._stage.globe.param.update(
            field=packed[0], field_b=packed[1] if len(packed) > 1 else b"", vmin=low, vmax=high, colormap=colours,
            blocks=blocks,
        )  # fmt: skip
        label, units = words.GLOBE_LABELS[kind]
        self._stage.scale(colours, low, high, label, units)

    def mark(self, pins: list[dict[str, Any]], handles: list[dict[str, Any]]) -> None:
        """Pins on both maps, handles on the globe."""
        self._stage.globe.param.update(markers=pins, handles=handles)
        # on the small map labels would cover each other
        self._stage.flat.markers = [{**pin, "label": ""} for pin in pins]

    def clear(self) -> None:
        """An empty globe."""
        self._stage.globe.param.update(field=b"", field_b=b"", domain=b"")
        self._stage.caption()
        self._stage.bar.visible = False
        self._stage.say_facts([])
        self.mark([], [])
