"""Which part of the Earth counts: the whole sphere, the ocean, the land, or a box."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.data.land import land_mask
from engine.errors import ChoiceError

if TYPE_CHECKING:
    from engine.sphere import LatLonGrid

DOMAINS = {"sphere": "Whole sphere", "ocean": "Ocean", "land": "Land", "box": "Box"}


@dataclass(frozen=True)
class Domain:
    """Which cells count: ``kind`` of :data:`DOMAINS`; the edges in degrees matter for a box only.

    A box may cross the date line (``west`` > ``east``).
    """

    kind: str = "sphere"
    south: float = -30.0
    north: float = 30.0
    west: float = 120.0
    east: float = -80.0

    def __post_init__(self) -> None:
        if self.kind not in DOMAINS:
            raise ChoiceError(f"there is no domain {self.kind!r}", "domain", f"choose one of {', '.join(DOMAINS)}")
        if self.kind == "box" and not (-90 <= self.south < self.north <= 90):
            raise ChoiceError(
                f"the box runs from {self.south:g}° to {self.north:g}° north", "domain", "choose south below north"
            )

    def describe(self) -> dict[str, Any]:
        """As plain values, for a file's metadata."""
        return asdict(self) if self.kind == "box" else {"kind": self.kind}

    def mask(self, grid: LatLonGrid) -> NDArray[np.bool_] | None:
        """``(H, W)``, True = counts, by cell centre; None for the whole sphere."""
        if self.kind == "sphere":
            return None
        if self.kind in ("ocean", "land"):
            land = land_mask(grid).numpy()
            return land if self.kind == "land" else ~land
        width = (self.east - self.west) % 360 or 360.0
        in_lon = (grid.lon - self.west) % 360 <= width
        in_lat = (grid.lat >= self.south) & (grid.lat <= self.north)
        return in_lat[:, None] & in_lon[None, :]
