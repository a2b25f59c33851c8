"""The figures beside the globe: the three fields, the loss, what lies beyond the edges. Only the open one is drawn."""

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
from explorer.background import LatestTask, unseen
from explorer.layout import box, fill
from explorer.pages.table import text
from explorer.pages.table.model import FORCE, TOPOLOGIES, TableModel
from explorer.plots import table as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.text import html, paragraph, paragraphs
from explorer.widgets.text import table as html_table

_LABELS = {"Fields": "fields", "Loss": "loss", "Edges": "edges"}
_PLACES = {"North Pole": "North Pole", "South Pole": "South Pole", "Date line": "Date line"}

# Between 900 and 1179 pixels the figures lie beside each other, below tabs and words.
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

_LEAST_CELLS = 3  # of a close-up each way, so that a narrow neighbourhood can still be read


@dataclass(frozen=True, eq=False)
class Shown:
    """What is known of the choice: the true field, what its run has learned, and its errors by topology."""

    true: xr.Dataset
    fields: TableFields | None = None
    losses: LossCurves | None = None
    last: Mapping[str, float] = field(default_factory=dict)
    baseline: BaselineScore | None = None
    errors: Mapping[str, float | None] = field(default_factory=dict)
    is_over: bool = False

    @property
    def units(self) -> str:
        """Of the field and its errors."""
        return str(next(iter(self.true.data_vars.values())).attrs["units"])

    @property
    def iteration(self) -> int | None:
        """Of the learned field, if there is one."""
        return self.fields.iteration if self.fields is not None and self.fields.learned is not None else None


class Panels:
    """One of three panels at a time. Close-ups are made off the event loop; the rest is at hand."""

    def __init__(self, model: TableModel, train_all: Callable[[], None], on_error: Callable[[Exception], None]) -> None:
        self.model = model
        self._shown: Shown | None = None
        self._look = LatestTask(unseen, on_error)
        self._figures = Figures()
        self._words = html("")
        self._scores = html("")
        self._key = html(text.loss_key(figures.LOSS_KEY))
        self._captions = [html("") for _ in range(3)]
        self._rows = [html("<h2>The true field</h2>"), html("<h2>The learned table</h2>")]
        self._place = controls.segments(model.param.place, _PLACES)
        self._all = controls.button("Train all three topologies", on_click=lambda _: train_all())
        self._body = box(css=_BODY)
        self._boxes: dict[str, pn.Column] = {}
        tabs = controls.segments(model.param.panel, _LABELS)
        self.parts = (box(tabs, self._words, css=_HEAD), self._body)
        model.param.watch(lambda *_: self._shown and self.show(self._shown), ["panel", "place", "component"])

    def show(self, shown: Shown) -> None:
        """Draw the open panel."""
        self._shown = shown
        self._look.cancel()
        getattr(self, f"_show_{self.model.panel}")(shown)

    def _box(self, name: str, *parts: Any) -> pn.Column:
        """Parts that stay together; the same box every time, so that nothing is sent anew."""
        if name not in self._boxes:
            self._boxes[name] = box(css=f"{_MEDIUM} {{ :host {{ grid-area: {_CELLS[name]} }} }}")
        found = self._boxes[name]
        fill(found, *parts)
        return found

    def _say_verdict(self, shown: Shown, otherwise: str) -> None:
        said = (otherwise, False)
        if shown.baseline is not None and "test_l1" in shown.last:
            said = text.verdict(shown.last["test_l1"], shown.baseline, shown.units, shown.is_over)
        self._words.object = paragraphs([said])

    def _show_fields(self, shown: Shown) -> None:
        self._say_verdict(shown, "")
        fields = shown.fields
        sampled, learned = (None, None) if fields is None else (fields.sampled, fields.learned)
        count = None if sampled is None else int(np.isfinite(next(iter(sampled.data_vars.values()))).sum())
        headings = text.captions(self.model.sample_percent, count, shown.iteration, shown.is_over)
        parts: list[Any] = []
        for caption, said, name, data in zip(
            self._captions, headings, ("true", "sampled", "learned"), (shown.true, sampled, learned), strict=True
        ):
            caption.object = f"<h2>{said}</h2>"
            drawn = [] if data is None else [self._field(name, data)]
            parts.append(self._box(name, caption, *drawn))
        fill(self._body, *parts)

    def _field(self, name: str, data: xr.Dataset) -> Any:
        lat, lon = data["lat"].values, data["lon"].values
        if self.model.target == FORCE:
            return self._figures.pane(f"{name}-arrows", figures.arrows, lat, lon, data["u"].values, data["v"].values)
        limits = limits_of(self._shown.true if self._shown else data, "value")
        drawn = figures.field_map, lat, lon, data["value"].values, limits, palette("thermal")
        return self._figures.pane(f"{name}-map", *drawn)

    def _show_loss(self, shown: Shown) -> None:
        if shown.losses is None or not shown.losses.iteration.size:
            self._words.object = paragraph(text.WAITING_LOSS)
            fill(self._body)
            return
        self._say_verdict(shown, text.LOSS)
        baseline = None if shown.baseline is None else shown.baseline.test_l1
        self._scores.object = html_table(text.score_rows(shown.last, shown.baseline, shown.units))
        drawn = figures.loss, shown.losses, baseline, self.model.iterations, text.unit(shown.units)
        curves = self._box("curves", self._figures.pane("loss", *drawn))
        fill(self._body, curves, self._box("scores", self._key, self._scores))

    def _show_edges(self, shown: Shown) -> None:
        model = self.model
        size = min(max(model.padding, _LEAST_CELLS), model.width, model.height)
        place, target = table.PLACES[model.place], model.target
        width, height = model.width, model.height
        learned = None if shown.fields is None else shown.fields.table
        self._words.object = paragraph(text.edges_sentence(model.place, size))
        self._scores.object = html_table(text.topology_rows(shown.errors, shown.units))

        def work(_: object) -> list[Any]:
            tables = [table.true_table(target, width, height), *([] if learned is None else [learned])]
            return [table.close_ups(held, place, (size, size)) for held in tables]

        self._look.start(work, lambda found: self._show_close_ups(shown, found))

    def _show_close_ups(self, shown: Shown, found: list[Any]) -> None:
        model = self.model
        component = 1 if model.variable == "v" else 0
        colours = palette("balance" if model.target == FORCE else "thermal")
        parts: list[Any] = [self._box("place", self._place)]
        for index, seen in enumerate(found):
            values = np.concatenate([one.values[..., component].ravel() for one in seen.values()])
            # the table itself has no units: a convolution makes the field of it
            limits = _symmetric(values) if index else limits_of(shown.true, model.variable)
            named = [(name.capitalize(), seen[name]) for name in TOPOLOGIES]
            drawn = figures.close_ups, named, component, limits, palette("balance") if index else colours
            parts.append(self._box(f"edges-{index}", self._rows[index], self._figures.pane(f"edges-{index}", *drawn)))
        missing = any(error is None for error in shown.errors.values())
        fill(self._body, *parts, self._box("errors", self._scores, *([self._all] if missing else [])))


def limits_of(data: xr.Dataset, variable: str) -> tuple[float, float]:
    """Ends of the colour scale of a field: ±1 for a part of the force, the field's own range otherwise."""
    values = data[variable].values
    if data[variable].attrs["units"] == "1":
        return -1.0, 1.0
    return float(np.nanmin(values)), float(np.nanmax(values))


def _symmetric(values: np.ndarray) -> tuple[float, float]:
    limit = float(np.nanmax(np.abs(values))) or 1.0
    return -limit, limit


@cache
def palette(name: str) -> tuple[str, ...]:
    """A colour map as Bokeh takes it."""
    colours = np.frombuffer(colormap_bytes(name), np.uint8).reshape(-1, 3)
    return tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours)
