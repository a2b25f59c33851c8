"""What the page that watches a run draws: one month of the validation, as reconstructed so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.baselines import observed_months
from engine.training.sst.holdout import HoldOutSet
from engine.training.sst.inference import MonthlyEstimate

_MOST_CELLS = 64_800


def snapshot(exam: HoldOutSet, found: MonthlyEstimate) -> dict[str, NDArray[Any]]:
    """The first month of ``exam`` as small arrays by name, below a megabyte.

    ``lat`` (H,), ``lon`` (W,) float64; ``reconstruction``, ``observed`` (mean of the valid days that were seen),
    ``target``, ``error`` (reconstruction − target) and, where it is predicted, ``std``, all (H, W) float16, °C or K,
    NaN = unknown; ``count`` (H, W) uint8, valid days that were seen. Of grids finer than 1° every n-th cell is kept.
    """
    month = next(observed_months(exam.data))
    target = exam.target[0]
    fields = {
        "reconstruction": found.mean[0],
        "observed": month.mean,
        "target": target,
        "error": found.mean[0] - target,
    }
    if found.std is not None:
        fields["std"] = found.std[0]
    grid = exam.data.grid
    every = slice(None, None, max(1, round((grid.lat.size * grid.lon.size / _MOST_CELLS) ** 0.5)))
    thinned = {name: values[every, every].astype(np.float16) for name, values in fields.items()}
    count = month.num_days[every, every].astype(np.uint8)
    return {"lat": grid.lat[every], "lon": grid.lon[every], "count": count, **thinned}
