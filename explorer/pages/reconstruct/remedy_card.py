"""Buttons below the maps of Reconstruct: what would give a result, or scores, where there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from engine.queries import reconstruct
from engine.queries.ocean import SourceChoice
from explorer import layout
from explorer.background import LatestTask, unseen
from explorer.layout import box, fill, show
from explorer.pages.reconstruct import text
from explorer.widgets import controls

_CSS = f"{layout.CARD} :host {{ flex-wrap: wrap; gap: 8px }} :host > div:first-of-type {{ flex: none }}"


class RemedyCard:
    """``acts`` are what the buttons do, by the keys of :data:`text.REMEDIES`; the card is hidden without buttons."""

    def __init__(self, acts: Mapping[str, Callable[[], object]]) -> None:
        self._acts = acts
        self._search = LatestTask(unseen, lambda _: None)
        self.part = box(css=_CSS, styles={"display": "none"})

    def offer(self, *names: str) -> None:
        """Show these buttons, the first one in the accent's colour."""
        self._search.cancel()
        self._show(names)

    def search(self, run: str, choice: SourceChoice) -> None:
        """Show what would go in place of this model on this source."""
        self._search.start(lambda _: reconstruct.remedies(run, choice), self._show)

    def clear(self) -> None:
        """Hide the card."""
        self.offer()

    def _show(self, names: tuple[str, ...]) -> None:
        fill(self.part, *(self._button(name, place) for place, name in enumerate(names)))
        show(self.part, bool(names))

    def _button(self, name: str, place: int) -> object:
        def press(act: Callable[[], object], _: object) -> None:
            act()

        variant = "outlined" if place else "contained"
        return controls.button(text.REMEDIES[name], variant=variant, on_click=partial(press, self._acts[name]))
