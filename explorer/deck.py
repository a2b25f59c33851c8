"""Fields that may be wanted next, sent to the browser before they are: the server's side of ``client/deck.js``.

A page offers a row of fields, such as the days of a source, and what makes one of them. The browser asks for those that
it lacks, nearest first in the direction in which the hand moves; they are made one at a time off the event loop, and no
longer when another wish comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.queries.cache import Progress
from explorer.background import LatestTask, unseen
from explorer.widgets.globe import Globe
from explorer.widgets.packets import pack_reference, stamped


@dataclass(frozen=True)
class Card:
    """The fields and masks of one choice as the globe draws them, and the first and last value of their colours where
    these differ from card to card."""

    field: bytes
    field_b: bytes = b""
    domain: bytes = b""
    hatched: bytes = b""
    limits: tuple[float, float] | None = None


class Deck:
    """The deck of one globe, whose cards the control named ``control`` chooses by their index.

    The browser holds as many cards ahead as ``ahead`` says: after a jump, and after many steps in one direction.
    """

    def __init__(self, globe: Globe, control: str, ahead: tuple[int, int] = (2, 24)) -> None:
        self._globe = globe
        self._control = control
        self._ahead = ahead
        self._name = ""
        self._make: Callable[[int, Progress], Card] | None = None
        self._wanted: list[int] = []
        self._held: set[int] = set()
        self._sent: dict[int, int] = {}
        """The cards under way, each with its number: the browser has not said yet that it received them."""
        self._number = 0
        self._under_way = -1
        self._task = LatestTask(unseen, self._fail)
        globe.param.watch(lambda event: self._ask(event.new), "wish")

    def offer(self, name: str, count: int, index: int, make: Callable[[int, Progress], Card]) -> None:
        """Let the browser ask for the cards 0 … ``count`` - 1, of which ``index`` is on screen.

        Cards of one ``name`` are the same ones, and stay. ``make(index, progress)`` is called off the event loop.
        """
        if name == self._name:
            return
        self.withdraw()
        self._name, self._make = name, make
        plan = {"control": self._control, "count": count, "index": index, "ahead": list(self._ahead)}
        self._globe.deck = {"name": name, **plan}

    def withdraw(self) -> None:
        """Offer nothing."""
        self._task.cancel()
        self._name, self._make, self._wanted, self._under_way = "", None, [], -1
        self._held, self._sent = set(), {}
        if self._globe.deck:
            self._globe.deck = {}

    def has(self, index: int) -> bool:
        """Whether the browser has the card, or it is under way."""
        return bool(self._name) and (index in self._held or index in self._sent)

    def answer(self, make: Callable[[], Card], index: int, serial: int, is_pair: bool = False) -> dict[str, bytes]:
        """``field`` and ``field_b`` of the globe in answer to the choice ``serial`` of the hand; a pair has both.

        A card of the deck that the browser has, or that is under way, is only named.
        """
        stamp = {"serial": serial, "index": index, "deck": self._name}
        if self.has(index):
            reference = pack_reference(**stamp)
            return {"field": reference, "field_b": reference if is_pair else b""}
        card = make()
        return {"field": stamped(card.field, **stamp), "field_b": stamped(card.field_b, **stamp)}

    def _ask(self, wish: dict[str, Any]) -> None:
        """Make what the browser lacks, and nothing that it no longer wants."""
        deck = self._globe.deck
        if not deck or wish["deck"] != self._name:
            return
        self._held = set(wish["held"])
        self._sent = {index: number for index, number in self._sent.items() if number > wish["received"]}
        self._wanted = [index for index in wish["cards"] if index < deck["count"] and index not in self._sent]
        if self._task.running and self._under_way in wish["cards"]:
            self._wanted.remove(self._under_way)
            return
        self._task.cancel()
        self._next()

    def _next(self) -> None:
        make = self._make
        if make is None or not self._wanted:
            self._under_way = -1
            return
        self._under_way = index = self._wanted.pop(0)
        self._task.start(lambda report: make(index, report), partial(self._send, index))

    def _send(self, index: int, card: Card) -> None:
        self._number += 1
        self._sent[index] = self._number
        self._globe.send_card(deck=self._name, index=index, number=self._number, **vars(card))
        self._next()

    def _fail(self, _: Exception) -> None:
        """What cannot be made is not asked for again; why, is said when the hand chooses it."""
        self._send(self._under_way, Card(b""))
