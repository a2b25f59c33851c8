"""Whether a model's predicted standard deviation is right, where and when, and factors that make it so.

The intervals of a Gaussian hold what they promise if the standard deviation is right. A network's is often too small or
too large for a whole class of cells, those under ice or those without an observation; one factor for each class, fitted
on the validation months, corrects that and leaves the mean as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from engine.data.source import MonthlyData
from engine.errors import DataError
from engine.evaluation.calibration import CalibrationSums
from engine.evaluation.strata import OBSERVATION_CLASSES, SEASONS, STRATA, latitude_band, observation_class
from engine.models.baselines import ICE_FRACTION
from engine.typed import Floats, Ints, Singles

FITTED_LEVELS = (0.5, 0.9)
"""Intervals that hold after :func:`fit_std_factors`, as far as one factor can do it."""

_LEAST_CELLS = 200  # cell-months with a known truth, without which a class has no factor
_MOST_FACTOR = 5.0


def calibration(data: MonthlyData, mean: Singles, std: Singles) -> dict[str, Any] | None:
    """Whether ``std`` (N, H, W) says how wrong ``mean`` (N, H, W) is, over the open sea: :meth:`CalibrationSums.table`.

    Beside it ``by``: ``coverage``, ``crps`` and ``area``, the share of all that was counted, apart by ``observations``
    (:data:`OBSERVATION_CLASSES`, ice among them), ``latitude`` and ``season``.

    None where no cell of the open sea has a known truth.

    Raises:
        DataError: the months' truth is not known; a standard deviation that is not positive where a cell counts.
    """
    scale = data.variable.measured_scale
    sea = CalibrationSums(scale)
    parts = {
        name: {label: CalibrationSums(scale) for label in labels}
        for name, labels in {
            "observations": OBSERVATION_CLASSES,
            "latitude": STRATA["latitude"],
            "season": SEASONS,
        }.items()
    }
    for n, (classes, area) in enumerate(_classes(data)):
        month, target = mean[n].astype(np.float64), _target(data)[n].astype(np.float64)
        fields = month, std[n].astype(np.float64), target
        open_area = np.where(data.ice[n] <= ICE_FRACTION, area, 0.0)
        sea.add(*fields, open_area)
        bands = np.broadcast_to(latitude_band(data.grid.lat)[:, None], area.shape)
        for label, sums in zip(OBSERVATION_CLASSES, parts["observations"].values(), strict=True):
            sums.add(*fields, np.where(classes == OBSERVATION_CLASSES.index(label), area, 0.0))
        for index, sums in enumerate(parts["latitude"].values()):
            sums.add(*fields, np.where(bands == index, open_area, 0.0))
        parts["season"][SEASONS[int(data.months[n]) % 12 // 3]].add(*fields, open_area)
    if sea.area == 0.0:
        return None
    by = {
        name: {
            label: {**sums.summary(), "area": sums.area / sea.area} for label, sums in labels.items() if sums.area > 0.0
        }
        for name, labels in parts.items()
    }
    return {**sea.table(), "by": by}


def fit_std_factors(data: MonthlyData, mean: Singles, std: Singles) -> dict[str, float]:
    """The factor of ``std`` (N, H, W) by class of :data:`OBSERVATION_CLASSES`, with which its intervals hold.

    The central interval of level p holds with the factor q_p/Φ⁻¹((1 + p)/2), q_p the area-weighted quantile p of
    |truth − mean|/std. Where errors are not Gaussian the levels ask for different factors: the geometric mean of those
    of 50 % and 90 % is taken. Classes of fewer than 200 cell-months with a known truth have none: their deviation
    stays as it is.

    Args:
        data: months that the model has not learned from; their days are those it saw.
        mean, std: its estimate of them, in model space.

    Raises:
        DataError: the months' truth is not known.

    Source: quantile matching as in Kuleshov et al. (2018), Accurate uncertainties for deep learning, arXiv:1807.00263,
    with one parameter a class.
    """
    z: list[Floats] = []
    labels: list[Ints] = []
    weights: list[Floats] = []
    for n, (classes, area) in enumerate(_classes(data)):
        error = np.abs(_target(data)[n].astype(np.float64) - mean[n])
        counted = (area > 0.0) & np.isfinite(error) & np.isfinite(std[n])
        z.append(error[counted] / std[n][counted])
        labels.append(classes[counted])
        weights.append(area[counted])
    all_z, all_labels, all_weights = np.concatenate(z), np.concatenate(labels), np.concatenate(weights)
    factors: dict[str, float] = {}
    for index, label in enumerate(OBSERVATION_CLASSES):
        own = all_labels == index
        if int(own.sum()) >= _LEAST_CELLS:
            factors[label] = _factor(all_z[own], all_weights[own])
    return factors


def scaled_std(std: Singles, classes: Ints, factors: Mapping[str, float]) -> Singles:
    """``std`` times the factor of its class, if that has one; ``classes`` index :data:`OBSERVATION_CLASSES`."""
    table = np.array([factors.get(label, 1.0) for label in OBSERVATION_CLASSES], np.float32)
    return std * table[classes]


def month_classes(data: MonthlyData, n: int) -> Ints:
    """(H, W), index among :data:`OBSERVATION_CLASSES` of the cells of month ``n``, by the days that are seen."""
    return observation_class(np.isfinite(data.daily[n]).sum(axis=0), data.ice[n])


def _classes(data: MonthlyData) -> Iterator[tuple[Ints, Floats]]:
    """Of each month the classes (H, W) and the area (H, W), 0 on land and where the truth is not known."""
    for n, target in enumerate(_target(data)):
        known = ~data.land & np.isfinite(target)
        yield month_classes(data, n), np.where(known, data.grid.cell_area_m2[:, None], 0.0)


def _target(data: MonthlyData) -> Singles:
    if data.target is None:
        raise DataError("the truth of the months is not known", "calibration", "give months with a target")
    return data.target


def _factor(z: Floats, weights: Floats) -> float:
    order = np.argsort(z)
    share = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    quantiles = np.interp(FITTED_LEVELS, share, z[order])
    ratios = quantiles / [NormalDist().inv_cdf(0.5 + level / 2.0) for level in FITTED_LEVELS]
    return float(np.clip(np.sqrt(ratios.prod()), 1.0 / _MOST_FACTOR, _MOST_FACTOR))
