"""Fields and masks to work on."""

from engine.data.domain import DOMAINS, Domain
from engine.data.land import coastlines, land_mask

__all__ = ["DOMAINS", "Domain", "coastlines", "land_mask"]
