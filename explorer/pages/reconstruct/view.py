"""The Reconstruct page's view: reconstructs months off the event loop and draws them beside observations and truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.provenance import Provenance
from engine.queries import reconstruct
from engine.queries.cache import Progress
from engine.queries.ocean import SourceChoice
from engine.queries.reconstruct import ModelCard, MonthResult
from engine.queries.run_exports import snapshot_origin
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.background_runs import BackgroundRuns
from explorer.pages.reconstruct.drawer import drawer
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.reconstruct.panels import ReconstructPanel
from explorer.pages.reconstruct.snapshots import SnapshotPlayer
from explorer.pages.reconstruct.verdict_panel import VerdictPanel
from explorer.registry import REGISTRY
from explorer.session import PageView, Query, Session
from explorer.widgets import controls
from explorer.widgets.days import DayBar
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.text import html, paragraphs

_CASE = ["month", "resample", "hidden_percent", "clouds"]
_MAPS = ["kind", "panes", "left", "right", "day"]
_FRAME = """
:host { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr); gap: 0 }
:host > * { min-width: 0; min-height: 0 }
"""


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return ReconstructView(
        session, ReconstructModel(query, choice=session.source), "src" in query or session.source != SourceChoice()
    ).view


class ReconstructView:
    """Opens model and source, then computes the month; a newer choice replaces an older one."""

    def __init__(self, session: Session, model: ReconstructModel, is_chosen: bool) -> None:
        self.session = session
        self.model = model
        self._month: MonthResult | None = None
        self._card: ModelCard | None = None
        self._is_undecided = False
        self.maps = Maps(session, model, self._abandon)
        self._opening = LatestTask(self.maps.stage.show_progress, self._refuse)
        self._reading = LatestTask(self.maps.stage.show_progress, self._fail)
        self._filing = LatestTask(self.maps.stage.show_progress, lambda error: session.say("error", str(error)))
        self._rest = Debouncer(self._after_rest, 250)
        self.verdict = VerdictPanel(
            model, self.maps.stage, self._draw, self._rest.soon, lambda: not self._reading.running
        )
        self._about = html("")
        self._bar = DayBar(unit="month", margin=0, sizing_mode="stretch_width", height=38, pace_ms=600)
        self._bar.link(model, day="month", bidirectional=True)
        self.panel = ReconstructPanel(model, self._fly, self.verdict.fail)
        self.film = SnapshotPlayer(model, self.maps, self._say_film, lambda: self.runs.refresh())
        self.runs = BackgroundRuns(session, model, self.maps.stage.download.offer)
        self.panel.training = self.runs.parts
        self._month_bar, self._epoch_bar = box(self._bar), box(self.film.bar, styles={"display": "none"})
        bars = box(self._month_bar, self._epoch_bar)
        frame = box(self.verdict.part, self.maps.root, bars, css=_FRAME, sizing_mode="stretch_both")
        files = {
            "Picture, PNG": self._offer_picture,
            "Month, NetCDF": self._offer_month,
            "Scores, CSV": self._offer_scores,
            "Training animation, GIF": self._offer_film,
        }
        parts = drawer(model, self.maps.stage.globe, self._about_parts(), lambda: model.param.update(clouds=()))
        self.view = self.maps.stage.page_view(parts, [*self.panel.parts], files, parts=[frame])
        model.param.watch(lambda *_: self._open(), ["run", "choice"])
        model.param.watch(lambda *_: self._ask(), _CASE)
        model.param.watch(lambda *_: self._draw(), _MAPS)
        model.param.watch(lambda *_: self._film_switched(), "film")
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "figure", "place"])
        session.param.watch(lambda event: model.param.update(choice=event.new), "source")
        self.runs.refresh()
        self._rest.soon()
        self._open(own_source=not is_chosen)

    def _about_parts(self) -> Any:
        def button(label: str, act: Callable[[], object]) -> Any:
            return controls.button(label, visible=False, on_click=lambda _: act())

        update = self.model.param.update
        self._own = button("Use the source of its training data", lambda: self._open(own_source=True))
        self._resample = button("Resample the source to its grid", lambda: update(resample="yes"))
        self._as_is = button("Use it on these cells", lambda: update(resample="as-is"))
        return box(self._about, self._own, self._resample, self._as_is, css=":host { gap: 6px; padding-bottom: 6px }")

    # model and source

    def _open(self, own_source: bool = False) -> None:
        """Open model and source."""
        model = self.model
        run, choice = model.run, model.choice
        self._reading.cancel()
        self.verdict.pause()
        if run != reconstruct.PRETRAINED and not reconstruct.has_model(run) and self.film.is_live:
            # it has snapshots before it has a model
            model.film = True
            return

        def work(report: Progress) -> tuple[Any, ...]:
            report(0.1, "Opening the model")
            card = reconstruct.model_card(run)
            source = reconstruct.source_of(run) if own_source else choice
            months = reconstruct.months_of(source)
            return (
                card,
                source,
                months,
                reconstruct.source_differences(run, source),
                reconstruct.needs_resampling(run, source),
            )

        self.maps.stage.clear_failure()
        self._opening.start(work, partial(self._take, run))

    def _take(self, run: str, opened: tuple[Any, ...]) -> None:
        card, source, months, differ, is_other_grid = opened
        model = self.model
        if run != model.run:
            return
        self._card = card
        with_other = source != model.choice
        if with_other:
            model.param.update(choice=source)
            self.session.source = source
            self._opening.cancel()
        if not is_other_grid and model.resample != "no":
            model.resample = "no"
        self._is_undecided = is_other_grid
        sentences = [(text.about(card), False), *((sentence, True) for sentence in differ)]
        self._about.object = paragraphs(sentences)
        self._own.visible = bool(differ)
        self._resample.visible = self._as_is.visible = is_other_grid
        model.notes = []
        model.take_months(months, text.first_month(card, months))
        self._bar.param.update(days=list(months), day=model.month)
        self.session.say_changed(model.notes)
        self.verdict.forget_year()
        self._ask()

    def _refuse(self, error: Exception) -> None:
        self.maps.stage.show_failure("This model cannot be used here", error)
        self.verdict.say("")

    # months

    def _ask(self) -> None:
        """Compute the selected month, unless the grids differ and the choice about resampling is open."""
        model = self.model
        if model.film or self._opening.running or self._card is None:
            return
        if self._is_undecided and model.resample == "no":
            self.maps.stage.show_failure(text.OTHER_GRID, text.OTHER_GRID_REMEDY)
            return
        self.maps.stage.clear_failure()
        self.verdict.pause()
        case = model.case()
        if self._month is not None and self._month.request == case:
            self._reading.cancel()
            return

        def work(report: Progress) -> tuple[MonthResult, MonthResult]:
            month = reconstruct.reconstruct_month(case, report)
            return month, month if not case.clouds else reconstruct.reconstruct_month(
                model.case(with_clouds=False), report
            )

        self._reading.start(work, self._show)

    def _show(self, months: tuple[MonthResult, MonthResult]) -> None:
        self._month, plain = months
        model = self.model
        self._bar.drawn = model.month
        offered = reconstruct.layers_of(self._month)
        if offered != model.offered:
            model.offered = offered
        self._draw()
        self.verdict.take(self._month, plain)

    def _draw(self) -> None:
        if self._month is not None and not self.model.film:
            self.maps.show(self._month, self.verdict.best)

    def _abandon(self) -> None:
        self._opening.cancel()
        self._reading.cancel()
        self.session.say("info", "The reconstruction was cancelled.")

    def _fail(self, error: Exception) -> None:
        self.maps.stage.show_failure("This month cannot be reconstructed", error)

    def _after_rest(self) -> None:
        if self.model.panel == "training":
            self.panel.show_training()
        elif self._month is not None:
            self.panel.show(self._month, self.verdict.now, self.verdict.months_with(self._month))

    # the training

    def _film_switched(self) -> None:
        """Switch maps and scores between the snapshots and the month."""
        show(self._month_bar, not self.model.film)
        show(self._epoch_bar, self.model.film)
        if self.model.film:
            self._reading.cancel()
            self.verdict.pause()
        else:
            self._open()
            self._draw()
            self.verdict.score()

    def _say_film(self, content: str) -> None:
        if self.model.film:
            self.verdict.say(content)

    def _fly(self, lat: float, lon: float) -> None:
        self.model.param.update(place=(lat, lon), camera=(lat, lon, max(3.0, self.model.camera[2])))

    # files

    def _offer_picture(self) -> None:
        stage = self.maps.stage
        model, bar = self.model, stage.bar
        title = f"{'Training' if model.film else text.month(model.iso)} — Harmonia"
        name = f"{'training' if model.film else model.iso[:7]}-{model.kind}.png"
        origin = self._picture_origin()
        stage.globe.save_png(name, title, bar.label, bar.units, self.maps.captions, origin=origin)

    def _picture_origin(self) -> Provenance | None:
        """The provenance of what is on screen: a snapshot of a training, or the month."""
        if self.model.film:
            record = REGISTRY.records.get(self.model.run)
            return None if record is None else snapshot_origin(REGISTRY.store.get(record.id).config, record.id)
        return None if self._month is None else reconstruct.month_origin(self._month.request)

    def _offer_month(self) -> None:
        month = self._month
        if month is None:
            self.session.say("info", "No month is computed yet.")
            return
        name = f"reconstruction-{month.request.year}-{month.request.month:02d}.nc"
        offer = partial(self.maps.stage.download.offer, name)
        self._filing.start(lambda _: reconstruct.month_netcdf(month), offer)

    def _offer_scores(self) -> None:
        scores = None if self.verdict.now is None else reconstruct.scores_csv(self.verdict.verdicts)
        self.maps.stage.offer(f"scores-{self.model.iso[:7]}.csv", scores, "This month has no scores.")

    def _offer_film(self) -> None:
        run, colours = self.model.run, (colormap_bytes("thermal"), colormap_bytes("balance"))
        offer = partial(self.maps.stage.download.offer, f"training-{run}.gif")
        self._filing.start(lambda _: reconstruct.animation_gif(run, *colours, text.WORLD), offer)
