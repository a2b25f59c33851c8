"""Super-observations: means of about five days, which hold nearly all that days say and are a fifth as many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ObservedMonth, mean_of_observed_days
from engine.typed import Singles

NUM_PARTS = 6
"""Parts of a month: five of five days, and what remains."""

DAYS_APART = 5.0
"""Days between the middles of two neighbouring parts."""

PART_WEIGHTS = np.array([5.0, 5.0, 5.0, 5.0, 5.0, 6.0]) / 31.0
"""Share of each part in the month."""

_STARTS = tuple(range(0, 5 * NUM_PARTS, 5))
_HALF_MONTH, _MONTH = 15.2, 30.4  # days
_MIDDLES = np.arange(NUM_PARTS) * DAYS_APART + 2.5


class SuperObservations(NamedTuple):
    """The part-months of one month, P = 6."""

    anomaly: Singles
    """(P, H, W) K, difference of the mean of the observed days from the climatology of that time of the year, less
    the bias where it is known; NaN where no day is observed."""
    num_days: NDArray[np.uint8]
    """(P, H, W), number of observed days."""
    day_variance: float
    """K², of a day within its part, mean over all parts with two days or more; NaN where there are none."""


def super_observations(month: ObservedMonth, climatology: Climatology, bias: Bias | None) -> SuperObservations:
    """The part-months of ``month``.

    The climatology is that of each part's own middle: within a month the season alone moves the sea by a kelvin or two.
    """
    days = np.split(np.asarray(month.days), _STARTS[1:])
    means, num_days = zip(*(mean_of_observed_days(part) for part in days), strict=True)
    climatological = climatology.at(month.month + (_MIDDLES - _HALF_MONTH) / _MONTH)
    anomaly = np.stack(means) - climatological
    if bias is not None:
        anomaly -= bias.of(month, climatology.grid)
    squares = sum(
        float(np.nansum((part - mean) ** 2, dtype=np.float64)) for part, mean in zip(days, means, strict=True)
    )
    free = sum(int(np.maximum(count - 1, 0).sum()) for count in num_days)
    return SuperObservations(
        anomaly.astype(np.float32), np.stack(num_days).astype(np.uint8), squares / free if free else np.nan
    )
