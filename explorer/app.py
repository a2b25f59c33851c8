"""The shell: navigation, the page on screen, the error boundary, the address bar, light and dark."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document

from engine.compute import describe_device
from explorer import allocator, layout, theme
from explorer.background import Debouncer
from explorer.help import help_texts
from explorer.layout import area, box, show
from explorer.pages import PAGES
from explorer.panel_compat import (
    follow_busy,
    forget_notifications,
    handle_exceptions,
    is_refusal,
    name_resources,
    page_template,
    short,
)
from explorer.registry import REGISTRY, Registry
from explorer.runs_panel import RunsPanel
from explorer.session import Page, PageView, Query, Session
from explorer.sources import SessionSources
from explorer.story import read_story, tour
from explorer.switches import READ_ONLY, is_on
from explorer.widgets.help_panel import HelpPanel
from explorer.widgets.rail import Rail
from explorer.widgets.requests import Allowance
from explorer.widgets.story_card import StoryCard
from explorer.widgets.text import error_text, sentence, title

log = logging.getLogger("harmonia")

_LOST = "The server does not answer any more. Runs go on without it. Reload the page when it is back."


_READ_MS = 6000
"""How long a message stays on screen."""

_PAGE_SX = {
    ".MuiAppBar-root": {"display": "none"},
    ".MuiToolbar-root": {"display": "none"},
    ".main-content": {"p": 0, "overflow": "hidden"},
}


def build() -> pmui.Page:
    """The whole application for one browser session."""
    assert pn.state.curdoc is not None, "a session has a document"
    name_resources(pn.state.curdoc)
    # signatures serve notebooks only, and cost half a second a session
    pn.extension(notifications=True, disconnect_notification=_LOST, apply_signatures=False)
    if pn.state.notifications is not None:
        pn.state.notifications.position = "top-center"
    dark = pn.state.cookies.get("harmonia-mode") != "light"
    session = Session(dark=dark)
    pn.state.on_session_destroyed(lambda _: session.release())
    pn.state.on_session_destroyed(lambda _: allocator.RELEASER.soon())
    shell = Shell(session)
    page = pmui.Page(
        title="Harmonia",
        main=[shell.root],
        dark_theme=dark,
        theme_config=theme.MATERIAL,
        theme_toggle=False,
        busy_indicator=None,
        template=page_template(),
        raw_css=[theme.stylesheet()],
        sx=_PAGE_SX,
    )
    follow_busy(page, session.param.busy)
    pn.state.on_session_destroyed(forget_notifications)
    shell.rail.jslink(page, dark="dark_theme")
    # not before the browser has loaded the document: changes while it loads are lost
    pn.state.onload(shell.open_first)
    return page


def warm_up() -> None:
    """Build the first pages once without a session, so that Panel has created what it creates once per class."""
    shell = Shell(Session())
    for page in PAGES[:2]:
        shell.go(page.name, {})
    root = shell.root.get_root(Document())
    del pn.state._views[root.ref["id"]]


class Shell:
    """Rail and pages. A page is built on its first visit, for this session only, then shown and hidden.

    An error stays on screen until it is closed, or has been read and something else has succeeded.
    """

    def __init__(
        self, session: Session, registry: Registry = REGISTRY, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.session = session
        self._views: dict[str, PageView] = {}
        self._frames: dict[str, pn.Column] = {}
        self.rail = Rail(
            items=[
                {"name": page.name, "title": page.link or page.title, "icon": page.icon, "plain": page.is_plain}
                for page in PAGES
            ],
            dark=session.dark,
            margin=0,
            sizing_mode="stretch_both",
            styles={"grid-area": "rail"},
        )
        self._host = area("page", css=layout.HOST)
        self.runs = RunsPanel(session, registry)
        self._runs_drawer = box(css=layout.RUNS, styles={"display": "none"})
        self.rail.link(self.runs, runs_open="is_open", bidirectional=True)
        self.runs.param.watch(lambda event: self._show_runs(event.new), "is_open")
        self.runs.param.watch(lambda event: self.rail.param.update(runs_count=event.new), "count")
        self.rail.runs_count = self.runs.count
        unseen: dict[str, Any] = {"margin": 0, "width": 0, "height": 0, "styles": {"position": "fixed"}}
        self._story = StoryCard(story=tour().model_dump(), **unseen)
        self._story.param.watch(lambda event: event.new and self.prepare(event.new), "prepare")
        self._story.param.watch(lambda event: event.new and self._open_story(event.new), "opened")
        over_page = HelpPanel(texts=help_texts().model_dump(), **unseen), self._story
        parts = self.rail, self._host, self._runs_drawer, *over_page
        self.root = box(*parts, css=layout.SHELL, sizing_mode="stretch_both")
        self.rail.link(session, dark="dark", bidirectional=True)
        session.param.watch(lambda event: self.rail.param.update(busy=event.new), "busy")
        self.rail.param.watch(lambda event: self._chosen(event.new), "page")
        self.rail.param.watch(lambda event: event.new and self.visit(dict(parse_qsl(event.new[1:]))), "visited")
        # the list of messages lives as long as the session
        self._errors_shown = Allowance(20, 1.0)
        self._now = now
        self._errors: list[tuple[float, Any]] = []
        session.param.watch(lambda event: event.new or self._drop_errors(), "busy")
        handle_exceptions(self._failed)
        session.say = self._say
        session.go = self.go
        self._sources = SessionSources(session, registry)
        # the address may lag behind a slider; the globe may not
        self._address = Debouncer(self._write_address, 150)

    def open_first(self) -> None:
        """Show the page that the address asks for."""
        arguments = pn.state.session_args or {}
        self.visit({key: values[0].decode(errors="replace") for key, values in arguments.items() if values})

    def visit(self, query: dict[str, str]) -> None:
        """Go where an address leads: its page first, then the page's own keys. An unknown page is reported."""
        name = query.pop("page", PAGES[0].name)
        if name in {page.name for page in PAGES}:
            self.go(name, query, is_whole=True)
        else:
            self.go(PAGES[0].name, {})
            self._say("warning", f"There is no page “{name[:40]}”. This is {PAGES[0].title}.")

    def go(self, name: str, query: Query, is_whole: bool = False) -> None:
        """Put the page ``name`` on screen, as ``query`` describes it when there is one.

        What a ``query`` that ``is_whole``, that of the address bar, leaves out is as at first; else it stays.
        """
        if name not in self._views:
            self._build(next(page for page in PAGES if page.name == name), query)
        elif query:
            self._views[name].model.restore(query, is_whole)
        for other, frame in self._frames.items():
            show(frame, other == name)
        self.session.page = name
        self.rail.page = name
        self._write_address()

    def prepare(self, address: str) -> None:
        """Build the page of an address behind the one on screen, so that it opens at once; one that stands is left."""
        query = dict(parse_qsl(address.removeprefix("?")))
        name = query.pop("page", "")
        page = next((page for page in PAGES if page.name == name), None)
        if page is not None and name not in self._frames:
            self._build(page, query)
            show(self._frames[name], name == self.session.page)

    def _open_story(self, text: str) -> None:
        self._story.story = read_story(text).model_dump()

    def _show_runs(self, wanted: bool) -> None:
        if wanted and not len(self._runs_drawer):
            self._runs_drawer.append(self.runs.list)
        show(self._runs_drawer, wanted)

    def _chosen(self, name: str) -> None:
        """Called when the rail's page changes, by a link or by :meth:`go`."""
        if name != self.session.page:
            self.go(name, {})

    def _build(self, page: Page, query: Query) -> None:
        try:
            view = page.build(self.session, query)
        except Exception as error:
            log.exception("the page %s could not be built", page.name)
            self._set_frame(page.name, self._error_card(page, error))
            return
        self._views[page.name] = view
        view.model.param.watch(lambda _: self._address.soon(), "address")
        self._set_frame(page.name, self._frame(page, view))

    def _set_frame(self, name: str, frame: pn.Column) -> None:
        self._frames[name] = frame
        self._host.objects = list(self._frames.values())

    def _frame(self, page: Page, view: PageView) -> pn.Column:
        if page.is_plain:
            return box(*view.stage, css=layout.PLAIN, sizing_mode="stretch_both")
        chip = pmui.Chip(
            label=describe_device() + (" · read only" if is_on(READ_ONLY) else ""),
            size="small",
            variant="outlined",
            margin=0,
            css_classes=["chip"],
            on_click=lambda _: self.runs.param.update(is_open=True),
        )
        source = [self._sources.chip()] if page.has_source else []
        drawer = area("drawer", *view.drawer, css=layout.DRAWER)
        show(drawer, self.rail.drawer_open)
        self.rail.param.watch(lambda event: show(drawer, event.new), "drawer_open")
        return box(
            drawer,
            area("head", title(page.title, page.subtitle), *source, *view.actions, chip, css=layout.HEAD),
            area("stage", *view.stage, css=layout.STAGE),
            area("plots", *view.plots, css=layout.PLOTS),
            area("read", *view.read, css=layout.READ),
            css=layout.PAGE,
            sizing_mode="stretch_both",
        )

    def _error_card(self, page: Page, error: Exception) -> pn.Column:
        retry = pmui.Button(label="Try again", variant="outlined", on_click=lambda _: self._rebuild(page))
        alert = pmui.Alert(object=error_text(error), title=f"{page.title} could not be opened", severity="error")
        return box(alert, retry, css=layout.ERROR)

    def _rebuild(self, page: Page) -> None:
        self._build(page, {})
        self._write_address()

    def _failed(self, error: Exception) -> None:
        """An exception in a callback: the trace goes to the log, a sentence to the screen; the page stays usable."""
        if is_refusal(error):
            log.warning("refused on page %s: %s", self.session.page, short(error))
        else:
            log.error("a callback failed on page %s", self.session.page, exc_info=error)
        if self._errors_shown.take():
            self._say("error", error_text(error))

    def _say(self, severity: str, text: str) -> None:
        if pn.state.notifications is not None:
            self._drop_errors()
            # a message before the browser has loaded would be lost
            pn.state.onload(lambda: self._show_message(severity, sentence(text)))

    def _show_message(self, severity: str, text: str) -> None:
        duration = 0 if severity == "error" else _READ_MS
        message = getattr(pn.state.notifications, severity)(text, duration=duration)
        if severity == "error":
            self._errors.append((self._now(), message))

    def _drop_errors(self) -> None:
        """Remove the errors that have been on screen long enough to be read."""
        before = self._now() - _READ_MS / 1000.0
        for at, message in self._errors:
            if at <= before:
                message.destroy()
        self._errors = [(at, message) for at, message in self._errors if at > before]

    def _write_address(self) -> None:
        view = self._views.get(self.session.page)
        query = {"page": self.session.page, **(view.model.address if view else {})}
        self.rail.address = "?" + urlencode(query, safe=",:")
