"""How good estimates of a month's mean are: area-weighted errors, by what was seen, where and when.

Sums are kept month by month, in float64, so that no archive has to be in memory; every score is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.evaluation.blocks import Blocks
from engine.evaluation.strata import NUM_JOINT, STRATA, Numbers, Strata, margins
from engine.models.baselines import observed_months
from engine.typed import Floats, Ints, Mask, Singles

Field = NDArray[np.floating]
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


class ScoreSums:
    """Sums of the errors of several estimates of the same months, from which every score is made.

    All estimates are compared on the same cells: those of the sea whose truth is known and where every one of them
    has a value.
    """

    def __init__(self, strata: Strata, names: Sequence[str], region: Mask | None = None) -> None:
        """``region`` (H, W), True = a cell that may be scored, is divided into blocks; None: the whole sea."""
        self.strata = strata
        self.names = tuple(names)
        self.months: list[int] = []
        self._sums: list[dict[str, Floats]] = []
        sea = ~strata.land
        self._blocks = Blocks.of(strata.grid, sea if region is None else sea & region)
        self._block_sums: list[Floats] = []

    def add(
        self,
        month: int,
        target: Field,
        estimates: Mapping[str, Field],
        *,
        num_observed: Numbers,
        num_withheld: Numbers | None = None,
        ice: Field | None = None,
        climatology: Field | None = None,
    ) -> None:
        """Add one month (1 to 12) of fields (H, W).

        Args:
            month: of the calendar.
            target: the true mean, °C; NaN = unknown.
            estimates: by the names that were announced, °C.
            num_observed: valid days that the estimates saw.
            num_withheld: valid days that were hidden from them; None: none.
            ice: share of the days under ice; None: none.
            climatology: °C: correlation is then that of anomalies from it.

        Raises:
            ChoiceError: an estimate is missing, or one is not announced.
        """
        if set(estimates) != set(self.names):
            raise ChoiceError(
                f"estimates {', '.join(sorted(estimates))} were given",
                "ScoreSums",
                f"give {', '.join(sorted(self.names))}",
            )
        nothing = np.zeros(target.shape, np.int64)
        joint = self.strata.joint(
            num_observed,
            nothing if num_withheld is None else num_withheld,
            nothing.astype(np.float32) if ice is None else ice,
        )
        counted = ~self.strata.land & np.isfinite(target)
        for estimate in estimates.values():
            counted &= np.isfinite(estimate)
        area = np.broadcast_to(self.strata.grid.cell_area_m2[:, None], target.shape)[counted]
        where, truth = joint[counted], target[counted].astype(np.float64)
        centre = np.zeros_like(truth) if climatology is None else climatology[counted].astype(np.float64)
        values = [estimates[name][counted].astype(np.float64) for name in self.names]
        sums = [_sums(where, area, estimate, truth, centre) for estimate in values]
        weighted = [area, *(area * np.abs(estimate - truth) for estimate in values)]
        block = self._blocks.index[counted]
        self._block_sums.append(np.stack([self._blocks.sums(block, where, each) for each in weighted]))
        self.months.append(month)
        self._sums.append(margins(np.concatenate(sums, axis=1)))

    def by_stratum(self) -> Iterator[Stratum]:
        """The sums of each of :data:`STRATA`, and of the open sea by ``month`` of the year.

        Raises:
            DataError: no month was added.
        """
        if not self.months:
            raise DataError("no month was scored", "ScoreSums", "add at least one month")
        for name, labels in STRATA.items():
            sums = np.stack([month[name] for month in self._sums])
            yield Stratum(name, labels, sums.reshape(*sums.shape[:2], len(self.names), NUM_SUMS))
        sea = np.stack([month["surface"][0] for month in self._sums]).reshape(-1, 1, len(self.names), NUM_SUMS)
        calendar = np.array(self.months)[:, None] == np.arange(1, 13)
        yield Stratum("month", tuple(str(month) for month in range(1, 13)), calendar[:, :, None, None] * sea)

    def by_block(self) -> dict[str, dict[str, Any]]:
        """Every estimate's sums by month and block of space, :meth:`engine.evaluation.blocks.Blocks.table`."""
        area, *errors = np.stack(self._block_sums, axis=1)
        return {
            name: self._blocks.table(self.months, area, error) for name, error in zip(self.names, errors, strict=True)
        }


def score(
    data: MonthlyData,
    estimates: Mapping[str, Singles],
    num_withheld: Numbers | None = None,
    climatology: Mapping[int, Field] | None = None,
    strata: Strata | None = None,
) -> ScoreSums:
    """The sums of estimates (N, H, W) of the months of ``data``, whose days are those that the estimates saw.

    ``num_withheld`` (N, H, W): days that were hidden from them. ``climatology``: (H, W) by month 1 to 12.
    ``strata`` spares computing the grid's again.

    Raises:
        DataError: the months' truth is not known.
    """
    if data.target is None:
        raise DataError("the truth of the months is not known", "score", "give months with a target")
    sums = ScoreSums(strata or Strata.of(data.grid, data.land), list(estimates))
    for n, month in enumerate(observed_months(data)):
        sums.add(
            month.month,
            month.target,
            {name: values[n] for name, values in estimates.items()},
            num_observed=month.num_days,
            num_withheld=None if num_withheld is None else num_withheld[n],
            ice=month.ice,
            climatology=None if climatology is None else climatology[month.month],
        )
    return sums


def _sums(where: Ints, area: Floats, estimate: Floats, truth: Floats, climatology: Floats) -> Floats:
    """Sums over P cells by joint stratum (joint, 9): area, then area times |e|, e, e², p, p², t, t², pt."""
    error, p, t = estimate - truth, estimate - climatology, truth - climatology
    terms = (np.ones_like(error), np.abs(error), error, error**2, p, p**2, t, t**2, p * t)
    return np.stack([np.bincount(where, area * term, NUM_JOINT).astype(np.float64) for term in terms], axis=-1)


def score_table(sums: ScoreSums, baselines: Sequence[str] = (), seed: int = 0) -> Table:
    """Every score, as plain numbers: ``table[estimate][stratum][label][metric]``.

    Strata are those of :data:`STRATA` and ``month`` ("1" to "12"). A label that no cell fell under is absent, as is a
    metric that is not defined there. With weights w (areas), errors e = estimate − truth, and p, t estimate and truth
    less the climatology where one was given:

    - ``mae`` Σw|e|/Σw, ``rmse`` √(Σwe²/Σw), ``bias`` Σwe/Σw, ``crmse`` √(rmse² − bias²): K
    - ``correlation`` of p and t, area-weighted, over all cells and months
    - ``area``: share of the stratum's area that the label holds, 0..1
    - ``skill_mae_vs_<baseline>`` = 1 − mae/mae of the baseline, likewise ``skill_rmse_…`` and, less the bias of either,
      ``skill_crmse_…``
    - ``…_bar`` of ``mae``, ``rmse`` and the skills: standard error of the score of all months, the deviation over sets
      of them drawn with replacement (seeded; the same sets for all) times √(n/(n − 1)) for n months with such cells;
      absent for n = 1. Neighbouring months count as independent, so the bar is rather too short.

    ``baselines`` are names among the estimates.

    Raises:
        ChoiceError: a baseline is not among the estimates.
        DataError: no month was added.
    """
    if unknown := set(baselines) - set(sums.names):
        raise ChoiceError(f"{min(unknown)!r} was not scored", "baselines", f"choose of {', '.join(sums.names)}")
    table: Table = {name: {} for name in sums.names}
    for stratum in sums.by_stratum():
        scores = _scores(stratum.sums.sum(axis=0), sums.names, baselines)
        if len(stratum.sums) > 1:
            scores |= _bars(stratum.sums, sums.names, baselines, seed)
        for e, name in enumerate(sums.names):
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
