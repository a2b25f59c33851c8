"""Fields and masks to work on."""

from engine.data.land import coastlines, land_mask

__all__ = ["coastlines", "land_mask"]
