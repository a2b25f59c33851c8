"""What is read of runs, off the event loop: a reader a run, kept, so that no line is read twice."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from engine.config.sweep import SweepSettings
from engine.errors import StoreError
from engine.queries.train import curves as trainings
from engine.queries.train.curves import SweepSummary
from engine.queries.train.run_files import final_scores, snapshot_epochs, snapshot_fields
from engine.runs import MetricsReader, Run, RunConfig, RunRecord
from explorer.pages.train import text
from explorer.pages.train.model import STEP, TrainModel
from explorer.plots.training import COLOURS, Line
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import number

_LOG_LINES = 60
_POINTS = 600  # about what a figure has pixels for
_RIVAL_COLOURS = {
    "mean": SERIES[3],
    "mean_debiased": SERIES[1],
    "climatology": SERIES[4],
    "climatology_anomaly": SERIES[2],
}


@dataclass(frozen=True)
class CurveOptions:
    """How curves are looked at."""

    metric: str
    axis: Any
    smoothing: float

    @classmethod
    def of(cls, model: TrainModel) -> CurveOptions:
        """As the page says now."""
        return cls(model.metric, model.axis, model.smoothing / 100)

    @property
    def columns(self) -> list[str]:
        """The metrics that a curve is made of."""
        return ["iteration" if self.axis == STEP else self.axis, self.metric]


@dataclass(frozen=True, eq=False)
class RunSnapshot:
    """One run as it was read a moment ago."""

    record: RunRecord
    config: RunConfig
    last: Mapping[str, float] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""
    lines: Sequence[Line] = ()
    epochs: Sequence[int] = ()
    fields: xr.Dataset | None = None
    log: Sequence[str] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    sweep: SweepSummary | None = None

    @property
    def num_trials(self) -> int:
        """How many trials a sweep was asked for; 0 of other tasks."""
        return self.config.settings.trials if isinstance(self.config.settings, SweepSettings) else 0

    @property
    def top(self) -> float | None:
        """Where a figure of errors ends: twice the plain mean, so that what matters is not squeezed."""
        mean = self.last.get(text.MEAN_ERROR, math.nan)
        return 2.0 * mean if self.metric == text.MODEL_ERROR and math.isfinite(mean) else None

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Two of the same stamp look the same."""
        trials = None if self.sweep is None else [(trial.state, trial.value) for trial in self.sweep.trials]
        shown = None if self.fields is None else self.fields.attrs["epoch"]
        return (self.record, dict(self.last), self.metric, shown, list(self.log), bool(self.scores), trials)


class RunReader:
    """A run that is looked at. ``read`` may be called from any thread, by one at a time."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = run.config
        self.reader: MetricsReader = run.metrics()
        self._lock = threading.Lock()
        self._fields: xr.Dataset | None = None

    def poll(self, wanted: Sequence[str]) -> None:
        """Read what has been written since; ``wanted`` are the metrics that will be looked at."""
        with self._lock:
            self.reader.poll(wanted)

    def read(self, record: RunRecord, look: CurveOptions, epoch: int) -> RunSnapshot:
        """Everything that the face "Runs" shows of it; ``epoch`` −1 is the newest snapshot's."""
        baselines = [f"{look.metric}_{name}" for name in text.BASELINES] if look.metric == text.MODEL_ERROR else []
        self.poll([*look.columns, *baselines])
        choices = text.metric_names(self.reader.columns)
        metric = look.metric if look.metric in choices.values() else next(iter(choices.values()), "")
        epochs = snapshot_epochs(self.run.folder)
        return RunSnapshot(
            record,
            self.config,
            trainings.last_values(self.reader),
            choices,
            metric,
            self._lines(metric, look),
            epochs,
            self._map(epochs, epoch),
            self.run.log_tail(_LOG_LINES),
            final_scores(self.run.folder) if self.config.task == "sst" else {},
            trainings.sweep_summary(self.run.folder) if self.config.task == "sweep" else None,
        )

    def _lines(self, metric: str, look: CurveOptions) -> list[Line]:
        if metric == text.MODEL_ERROR:
            lines = [self._line("The model", metric, look, SERIES[0], 2.5)]
            baselines = [
                (name, f"{metric}_{name}") for name in text.BASELINES if f"{metric}_{name}" in self.reader.columns
            ]
            return [self._rival(name, column, look) for name, column in baselines] + lines
        lines = [self._line(text.metric_name(metric), metric, look, SERIES[0], 2.0)]
        if look.smoothing:
            rough = CurveOptions(metric, look.axis, 0.0)
            lines.insert(0, self._line("As it was", metric, rough, NEUTRAL, 0.8))
        return lines

    def _line(self, name: str, metric: str, look: CurveOptions, colour: str, width: float) -> Line:
        axis = _column(look.axis, self.reader.columns)
        found = trainings.curve(self.reader, metric, axis=axis, smoothing=look.smoothing, num_points=_POINTS)
        return Line(name, found.x, found.y, colour, width)

    def _rival(self, name: str, column: str, look: CurveOptions) -> Line:
        line = self._line(text.BASELINES[name], column, CurveOptions(column, look.axis, 0.0), _RIVAL_COLOURS[name], 2.0)
        ends = slice(None, None, max(1, line.x.size - 1))  # a level line needs its ends only
        value = f", {number(line.y[-1])} K" if line.y.size else ""
        return Line(line.name + value, line.x[ends], line.y[ends], line.colour, 2.0 if name == "mean" else 1.4, True)

    def compared(self, name: str, metric: str, look: CurveOptions, place: int) -> Line:
        """Its curve among others."""
        return self._line(name, metric, look, COLOURS[place], 2.0)

    def _map(self, epochs: Sequence[int], epoch: int) -> xr.Dataset | None:
        """The snapshot of ``epoch``, else the newest; kept, because most looks find no new one."""
        if self.config.task != "sst" or not epochs:
            return None
        wanted = epoch if epoch in epochs else epochs[-1]
        if self._fields is None or self._fields.attrs["epoch"] != wanted:
            try:
                self._fields = snapshot_fields(self.run.folder, wanted)
            except StoreError:
                return self._fields
        return self._fields


def _column(axis: str, columns: Mapping[str, Any]) -> Any:
    """Steps are those of the optimiser where they are counted: a run also reports while it reads its data."""
    if axis == STEP and "iteration" in columns:
        return "iteration"
    return axis if axis in columns else STEP
