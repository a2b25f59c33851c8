"""Months to be judged on: what the model may see of them, and what it should say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.data.gaps import APART_DAYS, GapPattern
from engine.data.source import MonthlyData
from engine.errors import DataError
from engine.models.baselines import ICE_FRACTION
from engine.training.sst.samples import hide, mean_of

VALIDATION_SEED, TEST_SEED = 0, 1
"""Of what is withheld from a run's exams, whatever the run's own seed: trials of a sweep sit the same ones."""


@dataclass(frozen=True, eq=False)
class HoldOutSet:
    """Months with some cell-months withheld: all their observations are hidden from what is judged.

    Attributes:
        data: the months without what is withheld. Its ``target`` is the source's own, or, where the source knows none,
            the mean of the withheld days, known in withheld cell-months only.
        num_withheld: (N, H, W), days that were observed, and are hidden.
        area: (H, W), what a cell counts, the grid's ``area_weights``; 0 on land.
        pattern: how it was withheld: by clouds, or in stripes where there were too few of them.
    """

    data: MonthlyData
    num_withheld: NDArray[np.int64]
    area: NDArray[np.float64]
    pattern: GapPattern = "clouds"

    @classmethod
    def of(cls, data: MonthlyData, share: float, seed: int, clouds: NDArray[np.bool_] | None = None) -> HoldOutSet:
        """Withhold ``share`` of the observed cell-months by the clouds of other months.

        ``clouds`` (D, H, W), True = missing: days of a month beside those of ``data`` to take clouds from, which are
        otherwise those of the other months of ``data``: :func:`clouds_beside`.

        Raises:
            DataError: the source knows no month's mean and nothing is withheld, so there is nothing to judge by.
        """
        if data.target is None and not share:
            raise DataError(
                "the true means of the months are not known, and no days are withheld to judge by",
                "withheld_fraction",
                "choose a share above 0",
            )
        area = data.grid.area_weights[:, None] * ~data.land
        nothing = np.zeros((len(data.months), *data.grid.shape), np.int64)
        if not share:
            return cls(data, nothing, area)
        hidden, pattern = hide(np.isnan(data.daily), data.land, share, seed, clouds, whole_month=True)
        target = data.target
        if target is None:
            means, known = mean_of(data.daily, hidden)
            target = np.where(known, means, np.float32(np.nan))
        seen = replace(data, daily=np.where(hidden, np.float32(np.nan), data.daily), target=target)
        return cls(seen, hidden.sum(axis=1), area, pattern)

    @property
    def target(self) -> NDArray[np.float32]:
        """(N, H, W) °C, NaN = unknown."""
        assert self.data.target is not None
        return self.data.target

    def counts(self, months: slice = slice(None)) -> NDArray[np.bool_]:
        """(N, H, W), True = the cell-month is judged: sea, with a known target and little ice."""
        return np.isfinite(self.target[months]) & (self.data.ice[months] <= ICE_FRACTION) & (self.area > 0)

    def error_sums(self, estimate: NDArray[np.float32], months: slice = slice(None)) -> tuple[float, float]:
        """Σ w |estimate − target| and Σ w over the judged cells of some months; their ratio is the MAE."""
        counts = self.counts(months)
        weight = np.where(counts, self.area, 0.0)
        error = np.abs(np.where(counts, estimate.astype(np.float64) - self.target[months], 0.0))
        return float((weight * error).sum()), float(weight.sum())

    def mae(self, estimate: NDArray[np.float32]) -> float:
        """Area-weighted mean absolute error of ``estimate`` (N, H, W), K; DataError where nothing is judged."""
        error, weight = self.error_sums(estimate)
        if not weight:
            raise DataError("no cell can be judged", "the validation or test years", "choose other years")
        return error / weight


def clouds_beside(neighbour: MonthlyData, is_later: bool) -> NDArray[np.bool_]:
    """(D, H, W), True = missing: days of the month after (or before) another that lie far enough from it.

    Clouds persist: those of the days next to a month would hide what they hid in it anyway.
    """
    days = np.isnan(neighbour.daily[0])[~neighbour.padded[0]]
    return days[APART_DAYS - 1 :] if is_later else days[: len(days) - APART_DAYS + 1]
