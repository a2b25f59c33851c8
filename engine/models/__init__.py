"""Models of fields and images."""

# pyright: reportUnusedImport=false

from engine.config.model import PRESETS, SpatioTemporalConfig
from engine.models.build import ReconstructionModel, build_model
from engine.models.spatial_conv import SpatialConv
from engine.models.spatiotemporal.decoder import MonthlyConvDecoder
from engine.models.spatiotemporal.estimate import ResourceEstimate, count_parameters, estimate
from engine.models.spatiotemporal.model import Reconstruction, SpatioTemporalModel, encoder_config
from engine.models.spatiotemporal.spatial import SpatialPositionalEncoding2D, SpatialTransformer
from engine.models.spatiotemporal.temporal import TemporalAttentionAggregator, TemporalPositionalEncoding
from engine.models.spatiotemporal.video import VideoEncoder
from engine.models.unet import UNetModel
