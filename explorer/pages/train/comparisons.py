"""Several runs on the stage: the tab "Compare" for two to eight runs, and the trials of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import panel_material_ui as pmui

from engine.errors import StoreError
from engine.evaluation import Verdict
from engine.queries.folds import folds_tag, folds_verdict
from engine.queries.train import curves as trainings
from engine.queries.train.curves import ScoreBar, SweepSummary, SweepTrial
from engine.queries.train.forms import Comparison, compare_configs
from engine.queries.verdicts import run_variable, run_verdict, verdict_of
from engine.runs import RunRecord
from explorer.layout import box, fill, row
from explorer.pages.train import markup, text
from explorer.pages.train.model import TrainModel
from explorer.pages.train.new_tab import BODY
from explorer.pages.train.run_reader import CurveOptions, RunReader, RunSnapshot
from explorer.pages.train.runs_tab import CurveControls
from explorer.plots import training as figures
from explorer.plots.live import Figures
from explorer.plots.training import COLOURS, Line
from explorer.runs_panel import title
from explorer.theme import SERIES
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, paragraphs, section
from explorer.widgets.verdict import verdict_html

_PAIR = ":host { display: grid; gap: 8px 24px; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)) }"
_BEST = -1
OTHER_DATA = "These runs use different data, see below: their scores are not comparable."
INVITATION = "Select two to eight runs in the list to compare their curves."


@dataclass(frozen=True, eq=False)
class Compared:
    """The results of several runs; ``records`` by id, in the order of selection."""

    records: Mapping[str, RunRecord]
    comparison: Comparison
    choices: Mapping[str, str]
    metric: str
    lines: Sequence[Line]
    bars: Sequence[ScoreBar]
    verdicts: Sequence[tuple[str, Verdict]]
    unit: str = ""
    """Of the errors, empty where the runs reconstruct different variables."""

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Equal stamps look the same."""
        ends = [float(line.x[-1]) if line.x.size else -1.0 for line in self.lines]
        return (list(self.records.values()), self.metric, ends, self.verdicts)


def read_compared(runs: Sequence[RunReader], records: Mapping[str, RunRecord], options: CurveOptions) -> Compared:
    """Read every run and compare them; called off the event loop."""
    for run in runs:
        run.poll(options.columns)
    metrics = [text.metric_names(run.reader.columns) for run in runs]
    shared = {label: name for label, name in metrics[0].items() if all(label in other for other in metrics)}
    metric = options.metric if options.metric in shared.values() else next(iter(shared.values()), "")
    by_id = {run.run.id: records[run.run.id] for run in runs}
    scores = {run_id: record.best for run_id, record in by_id.items() if record.best is not None}
    units = {run_variable(run.run.folder, run.config.task).error_symbol for run in runs}
    bars = trainings.score_bars(scores, {run.run.id: run.config for run in runs})
    return Compared(
        by_id,
        compare_configs([run.config for run in runs]),
        shared,
        metric,
        [run.compared(title(by_id[run.run.id]), metric, options, place) for place, run in enumerate(runs)],
        bars,
        list(_verdicts(runs, by_id, [bar.runs for bar in bars if len(bar.runs) > 1])),
        units.pop() if len(units) == 1 else "",
    )


def _verdicts(
    runs: Sequence[RunReader], records: Mapping[str, RunRecord], seeds: Sequence[tuple[str, ...]]
) -> Iterator[tuple[str, Verdict]]:
    """Title and verdict of every run that has one, of the runs together that differ in ``seeds`` only, and of folds."""
    folders = {run.run.id: run.run.folder for run in runs}
    for run in runs:
        with suppress(StoreError):  # the run's own page shows the error
            if (result := run_verdict(folders[run.run.id], run.config.task)) is not None:
                yield title(records[run.run.id]), result
    for group in seeds:
        with suppress(StoreError):
            if (result := verdict_of([folders[run_id] for run_id in group])) is not None:
                yield markup.seeds_title(group, records), result
    for run in {tag: run for run in runs if (tag := folds_tag(records[run.run.id]))}.values():
        with suppress(StoreError):
            if (folds := folds_verdict(run.run)) is not None:
                yield folds.title, folds.verdict


class CompareTab:
    """``body`` covers the stage, ``side`` goes beside it."""

    def __init__(self, model: TrainModel, curves: CurveControls) -> None:
        self._model = model
        self._curves = curves
        self._figures = Figures()
        self._caution = html("")
        self._plot = box()
        self._table = html("")
        self._key = html("")
        self._bars = html("")
        self._shown: tuple[Any, ...] = ()
        self.body = box(self._caution, self._plot, self._table, css=BODY)
        self.side = [curves.part, self._key, self._bars]

    def clear(self, reason: str) -> None:
        """Show why there is no comparison."""
        self._shown = ()
        self._curves.offer({}, "")
        self._caution.object = paragraph(reason)
        fill(self._plot)
        for part in (self._table, self._key, self._bars):
            part.object = ""

    def show(self, compared: Compared) -> None:
        """Draw the comparison, unless it is on screen."""
        model = self._model
        stamp = (compared.stamp, model.axis, model.scale, model.smoothing)
        if stamp == self._shown:
            return
        self._shown = stamp
        self._curves.offer(dict(compared.choices), compared.metric)
        self._caution.object = paragraphs([(OTHER_DATA, True)]) if compared.comparison.on_other_data else ""
        fill(self._plot, self._curves.pane(self._figures, compared.lines, compared.metric, compared.unit, 320))
        colours = {run_id: COLOURS[place] for place, run_id in enumerate(compared.records)}
        names = [(title(record), colours[run_id]) for run_id, record in compared.records.items()]
        self._table.object = markup.differences(compared.comparison, names)
        self._key.object = markup.key((line.name, line.colour, False) for line in compared.lines)
        items = markup.score_items(compared.bars, compared.records, colours)
        self._bars.object = (
            "<h2>Lowest validation error</h2>" + markup.bars(items, compared.unit) + markup.verdicts(compared.verdicts)
        )


class SweepPanel:
    """``body`` covers the stage. ``use(trial)`` edits a trial's configuration, ``watch(trial)`` opens its run."""

    def __init__(self, use: Callable[[SweepTrial], None], watch: Callable[[SweepTrial], None]) -> None:
        self._view: SweepSummary | None = None
        self._unit = "K"
        self._verdicts: Mapping[int, Verdict] = {}
        self._figures = Figures()
        self._shown: tuple[Any, ...] = ()
        self._failures = html("")
        self._trial = _select("Trial", lambda _: self._draw())
        self._slice = _select("Slice", lambda _: self._draw())
        self._chosen = html("")
        self._verdict = html("")
        actions = row(
            controls.button("Use this configuration", variant="contained", on_click=lambda _: self._with(use)),
            controls.button("Open this trial", on_click=lambda _: self._with(watch)),
        )
        self._importance = html("")
        self._trials = html("")
        self._plots = [box(), box(), box()]
        self.body = box(
            self._failures,
            self._plots[0],
            # the verdict stands below the buttons, which must not move when it comes
            box(
                box(self._trial, self._chosen, actions, self._verdict, css=":host { gap: 6px }"),
                self._importance,
                css=_PAIR,
            ),
            box(box(section("Best score so far"), self._plots[1]), box(self._slice, self._plots[2]), css=_PAIR),
            self._trials,
            css=BODY,
        )

    def clear(self) -> None:
        """Show no sweep; the buttons then act on no trial."""
        self._shown = ()
        self._view = None
        self._verdicts = {}
        for part in (self._failures, self._chosen, self._verdict, self._importance, self._trials):
            part.object = ""
        for select in (self._trial, self._slice):
            select.param.update(options={}, value=None)
        for plot in self._plots:
            fill(plot)

    def show(self, snapshot: RunSnapshot) -> None:
        """Draw the sweep, unless it is on screen."""
        view = snapshot.sweep
        if view is None or snapshot.stamp == self._shown:
            return
        self._shown = snapshot.stamp
        self._view = view
        self._verdicts = snapshot.trial_verdicts
        failed = [trial for trial in view.trials if trial.state in ("failed", "killed", "illegal")]
        is_lost = bool(failed) and len(failed) == len(view.trials)
        self._failures.object = paragraphs([(f"No trial has succeeded: {failed[-1].why}", True)] if is_lost else [])
        # "Best" comes first, so that it stays selected while trials end
        begun = {f"Trial {trial.number}": trial.number for trial in view.trials if trial.run}
        self._offer(self._trial, {"Best": _BEST} | begun)
        self._offer(self._slice, {text.label(name): place for place, name in enumerate(view.fields)})
        rows = [(text.label(name), share, 0.0, SERIES[2]) for name, share in sorted(
            view.importance.items(), key=lambda item: -item[1])]  # fmt: skip
        self._importance.object = "<h2>Parameter importance</h2>" + (
            markup.bars(rows, "") if rows else paragraph("At least two finished trials are needed.")
        )
        self._unit = snapshot.variable.error_symbol
        self._trials.object = markup.trials_table(view, self._unit)
        self._draw()

    def _offer(self, select: pmui.Select, choices: dict[str, int]) -> None:
        if select.options != choices:
            kept = select.value
            select.options = choices
            select.value = kept if kept in choices.values() else next(iter(choices.values()), None)

    def _picked(self) -> SweepTrial | None:
        view = self._view
        if view is None or self._trial.value == _BEST:
            return view.best if view else None
        return next((trial for trial in view.trials if trial.number == self._trial.value), None)

    def _with(self, action: Callable[[SweepTrial], None]) -> None:
        trial = self._picked()
        if trial is not None and trial.run is not None:
            action(trial)

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        trial = self._picked()
        sentence = "" if trial is None else text.trial_sentence(trial, self._unit)
        result = None if trial is None else self._verdicts.get(trial.number)
        self._chosen.object = paragraph(sentence)
        self._verdict.object = "" if result is None else verdict_html(result, "On the test months")
        axes = trainings.parallel_coordinates(view)
        if not axes.numbers:
            for plot in self._plots:
                fill(plot)
            return
        columns = [*map(text.short, view.fields), f"Score{f', {self._unit}' if self._unit else ''}"]
        column = self._slice.value if isinstance(self._slice.value, int) else 0
        number = trial.number if trial else None
        drawn = {
            "parallel": (figures.parallel, axes, columns, number),
            "best": (figures.best_so_far, axes, view.best_so_far, self._unit),
            "slice": (figures.slice_of, axes, column, columns[column], self._unit),
        }
        panes = [self._figures.pane(name, *data, linked_axes=False) for name, data in drawn.items()]
        for plot, pane in zip(self._plots, panes, strict=True):
            fill(plot, pane)


def _select(label: str, changed: Callable[[Any], None]) -> pmui.Select:
    select = pmui.Select(
        label=label, options={}, size="small", variant="outlined", margin=(8, 0, 4, 0), sizing_mode="stretch_width"
    )
    select.param.watch(changed, "value")
    return select
