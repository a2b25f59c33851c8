"""What can be done with a finished training: reconstruct with it, train it further, and its report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from engine.config.sst import SSTSettings
from engine.errors import EngineError
from engine.queries.ocean import source_choice
from engine.queries.train.command import continued_config
from explorer.layout import box, row, show
from explorer.page_model import source_query
from explorer.pages.train import text
from explorer.pages.train.model import RUNS, TrainModel
from explorer.pages.train.run_reader import RunSnapshot
from explorer.registry import REGISTRY, store_call
from explorer.runs_panel import title
from explorer.session import Session
from explorer.switches import READ_ONLY, is_on
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph


class RunUses:
    """``part`` goes beside the map of a run; ``shown()`` is the run on screen, ``report()`` offers its report."""

    def __init__(
        self,
        session: Session,
        model: TrainModel,
        shown: Callable[[], RunSnapshot | None],
        report: Callable[[], None],
    ) -> None:
        self._session = session
        self._model = model
        self._shown = shown
        reconstruct = controls.button(
            "Reconstruct with this", variant="contained", on_click=lambda _: self._reconstruct()
        )
        self.further = controls.button("Continue …", disabled=is_on(READ_ONLY), on_click=lambda _: self._ask())
        buttons = row(reconstruct, self.further, controls.button("Report", on_click=lambda _: report()))
        self.question = box(
            controls.slider(model.param.further, "Further epochs"),
            html(paragraph(text.FURTHER)),
            row(
                controls.button("Train further", variant="contained", on_click=lambda _: self._continue()),
                controls.button("Close", on_click=lambda _: self._close()),
            ),
            css=":host { gap: 4px }",
        )
        self.part = box(buttons, self.question, css=":host { gap: 6px }")
        self._close()
        show(self.part, False)
        model.param.watch(lambda *_: self._close(), ["run", "tab"])

    def show(self, snapshot: RunSnapshot | None) -> None:
        """Offer the uses of a finished training; of another run there are none."""
        show(self.part, snapshot is not None and snapshot.record.task == "sst" and snapshot.record.state == "done")

    def _ask(self) -> None:
        """Ask for the number of epochs; as many again as the run has had is the first answer."""
        snapshot = self._shown()
        if snapshot is not None:
            low, high = self._model.param.further.bounds
            self._model.further = min(max(snapshot.record.epoch or low, low), high)
            show(self.question, True)

    def _close(self) -> None:
        show(self.question, False)

    def _continue(self) -> None:
        """Launch a run that goes on from the end of the one on screen, and show it."""
        snapshot = self._shown()
        if snapshot is None:
            return
        try:
            config = continued_config(REGISTRY.store.get(snapshot.record.id), self._model.further)
            name = f"{title(snapshot.record)}, continued"
            run = store_call(lambda store: store.create(config, name))
            store_call(lambda store: store.launch(run))
        except EngineError as error:
            self._session.say("error", str(error))
            return
        self._model.param.update(run=run.id, epoch=-1, tab=RUNS)

    def _reconstruct(self) -> None:
        """Open the page Reconstruct with the model of the run on screen and the source that it learned from."""
        snapshot = self._shown()
        if snapshot is None or not isinstance(snapshot.config.settings, SSTSettings):
            return
        query = {"run": snapshot.record.id}
        with suppress(EngineError):  # a source that no page can choose: Reconstruct says so
            query |= source_query(source_choice(snapshot.config.settings.source))
        self._session.go("reconstruct", query)
