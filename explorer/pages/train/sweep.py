"""A sweep on the stage: trials as lines over their choices, what matters, slices, the best so far, its config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui

from engine.queries.train import curves as trainings
from engine.queries.train.curves import SweepSummary, SweepTrial
from explorer.layout import box, fill, row
from explorer.pages.train import labels, markup, text
from explorer.pages.train.draft import BODY
from explorer.pages.train.follow import RunSnapshot
from explorer.plots import training as figures
from explorer.plots.live import Figures
from explorer.theme import SERIES
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, paragraphs, section

_PAIR = ":host { display: grid; gap: 8px 24px; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)) }"
_BEST = -1
_UNIT = "K"


class Sweep:
    """``body`` covers the stage. ``use(trial)`` makes a trial's run the draft, ``watch(trial)`` shows it."""

    def __init__(self, use: Callable[[SweepTrial], None], watch: Callable[[SweepTrial], None]) -> None:
        self._view: SweepSummary | None = None
        self._figures = Figures()
        self._shown: tuple[Any, ...] = ()
        self._said = html("")
        self._trial = _select("Trial", lambda _: self._draw())
        self._slice = _select("Slice", lambda _: self._draw())
        self._chosen = html("")
        actions = row(
            controls.button("Make this trial my config", variant="contained", on_click=lambda _: self._with(use)),
            controls.button("Watch this trial", on_click=lambda _: self._with(watch)),
        )
        self._importance = html("")
        self._trials = html("")
        self._plots = [box(), box(), box()]
        self.body = box(
            self._said,
            self._plots[0],
            box(box(self._trial, self._chosen, actions, css=":host { gap: 6px }"), self._importance, css=_PAIR),
            box(box(section("Best so far"), self._plots[1]), box(self._slice, self._plots[2]), css=_PAIR),
            self._trials,
            css=BODY,
        )

    def show(self, seen: RunSnapshot) -> None:
        """Draw the sweep as it is known."""
        view = seen.sweep
        if view is None or seen.stamp == self._shown:
            return
        self._shown = seen.stamp
        self._view = view
        failed = [trial for trial in view.trials if trial.state in ("failed", "killed", "illegal")]
        is_lost = bool(failed) and len(failed) == len(view.trials)
        self._said.object = paragraphs([(f"No trial has succeeded: {failed[-1].why}", True)] if is_lost else [])
        # the best is offered before there is one: else the first trial would be chosen, and stay so
        begun = {f"Trial {trial.number}": trial.number for trial in view.trials if trial.run}
        self._offer(self._trial, {"Best": _BEST} | begun)
        self._offer(self._slice, {labels.label(name): place for place, name in enumerate(view.fields)})
        rows = [(labels.label(name), share, 0.0, SERIES[2]) for name, share in sorted(
            view.importance.items(), key=lambda item: -item[1])]  # fmt: skip
        self._importance.object = "<h2>What matters for the score</h2>" + (
            markup.bars(rows, "") if rows else paragraph("Two ended trials are needed.")
        )
        self._trials.object = markup.trials_table(view)
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
        said = "" if trial is None else text.trial_sentence(trial)
        self._chosen.object = paragraph(said)
        found = trainings.parallel_coordinates(view)
        if not found.numbers:
            for plot in self._plots:
                fill(plot)
            return
        columns = [*map(labels.short, view.fields), "Score, K"]
        column = self._slice.value if isinstance(self._slice.value, int) else 0
        number = trial.number if trial else None
        drawn = {
            "parallel": (figures.parallel, found, columns, number),
            "best": (figures.best_so_far, found, view.best_so_far, _UNIT),
            "slice": (figures.slice_of, found, column, columns[column], _UNIT),
        }
        panes = [self._figures.pane(name, *made, linked_axes=False) for name, made in drawn.items()]
        for plot, pane in zip(self._plots, panes, strict=True):
            fill(plot, pane)


def _select(label: str, changed: Callable[[Any], None]) -> pmui.Select:
    select = pmui.Select(
        label=label, options={}, size="small", variant="outlined", margin=(8, 0, 4, 0), sizing_mode="stretch_width"
    )
    select.param.watch(changed, "value")
    return select
