"""The list of runs of the Train page: filter, sort, choose, compare, and what can be done with the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param

from explorer.widgets.component import Component
from explorer.widgets.requests import Request, on_request


class TrainingList(Component):
    """Draws rows of plain text; ``do(request)`` is called with what is asked for.

    Filtering and sorting happen in the browser. Nothing that came from outside becomes markup.
    """

    rows = param.List(
        doc="dicts: id, title, name, note, tags, state, label, detail, share, failure, badge, verdict (good, bad or"
        " empty), score, created, is_trial, is_compared, can (list of cancel, resume, delete, move)"
    )
    deleted = param.List(doc="dicts of the bin: id, title")
    chosen = param.String(doc="id of the open row")
    problem = param.String(doc="why there is no list, as a sentence")
    asked = param.List(default=[], doc="requests: what, id, serial, and for annotate name, note, tags")
    answered = param.Integer(default=0, doc="serial of the last request that `rows` knows of")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, do: Callable[[Request], None], **params: Any) -> None:
        super().__init__(**params)
        on_request(self, do)
