"""Controls of how a page's globe is drawn."""

from __future__ import annotations

from typing import Any

from explorer.layout import row
from explorer.page_model import PageModel
from explorer.widgets import controls
from explorer.widgets.globe import Globe

_PROJECTIONS = {"Globe": "globe", "Equal Earth": "equal_earth", "Flat": "plate_carree"}


def map_controls(model: PageModel, globe: Globe) -> list[Any]:
    """Projection, coastlines and graticule."""
    return [
        controls.segments(model.param.projection, _PROJECTIONS),
        row(
            controls.switch(globe.param.coast, "Coastlines"),
            controls.switch(globe.param.graticule, "Graticule"),
            gap_px=26,
        ),
    ]
