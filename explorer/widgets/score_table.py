"""A table of scores that the browser sorts and filters; a row of a run opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import param
from pydantic import Field
from typing_extensions import TypedDict

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Request, Serial, on_request, requests_of


class Open(TypedDict):
    """The run of a row is to be opened."""

    action: Literal["open"]
    id: Annotated[str, Field(max_length=100)]
    serial: Serial


class ScoreTable(Component):
    """Draws rows of plain text and numbers; ``on_choice(request)`` is called for a row that is opened."""

    columns = param.List(doc="dicts: label, is_number, and title, what it means; the first column names the row")
    rows = param.List(
        doc="dicts: id of the run that the row opens, or empty; group (model or baseline); level (lower, level, higher)"
        "; cells, of each column the text and the value it is sorted by, None last"
    )
    requests = param.List(default=[], doc="requests: action, id, serial")

    from_browser: ClassVar[dict[str, Any]] = {"requests": requests_of(Open)}

    _esm = code_beside(__file__)

    def __init__(self, on_choice: Callable[[Request], None], **params: Any) -> None:
        super().__init__(**params)
        on_request(self, on_choice)
