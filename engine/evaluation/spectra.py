"""How much of the field's variance an estimate keeps, and gets right, at every scale: power by spherical degree.

The ocean is a part of the sphere, so these are pseudo-spectra: anomalies are set to zero where they are not counted,
and power is divided by the share of the sphere that is, f_sky. What the mask's edge mixes between neighbouring degrees
it mixes alike for estimate and truth, so their ratio and coherence stay fair; single degrees mean little where their
wavelength is longer than the ocean, or the region, is wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.errors import ChoiceError, DataError
from engine.models.baselines import ICE_FRACTION
from engine.sphere import EARTH_RADIUS_M, HarmonicGrid, LatLonGrid, wavelength_km
from engine.typed import Floats, Mask, Singles

Field = NDArray[np.floating]

RESOLVED = 0.5
"""The coherence below which a degree counts as not resolved."""

MAX_DEGREE = 180
"""Highest degree by default: 222 km wavelength, finer than daily observations of the sea through clouds tell."""

_SMOOTHED = 2  # degrees on either side over which the coherence is averaged, against the noise of single degrees


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean over months; all (L+1,) float64, degrees 0 … L.

    Attributes:
        estimate: power of the estimate's anomaly, K²: Σ_m |a_lm|² / (4π f_sky); summed over l, the area mean of the
            anomaly squared.
        truth: the same of the truth.
        error: the same of their difference.
        coherence: |Σ a b|²/(Σ a² Σ b²) over orders and months, 0..1: how much of the truth's pattern is there,
            whatever its amplitude. 0 where either has no power.
    """

    estimate: Floats
    truth: Floats
    error: Floats
    coherence: Floats

    @property
    def ratio(self) -> Floats:
        """(L+1,) power of the estimate over that of the truth: below 1 it is too smooth, above 1 too noisy."""
        return np.divide(self.estimate, self.truth, out=np.full_like(self.truth, np.nan), where=self.truth > 0.0)

    @property
    def effective_degree(self) -> int:
        """The last degree before the coherence, mean of five degrees, first falls below :data:`RESOLVED`.

        0 where it never reaches it; L where it never falls.
        """
        coherence = self.coherence[1:]  # the mean is no pattern
        window = np.ones(2 * _SMOOTHED + 1)
        total = np.convolve(coherence, window, mode="same")
        lost = np.flatnonzero(total < RESOLVED * np.convolve(np.ones_like(coherence), window, mode="same"))
        return int(lost[0]) if lost.size else len(coherence)

    @property
    def effective_km(self) -> float:
        """Half the wavelength of :attr:`effective_degree`: the smallest feature that is there; infinite at degree 0."""
        return wavelength_km(self.effective_degree) / 2.0 if self.effective_degree else float("inf")

    def table(self) -> dict[str, Any]:
        """As plain values, by the names of the attributes: lists by degree, and the effective resolution.

        ``effective_km`` is None where nothing is resolved.
        """
        return {
            **{name: getattr(self, name).tolist() for name in ("estimate", "truth", "error", "coherence")},
            "effective_degree": self.effective_degree,
            "effective_km": self.effective_km if self.effective_degree else None,
        }


class SpectrumSums:
    """Sums of spectra over months, added to one month at a time.

    ``max_degree`` is by default what the grid resolves, at most :data:`MAX_DEGREE`.

    Raises:
        ChoiceError: a degree that the grid does not resolve.
    """

    def __init__(self, grid: LatLonGrid, max_degree: int | None = None) -> None:
        most = grid.max_resolved_degree
        top = min(most, MAX_DEGREE) if max_degree is None else max_degree
        if not 1 <= top <= most:
            raise ChoiceError(
                f"a spectrum to degree {top} cannot be had", f"the grid resolves {most}", f"choose 1 to {most}"
            )
        self.grid = grid
        self._harmonics = HarmonicGrid(grid, top)
        self._share = grid.cell_area_m2[:, None] / (4.0 * np.pi * EARTH_RADIUS_M**2)
        self._degree = np.repeat(np.arange(top + 1), 2 * np.arange(top + 1) + 1)
        self._sums = np.zeros((4, top + 1))
        self._months = 0

    def add(self, estimate: Field, truth: Field, counted: Mask, climatology: Field | None = None) -> None:
        """Add a month of fields (H, W), °C; ``counted`` (H, W), True = open sea. Cells without a value are left out.

        ``climatology`` (H, W), the month's, is taken off both, and only cells where it has a value are counted; without
        it, the area mean of the truth is taken off.

        Raises:
            DataError: no cell is counted.
        """
        counted = counted & np.isfinite(estimate) & np.isfinite(truth)
        if climatology is not None:
            counted &= np.isfinite(climatology)
        weights = np.where(counted, self._share, 0.0)
        sky = float(weights.sum())
        if sky == 0.0:
            raise DataError("no cell is counted", "spectrum", "count cells where both fields have a value")
        truth = np.where(counted, truth, 0.0).astype(np.float64)
        centre = float(np.sum(weights * truth)) / sky if climatology is None else climatology
        anomalies = np.stack((np.where(counted, estimate - centre, 0.0), np.where(counted, truth - centre, 0.0)))
        a, b = self._harmonics.analyse(torch.tensor(anomalies)).numpy()
        for sums, product in zip(self._sums, (a * a, b * b, (a - b) ** 2, a * b), strict=True):
            sums += np.bincount(self._degree, product) / (4.0 * np.pi * sky)
        self._months += 1

    def spectrum(self) -> Spectrum:
        """The mean over the months added.

        Raises:
            DataError: none was.
        """
        if self._months == 0:
            raise DataError("no month was added", "spectrum", "add at least one month")
        estimate, truth, error, cross = self._sums / self._months
        power = estimate * truth
        coherence = np.divide(cross**2, power, out=np.zeros_like(power), where=power > 0.0)
        return Spectrum(estimate, truth, error, coherence)


def spectra(
    data: MonthlyData,
    estimates: Mapping[str, Singles],
    climatology: Mapping[int, Field] | None = None,
    max_degree: int | None = None,
) -> dict[str, Spectrum]:
    """The spectrum of each estimate (N, H, W) of the months of ``data`` over the open sea, beside that of the truth.

    ``climatology``: (H, W) by month 1 to 12, taken off both. Months without a cell to count are left out.

    Raises:
        ChoiceError: a degree that the grid does not resolve.
        DataError: the truth is not known, or no month has a cell to count.
    """
    if data.target is None:
        raise DataError("the truth of the months is not known", "spectra", "give months with a target")
    sums = {name: SpectrumSums(data.grid, max_degree) for name in estimates}
    for n, month in enumerate(data.months):
        centre = None if climatology is None else climatology[int(month)]
        counted = ~data.land & (data.ice[n] <= ICE_FRACTION) & np.isfinite(data.target[n])
        if centre is not None:
            counted &= np.isfinite(centre)
        if counted.any():
            for name, values in estimates.items():
                sums[name].add(values[n], data.target[n], counted, centre)
    return {name: own.spectrum() for name, own in sums.items()}
