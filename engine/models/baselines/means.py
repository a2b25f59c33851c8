"""Baselines made of means: of the observed days, of the same month in other years, and of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from engine.models.baselines.baseline import Baseline, Months, Progress, State, spread_in
from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import ObservedMonth, area_mae
from engine.typed import Floats

SHRINKAGES = (0.0, *(float(2.0 ** (power / 2.0)) for power in range(-6, 15)))
"""Values of k tried: at n = k observed days the anomaly has weight ½. 0, then 1/8 to 128 days."""


class ObservedMean(Baseline):
    """The mean of the observed days; climatology where no day is observed."""

    name: ClassVar[str] = "mean"
    is_free: ClassVar[bool] = True

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return np.where(month.num_days > 0, month.mean, self.climatology.at(month.month))


class ClimatologyOnly(Baseline):
    """Climatology alone, without any day of the month."""

    name: ClassVar[str] = "climatology"
    is_free: ClassVar[bool] = True

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return self.climatology.at(month.month).astype(np.float64)


@dataclass(frozen=True, eq=False)
class DebiasedMean(Baseline):
    """The mean of the observed days minus its :class:`Bias`; climatology where no day is observed."""

    name: ClassVar[str] = "mean_debiased"
    bias: Bias

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fit the bias."""
        return cls(climatology, Bias.fit(train, validation, climatology.grid)).with_spread(validation)

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(climatology, Bias(np.asarray(state["bias"], np.float64)), spread=spread_in(state))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """``bias`` (7, 5, 2)."""
        return {**super().state_dict(), "bias": self.bias.coeffs}

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        debiased = month.mean - self.bias.of(month, self.climatology.grid)
        return np.where(month.num_days > 0, debiased, self.climatology.at(month.month))


@dataclass(frozen=True, eq=False)
class ShrunkAnomaly(DebiasedMean):
    """Climatology C plus the anomaly of the debiased mean M, shrunk by the number n of days: C + n/(n + k) (M − C)."""

    name: ClassVar[str] = "climatology_anomaly"
    days: float = 0.0
    """k"""

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fit the bias; k of :data:`SHRINKAGES` minimises the mean absolute error on ``validation``."""
        bias = Bias.fit(train, validation, climatology.grid)
        best = min(
            (cls(climatology, bias, days) for days in SHRINKAGES),
            key=lambda baseline: area_mae(validation, climatology.grid, baseline.mean_of),
        )
        return best.with_spread(validation)

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        bias = Bias(np.asarray(state["bias"], np.float64))
        return cls(climatology, bias, float(state["days"]), spread=spread_in(state))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """``bias`` as of the debiased mean, and ``days`` () = k."""
        return {**super().state_dict(), "days": np.array(self.days)}

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        climatology = self.climatology.at(month.month).astype(np.float64)
        # SHRINKAGES start at 0 and 0/0 is NaN: without an observed day the debiased mean is C, whatever its weight
        weight = month.num_days / (month.num_days + self.days + (month.num_days == 0))
        return climatology + weight * (super().mean_of(month) - climatology)
