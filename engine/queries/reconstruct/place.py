"""One place of the Reconstruct page: its days, how much each counted, and what everyone makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.queries.cache import Progress
from engine.queries.reconstruct.months import MonthCase, answers_of, exam_of, no_progress, reconstructed

Singles = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """How one cell's month came about.

    Attributes:
        lat, lon: the cell's centre, degrees.
        days: (D,) observations of the days of the month that were seen, °C; NaN = none.
        hidden: (D,) those that were taken away.
        weights: (D,) how much the model looked at each day, sum 1; all 0 where its patch was never seen.
        estimates: the month by estimate, °C. std: of the model's, K, or None. truth: or None.
    """

    lat: float
    lon: float
    days: Singles
    hidden: Singles
    weights: Singles
    estimates: dict[str, float]
    std: float | None
    truth: float | None
    is_land: bool


def anatomy(case: MonthCase, place: tuple[float, float], progress: Progress | None = None) -> Anatomy:
    """The cell nearest to ``place`` (degrees north, east): its days, their weights, and what everyone makes of them."""
    found = reconstructed(case, progress)
    answers, exam, index = answers_of(case, progress or no_progress)
    row = int(np.abs(found.lat - place[0]).argmin())
    column = int(np.abs((found.lon - place[1] + 180.0) % 360.0 - 180.0).argmin())
    span = slice(0, found.num_days)
    seen = np.array(found.data.daily[0, span, row, column])
    all_days = np.array(_unhidden(case, exam, index)[span, row, column])
    truth = None if found.truth is None else float(found.truth[row, column])
    return Anatomy(
        float(found.lat[row]),
        float(found.lon[column]),
        seen,
        np.where(np.isnan(seen), all_days, np.float32(np.nan)),
        answers.day_weights(index, row, column)[span],
        {name: float(field[row, column]) for name, field in found.estimates.items()},
        None if found.std is None else float(found.std[row, column]),
        truth if truth is not None and np.isfinite(truth) else None,
        bool(found.data.land[row, column]),
    )


def _unhidden(case: MonthCase, exam: Any, index: int) -> Singles:
    """The days (31, H, W) before anything was withheld."""
    if not case.hidden_percent:
        return exam.data.daily[index]
    whole, _ = exam_of(replace(case, hidden_percent=0, clouds=()), no_progress)
    return whole.data.daily[index]
