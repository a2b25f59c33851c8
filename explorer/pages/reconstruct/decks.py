"""The months that wait in the browser, one deck a map: what each map draws of a month."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

import numpy as np

from engine.queries import reconstruct
from engine.queries.cache import Progress
from engine.queries.reconstruct import MonthRequest, MonthResult
from explorer.deck import Card, Deck
from explorer.pages.reconstruct.model import SWIPE, ReconstructModel
from explorer.widgets.globe import Globe
from explorer.widgets.packets import Axes, pack_field, pack_mask

MONTH = "month"
"""The control that chooses a card."""
_AHEAD = (1, 6)
"""Months held ahead: each is a computation of the model."""
_NAMING = {"day", "error_best"}
"""Layers whose caption changes from month to month."""


class MonthDecks:
    """The decks of all maps; ``answer`` is the index of a month, and the number of the choice it answers."""

    def __init__(self, model: ReconstructModel) -> None:
        self.model = model
        self._decks: list[Deck] = []
        self._name = ""

    def add(self, globe: Globe) -> None:
        """The deck of another map."""
        self._decks.append(Deck(globe, MONTH, _AHEAD))

    def has_selection(self, weights: str) -> bool:
        """Whether the browser has the selected month, and draws it without waiting for the server."""
        return self._name == self._name_of(weights) and self._decks[0].has(self.model.month)

    def withdraw(self) -> None:
        """Hold no months."""
        self._name = ""
        for deck in self._decks:
            deck.withdraw()

    def offer(self, weights: str) -> None:
        """Hold months beside the one on screen, computed with ``weights``: of layers with one caption for all months,
        and while no cloud is drawn, which is on one month.
        """
        model, cases, names, panes = self.model, self._cases(), self._layers(), self.model.panes
        self._name = self._name_of(weights)
        if not self._name:
            self.withdraw()
            return

        def make(at: int, index: int, report: Progress) -> Card:
            month = reconstruct.reconstruct_month(cases[index], report)
            fields = {name: reconstruct.layer(month, name) for name in names}
            return cards(fields, month.lat, month.lon, month, (month.request, panes, *names, 0, ""), panes)[at]

        for at, deck in enumerate(self._decks):
            if at < (1 if panes == SWIPE else len(names)):
                deck.offer(self._name, len(cases), model.month, partial(make, at))
            else:
                deck.withdraw()

    def _layers(self) -> tuple[str, ...]:
        return tuple(name for name in self.model.shown if name in self.model.offered)

    def _cases(self) -> list[MonthRequest]:
        return [self.model.case(iso, with_clouds=False) for iso in self.model.months]

    def _name_of(self, weights: str) -> str:
        """The name of the decks of the selection, whichever its month; empty where it has none."""
        layers = self._layers()
        if self.model.clouds or not _NAMING.isdisjoint(layers):
            return ""
        return hashlib.sha256(f"{self._cases()} {weights} {self.model.panes} {layers}".encode()).hexdigest()

    def answer(self, at: int, card: Card, answer: tuple[int, int]) -> dict[str, bytes]:
        """The fields of the map ``at``."""
        return self._decks[at].answer(lambda: card, *answer, is_pair=bool(card.field_b))


def cards(
    layers: Mapping[str, np.ndarray],
    lat: np.ndarray,
    lon: np.ndarray,
    month: MonthResult | None,
    key: tuple[object, ...],
    panes: str,
) -> list[Card]:
    """What each map draws of layers (H, W): one map with a divider, or a map a layer, with clouds and ice."""
    axes = Axes.of(lat, lon)
    marked = (None, None) if month is None else (month.hidden, month.ice & ~month.data.land)
    clouds, ice = (pack_mask(mask, axes) if mask is not None and mask.any() else b"" for mask in marked)
    packed = [pack_field(field, axes, f"{index}-{hash(key):x}") for index, field in enumerate(layers.values())]
    pairs = (
        [(packed[0], packed[1] if len(packed) > 1 else b"")] if panes == SWIPE else [(field, b"") for field in packed]
    )
    return [Card(*pair, domain=clouds, hatched=ice) for pair in pairs]
