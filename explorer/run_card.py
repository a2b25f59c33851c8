"""The card over a stage for work that is a run: found again by what it computes, started, stopped, resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import EngineError
from engine.queries.text import duration
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer import layout
from explorer.layout import box, show
from explorer.registry import Registry
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.text import html, number, paragraph, paragraphs, progress

_DOUBLE_CLICK_S = 0.6

# When several runs compute the same, the one that is furthest along counts. A run that never began is nobody's answer.
_RANK = {"done": 0, "running": 1, "queued": 2, "interrupted": 3, "cancelled": 4, "failed": 5}


@dataclass(frozen=True)
class Offer:
    """What the card starts: the work itself, what the run is called, and what is said before it is begun."""

    config: RunConfig
    name: str
    invitation: str


class RunCard:
    """One button an action: a click counts for what it was aimed at, however late the server hears of it.

    ``work`` names the work in a sentence ("The fit"); ``start`` and ``stop`` are the buttons' labels.
    """

    def __init__(self, session: Session, registry: Registry, work: str, start: str, stop: str) -> None:
        self._session = session
        self._registry = registry
        self._work = work
        self._offer: Offer | None = None
        self._configs: dict[str, RunConfig | None] = {}
        self._words = html("")
        self._buttons = {
            "start": controls.button(start, on_click=lambda _: self._try(self._start)),
            "stop": controls.button(stop, visible=False, on_click=lambda _: self._try(self._stop)),
            "resume": controls.button("Resume", visible=False, on_click=lambda _: self._try(self._resume)),
        }
        self._offered = 0.0
        self.card = box(self._words, *self._buttons.values(), css=layout.CARD, styles={"display": "none"})

    def find(self, config: RunConfig, is_fresh: bool = False) -> RunRecord | None:
        """The run that computes this, if there is one; ``is_fresh``: as the disk has it now."""
        known = self._registry.store.records() if is_fresh else self._registry.records
        found = [
            record
            for record in known.values()
            if record.task == config.task and record.state in _RANK and self._config_of(record) == config
        ]
        return min(found, key=lambda record: _RANK[record.state], default=None)

    def _config_of(self, record: RunRecord) -> RunConfig | None:
        if record.id not in self._configs:
            try:
                self._configs[record.id] = self._registry.store.get(record.id).config
            except EngineError:
                self._configs[record.id] = None
        return self._configs[record.id]

    def hide(self) -> None:
        """Take the card away: nothing is to be run."""
        self._offer = None
        show(self.card, False)

    def show(self, offer: Offer, record: RunRecord | None) -> None:
        """Say where the run of ``offer`` stands and what can be done."""
        self._offer = offer
        if record is None:
            self._put(paragraph(offer.invitation), "start")
        elif record.state in ACTIVE:
            self._put(progress(record.progress, standing(self._work, record)), "stop")
        else:
            said = record.failure or f"{self._work} was {record.state} at {100 * record.progress:.0f} %."
            self._put(paragraphs([(said, record.state == "failed")]), "resume")
        show(self.card, True)

    def _put(self, content: str, action: str) -> None:
        self._words.object = content
        if not self._buttons[action].visible:
            self._offered = time.monotonic()
            for name, button in self._buttons.items():
                button.visible = name == action

    def launch_missing(self, offers: list[Offer]) -> None:
        """Start what nobody has started yet."""

        def launch() -> None:
            for offer in offers:
                if self.find(offer.config, is_fresh=True) is None:
                    self._launch(offer)

        self._try(launch)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except EngineError as error:
            self._session.say("error", str(error))
        self._registry.look_now()

    def _launch(self, offer: Offer) -> None:
        store = self._registry.store
        store.launch(store.create(offer.config, name=offer.name))

    # What this server saw last may be a moment old, and another click or session may have been quicker: the disk says.

    def _start(self) -> None:
        if self._offer is not None and self.find(self._offer.config, is_fresh=True) is None:
            self._launch(self._offer)

    def _stop(self) -> None:
        record = self._offer and self.find(self._offer.config, is_fresh=True)
        # the second half of a double click on "start" must not land on the "stop" that took its place
        if record and record.can_cancel and time.monotonic() - self._offered > _DOUBLE_CLICK_S:
            self._registry.store.get(record.id).cancel()

    def _resume(self) -> None:
        record = self._offer and self.find(self._offer.config, is_fresh=True)
        if record and record.can_resume:
            self._registry.store.get(record.id).resume()


def standing(work: str, record: RunRecord) -> str:
    """Where a run that waits or works stands, in words."""
    if record.is_stopping:
        return f"{work} is being stopped."
    if record.state == "queued":
        return f"{work} waits for its turn."
    step = "" if record.epoch is None else f" at step {number(record.epoch)} of {number(record.num_epochs or 0)}"
    left = "" if record.seconds_left is None else f", about {duration(record.seconds_left)} left"
    return f"{work} runs in the background{step}{left}."
