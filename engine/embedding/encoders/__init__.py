"""Location encoders: fixed maps from a place to numbers by name, and the modules that add them to a model's tokens."""

# pyright: reportUnusedImport=false

from engine.config.encoders import Parameter
from engine.embedding.encoders.encoder import Encoder
from engine.embedding.encoders.modules import (
    TOKEN_ENCODERS,
    EncoderConfig,
    GeoPositionScale,
    build_encoder,
    sinusoidal_embedding,
)
from engine.embedding.encoders.registry import ENCODERS, encode, encoder_width, sized_parameters
