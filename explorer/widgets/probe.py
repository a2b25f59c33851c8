"""The exact number under the pointer: the map's own is that of a grid, and a sharp peak lies between its points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import param

from explorer.widgets.component import Component, client_code
from explorer.widgets.requests import Place, Serial


class Pointed(NamedTuple):
    """Where the pointer is: degrees, the value that is drawn there (None = none), whether right of a divider."""

    lat: float
    lon: float
    value: float | None
    second: bool


class PointerPlace(Place):
    """What the globe knows of the place under its pointer."""

    value: float | None
    second: bool
    serial: Serial


class Probe(Component):
    """Shows ``read(pointed)`` for the position under the pointer: a number, in the units of the ``label``.

    It is read again when a new field is drawn under a pointer that rests.
    """

    label = param.String(default="Value", doc="what the number is")
    hint = param.String(default="Point at the globe", doc="shown while the pointer is elsewhere")
    group = param.String(default="", doc="the globe's group")
    at = param.Dict(default={}, doc="set by the browser: lat, lon, value, second, serial")
    answer = param.Dict(default={}, doc="to the browser: text, serial")

    # a question waits for its answer anyway
    immediate: ClassVar[tuple[str, ...]] = ("at",)
    from_browser: ClassVar[dict[str, Any]] = {"at": PointerPlace}

    _esm = client_code("dom.js", "readout.js", "probe.js")

    def __init__(self, read: Callable[[Pointed], str], **params: Any) -> None:
        super().__init__(**params)
        self._read = read
        self.param.watch(lambda event: self._answer(event.new), "at")

    def _answer(self, at: dict[str, Any]) -> None:
        pointed = Pointed(at["lat"], at["lon"], at["value"], at["second"])
        self.answer = {"text": self._read(pointed), "serial": at["serial"]}
