"""The linear bound: optimal interpolation that knows the covariance of the true sea."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Self

from engine.data.source import MonthlyData
from engine.errors import DataError
from engine.models.baselines.baseline import Months, Progress
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.oi import OptimalInterpolation


class LinearBound(OptimalInterpolation):
    """Optimal interpolation whose covariance is that of true days of other realisations of the same ocean.

    No gap and no error of an observation disturbs it, and it is not that of the few years that were observed: what it
    leaves, no linear estimate from the same observations can do away with, as far as the form of the covariance goes.
    On a Gaussian ocean that is the least error of any estimate. Only a simulated ocean has other realisations.
    """

    name: ClassVar[str] = "linear_bound"

    @classmethod
    def fit(cls, train: MonthlyData, validation: MonthlyData | None = None, truth: Months = ()) -> Self:
        """As of :class:`Baseline`; ``truth`` as of :meth:`fit_months`."""
        return cls._fit_data(train, validation, partial(cls.fit_months, truth=truth))

    @classmethod
    def fit_months(
        cls,
        train: Months,
        validation: Months,
        climatology: Climatology,
        progress: Progress | None = None,
        truth: Months = (),
    ) -> Self:
        """Fit the noise to ``train`` and the covariance to ``truth``; tune on ``validation``.

        Args:
            truth: months of other realisations of the ocean, on its grid, whose days are the true ones, without gaps.

        Raises:
            DataError: there are none.
        """
        if not truth:
            raise DataError(
                "the linear bound needs true days of other realisations of the ocean, and there are none",
                "linear bound",
                "choose a demo ocean, or other baselines",
            )
        return cls._fitted(train, validation, climatology, truth, progress)
