"""The runs of the Table page: each is found again by what it computes; one card starts, follows, stops, resumes it."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import EngineError
from engine.runs import ACTIVE, RunConfig, RunRecord, TableSettings
from explorer import layout
from explorer.layout import box, show
from explorer.pages.table import words
from explorer.pages.table.model import TOPOLOGIES, TableModel
from explorer.registry import Registry
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.text import html, paragraphs, progress

_DOUBLE_CLICK_S = 0.5

# A run that never began is nobody's answer.
_SHOWN = ("done", "running", "queued", "interrupted", "cancelled", "failed")


class Fits:
    """The card over the stage for the run of the moment, and the runs of its choice with any topology."""

    def __init__(self, session: Session, registry: Registry, model: TableModel) -> None:
        self._session = session
        self._registry = registry
        self._model = model
        self._settings: dict[str, object] = {}
        self._words = html("")
        # one button an action: a click counts for what it was aimed at, however late the server hears of it
        self._buttons = {
            "Train": controls.button("Train", on_click=lambda _: self._try(self._start)),
            "Stop": controls.button("Stop", visible=False, on_click=lambda _: self._try(self._stop)),
            "Resume": controls.button("Resume", visible=False, on_click=lambda _: self._try(self._resume)),
        }
        self._offered = 0.0
        self.card = box(self._words, *self._buttons.values(), css=layout.OVERLAY)

    def find(self, settings: TableSettings, is_fresh: bool = False) -> RunRecord | None:
        """The newest run of these settings that began, if there is one; ``is_fresh``: as the disk has it now."""
        wanted = RunConfig(settings=settings)
        known = self._registry.store.records() if is_fresh else self._registry.records
        records = (record for record in known.values() if record.task == "table" and record.state in _SHOWN)
        return next((record for record in records if self._config_of(record) == wanted), None)

    def by_topology(self, is_fresh: bool = False) -> dict[str, RunRecord | None]:
        """The newest run of the choice with each topology."""
        return {topology: self.find(self._model.settings_with(topology), is_fresh) for topology in TOPOLOGIES}

    def _config_of(self, record: RunRecord) -> object:
        if record.id not in self._settings:
            try:
                self._settings[record.id] = self._registry.store.get(record.id).config
            except EngineError:
                self._settings[record.id] = None
        return self._settings[record.id]

    def offer(self, record: RunRecord | None) -> None:
        """Show where the run of the choice stands and what can be done; a finished one needs no card."""
        model = self._model
        show(self.card, record is None or record.state != "done")
        if record is None:
            said = words.invitation(model.target, model.sample_percent, model.iterations, model.seconds)
            self._show(paragraphs([(said, False)]), "Train")
        elif record.state in ACTIVE:
            self._show(progress(record.progress, words.standing(record)), "Stop")
        else:
            self._show(paragraphs([(words.ended(record), record.state == "failed")]), "Resume")

    def _show(self, content: str, action: str) -> None:
        self._words.object = content
        if not self._buttons[action].visible:
            self._offered = time.monotonic()
            for name, button in self._buttons.items():
                button.visible = name == action

    def train_all(self) -> None:
        """Start the run of every topology that has none yet."""
        self._try(self._launch_missing)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except EngineError as error:
            self._session.say("error", str(error))
        self._registry.look_now()

    def _start(self) -> None:
        if self.find(self._model.settings, is_fresh=True) is None:
            self._launch(self._model.settings)

    def _stop(self) -> None:
        record = self.find(self._model.settings, is_fresh=True)
        # the second half of a double click on "Train" must not land on the "Stop" that took its place
        if record is not None and time.monotonic() - self._offered > _DOUBLE_CLICK_S:
            self._registry.store.get(record.id).cancel()

    def _resume(self) -> None:
        record = self.find(self._model.settings, is_fresh=True)
        if record is not None and record.can_resume:
            self._registry.store.get(record.id).resume()

    def _launch_missing(self) -> None:
        for topology, record in self.by_topology(is_fresh=True).items():
            if record is None:
                self._launch(self._model.settings_with(topology))

    def _launch(self, settings: TableSettings) -> None:
        name = f"Table {settings.width} × {settings.height}, {settings.topology}, {words.NAMES[settings.target]}"
        store = self._registry.store
        store.launch(store.create(RunConfig(settings=settings), name=name))
