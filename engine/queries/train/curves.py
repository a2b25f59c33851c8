"""Curves of runs, scores over seeds, and the trials of a sweep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel, FiniteFloat, field_validator

from engine.config.legacy import current_trials
from engine.config.run_config import RunConfig
from engine.errors import StoreError
from engine.files import read_file
from engine.queries.results import MAX_RESULT_BYTES
from engine.runs.metrics import MetricsReader, decimate
from engine.runs.run_folder import RunFolder
from engine.training.sweep import Trial as SweepTrial
from engine.typed import Floats

Axis = Literal["step", "epoch", "time"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run: ``x`` (P,) steps, epochs, or seconds of running, ``y`` (P,) in the metric's unit."""

    x: Floats
    y: Floats


def curve(
    reader: MetricsReader, name: str, *, axis: Axis = "step", smoothing: float = 0.0, num_points: int = 1000
) -> Curve:
    """A metric as read so far, thinned to about ``num_points`` with all its minima and maxima.

    By epoch, it is the last value of each epoch. Values that are not finite are left out. With ``smoothing`` s in
    [0, 1), y is the exponential moving average Σ s^(n−k)·v_k / Σ s^(n−k) over the values k ≤ n.
    """
    columns = reader.columns
    if name not in columns or axis not in columns:
        return Curve(np.empty(0), np.empty(0))
    x, y = columns[axis], columns[name]
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if axis == "epoch" and x.size:
        last = np.append(x[1:] != x[:-1], True)
        x, y = x[last], y[last]
    if smoothing > 0.0:
        y = smoothed(y, smoothing)
    kept = decimate(y, num_points)
    return Curve(x[kept], y[kept])


def smoothed(values: Floats, smoothing: float) -> Floats:
    """The exponential moving average of ``values`` (N,), normalised by the sum of its weights."""
    average: Any = pd.Series(values).ewm(alpha=1.0 - smoothing)
    return average.mean().to_numpy()


def last_values(reader: MetricsReader) -> dict[str, float]:
    """The latest value of every metric."""
    return dict(reader.columns.last)


@dataclass(frozen=True)
class ScoreBar:
    """The scores of runs that differ only in their seed: mean and standard deviation (0 for a single run)."""

    runs: tuple[str, ...]
    mean: float
    std: float
    values: tuple[float, ...]


def score_bars(scores: Mapping[str, float], configs: Mapping[str, RunConfig]) -> list[ScoreBar]:
    """The scores by run id, grouped by configuration; in the order of ``scores``."""
    groups: dict[bytes, list[str]] = {}
    for run in scores:
        groups.setdefault(configs[run].model_copy(update={"seed": 0}).to_json(), []).append(run)
    bars: list[ScoreBar] = []
    for runs in groups.values():
        values = [scores[run] for run in runs]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        bars.append(ScoreBar(tuple(runs), float(np.mean(values)), spread, tuple(values)))
    return bars


@dataclass(frozen=True)
class SweepSummary:
    """The trials of a sweep so far: ``fields`` are its dimensions, ``importance`` theirs for the score (0..1)."""

    fields: tuple[str, ...]
    trials: tuple[SweepTrial, ...]
    importance: dict[str, float]

    @property
    def scored(self) -> tuple[SweepTrial, ...]:
        """The trials with a score."""
        return tuple(trial for trial in self.trials if trial.state == "done" and trial.value is not None)

    @property
    def best(self) -> SweepTrial | None:
        """The trial with the smallest score."""
        return min(self.scored, key=lambda trial: trial.value or 0.0, default=None)

    @property
    def best_so_far(self) -> tuple[tuple[int, float], ...]:
        """(number, score) of each trial that was better than all before it."""
        best: list[tuple[int, float]] = []
        for trial in self.scored:
            assert trial.value is not None
            if not best or trial.value < best[-1][1]:
                best.append((trial.number, trial.value))
        return tuple(best)

    def num_by_state(self) -> dict[str, int]:
        """The number of trials in each state."""
        return dict(Counter(trial.state for trial in self.trials))


def sweep_summary(folder: Path) -> SweepSummary:
    """The sweep in ``folder``; empty before its first trial.

    Raises:
        StoreError: its file is damaged.
    """
    path = RunFolder(folder).trials
    try:
        content = json.loads(read_file(path, MAX_RESULT_BYTES))
        if not isinstance(content["fields"], list):
            raise TypeError("the fields are no list")
        sweep = _Sweep.model_validate(current_trials(content))
    except FileNotFoundError:
        return SweepSummary((), (), {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError("the sweep's file is damaged", str(path), "let the sweep go on, or resume it") from error
    return SweepSummary(tuple(sweep.fields), tuple(sweep.trials), sweep.importance)


class _Sweep(BaseModel):
    """The content of ``trials.json``."""

    fields: list[str]
    trials: list[SweepTrial]
    importance: dict[str, FiniteFloat]

    @field_validator("trials")
    @classmethod
    def _has_numbers(cls, trials: list[SweepTrial]) -> list[SweepTrial]:
        for trial in trials:
            if trial.value is not None and not np.isfinite(trial.value):
                raise ValueError(f"the score of trial {trial.number} is no number")
        return trials


@dataclass(frozen=True, eq=False)
class ParallelCoordinates:
    """The trials of a sweep as lines over its dimensions and the score: ``position`` (N, F + 1), each column 0..1.

    ``labels`` are the ticks of each column, (text, position). The last column is the score.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    position: Floats
    labels: tuple[tuple[tuple[str, float], ...], ...]
    value: Floats


def parallel_coordinates(sweep: SweepSummary) -> ParallelCoordinates:
    """The scored trials as parallel coordinates."""
    trials = sweep.scored
    value = np.array([trial.value for trial in trials], np.float64)
    columns = [_column([trial.chosen.get(name) for trial in trials]) for name in sweep.fields] + [_scale(value)]
    position = np.stack([column[0] for column in columns], axis=1) if trials else np.empty((0, len(columns)))
    return ParallelCoordinates(
        (*sweep.fields, "score"),
        tuple(trial.number for trial in trials),
        position,
        tuple(column[1] for column in columns),
        value,
    )


def _column(values: list[Any]) -> tuple[Floats, tuple[tuple[str, float], ...]]:
    """Positions and ticks of a dimension: linear for numbers (logarithmic over two or more decades), else ordinal."""
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return _scale(np.array(values, np.float64))
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    order = sorted(set(texts))
    position = {text: number / max(1, len(order) - 1) for number, text in enumerate(order)}
    return np.array([position[text] for text in texts], np.float64), tuple(position.items())


def _scale(values: Floats) -> tuple[Floats, tuple[tuple[str, float], ...]]:
    if not values.size:
        return values, ()
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(values.shape, 0.5), ((f"{low:.4g}", 0.5),)
    is_log = low > 0 and high / low >= 100.0
    scaled = np.log(values) if is_log else values
    positions = (scaled - scaled.min()) / (scaled.max() - scaled.min())
    middle = float(np.sqrt(low * high)) if is_log else (low + high) / 2.0
    return positions, ((f"{low:.4g}", 0.0), (f"{middle:.4g}", 0.5), (f"{high:.4g}", 1.0))
