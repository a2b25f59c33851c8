"""The files of the Reconstruct page, made off the event loop: a model or a whole archive may be read for one."""

from __future__ import annotations

from collections.abc import Callable

from engine.provenance import Provenance
from engine.queries import reconstruct
from engine.queries.reconstruct import MonthResult
from engine.queries.run_exports import snapshot_origin
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.reconstruct.verdict_panel import VerdictPanel
from explorer.registry import REGISTRY
from explorer.session import Session
from explorer.stage import CHANGED
from explorer.widgets.globe import colormap_bytes


class ReconstructFiles:
    """``menu`` are the entries of "Export". Only what is on screen is exported: ``current()`` is its month,
    ``epoch()`` that of a training.
    """

    def __init__(
        self,
        session: Session,
        model: ReconstructModel,
        maps: Maps,
        verdict: VerdictPanel,
        current: Callable[[], MonthResult | None],
        epoch: Callable[[], int | None],
    ) -> None:
        self.session = session
        self.model = model
        self.maps = maps
        self.verdict = verdict
        self._current = current
        self._epoch = epoch
        self.menu = {
            "Picture, PNG": self.offer_picture,
            "Month, NetCDF": self.offer_month,
            "Scores, CSV": self.offer_scores,
            "Training animation, GIF": self.offer_film,
        }

    def offer_picture(self) -> None:
        """The maps as they stand, with the provenance of the month, or of the snapshot of a training."""
        if self.maps.is_stale:
            self.session.say("info", text.NOTHING_TO_EXPORT)
            return
        model, month, film = self.model, self._current(), self.model.film
        shown = model.key, film, model.epoch

        def save(origin: Provenance | None) -> None:
            if self.maps.is_stale or shown != (model.key, model.film, model.epoch):
                self.session.say("info", CHANGED)
                return
            maps = self.maps
            bar = maps.legends[0]
            title = f"{'Training' if film else text.month(model.iso)} — Harmonia"
            name = f"{'training' if film else model.iso[:7]}-{'-'.join(model.shown)}.png"
            maps.stage.globe.save_png(
                name,
                title,
                bar.label,
                bar.units,
                maps.captions,
                is_sheet=True,
                origin=origin,
                colours=maps.colours_note,
                marks=text.marks_note(maps.marks),
                bars=maps.bars,
                logarithmic=bar.logarithmic,
            )

        if film:
            save(self._snapshot_origin())
        elif month is not None:
            self.maps.stage.prepare(lambda: reconstruct.month_origin(month), save)

    def _snapshot_origin(self) -> Provenance | None:
        record, epoch = REGISTRY.records.get(self.model.run), self._epoch()
        if record is None or epoch is None:
            return None
        return snapshot_origin(REGISTRY.store.get(record.id).config, record.id, epoch)

    def offer_month(self) -> None:
        """The month on screen as NetCDF."""
        month = None if self.model.film else self._current()
        if month is None:
            self.session.say("info", text.NOTHING_TO_EXPORT)
            return
        name = f"reconstruction-{month.request.year}-{month.request.month:02d}.nc"
        self.maps.stage.offer(name, lambda: reconstruct.month_netcdf(month))

    def offer_scores(self) -> None:
        """The scores on screen as CSV."""
        verdicts = [] if self.model.film else self.verdict.verdicts
        if verdicts:
            self.maps.stage.offer(f"scores-{self.model.iso[:7]}.csv", lambda: reconstruct.scores_csv(verdicts))
        else:
            self.session.say("info", text.NO_SCORES_TO_EXPORT)

    def offer_film(self) -> None:
        """The training of the model, epoch by epoch, as GIF."""
        run, colours = self.model.run, (colormap_bytes(self.model.variable.palette), colormap_bytes("balance"))
        self.maps.stage.offer(f"training-{run}.gif", lambda: reconstruct.animation_gif(run, *colours))
