"""The Learned table page's controls: field, sample, table, training, globe."""

from __future__ import annotations

from typing import Any

from explorer.layout import row
from explorer.pages.table import text
from explorer.pages.table.model import BOTH, ITERATIONS, LEARNED, RATES, SYNTHETIC, TRUE, TableModel
from explorer.widgets import controls
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section

_TOPOLOGIES = {"Sphere": "sphere", "Torus": "torus", "Clamp": "clamp"}


def drawer(model: TableModel, globe: Globe) -> list[Any]:
    """All controls, from the field down to the map."""
    steps, rates = {f"{count:,}": count for count in ITERATIONS}, {f"{rate:g}": rate for rate in RATES}
    return [
        section("Field"),
        controls.segments(model.param.target, {text.SHORT_NAMES[name]: name for name in model.param.target.objects}),
        controls.sentence(model, ["target"], lambda: text.FORMULAS[model.target]),
        controls.slider(model.param.sample_percent, "Sample, % of points"),
        section("Size and edges"),
        controls.slider(model.param.width, "Columns W"),
        controls.slider(model.param.height, "Rows H"),
        controls.slider(model.param.padding, "Padding"),
        controls.segments(model.param.topology, _TOPOLOGIES),
        controls.sentence(
            model,
            ["width", "height", "padding"],
            lambda: text.cell_sentence(model.width, model.height, model.padding),
        ),
        section("Training"),
        row(
            controls.fixed(controls.select(model.param.iterations, "Steps", steps), 124),
            controls.fixed(controls.select(model.param.learning_rate, "Learning rate", rates), 124),
        ),
        section("Globe"),
        controls.segments(model.param.show, {"Both": BOTH, "True": TRUE, "Learned": LEARNED}),
        controls.only_if(
            model.param.target, SYNTHETIC, lambda: [controls.segments(model.param.component, {"U": "u", "V": "v"})]
        ),
        *map_controls(model, globe),
    ]
