"""Baselines: simple estimates of a month's mean, fitted to the same years as the model."""

# pyright: reportUnusedImport=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.errors import ChoiceError
from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.means import Baseline, ClimatologyOnly, DebiasedMean, ObservedMean, ShrunkAnomaly
from engine.models.baselines.observed import ICE_FRACTION, ObservedMonth, mean_of_observed_days, observed_months
from engine.sphere import LatLonGrid
from engine.typed import Singles

BASELINES: dict[str, type[Baseline]] = {
    "mean": ObservedMean,
    "mean_debiased": DebiasedMean,
    "climatology": ClimatologyOnly,
    "climatology_anomaly": ShrunkAnomaly,
}
"""Every baseline by its name."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """All baselines fitted to the same months.

    Attributes:
        climatology: the fallback of all of them, and a baseline of its own.
        fitted: the baselines by their names in :data:`BASELINES`; those that need the truth are absent where none was
        known.
    """

    climatology: Climatology
    fitted: Mapping[str, Baseline]

    @classmethod
    def fit(cls, train: MonthlyData, validation: MonthlyData) -> Baselines:
        """Fit to the months of ``train``; hyperparameters minimise the error on ``validation``.

        Without a known truth in both, only the baselines that need none are fitted.

        Raises:
            ChoiceError: the two are on different grids.
            DataError: no month of ``train`` has a value anywhere.
        """
        _check_grid(validation, train.grid)
        fit_months, tuning_months = list(observed_months(train)), list(observed_months(validation))
        climatology = Climatology.fit(fit_months, train.land, train.grid, train.variable.has_season)
        has_truth = all(any(month.is_usable.any() for month in months) for months in (fit_months, tuning_months))
        fitted = {
            name: baseline.fit(fit_months, tuning_months, climatology)
            for name, baseline in BASELINES.items()
            if has_truth or not baseline.needs_truth
        }
        return cls(climatology, fitted)

    def predict(self, data: MonthlyData) -> dict[str, Singles]:
        """Every baseline's estimate (N, H, W) of the months' means: a value in every sea cell, NaN on land.

        Values lie within the bounds of the kind of variable, as the model's do.

        Days are read once, one month at a time.

        Raises:
            ChoiceError: ``data`` is on another grid than the baselines were fitted on.
        """
        _check_grid(data, self.climatology.grid)
        shape = (len(data.months), *data.grid.shape)
        estimates = {name: np.empty(shape, np.float32) for name in self.fitted}
        for n, month in enumerate(observed_months(data)):
            for name, baseline in self.fitted.items():
                estimates[name][n] = data.variable.bounded(baseline.predict(month))
        return estimates

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All fitted numbers as plain arrays, by names such as ``climatology_anomaly.days``."""
        grid = self.climatology.grid
        state: dict[str, NDArray[Any]] = {"coeffs": self.climatology.coeffs, "lat": grid.lat, "lon": grid.lon}
        for name, baseline in self.fitted.items():
            state |= {f"{name}.{key}": value for key, value in baseline.state_dict().items()}
        return state

    @classmethod
    def from_state_dict(cls, state: Mapping[str, NDArray[Any]]) -> Baselines:
        """The baselines with this :meth:`state_dict`."""
        climatology = Climatology(state["coeffs"], LatLonGrid(state["lat"], state["lon"]))
        fitted: dict[str, Baseline] = {}
        for name, baseline in BASELINES.items():
            fields = {key.removeprefix(f"{name}."): v for key, v in state.items() if key.startswith(f"{name}.")}
            if fields or not baseline.needs_truth:
                fitted[name] = baseline.from_state_dict(fields, climatology)
        return cls(climatology, fitted)


def _check_grid(data: MonthlyData, grid: LatLonGrid) -> None:
    if data.grid != grid:
        raise ChoiceError(
            f"the months lie on {data.grid!r}", f"the baselines were fitted on {grid!r}", "give months on the same grid"
        )
