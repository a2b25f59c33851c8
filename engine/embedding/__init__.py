"""Location embeddings: a basis of spherical-harmonic components fitted over a region, and learned encoders."""

# pyright: reportUnusedImport=false

from engine.embedding._covariance import Moments
from engine.embedding.basis import MAX_MASKED_DEGREE, HarmonicBasis
from engine.embedding.encoders import (
    ENCODERS,
    TOKEN_ENCODERS,
    Encoder,
    EncoderConfig,
    GeoPositionScale,
    Parameter,
    build_encoder,
    encode,
    encoder_width,
    sinusoidal_embedding,
    sized_parameters,
)
from engine.embedding.passport import agreement
from engine.embedding.patches import Patches
from engine.embedding.position import clipped_fraction, position_embedding, position_field
from engine.embedding.scale import SCALE_FEATURES, scale_features
from engine.embedding.table import Embedding2d
