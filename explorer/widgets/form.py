"""A long form of settings, drawn by the browser from plain rows: some sixty Panel widgets would take a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import param
from typing_extensions import TypedDict

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Line, Request, Serial, Text, on_request, requests_of


class FieldChange(TypedDict):
    """The text of a field, as a person wrote it."""

    action: Literal["set"]
    name: Line
    text: Text
    serial: Serial


class ChosenFile(TypedDict):
    """The content of a file that a person chose."""

    action: Literal["file"]
    text: Text
    serial: Serial


class SettingsForm(Component):
    """Draws ``fields`` by group. ``change(name, text)`` is called with what was put into a field.

    ``take(text)`` is called with the content of a file that was chosen. Nothing that came from outside becomes markup.
    """

    fields = param.List(
        doc="dicts: group, name, label, help, kind, text, low, high, problem, suggestions (texts), and for a choice"
        " options (dicts: text, label, is_legal)"
    )
    opened = param.List(default=[], doc="groups that are open at first")
    requests = param.List(default=[], doc="requests: action (set, file), name, text, serial")

    from_browser: ClassVar[dict[str, Any]] = {"requests": requests_of(FieldChange | ChosenFile)}

    _esm = code_beside(__file__)

    def __init__(self, change: Callable[[str, str], None], take: Callable[[str], None], **params: Any) -> None:
        super().__init__(**params)
        self._change = change
        self._take = take
        on_request(self, self._answer)

    def _answer(self, request: Request) -> None:
        if request["action"] == "file":
            self._take(str(request["text"]))
        else:
            self._change(str(request["name"]), str(request["text"]))
