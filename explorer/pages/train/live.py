"""The face "Runs": one run while it learns. Answer first, then curves, numbers and log; its map on the globe."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import panel_material_ui as pmui
import xarray as xr

from explorer import layout
from explorer.layout import box, fill, row, show
from explorer.pages.train import markup, text
from explorer.pages.train.follow import RunSnapshot
from explorer.pages.train.model import LOG, MAX_EPOCH, TrainModel
from explorer.plots import training as figures
from explorer.plots.live import Figures
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.globe import Axes, colormap_bytes, pack_field
from explorer.widgets.text import html, number, paragraph, table

_LOG = (
    "margin:0;padding:8px;max-height:160px;overflow:auto;background:var(--h-panel);border-radius:8px;"
    "font:400 11px/1.5 ui-monospace,'DejaVu Sans Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere"
)
_COLOURS = {"error": "balance", "against": "balance", "count": "dense", "std": "amp"}
_LABELS = {
    "error": ("Reconstruction − truth", "K"),
    "against": ("Error: model | mean of valid days", "K"),
    "reconstruction": ("Reconstruction", "°C"),
    "target": ("Truth", "°C"),
    "observed": ("Mean of the valid days", "°C"),
    "count": ("Valid days", "days"),
    "std": ("Predicted spread", "K"),
}
_BAR = f"""{layout.CARD}
:host {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 0 16px;
  padding: 2px 16px 4px 12px; margin-bottom: 10px }}
"""
_AXES = {"Step": "step", "Epoch": "epoch", "Time": "time"}
_SCALES = {"Lin": "linear", "Log": "log"}


class CurveControls:
    """Which curve is drawn and how; its choices follow what the runs report."""

    def __init__(self, model: TrainModel) -> None:
        self._model = model
        self._metric = controls.select(model.param.metric, "Curve", {text.metric_name(model.metric): model.metric})
        self.part = box(
            self._metric,
            row(
                controls.fixed(controls.segments(model.param.axis, _AXES), 148),
                controls.fixed(controls.segments(model.param.scale, _SCALES), 92),
            ),
            controls.segments(model.param.smoothing, {"Raw": 0, "Smooth": 80, "Smoother": 97}),
            css=":host { gap: 8px }",
        )

    def offer(self, choices: dict[str, str], metric: str) -> None:
        """Let one of ``choices`` be drawn; ``metric`` is what is drawn when none was chosen."""
        show(self.part, bool(choices))
        if choices and self._metric.options != choices:
            self._metric.options = choices
        if metric and self._model.metric != metric:
            self._model.metric = metric


class Live:
    """``bar`` and ``note`` lie over the globe, ``side`` stands beside it; ``show`` draws what was read."""

    def __init__(self, model: TrainModel, curves: CurveControls) -> None:
        self._model = model
        self._curves = curves
        self._figures = Figures()
        self._answer = html("")
        self._plot = box()
        self._key = html("")
        self._rivals = html("")
        self._numbers = html("")
        self._log = html("")
        self._shown: tuple[Any, ...] = ()
        self._layer = controls.select(model.param.layer, "On the globe", text.LAYERS)
        self._epoch = pmui.IntSlider(
            label="Epoch", start=0, end=1, value=0, size="small", margin=(2, 8), sizing_mode="stretch_width"
        )
        self._newest = -1
        self._epoch.param.watch(lambda event: self._choose_epoch(event.new), "value")
        self.bar = box(self._layer, self._epoch, css=_BAR, styles={"display": "none"})
        self._no_map = html("")
        self.note = box(self._no_map, css=layout.CARD, styles={"display": "none"})
        self.side = [self._answer, curves.part, self._plot, self._key, self._rivals, self._numbers, self._log]

    def clear(self, stage: Stage, said: str) -> None:
        """There is no run to be shown, and why."""
        self._shown = ()
        self._answer.object = f"<h2>{escape(said)}</h2>"
        for part in (self._key, self._rivals, self._numbers, self._log):
            part.object = ""
        fill(self._plot)
        self._curves.offer({}, "")
        self._draw_globe(stage, None)

    def leave_globe(self, stage: Stage) -> None:
        """Something covers the globe: nothing tells of it, and the next run is drawn anew."""
        self._shown = ()
        self._draw_globe(stage, None)

    def show(self, stage: Stage, seen: RunSnapshot) -> None:
        """Draw what is not on screen yet."""
        model = self._model
        stamp = (seen.record.id, seen.stamp, model.axis, model.scale, model.smoothing, model.layer)
        if stamp == self._shown:
            return
        self._shown = stamp
        self._curves.offer(dict(seen.choices), seen.metric)
        if seen.sweep is None:
            self._answer.object = markup.verdict(seen.record, seen.last, seen.scores)
        else:
            self._answer.object = f"<h2>{escape(text.sweep_sentence(seen.sweep, seen.num_trials))}</h2>"
        self._draw_curves(seen)
        self._rivals.object = markup.tested(seen.scores)
        self._numbers.object = "<h2>The run</h2>" + table(text.numbers_rows(seen.record, seen.last))
        lines = "\n".join(seen.log) or "The log is empty."
        self._log.object = f'<h2>Log</h2><pre tabindex=0 aria-label="Log" style="{_LOG}">{escape(lines)}</pre>'
        self._draw_globe(stage, seen)

    def _draw_curves(self, seen: RunSnapshot) -> None:
        model, log = self._model, self._model.scale == LOG
        if not seen.metric:
            fill(self._plot)
            self._key.object = ""
            return
        unit = ", K" if seen.metric == text.MODEL_ERROR else ""
        data = seen.lines, log, text.AXES[model.axis], text.metric_name(seen.metric) + unit, 220, seen.top
        pane = self._figures.pane("curves-log" if log else "curves", figures.curves, *data, linked_axes=False)
        fill(self._plot, pane)
        self._key.object = markup.key((line.name, line.colour, line.is_dashed) for line in seen.lines)

    # the globe

    def _choose_epoch(self, epoch: int) -> None:
        """The newest one is followed as it changes; an earlier one stays."""
        self._model.epoch = -1 if epoch >= self._newest else epoch

    def _draw_globe(self, stage: Stage, seen: RunSnapshot | None) -> None:
        fields = None if seen is None else seen.fields
        show(self.bar, fields is not None)
        show(self.note, seen is not None and fields is None and seen.sweep is None)
        if seen is not None and fields is None:
            self._no_map.object = paragraph(text.no_map(seen.record))
        if seen is None or fields is None:
            stage.globe.param.update(field=b"", field_b=b"")
            stage.bar.visible = False
            stage.say_facts([])
            return
        self._offer_epochs(list(seen.epochs))
        layer = self._model.layer if self._model.layer in fields or self._model.layer == "against" else "error"
        first, second = ("error", "mean_error") if layer == "against" else (layer, None)
        key = f"train-{seen.record.id}-{layer}-{fields.attrs['epoch']}"
        axes = Axes.of(fields["lat"].values, fields["lon"].values)
        low, high = _limits(fields, layer)
        colours = colormap_bytes(_COLOURS.get(layer, "thermal"))
        packed = [b"" if name is None else pack_field(fields[name].values, axes, key) for name in (first, second)]
        stage.globe.param.update(field=packed[0], field_b=packed[1], vmin=low, vmax=high, colormap=colours)
        stage.scale(colours, low, high, *_LABELS[layer])
        stage.say_facts(
            [("Map after epoch", str(fields.attrs["epoch"]), f"of {seen.record.num_epochs or '–'}"), *_truth(fields)]
        )

    def _offer_epochs(self, epochs: list[int]) -> None:
        newest = self._newest = min(epochs[-1], MAX_EPOCH)
        value = newest if self._model.epoch < 0 else min(self._model.epoch, newest)
        self._epoch.param.update(end=max(1, newest), value=value)


def _truth(fields: xr.Dataset) -> list[tuple[str, str, str]]:
    """In how many cells errors are known, when that is not everywhere."""
    known, all_cells = (int(np.isfinite(fields[name]).sum()) for name in ("target", "reconstruction"))
    return [("Truth is known in", number(known), f"of {number(all_cells)} cells")] if known < all_cells else []


def _limits(fields: xr.Dataset, layer: str) -> tuple[float, float]:
    """Ends of the colours that stay while the epochs go by, so that a change of colour is a change of the map."""
    if layer in ("error", "against"):
        # where the truth is known in a few cells only, the mean may have no day in any of them
        wrong = fields["mean_error"] if np.isfinite(fields["mean_error"]).any() else fields["error"]
        limit = float(np.nanpercentile(np.abs(wrong), 98)) if np.isfinite(wrong).any() else 1.0
        return -limit, limit
    if layer == "count":
        return 0.0, float(max(1, np.nanmax(fields["count"].values)))
    if layer == "std":
        return 0.0, float(np.nanpercentile(fields["std"].values, 99))
    known = fields["target"].values
    return float(np.nanmin(known)), float(np.nanmax(known))
