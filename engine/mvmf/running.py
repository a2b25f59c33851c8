"""A map that follows its mixture: when one component changes, only that one is computed again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.mvmf import maps
from engine.mvmf._fourier import Kind
from engine.mvmf._tiles import Peaks
from engine.mvmf.mixture import MixtureVMF, log_normaliser
from engine.sphere import LatLonGrid


class RunningMap:
    """Density per steradian (``kind="point"``) or cell mass (``kind="cell"``) of a mixture with logits (K,) on a grid.

    The sum of the components before normalisation is kept in float64; a change takes the old component out of it and
    puts the new one in, by the same sums that made the whole, so what was put in comes out to 1e-6 of its height.
    """

    def __init__(self, mixture: MixtureVMF, grid: LatLonGrid, kind: Kind = "point") -> None:
        peaks = mixture.peaks()
        self.grid = grid
        self.kind: Kind = kind
        self._peaks = peaks._replace(height=peaks.height.clone(), centres=peaks.centres.clone())
        self._log_weights = mixture.log_weights.detach().double()
        self._sum = self._field(self._peaks)

    def replace(self, index: int, centre: Tensor, log_kappa: float, logit: float) -> None:
        """Give component ``index`` another unit ``centre`` (3,), κ and logit.

        ``logit`` stands on the scale of ``mixture.log_weights`` as given: the other weights keep their ratios.
        """
        kappa = torch.tensor([math.exp(log_kappa)], dtype=torch.float64, device=self._sum.device)
        new = Peaks(centre.detach().double()[None].to(kappa.device), kappa, logit + log_normaliser(kappa))
        old = self._peaks.where(torch.tensor([index], device=kappa.device))
        self._sum += self._field(new) - self._field(old)
        for values, value in zip(self._peaks, new, strict=True):
            values[index] = value[0]
        self._log_weights[index] = logit

    @property
    def values(self) -> Tensor:
        """(H, W) float64, of the mixture as it is now."""
        total = float(torch.logsumexp(self._log_weights, 0))
        return self._sum.clamp_min(0.0) * math.exp(-total)

    def _field(self, peaks: Peaks) -> Tensor:
        if self.kind == "cell":
            return maps.cell_integrals(peaks, self.grid)
        field, log_factor = maps.density(peaks, self.grid)
        return field.double() * math.exp(log_factor)
