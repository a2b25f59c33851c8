"""A short list of places; a click on one leads there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Place, Serial


class ChosenPlace(Place):
    """The place of the row that was clicked."""

    serial: Serial


class PlaceList(Component):
    """Draws ``places`` as rows of plain text and calls ``go(lat, lon)`` with the one that was chosen."""

    places = param.List(doc="dicts: lat, lon, and words, a pair of texts")
    chosen = param.Dict(default={}, doc="set by the browser: lat, lon, serial")

    from_browser: ClassVar[dict[str, Any]] = {"chosen": ChosenPlace}

    _esm = code_beside(__file__)

    def __init__(self, go: Callable[[float, float], None], **params: Any) -> None:
        super().__init__(**params)
        self.param.watch(lambda event: go(event.new["lat"], event.new["lon"]), "chosen")
