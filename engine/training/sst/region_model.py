"""A trained model as a module of torch for one's own code: days of one region in, monthly means out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from engine.data.land import land_mask
from engine.errors import ChoiceError
from engine.evaluation.strata import NUM_OBSERVED_EDGES, OBSERVATION_CLASSES
from engine.models import ReconstructionModel
from engine.models.baselines.observed import ICE_FRACTION
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import ModelBundle, load_model, on_grid
from engine.training.sst.positions import PatchPositions
from engine.training.sst.windows import Windows


class RegionModel(nn.Module):
    """A trained model on the cells of one region, with climatology, land, places and bounds inside.

    ``model`` holds the weights; everything else is a buffer. It is one window: what
    :func:`engine.training.sst.reconstruct.reconstruct` does tile by tile for a whole ocean, without tiles, so that it
    can be differentiated, trained further and exported.

    Legend: B samples, M months, 31 day slots, h × w cells.
    """

    land: Tensor
    climatology: Tensor
    fallback: Tensor
    lonlat: Tensor
    features: Tensor | None
    std_factors: Tensor
    num_edges: Tensor

    def __init__(
        self, bundle: ModelBundle, lat_deg: ArrayLike, lon_deg: ArrayLike, land: ArrayLike | None = None
    ) -> None:
        """The model of ``bundle`` on cell centres (h,) and (w,), evenly spaced; ``land`` (h, w) True = land, by default
        that of the coastlines.

        Raises:
            GridError: illegal coordinates. ChoiceError: sides that the model's patches do not divide.
            DataError: a sea that the model has no climatology of.
        """
        super().__init__()
        grid, settings = LatLonGrid(lat_deg, lon_deg), bundle.settings
        patch = settings.model.patch[1:]
        if any(side % size for side, size in zip(grid.shape, patch, strict=True)):
            raise ChoiceError(
                f"patches of {patch[0]} × {patch[1]} cells do not divide {grid.shape[0]} × {grid.shape[1]}",
                "the region",
                "cut or extend the region to multiples of a patch",
            )
        is_land = land_mask(grid).numpy() if land is None else np.asarray(land, bool)
        windows = Windows.of(grid, grid.shape, 0, patch)
        lonlat, features = PatchPositions(settings.model, windows, bundle.basis).of(windows.corners[0])
        of_more_years = bundle.fallback or bundle.climatology
        climatology = np.nan_to_num(on_grid(bundle.climatology, grid, is_land).at(np.arange(1, 13)))
        fallback = np.nan_to_num(on_grid(of_more_years, grid, is_land).at(np.arange(1, 13)))
        self.model: ReconstructionModel = bundle.model
        self.variable = bundle.variable
        self.register_buffer("land", torch.tensor(is_land))
        self.register_buffer("climatology", torch.tensor(climatology))
        self.register_buffer("fallback", torch.tensor(fallback))
        self.register_buffer("lonlat", torch.tensor(lonlat))
        self.register_buffer("features", None if features is None else torch.tensor(features))
        factors = [bundle.std_factors.get(label, 1.0) for label in OBSERVATION_CLASSES]
        self.register_buffer("std_factors", torch.tensor(factors))
        self.register_buffer("num_edges", torch.tensor(NUM_OBSERVED_EDGES))
        self.to(next(bundle.model.parameters()).device)

    def forward(
        self, daily: Tensor, padded: Tensor, phases: Tensor, months: Tensor, ice: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Monthly means (B, M, h, w) and their standard deviation, or None where the model predicts none.

        Args:
            daily: (B, M, 31, h, w) in the unit of the model (°C; logarithms of it where the variable has them), NaN =
                missing, as :func:`engine.data.by_month` arranges days.
            padded: (B, M, 31) bool, True = no day of the month.
            phases: (B, M, 31, 3) radians, of :func:`engine.data.by_month`.
            months: (B, M) months of the year, 1 to 12.
            ice: (B, M, h, w) share of the month's days with ice, where it is known: the standard deviation is scaled
                there as it was fitted for ice, elsewhere by the number of observed days.

        Land is NaN. A month of a sample without any observation is the climatology, and nothing lies below the freezing
        point or beyond other bounds of the variable.
        """
        batch = daily.shape[0]
        missing = torch.isnan(daily) | self.land | padded[..., None, None]
        values = torch.where(missing, torch.zeros_like(daily), daily)
        features = None if self.features is None else self.features.expand(batch, -1, -1)
        place = self.lonlat.expand(batch, -1, -1), features
        land = self.land.expand(batch, -1, -1)
        result = self.model.forward_details(
            values[:, None], missing[:, None], land, padded, phases, place, self.climatology[months - 1],
            attention=False, check=False,
        )  # fmt: skip
        is_unseen = missing.flatten(2).all(dim=2)[..., None, None]
        mean = torch.where(is_unseen, self.fallback[months - 1], result.mean)
        if not self.variable.is_logarithmic and (self.variable.least is not None or self.variable.most is not None):
            mean = mean.clamp(self.variable.least, self.variable.most)
        mean = mean.masked_fill(self.land, torch.nan)
        if result.std is None:
            return mean, None
        classes = torch.bucketize((~missing).sum(dim=2), self.num_edges, right=True)
        if ice is not None:
            classes = classes.masked_fill(ice > ICE_FRACTION, len(OBSERVATION_CLASSES) - 1)
        return mean, (result.std * self.std_factors[classes]).masked_fill(self.land, torch.nan)


def load(model: str | Path, lat_deg: ArrayLike, lon_deg: ArrayLike, land: ArrayLike | None = None) -> RegionModel:
    """A trained model as a module of torch: a run's id or folder, a model's file, or ``"pretrained"``.

    Raises:
        StoreError: there is none, or the file is damaged.
        GridError, ChoiceError, DataError: as :class:`RegionModel`.
    """
    return RegionModel(load_model(model), lat_deg, lon_deg, land)
