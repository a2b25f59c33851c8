"""Positions of patches as inputs of a model: centres, and the features that a location encoder reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch

from engine.config.model import SpatioTemporalConfig
from engine.data.land import Domain
from engine.embedding import SCALE_FEATURES, HarmonicBasis, encode, position_embedding, scale_features
from engine.embedding.scale import Extent
from engine.errors import ChoiceError
from engine.models import encoder_config
from engine.sphere import LatLonGrid
from engine.training.sst.windows import Corner, Windows
from engine.typed import Floats, Singles

_FIT_STEP_DEG = 1.0
_REFERENCE_STEP_DEG = 1.0
_CACHED = 512

PatchPlace = tuple[Singles, Singles | None]
"""Centres (N, 2) of a window's patches, degrees, longitude first, and features (N, P) or None."""


class Positions(Protocol):
    """Places of the patches of any window."""

    @property
    def of(self) -> Callable[[Corner], PatchPlace]:
        """The places in the window at a corner."""
        ...


def fit_basis(config: SpatioTemporalConfig, max_degree: int) -> HarmonicBasis | None:
    """The ocean's basis that the encoder ``harmonic`` reads, the same whatever grid is learned on; None for others.

    Raises :class:`ChoiceError` for more components than the ocean determines.
    """
    if config.encoder != "harmonic":
        return None
    grid, ocean = LatLonGrid.regular(_FIT_STEP_DEG), Domain("ocean")
    basis = HarmonicBasis.fit(grid, max_degree, config.num_components, where=ocean.mask(grid), domain=ocean.describe())
    if basis.num_components < config.num_components:
        raise ChoiceError(
            f"the ocean determines {basis.rank} of {config.num_components} components",
            f"basis_degree L = {max_degree}",
            f"choose num_components ≤ {basis.rank}, or a higher degree",
        )
    return basis


class PatchPositions:
    """Centres and features of the patches of any window, as a model of ``config`` reads them.

    The scale features are given relative to those of a patch of as many cells of 1° on the equator, so that they are of
    the same order as the position. The published model ``repository`` reads them as they are, between the centres of a
    patch's outer cells where it has two or more each way.
    """

    def __init__(self, config: SpatioTemporalConfig, windows: Windows, basis: HarmonicBasis | None) -> None:
        self._patch: tuple[int, int] = config.patch[1:]
        self.windows = windows
        self.basis = basis
        self._encoder = encoder_config(config)
        self._as_published = config.architecture == "repository"
        self._extent: Extent = "centres" if self._as_published and min(self._patch) > 1 else "edges"
        is_absolute = self._as_published or not self._encoder.num_features
        self._reference = torch.zeros(()) if is_absolute else _reference(self._patch)
        self.of: Any = lru_cache(_CACHED)(self._of)
        """Centres (N, 2), degrees, longitude first, and features (N, P) or None of the window at a corner."""

    def _of(self, corner: Corner) -> PatchPlace:
        grid = self.windows.coordinates(corner)
        lat = grid.lat.reshape(-1, self._patch[0]).mean(axis=1)
        lon = grid.lon.reshape(-1, self._patch[1]).mean(axis=1)
        centres = np.stack(np.broadcast_arrays(lon, lat[:, None]), axis=-1)
        # what adds nothing for the widest patches: the centre's longitude from −180 to 180
        centres[..., 0] = (centres[..., 0] + 180.0) % 360.0 - 180.0
        centres = centres.reshape(-1, 2)
        return centres.astype(np.float32), self._features(grid, centres)

    def _features(self, grid: LatLonGrid, centres: Floats) -> Singles | None:
        if self.basis is not None:
            position = position_embedding(self.basis, grid, self._patch).flatten(0, 1)
        elif self._encoder.is_coded:
            position = encode(self._encoder.kind, centres[:, 1], centres[:, 0], **self._encoder.taken)
        else:
            return None
        if self._encoder.is_coded and not self._encoder.scale_features:
            return position.numpy()
        scale = (scale_features(grid, self._patch, self._extent) - self._reference).to(position.dtype)
        return torch.cat((position, scale.flatten(0, 1)), dim=-1).numpy()


def _reference(patch: tuple[int, int]) -> torch.Tensor:
    """The scale features (10,) of a patch of as many cells of 1° just north of the equator."""
    step = _REFERENCE_STEP_DEG
    lat, lon = (step * (np.arange(max(2, size)) + 0.5) for size in patch)
    row = scale_features(LatLonGrid(lat[: patch[0]], lon[: patch[1]]), patch)
    return row.reshape(len(SCALE_FEATURES))
