"""The card over a stage for a background run: finds the run of a configuration, starts, stops and resumes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import EngineError
from engine.queries.text import duration
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer import layout
from explorer.layout import box, show
from explorer.registry import Registry, store_call
from explorer.session import Session
from explorer.switches import READ_ONLY, is_on
from explorer.widgets import controls
from explorer.widgets.text import html, number, paragraph, paragraphs, progress

_DOUBLE_CLICK_S = 0.6

# of several runs of one configuration, the most advanced; a run that never started does not match
_RANK = {"done": 0, "running": 1, "queued": 2, "interrupted": 3, "cancelled": 4, "failed": 5}


@dataclass(frozen=True)
class Offer:
    """A run to start: its configuration, its name, and the text before it starts."""

    config: RunConfig
    name: str
    invitation: str


class RunCard:
    """Each action has its own button, so that a late click cannot trigger another action.

    ``work`` is the subject of the status sentences ("The fit"); ``start`` and ``stop`` label the buttons.
    """

    def __init__(self, session: Session, registry: Registry, work: str, start: str, stop: str) -> None:
        self._session = session
        self._registry = registry
        self._work = work
        self._offer: Offer | None = None
        self._configs: dict[str, RunConfig | None] = {}
        self._text = html("")
        self._buttons = {
            "start": controls.button(start, on_click=lambda _: self._try(self._start)),
            "stop": controls.button(stop, visible=False, on_click=lambda _: self._try(self._stop)),
            "resume": controls.button("Resume", visible=False, on_click=lambda _: self._try(self._resume)),
        }
        for button in self._buttons.values():
            button.disabled = is_on(READ_ONLY)
        self._offered = 0.0
        self.card = box(self._text, *self._buttons.values(), css=layout.CARD, styles={"display": "none"})

    def find(self, config: RunConfig, is_fresh: bool = False) -> RunRecord | None:
        """The run of this configuration, if any; ``is_fresh``: read from disk now."""
        known = self._registry.store.records() if is_fresh else self._registry.records
        matches = [
            record
            for record in known.values()
            if record.task == config.task and record.state in _RANK and self._config_of(record) == config
        ]
        return min(matches, key=lambda record: _RANK[record.state], default=None)

    def _config_of(self, record: RunRecord) -> RunConfig | None:
        if record.id not in self._configs:
            try:
                self._configs[record.id] = self._registry.store.get(record.id).config
            except EngineError:
                self._configs[record.id] = None
        return self._configs[record.id]

    def hide(self) -> None:
        """Hide the card."""
        self._offer = None
        show(self.card, False)

    def show(self, offer: Offer, record: RunRecord | None) -> None:
        """Show the state of the run of ``offer`` and the button of the possible action."""
        self._offer = offer
        if record is None:
            self._put(paragraph(offer.invitation), "start")
        elif record.state in ACTIVE:
            self._put(progress(record.progress, status_sentence(self._work, record)), "stop")
        else:
            message = record.failure or f"{self._work} was {record.state} at {100 * record.progress:.0f} %."
            self._put(paragraphs([(message, record.state == "failed")]), "resume")
        show(self.card, True)

    def _put(self, content: str, action: str) -> None:
        self._text.object = content
        if not self._buttons[action].visible:
            self._offered = time.monotonic()
            for name, button in self._buttons.items():
                button.visible = name == action

    def launch_missing(self, offers: list[Offer]) -> None:
        """Start the runs that do not exist."""

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

    def _launch(self, offer: Offer) -> None:
        store_call(lambda store: store.launch(store.create(offer.config, name=offer.name)), self._registry)

    # the actions read the disk: another click or session may have changed a run since the last update

    def _start(self) -> None:
        if self._offer is not None and self.find(self._offer.config, is_fresh=True) is None:
            self._launch(self._offer)

    def _stop(self) -> None:
        record = self._offer and self.find(self._offer.config, is_fresh=True)
        # the second click of a double click on "start" must not hit "stop", which takes its place
        if record and record.can_cancel and time.monotonic() - self._offered > _DOUBLE_CLICK_S:
            store_call(lambda store: store.get(record.id).cancel(), self._registry)

    def _resume(self) -> None:
        record = self._offer and self.find(self._offer.config, is_fresh=True)
        if record and record.can_resume:
            store_call(lambda store: store.get(record.id).resume(), self._registry)


def status_sentence(work: str, record: RunRecord) -> str:
    """The state of a queued or running run."""
    if record.is_stopping:
        return f"{work} is being stopped."
    if record.state == "queued":
        return f"{work} is queued."
    step = "" if record.epoch is None else f" at step {number(record.epoch)} of {number(record.num_epochs or 0)}"
    left = "" if record.seconds_left is None else f", about {duration(record.seconds_left)} left"
    return f"{work} runs in the background{step}{left}."
