"""Credible regions: the smallest area with a given probability."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid


def credible_region(cell_mass: Tensor, grid: LatLonGrid, level: float) -> tuple[Tensor, float]:
    """The cells of highest density that together hold ``level`` of the probability, and their area in km².

    Cells are taken by density, mass over area, until their mass reaches ``level``; the last one is included
    whole, so a region is as coarse as its cells. ``cell_mass`` (H, W) are probabilities of the cells, as
    :meth:`engine.mvmf.MixtureVMF.cell_mass` gives them; the mask (H, W) is bool, True = in the region.

    Raises :class:`ChoiceError` for a level outside (0, 1) or above what the grid holds, :class:`DataError` for masses
    that do not fit the grid, are negative or not finite.
    """
    if not 0.0 < level < 1.0:
        raise ChoiceError(f"a region cannot hold a probability of {level:g}", "level", "choose one between 0 and 1")
    if cell_mass.shape != grid.shape:
        raise DataError(f"masses of shape {tuple(cell_mass.shape)}", f"grid {grid.shape}", "give one for every cell")
    mass = cell_mass.detach().double()
    if not bool((torch.isfinite(mass) & (mass >= 0.0)).all()):
        raise DataError("some masses are negative or not finite", "cell_mass", "give probabilities")
    areas = torch.tensor(grid.cell_area_m2 / 1e6, device=mass.device)[:, None].expand(grid.shape)
    order = torch.argsort((mass / areas).flatten(), descending=True, stable=True)
    held = torch.cumsum(mass.flatten()[order], 0)
    if float(held[-1]) < level:
        raise ChoiceError(
            f"the grid holds {float(held[-1]):.3g} of the probability, less than {level:g}",
            f"grid {grid.shape}",
            "choose a larger grid or a lower level",
        )
    count = int(torch.searchsorted(held, level)) + 1
    region = torch.zeros(mass.numel(), dtype=torch.bool, device=mass.device)
    region[order[:count]] = True
    region = region.view(grid.shape)
    return region, float(areas[region].sum())
