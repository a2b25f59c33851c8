"""Baselines: simple estimates of a month's mean, fitted to the same years as the model."""

# pyright: reportUnusedImport=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.baselines import BASELINE_KINDS, CHEAP
from engine.data.source import MonthlyData
from engine.models.baselines.baseline import Baseline, Estimate, Months, Regrid, check_grid
from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.dineof import dineof
from engine.models.baselines.kriging import optimal_interpolation
from engine.models.baselines.linear_bound import LinearBound
from engine.models.baselines.local_dineof import DINEOF
from engine.models.baselines.means import ClimatologyOnly, DebiasedMean, ObservedMean, ShrunkAnomaly
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.observed import (
    ICE_FRACTION,
    ObservedMonth,
    has_truth,
    mean_of_observed_days,
    observed_months,
)
from engine.models.baselines.oi import OptimalInterpolation
from engine.sphere import LatLonGrid
from engine.typed import Singles

BASELINES: dict[str, type[Baseline]] = {
    baseline.name: baseline
    for baseline in (
        ObservedMean,
        DebiasedMean,
        ClimatologyOnly,
        ShrunkAnomaly,
        DINEOF,
        OptimalInterpolation,
        LinearBound,
    )
}
"""Every baseline by its name."""

Progress = Callable[[float, str], None]
"""Called with the fraction that is done and what is fitted; may raise to abandon the work."""

Restore = Callable[[str, Climatology], Baseline | None]
"""A baseline by its name that was fitted to the same months before, on their climatology; None where there is none."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """All baselines fitted to the same months.

    Attributes:
        climatology: the fallback of all of them, and a baseline of its own.
        fitted: the baselines by their names in :data:`BASELINES`; those that were not asked for, or need a truth where
        none was known, are absent.
    """

    climatology: Climatology
    fitted: Mapping[str, Baseline]

    @classmethod
    def fit(
        cls,
        train: MonthlyData,
        validation: MonthlyData,
        names: Sequence[str] = CHEAP,
        progress: Progress | None = None,
        restore: Restore | None = None,
        truth: Callable[[], Months] | None = None,
    ) -> Baselines:
        """Fit to the months of ``train``; hyperparameters minimise the error on ``validation``.

        Without a known truth in both, only the baselines that need none are fitted.

        Args:
            train: months to learn from.
            validation: months to tune on.
            names: of :data:`BASELINES`; the cheap ones by default. At 1° the costly ones take a minute or two each.
            progress: called while a costly one is fitted.
            restore: asked for each baseline before it is fitted; what it returns is taken in its place.
            truth: gives the months of true days that the linear bound is fitted to (:class:`LinearBound`).

        Raises:
            ChoiceError: the two are on different grids.
            DataError: no month of ``train`` has a value anywhere; the linear bound is asked for, and there is no
                ``truth``.
        """
        check_grid(validation, train.grid)
        fit_months, tuning_months = list(observed_months(train)), list(observed_months(validation))
        climatology = Climatology.fit(fit_months, train.land, train.grid, train.variable.has_season)
        knows_truth = has_truth(fit_months) and has_truth(tuning_months)
        chosen = [name for name in BASELINES if name in names and (knows_truth or not BASELINE_KINDS[name].needs_truth)]
        fitted: dict[str, Baseline] = {}
        for n, name in enumerate(chosen):

            def report(fraction: float, base: int = n, title: str = BASELINES[name].title()) -> None:
                if progress is not None:
                    progress((base + fraction) / len(chosen), f"fitting: {title}")

            kept = None if restore is None else restore(name, climatology)
            fit = BASELINES[name].fit_months
            if name == LinearBound.name:
                fit = partial(LinearBound.fit_months, truth=() if truth is None or kept else truth())
            fitted[name] = kept or fit(fit_months, tuning_months, climatology, report)
        return cls(climatology, fitted)

    def predict(self, data: MonthlyData, progress: Progress | None = None) -> dict[str, Singles]:
        """Every baseline's estimate (N, H, W) of the months' means: a value in every sea cell, NaN on land.

        Values are in the model space of the kind of variable (°C), within its bounds, as the model's are.

        Raises:
            ChoiceError: ``data`` is on another grid than the baselines were fitted on.
        """
        return {
            name: np.asarray(estimate.mean, np.float32)
            for name, estimate in self.predict_with_std(data, progress).items()
        }

    def predict_with_std(self, data: MonthlyData, progress: Progress | None = None) -> dict[str, Estimate]:
        """Every baseline's estimate with its own standard deviation, (N, H, W) float32 each.

        Days are read one month at a time.
        """
        check_grid(data, self.climatology.grid)
        shape = (len(data.months), *data.grid.shape)
        estimates = {name: Estimate(np.empty(shape, np.float32), np.empty(shape, np.float32)) for name in self.fitted}
        for n, month in enumerate(observed_months(data)):
            if progress is not None:
                progress(n / len(data.months), "estimating months by the baselines")
            for name, baseline in self.fitted.items():
                mean, estimates[name].std[n] = baseline.predict_month(month)
                estimates[name].mean[n] = data.variable.bounded(mean)
        return estimates

    def on_grid(self, climatology: Climatology, regrid: Regrid) -> Baselines:
        """The same on another grid, whose climatology is given; ``regrid`` brings other fields (..., H, W) there."""
        return Baselines(climatology, {name: each.on_grid(climatology, regrid) for name, each in self.fitted.items()})

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
            if baseline is DINEOF and "numbers" not in fields:  # none, or modes of the globe of an earlier version
                continue
            if fields or baseline.is_free:
                fitted[name] = baseline.from_state_dict(fields, climatology)
        return cls(climatology, fitted)
