"""The Reconstruct page's controls: model, maps, withheld observations and drawn clouds, region."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.queries.reconstruct import REGIONS
from explorer.model_choice import model_choice
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import BRUSHES_KM, FOUR, ROW, SIDES, SINGLE, SWIPE, ReconstructModel
from explorer.widgets import controls
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section


def drawer(model: ReconstructModel, globe: Globe, about: Any, clear: Callable[[], object]) -> list[Any]:
    """All controls; ``about`` describes the model and the source."""
    painting = controls.switch(model.param.painting, "Paint clouds with the pointer")
    # the next drag paints, however long the server takes
    painting.jslink(globe, value="painting")
    return [
        section("Model"),
        model_choice(model),
        about,
        section("Maps"),
        controls.segments(model.param.panes, text.PANES),
        controls.only_if(
            model.param.panes,
            FOUR,
            lambda: [controls.segments_of(model.param.kind, lambda: _kinds(model), ["offered", "variable"])],
        ),
        *(controls.only_if(model.param.panes, panes, partial(_layers, model, panes)) for panes in (SINGLE, SWIPE, ROW)),
        controls.group(
            model,
            ["left", "right", "third", "panes", "kind"],
            lambda: "day" in model.shown or not model.all_days,
            lambda: [controls.slider(model.param.day, "Day")],
        ),
        section("Withhold observations"),
        controls.slider(model.param.hidden_percent, "Withhold, %"),
        painting,
        controls.only_if(model.param.painting, True, lambda: _brush(model, clear)),
        section("View"),
        controls.select(model.param.region, "Region of the scores", {name: name for name in REGIONS}),
        *map_controls(model, globe),
    ]


def _kinds(model: ReconstructModel) -> dict[str, str]:
    return {label: kind for label, kind in text.kinds(model.variable).items() if kind in model.kinds}


def _layers(model: ReconstructModel, panes: str) -> list[Any]:
    """A layer for each pane."""

    def choices() -> dict[str, str]:
        return {text.LAYERS[name]: name for name in model.offered}

    names = zip(SIDES[panes], text.SIDE_NAMES[panes], strict=True)
    fields = [(side, controls.select(model.param[side], label, choices())) for side, label in names]

    def renew(*_: object) -> None:
        for side, field in fields:
            field.param.update(options=choices(), value=getattr(model, side))

    model.param.watch(renew, "offered")
    return [field for _, field in fields]


def _brush(model: ReconstructModel, clear: Callable[[], object]) -> list[Any]:
    return [
        controls.segments(model.param.brush_km, {f"{size} km": size for size in BRUSHES_KM}),
        controls.switch(model.param.all_days, "On all days of the month"),
        controls.button("Remove the clouds", on_click=lambda _: clear()),
    ]
