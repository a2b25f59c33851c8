"""The server's side of a deck: what the browser lacks is made, nearest first, and nothing that it no longer wants."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DataError
from explorer import deck as deck_module
from explorer.deck import Card, Deck
from explorer.widgets import Globe
from tests.support.held_tasks import HeldTask, held_tasks


class Page:
    """A globe with a deck of 100 fields, whose cards and messages are noted; work waits until :meth:`work`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tasks: type[HeldTask] = held_tasks()
        monkeypatch.setattr(deck_module, "LatestTask", self.tasks)
        self.globe = Globe()
        self.indices: list[int] = []
        self.cards: list[dict[str, Any]] = []
        monkeypatch.setattr(self.globe, "_send_msg", lambda message: self.cards.append(message["card"]))
        self.deck = Deck(self.globe, "day")
        self.deck.offer("a", 100, 10, self.make)

    def make(self, index: int, _: object) -> Card:
        self.indices.append(index)
        if index == 13:
            raise DataError("the file ends", "sst.nc", "fetch it again")
        return Card(f"field {index}".encode())

    def ask(self, *cards: int, held: tuple[int, ...] = (), received: int = 0, deck: str = "a") -> None:
        self.globe.wish = {"deck": deck, "cards": list(cards), "held": list(held), "received": received}

    def work(self, steps: int = 99) -> None:
        (task,) = self.tasks.created
        while task.running and steps:
            task.finish()
            steps -= 1

    @property
    def sent(self) -> list[int]:
        return [card["index"] for card in self.cards]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


def test_cards_are_made_in_the_order_of_the_wish_and_none_twice(page: Page) -> None:
    assert page.globe.deck == {"name": "a", "control": "day", "count": 100, "index": 10, "ahead": [2, 24]}
    page.ask(11, 9, 12)
    page.work()
    assert page.sent == [11, 9, 12]
    page.ask(9, 12, 14, 100, held=(11,), received=1)  # 9 and 12 are still under way; 100 is none
    page.work()
    assert page.sent == [11, 9, 12, 14]
    page.ask(9, held=(), received=4)  # they have arrived, and were dropped for want of room
    page.work()
    assert page.sent == [11, 9, 12, 14, 9]


def test_what_the_hand_left_behind_is_not_made(page: Page) -> None:
    page.ask(11, 12, 13, 14)
    page.work(1)
    page.ask(51, 52, received=1)
    page.work()
    assert page.indices == [11, 51, 52]
    assert page.sent == [11, 51, 52]


def test_a_wish_that_still_wants_what_is_being_made_does_not_start_it_again(page: Page) -> None:
    page.ask(11, 12)
    (task,) = page.tasks.created
    work = task._work
    page.ask(12, 11)
    assert task._work is work
    page.work()
    assert page.sent == [11, 12]


def test_another_deck_ends_the_wishes_of_the_last(page: Page) -> None:
    page.ask(11, 12)
    page.deck.offer("b", 5, 0, page.make)
    page.work()
    page.ask(12)  # of the last deck, late
    page.work()
    assert page.indices == []
    page.ask(1, deck="b")
    page.work()
    assert [card["deck"] for card in page.cards] == ["b"]
    page.deck.withdraw()
    assert page.globe.deck == {}
    page.ask(2, deck="")
    page.work()
    assert page.sent == [1]


def test_what_cannot_be_made_is_an_empty_card_and_the_rest_follows(page: Page) -> None:
    page.ask(13, 14)
    page.work()
    assert [(card["index"], card["field"]) for card in page.cards] == [(13, b""), (14, b"field 14")]


def test_a_card_that_the_browser_has_is_only_named(page: Page) -> None:
    field = b"\x02\0\0\0{}  " + bytes(1000)
    card = Card(field, field)

    def answer(index: int, is_pair: bool = True) -> tuple[int, int]:
        parts = page.deck.answer(lambda: card, index, 7, is_pair)
        return len(parts["field"]), len(parts["field_b"])

    assert min(answer(11)) > 1000
    page.ask(11, 12)
    page.work(1)
    assert max(answer(11)) < 200  # under way
    assert min(answer(12)) > 1000
    assert answer(11, is_pair=False)[1] == 0
    page.ask(12, held=(11,), received=1)
    assert max(answer(11)) < 200
    page.ask(12, held=(), received=1)
    assert min(answer(11)) > 1000
    page.ask(held=(11,), received=1)
    page.deck.offer("b", 5, 0, page.make)
    assert min(answer(11)) > 1000
