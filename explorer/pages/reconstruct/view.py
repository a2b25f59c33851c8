"""The Reconstruct page's view: computes months off the event loop and puts them beside what was seen and what was."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.queries import reconstruct
from engine.queries.cache import Progress
from engine.queries.ocean import SourceChoice
from engine.queries.reconstruct import ModelCard, MonthResult
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.background_runs import BackgroundRuns
from explorer.pages.reconstruct.drawer import drawer
from explorer.pages.reconstruct.film import Film
from explorer.pages.reconstruct.judgement import Judgement
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.reconstruct.panels import Panels
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
    model = ReconstructModel(query, choice=session.source)
    session.say_changed(model.notes)
    return ReconstructView(session, model, "src" in query or session.source != SourceChoice()).view


class ReconstructView:
    """Model and source are looked at before a month is computed; a newer choice replaces an older one."""

    def __init__(self, session: Session, model: ReconstructModel, is_chosen: bool) -> None:
        self.session = session
        self.model = model
        self._found: MonthResult | None = None
        self._card: ModelCard | None = None
        self._is_undecided = False
        self.maps = Maps(session, model, self._abandon)
        self._opening = LatestTask(self.maps.stage.show_progress, self._refuse)
        self._reading = LatestTask(self.maps.stage.show_progress, self._fail)
        self._filing = LatestTask(self.maps.stage.show_progress, lambda error: session.say("error", str(error)))
        self._rest = Debouncer(self._after_rest, 250)
        self.judgement = Judgement(
            model, self.maps.stage, self._draw, self._rest.soon, lambda: not self._reading.running
        )
        self._about = html("")
        self._bar = DayBar(unit="month", margin=0, sizing_mode="stretch_width", height=38, pace_ms=600)
        self._bar.link(model, day="month", bidirectional=True)
        self.panels = Panels(session, model, self._fly, self.judgement.fail)
        self.film = Film(model, self.maps, self._say_film, self._film_over)
        offer = self.maps.stage.download.offer
        self.runs = BackgroundRuns(session, model, offer)
        self.panels.training = self.runs.parts
        self._month_bar, self._epoch_bar = box(self._bar), box(self.film.bar, styles={"display": "none"})
        bars = box(self._month_bar, self._epoch_bar)
        frame = box(self.judgement.part, self.maps.root, bars, css=_FRAME, sizing_mode="stretch_both")
        self.view = PageView(
            drawer(model, self.maps.stage.globe, self._about_parts(), self._clear_clouds),
            [frame],
            [*self.panels.parts],
            self.maps.stage.read,
            self._actions(),
            model,
        )
        self.maps.on_pick(self._pick)
        self.maps.on_stroke(self._painted)
        model.param.watch(lambda *_: self._open(), ["run", "choice"])
        model.param.watch(lambda *_: self._ask(), _CASE)
        model.param.watch(lambda *_: self._draw(), _MAPS)
        model.param.watch(lambda *_: self._film_switched(), "film")
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "figure", "place"])
        session.param.watch(lambda event: model.param.update(choice=event.new), "source")
        self._mark()
        self.runs.look()
        self._rest.soon()
        self._open(own_source=not is_chosen)

    def _about_parts(self) -> Any:
        self._own = controls.button("Use the source it learned from", on_click=lambda _: self._open(own_source=True))
        self._resample = controls.button(
            "Resample the source to its grid", on_click=lambda _: self.model.param.update(resample="yes")
        )
        self._as_is = controls.button(
            "Use it on these cells", on_click=lambda _: self.model.param.update(resample="as-is")
        )
        for button in (self._own, self._resample, self._as_is):
            button.visible = False
        return box(self._about, self._own, self._resample, self._as_is, css=":host { gap: 6px; padding-bottom: 6px }")

    def _actions(self) -> list[Any]:
        files = {
            "Picture, PNG": self._offer_picture,
            "Month, NetCDF": self._offer_month,
            "Scores, CSV": self._offer_scores,
            "Film of the training, GIF": self._offer_film,
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # model and source

    def _open(self, own_source: bool = False) -> None:
        """Look at model and source before anything is computed."""
        model = self.model
        run, choice = model.run, model.choice
        self._reading.cancel()
        self.judgement.pause()
        if run != reconstruct.PRETRAINED and not reconstruct.has_model(run) and self.film.is_live:
            # its first map comes before there is a model
            model.film = True
            return

        def look(report: Progress) -> tuple[Any, ...]:
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
        self._opening.start(look, partial(self._take, run))

    def _take(self, run: str, found: tuple[Any, ...]) -> None:
        card, source, months, differ, is_other_grid = found
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
        sentences = [(text.about(card), False), *((said, True) for said in differ)]
        self._about.object = paragraphs(sentences)
        self._own.visible = bool(differ)
        self._resample.visible = self._as_is.visible = is_other_grid
        model.notes = []
        model.take_months(months, text.first_month(card, months))
        self._bar.param.update(days=list(months), day=model.month)
        self.session.say_changed(model.notes)
        self.judgement.forget_year()
        self._ask()

    def _refuse(self, error: Exception) -> None:
        self.maps.stage.show_failure("This model cannot be used here", error)
        self.judgement.say("")

    # months

    def _ask(self) -> None:
        """Compute the month that is wanted, unless that is under way or must be decided first."""
        model = self.model
        if model.film or self._opening.running or self._card is None:
            return
        if self._is_undecided and model.resample == "no":
            self.maps.stage.show_failure(text.OTHER_GRID, text.OTHER_GRID_REMEDY)
            return
        self.maps.stage.clear_failure()
        self.judgement.pause()
        case = model.case()
        if self._found is not None and self._found.request == case:
            self._reading.cancel()
            return

        def work(report: Progress) -> tuple[MonthResult, MonthResult]:
            found = reconstruct.reconstruct_month(case, report)
            return found, found if not case.clouds else reconstruct.reconstruct_month(
                model.case(with_clouds=False), report
            )

        self._reading.start(work, self._show)

    def _show(self, found: tuple[MonthResult, MonthResult]) -> None:
        self._found, plain = found
        model = self.model
        self._bar.drawn = model.month
        offered = reconstruct.layers_of(self._found)
        if offered != model.offered:
            model.offered = offered
        self._draw()
        self.judgement.take(self._found, plain)

    def _draw(self) -> None:
        if self._found is not None and not self.model.film:
            self.maps.show(self._found, self.judgement.best)

    def _abandon(self) -> None:
        self._opening.cancel()
        self._reading.cancel()
        self.session.say("info", "The reconstruction was abandoned.")

    def _fail(self, error: Exception) -> None:
        self.maps.stage.show_failure("This month cannot be reconstructed", error)

    def _after_rest(self) -> None:
        if self.model.panel == "training":
            self.panels.show_training()
        elif self._found is not None:
            self.panels.show(self._found, self.judgement.now, self.judgement.months_with(self._found))

    # the training

    def _film_switched(self) -> None:
        """The film takes the maps and the verdict; the month takes them back."""
        show(self._month_bar, not self.model.film)
        show(self._epoch_bar, self.model.film)
        if self.model.film:
            self._reading.cancel()
            self.judgement.pause()
        else:
            self._open()
            self._draw()
            self.judgement.judge()

    def _say_film(self, said: str) -> None:
        if self.model.film:
            self.judgement.say(said)

    def _film_over(self) -> None:
        """A training that was followed has ended: its model is there to be used."""
        self.runs.look()

    # places and clouds

    def _pick(self, lat: float, lon: float) -> None:
        self.model.place = (lat, lon)
        self.model.panel = "place"
        self._mark()

    def _mark(self) -> None:
        self.maps.mark(self.model.place)

    def _fly(self, lat: float, lon: float) -> None:
        self.model.place = (lat, lon)
        self.model.camera = (lat, lon, max(3.0, self.model.camera[2]))
        self._mark()

    def _painted(self, points: tuple[tuple[float, float], ...]) -> None:
        self.model.draw_cloud(points)

    def _clear_clouds(self) -> None:
        self.model.clouds = ()

    # files

    def _offer_picture(self) -> None:
        stage = self.maps.stage
        model, bar = self.model, stage.bar
        title = f"{'Training' if model.film else text.month(model.iso)} — Harmonia"
        name = f"{'training' if model.film else model.iso[:7]}-{model.kind}.png"
        stage.globe.save_png(name, title, bar.label, bar.units, self.maps.captions)

    def _offer_month(self) -> None:
        found = self._found
        if found is None:
            self.session.say("info", "There is no month yet.")
            return
        name, download = f"reconstruction-{found.request.year}-{found.request.month:02d}.nc", self.maps.stage.download
        self._filing.start(lambda _: reconstruct.month_netcdf(found), lambda made: download.offer(name, made))

    def _offer_scores(self) -> None:
        if self.judgement.now is None:
            self.session.say("info", "There are no scores of this month.")
            return
        scores = reconstruct.scores_csv(self.judgement.verdicts)
        self.maps.stage.download.offer(f"scores-{self.model.iso[:7]}.csv", scores)

    def _offer_film(self) -> None:
        run, (low, high) = self.model.run, text.WORLD
        download, colours = self.maps.stage.download, colormap_bytes("thermal")
        self._filing.start(
            lambda _: reconstruct.animation_gif(run, colours, (low, high)),
            lambda made: download.offer(f"training-{run}.gif", made),
        )
