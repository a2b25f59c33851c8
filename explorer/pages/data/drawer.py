"""The Data page's controls: source, layer and period."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.queries.ocean import DEMO_STEPS, OF_SPAN, SourceSummary
from explorer.background import Debouncer
from explorer.layout import tiles
from explorer.pages.data import text
from explorer.pages.data.model import DEMO, PATH, UPLOAD, DataModel
from explorer.widgets import controls
from explorer.widgets.files import FileBrowser
from explorer.widgets.globe import Globe
from explorer.widgets.maps import map_controls
from explorer.widgets.text import section
from explorer.widgets.upload import UploadField

_FORMS = {"Demo": DEMO, "Server": PATH, "Upload": UPLOAD}


class SourceForm:
    """The choice of a source: the demo ocean, a path on the server (``open_path``) or an upload (``open_upload``)."""

    def __init__(
        self,
        model: DataModel,
        open_path: Callable[[str], None],
        open_upload: Callable[[str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.model = model
        self._open_path = open_path
        self._open_upload = open_upload
        self._failed = failed

    def parts(self) -> list[Any]:
        """The controls; each of the three forms is built when first opened."""
        return [
            section("Source"),
            controls.segments(self.model.param.form, _FORMS),
            controls.only_if(self.model.param.form, DEMO, self._demo),
            controls.only_if(self.model.param.form, PATH, self._path),
            controls.only_if(self.model.param.form, UPLOAD, self._upload),
        ]

    def _demo(self) -> list[Any]:
        model = self.model
        return [
            controls.select(model.param.step_deg, "Grid", {f"{step:g}°": step for step in DEMO_STEPS}),
            controls.slider(model.param.seed, "Seed"),
            controls.slider(model.param.years, "Years"),
        ]

    def _path(self) -> list[Any]:
        model = self.model
        browser = FileBrowser(
            self._open_path, self._failed, current=model.param.path, margin=0, sizing_mode="stretch_width"
        )
        fields = [
            controls.field(model.param.path, "Path or pattern such as 2012/*.nc"),
            controls.field(model.param.variable, "Variable, if there are several"),
        ]
        # the event of Enter arrives before the text
        entered = Debouncer(lambda: self._open_path(model.path), 200)
        for field in fields:
            field.param.watch(lambda _: entered.soon(), "enter_pressed")
        return [browser, *fields, controls.button("Open", on_click=lambda _: self._open_path(model.path))]

    def _upload(self) -> list[Any]:
        return [
            UploadField(self._open_upload, self._failed, margin=(4, 0), sizing_mode="stretch_width"),
            controls.field(self.model.param.variable, "Variable, if there are several"),
        ]


def drawer(model: DataModel, globe: Globe, form: SourceForm, uses: list[Any], cost: Any) -> list[Any]:
    """All controls; ``uses`` lead on with the source, ``cost`` is the pane with the cost of reading the period."""
    return [
        *form.parts(),
        *uses,
        section("Layer"),
        controls.segments_of(
            model.param.layer, lambda: {name.capitalize(): name for name in model.layers}, ["opened"], sx=tiles(3)
        ),
        controls.sentence(model, ["layer"], lambda: text.LAYER_TEXT[model.layer], margin=(2, 0, 8, 0)),
        controls.only_if(model.param.layer, "difference", lambda: _difference(model)),
        controls.only_if(model.param.layer, "withheld", lambda: _withheld(model)),
        controls.group(
            model,
            ["layer", "panel"],
            lambda: model.layer in OF_SPAN or model.panel == "place",
            lambda: [
                section("Period of means, counts and series"),
                controls.segments(model.param.span, text.SPANS),
                cost,
            ],
        ),
        section("Map"),
        *map_controls(model, globe),
    ]


def _difference(model: DataModel) -> list[Any]:
    chosen = controls.sentence(
        model, ["other", "opened"], lambda: f"Minus {text.date(model.iso('other'), _unit(model.opened))}"
    )
    this = controls.button("Use the day on screen", on_click=lambda _: model.param.update(other=model.day))
    return [controls.slider(model.param.other, "Other day"), chosen, this]


def _withheld(model: DataModel) -> list[Any]:
    return [
        controls.slider(model.param.hidden_percent, "Withheld, %"),
        controls.segments(model.param.pattern, text.PATTERNS),
        controls.slider(model.param.hidden_seed, "Seed of the gaps"),
    ]


def _unit(opened: SourceSummary | None) -> str:
    return opened.unit if opened else "day"
