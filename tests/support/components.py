"""Components of a harmonic basis as fields."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.embedding import HarmonicBasis
from engine.sphere import HarmonicGrid, LatLonGrid


def component_field(
    basis: HarmonicBasis, grid: LatLonGrid, component: int, dtype: torch.dtype = torch.float32
) -> Tensor:
    """One component on any grid, (H, W): standardised, that is mean 0 and variance 1 over the fit domain."""
    table, _ = basis.component_factors(grid, component)
    return table.to(dtype) @ HarmonicGrid(grid, basis.max_degree, device=table.device).trig.to(dtype)
