"""Baselines made of means: of the observed days, of the same month in other years, and of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from engine.config.baselines import BASELINE_TITLES
from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ObservedMonth, area_mae
from engine.typed import Floats

Months = Sequence[ObservedMonth]
State = Mapping[str, NDArray[Any]]

SHRINKAGES = (0.0, *(float(2.0 ** (power / 2.0)) for power in range(-6, 15)))
"""Values of k tried: at n = k observed days the anomaly has weight ½. 0, then 1/8 to 128 days."""


@dataclass(frozen=True, eq=False)
class Baseline(ABC):
    """A simple estimate of a month's mean from its days. By default it learns nothing beside the climatology.

    Attributes:
        title: the name on screen.
        needs_truth: whether it is fitted to months whose true mean is known.
        climatology: shared by all baselines.
    """

    title: ClassVar[str]
    needs_truth: ClassVar[bool] = False
    climatology: Climatology

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Fit to ``train``; hyperparameters minimise the error on ``validation``."""
        return cls(climatology)

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """The baseline with this :meth:`state_dict`."""
        return cls(climatology)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The fitted numbers beside the climatology, by name."""
        return {}

    @abstractmethod
    def predict(self, month: ObservedMonth) -> Floats:
        """The month's mean (H, W), °C: a value in every cell of the sea, NaN on land."""


class ObservedMean(Baseline):
    """The mean of the observed days; climatology where no day is observed."""

    title: ClassVar[str] = BASELINE_TITLES["mean"]

    def predict(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return np.where(month.num_days > 0, month.mean, self.climatology.at(month.month))


class ClimatologyOnly(Baseline):
    """Climatology alone, without any day of the month."""

    title: ClassVar[str] = BASELINE_TITLES["climatology"]

    def predict(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return self.climatology.at(month.month).astype(np.float64)


@dataclass(frozen=True, eq=False)
class DebiasedMean(Baseline):
    """The mean of the observed days minus its :class:`Bias`; climatology where no day is observed."""

    title: ClassVar[str] = BASELINE_TITLES["mean_debiased"]
    needs_truth: ClassVar[bool] = True
    bias: Bias

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Fit the bias."""
        return cls(climatology, Bias.fit(train, validation, climatology.grid))

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(climatology, Bias(np.asarray(state["bias"], np.float64)))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """``bias`` (7, 5, 2)."""
        return {"bias": self.bias.coeffs}

    def predict(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        debiased = month.mean - self.bias.of(month, self.climatology.grid)
        return np.where(month.num_days > 0, debiased, self.climatology.at(month.month))


@dataclass(frozen=True, eq=False)
class ShrunkAnomaly(DebiasedMean):
    """Climatology C plus the anomaly of the debiased mean M, shrunk by the number n of days: C + n/(n + k) (M − C)."""

    title: ClassVar[str] = BASELINE_TITLES["climatology_anomaly"]
    days: float = 0.0
    """k"""

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Fit the bias; k of :data:`SHRINKAGES` minimises the mean absolute error on ``validation``."""
        bias = Bias.fit(train, validation, climatology.grid)
        return min(
            (cls(climatology, bias, days) for days in SHRINKAGES),
            key=lambda baseline: area_mae(validation, climatology.grid, baseline.predict),
        )

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(climatology, Bias(np.asarray(state["bias"], np.float64)), float(state["days"]))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """``bias`` as of the debiased mean, and ``days`` () = k."""
        return {**super().state_dict(), "days": np.array(self.days)}

    def predict(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        climatology = self.climatology.at(month.month).astype(np.float64)
        # SHRINKAGES start at 0 and 0/0 is NaN: without an observed day the debiased mean is C, whatever its weight
        weight = month.num_days / (month.num_days + self.days + (month.num_days == 0))
        return climatology + weight * (super().predict(month) - climatology)
