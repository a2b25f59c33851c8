"""Whether a predicted standard deviation says how wrong an estimate may be."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from engine.errors import DataError
from engine.typed import Floats

LEVELS = (0.5, 0.68, 0.9, 0.95)
"""Of the central intervals whose coverage is counted."""

_HALF_WIDTHS = np.array([NormalDist().inv_cdf(0.5 + level / 2.0) for level in LEVELS])
NUM_PIT_BINS = 20
"""Bins of the probability integral transform, equally wide from 0 to 1."""

_STD_EDGES = np.geomspace(0.01, 10.0, 25)  # K; eight bins a decade, and one beyond either end


class CalibrationSums:
    """Area-weighted sums over cells with a predicted standard deviation, to which fields are added one by one."""

    def __init__(self, scale: float = 1.0) -> None:
        """``scale``: size of ordinary differences; the bins of σ are multiples of it."""
        self._edges = scale * _STD_EDGES
        self._area = 0.0
        self._within = np.zeros(len(LEVELS))
        self._crps = 0.0
        self._pit = np.zeros(NUM_PIT_BINS)
        self._bins = np.zeros((len(_STD_EDGES) + 1, 3))

    def add(self, estimate: Floats, std: Floats, target: Floats, area: Floats) -> None:
        """Add fields of any one shape: estimate ± std and truth, °C and K, and the cells' areas, 0 = not counted.

        Cells without an estimate or a truth are left out.

        Raises:
            DataError: a standard deviation that is not positive where a cell counts.
        """
        counted = (area > 0.0) & np.isfinite(estimate) & np.isfinite(target)
        error, sigma = (estimate - target)[counted].astype(np.float64), std[counted].astype(np.float64)
        weights = area[counted].astype(np.float64)
        if not bool(np.all(sigma > 0.0)):
            raise DataError("a predicted standard deviation is not positive", "calibration", "predict values above 0")
        scaled = error / sigma
        self._area += float(weights.sum())
        self._within += [float(weights[np.abs(scaled) <= half].sum()) for half in _HALF_WIDTHS]
        self._crps += float(weights @ (sigma * _standard_crps(scaled)))
        pit_bin = np.minimum((_normal_cdf(-scaled) * NUM_PIT_BINS).astype(np.int64), NUM_PIT_BINS - 1)
        self._pit += np.bincount(pit_bin, weights, NUM_PIT_BINS)
        bin_index = np.digitize(sigma, self._edges)
        for column, values in enumerate((np.ones_like(sigma), sigma**2, error**2)):
            self._bins[:, column] += np.bincount(bin_index, weights * values, len(self._bins))

    @property
    def area(self) -> float:
        """Area of the cells that were added."""
        return self._area

    def summary(self) -> dict[str, Any]:
        """``coverage`` and ``crps`` alone, as :meth:`table` gives them."""
        table = self.table()
        return {"coverage": table["coverage"], "crps": table["crps"]}

    def table(self) -> dict[str, Any]:
        """Coverage, CRPS, PIT and spread–skill as plain values.

        - ``coverage``: by level ("50" …, in percent) the share of the area whose truth lies within the central
          interval of that level: the level itself if the standard deviations are right
        - ``crps``, K: mean of σ (z (2Φ(z) − 1) + 2ϕ(z) − 1/√π), z = error/σ, the continuous ranked probability score
          of a Gaussian (Gneiting & Raftery 2007); it equals the mean absolute error where σ → 0
        - ``pit``: share of the area by Φ((truth − estimate)/σ), the probability integral transform (Dawid 1984), in 20
          bins from 0 to 1: all equal if the distribution is right, a hump if σ is too large
        - ``spread_skill``: bins of σ (from 0.01 to 10 K, eight a decade; times the scale) with ``spread``, the root
          mean square of σ, ``error``, that of the error, both K, and ``area``, the share: spread = error if the
          deviations are right

        Raises:
            DataError: nothing was added.
        """
        if self._area == 0.0:
            raise DataError("no cell was counted", "calibration", "add at least one cell with an area and a truth")
        filled = self._bins[self._bins[:, 0] > 0.0]
        return {
            "coverage": {
                f"{level:.0%}"[:-1]: float(area / self._area) for level, area in zip(LEVELS, self._within, strict=True)
            },
            "crps": self._crps / self._area,
            "pit": (self._pit / self._area).tolist(),
            "spread_skill": [
                {"spread": math.sqrt(spread / area), "error": math.sqrt(error / area), "area": float(area / self._area)}
                for area, spread, error in filled.tolist()
            ],
        }


def _normal_cdf(z: Floats) -> Floats:
    """Φ(z)."""
    return 0.5 * (1.0 + torch.erf(torch.tensor(z) / math.sqrt(2.0)).numpy())


def _standard_crps(z: Floats) -> Floats:
    """CRPS of a standard Gaussian at z."""
    return z * (2.0 * _normal_cdf(z) - 1.0) + math.sqrt(2.0 / math.pi) * np.exp(-0.5 * z**2) - 1.0 / math.sqrt(math.pi)
