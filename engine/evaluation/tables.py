"""Sums of errors to tables of scores: plain nested numbers that a page draws, JSON keeps and CSV lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Table = dict[str, dict[str, dict[str, dict[str, float]]]]
"""``table[estimate][stratum][label][metric]``"""

NUM_SUMS = 9
"""Area, then area times |e|, e, e², p, p², t, t², pt."""

RESAMPLES = 200
"""Times that the months are drawn anew for an error bar."""

_ROUNDING = 1e-12

_SKILLS = ("mae", "rmse", "crmse")
_WITH_BAR = ("mae", "rmse", "skill_")


class Stratum(NamedTuple):
    """The sums of one way to sort the cells: N months, S labels, E estimates."""

    name: str
    labels: tuple[str, ...]
    sums: Floats
    """(N, S, E, 9)"""


def table_of(strata: Iterable[Stratum], names: Sequence[str], baselines: Sequence[str], seed: int) -> Table:
    """The table of :func:`engine.evaluation.scores.score_table`."""
    table: Table = {name: {} for name in names}
    for stratum in strata:
        scores = _scores(stratum.sums.sum(axis=0), names, baselines)
        if len(stratum.sums) > 1:
            scores |= _bars(stratum.sums, names, baselines, seed)
        for e, name in enumerate(names):
            rows = {
                label: {metric: float(values[s, e]) for metric, values in scores.items() if np.isfinite(values[s, e])}
                for s, label in enumerate(stratum.labels)
                if scores["area"][s, e] > 0.0
            }
            table[name][stratum.name] = rows
    return table


def over_seeds(tables: Sequence[Table]) -> Table:
    """The tables of several seeds as one: each metric's mean, and ``<metric>_std`` and ``<metric>_n`` beside it.

    The standard deviation is that of the seeds (n − 1), absent for one seed. Labels and metrics are those of the first
    table; where another lacks one, n says how many had it. Bars over months are left out.
    """
    return {
        name: {
            stratum: {
                label: {
                    key: value
                    for metric in metrics
                    if not metric.endswith("_bar")
                    for key, value in _spread(metric, _values(tables, name, stratum, label, metric)).items()
                }
                for label, metrics in labels.items()
            }
            for stratum, labels in strata.items()
        }
        for name, strata in tables[0].items()
    }


def table_rows(table: Table) -> Iterator[dict[str, str | float]]:
    """The table as flat rows for CSV: estimate, stratum, label, metric, value."""
    for name, strata in table.items():
        for stratum, labels in strata.items():
            for label, metrics in labels.items():
                for metric, value in metrics.items():
                    yield {"estimate": name, "stratum": stratum, "label": label, "metric": metric, "value": value}


def _scores(sums: Floats, names: Sequence[str], baselines: Sequence[str]) -> dict[str, Floats]:
    """Sums (..., S, E, 9) to metrics (..., S, E), NaN where not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        area = sums[..., 0]
        mae, bias, square, p, p2, t, t2, pt = np.moveaxis(sums[..., 1:] / area[..., None], -1, 0)
        scores = {
            "area": area / area.sum(axis=-2, keepdims=True),
            "mae": mae,
            "rmse": np.sqrt(square),
            "bias": bias,
            "crmse": np.sqrt(_variance(square, bias)),
            "correlation": (pt - p * t) / np.sqrt(_variance(p2, p) * _variance(t2, t)),
        }
        for baseline in baselines:
            at = list(names).index(baseline)
            for metric in _SKILLS:
                scores[f"skill_{metric}_vs_{baseline}"] = 1.0 - scores[metric] / scores[metric][..., at : at + 1]
    return scores


def _variance(square: Floats, mean: Floats) -> Floats:
    """Mean square less squared mean; 0 where only rounding is left of it."""
    variance = square - mean**2
    return np.where(variance > _ROUNDING * square, variance, 0.0)


def _bars(sums: Floats, names: Sequence[str], baselines: Sequence[str], seed: int) -> dict[str, Floats]:
    """Standard errors (S, E) of metrics: their deviation over draws of the N months of ``sums`` (N, S, E, 9).

    Draws of n months spread by √((n − 1)/n) of the standard error, which is made good; one month alone tells of none.
    """
    num_months = len(sums)
    num_counted = np.count_nonzero(sums[..., 0], axis=0)
    whole = np.where(num_counted > 1, np.sqrt(num_counted / np.maximum(num_counted - 1, 1)), np.nan)
    draws = np.random.default_rng(seed).multinomial(num_months, np.full(num_months, 1.0 / num_months), RESAMPLES)
    drawn = _scores(np.tensordot(draws.astype(np.float64), sums, axes=1), names, baselines)
    return {f"{metric}_bar": whole * _std(values) for metric, values in drawn.items() if metric.startswith(_WITH_BAR)}


def _std(values: Floats) -> Floats:
    """Standard deviation along the first axis over what is finite; NaN where fewer than two values are."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    mean = np.sum(values, axis=0, where=finite) / np.maximum(count, 1)
    square = np.sum((values - mean) ** 2, axis=0, where=finite)
    return np.where(count > 1, np.sqrt(square / np.maximum(count - 1, 1)), np.nan)


def _values(tables: Sequence[Table], name: str, stratum: str, label: str, metric: str) -> list[float]:
    rows = (table[name][stratum].get(label, {}) for table in tables)
    return [row[metric] for row in rows if metric in row]


def _spread(metric: str, values: Sequence[float]) -> dict[str, float]:
    result = {metric: float(np.mean(values)), f"{metric}_n": float(len(values))}
    if len(values) > 1:
        result[f"{metric}_std"] = float(np.std(values, ddof=1))
    return result
