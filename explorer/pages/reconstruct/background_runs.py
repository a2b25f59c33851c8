"""The runs that the page starts: a training to watch, and the reconstruction of a whole archive."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import EngineError
from engine.queries import reconstruct
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, section

# the card stands in a narrow column here
_CARD = {"flex-flow": "column nowrap", "align-items": "start", "gap": "8px", "margin": "0"}


class BackgroundRuns:
    """``parts`` are those of the tab "Training". A training that starts here is followed.

    ``save(name, make)`` makes a file off the event loop, and offers it.
    """

    def __init__(
        self, session: Session, model: ReconstructModel, save: Callable[[str, Callable[[], bytes]], None]
    ) -> None:
        self.session = session
        self.model = model
        self._save = save
        self._training = RunCard(session, REGISTRY, "The training", "Train", "Stop")
        self._archive = RunCard(session, REGISTRY, "The reconstruction", "Reconstruct all", "Stop")
        for card in (self._training.card, self._archive.card):
            card.styles = {**card.styles, **_CARD}
        self._known_runs = {record.id for record in REGISTRY.records.values()}
        self._done: RunRecord | None = None
        self._note = html("")
        self._switch = controls.switch(model.param.film, "Show the training, epoch by epoch")
        self._download = controls.button(
            "Download the NetCDF file", visible=False, on_click=lambda _: self._offer_archive()
        )
        self.parts = [
            section("Snapshots"),
            self._note,
            self._switch,
            section("A new training"),
            self._training.card,
            section("The whole archive"),
            self._archive.card,
            self._download,
        ]
        REGISTRY.subscribe(lambda _: self.refresh())
        model.param.watch(lambda *_: self.refresh(), ["run", "choice", "resample", "months"])

    def refresh(self) -> None:
        """Update the cards."""
        has_film = bool(reconstruct.snapshot_epochs(self.model.run)) or REGISTRY.is_active(self.model.run)
        self._switch.disabled = not has_film
        self._note.object = "" if has_film else paragraph(text.NO_FILM)
        self._refresh_training()
        try:
            self._refresh_archive()
        except EngineError:
            self._archive.hide()

    def _refresh_training(self) -> None:
        """Offer the first training of its kind that is not done."""
        config, record = RunConfig.demo("sst"), None
        while True:
            record = self._training.find(config)
            if record is None or record.state != "done":
                break
            config = config.model_copy(update={"seed": config.seed + 1})
        self._training.show(Offer(config, f"Small model {config.seed + 1}", text.TRAIN_INVITATION), record)
        if record is not None and record.state in ACTIVE and record.id not in self._known_runs:
            self._known_runs.add(record.id)
            self.model.param.update(run=record.id, film=True)

    def _refresh_archive(self) -> None:
        model = self.model
        settings = reconstruct.archive_settings(model.case())
        config = RunConfig(settings=settings)
        self._done = None
        record = self._archive.find(config)
        if record is not None and record.state == "done" and reconstruct.archive_file(record.id) is not None:
            self._done = record
            self._archive.hide()
        else:
            source = "the demo ocean" if model.choice.kind == "demo" else "this source"
            invitation = text.archive_invitation(source, len(model.months))
            self._archive.show(Offer(config, f"Reconstruction by {model.run}", invitation), record)
        self._download.visible = self._done is not None

    def _offer_archive(self) -> None:
        path = None if self._done is None else reconstruct.archive_file(self._done.id)
        if path is None:
            self.session.say("error", "The file was deleted. Reconstruct the archive again.")
            return
        self._save(f"reconstruction-{self.model.run}.nc", path.read_bytes)
