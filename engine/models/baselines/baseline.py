"""What every baseline is: fitted to months, it estimates the mean of other months and how far that may be off."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from engine.config.baselines import BASELINE_KINDS
from engine.data.source import MonthlyData
from engine.errors import ChoiceError
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ObservedMonth, has_truth, mean_of_observed_days, observed_months
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles

Months = Sequence[ObservedMonth]
State = Mapping[str, NDArray[Any]]
Regrid = Callable[[Singles], Singles]
"""Brings fields (..., H, W) to another grid."""

Progress = Callable[[float], None]
"""Called with the fraction that is done; may raise to abandon the work."""


def no_progress(_: float) -> None:
    """A :data:`Progress` that nobody looks at."""


CLASSES = (1, 4, 9)
"""First numbers of observed days of the classes 1–3, 4–8 and > 8, which errors are known by; below is 0."""

_TUNING_MONTHS = 6  # at most, where days have to be hidden to tune on


class Estimate(NamedTuple):
    """Estimated means of months, °C, and their standard deviations, K: (H, W) of one month, (N, H, W) of several."""

    mean: Floats | Singles
    std: Floats | Singles
    """NaN where nothing is known about the error."""


def _unknown_spread() -> Floats:
    return np.full(len(CLASSES) + 1, np.nan)


@dataclass(frozen=True, eq=False)
class Baseline(ABC):
    """An estimate of a month's mean from its days. By default it learns nothing beside the climatology.

    Attributes:
        name: its key in :data:`engine.config.baselines.BASELINE_KINDS`.
        climatology: shared by all baselines.
        spread: (4,) K, root mean square error in cells with 0, 1–3, 4–8 and more observed days; NaN = unknown.
    """

    name: ClassVar[str]
    is_free: ClassVar[bool] = False
    """Whether a climatology is all that it needs."""
    climatology: Climatology
    spread: Floats = field(default_factory=_unknown_spread, kw_only=True)

    @classmethod
    def title(cls) -> str:
        """The name on screen."""
        return BASELINE_KINDS[cls.name].title

    @classmethod
    def fit(cls, train: MonthlyData, validation: MonthlyData | None = None) -> Self:
        """Fit this baseline alone; all of them share their reading in :meth:`Baselines.fit`.

        ``validation`` tunes it; without one the last quarter of ``train`` does.

        Raises:
            ChoiceError: the two are on different grids.
            DataError: there is nothing to fit to, or no truth where the baseline needs one.
        """
        return cls._fit_data(train, validation, cls.fit_months)

    @classmethod
    def _fit_data(
        cls,
        train: MonthlyData,
        validation: MonthlyData | None,
        fit_months: Callable[[Months, Months, Climatology], Self],
    ) -> Self:
        months = list(observed_months(train))
        if validation is None:
            tuning = months[-max(1, len(months) // 4) :]
        else:
            check_grid(validation, train.grid)
            tuning = list(observed_months(validation))
        return fit_months(months, tuning, Climatology.fit(months, train.land, train.grid, train.variable.has_season))

    def predict(self, data: MonthlyData) -> Estimate:
        """Means and standard deviations (N, H, W) of the months: a value in every cell of the sea, NaN on land.

        Means are in the model space of the kind of variable (°C), within its bounds.

        Raises:
            ChoiceError: ``data`` is on another grid than the baseline was fitted on.
        """
        check_grid(data, self.climatology.grid)
        estimates = [self.predict_month(month) for month in observed_months(data)]
        mean, std = (np.stack(fields).astype(np.float32) for fields in zip(*estimates, strict=True))
        return Estimate(data.variable.bounded(mean), std)

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fit to ``train``; hyperparameters minimise the error on ``validation``, which also tells the spread."""
        return cls(climatology).with_spread(validation)

    @abstractmethod
    def mean_of(self, month: ObservedMonth) -> Floats:
        """The month's mean (H, W), °C: a value in every cell of the sea, NaN on land."""

    def predict_month(self, month: ObservedMonth) -> Estimate:
        """The month's mean and standard deviation (H, W)."""
        mean = self.mean_of(month)
        std = self.spread[np.searchsorted(CLASSES, month.num_days, side="right")]
        return Estimate(mean, np.where(np.isfinite(mean), std, np.nan))

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """The baseline with this :meth:`state_dict`; KeyError where something is missing."""
        return cls(climatology, spread=spread_in(state))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The fitted numbers beside the climatology, by name."""
        return {"spread": self.spread} if np.isfinite(self.spread).any() else {}

    def on_grid(self, climatology: Climatology, regrid: Regrid) -> Self:
        """The same on another grid, whose climatology is given; ``regrid`` brings other fields there."""
        return replace(self, climatology=climatology)

    def with_spread(self, months: Months) -> Self:
        """With the spread of the errors in ``months``: :func:`tuning_months`. A class without cells takes that of
        fewer days."""
        squares, areas = np.zeros(len(CLASSES) + 1), np.zeros(len(CLASSES) + 1)
        cell = self.climatology.grid.cell_area_m2[:, None]
        for month in tuning_months(months):
            error = self.mean_of(month) - month.target
            counted = month.is_usable & np.isfinite(error)
            label = np.searchsorted(CLASSES, month.num_days, side="right")[counted]
            weights = np.broadcast_to(cell, error.shape)[counted]
            squares += np.bincount(label, weights * error[counted] ** 2, len(squares))
            areas += np.bincount(label, weights, len(areas))
        spread = np.sqrt(np.divide(squares, areas, out=np.full_like(squares, np.nan), where=areas > 0.0))
        for n in range(1, len(spread)):
            spread[n] = spread[n - 1] if np.isnan(spread[n]) else spread[n]
        return replace(self, spread=spread)


def spread_in(state: State) -> Floats:
    """The spread in a state dict; files of earlier versions have none."""
    return np.asarray(state["spread"], np.float64) if "spread" in state else _unknown_spread()


def tuning_months(months: Months) -> Months:
    """Months with a target. Where no truth is known, every other day is hidden, and the target is the mean of those."""
    if has_truth(months):
        return months
    every = -(-len(months) // _TUNING_MONTHS)
    return [_with_hidden_days(month) for month in months[::every]]


def _with_hidden_days(month: ObservedMonth) -> ObservedMonth:
    days = np.array(month.days)
    target, _ = mean_of_observed_days(days[1::2])
    days[1::2] = np.nan
    mean, num_days = mean_of_observed_days(days)
    return month._replace(
        days=days,
        target=target.astype(np.float32),
        mean=mean.astype(np.float32),
        num_days=num_days.astype(np.uint8),
    )


def lowest(candidates: Sequence[float], first: float, error: Callable[[float], float]) -> float:
    """The candidate of the lowest error, going outwards from ``first`` as long as it falls."""
    tried: dict[float, float] = {}

    def error_at(index: int) -> float:
        candidate = candidates[index]
        if candidate not in tried:
            tried[candidate] = error(candidate)
        return tried[candidate]

    best = candidates.index(first)
    for direction in (1, -1):
        while 0 <= best + direction < len(candidates) and error_at(best + direction) < error_at(best):
            best += direction
    return candidates[best]


def thinned(where: Mask, most: int) -> Mask:
    """About ``most`` cells of ``where`` (H, W), spread evenly: every n-th of every n-th row."""
    every = max(1, round(float(np.sqrt(np.count_nonzero(where) / most))))
    chosen = np.zeros_like(where)
    chosen[every // 2 :: every, every // 2 :: every] = True
    return where & chosen if (where & chosen).any() else where


def check_grid(data: MonthlyData, grid: LatLonGrid) -> None:
    """Raise ChoiceError unless ``data`` lies on ``grid``."""
    if data.grid != grid:
        raise ChoiceError(
            f"the months lie on {data.grid!r}", f"the baselines were fitted on {grid!r}", "give months on the same grid"
        )
