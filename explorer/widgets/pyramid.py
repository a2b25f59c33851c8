"""The pyramid of spherical harmonics: one small picture for every degree (row) and order (column), each clickable."""

from typing import Annotated, Any, ClassVar

import numpy as np
import param
from pydantic import AfterValidator, Field

from explorer.widgets.component import Component, code_beside


def _checked_tile(tile: list[int]) -> list[int]:
    degree, order = tile
    if not 0 <= abs(order) <= degree:
        raise ValueError(f"degree {degree} has no order {order}")
    return tile


def pack_tiles(tiles: np.ndarray) -> bytes:
    """Tiles ``(L+1)², h, w`` of values in [-1, 1] (NaN = clear), as the client reads them.

    Header of three little-endian uint16 (L, h, w), then one byte a pixel: 0 is clear, 1…255 run from -1 to 1.
    """
    count, height, width = tiles.shape
    degree = round(count**0.5) - 1
    levels = np.where(np.isfinite(tiles), np.round(128 + 127 * np.clip(np.nan_to_num(tiles), -1, 1)), 0)
    return np.array([degree, height, width], "<u2").tobytes() + levels.astype(np.uint8).tobytes()


class Pyramid(Component):
    """Draws packed tiles in a triangle, degree downwards and order from -l to l, and reports which one was chosen."""

    tiles = param.Bytes(default=b"", doc="see pack_tiles")
    colormap = param.Bytes(default=b"", doc="256 RGB triples")
    selected = param.List(default=[0, 0], doc="degree and order of the marked tile")
    label = param.String(default="Triangle of spherical harmonics")

    from_browser: ClassVar[dict[str, Any]] = {
        "selected": Annotated[
            list[Annotated[int, Field(ge=-180, le=180)]],
            Field(min_length=2, max_length=2),
            AfterValidator(_checked_tile),
        ]
    }

    css_classes = param.List(default=["drawing"])

    _esm = code_beside(__file__)
