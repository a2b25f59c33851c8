"""The shell: a page that fails takes nothing else with it, and only this server's names are answered."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import panel_material_ui as pmui
import pytest
from bokeh.server.connection import ServerConnection
from tornado.websocket import WebSocketClosedError

from engine.errors import ChoiceError
from explorer import app, app_hooks
from explorer.pages import PAGES
from explorer.session import Page, Session

BASIS = next(page for page in PAGES if page.name == "basis")
FAILURES = [
    (ChoiceError("the box is empty", "box", "make it larger"), "the box is empty (box). Remedy: make it larger."),
    (KeyError("secret path"), "Something unexpected happened (KeyError). The server's log has the details."),
]


def broken_then_whole(error: Exception) -> Page:
    """A page that fails at its first visit."""
    visits = []

    def build(session: Session, query: dict[str, str]) -> object:
        visits.append(query)
        if len(visits) == 1:
            raise error
        return BASIS.build(session, query)

    return replace(BASIS, name="broken", title="Broken", build=build)


@pytest.mark.parametrize(("error", "sentence"), FAILURES)
def test_a_page_that_fails_shows_a_sentence_and_can_be_tried_again(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "PAGES", (BASIS, broken_then_whole(error)))
    shell = app.Shell(Session())
    shell.go("basis", {})
    with caplog.at_level(logging.ERROR):
        shell.go("broken", {"L": "5"})
    assert "the page broken could not be built" in caplog.text
    assert type(error).__name__ in caplog.text
    card = shell._frames["broken"]
    alert, retry = card.select(pmui.Alert)[0], card.select(pmui.Button)[0]
    assert alert.object == sentence
    # the rest lives on
    shell.go("basis", {"l": "2"})
    assert shell._frames["basis"].styles["display"] == ""
    assert card.styles["display"] == "none"
    retry.clicks += 1
    assert "broken" in shell._views


def test_an_exception_in_a_callback_is_logged_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    shell = app.Shell(Session())
    messages = []
    shell._say = lambda severity, sentence: messages.append((severity, sentence))
    shell._failed(ChoiceError("K is 0", "K", "choose K ≥ 1"))
    assert messages == [("error", "K is 0 (K). Remedy: choose K ≥ 1.")]
    assert "ChoiceError" in caplog.text


def test_an_unknown_page_opens_the_first_with_a_message() -> None:
    shell = app.Shell(Session())
    messages = []
    shell._say = lambda severity, sentence: messages.append(sentence)
    shell.visit({"page": "../x", "L": "9"})
    assert shell.session.page == "home"
    assert messages == ["There is no page “../x”. This is Harmonia."]
    assert shell.rail.address == "?page=home"


def lost_session() -> AssertionError:
    """What Bokeh raises when a browser whose session is gone says something, or leaves once more."""
    gone = ServerConnection.__new__(ServerConnection)
    gone._session = None
    with pytest.raises(AssertionError) as raised:
        _ = gone.session
    return raised.value


@pytest.mark.parametrize(
    ("error", "is_told"),
    [(WebSocketClosedError(), False), (lost_session(), False), (AssertionError(), True), (ValueError("real"), True)],
)
@pytest.mark.parametrize(
    "library",
    [
        "asyncio",  # a task's exception that nobody asked for
        "bokeh.server.protocol_handler",  # of a message
        "tornado.application",  # of a connection, whatever it was doing
    ],
)
def test_a_browser_that_left_is_no_fault_in_the_log(
    error: Exception, is_told: bool, library: str, caplog: pytest.LogCaptureFixture
) -> None:
    app_hooks.log_errors_only()
    logging.getLogger(library).error("it went wrong", exc_info=(type(error), error, error.__traceback__))
    assert ["it went wrong"] * is_told == caplog.messages


def test_an_error_stays_until_it_was_read_and_something_else_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Messages:
        def error(self, text: str, duration: int) -> SimpleNamespace:
            shown.append(text)
            return SimpleNamespace(destroy=lambda: shown.remove(text))

        def info(self, text: str, duration: int) -> SimpleNamespace:
            assert duration > 0
            return SimpleNamespace()

    monkeypatch.setattr(type(app.pn.state), "notifications", Messages())
    session, seconds = Session(), [0.0]
    shell = app.Shell(session, now=lambda: seconds[0])
    shell._say("error", "The disk is full")
    session.busy = True
    session.busy = False
    assert shown == ["The disk is full."], "it could not be read yet"
    seconds[0] = 7.0
    shell._say("error", "The file is gone")
    assert shown == ["The file is gone."]
    seconds[0] = 14.0
    session.busy = True
    assert shown
    session.busy = False
    assert not shown
