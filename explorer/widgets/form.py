"""A long form of settings, drawn by the browser from plain rows: some sixty Panel widgets would take a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param

from explorer.widgets.component import Component
from explorer.widgets.requests import Request, on_request


class SettingsForm(Component):
    """Draws ``fields`` by group. ``change(name, text)`` is called with what was put into a field.

    ``take(text)`` is called with the content of a file that was chosen. Nothing that came from outside becomes markup.
    """

    fields = param.List(
        doc="dicts: group, name, label, help, kind, text, low, high, problem, suggestions (texts), and for a choice"
        " options (dicts: text, label, is_legal)"
    )
    opened = param.List(default=[], doc="groups that are open at first")
    asked = param.List(default=[], doc="requests: what (set, file), name, text, serial")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, change: Callable[[str, str], None], take: Callable[[str], None], **params: Any) -> None:
        super().__init__(**params)
        self._change = change
        self._take = take
        on_request(self, self._answer)

    def _answer(self, asked: Request) -> None:
        if asked["what"] == "file":
            self._take(str(asked["text"]))
        else:
            self._change(str(asked["name"]), str(asked["text"]))
