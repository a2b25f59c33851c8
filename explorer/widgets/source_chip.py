"""The source in use, as a button that opens a menu of other sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import param
from pydantic import Field
from typing_extensions import TypedDict

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Request, Serial, on_request, requests_of


class MenuRequest(TypedDict):
    """The menu was opened, or its entry at ``index`` was chosen."""

    action: Literal["open", "choose"]
    index: Annotated[int, Field(ge=-1, lt=1000)]
    serial: Serial


class SourceChip(Component):
    """Two lines on the source in use; ``answer(request)`` is called when the menu opens, and with what is chosen."""

    heading = param.String(doc="name of the source")
    detail = param.String(doc="its span, grid and share observed")
    is_waiting = param.Boolean(default=False, doc="whether a source is being opened")
    entries = param.List(doc="dicts: heading, detail, is_current")
    requests = param.List(default=[], doc="requests: action, index, serial")

    from_browser: ClassVar[dict[str, Any]] = {"requests": requests_of(MenuRequest)}

    _esm = code_beside(__file__)

    def __init__(self, answer: Callable[[Request], None], **params: Any) -> None:
        super().__init__(**params)
        on_request(self, answer)
