"""Read-out of a globe: the colour scale with a mark at the pointer, and value and position as text.

Both listen to the globe's DOM event ``harmonia:hover``, so nothing goes through the server.
"""

from __future__ import annotations

import param

from explorer.widgets.component import Component, client_code

_BAR = "export const render = renderBar"
_HOVER = "export const render = renderHover"


class ColorScale(Component):
    """The colour scale of a globe: label and units above, both ends and the middle below, a mark at the pointer.

    Where the colours are kinds rather than values, ``names`` of the first and the last stand below in place of numbers.
    """

    colormap = param.Bytes(default=b"", doc="256 × 3 bytes; see colormap_bytes")
    vmin = param.Number(default=0.0, doc="value of the first colour")
    vmax = param.Number(default=1.0, doc="value of the last colour")
    label = param.String(default="", doc="what is shown")
    units = param.String(default="", doc="in what units")
    names = param.List(default=[], item_type=str, doc="of the first and the last kind; empty = numbers")
    logarithmic = param.Boolean(default=False, doc="whether values are decimal logarithms of what is shown")
    group = param.String(default="", doc="the globe's group")

    _esm = f"{client_code('dom.js', 'readout.js')}\n{_BAR}"


class HoverReadout(Component):
    """The value and the position under the pointer, as text."""

    span = param.Number(default=1.0, doc="range of the values, which says how many decimals are worth showing")
    units = param.String(default="", doc="of the value")
    logarithmic = param.Boolean(default=False, doc="whether values are decimal logarithms of what is shown")
    scales = param.Dict(default={}, doc="{pane: [span, units, logarithmic]} where the panes differ")
    hint = param.String(default="Point at the globe", doc="shown while the pointer is elsewhere")
    group = param.String(default="", doc="the globe's group")

    _esm = f"{client_code('dom.js', 'readout.js')}\n{_HOVER}"
