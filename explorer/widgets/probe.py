"""The exact number under the pointer: the map's own is that of a grid, and a sharp peak lies between its points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param

from explorer.widgets.component import Component
from explorer.widgets.globe import client_code


class Probe(Component):
    """Shows what ``look(lat, lon)`` says of the place under the pointer: a number, in the units of the ``label``."""

    label = param.String(default="Value", doc="what the number is")
    hint = param.String(default="Point at the globe", doc="shown while the pointer is elsewhere")
    group = param.String(default="", doc="the globe's group")
    at = param.Dict(default={}, doc="set by the browser: lat, lon, serial")
    answer = param.Dict(default={}, doc="to the browser: text, serial")

    # a question waits for its answer anyway; Panel need not hold it back for 50 ms
    _priority_changes: ClassVar[list[str]] = ["at"]

    _esm = client_code("format.js", "readout.js", "probe.js")

    def __init__(self, look: Callable[[float, float], str], **params: Any) -> None:
        super().__init__(**params)
        self._look = look
        self.param.watch(lambda event: self._answer(event.new), "at")

    def _answer(self, at: dict[str, Any]) -> None:
        self.answer = {"text": self._look(float(at["lat"]), float(at["lon"])), "serial": at["serial"]}
