"""Credible regions: the smallest area with a given probability."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.mvmf.mixture import MixtureVMF
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, lat_lon

_EARTH_KM = EARTH_RADIUS_M / 1000.0


def credible_region(
    cell_mass: Tensor, grid: LatLonGrid, level: float, mixture: MixtureVMF | None = None
) -> tuple[Tensor, float]:
    """The cells of highest density that together hold ``level`` of the probability, and the region's area in km².

    Cells are taken by density, mass over area, until their mass reaches ``level``; the last one is included
    whole. ``cell_mass`` (H, W) are probabilities of the cells, as :meth:`engine.mvmf.MixtureVMF.cell_mass` gives them;
    the mask (H, W) is bool, True = in the region.

    Without the ``mixture`` that the masses come from, the area is that of the cells: an upper bound where a cell holds
    more than the level, such as 12 000 km² for a spot of 180 km² on a grid of 1°. With it, the area is that of the
    region itself, to about a per cent, whatever the cells: the region is where the density p exceeds some t, and its
    area ∫ dΩ = ∫ p · 1/p dΩ is the mean of 1/p over points drawn from the mixture with p > t.

    Raises :class:`ChoiceError` for a level outside (0, 1) or above what the grid holds, and for several mixtures at
    once; :class:`DataError` for masses that do not fit the grid, are negative or not finite.
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
    of_cells = float(areas[region].sum())
    return region, of_cells if mixture is None else min(of_cells, _area_km2(mixture, grid, level))


def _area_km2(mixture: MixtureVMF, grid: LatLonGrid, level: float) -> float:
    """Area of the smallest part of the grid that holds ``level``, from evenly spread quantiles of the mixture."""
    points, log_density = mixture.quantiles()
    densest = log_density[_inside(points, grid)].sort(descending=True).values
    count = min(round(level * points.shape[0]), densest.numel())
    return float(torch.exp(-densest[:count]).sum()) / points.shape[0] * _EARTH_KM**2


def _inside(points: Tensor, grid: LatLonGrid) -> Tensor:
    """(N,) bool, True = the point lies in a cell of the grid."""
    lat, lon = lat_lon(points)
    south, north = np.sort(grid.lat_bounds[[0, -1]])
    west, east = grid.lon_bounds[[0, -1]]
    return (lat >= south) & (lat <= north) & (torch.remainder(lon - float(west), 360.0) <= float(east - west))
