"""What all pages share: boxes that are filled, sentences that follow a choice, polling, words on an address."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import param
import pytest

from explorer.background import PeriodicTask
from explorer.layout import box, fill
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.text import html


class Choice(param.Parameterized):
    """A state with one number."""

    size = param.Integer(default=1)


class Beat:
    """A periodic callback that a test drives."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action, self.is_over = action, False

    def stop(self) -> None:
        self.is_over = True


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> list[Beat]:
    """The periodic callbacks that were asked for."""
    callbacks: list[Beat] = []
    monkeypatch.setattr(
        pn.state, "add_periodic_callback", lambda action, period: callbacks.append(Beat(action)) or callbacks[-1]
    )
    return callbacks


def test_polling_begins_once_and_ends_when_it_is_no_longer_wanted(beats: list[Beat]) -> None:
    called: list[int] = []
    task = PeriodicTask(lambda: called.append(1))
    task.turn(True)
    task.turn(True)
    assert len(beats) == 1
    assert task.running
    beats[0].action()
    assert called == [1]
    task.turn(False)
    task.turn(False)
    assert beats[0].is_over
    assert not task.running
    task.turn(True)
    assert len(beats) == 2


def test_a_sentence_follows_its_choice_and_is_no_markup() -> None:
    model = Choice()
    pane = controls.sentence(model, ["size"], lambda: f"{model.size} < 9")
    assert pane.object == "<p>1 &lt; 9</p>"
    model.size = 5
    assert pane.object == "<p>5 &lt; 9</p>"


def test_what_lies_in_a_box_already_is_not_sent_again() -> None:
    first, second, changes = html("1"), html("2"), []
    part = box()
    part.param.watch(changes.append, "objects")
    fill(part, first, second)
    fill(part, first, second)
    assert list(part) == [first, second]
    assert len(changes) == 1
    fill(part)
    assert not len(part)


def test_only_an_address_that_had_to_be_changed_is_spoken_of() -> None:
    session, messages = Session(), []
    session.say = lambda severity, sentence: messages.append((severity, sentence))
    session.say_changed([])
    session.say_changed(["one", "two"])
    assert messages == [("warning", "Changed in this address: one; two.")]
