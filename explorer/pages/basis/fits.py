"""Large fits of the Basis page: each is a background run, found again by what it computes."""

from __future__ import annotations

import time
from pathlib import Path

from engine.errors import EngineError
from engine.queries import DOMAINS, BasisConfig, fit_estimate
from engine.runs import ACTIVE, BasisSettings, RunConfig, RunRecord
from explorer import layout
from explorer.layout import box, show
from explorer.registry import Registry
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.text import html, paragraphs, progress

_DOUBLE_CLICK_S = 0.6

# When several runs compute the same, the one that is furthest along counts.
_RANK = {"done": 0, "running": 1, "queued": 2, "interrupted": 3, "cancelled": 4, "failed": 5}


def settings_of(config: BasisConfig) -> BasisSettings:
    """What a run must do for this basis: all components, so that K can be changed without another run."""
    domain = config.domain
    edges = (domain.south, domain.north, domain.west, domain.west + ((domain.east - domain.west) % 360.0 or 360.0))
    return BasisSettings.model_validate(
        {
            "step_deg": config.step_deg,
            "max_degree": config.max_degree,
            "num_components": (config.max_degree + 1) ** 2 - 1,
            "domain": domain.kind,
            "box": edges if domain.kind == "box" else None,
        }
    )


class Fits:
    """The card over the stage that starts, follows, cancels and resumes the run of the basis that is asked for."""

    def __init__(self, session: Session, registry: Registry) -> None:
        self._session = session
        self._registry = registry
        self._settings: dict[str, object] = {}
        self._config: BasisConfig | None = None
        self._words = html("")
        self._button = controls.button("", on_click=lambda _: self._press())
        self._action = ""
        self._offered = 0.0
        self.card = box(self._words, self._button, css=layout.OVERLAY, styles={"display": "none"})

    def find(self, config: BasisConfig, is_fresh: bool = False) -> RunRecord | None:
        """The run of this basis, if there is one; ``is_fresh``: as the disk has it now."""
        wanted = settings_of(config)
        known = self._registry.store.records() if is_fresh else self._registry.records
        records = [record for record in known.values() if record.task == "basis"]
        found = [record for record in records if self._settings_of(record) == wanted and record.state in _RANK]
        return min(found, key=lambda record: _RANK[record.state], default=None)

    def _settings_of(self, record: RunRecord) -> object:
        if record.id not in self._settings:
            try:
                self._settings[record.id] = self._registry.store.get(record.id).config.settings
            except EngineError:
                self._settings[record.id] = None
        return self._settings[record.id]

    def result(self, record: RunRecord) -> Path:
        """The file a finished run left."""
        return self._registry.store.get(record.id).folder / "basis.safetensors"

    def hide(self) -> None:
        """Take the card away: nothing large is asked for."""
        self._config = None
        show(self.card, False)

    def offer(self, config: BasisConfig, record: RunRecord | None) -> None:
        """Show where the fit of ``config`` stands and what can be done."""
        self._config = config
        if record is None:
            self._show(paragraphs([(_invitation(config), False)]), "Start the fit", "launch")
        elif record.state in ACTIVE:
            self._show(progress(record.progress, _standing(record)), "Cancel", "cancel")
        else:
            said = record.failure or f"The fit was {record.state} at {100 * record.progress:.0f} %."
            self._show(paragraphs([(said, record.state == "failed")]), "Resume", "resume")

    def _show(self, content: str, label: str, action: str) -> None:
        self._words.object = content
        if action != self._action:
            self._button.label = label
            self._action = action
            self._offered = time.monotonic()
        show(self.card, True)

    def _press(self) -> None:
        config = self._config
        # the second half of a double click on "Start" must not land on the "Cancel" that took its place
        if config is None or time.monotonic() - self._offered < _DOUBLE_CLICK_S:
            return
        self._offered = time.monotonic()
        try:
            self._act(config)
        except EngineError as error:
            self._session.say("error", str(error))
        self._registry.look_now()

    def _act(self, config: BasisConfig) -> None:
        # what this server saw last may be a moment old, and another click or session may have been quicker
        store, record = self._registry.store, self.find(config, is_fresh=True)
        if self._action == "launch" and record is None:
            kind = DOMAINS[config.domain.kind].lower()
            run = store.create(RunConfig(settings=settings_of(config)), name=f"Basis, {kind}, L = {config.max_degree}")
            store.launch(run)
        elif record is not None and self._action == "cancel":
            store.get(record.id).cancel()
        elif record is not None and record.can_resume:
            store.get(record.id).resume()


def _standing(record: RunRecord) -> str:
    if record.is_stopping:
        return "The fit is being stopped."
    if record.state == "queued":
        return "The fit waits for its turn."
    left = "" if record.seconds_left is None else f", about {record.seconds_left:.0f} s left"
    return f"The fit runs in the background{left}."


def _invitation(config: BasisConfig) -> str:
    seconds, nbytes = fit_estimate(config)
    return (
        f"L = {config.max_degree} is a large fit: {(config.max_degree + 1) ** 2} unknowns, about {seconds:.0f} s of "
        f"one core and {nbytes / 2**20:.0f} MB. It runs in the background and goes on when you close the browser."
    )
