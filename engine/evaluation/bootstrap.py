"""How sure a difference of two errors is: an interval from draws of blocks of space, of months and of seeds."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from engine.typed import Floats

LEVEL = 0.95
"""Of the interval."""

NUM_DRAWS = 1000

MIN_UNITS = 6
"""Blocks, or months, without which no interval is given: of fewer, a few draws are all there are."""


def margin_interval(model: Floats, baseline: Floats, seed: int = 0) -> tuple[float, float] | None:
    """The interval of the margin 1 − Σ model/Σ baseline; None where it stands on fewer than six blocks and months.

    Blocks, months and seeds are drawn with replacement, independently of each other, and a sum of the draw counts a
    block and month as often as both were drawn (Owen 2007, the pigeonhole bootstrap): errors may be alike in all
    blocks of a month, and in all months of a block. Of n units, n − 1 are drawn, which makes the variance unbiased
    (McCarthy & Snowden 1985). The quantiles of the draws are then stretched about the margin by the ratio of Student's
    t and the normal distribution, for the degrees of freedom that the units have (Satterthwaite).

    Args:
        model: (seed, month, block), sums of the model's absolute errors on the same cells as
        baseline: (month, block), those of the baseline.
        seed: of the draws.

    Source: A. B. Owen (2007), The pigeonhole bootstrap, Ann. Appl. Stat. 1; P. J. McCarthy and C. B. Snowden (1985),
    The bootstrap and finite population sampling.
    """
    months, blocks = baseline.any(axis=1), baseline.any(axis=0)
    model, baseline = model[:, months][:, :, blocks], baseline[months][:, blocks]
    if max(baseline.shape) < MIN_UNITS:
        return None
    weights = [draw_weights(size, NUM_DRAWS, (seed, axis)) for axis, size in enumerate(model.shape)]
    draws = drawn_margins(model, baseline, *weights)
    draws = draws[np.isfinite(draws)]
    margin = 1.0 - model.mean(axis=0).sum() / baseline.sum()
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws, (tail, 1.0 - tail))
    stretch = _student_ratio(_degrees_of_freedom(model, baseline, weights))
    return float(margin + stretch * (low - margin)), float(margin + stretch * (high - margin))


@lru_cache(maxsize=8)  # the parts of one verdict, and runs on the same months, have the same numbers of units
def draw_weights(num_units: int, num_draws: int, seed: tuple[int, int]) -> Floats:
    """(draw, unit) how often a unit counts: n − 1 of n drawn with replacement, times n/(n − 1); 1 of a single one."""
    weights: Floats = np.ones((num_draws, 1))
    if num_units > 1:
        drawn = np.random.default_rng(seed).integers(0, num_units, (num_draws, num_units - 1))
        flat = (drawn + num_units * np.arange(num_draws)[:, None]).ravel()
        times = np.bincount(flat, minlength=num_draws * num_units).astype(np.float64)
        weights = times.reshape(num_draws, num_units) * (num_units / (num_units - 1.0))
    weights.setflags(write=False)
    return weights


def drawn_margins(model: Floats, baseline: Floats, seeds: Floats, months: Floats, blocks: Floats) -> Floats:
    """Margins (draw,) of the draws whose weights are ``seeds``, ``months`` and ``blocks``, each (draw, unit)."""
    fields = np.concatenate((model, baseline[None]))
    by_month = fields.reshape(-1, fields.shape[-1]) @ blocks.T  # (seed and baseline × month, draw)
    totals = (by_month.reshape(*fields.shape[:2], -1) * months.T).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1.0 - (totals[:-1] * seeds.T).mean(axis=0) / totals[-1]


def _degrees_of_freedom(model: Floats, baseline: Floats, weights: list[Floats]) -> float:
    """Satterthwaite's (Σ v)²/Σ v²/(n − 1) of the variances v of draws of seeds, months or blocks alone, which have n.

    Blocks of unequal size count as the equal ones with the same Σ s²: n = (Σ s)²/Σ s².
    """
    sizes = (np.ones(len(model)), baseline.sum(axis=1), baseline.sum(axis=0))
    variances: list[float] = []
    freedoms: list[float] = []
    for axis, size in enumerate(sizes):
        if len(size) > 1:
            alone = [each if at == axis else np.ones_like(each) for at, each in enumerate(weights)]
            draws = drawn_margins(model, baseline, *alone)
            variances.append(float(np.var(draws[np.isfinite(draws)])))
            freedoms.append(max(1.0, float(size.sum() ** 2 / (size**2).sum()) - 1.0))
    spread = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    return sum(variances) ** 2 / spread if spread else np.inf


def _student_ratio(freedom: float) -> float:
    """The ratio of the quantiles of Student's t and of the normal distribution, expanded in 1/freedom.

    Within 3 % from two degrees of freedom on. Source: Abramowitz & Stegun 26.7.5.
    """
    z = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)
    terms = (
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
    )
    return (z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))) / z
