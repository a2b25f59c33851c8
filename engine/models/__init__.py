"""Models: what learns a field."""

from engine.models.spatial_conv import SpatialConv

__all__ = ["SpatialConv"]
