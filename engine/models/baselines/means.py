"""The baselines made of means: of the valid days, of the same month in other years, and of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from engine.models.baselines.bias import Bias
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.observed import Floats, ObservedMonth
from engine.models.baselines.tuning import area_mae, best

Arrays = Mapping[str, NDArray[Any]]
Months = Sequence[ObservedMonth]

SHRINKAGES = (0.0, *(float(2.0 ** (power / 2.0)) for power in range(-6, 15)))
"""Values of k tried: at n = k valid days the anomaly counts half. 0, then 1/8 to 128 days."""


class Baseline(Protocol):
    """A way to estimate a month's mean from its days that a model has to beat.

    It knows the climatology, which all share, and the numbers it learned beside it, which travel as plain arrays.
    """

    title: ClassVar[str]
    """What people call it."""
    needs_truth: ClassVar[bool]
    """Whether it learns from months whose true mean is known."""

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Learn from ``train``; choose what cannot be learned by the error on ``validation``."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays, climatology: Climatology) -> Self:
        """The baseline whose :meth:`arrays` these are."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it learned, by name."""
        ...

    def estimate(self, month: ObservedMonth) -> Floats:
        """(H, W) the month's mean, °C: a value in every cell of the sea, NaN on land."""
        ...


@dataclass(frozen=True, eq=False)
class _ClimatologyOnly:
    """A baseline that learns nothing beside the climatology."""

    needs_truth: ClassVar[bool] = False
    climatology: Climatology

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Nothing more to learn."""
        return cls(climatology)

    @classmethod
    def from_arrays(cls, arrays: Arrays, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(climatology)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing but the climatology."""
        return {}


class ValidMean(_ClimatologyOnly):
    """The mean of the valid days as it is; climatology where there is none."""

    title: ClassVar[str] = "Mean of valid days"

    def estimate(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return np.where(month.num_days > 0, month.mean, self.climatology.at(month.month))


class UsualCourse(_ClimatologyOnly):
    """Climatology alone: it sees no day of the month."""

    title: ClassVar[str] = "Climatology"

    def estimate(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return self.climatology.at(month.month).astype(np.float64)


@dataclass(frozen=True, eq=False)
class DebiasedMean:
    """The mean of the valid days less its :class:`Bias`; climatology where there is no valid day."""

    title: ClassVar[str] = "Mean of valid days, debiased"
    needs_truth: ClassVar[bool] = True
    climatology: Climatology
    bias: Bias

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Learn the bias."""
        return cls(climatology, Bias.fit(train, validation, climatology.grid))

    @classmethod
    def from_arrays(cls, arrays: Arrays, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(climatology, Bias(np.asarray(arrays["bias"], np.float64)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``bias`` (7, 5, 2)."""
        return {"bias": self.bias.coeffs}

    def estimate(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        debiased = month.mean - self.bias.of(month, self.climatology.grid)
        return np.where(month.num_days > 0, debiased, self.climatology.at(month.month))


@dataclass(frozen=True, eq=False)
class ShrunkAnomaly:
    """Climatology C and the anomaly of the debiased mean M, trusted by its n days: C + n/(n + k) (M − C)."""

    title: ClassVar[str] = "Climatology + mean anomaly"
    needs_truth: ClassVar[bool] = True
    debiased: DebiasedMean
    days: float
    """k"""

    @classmethod
    def fit(cls, train: Months, validation: Months, climatology: Climatology) -> Self:
        """Learn the bias, and choose k of :data:`SHRINKAGES` by the mean absolute error on ``validation``."""
        debiased = DebiasedMean.fit(train, validation, climatology)
        return best(
            [cls(debiased, days) for days in SHRINKAGES],
            lambda baseline: area_mae(validation, climatology.grid, baseline.estimate),
        )

    @classmethod
    def from_arrays(cls, arrays: Arrays, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        return cls(DebiasedMean.from_arrays(arrays, climatology), float(arrays["days"]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``bias`` as of the debiased mean, and ``days`` () = k."""
        return {**self.debiased.arrays(), "days": np.array(self.days)}

    def estimate(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        usual = self.debiased.climatology.at(month.month).astype(np.float64)
        # SHRINKAGES start at 0, and 0/0 would be NaN: without a valid day the debiased mean is C, whatever its weight
        trust = month.num_days / (month.num_days + self.days + (month.num_days == 0))
        return usual + trust * (self.debiased.estimate(month) - usual)
