"""The face "Compare": two to eight runs, their curves above each other, what they differ in first, their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.queries.train import curves as trainings
from engine.queries.train.curves import ScoreBar
from engine.queries.train.forms import Comparison, compare_configs
from engine.queries.train.run_files import final_scores
from engine.runs import RunRecord
from explorer.layout import box, fill
from explorer.pages.train import markup, text
from explorer.pages.train.draft import BODY
from explorer.pages.train.follow import CurveOptions, RunReader
from explorer.pages.train.live import CurveControls
from explorer.pages.train.model import LOG, TrainModel
from explorer.plots import training as figures
from explorer.plots.live import Figures
from explorer.plots.training import COLOURS, Line
from explorer.runs_panel import title
from explorer.widgets.text import html, paragraph, paragraphs

OTHER_DATA = "These runs do not learn from the same data, see below: their scores cannot be compared."
INVITATION = "Tick two to eight runs in the list to lay their curves above each other."


@dataclass(frozen=True, eq=False)
class Compared:
    """Several runs as they were read a moment ago; ``records`` by id, in the order in which they were ticked."""

    records: Mapping[str, RunRecord]
    comparison: Comparison
    choices: Mapping[str, str]
    metric: str
    lines: Sequence[Line]
    bars: Sequence[ScoreBar]
    badges: Mapping[str, tuple[str, str]]

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Two of the same stamp look the same."""
        ends = [float(line.x[-1]) if line.x.size else -1.0 for line in self.lines]
        return (list(self.records.values()), self.metric, ends)


def read_compared(runs: Sequence[RunReader], records: Mapping[str, RunRecord], look: CurveOptions) -> Compared:
    """Read on in every run and lay them beside each other; called off the event loop."""
    for run in runs:
        run.poll(look.columns)
    known = [text.metric_names(run.reader.columns) for run in runs]
    shared = {label: name for label, name in known[0].items() if all(label in other for other in known)}
    metric = look.metric if look.metric in shared.values() else next(iter(shared.values()), "")
    found = {run.run.id: records[run.run.id] for run in runs}
    scores = {one: record.best for one, record in found.items() if record.best is not None}
    return Compared(
        found,
        compare_configs([run.config for run in runs]),
        shared,
        metric,
        [run.compared(title(found[run.run.id]), metric, look, place) for place, run in enumerate(runs)],
        trainings.score_bars(scores, {run.run.id: run.config for run in runs}),
        {run.run.id: text.badge(trainings.last_values(run.reader), _scores(run)) for run in runs},
    )


def _scores(run: RunReader) -> Mapping[str, Any]:
    return final_scores(run.run.folder) if run.config.task == "sst" else {}


class Compare:
    """``body`` covers the stage, ``side`` stands beside it."""

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

    def clear(self, said: str) -> None:
        """Too few runs are ticked, or none of them is there."""
        self._shown = ()
        self._curves.offer({}, "")
        self._caution.object = paragraph(said)
        fill(self._plot)
        for part in (self._table, self._key, self._bars):
            part.object = ""

    def show(self, found: Compared) -> None:
        """Draw what is not on screen yet."""
        model = self._model
        stamp = (found.stamp, model.axis, model.scale, model.smoothing)
        if stamp == self._shown:
            return
        self._shown = stamp
        self._curves.offer(dict(found.choices), found.metric)
        self._caution.object = paragraphs([(OTHER_DATA, True)]) if found.comparison.on_other_data else ""
        log = model.scale == LOG
        unit = ", K" if found.metric == text.MODEL_ERROR else ""
        data = found.lines, log, text.AXES[model.axis], text.metric_name(found.metric) + unit, 320
        pane = self._figures.pane("curves-log" if log else "curves", figures.curves, *data, linked_axes=False)
        fill(self._plot, pane)
        colours = {one: COLOURS[place] for place, one in enumerate(found.records)}
        names = [(title(record), colours[one]) for one, record in found.records.items()]
        self._table.object = markup.differences(found.comparison, names)
        self._key.object = markup.key((line.name, line.colour, False) for line in found.lines)
        items = markup.score_items(found.bars, found.records, colours)
        skills = [(title(found.records[one]), said[0]) for one, said in found.badges.items() if said[0]]
        self._bars.object = "<h2>Best error on validation</h2>" + markup.bars(items, "K") + markup.skills(skills)
