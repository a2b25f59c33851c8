"""The Reconstruct page's view: computes months off the event loop and puts them beside what was seen and what was."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine import queries
from engine.queries import ModelCard, Reconstructed, SourceChoice, Verdict
from explorer.background import Later, Newest
from explorer.layout import box, show
from explorer.pages.reconstruct import words
from explorer.pages.reconstruct.background_runs import BackgroundRuns
from explorer.pages.reconstruct.drawer import drawer
from explorer.pages.reconstruct.film import Film
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.reconstruct.panels import Panels
from explorer.session import Query, Session, View
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
_VERDICT = """
:host { padding: 0 24px 8px; box-sizing: border-box; min-height: 108px }
.verdict { font-size: 15px; line-height: 1.35; color: var(--h-text); margin: 0; padding-left: 12px;
  border-left: 3px solid var(--h-divider) }
.verdict.good { border-color: var(--h-success) } .verdict.bad { border-color: var(--h-warning) }
.verdict b { font-weight: 600 } p + p { padding-left: 15px; font-size: 12px }
"""


def build(session: Session, query: Query) -> View:
    """The page for one session, as its address describes it."""
    model = ReconstructModel(query, choice=session.source)
    if model.notes:
        session.say("warning", f"Changed in this address: {'; '.join(model.notes)}.")
    return ReconstructView(session, model, "src" in query or session.source != SourceChoice()).view


class ReconstructView:
    """A newer choice replaces an older one; months of the same year follow when nothing else is to be done."""

    def __init__(self, session: Session, model: ReconstructModel, is_chosen: bool) -> None:
        self.session = session
        self.model = model
        self._found: Reconstructed | None = None
        self._plain: Reconstructed | None = None
        self._card: ModelCard | None = None
        self._is_undecided = False
        self._now: Verdict | None = None
        self._year: list[Reconstructed] = []
        self._best = "climatology_anomaly"
        self.maps = Maps(session, model, self._abandon)
        self._opening = Newest(self.maps.stage.show_progress, self._refuse)
        self._reading = Newest(self.maps.stage.show_progress, self._fail)
        self._scoring = Newest(lambda share, text: None, self._fail_score)
        self._following = Newest(lambda share, text: None, lambda error: None)
        self._filing = Newest(self.maps.stage.show_progress, lambda error: session.say("error", str(error)))
        self._whole: Verdict | None = None
        self._rest = Later(self._after_rest, 250)
        self._follow = Later(self._compute_year, 1200)
        self._about = html("")
        self._verdict = html("", _VERDICT)
        self._bar = DayBar(unit="month", margin=0, sizing_mode="stretch_width", height=38, pace_ms=600)
        self._bar.link(model, day="month", bidirectional=True)
        self.panels = Panels(session, model, self._fly, self._fail_score)
        self.film = Film(model, self.maps, self._say_film, self._film_over)
        offer = self.maps.stage.download.offer
        self.runs = BackgroundRuns(session, model, offer)
        self.panels.training = self.runs.parts
        self._month_bar, self._epoch_bar = box(self._bar), box(self.film.bar, styles={"display": "none"})
        bars = box(self._month_bar, self._epoch_bar)
        frame = box(self._verdict, self.maps.root, bars, css=_FRAME, sizing_mode="stretch_both")
        self.view = View(
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
        model.param.watch(lambda *_: self._score(), "region")
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
        self._following.cancel()
        if run != queries.PRETRAINED and not queries.has_model(run) and self.film.is_live:
            # its first map comes before there is a model
            model.film = True
            return

        def look(report: queries.Progress) -> tuple[Any, ...]:
            report(0.1, "Opening the model")
            card = queries.model_card(run)
            source = queries.source_of(run) if own_source else choice
            months = queries.months_of(source)
            return card, source, months, queries.differences(run, source), queries.needs_resampling(run, source)

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
        sentences = [(words.about(card), False), *((said, True) for said in differ)]
        self._about.object = paragraphs(sentences)
        self._own.visible = bool(differ)
        self._resample.visible = self._as_is.visible = is_other_grid
        model.notes = []
        model.take_months(months, words.first_month(card, months))
        self._bar.param.update(days=list(months), day=model.month)
        if model.notes:
            self.session.say("warning", f"Changed in this address: {'; '.join(model.notes)}.")
        self._year = []
        self._ask()

    def _refuse(self, error: Exception) -> None:
        self.maps.stage.show_failure("This model cannot be used here", error)
        self._verdict.object = ""

    # months

    def _ask(self) -> None:
        """Compute the month that is wanted, unless that is under way or must be decided first."""
        model = self.model
        if model.film or self._opening.running or self._card is None:
            return
        if self._is_undecided and model.resample == "no":
            self.maps.stage.show_failure(words.OTHER_GRID, words.OTHER_GRID_REMEDY)
            return
        self.maps.stage.clear_failure()
        self._following.cancel()
        case = model.case()
        if self._found is not None and self._found.case == case:
            self._reading.cancel()
            return

        def work(report: queries.Progress) -> tuple[Reconstructed, Reconstructed]:
            found = queries.reconstructed(case, report)
            return found, found if not case.clouds else queries.reconstructed(model.case(with_clouds=False), report)

        self._reading.start(work, self._show)

    def _show(self, found: tuple[Reconstructed, Reconstructed]) -> None:
        self._found, self._plain = found
        model = self.model
        self._bar.drawn = model.month
        offered = queries.layers_of(self._found)
        if offered != model.offered:
            model.offered = offered
        self._draw()
        self._score()

    def _draw(self) -> None:
        if self._found is not None and not self.model.film:
            self.maps.show(self._found, self._best)

    def _abandon(self) -> None:
        self._opening.cancel()
        self._reading.cancel()
        self.session.say("info", "The reconstruction was abandoned.")

    def _fail(self, error: Exception) -> None:
        self.maps.stage.show_failure("This month cannot be reconstructed", error)

    def _fail_score(self, error: Exception) -> None:
        self._verdict.object = f"<p class=verdict role=status>{words.escape(str(error))}</p>"

    # the verdict

    def _score(self) -> None:
        """Judge the month, and as many of its year as are at hand."""
        found, plain, region = self._found, self._plain, self.model.region
        if found is None or plain is None or self.model.film:
            return
        year = [month for month in self._year if month.case.year == found.case.year]
        if not queries.can_score(found):
            self._verdict.object = words.no_verdict(found)
            self._now = None
            self._rest.soon()
            return

        def work(_: object) -> tuple[Any, ...]:
            now = queries.verdict([found], region)
            others = {month.case: month for month in [*year, plain]}
            whole = queries.verdict(list(others.values()), region) if len(others) > 1 else None
            under = (queries.error_under_clouds(found), queries.error_of_hidden(plain, found.hidden))
            return now, whole, under

        self._scoring.start(work, partial(self._judge, found, region))

    def _judge(self, found: Reconstructed, region: str, judged: tuple[Any, ...]) -> None:
        now, whole, (under, before) = judged
        if found is not self._found or self.model.film:
            return
        self._now, self._whole = now, whole
        if now.best != self._best:
            self._best = now.best
            self._draw()
        learned = queries.is_learned(found.case.model, found.case.source, found.case.year)
        notes = [words.LEARNED] if learned else []
        if not found.count.any():
            notes.append(words.EVERYTHING_HIDDEN if found.case.clouds else words.NO_OBSERVATION)
        detail = words.under_clouds(under, before, now.best) if found.case.clouds else words.detail(now, whole, region)
        said = words.verdict(now, self.model.iso) + detail
        self._verdict.object = said + "".join(f"<p class=caution>{note}</p>" for note in notes)
        self.maps.stage.say_facts(words.read_out(found))
        self._rest.soon()
        self._follow.soon()

    def _compute_year(self) -> None:
        """The other months of the year, one by one, while nothing else is asked for."""
        found, model = self._found, self.model
        if found is None or model.film or self._reading.running or self._following.running:
            return
        have = {month.case for month in self._year}
        wanted = [model.case(iso, with_clouds=False) for iso in model.months if iso[:4] == model.iso[:4]]
        missing = [case for case in wanted if case not in have]
        if not missing:
            return

        def then(month: Reconstructed) -> None:
            self._year = [*self._year, month][-24:]
            self._score()

        self._following.start(partial(_compute, missing[0]), then)

    def _after_rest(self) -> None:
        if self.model.panel == "training":
            self.panels.show_training()
        elif self._found is not None:
            year = {month.case: month for month in self._year if month.case.year == self._found.case.year}
            months = list(year.values()) or [self._found]
            self.panels.show(self._found, self._now, months)

    # the training

    def _film_switched(self) -> None:
        """The film takes the maps and the verdict; the month takes them back."""
        show(self._month_bar, not self.model.film)
        show(self._epoch_bar, self.model.film)
        if self.model.film:
            self._reading.cancel()
            self._following.cancel()
        else:
            self._open()
            self._draw()
            self._score()

    def _say_film(self, said: str) -> None:
        if self.model.film:
            self._verdict.object = said

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
        title = f"{words.month(self.model.iso)} — Harmonia"
        stage.globe.save_png(f"{self.model.iso[:7]}-{self.model.kind}.png", title, stage.bar.label, stage.bar.units)

    def _offer_month(self) -> None:
        found = self._found
        if found is None:
            self.session.say("info", "There is no month yet.")
            return
        name, download = f"reconstruction-{found.case.year}-{found.case.month:02d}.nc", self.maps.stage.download
        self._filing.start(lambda _: queries.month_netcdf(found), lambda made: download.offer(name, made))

    def _offer_scores(self) -> None:
        if self._now is None or self._found is None:
            self.session.say("info", "There are no scores of this month.")
            return
        verdicts = [(self.model.iso[:7], self._now)]
        if self._whole is not None:
            verdicts.append((f"{self._whole.num_months} months", self._whole))
        self.maps.stage.download.offer(f"scores-{self.model.iso[:7]}.csv", queries.scores_csv(verdicts))

    def _offer_film(self) -> None:
        run, (low, high) = self.model.run, words.WORLD
        download, colours = self.maps.stage.download, colormap_bytes("thermal")
        self._filing.start(
            lambda _: queries.film_gif(run, colours, (low, high)),
            lambda made: download.offer(f"training-{run}.gif", made),
        )


def _compute(case: queries.Case, report: queries.Progress) -> Reconstructed:
    return queries.reconstructed(case, report)
