"""Numbers of the Train page: curves of many runs, their scores with the spread over seeds, and what a sweep found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config.legacy import current_trials
from engine.config.run_config import RunConfig
from engine.errors import StoreError
from engine.runs.metrics import MetricsReader, decimate
from engine.runs.run_folder import RunFolder

Floats = NDArray[np.float64]
Axis = Literal["step", "epoch", "time"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run: ``x`` (P,) steps, epochs, or seconds of running, ``y`` (P,) in the metric's unit."""

    x: Floats
    y: Floats


def curve(
    reader: MetricsReader, name: str, *, axis: Axis = "step", smoothing: float = 0.0, num_points: int = 1000
) -> Curve:
    """A metric as far as it has been read, thinned to about ``num_points`` so that no minimum or maximum is lost.

    Per epoch it is the last value of each epoch. Smoothed, y is Σ s^(n−k)·v_k / Σ s^(n−k) with ``smoothing`` s in 0..1
    over the values before, thinned afterwards; values that are not finite are left out.
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
    """The exponential average of ``values`` (N,) so far, without the pull towards zero at the beginning.

    In blocks, each of which is one product with a matrix of powers: a million values take milliseconds.
    """
    block = 256
    powers = smoothing ** np.arange(block)
    inside = np.tril(smoothing ** np.abs(np.subtract.outer(np.arange(block), np.arange(block))))
    total = weight = 0.0
    result = np.empty_like(values)
    for start in range(0, values.size, block):
        part = values[start : start + block]
        count = part.size
        sums = inside[:count, :count] @ part + total * smoothing * powers[:count]
        weights = np.cumsum(powers[:count]) + weight * smoothing * powers[:count]
        result[start : start + count] = sums / weights
        total, weight = float(sums[-1]), float(weights[-1])
    return result


def axes_of(readers: Sequence[MetricsReader]) -> tuple[Axis, ...]:
    """What curves may be drawn against: epochs only where every run counts them."""
    counted: list[Axis] = ["step", "time"]
    if readers and all("epoch" in reader.columns for reader in readers):
        counted.insert(1, "epoch")
    return tuple(counted)


def last_values(reader: MetricsReader) -> dict[str, float]:
    """The newest value of every metric."""
    return dict(reader.columns.last)


@dataclass(frozen=True)
class ScoreBar:
    """The scores of runs that differ in nothing but their seed: mean and standard deviation (0 for one run)."""

    runs: tuple[str, ...]
    mean: float
    std: float
    values: tuple[float, ...]


def score_bars(scores: Mapping[str, float], configs: Mapping[str, RunConfig]) -> list[ScoreBar]:
    """The scores by run id, with the runs of one configuration put together; in the order of ``scores``."""
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
class SweepTrial:
    """One trial: see :class:`engine.training.sweep.Trial`."""

    number: int
    state: str
    chosen: dict[str, Any]
    run: str | None
    value: float | None
    scores: list[float]
    why: str


@dataclass(frozen=True)
class SweepView:
    """What a sweep has found so far.

    ``fields`` are its dimensions, ``importance`` how much each matters for the score (0..1), ``best_so_far`` (trial
    number, score) of every improvement.
    """

    fields: tuple[str, ...]
    trials: tuple[SweepTrial, ...]
    importance: dict[str, float]

    @property
    def scored(self) -> tuple[SweepTrial, ...]:
        """The trials that came to their end."""
        return tuple(trial for trial in self.trials if trial.state == "done" and trial.value is not None)

    @property
    def best(self) -> SweepTrial | None:
        """The trial with the smallest score."""
        return min(self.scored, key=lambda trial: trial.value or 0.0, default=None)

    @property
    def best_so_far(self) -> tuple[tuple[int, float], ...]:
        """(number, score) of each trial that was better than all before it."""
        found: list[tuple[int, float]] = []
        for trial in self.scored:
            assert trial.value is not None
            if not found or trial.value < found[-1][1]:
                found.append((trial.number, trial.value))
        return tuple(found)

    def counts(self) -> dict[str, int]:
        """How many trials there are in each state."""
        found: dict[str, int] = {}
        for trial in self.trials:
            found[trial.state] = found.get(trial.state, 0) + 1
        return found


def sweep_view(folder: Path) -> SweepView:
    """The sweep in ``folder``; empty before its first trial.

    Raises:
        StoreError: its file is damaged.
    """
    path = RunFolder(folder).trials
    try:
        content = current_trials(json.loads(path.read_bytes()))
        trials = [SweepTrial(**trial) for trial in content["trials"]]
        return SweepView(tuple(content["fields"]), tuple(trials), dict(content["importance"]))
    except FileNotFoundError:
        return SweepView((), (), {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError("the sweep's file is damaged", str(path), "let the sweep go on, or resume it") from error


@dataclass(frozen=True, eq=False)
class Parallel:
    """A sweep's trials as lines over its dimensions and the score: ``position`` (N, F + 1), each column 0..1.

    ``labels`` gives for each column (text, position) of its ticks. The last column is the score.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    position: Floats
    labels: tuple[tuple[tuple[str, float], ...], ...]
    value: Floats


def parallel(view: SweepView) -> Parallel:
    """The trials that came to their end, ready for parallel coordinates."""
    trials = view.scored
    value = np.array([trial.value for trial in trials], np.float64)
    columns = [_column([trial.chosen.get(name) for trial in trials]) for name in view.fields] + [_scale(value)]
    position = np.stack([column[0] for column in columns], axis=1) if trials else np.empty((0, len(columns)))
    return Parallel(
        (*view.fields, "score"),
        tuple(trial.number for trial in trials),
        position,
        tuple(column[1] for column in columns),
        value,
    )


def _column(values: list[Any]) -> tuple[Floats, tuple[tuple[str, float], ...]]:
    """Positions and ticks of one dimension: numbers by size (by factors where they span two powers of ten)."""
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return _scale(np.array(values, np.float64))
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    order = sorted(set(texts))
    place = {text: number / max(1, len(order) - 1) for number, text in enumerate(order)}
    return np.array([place[text] for text in texts], np.float64), tuple(place.items())


def _scale(values: Floats) -> tuple[Floats, tuple[tuple[str, float], ...]]:
    if not values.size:
        return values, ()
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.full(values.shape, 0.5), ((f"{low:.4g}", 0.5),)
    by_factors = low > 0 and high / low >= 100.0
    scaled = np.log(values) if by_factors else values
    positions = (scaled - scaled.min()) / (scaled.max() - scaled.min())
    middle = float(np.sqrt(low * high)) if by_factors else (low + high) / 2.0
    return positions, ((f"{low:.4g}", 0.0), (f"{middle:.4g}", 0.5), (f"{high:.4g}", 1.0))
