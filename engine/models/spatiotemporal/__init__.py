"""The spatio-temporal model: gappy days of a window to whole months, by attention over days, months and places."""

from engine.models.spatiotemporal.decoder import MonthlyConvDecoder
from engine.models.spatiotemporal.estimate import ResourceEstimate, count_parameters, estimate
from engine.models.spatiotemporal.model import Reconstruction, SpatioTemporalModel, encoder_config
from engine.models.spatiotemporal.spatial import Place, SpatialPositionalEncoding2D, SpatialTransformer
from engine.models.spatiotemporal.temporal import TemporalAttentionAggregator, TemporalPositionalEncoding
from engine.models.spatiotemporal.video import VideoEncoder

__all__ = [
    "MonthlyConvDecoder",
    "Place",
    "Reconstruction",
    "ResourceEstimate",
    "SpatialPositionalEncoding2D",
    "SpatialTransformer",
    "SpatioTemporalModel",
    "TemporalAttentionAggregator",
    "TemporalPositionalEncoding",
    "VideoEncoder",
    "count_parameters",
    "encoder_config",
    "estimate",
]
