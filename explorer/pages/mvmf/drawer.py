"""The Geolocation page's controls: sandbox or expert, initial centres, the selected centre, and the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui
import param

from engine.queries.mvmf.comparison import DENSITIES
from engine.queries.mvmf.sandbox import half_radius_km
from explorer.layout import box, row
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import (
    ADD,
    DENSITY,
    EXPERT,
    LINEAR,
    LOG,
    MASS,
    PAIR,
    REGIONS,
    SANDBOX,
    SELECT,
    TRUTH,
    MvmfModel,
)
from explorer.pages.mvmf.sandbox import Sandbox
from explorer.widgets import controls
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section, text_pane

_STARTS = {
    "By hand only": "none",
    "Evenly spread (Fibonacci)": "fibonacci",
    "On land, at random": "land",
    "At sea, at random": "ocean",
    "Near data, with a minimum distance": "near-data",
    "Clusters of data (k-means)": "kmeans",
    "Clusters of data (k-means by mini-batches)": "minibatch",
    "Data points farthest from each other": "farthest",
    "Cells split until few data are in each": "partition",
    "Cells of a cube (hierarchy)": "hierarchy",
    "From a file": "file",
}
_CLICKS = {"Add": ADD, "Select": SELECT, "True location": TRUTH}
_SHOWN = {"Density": DENSITY, "Cells": MASS, "Regions": REGIONS, "All | one": PAIR}
_SCALES = {"Logarithmic": LOG, "Linear": LINEAR}
_OUTLINES = {"No region": "none", "50 %": "50", "90 %": "90"}
_DEPENDENCIES = ["mode", "show", "quantity"]
_SEEDED = ("land", "ocean", "near-data", "kmeans", "minibatch", "farthest")
_CSS = ":host { display: flex; flex-flow: column nowrap; gap: 4px } :host > * { flex: none }"


def drawer(model: MvmfModel, globe: Globe, sandbox: Sandbox, expert_controls: Callable[[], list[Any]]) -> list[Any]:
    """All controls; those of the other mode are built when it is first selected."""
    return [
        controls.segments(model.param.mode, {"Expert": EXPERT, "Sandbox": SANDBOX}),
        controls.only_if(model.param.mode, SANDBOX, lambda: _of_sandbox(model, sandbox)),
        controls.only_if(model.param.mode, EXPERT, expert_controls),
        section("Map"),
        controls.group(
            model, _DEPENDENCIES, lambda: model.has_scale, lambda: [controls.segments(model.param.scale, _SCALES)]
        ),
        controls.group(
            model, _DEPENDENCIES, lambda: model.has_density, lambda: [controls.segments(model.param.outline, _OUTLINES)]
        ),
        *map_controls(model, globe),
    ]


def _of_sandbox(model: MvmfModel, sandbox: Sandbox) -> list[Any]:
    return [
        section("Map quantity"),
        controls.segments(model.param.show, _SHOWN),
        section("Click on the map"),
        controls.segments(model.param.click, _CLICKS),
        section("Selected centre"),
        controls.group(model, ["selected"], lambda: model.selected < 0, lambda: [text_pane(text.NO_CENTRE)]),
        controls.group(model, ["selected"], lambda: model.selected >= 0, lambda: _own(model, sandbox)),
        section("All centres"),
        controls.slider(model.param.log_kappa, "log₁₀ κ of all", step=0.05, format="0.00"),
        _meaning(model, "log_kappa"),
        controls.slider(model.param.weight, "Weight of all", step=0.1, format="0.0"),
        text_pane(text.OF_ALL),
        section("Initial centres"),
        controls.select(model.param.start, "Start", _STARTS),
        _of_start(model),
        controls.group(model, ["start", "data", "panel"], lambda: model.needs_file, lambda: _file(sandbox)),
    ]


def _own(model: MvmfModel, sandbox: Sandbox) -> list[Any]:
    return [
        controls.slider(model.param.own_log_kappa, "Its log₁₀ κ", step=0.05, format="0.00"),
        _meaning(model, "own_log_kappa"),
        controls.slider(model.param.own_weight, "Its weight", step=0.1, format="0.0"),
        row(controls.button("Delete it", on_click=lambda _: sandbox.delete()), margin=(4, 0, 8, 0)),
    ]


def _of_start(model: MvmfModel) -> Any:
    """Controls of the initial centres."""
    start, drawn = model.param.start, tuple(kind for kind in _STARTS.values() if kind not in ("none", "file"))
    return box(
        controls.only_if(start, drawn, lambda: [controls.slider(model.param.count, "Centres K")]),
        controls.only_if(start, _SEEDED, lambda: [controls.slider(model.param.seed, "Seed")]),
        controls.group(
            model,
            ["start", "panel"],
            lambda: model.is_enabled("data"),
            lambda: [controls.select(model.param.data, "Data", DENSITIES)],
        ),
        controls.only_if(
            start, "near-data", lambda: [controls.slider(model.param.separation_km, "Minimum distance, km", step=10)]
        ),
        css=_CSS,
    )


def _meaning(model: MvmfModel, name: str) -> Any:
    """κ as a radius on the ground."""

    def say() -> str:
        kappa = 10.0 ** getattr(model, name)
        return text.kappa_sentence(kappa, half_radius_km(kappa))

    return controls.sentence(model, [name], say)


class _Pasted(param.Parameterized):
    """The text of the field for pasted places."""

    text = param.String(default="")


def _file(sandbox: Sandbox) -> list[Any]:
    chooser = pmui.FileInput(
        label="Choose a file", accept=".csv,.txt,.tsv,.npy", size="small", variant="outlined", margin=(4, 0)
    )
    chooser.param.watch(
        lambda event: event.new and sandbox.take_file(event.new, chooser.filename or "file.csv"), "value"
    )
    pasted = _Pasted()
    field = pmui.TextAreaInput.from_param(
        pasted.param.text,
        label="Or paste: latitude, longitude",
        description="",
        rows=3,
        size="small",
        variant="outlined",
        margin=(8, 0, 4, 0),
        sizing_mode="stretch_width",
    )
    take = controls.button(
        "Use these centres", on_click=lambda _: sandbox.take_file(pasted.text.encode(), "pasted text")
    )
    return [
        text_pane("Degrees, one place per line. Swapped columns and radians are detected."),
        chooser,
        field,
        row(take),
    ]
