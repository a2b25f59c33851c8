"""The panel beside the globe: the three fields, the loss, close-ups of the edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import panel as pn
import xarray as xr

from engine.queries import table
from engine.queries.table import BaselineScore, LossCurves, TableFields
from engine.runs import RunConfig
from explorer.layout import box, fill
from explorer.pages.table import text
from explorer.pages.table.model import SYNTHETIC, TOPOLOGIES, TableModel
from explorer.plots import table as figures
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.text import html, paragraph
from explorer.widgets.text import table as html_table

# between 900 and 1179 pixels the figures lie beside each other, below tabs and text
_MEDIUM = "@media (min-width: 900px) and (max-width: 1179px)"
_HEAD = f"{_MEDIUM} {{ :host {{ grid-area: 1 / 1 / 2 / -1 !important }} }}"
_BODY = f"""
:host {{ display: flex; flex-flow: column nowrap; gap: 6px }}
:host > * {{ flex: none }}
{_MEDIUM} {{ :host {{ display: grid !important; grid-area: 2 / 1 / 4 / -1; gap: 4px 16px; align-content: start;
  grid-template-columns: repeat(3, minmax(0, 1fr)) }} :host > div {{ min-width: 0 }} }}
"""
_CELLS = {
    "place": "1 / 1 / 2 / -1",
    **{name: f"2 / {column}" for column, name in enumerate(("true", "sampled", "learned"), 1)},
    **{name: f"2 / {column}" for column, name in enumerate(("edges-0", "edges-1", "errors"), 1)},
    "curves": "2 / 1 / 3 / 3",
    "scores": "2 / 3",
}

_MIN_CELLS = 3  # minimum size of a close-up each way


@dataclass(frozen=True, eq=False)
class TableState:
    """The results of the choice so far: the true field, the learned field, and the errors by field and topology."""

    true: xr.Dataset
    fields: TableFields | None = None
    losses: LossCurves | None = None
    last: Mapping[str, float] = field(default_factory=dict)
    baseline: BaselineScore | None = None
    errors: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    is_over: bool = False
    num_missing: int = 0
    """Trainings of the compared fields and topologies that do not exist."""
    config: RunConfig | None = None
    """Of the run that the learned field is of."""

    @property
    def units(self) -> str:
        """Units of the field and its errors."""
        return str(next(iter(self.true.data_vars.values())).attrs["units"])

    @property
    def iteration(self) -> int | None:
        """Iteration of the learned field, if there is one."""
        return None if self.fields is None else self.fields.iteration


class TablePanel(TabbedPanel):
    """The tabs of the run of the choice; close-ups are computed off the event loop."""

    def __init__(self, model: TableModel, train_all: Callable[[], None], on_error: Callable[[Exception], None]) -> None:
        tabs = {
            "fields": ("Fields", self._show_fields),
            "loss": ("Loss", self._show_loss),
            "edges": ("Edges", self._show_edges),
        }
        super().__init__(model, tabs, on_error, css=_BODY)
        self.model = model
        self._state: TableState | None = None
        self._scores = html("")
        self._key = html(text.loss_key(figures.LOSS_KEY))
        self._captions = [html("") for _ in range(3)]
        self._rows = [html("<h2>The true field</h2>"), html("<h2>The learned table</h2>")]
        self._place = controls.segments(model.param.place, {name: name for name in table.PLACES})
        self._all = controls.button("", on_click=lambda _: train_all())
        self._plan = html("")
        self._boxes: dict[str, pn.Column] = {}
        self.parts = (box(self.segments, self.text, css=_HEAD), self.body)
        model.param.watch(lambda *_: self._state and self.show(self._state), ["panel", "place", "component"])

    def show(self, *content: Any) -> None:
        """Fill the open tab with a :class:`TableState`."""
        (self._state,) = content
        super().show(*content)

    def _box(self, name: str, *parts: Any) -> pn.Column:
        """A box for ``parts``, kept so that nothing is sent again."""
        if name not in self._boxes:
            self._boxes[name] = box(css=f"{_MEDIUM} {{ :host {{ grid-area: {_CELLS[name]} }} }}")
        part = self._boxes[name]
        fill(part, *parts)
        return part

    def _show_verdict(self, state: TableState, otherwise: str) -> None:
        if state.baseline is not None and "test_l1" in state.last:
            self.say(text.verdict(state.last["test_l1"], state.baseline, state.units, state.is_over))
        else:
            self.say(otherwise)

    def _show_fields(self, state: TableState) -> None:
        self._show_verdict(state, "")
        fields = state.fields
        sampled, learned = (None, None) if fields is None else (fields.sampled, fields.learned)
        count = None if sampled is None else int(np.isfinite(next(iter(sampled.data_vars.values()))).sum())
        headings = text.captions(self.model.sample_percent, count, state.iteration, state.is_over)
        parts: list[Any] = []
        for caption, heading, name, data in zip(
            self._captions, headings, ("true", "sampled", "learned"), (state.true, sampled, learned), strict=True
        ):
            caption.object = f"<h2>{heading}</h2>"
            drawn = [] if data is None else [self._field(name, data)]
            parts.append(self._box(name, caption, *drawn))
        fill(self.body, *parts)

    def _field(self, name: str, data: xr.Dataset) -> Any:
        lat, lon = data["lat"].values, data["lon"].values
        if self.model.target in SYNTHETIC:
            return self.figures.pane(f"{name}-arrows", figures.arrows, lat, lon, data["u"].values, data["v"].values)
        limits = limits_of(self._state.true if self._state else data, "value")
        drawn = figures.field_map, lat, lon, data["value"].values, limits, palette("thermal")
        return self.figures.pane(f"{name}-map", *drawn)

    def _show_loss(self, state: TableState) -> None:
        if state.losses is None or not state.losses.iteration.size:
            self.say_only(text.WAITING_LOSS)
            return
        self._show_verdict(state, text.LOSS)
        baseline = None if state.baseline is None else state.baseline.test_l1
        self._scores.object = html_table(text.score_rows(state.last, state.baseline, state.units))
        drawn = figures.loss, state.losses, baseline, self.model.iterations, text.unit(state.units)
        curves = self._box("curves", self.figures.pane("loss", *drawn))
        fill(self.body, curves, self._box("scores", self._key, self._scores))

    def _show_edges(self, state: TableState) -> None:
        model = self.model
        size = min(max(model.padding, _MIN_CELLS), model.width, model.height)
        place, target = table.PLACES[model.place], model.target
        width, height = model.width, model.height
        learned = None if state.fields is None else state.fields.table
        self.say(text.edges_sentence(model.place, size), *([text.TOPOLOGIES_SENTENCE] if len(state.errors) > 1 else []))
        self._scores.object = html_table(text.compared_rows(state.errors, state.units))

        def work(_: object) -> list[Any]:
            tables = [table.true_table(target, width, height), *([] if learned is None else [learned])]
            return [table.close_ups(held, place, (size, size)) for held in tables]

        self.task.start(work, lambda tables: self._show_close_ups(state, tables))

    def _show_close_ups(self, state: TableState, tables: list[Any]) -> None:
        model = self.model
        component = 1 if model.variable == "v" else 0
        colours = palette("balance" if model.target in SYNTHETIC else "thermal")
        parts: list[Any] = [self._box("place", self._place)]
        for index, close_ups in enumerate(tables):
            values = np.concatenate([close_up.values[..., component].ravel() for close_up in close_ups.values()])
            # the table itself has no units: a convolution makes the field of it
            limits = _symmetric(values) if index else limits_of(state.true, model.variable)
            named = [(name.capitalize(), close_ups[name]) for name in TOPOLOGIES]
            drawn = figures.close_ups, named, component, limits, palette("balance") if index else colours
            parts.append(self._box(f"edges-{index}", self._rows[index], self.figures.pane(f"edges-{index}", *drawn)))
        plan, self._all.label = text.train_all(state.num_missing, model.seconds)
        self._plan.object = paragraph(plan)
        rest = [self._plan, self._all] if state.num_missing else []
        fill(self.body, *parts, self._box("errors", self._scores, *rest))


def limits_of(data: xr.Dataset, variable: str) -> tuple[float, float]:
    """Limits of the colour scale: ±1 for a component of the vector field, else the field's range."""
    values = data[variable].values
    if data[variable].attrs["units"] == "1":
        return -1.0, 1.0
    return float(np.nanmin(values)), float(np.nanmax(values))


def _symmetric(values: np.ndarray) -> tuple[float, float]:
    limit = float(np.nanmax(np.abs(values))) or 1.0
    return -limit, limit


@cache
def palette(name: str) -> tuple[str, ...]:
    """A colour map for Bokeh."""
    colours = np.frombuffer(colormap_bytes(name), np.uint8).reshape(-1, 3)
    return tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours)
