"""Reads runs off the event loop: one reader per run, which reads every line once."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from engine.config.baselines import BASELINE_KINDS
from engine.config.sweep import SweepSettings
from engine.errors import StoreError
from engine.evaluation import Verdict
from engine.evaluation.place import PlaceWorth
from engine.evaluation.reliability import Reliability
from engine.queries.folds import FoldsVerdict, folds_verdict
from engine.queries.ocean import SST, VariableKind
from engine.queries.train import curves as trainings
from engine.queries.train.curves import SweepSummary
from engine.queries.train.run_files import final_scores, snapshot_fields
from engine.queries.verdicts import (
    run_place,
    run_reliability,
    run_variable,
    run_verdict,
    trial_verdicts,
    validation_verdict,
)
from engine.runs import MetricsReader, Run, RunConfig, RunRecord
from explorer.pages.train import text
from explorer.pages.train.model import STEP, TrainModel
from explorer.plots.training import COLOURS, Line
from explorer.theme import NEUTRAL, SERIES
from explorer.widgets.text import number

_LOG_LINES = 60
_POINTS = 600  # about what a figure has pixels for


@dataclass(frozen=True)
class CurveOptions:
    """Metric, x axis and smoothing of the curves."""

    metric: str
    axis: Any
    smoothing: float

    @classmethod
    def of(cls, model: TrainModel) -> CurveOptions:
        """The options of the page."""
        return cls(model.metric, model.axis, model.smoothing / 100)

    @property
    def columns(self) -> list[str]:
        """The metrics that a curve needs."""
        return ["iteration" if self.axis == STEP else self.axis, self.metric]


@dataclass(frozen=True, eq=False)
class RunSnapshot:
    """The content of one run at one moment."""

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
    verdict: Verdict | None = None
    is_tested: bool = False
    sweep: SweepSummary | None = None
    trial_verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    variable: VariableKind = SST
    place: PlaceWorth | None = None
    reliability: Reliability | None = None
    folds: FoldsVerdict | None = None

    @property
    def num_trials(self) -> int:
        """The requested number of trials of a sweep; 0 for other tasks."""
        return self.config.settings.trials if isinstance(self.config.settings, SweepSettings) else 0

    @property
    def top(self) -> float | None:
        """Upper limit of a figure of errors: twice the error of the mean of observed days."""
        mean = self.last.get(text.MEAN_ERROR, math.nan)
        return 2.0 * mean if self.metric == text.MODEL_ERROR and math.isfinite(mean) else None

    @property
    def stamp(self) -> tuple[Any, ...]:
        """Equal stamps look the same."""
        trials = None if self.sweep is None else [(trial.state, trial.value) for trial in self.sweep.trials]
        shown = None if self.fields is None else self.fields.attrs["epoch"]
        return (self.record, dict(self.last), self.metric, shown, list(self.log), self.verdict, self.folds, trials)


class RunReader:
    """Reads one run, from any thread, also while a cancelled reading of it has not ended."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = run.config
        self.reader: MetricsReader = run.metrics()
        self._lock = threading.Lock()
        self._fields: xr.Dataset | None = None

    def poll(self, wanted: Sequence[str]) -> None:
        """Read the new lines; ``wanted`` are the metrics in use."""
        with self._lock:
            self.reader.poll(wanted)

    def read(self, record: RunRecord, options: CurveOptions, epoch: int) -> RunSnapshot:
        """The content of the tab "Runs"; ``epoch`` −1 is the latest snapshot."""
        baselines = (
            [f"{options.metric}_{name}" for name in BASELINE_KINDS] if options.metric == text.MODEL_ERROR else []
        )
        self.poll([*options.columns, *baselines])
        choices = text.metric_names(self.reader.columns)
        metric = options.metric if options.metric in choices.values() else next(iter(choices.values()), "")
        epochs = self.run.files.snapshot_epochs()
        folder, task = self.run.folder, self.config.task
        last = trainings.last_values(self.reader)
        on_test, variable = run_verdict(folder, task), run_variable(folder, task)
        scores = final_scores(folder) if task == "sst" else {}
        sweep = trainings.sweep_summary(folder) if task == "sweep" else None
        return RunSnapshot(
            record,
            self.config,
            last,
            choices,
            metric,
            self._lines(metric, options, variable),
            epochs,
            self._map(epochs, epoch),
            self.run.log_tail(_LOG_LINES),
            scores,
            on_test or validation_verdict(last, variable),
            on_test is not None,
            sweep,
            {} if sweep is None else trial_verdicts(folder, sweep),
            variable,
            run_place(folder, task),
            run_reliability(folder, task),
            _folds(self.run),
        )

    def _lines(self, metric: str, options: CurveOptions, variable: VariableKind) -> list[Line]:
        if metric == text.MODEL_ERROR:
            lines = [self._line("Model", metric, options, SERIES[0], 2.5)]
            baselines = [
                (name, f"{metric}_{name}") for name in BASELINE_KINDS if f"{metric}_{name}" in self.reader.columns
            ]
            return [self._baseline_line(name, column, options, variable) for name, column in baselines] + lines
        lines = [self._line(text.metric_name(metric), metric, options, SERIES[0], 2.0)]
        if options.smoothing:
            rough = CurveOptions(metric, options.axis, 0.0)
            lines.insert(0, self._line("Unsmoothed", metric, rough, NEUTRAL, 0.8))
        return lines

    def _line(self, name: str, metric: str, options: CurveOptions, colour: str, width: float) -> Line:
        axis = _column(options.axis, self.reader.columns)
        curve = trainings.curve(self.reader, metric, axis=axis, smoothing=options.smoothing, num_points=_POINTS)
        return Line(name, curve.x, curve.y, colour, width)

    def _baseline_line(self, name: str, column: str, options: CurveOptions, variable: VariableKind) -> Line:
        kind = BASELINE_KINDS[name]
        line = self._line(kind.title, column, CurveOptions(column, options.axis, 0.0), COLOURS[kind.colour], 2.0)
        ends = slice(None, None, max(1, line.x.size - 1))  # a constant line needs its ends only
        value = f", {number(line.y[-1])} {variable.error_symbol}".rstrip() if line.y.size else ""
        return Line(line.name + value, line.x[ends], line.y[ends], line.colour, 2.0 if name == "mean" else 1.4, True)

    def compared(self, name: str, metric: str, options: CurveOptions, place: int) -> Line:
        """The curve of this run among others."""
        return self._line(name, metric, options, COLOURS[place], 2.0)

    def _map(self, epochs: Sequence[int], epoch: int) -> xr.Dataset | None:
        """The snapshot nearest to ``epoch``, of −1 the latest; cached."""
        if self.config.task != "sst" or not epochs:
            return None
        wanted = nearest_epoch(epochs, epoch)
        fields = self._fields
        if fields is None or fields.attrs["epoch"] != wanted:
            with suppress(StoreError):
                fields = self._fields = snapshot_fields(self.run.folder, wanted)
        return fields


def _folds(run: Run) -> FoldsVerdict | None:
    with suppress(StoreError):  # the page of the damaged fold shows it
        return folds_verdict(run)
    return None


def _column(axis: str, columns: Mapping[str, Any]) -> Any:
    """Steps of the optimiser where there are any: a run also reports while it reads its data."""
    if axis == STEP and "iteration" in columns:
        return "iteration"
    return axis if axis in columns else STEP


def nearest_epoch(epochs: Sequence[int], epoch: int) -> int:
    """The epoch with a snapshot that is nearest to ``epoch``; of −1 the latest."""
    return epochs[-1] if epoch < 0 else min(epochs, key=lambda known: abs(known - epoch))
