"""The model of a configuration, by its architecture."""

from __future__ import annotations

from engine.config.model import SpatioTemporalConfig
from engine.models.spatiotemporal.model import SpatioTemporalModel
from engine.models.unet import UNetModel

ReconstructionModel = SpatioTemporalModel | UNetModel
"""Models that are called alike: days with gaps in, whole months out."""


def build_model(config: SpatioTemporalConfig) -> ReconstructionModel:
    """The model of ``config``, with random weights."""
    return UNetModel(config) if config.architecture == "unet" else SpatioTemporalModel(config)
