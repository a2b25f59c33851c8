"""Errors of a model and of the best baseline on the same cells: the margin between them, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from engine.config.baselines import BASELINE_KINDS, BESIDE, baseline_title
from engine.data.kinds import SST, VariableKind
from engine.errors import StoreError
from engine.evaluation.bootstrap import margin_interval
from engine.typed import Floats

Scores = Mapping[str, Any]
"""Content of ``scores.json``: by the estimate's name, see :func:`engine.evaluation.report.report`."""

Level = Literal["lower", "level", "higher"]
"""The model's error beside the baseline's."""

Interval = tuple[float, float]

LEVEL_WITHOUT_INTERVAL = 0.05
"""Where no interval is known, smaller margins count as level."""

_EQUAL = 1e-6  # relative: baselines this close are the same numbers, written with other digits


class Stratum(NamedTuple):
    """Cells that are compared apart: their place in the scores, their name, their labels in the blocks."""

    name: str
    label: str
    title: str
    phrase: str
    blocks: tuple[str, ...] = ()


SEA = Stratum("surface", "sea", "All open sea", "all open sea")
PARTS = (
    Stratum("observations", ">8", "Observed on more than 8 days", "cells observed on more than 8 days", (">8",)),
    Stratum("observations", "4–8", "Observed on 4–8 days", "cells observed on 4–8 days", ("4–8",)),
    Stratum("observations", "1–3", "Observed on 1–3 days", "cells observed on 1–3 days", ("1–3",)),
    Stratum("class", "withheld", "Withheld", "withheld cells", ("withheld",)),
    Stratum("class", "never", "Never observed", "cells that were never observed", ("never",)),
)


@dataclass(frozen=True)
class Comparison:
    """Model and best baseline on the same cells.

    Attributes:
        stratum, label: which cells, as in the scores; ``title``: what they are called.
        level: ``lower`` where the model's error is, ``higher`` where the baseline's is lower; ``level`` where the
            interval holds 0, and where none is known, below a margin of 5 %.
        margin: 1 − error of the model/error of the baseline, positive where the model's is lower.
        interval: of the margin, 95 %; None where none is known.
        baseline: name of the one with the lowest error on these cells.
        baseline_title: what it is called; of several with the same numbers the simplest is named.
        model_error, baseline_error: mean absolute errors, area-weighted, in model space (K).
        short: the level and the margin in words, with the interval.
        variable: the kind of variable that was scored, in whose model space errors are.
    """

    stratum: str
    label: str
    title: str
    level: Level
    margin: float
    interval: Interval | None
    baseline: str
    baseline_title: str
    model_error: float
    baseline_error: float
    short: str
    variable: VariableKind = field(default=SST, kw_only=True)

    @property
    def errors(self) -> str:
        """Both errors with their unit."""
        return f"{self.model_error:.3f} / {self.baseline_error:.3f} {self.variable.error_symbol}"


def errors_of(runs: Sequence[Scores], stratum: Stratum) -> dict[str, float]:
    """Mean absolute error by estimate, mean over the runs; of those that all runs have."""
    errors: dict[str, float] = {}
    for name in _names(runs):
        values = [value_at(run, name, stratum.name, stratum.label, "mae") for run in runs]
        if all(isinstance(value, int | float) and np.isfinite(value) for value in values):
            errors[name] = float(np.mean(values))
    return errors


def _names(runs: Sequence[Scores]) -> list[str]:
    return list(runs[0]) if runs else []


def value_at(scores: Any, *path: str) -> Any:
    """What lies in ``scores`` under ``path``; None where a step is missing."""
    for step in path:
        scores = cast(Scores, scores).get(step) if isinstance(scores, Mapping) else None
    return scores


def compare(
    runs: Sequence[Scores], stratum: Stratum, blocks: BlockErrors | None, seed: int, variable: VariableKind = SST
) -> Comparison | None:
    """The model beside the best baseline in one stratum; None where either has no error there."""
    errors = {name: error for name, error in errors_of(runs, stratum).items() if name not in BESIDE}
    model = errors.pop("model", None)
    if model is None or not errors:
        return None
    baseline, *equal = _best(errors)
    if errors[baseline] <= 0.0:  # its margin is infinite
        return None
    margin = 1.0 - model / errors[baseline]
    interval = None if blocks is None else blocks.interval(baseline, stratum, seed)
    level = level_of(margin, interval)
    title = baseline_title(baseline)
    if equal and len(equal) == len(errors) - 1:
        title = "All baselines, the same here"
    return Comparison(
        stratum.name,
        stratum.label,
        stratum.title,
        level,
        margin,
        interval,
        baseline,
        title,
        model,
        errors[baseline],
        _short(level, margin, interval),
        variable=variable,
    )


def _best(errors: Mapping[str, float]) -> list[str]:
    """The baselines with the lowest error, which are several where they are the same numbers; the simplest first."""
    order = list(BASELINE_KINDS)
    best = same_error(errors, min(errors.values()))
    return sorted(best, key=lambda name: order.index(name) if name in order else len(order))


def same_error(errors: Mapping[str, float], error: float) -> list[str]:
    """The estimates with this error."""
    return [name for name, other in errors.items() if abs(other - error) <= _EQUAL * error]


def level_of(margin: float, interval: Interval | None) -> Level:
    """What a margin and its interval say of the error."""
    low, high = interval or (margin - LEVEL_WITHOUT_INTERVAL, margin + LEVEL_WITHOUT_INTERVAL)
    return "lower" if low > 0.0 else "higher" if high < 0.0 else "level"


@dataclass(frozen=True, eq=False)
class BlockErrors:
    """Sums of absolute errors by estimate (run, month, block, label)."""

    labels: tuple[str, ...]
    abs_error: dict[str, Floats]

    @classmethod
    def of(cls, runs: Sequence[Scores]) -> BlockErrors | None:
        """The sums of all runs; None where one of them holds none.

        Raises:
            StoreError: they are damaged, or of other months or blocks.
        """
        if not runs or not all(value_at(run, "model", "blocks") for run in runs):
            return None
        try:
            labels = tuple(runs[0]["model"]["blocks"]["labels"])
            names = [name for name in _names(runs) if all(value_at(run, name, "blocks") for run in runs)]
            sums = {name: np.array([run[name]["blocks"]["abs_error"] for run in runs], np.float64) for name in names}
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged() from error
        if any(_blocks_of(run, name) != _blocks_of(runs[0], "model") for run in runs for name in names):
            raise _damaged()
        is_finite = all(np.isfinite(each).all() for each in sums.values())
        if not is_finite or any(
            each.shape != sums["model"].shape or each.shape[3:] != (len(labels),) for each in sums.values()
        ):
            raise _damaged()
        return cls(labels, sums)

    def interval(self, baseline: str, stratum: Stratum, seed: int) -> Interval | None:
        """The interval of the model's margin to a baseline in one stratum."""
        if baseline not in self.abs_error:
            return None
        wanted = stratum.blocks or self.labels
        at = [place for place, label in enumerate(self.labels) if label in wanted]
        model, other = (self.abs_error[name][..., at].sum(axis=-1) for name in ("model", baseline))
        return margin_interval(model, other.mean(axis=0), seed)


def _blocks_of(scores: Scores, name: str) -> dict[str, Any]:
    """Which months, blocks and labels the sums of an estimate are of."""
    return {key: scores[name]["blocks"].get(key) for key in ("labels", "months", "lat", "lon")}


def _damaged() -> StoreError:
    return StoreError(
        "the sums by block and month are damaged, or those of other months or cells", "scores", "score the run again"
    )


def _short(level: Level, margin: float, interval: Interval | None) -> str:
    bounds = "" if interval is None else f" ({interval_text(interval)})"
    if level == "level":
        return f"no clear difference{bounds}"
    return difference(margin) + bounds.replace(f" {level})", ")")


def difference(margin: float) -> str:
    """``16 % lower``: what the model's error is."""
    return f"{percent(margin)} % {'lower' if margin > 0.0 else 'higher'}"


def interval_text(interval: Interval) -> str:
    """``12 to 19 % lower``, the end nearer to 0 first; ``2.1 % higher to 3.0 % lower`` where it holds 0."""
    low, high = interval
    if low <= 0.0 <= high:
        return f"{percent(low)} % higher to {percent(high)} % lower"
    near, far = sorted(interval, key=abs)
    return f"{percent(near)} to {percent(far)} % {'lower' if low > 0.0 else 'higher'}"


def percent(fraction: float) -> str:
    """The size of a fraction in percent, with one decimal below ten."""
    percent = abs(100.0 * fraction)
    return f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
