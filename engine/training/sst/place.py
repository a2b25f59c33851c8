"""What a model's location input is worth: the same months estimated with the true places of the patches and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from engine.config.model import SpatioTemporalConfig
from engine.data.source import MonthlyData
from engine.evaluation.scores import score
from engine.models.baselines import ICE_FRACTION
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.positions import PatchPlace, PatchPositions, Positions
from engine.training.sst.samples import ModelInputs
from engine.training.sst.tiled_prediction import estimate_months
from engine.training.sst.windows import Corner
from engine.typed import Singles

_MOST_MONTHS = 12
"""Months that are estimated with other places: a year has every season."""


def has_place(config: SpatioTemporalConfig) -> bool:
    """Whether a model reads where its patches lie. The published model ``documented`` counts them in the window."""
    if config.architecture == "unet":
        return True
    return config.encoder != "none" and config.architecture != "documented"


@dataclass(frozen=True, eq=False)
class ZeroPositions:
    """All patches at 0° N, 0° E, all features 0."""

    positions: PatchPositions

    def of(self, corner: Corner) -> PatchPlace:
        """Centres (N, 2) and features (N, P) or None."""
        centres, features = self.positions.of(corner)
        return np.zeros_like(centres), None if features is None else np.zeros_like(features)


class OtherPositions:
    """Every patch of a window has the place of another one of it, drawn once for all months."""

    def __init__(self, positions: PatchPositions, seed: int) -> None:
        self._positions, self._seed = positions, seed
        self.of: Any = lru_cache(512)(self._of)
        """Centres (N, 2) and features (N, P) or None of the window at a corner."""

    def _of(self, corner: Corner) -> PatchPlace:
        centres, features = self._positions.of(corner)
        rng = np.random.default_rng((self._seed, max(0, corner.row), corner.column))
        order = rng.permutation(len(centres))
        other = np.empty_like(order)
        other[order] = np.roll(order, 1)  # one cycle through all patches, so that none keeps its own
        return centres[other], None if features is None else features[other]


def shifted_positions(positions: PatchPositions, config: SpatioTemporalConfig, shift_deg: float) -> PatchPositions:
    """The places ``shift_deg`` farther east, at the same latitudes."""
    windows = positions.windows
    grid = LatLonGrid(windows.grid.lat, windows.grid.lon + shift_deg)
    return PatchPositions(config, replace(windows, grid=grid), positions.basis)


def place_scores(
    bundle: ModelBundle,
    data: MonthlyData,
    true_mean: Singles,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any] | None:
    """Errors of a trained model on ``data`` with other places than the true ones, of at most twelve months.

    The weights stay as they are; only what the model is told of the patches' places changes: ``shifted``, by 180° of
    longitude; ``zero``, the same for all; ``other``, that of another patch of the window. ``true`` are those of
    ``true_mean`` (N, H, W), the estimate with the true places.

    Returns:
        By name ``mae``, model space (K), over the open sea, and ``abs_error``, its sums by month and block of space,
        from which :func:`engine.evaluation.place.place_worth` draws an interval; None for a model that reads no place,
        and where nothing can be scored.
    """
    config = bundle.settings.model
    if not has_place(config):
        return None
    data, true_mean = _first_months(data, _MOST_MONTHS), true_mean[:_MOST_MONTHS]
    assert data.target is not None
    if not (np.isfinite(data.target) & ~data.land & (data.ice <= ICE_FRACTION)).any():
        return None
    inputs = bundle.model_inputs(data)
    positions = PatchPositions(config, inputs.windows, bundle.basis)
    others: dict[str, Positions] = {
        "shifted": shifted_positions(positions, config, 180.0),
        "zero": ZeroPositions(positions),
        "other": OtherPositions(positions, seed),
    }
    means = {name: _mean(bundle, replace(inputs, positions=places), progress) for name, places in others.items()}
    sums = score(data, {"true": true_mean, **means})
    scores: dict[str, Any] = {}
    for name, blocks in sums.by_block().items():
        area, abs_error = (np.array(blocks[key]).sum(axis=-1) for key in ("area", "abs_error"))
        scores[name] = {"mae": float(abs_error.sum() / area.sum()), "abs_error": abs_error.tolist()}
    return scores


def _mean(bundle: ModelBundle, inputs: ModelInputs, progress: Callable[[float], None] | None) -> Singles:
    parts = estimate_months(bundle.model, inputs, bundle.settings, progress=progress)
    return np.concatenate([estimate.mean for _, estimate in parts])


def _first_months(data: MonthlyData, count: int) -> MonthlyData:
    cut = ("daily", "padded", "phases", "target", "ice", "years", "months")
    return replace(data, **{name: getattr(data, name)[:count] for name in cut})
