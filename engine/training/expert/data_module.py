"""The data module of the geographic expert: tiles by split, centres, the prior, and the truth of the test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from engine.config.expert import ExpertSettings, FolderTiles, LandTiles
from engine.data.climate import SEA
from engine.data.demo_land import DemoLand
from engine.data.land import land_mask
from engine.data.ocean_tiles import ocean_tiles
from engine.data.tile_files import folder_tiles
from engine.data.tiles import Split, Tiles, TileSource
from engine.errors import DataError
from engine.evaluation.expert_scores import Truth
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import MixtureVMF, centres_of_kind
from engine.mvmf.loss import SEA_FRACTION
from engine.sphere import LatLonGrid, unit_vectors
from engine.training.expert.model_bundle import build
from engine.training.expert.prior import Prior, fit_prior
from engine.typed import Mask

_MASK_STEP_DEG = 0.5
_MAX_FIT_TILES = 2048  # of prior and standardisation


def open_tiles(settings: ExpertSettings, seed: int) -> TileSource:
    """The tiles that the settings name; ``seed`` cuts the Earth into training, validation and test.

    Synthetic land is cut by its own seed, so that runs of other seeds are scored on the same places.
    """
    tiles = settings.tiles
    if isinstance(tiles, LandTiles):
        return DemoLand(tiles.size, tiles.pixel_km, tiles.seed, tiles.num_lands)
    if isinstance(tiles, FolderTiles):
        return folder_tiles(tiles.path, seed)
    from engine.training.sst.data_module import open_source  # imports all that a reconstruction needs

    return ocean_tiles(open_source(tiles.source), tiles.size, tiles.num_days, seed)


def place_centres(settings: ExpertSettings, seed: int, sample: Tiles) -> Tensor:
    """Centres (K, 3) of the components, by the kind that the settings name; "near-data" may give fewer."""
    kind, num = settings.centres, settings.num_centres
    return centres_of_kind(
        kind, num, lambda: unit_vectors(sample.lat, sample.lon), land_cells, settings.separation_km, seed
    )


@cache
def land_cells() -> tuple[LatLonGrid, Mask]:
    """A grid and its land mask, for centres on land or in the sea."""
    grid = LatLonGrid.regular(_MASK_STEP_DEG)
    return grid, np.asarray(land_mask(grid))


@dataclass(frozen=True, eq=False)
class ExpertDataModule:
    """All data of a run before the first step; the same for the same settings and seed."""

    settings: ExpertSettings
    seed: int
    source: TileSource
    centres: Tensor
    prior: Prior
    sample: Tiles
    validation: Tiles
    test: Tiles

    @classmethod
    def of(cls, settings: ExpertSettings, seed: int) -> ExpertDataModule:
        """Draw the tiles that are kept, place the centres, fit the prior.

        Raises :class:`DataError` where all tiles of a split are sea.
        """
        source = open_tiles(settings, seed)
        sample = _first(source, "train", _MAX_FIT_TILES)
        validation = _first(source, "validation", settings.num_validation)
        test = _first(source, "test", settings.num_test)
        for tiles in (sample, validation, test):
            if not is_placed(tiles, settings).any():
                raise DataError(
                    "all tiles of a split are sea", source.name, "bring tiles of land, or say that they show the sea"
                )
        centres = place_centres(settings, seed, sample)
        placed = (tiles.take(is_placed(tiles, settings)) for tiles in (sample, validation))
        return cls(settings, seed, source, centres, fit_prior(centres, *placed), sample, validation, test)

    def model(self) -> GeographicExpert:
        """The network before the first step: its belief is the prior."""
        mixture = MixtureVMF(
            self.centres.float(),
            self.prior.log_kappa,
            self.prior.log_weights,
            learn_centres=self.settings.learn_centres,
            learn_kappa=self.settings.learn_kappa,
        )
        model = build(self.settings, len(self.source.bands), self.source.size, mixture, self.prior.climate, self.seed)
        model.standardise_by(torch.tensor(self.sample.pixels))
        return model

    def batch(self, step: int) -> Tiles:
        """The tiles of one step of training."""
        size = self.settings.batch
        return self.source.tiles("train", np.arange(step * size, (step + 1) * size))

    def truth(self) -> Truth:
        """The truth of the test."""
        tiles = self.test
        return Truth(tiles.lat, tiles.lon, tiles.day, tiles.climate, is_placed(tiles, self.settings))


def is_placed(tiles: Tiles, settings: ExpertSettings) -> Mask:
    """(N,), True = place and date are scored: all tiles of an ocean, and those of land that are not all sea."""
    if settings.shows_ocean:
        return np.ones(len(tiles.lat), bool)
    return tiles.climate[:, SEA] < SEA_FRACTION


def _first(source: TileSource, split: Split, limit: int) -> Tiles:
    count = source.count(split)
    return source.tiles(split, np.arange(limit if count is None else min(limit, count)))
