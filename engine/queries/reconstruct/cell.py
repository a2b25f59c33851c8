"""One cell of a reconstructed month: its days, their weights, and the estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.data.kinds import SST, VariableKind
from engine.queries.cache import Progress, no_progress
from engine.queries.reconstruct.months import MonthRequest, holdout_set, prediction_of, reconstruct_month
from engine.typed import Singles


@dataclass(frozen=True, eq=False)
class CellDetail:
    """Input and estimates of a month at one cell.

    Attributes:
        lat, lon: centre of the cell, degrees.
        days: (D,) observations by day of the month, in the model space of ``variable`` (°C); NaN = none.
        hidden: (D,) the withheld observations.
        weights: (D,) weight of each day in the model, sum 1; all 0 where its patch was never observed.
        estimates: monthly mean by estimate, as ``days``. std: of the model's, or None. truth: or None.
        is_climatology: whether the model's estimate is the climatology, for want of observations.
        variable: the kind of variable.
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
    is_climatology: bool
    variable: VariableKind = SST


def cell_detail(request: MonthRequest, place: tuple[float, float], progress: Progress | None = None) -> CellDetail:
    """The cell nearest to ``place`` (degrees north, east): its days, their weights, and the estimates."""
    month = reconstruct_month(request, progress)
    prediction, holdout, index = prediction_of(request, progress or no_progress)
    row, column = month.data.grid.nearest_cell(*place)
    span = slice(0, month.num_days)
    observed = np.array(month.data.daily[0, span, row, column])
    all_days = np.array(_all_days(request, holdout, index)[span, row, column])
    truth = None if month.truth is None else float(month.truth[row, column])
    return CellDetail(
        float(month.lat[row]),
        float(month.lon[column]),
        observed,
        np.where(np.isnan(observed), all_days, np.float32(np.nan)),
        prediction.day_weights(index, row, column)[span],
        {name: float(field[row, column]) for name, field in month.estimates.items()},
        None if month.std is None else float(month.std[row, column]),
        truth if truth is not None and np.isfinite(truth) else None,
        bool(month.data.land[row, column]),
        bool(month.is_climatology[row, column]),
        month.variable,
    )


def _all_days(request: MonthRequest, holdout: Any, index: int) -> Singles:
    """The days (31, H, W) before any observation was withheld."""
    if request.hidden_percent:
        holdout, _ = holdout_set(replace(request, hidden_percent=0, clouds=()), no_progress)
    return holdout.data.daily[index]
