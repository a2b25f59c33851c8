"""A map updated incrementally: when one component changes, only that one is recomputed."""

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

    The unnormalised sum of the components is kept in float64; a change subtracts the old component and adds the new one
    by the same sums, exact to 1e-6 of its height.
    """

    def __init__(self, mixture: MixtureVMF, grid: LatLonGrid, kind: Kind = "point") -> None:
        peaks = mixture.peaks()
        self.grid = grid
        self.kind: Kind = kind
        self._peaks = peaks._replace(height=peaks.height.clone(), centres=peaks.centres.clone())
        self._log_weights = mixture.log_weights.detach().double()
        self._sum = self._field(self._peaks)

    def replace(self, index: int, centre: Tensor, log_kappa: float, logit: float) -> None:
        """Set the unit ``centre`` (3,), κ and logit of component ``index``.

        ``logit`` is on the scale of ``mixture.log_weights``: the other weights keep their ratios.
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
        """(H, W) float64, of the current mixture."""
        total = float(torch.logsumexp(self._log_weights, 0))
        return self._sum.clamp_min(0.0) * math.exp(-total)

    def _field(self, peaks: Peaks) -> Tensor:
        if self.kind == "cell":
            return maps.cell_integrals(peaks, self.grid)
        field, log_factor = maps.density(peaks, self.grid)
        return field.double() * math.exp(log_factor)
