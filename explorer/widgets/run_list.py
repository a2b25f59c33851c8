"""The list of runs: as a panel over any page, and in the drawer of the Train page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import param
from pydantic import Field
from typing_extensions import TypedDict

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Line, Request, Serial, on_request, requests_of

RunId = Annotated[str, Field(max_length=100)]


class Action(TypedDict):
    """What a person asks for, of the run ``id`` where it is about one."""

    action: Literal[
        "cancel", "close", "compare", "delete", "duplicate", "earlier", "empty", "later", "more", "open", "restore",
        "resume", "use",
    ]  # fmt: skip
    id: RunId
    serial: Serial


class Annotation(TypedDict):
    """The name, note and tags of a run."""

    action: Literal["annotate"]
    id: RunId
    name: Line
    note: Annotated[str, Field(max_length=100_000)]
    tags: Annotated[list[Line], Field(max_length=100)]
    serial: Serial


class RunList(Component):
    """Draws rows of plain text; ``on_choice(request)`` is called with what a person asks for, then ``after()`` once.

    As a panel it can be closed and shows the log of the chosen run and the machine. Otherwise rows can be filtered and
    sorted, which the browser does, chosen, compared, renamed and deleted. Nothing from outside becomes markup.
    """

    is_panel = param.Boolean(default=False)
    rows = param.List(
        doc="dicts: id, title, state, label, detail, share (0…1 or None), failure, can (list of cancel, resume, delete,"
        " move); outside a panel also name, note, tags, badge, level (lower, level, higher or empty), score, created,"
        " is_trial, is_compared"
    )
    chosen = param.String(doc="id of the open row")
    problem = param.String(doc="why there is no list, as a sentence")
    requests = param.List(default=[], doc="requests: action, id, serial, and for annotate name, note, tags")

    # a panel's
    num_older = param.Integer(default=0, doc="older runs that are not in rows")
    log = param.String(doc="the end of the chosen run's log")
    figures = param.List(doc="the chosen run's latest metrics: pairs of label and value")
    machine = param.List(doc="pairs of label and value")
    dashboard = param.String(doc="address of the Dask dashboard; empty for none")

    # the others'
    deleted = param.List(doc="dicts of the runs in the trash: id, title")
    answered = param.Integer(default=0, doc="serial of the last request that `rows` knows of")

    from_browser: ClassVar[dict[str, Any]] = {
        "requests": requests_of(Annotated[Action | Annotation, Field(discriminator="action")])
    }

    _esm = code_beside(__file__)

    def __init__(
        self, on_choice: Callable[[Request], None], after: Callable[[], None] = lambda: None, **params: Any
    ) -> None:
        super().__init__(**params)
        on_request(self, on_choice, after)
