"""Reusable parts of the screen."""

from explorer.widgets.globe import Globe, colormap_bytes
from explorer.widgets.packets import Axes, pack_colours, pack_field, pack_harmonics, pack_mask, pack_synthesis
from explorer.widgets.readout import ColorScale, HoverReadout
