"""Hold-out sets: months with withheld observations, that models and baselines are scored on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.data.gaps import APART_DAYS, GapPattern
from engine.data.source import MonthlyData
from engine.errors import DataError
from engine.models.baselines import ICE_FRACTION
from engine.training.sst.samples import hide, mean_of
from engine.typed import Floats, Ints, Mask, Singles

VALIDATION_SEED, TEST_SEED = 0, 1
"""Seeds of what is withheld, whatever the run's own seed: all trials of a sweep have the same hold-out sets."""


@dataclass(frozen=True, eq=False)
class HoldOutSet:
    """Months with some cell-months withheld: all their observations are hidden from model and baselines.

    Attributes:
        data: the months without what is withheld. Its ``target`` is the source's own, or, where the source knows none,
            the mean of the withheld days, known in withheld cell-months only.
        num_withheld: (N, H, W), days that were observed, and are hidden.
        area: (H, W), the weight of a cell in the scores, the grid's ``area_weights``; 0 on land.
        pattern: how it was withheld: by clouds, or in stripes where there were too few of them.
    """

    data: MonthlyData
    num_withheld: Ints
    area: Floats
    pattern: GapPattern = "clouds"

    @classmethod
    def of(cls, data: MonthlyData, fraction: float, seed: int, clouds: Mask | None = None) -> HoldOutSet:
        """Withhold ``fraction`` of the observed cell-months by the clouds of other months.

        ``clouds`` (D, H, W), True = missing: days of a month beside those of ``data`` to take clouds from, which are
        otherwise those of the other months of ``data``: :func:`clouds_beside`.

        Raises:
            DataError: the source knows no month's mean and nothing is withheld, so there is no target.
        """
        if data.target is None and not fraction:
            raise DataError(
                "the true means of the months are not known, and no days are withheld to score on",
                "withheld_fraction",
                "choose a fraction above 0",
            )
        area = data.grid.area_weights[:, None] * ~data.land
        none_withheld = np.zeros((len(data.months), *data.grid.shape), np.int64)
        if not fraction:
            return cls(data, none_withheld, area)
        hidden, pattern = hide(np.isnan(data.daily), data.land, fraction, seed, clouds, whole_month=True)
        target = data.target
        if target is None:
            means, known = mean_of(data.daily, hidden)
            target = np.where(known, means, np.float32(np.nan))
        visible = replace(data, daily=np.where(hidden, np.float32(np.nan), data.daily), target=target)
        return cls(visible, hidden.sum(axis=1), area, pattern)

    @property
    def target(self) -> Singles:
        """(N, H, W) °C, NaN = unknown."""
        assert self.data.target is not None
        return self.data.target

    def is_scored(self, months: slice = slice(None)) -> Mask:
        """(N, H, W), True = the cell-month is scored: sea, with a known target and little ice."""
        return np.isfinite(self.target[months]) & (self.data.ice[months] <= ICE_FRACTION) & (self.area > 0)

    def error_sums(self, estimate: Singles, months: slice = slice(None)) -> tuple[float, float]:
        """Σ w |estimate − target| and Σ w over the scored cells of some months; their ratio is the MAE."""
        is_scored = self.is_scored(months)
        weight = np.where(is_scored, self.area, 0.0)
        error = np.abs(np.where(is_scored, estimate.astype(np.float64) - self.target[months], 0.0))
        return float((weight * error).sum()), float(weight.sum())

    def mae(self, estimate: Singles) -> float:
        """Area-weighted mean absolute error of ``estimate`` (N, H, W), K; DataError where nothing is scored."""
        error, weight = self.error_sums(estimate)
        if not weight:
            raise DataError("no cell can be scored", "the validation or test months", "choose other months")
        return error / weight


def clouds_beside(neighbour: MonthlyData, is_later: bool) -> Mask:
    """(D, H, W), True = missing: days of the month after (or before) another that lie far enough from it.

    Clouds persist: those of the days next to a month would hide what they hid in it anyway.
    """
    days = np.isnan(neighbour.daily[0])[~neighbour.padded[0]]
    return days[APART_DAYS - 1 :] if is_later else days[: len(days) - APART_DAYS + 1]
