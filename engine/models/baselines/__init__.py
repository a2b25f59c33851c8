"""What a model has to beat: simple estimates of a month's mean, fitted to the same years as the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.months import MonthlyData
from engine.errors import ChoiceError
from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.means import Baseline, DebiasedMean, ShrunkAnomaly, UsualCourse, ValidMean
from engine.models.baselines.observed import ICE_SHARE, ObservedMonth, mean_of_valid_days, observed_months
from engine.sphere import LatLonGrid

__all__ = [
    "BASELINES",
    "ICE_SHARE",
    "Baseline",
    "Baselines",
    "Bias",
    "Climatology",
    "ObservedMonth",
    "mean_of_valid_days",
    "observed_months",
]

BASELINES: dict[str, type[Baseline]] = {
    "mean": ValidMean,
    "mean_debiased": DebiasedMean,
    "climatology": UsualCourse,
    "climatology_anomaly": ShrunkAnomaly,
}
"""Every baseline by its name."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """All baselines fitted to the same months.

    Attributes:
        climatology: what all of them fall back on, and a baseline for others.
        fitted: the baselines by their names in :data:`BASELINES`; those that need the truth are absent where there
        was none.
    """

    climatology: Climatology
    fitted: Mapping[str, Baseline]

    @classmethod
    def fit(cls, train: MonthlyData, validation: MonthlyData) -> Baselines:
        """Learn from the months of ``train``, and choose what cannot be learned by the error on ``validation``.

        Without a known truth in both of them only the baselines remain that need none.

        Raises:
            ChoiceError: two grids.
            DataError: no month of ``train`` has a value anywhere.
        """
        _check_grid(validation, train.grid)
        learned, tuned = list(observed_months(train)), list(observed_months(validation))
        climatology = Climatology.fit(learned, train.land, train.grid)
        has_truth = all(any(month.teaches.any() for month in months) for months in (learned, tuned))
        able = {name: baseline for name, baseline in BASELINES.items() if has_truth or not baseline.needs_truth}
        return cls(climatology, {name: baseline.fit(learned, tuned, climatology) for name, baseline in able.items()})

    def predict(self, data: MonthlyData) -> dict[str, NDArray[np.float32]]:
        """Every baseline's estimate (N, H, W) of the months' means, °C: a value in every cell of the sea, NaN on land.

        Days are read once, one month at a time.

        Raises:
            ChoiceError: ``data`` is on another grid than the baselines were fitted on.
        """
        _check_grid(data, self.climatology.grid)
        shape = (len(data.months), *data.grid.shape)
        estimates = {name: np.empty(shape, np.float32) for name in self.fitted}
        for n, month in enumerate(observed_months(data)):
            for name, baseline in self.fitted.items():
                estimates[name][n] = baseline.estimate(month)
        return estimates

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned as plain arrays, by names such as ``climatology_anomaly.days``."""
        own = self.climatology
        arrays: dict[str, NDArray[Any]] = {"coeffs": own.coeffs, "lat": own.grid.lat, "lon": own.grid.lon}
        for name, baseline in self.fitted.items():
            arrays |= {f"{name}.{key}": value for key, value in baseline.arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Baselines:
        """The baselines whose :meth:`arrays` these are."""
        climatology = Climatology(arrays["coeffs"], LatLonGrid(arrays["lat"], arrays["lon"]))
        fitted: dict[str, Baseline] = {}
        for name, baseline in BASELINES.items():
            own = {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
            if own or not baseline.needs_truth:
                fitted[name] = baseline.from_arrays(own, climatology)
        return cls(climatology, fitted)


def _check_grid(data: MonthlyData, grid: LatLonGrid) -> None:
    if data.grid != grid:
        raise ChoiceError(
            f"the months lie on {data.grid!r}", f"the baselines were fitted on {grid!r}", "give months on the same grid"
        )
