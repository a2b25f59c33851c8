"""What the page starts in the background: a training to watch, and the reconstruction of a whole archive."""

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

# A card lies over a stage elsewhere; here it stands in a narrow column.
_CARD = {"flex-flow": "column nowrap", "align-items": "start", "gap": "8px", "margin": "0"}


class BackgroundRuns:
    """``parts`` are those of the panel "Training". A training that begins here is followed by itself."""

    def __init__(self, session: Session, model: ReconstructModel, save: Callable[[str, bytes], None]) -> None:
        self.session = session
        self.model = model
        self._save = save
        self._training = RunCard(session, REGISTRY, "The training", "Train", "Stop")
        self._archive = RunCard(session, REGISTRY, "The reconstruction", "Reconstruct all", "Stop")
        for card in (self._training.card, self._archive.card):
            card.styles = {**card.styles, **_CARD}
        self._seen = {record.id for record in REGISTRY.records.values()}
        self._done: RunRecord | None = None
        self._words = html("")
        self._switch = controls.switch(model.param.film, "Show the training, epoch by epoch")
        self._take = controls.button("Take the NetCDF file", visible=False, on_click=lambda _: self._offer_archive())
        self.parts = [
            section("Film"),
            self._words,
            self._switch,
            section("A new training"),
            self._training.card,
            section("The whole archive"),
            self._archive.card,
            self._take,
        ]
        REGISTRY.subscribe(lambda _: self.look())
        model.param.watch(lambda *_: self.look(), ["run", "choice", "resample", "months"])

    def look(self) -> None:
        """Bring the cards in line with the runs there are."""
        has_film = bool(reconstruct.snapshot_epochs(self.model.run)) or self._is_active(self.model.run)
        self._switch.disabled = not has_film
        self._words.object = "" if has_film else paragraph(text.NO_FILM)
        self._look_at_training()
        try:
            self._look_at_archive()
        except EngineError:
            self._archive.hide()

    def _is_active(self, run: str) -> bool:
        record = REGISTRY.records.get(run)
        return record is not None and record.state in ACTIVE

    def _look_at_training(self) -> None:
        """Offer the first training of its kind that nobody has finished."""
        config, record = RunConfig.demo("sst"), None
        while True:
            record = self._training.find(config)
            if record is None or record.state != "done":
                break
            config = config.model_copy(update={"seed": config.seed + 1})
        self._training.show(Offer(config, f"Small model {config.seed + 1}", text.TRAIN_INVITATION), record)
        if record is not None and record.state in ACTIVE and record.id not in self._seen:
            self._seen.add(record.id)
            self.model.param.update(run=record.id, film=True)

    def _look_at_archive(self) -> None:
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
            said = text.archive_invitation(source, len(model.months))
            self._archive.show(Offer(config, f"Reconstruction by {model.run}", said), record)
        self._take.visible = self._done is not None

    def _offer_archive(self) -> None:
        path = None if self._done is None else reconstruct.archive_file(self._done.id)
        if path is None:
            self.session.say("error", "The file is gone. Reconstruct the archive again.")
            return
        self._save(f"reconstruction-{self.model.run}.nc", path.read_bytes())
