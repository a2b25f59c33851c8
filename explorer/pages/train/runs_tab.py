"""The tab "Runs": the list of runs, and one run with its result, curves, numbers, log and map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel_material_ui as pmui
import xarray as xr

from engine.compute import describe_device
from engine.errors import EngineError
from engine.queries.scales import limits_of
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer import layout
from explorer.background import LatestTask, unseen
from explorer.badges import badges
from explorer.layout import box, fill, row, show
from explorer.pages.train import markup, text
from explorer.pages.train.model import LOG, MAX_EPOCH, MOST_COMPARED, RUNS, TrainModel
from explorer.pages.train.run_reader import RunSnapshot, nearest_epoch
from explorer.pages.train.uses import RunUses
from explorer.plots import training
from explorer.plots.live import Figures
from explorer.plots.training import Line
from explorer.registry import REGISTRY, store_call
from explorer.runs_panel import row as run_row
from explorer.runs_panel import title
from explorer.session import Session
from explorer.stage import Stage
from explorer.switches import READ_ONLY, is_on
from explorer.widgets import controls
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_field
from explorer.widgets.reliability import quality_html
from explorer.widgets.requests import Request
from explorer.widgets.run_list import RunList
from explorer.widgets.text import html, number, paragraph, table

_LOG = (
    "margin:0;padding:8px;max-height:160px;overflow:auto;background:var(--h-panel);border-radius:8px;"
    "font:400 11px/1.5 ui-monospace,'DejaVu Sans Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere"
)
_COLOURS = {"error": "balance", "against": "balance", "count": "dense", "std": "amp"}
_OF_VALUES = ("reconstruction", "target", "observed")
_LABELS = {
    "error": "Reconstruction − reference",
    "against": "Error: model | mean of observed days",
    "reconstruction": "Reconstruction",
    "target": "Reference",
    "observed": "Mean of observed days",
    "count": "Observed days",
    "std": "Predicted uncertainty",
}
_BAR = f"""{layout.CARD}
:host {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 0 16px;
  padding: 2px 16px 4px 12px; margin-bottom: 10px }}
"""
_MOST_ROWS = 300
_AXES = {"Step": "step", "Epoch": "epoch", "Time": "time"}
_SCALES = {"Lin": "linear", "Log": "log"}


class CurveControls:
    """The controls of the curves; the metrics are those of the runs."""

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

    def pane(
        self, figures: Figures, lines: Sequence[Line], metric: str, units: str, height: int, top: float | None = None
    ) -> Any:
        """The figure of ``lines`` of a metric; see :func:`explorer.plots.training.curves`."""
        log = self._model.scale == LOG
        unit = f", {units}" if metric == text.MODEL_ERROR and units else ""
        data = lines, log, text.AXES[self._model.axis], text.metric_name(metric) + unit, height, top
        return figures.pane("curves-log" if log else "curves", training.curves, *data, linked_axes=False)

    def offer(self, choices: dict[str, str], metric: str) -> None:
        """Set the metrics to choose from; ``metric`` is the drawn one."""
        show(self.part, bool(choices))
        if choices and self._metric.options != choices:
            self._metric.options = choices
        if metric and self._model.metric != metric:
            self._model.metric = metric


class RunTab:
    """``bar`` and ``note`` lie over the globe, ``side`` goes beside it; ``show`` draws a run."""

    def __init__(self, model: TrainModel, curves: CurveControls, uses: RunUses) -> None:
        self._model = model
        self._curves = curves
        self._figures = Figures()
        self._answer = html("")
        self._uses = uses
        self._plot = box()
        self._key = html("")
        self._test_scores = html("")
        self._numbers = html("")
        self._log = html("")
        self._shown: tuple[Any, ...] = ()
        self._layer = controls.select(model.param.layer, "On the globe", text.LAYERS)
        self._epoch = pmui.IntSlider(
            label="Epoch", start=0, end=1, value=0, size="small", margin=(2, 8), sizing_mode="stretch_width"
        )
        self._latest = -1
        self._epoch.param.watch(lambda event: self._choose_epoch(event.new), "value")
        self.bar = box(self._layer, self._epoch, css=_BAR, styles={"display": "none"})
        self._no_map = html("")
        self.note = box(self._no_map, css=layout.CARD, styles={"display": "none"})
        texts = [self._key, self._test_scores, self._numbers, self._log]
        self.side = [self._answer, uses.part, curves.part, self._plot, *texts]

    def clear(self, stage: Stage, reason: str) -> None:
        """Show why there is no run."""
        self._shown = ()
        self._answer.object = f"<h2>{escape(reason)}</h2>"
        for part in (self._key, self._test_scores, self._numbers, self._log):
            part.object = ""
        fill(self._plot)
        self._uses.show(None)
        self._curves.offer({}, "")
        self._draw_globe(stage, None)

    def leave_globe(self, stage: Stage) -> None:
        """Clear the globe while something covers it."""
        self._shown = ()
        self._draw_globe(stage, None)

    def show(self, stage: Stage, snapshot: RunSnapshot) -> None:
        """Draw a run, unless it is on screen."""
        model = self._model
        stamp = (snapshot.record.id, snapshot.stamp, model.axis, model.scale, model.smoothing, model.layer)
        if stamp == self._shown:
            return
        self._shown = stamp
        self._curves.offer(dict(snapshot.choices), snapshot.metric)
        result = markup.result(snapshot.record, snapshot.last, snapshot.verdict, snapshot.is_tested)
        if snapshot.sweep is not None:
            heading = f"<h2>{escape(text.sweep_sentence(snapshot.sweep, snapshot.num_trials))}</h2>"
            result = heading if snapshot.verdict is None else heading + result
        self._answer.object = result if snapshot.folds is None else result + markup.folds(snapshot.folds)
        self._uses.show(snapshot)
        self._draw_curves(snapshot)
        self._test_scores.object = markup.tested(snapshot.scores, snapshot.verdict) + quality_html(
            snapshot.place, snapshot.reliability, snapshot.variable
        )
        self._numbers.object = "<h2>The run</h2>" + table(text.numbers_rows(snapshot.record, snapshot.last))
        lines = "\n".join(snapshot.log) or "The log is empty."
        self._log.object = f'<h2>Log</h2><pre tabindex=0 aria-label="Log" style="{_LOG}">{escape(lines)}</pre>'
        self._draw_globe(stage, snapshot)

    def _draw_curves(self, snapshot: RunSnapshot) -> None:
        if not snapshot.metric:
            fill(self._plot)
            self._key.object = ""
            return
        pane = self._curves.pane(
            self._figures, snapshot.lines, snapshot.metric, snapshot.variable.error_symbol, 220, snapshot.top
        )
        fill(self._plot, pane)
        self._key.object = markup.key((line.name, line.colour, line.is_dashed) for line in snapshot.lines)

    # the globe

    def _choose_epoch(self, epoch: int) -> None:
        """Follow the latest epoch, or stay at an earlier one."""
        self._model.epoch = -1 if epoch >= self._latest else max(-1, epoch)

    def _draw_globe(self, stage: Stage, snapshot: RunSnapshot | None) -> None:
        fields = None if snapshot is None else snapshot.fields
        show(self.bar, fields is not None)
        show(self.note, snapshot is not None and fields is None and snapshot.sweep is None)
        if snapshot is not None and fields is None:
            self._no_map.object = paragraph(text.no_map(snapshot.record))
        if snapshot is None or fields is None:
            stage.globe.param.update(field=b"", field_b=b"")
            stage.bar.visible = False
            stage.show_readout([])
            return
        self._offer_epochs(list(snapshot.epochs))
        layer = self._model.layer if self._model.layer in fields or self._model.layer == "against" else "error"
        first, second = ("error", "mean_error") if layer == "against" else (layer, None)
        key = f"train-{snapshot.record.id}-{layer}-{fields.attrs['epoch']}"
        axes = Axes.of(fields["lat"].values, fields["lon"].values)
        variable, units = snapshot.variable, fields[first].attrs["units"]
        is_log = variable.is_logarithmic and layer in _OF_VALUES
        if is_log:
            fields = fields.map(lambda field: variable.transformed(field) if field.name in _OF_VALUES else field)
        low, high = _limits(fields, layer)
        packed = [b"" if name is None else pack_field(fields[name].values, axes, key) for name in (first, second)]
        palette = _COLOURS.get(layer, variable.palette)
        shown = [fields[name].values for name in (first, second) if name is not None]
        own = partial(limits_of, shown, palette == "balance")
        scale = Scale(layer, palette, low, high, _LABELS[layer], units, own, logarithmic=is_log)
        stage.cover(variable.masked)
        stage.globe.param.update(field=packed[0], field_b=packed[1], **stage.scale(scale))
        stage.show_readout(
            [
                ("Map after epoch", str(fields.attrs["epoch"]), f"of {snapshot.record.num_epochs or '–'}"),
                *_reference(fields),
            ]
        )

    def _offer_epochs(self, epochs: list[int]) -> None:
        """Offer the epochs to the latest one; the slider goes to the nearest that has a snapshot."""
        latest = self._latest = min(epochs[-1], MAX_EPOCH)
        value = min(nearest_epoch(epochs, self._model.epoch), latest)
        self._epoch.param.update(end=max(1, latest), value=value)


def _reference(fields: xr.Dataset) -> list[tuple[str, str, str]]:
    """The number of cells with a known error, unless all have one."""
    known, all_cells = (int(np.isfinite(fields[name]).sum()) for name in ("target", "reconstruction"))
    return [("Cells with a reference", number(known), f"of {number(all_cells)}")] if known < all_cells else []


def _limits(fields: xr.Dataset, layer: str) -> tuple[float, float]:
    """Limits of the colour scale, the same for all epochs."""
    if layer in ("error", "against"):
        # if only a few cells have a reference, the mean may have no day in any of them
        wrong = fields["mean_error"] if np.isfinite(fields["mean_error"]).any() else fields["error"]
        limit = float(np.nanpercentile(np.abs(wrong), 98)) if np.isfinite(wrong).any() else 1.0
        return -limit, limit
    if layer == "count":
        return 0.0, float(max(1, np.nanmax(fields["count"].values)))
    if layer == "std":
        return 0.0, float(np.nanpercentile(fields["std"].values, 99))
    known = fields["target"].values
    return float(np.nanmin(known)), float(np.nanmax(known))


class TrainingRuns:
    """``part`` goes in the drawer.

    ``use(config, title)`` edits a run's configuration as a draft, ``open_again()`` reads the selected run anew.
    """

    def __init__(
        self,
        session: Session,
        model: TrainModel,
        use: Callable[[RunConfig, str], None],
        open_again: Callable[[], None],
    ) -> None:
        self._session = session
        self._model = model
        self._use = use
        self._open_again = open_again
        self._answered = 0
        self._badges: dict[str, tuple[str, str, str]] = {}
        self._scoring = LatestTask(unseen, lambda error: None)
        self._is_outdated = False
        self.part = RunList(self._do, self._show_answers, margin=0)

    def show(self) -> None:
        """Update the rows from the registry, and then their verdicts, which are read off the event loop."""
        self._draw()
        self._is_outdated = self._scoring.running
        if not self._is_outdated:
            shown = list(REGISTRY.records.values())[:_MOST_ROWS]
            self._scoring.start(partial(badges, shown), self._take_badges)

    def _take_badges(self, badges: dict[str, tuple[str, str, str]]) -> None:
        self._badges = badges
        if self._is_outdated:
            self.show()
        else:
            self._draw()

    def _draw(self) -> None:
        shown = list(REGISTRY.records.values())[:_MOST_ROWS]
        self.part.param.update(
            rows=[self._row(record) for record in shown],
            deleted=[{"id": record.id, "title": title(record)} for record in _deleted_runs()],
            chosen=self._model.run if self._model.tab == RUNS else "",
            problem=REGISTRY.problem,
        )

    def _row(self, record: RunRecord) -> dict[str, Any]:
        badge, level, unit = self._badges.get(record.id, ("", "", ""))
        can = {
            "cancel": record.can_cancel,
            "resume": record.can_resume,
            "delete": record.state not in ACTIVE,
            "move": record.state == "queued",
        }
        return run_row(record) | {
            "name": record.name,
            "note": record.note,
            "tags": list(record.tags),
            "detail": text.details(record, describe_device(), unit),
            "share": record.progress if record.state in ("running", "interrupted", "cancelled") else None,
            "badge": badge,
            "level": level,
            "score": record.best,
            "created": record.created,
            "is_trial": text.is_trial(record),
            "is_compared": record.id in self._model.compared,
            "can": [name for name, holds in can.items() if holds and not is_on(READ_ONLY)],
        }

    def _do(self, request: Request) -> None:
        action, run_id = str(request["action"]), str(request["id"])
        self._answered = int(request["serial"])
        if action == "open":
            self._open(run_id)
            return
        if action == "compare" and not self._model.toggle(run_id):
            self._session.say("info", f"At most {MOST_COMPARED} runs can be compared. Deselect one first.")
        elif action != "compare":
            try:
                self._act(action, run_id, request)
            except EngineError as error:
                self._session.say("error", str(error))

    def _open(self, run_id: str) -> None:
        """Select a run; when it is selected already, which changes nothing, read it again."""
        is_selected = (self._model.tab, self._model.run) == (RUNS, run_id)
        self._model.param.update(run=run_id, epoch=-1, tab=RUNS)
        if is_selected:
            self._open_again()

    def _show_answers(self) -> None:
        """Draw once after all requests of a message."""
        self.show()
        self.part.answered = self._answered

    def _act(self, action: str, run_id: str, request: Request) -> None:
        if action == "restore":
            store_call(lambda store: store.restore(run_id))
        elif action == "empty":
            store_call(lambda store: store.empty_trash())
        else:
            run = REGISTRY.store.get(run_id)
            actions: dict[str, Callable[[Any], Any]] = {
                "cancel": lambda store: store.cancel(run),
                "resume": lambda store: store.resume(run),
                "delete": lambda store: store.delete(run),
                "earlier": lambda store: store.move(run, -1),
                "later": lambda store: store.move(run, 1),
                "duplicate": lambda store: store.launch(store.duplicate(run)),
                "annotate": lambda store: store.annotate(
                    run,
                    name=str(request["name"]),
                    note=str(request["note"]),
                    tags=[str(tag) for tag in request["tags"]],
                ),
                "use": lambda _: self._use(run.config, run.record.name),
            }
            store_call(actions[action])
            if action == "delete" and run_id == self._model.run:
                self._model.run = ""


def _deleted_runs() -> list[RunRecord]:
    try:
        return list(REGISTRY.store.deleted().values())
    except EngineError:
        return []
