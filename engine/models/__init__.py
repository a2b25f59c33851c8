"""Models: what learns a field."""

from engine.config.model import PRESETS, SpatioTemporalConfig
from engine.models.spatial_conv import SpatialConv
from engine.models.spatiotemporal import (
    MonthlyConvDecoder,
    Reconstruction,
    ResourceEstimate,
    SpatialPositionalEncoding2D,
    SpatialTransformer,
    SpatioTemporalModel,
    TemporalAttentionAggregator,
    TemporalPositionalEncoding,
    VideoEncoder,
    count_parameters,
    encoder_config,
    estimate,
)

__all__ = [
    "PRESETS",
    "MonthlyConvDecoder",
    "Reconstruction",
    "ResourceEstimate",
    "SpatialConv",
    "SpatialPositionalEncoding2D",
    "SpatialTransformer",
    "SpatioTemporalConfig",
    "SpatioTemporalModel",
    "TemporalAttentionAggregator",
    "TemporalPositionalEncoding",
    "VideoEncoder",
    "count_parameters",
    "encoder_config",
    "estimate",
]
