"""The Basis page's controls: function, basis and map."""

from __future__ import annotations

from typing import Any

import panel as pn

from explorer.background import PeriodicTask
from explorer.layout import row
from explorer.pages.basis.model import COMPONENT, HARMONIC, STEPS, BasisModel
from explorer.widgets import controls
from explorer.widgets.domain import domain_controls
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section

_PLAY_MS = 900


def drawer(model: BasisModel, globe: Globe, domain_text: Any) -> list[Any]:
    """All controls, from the function down to the map; ``domain_text`` stands below the domain's choices."""
    harmonic = controls.only_if(model.param.show, HARMONIC, lambda: _harmonic(model))
    component = controls.only_if(model.param.show, COMPONENT, lambda: _component(model, domain_text))
    return [
        section("Function"),
        controls.segments(model.param.show, {"One harmonic": HARMONIC, "PCA component": COMPONENT}),
        controls.slider(model.param.max_degree, "Max. degree L"),
        harmonic,
        component,
        _stepper(model),
        section("Map"),
        *map_controls(model, globe),
    ]


def _harmonic(model: BasisModel) -> list[Any]:
    return [controls.slider(model.param.degree, "Degree l"), controls.slider(model.param.order, "Order m")]


def _component(model: BasisModel, domain_text: Any) -> list[Any]:
    return [
        controls.slider(model.param.component, "Component k"),
        controls.slider(model.param.num_components, "Components kept K"),
        *domain_controls(model),
        controls.select(model.param.step_deg, "Grid of the fit", {f"{step:g}°": step for step in STEPS}),
        controls.switch(model.param.follow, "Turn to the maximum"),
        domain_text,
    ]


def _stepper(model: BasisModel) -> pn.Column:
    """Step through the functions: previous, next, or play."""
    play = controls.button("Play")
    player = PeriodicTask(lambda: model.step(1), _PLAY_MS)

    def toggle(_: object) -> None:
        player.turn(not player.running)
        play.label = "Stop" if player.running else "Play"

    play.on_click(toggle)
    return row(
        controls.button("Previous", on_click=lambda _: model.step(-1)),
        play,
        controls.button("Next", on_click=lambda _: model.step(1)),
        margin=(8, 0, 16, 0),
    )
