"""Optimal interpolation in space and time: the baseline that looks at a cell's neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from engine.compute import device
from engine.models.baselines.baseline import (
    Baseline,
    Estimate,
    Months,
    Progress,
    Regrid,
    State,
    lowest,
    no_progress,
    thinned,
    tuning_months,
)
from engine.models.baselines.bias import Bias, bias_of_days, bias_of_estimates
from engine.models.baselines.climatology import Climatology
from engine.models.baselines.covariance import Covariance
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.observed import ObservedMonth, area_mae, evenly
from engine.models.baselines.part_months import NUM_PARTS, SuperObservations, super_observations
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles

LEAST_SCALE = 0.15
"""Smallest standard deviation that anomalies are divided by: K, or times the scale of another kind of variable."""

NOISE_SCALES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Factors of the estimated error variance that are tried on validation."""

_COVARIANCE_VALUES = 12 * 6 * 64_800  # that the covariance is fitted to, at most: a year at 1°
_LEAST_MONTHS = 6
_TUNING_CELLS = 1500  # of each month, to tune, to debias and to calibrate on
_BOX = 2  # cells to either side over which variances are averaged


@dataclass(frozen=True, eq=False)
class OptimalInterpolation(Baseline):
    """The best linear estimate of a month's mean anomaly from its own super-observations of about five days.

    Anomalies from the climatology of their time of the year, debiased as the debiased mean is, are divided by their
    local standard deviation and interpolated (:mod:`engine.models.baselines.neighbourhood`) with a covariance that is
    fitted to lagged products of the training months (:mod:`engine.models.baselines.covariance`); the mean of the six
    parts is the estimate, less a bias by latitude, season and number of days that is learned from the truth of the
    training months. Days of other months are not used, as in a model of one month.

    Attributes:
        covariance: of the divided anomalies.
        scale: (H, W) float32 K, what they are divided by.
        noise: (2,) K², the error variance of a super-observation of n days is noise[0] + noise[1]/n, the second from
            the differences of days within a part, the first what else the covariance leaves; times ``noise_scale``, one
            of :data:`NOISE_SCALES` that has the lowest error on validation.
        std_factor: of the error map, so that its squares are those of the errors on validation on average.
        bias: of the days, subtracted before; ``residual_bias``: of the estimate, subtracted after. None without truth.
    """

    name: ClassVar[str] = "optimal_interpolation"
    covariance: Covariance
    scale: Singles
    noise: Floats
    noise_scale: float = 1.0
    std_factor: float = 1.0
    bias: Bias | None = None
    residual_bias: Bias | None = None

    @classmethod
    def fit_months(
        cls, train: Months, validation: Months, climatology: Climatology, progress: Progress | None = None
    ) -> Self:
        """Fit covariance and noise to months of the second half of ``train``, at 1° twelve; tune on ``validation``.

        Where ``validation`` knows no truth, every other day is hidden to tune on the mean of those.
        """
        return cls._fitted(train, validation, climatology, (), progress)

    @classmethod
    def _fitted(
        cls,
        train: Months,
        validation: Months,
        climatology: Climatology,
        truth: Months,
        progress: Progress | None,
    ) -> Self:
        """``truth``: months without gaps or errors to take the covariance from; none: it is that of ``train``."""
        report = progress or no_progress
        bias = bias_of_days(train, validation, climatology.grid)
        most = max(_LEAST_MONTHS, _COVARIANCE_VALUES // (NUM_PARTS * climatology.coeffs[0].size))
        parts = [super_observations(month, climatology, bias) for month in evenly(train[len(train) // 2 :], most)]
        true_parts = [super_observations(month, climatology, None) for month in truth]
        report(0.1)
        fitted = cls._of_parts(parts, true_parts, climatology, bias, LEAST_SCALE * train[0].scale)
        report(0.4)
        tuned = fitted._tuned(tuning_months(validation), lambda done: report(0.4 + 0.3 * done))
        if bias is None:
            return tuned._calibrated(tuning_months(validation))
        where = tuned._some_cells()
        residual = bias_of_estimates(
            lambda month: np.asarray(tuned._estimate(month, where).mean, np.float64),
            train,
            validation,
            climatology.grid,
            lambda done: report(0.7 + 0.3 * done),
        )
        return replace(tuned, residual_bias=residual)._calibrated(validation)

    @classmethod
    def _of_parts(
        cls,
        parts: Sequence[SuperObservations],
        true_parts: Sequence[SuperObservations],
        climatology: Climatology,
        bias: Bias | None,
        least: float,
    ) -> Self:
        anomalies = [part.anomaly for part in true_parts or parts]
        scale = local_std(anomalies, climatology, least)
        variances = [part.day_variance for part in parts if np.isfinite(part.day_variance)]
        per_day = float(np.mean(variances)) if variances else 0.0
        error = 0.0 if true_parts else per_day
        noise = [(error / np.maximum(part.num_days, 1) / scale**2).astype(np.float32) for part in true_parts or parts]
        divided = [anomaly / scale for anomaly in anomalies]
        covariance = Covariance.fit(zip(divided, noise, strict=True), climatology.grid)
        signal = scale.astype(np.float64) ** 2 * covariance.variance(climatology.grid.lat)[:, None]
        floor = _excess(parts, signal, per_day, least)
        return cls(climatology, covariance, scale, np.array((floor, per_day)), bias=bias)

    def mean_of(self, month: ObservedMonth) -> Floats:
        """See :class:`Baseline`."""
        return np.asarray(self.predict_month(month).mean, np.float64)

    def predict_month(self, month: ObservedMonth) -> Estimate:
        """See :class:`Baseline`; the standard deviation is the error map of the interpolation, calibrated."""
        return self._estimate(month, np.isfinite(self.climatology.coeffs[0]))

    def _estimate(self, month: ObservedMonth, where: Mask) -> Estimate:
        """The month in the cells ``where``, NaN elsewhere."""
        parts = super_observations(month, self.climatology, self.bias)
        floor, per_day = self.noise_scale * self.noise
        noise = (floor + per_day / np.maximum(parts.num_days, 1)) / self.scale**2
        neighbourhood = _neighbourhood(self.climatology.grid, self.covariance, device())
        anomaly, std = neighbourhood.estimate(parts.anomaly / self.scale, noise.astype(np.float32), where)
        mean = self.climatology.at(month.month) + self.scale * anomaly
        if self.residual_bias is not None:
            mean = mean - self.residual_bias.of(month, self.climatology.grid)
        return Estimate(mean, self.std_factor * self.scale * std)

    def _tuned(self, months: Months, progress: Progress) -> Self:
        """With the noise scale of the lowest error, going outwards from 1 as long as it falls."""
        where = self._some_cells()
        num_tried = 0

        def error(scale: float) -> float:
            nonlocal num_tried
            num_tried += 1
            progress(num_tried / len(NOISE_SCALES))
            candidate = replace(self, noise_scale=scale)
            return area_mae(
                months,
                self.climatology.grid,
                lambda month: np.asarray(candidate._estimate(month, where).mean, np.float64),
            )

        return replace(self, noise_scale=lowest(NOISE_SCALES, 1.0, error))

    def _calibrated(self, months: Months) -> Self:
        """With the error map stretched to the errors in ``months``."""
        where, cell = self._some_cells(), self.climatology.grid.cell_area_m2[:, None]
        total, area = 0.0, 0.0
        for month in months:
            mean, std = self._estimate(month, where)
            ratio = (mean - month.target) / np.maximum(std, 1e-6)
            weights = np.where(month.is_usable & np.isfinite(ratio), cell, 0.0)
            total += float(np.sum(weights * ratio**2, where=weights > 0.0))
            area += float(weights.sum())
        return replace(self, std_factor=float(np.sqrt(total / area))) if total > 0.0 else self

    def _some_cells(self) -> Mask:
        return thinned(np.isfinite(self.climatology.coeffs[0]), _TUNING_CELLS)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Covariance, scale, noise, factors, and the biases where they are known."""
        biases = {"bias": self.bias, "residual_bias": self.residual_bias}
        return {
            **{f"covariance_{key}": value for key, value in self.covariance.state_dict().items()},
            "scale": self.scale,
            "noise": self.noise,
            "noise_scale": np.array(self.noise_scale),
            "std_factor": np.array(self.std_factor),
            **{key: bias.coeffs for key, bias in biases.items() if bias is not None},
        }

    @classmethod
    def from_state_dict(cls, state: State, climatology: Climatology) -> Self:
        """See :class:`Baseline`."""
        bias, residual_bias = (Bias(state[key]) if key in state else None for key in ("bias", "residual_bias"))
        return cls(
            climatology,
            Covariance(state["covariance_weights"], state["covariance_terms"]),
            state["scale"],
            state["noise"],
            float(state["noise_scale"]),
            float(state["std_factor"]),
            bias,
            residual_bias,
        )

    def on_grid(self, climatology: Climatology, regrid: Regrid) -> Self:
        """See :class:`Baseline`."""
        scale = np.nan_to_num(regrid(self.scale), nan=float(self.scale.min()))
        return replace(self, climatology=climatology, scale=scale.astype(np.float32))


@lru_cache(maxsize=2)
def _neighbourhood(grid: LatLonGrid, covariance: Covariance, where: torch.device) -> Neighbourhood:
    """The same for all months, whatever the noise."""
    return Neighbourhood(grid, covariance, device=where)


def local_std(anomalies: Sequence[Singles], climatology: Climatology, least: float) -> Singles:
    """(H, W) root mean square of anomalies (P, H, W) over five by five cells, K, at least ``least``; where there is
    none, that of all cells."""
    squares, num_values = np.zeros(climatology.grid.shape), np.zeros(climatology.grid.shape)
    for anomaly in anomalies:
        known = np.isfinite(anomaly)
        squares += np.sum(anomaly.astype(np.float64) ** 2, axis=0, where=known)
        num_values += known.sum(axis=0)
    mean = float(squares.sum() / max(num_values.sum(), 1.0))
    squares, num_values = (_box_sum(total, climatology.grid.is_periodic) for total in (squares, num_values))
    variance = np.where(num_values > 0.0, squares / np.maximum(num_values, 1.0), mean)
    return np.maximum(np.sqrt(variance), least).astype(np.float32)


def _box_sum(field: Floats, is_periodic: bool) -> Floats:
    padded = np.pad(field, ((0, 0), (_BOX, _BOX)), "wrap" if is_periodic else "constant")
    padded = np.pad(padded, ((_BOX, _BOX), (0, 0)))
    size = 2 * _BOX + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size)).sum(axis=(2, 3))


def _excess(parts: Sequence[SuperObservations], signal: Floats, per_day: float, least: float) -> float:
    """K², what the squares of super-observations hold beyond ``signal`` (H, W) and the noise of their days."""
    total, count = 0.0, 0
    for part in parts:
        known = np.isfinite(part.anomaly)
        beyond = part.anomaly.astype(np.float64) ** 2 - signal - per_day / np.maximum(part.num_days, 1)
        total, count = total + float(np.sum(beyond, where=known)), count + int(known.sum())
    # a hundredth of the smallest variance keeps systems of equations regular where the data show no noise
    return max(total / max(count, 1), 0.01 * least**2)
