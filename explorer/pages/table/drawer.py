"""The Table page's controls: the field, its sample, the table, the training, and what the globe shows."""

from __future__ import annotations

from typing import Any

from explorer.layout import row
from explorer.pages.table import words
from explorer.pages.table.model import AUGUST, BOTH, FORCE, ITERATIONS, LEARNED, RATES, TRUE, TableModel
from explorer.widgets import controls
from explorer.widgets.globe import Globe
from explorer.widgets.text import html, paragraphs, section

_PROJECTIONS = {"Globe": "globe", "Equal Earth": "equal_earth", "Flat": "plate_carree"}
_TOPOLOGIES = {"Sphere": "sphere", "Torus": "torus", "Clamp": "clamp"}


def drawer(model: TableModel, globe: Globe) -> list[Any]:
    """All controls, from the field down to the map."""
    return [
        section("Field"),
        controls.segments(model.param.target, {"Field of force": FORCE, "SST, August 2012": AUGUST}),
        controls.slider(model.param.sample_percent, "Sample, % of points"),
        section("Size and edges"),
        controls.slider(model.param.width, "Columns W"),
        controls.slider(model.param.height, "Rows H"),
        controls.slider(model.param.padding, "Padding"),
        controls.segments(model.param.topology, _TOPOLOGIES),
        _cell(model),
        section("Training"),
        row(
            _half(controls.select(model.param.iterations, "Steps", {f"{count:,}": count for count in ITERATIONS})),
            _half(controls.select(model.param.learning_rate, "Learning rate", {f"{rate:g}": rate for rate in RATES})),
        ),
        section("Globe"),
        controls.segments(model.param.show, {"Both": BOTH, "True": TRUE, "Learned": LEARNED}),
        controls.group(model, ["target"], lambda: model.target == FORCE, lambda: [_component(model)]),
        controls.segments(model.param.projection, _PROJECTIONS),
        row(
            controls.switch(globe.param.coast, "Coastlines"),
            controls.switch(globe.param.graticule, "Graticule"),
            gap_px=16,
        ),
    ]


def _component(model: TableModel) -> Any:
    return controls.segments(model.param.component, {words.part_name(name): name for name in ("u", "v")})


def _cell(model: TableModel) -> Any:
    """What the size of the table means on the Earth."""
    said = html("")

    def say(*_: object) -> None:
        said.object = paragraphs([(words.cell_sentence(model.width, model.height, model.padding), False)])

    model.param.watch(say, ["width", "height", "padding"])
    say()
    return said


def _half(widget: Any) -> Any:
    widget.sizing_mode, widget.width = "fixed", 124
    return widget
