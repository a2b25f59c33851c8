"""The state that one browser session shares between its pages, and the structure of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import param

from engine.errors import DataError
from engine.queries.ocean import SourceChoice, UploadHold

#: The keys of the address that belong to the page, as text.
Query = Mapping[str, str]


class Session(param.Parameterized):
    """One browser tab: the page it shows, its theme, and the ocean data that its pages use.

    Pages reach the shell and the shared state through it, never each other.
    """

    page = param.String(doc="name of the page on screen")
    dark = param.Boolean(default=True, doc="dark stage or light")
    source = param.ClassSelector(class_=SourceChoice, default=SourceChoice(), doc="the ocean that is in use")
    busy = param.Boolean(default=False, doc="whether long work is under way for this session")

    say: Callable[[str, str], None]
    """``say(severity, sentence)`` shows a short message; set by the shell."""
    go: Callable[[str, Query], None]
    """``go(page, query)`` opens a page as an address describes it; set by the shell."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.say = lambda severity, sentence: None
        self.go = lambda page, query: None
        self._hold: UploadHold | None = None
        self.param.watch(lambda _: self._hold_source(), "source")

    def _hold_source(self) -> None:
        """Keep the upload in use from being evicted."""
        self.release()
        if self.source.kind == "upload":
            with suppress(DataError):  # already evicted: its reader reports that
                self._hold = UploadHold(self.source.path)

    def release(self) -> None:
        """Release the upload held for this tab."""
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def say_changed(self, notes: Sequence[str]) -> None:
        """Report the changes to the keys of an address, if any."""
        if notes:
            self.say("warning", f"Changed in this address: {'; '.join(notes)}.")


@dataclass
class PageView:
    """What a page puts into the shell's areas, each a list of parts."""

    drawer: list[Any]
    stage: list[Any]
    plots: list[Any]
    read: list[Any]
    actions: list[Any]
    model: Any
    """The page's view-model. The shell watches its ``address`` (its keys of the address bar, as text) and calls its
    ``restore(query)`` after the browser's Back."""


@dataclass(frozen=True)
class Page:
    """One entry of the rail."""

    name: str
    title: str
    subtitle: str
    icon: str
    """The name of a drawing in ``widgets/rail.js``."""
    build: Callable[[Session, Query], PageView]
    has_source: bool = False
    """Whether the page uses the session's source, which its head then shows."""
    is_plain: bool = False
    """Whether the page's stage is all of it: without drawer, head and read-out."""
    link: str = ""
    """What the rail calls it, where that is not the title."""
