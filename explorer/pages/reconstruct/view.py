"""The Reconstruct page's view: reconstructs months off the event loop and draws them beside observations and truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.queries import ocean, reconstruct
from engine.queries.cache import Progress, sub_progress
from engine.queries.ocean import SourceChoice
from engine.queries.reconstruct import ModelCard, MonthResult
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.page_model import source_query
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.background_runs import BackgroundRuns
from explorer.pages.reconstruct.decks import MONTH
from explorer.pages.reconstruct.drawer import drawer
from explorer.pages.reconstruct.exports import ReconstructFiles
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import REQUEST, ReconstructModel
from explorer.pages.reconstruct.panels import ReconstructPanel
from explorer.pages.reconstruct.remedy_card import RemedyCard
from explorer.pages.reconstruct.snapshots import SnapshotPlayer
from explorer.pages.reconstruct.verdict_panel import VerdictPanel
from explorer.session import PageView, Query, Session
from explorer.widgets import controls
from explorer.widgets.days import DayBar
from explorer.widgets.text import html, paragraphs

_PAGE = "reconstruct"
_FILM_MS = 80  # from one month of a film to the next at least
_MAPS = ["kind", "panes", "left", "right", "third", "day"]
_FRAME = """
:host { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr); gap: 0 }
:host > * { min-width: 0; min-height: 0 }
:host > div:first-of-type { min-height: 96px } /* the maps stay where they are while the result is computed */
"""


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return ReconstructView(
        session, ReconstructModel(query, choice=session.source), "src" in query or session.source != SourceChoice()
    ).view


class ReconstructView:
    """Opens model and source, then computes the month; a newer choice replaces an older one.

    Whatever belongs to an earlier choice is veiled or removed at once, and no longer exported.
    """

    def __init__(self, session: Session, model: ReconstructModel, is_chosen: bool) -> None:
        self.session = session
        self.model = model
        self._month: MonthResult | None = None
        self._card: ModelCard | None = None
        self._weights = ""
        """Key of the model that ``_month`` was computed with."""
        self._is_undecided = False
        self._is_taking = False
        self._opens_own = False
        self._selection: dict[str, Any] = {}
        """The selection that ``_month`` is the result of."""
        self._reason = ""
        """Why there is no result, and none is being computed."""
        self.maps = Maps(session, model, self._abandon)
        self._opening = LatestTask(self.maps.stage.show_progress, self._refuse)
        self._reading = LatestTask(self.maps.stage.show_progress, self._fail)
        self._rest = Debouncer(self._after_rest, 250)
        self.verdict = VerdictPanel(model, self.maps.stage, self._draw, self._scored, self._is_idle)
        self._remedies = RemedyCard(
            {
                "compute": lambda: self._open(self._opens_own),
                "score": self._score,
                "withhold": lambda: model.param.update(hidden_percent=text.WITHHELD_PERCENT),
                "world": lambda: model.param.update(region="World"),
                "own source": lambda: self._open(own_source=True),
                "shipped model": lambda: model.param.update(run=reconstruct.PRETRAINED),
                "train": lambda: session.go("train", {"face": "new", "task": "sst", **source_query(model.choice)}),
                "open on Data": lambda: session.go("data", source_query(model.choice)),
                "demo": lambda: model.param.update(run=reconstruct.PRETRAINED, choice=SourceChoice()),
            }
        )
        self._about = html("")
        self._bar = DayBar(
            unit="month", margin=0, sizing_mode="stretch_width", height=38, pace_ms=_FILM_MS, control=MONTH
        )
        self._bar.link(model, day="month", bidirectional=True)
        self.panel = ReconstructPanel(model, self._fly)
        self.film = SnapshotPlayer(model, self.maps, self._say_film, lambda: self.runs.refresh())
        self.files = ReconstructFiles(
            session,
            model,
            self.maps,
            self.verdict,
            lambda: self.current,
            lambda: self.film.shown,
        )
        self.runs = BackgroundRuns(session, model, self.maps.stage.offer)
        self.panel.training = self.runs.parts
        self._month_bar, self._epoch_bar = box(self._bar), box(self.film.bar, styles={"display": "none"})
        bars = box(self._month_bar, self._epoch_bar)
        frame = box(
            self.verdict.part,
            self.maps.root,
            box(self._remedies.part, bars),
            css=_FRAME,
            sizing_mode="stretch_both",
        )
        parts = drawer(model, self.maps.stage.globe, self._about_parts(), lambda: model.param.update(clouds=()))
        self.view = self.maps.stage.page_view(parts, [*self.panel.parts], self.files.menu, parts=[frame])
        model.param.watch(self._selected, [*REQUEST])
        model.param.watch(lambda *_: self._draw(), _MAPS)
        model.param.watch(lambda *_: self._film_switched(), "film")
        model.param.watch(lambda *_: self._score(), "region")
        model.param.watch(lambda *_: self._renew_panel(), ["panel", "figure", "place", "region"])
        session.param.watch(lambda event: self._take_source(event.new), "source")
        session.param.watch(lambda event: event.new == _PAGE and self.verdict.follow(), "page")
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

        def mark(*_: object) -> None:
            for part, choice in ((self._resample, "yes"), (self._as_is, "as-is")):
                part.variant = "contained" if self.model.resample == choice else "outlined"

        self.model.param.watch(mark, "resample")
        mark()
        return box(self._about, self._own, self._resample, self._as_is, css=":host { gap: 6px; padding-bottom: 6px }")

    def _take_source(self, choice: SourceChoice) -> None:
        if choice != self.model.choice:  # param counts an equal one as a change
            self.model.choice = choice

    # the result on screen

    @property
    def current(self) -> MonthResult | None:
        """The result of the selection; None while it is computed, and where it cannot be."""
        month = self._month
        return month if month is not None and month.request == self.model.case() else None

    def _is_idle(self) -> bool:
        """Whether the page is on screen, and computes nothing but scores."""
        return self.session.page in ("", _PAGE) and not self._is_computing()

    def _is_computing(self) -> bool:
        return self._opening.running or self._reading.running

    def _selected(self, *events: Any) -> None:
        """Another result is wanted: what is on screen stays only where it is this one."""
        if self._is_taking:
            return
        if self.model.film and not self.film.is_available:
            self.model.film = False  # opens the model
            return
        if {event.name for event in events} & {"run", "choice"}:
            self._open()
        else:
            self._ask()

    def _mark_stale(self) -> None:
        """Veil maps and panel, and remove scores and read-out, until the result of the selection is shown."""
        is_explained, self._reason = bool(self._reason), ""
        self._remedies.clear()
        if self.current is not None:
            if is_explained:  # the panel says why there were no scores
                self.panel.mark_stale()
            return
        self.verdict.blank(text.computing(self.model.key))
        self.panel.mark_stale()
        if self.model.film:
            self._rest.soon()  # nothing is computed: the panel says so
        else:
            self.maps.veil(True, is_drawn=self.maps.decks.has_selection(self._weights))
            self.maps.stage.show_readout([])

    def _show_none(self, reason: str) -> None:
        """Remove the maps as well: nothing is being computed."""
        self._reason = reason
        self.verdict.blank(text.status(reason))
        self.panel.show_none(reason)
        if not self.model.film:
            self.maps.blank()
            self.maps.stage.show_readout([])

    # model and source

    def _open(self, own_source: bool = False) -> None:
        """Open model and source."""
        model = self.model
        run, choice = model.run, model.choice
        self._opens_own = own_source
        self._card = None
        self.maps.source = None
        self.maps.forget()
        self._reading.cancel()
        self.verdict.pause()
        self._mark_stale()
        self.maps.stage.clear_failure()
        self._about.object = ""
        self._own.visible = self._resample.visible = self._as_is.visible = False
        if run != reconstruct.PRETRAINED and not reconstruct.has_model(run) and self.film.is_live:
            # it has snapshots before it has a model
            self._opening.cancel()
            model.film = True
            return

        def work(report: Progress) -> tuple[Any, ...]:
            report(0.1, text.OPENING)
            card = reconstruct.model_card(run)
            source = reconstruct.source_of(run) if own_source else choice
            months = reconstruct.months_of(source)
            limits = ocean.source_limits(source, sub_progress(report, 0.3, 1.0))
            return (
                card,
                source,
                limits,
                months,
                reconstruct.source_differences(run, source),
                reconstruct.needs_resampling(run, source),
            )

        self._opening.start(work, partial(self._take, run))
        self.maps.stage.show_progress(0.0, text.OPENING)

    def _take(self, run: str, opened: tuple[Any, ...]) -> None:
        card, source, limits, months, differ, is_other_grid = opened
        model = self.model
        if run != model.run:
            return
        if card.key != self._weights:
            # the same run may have other weights by now
            self._month = None
        place = ocean.covered_place(source, model.place)
        # one change of the selection, although its parts are set one after another
        self._is_taking = True
        if source != model.choice:
            model.param.update(choice=source)
        if not is_other_grid and model.resample != "no":
            model.resample = "no"
        model.notes = []
        model.variable = card.variable
        model.take_months(months, text.first_month(card, months))
        model.take_place(place)
        self._is_taking = False
        if source != self.session.source:
            self.session.source = source
        self._card, self.maps.source, self.maps.limits = card, source, limits
        self._is_undecided = is_other_grid
        sentences = [(text.about(card), False), *((sentence, True) for sentence in differ)]
        self._about.object = paragraphs(sentences)
        self._own.visible = bool(differ)
        self._resample.visible = self._as_is.visible = is_other_grid
        self._bar.param.update(days=list(months), day=model.month)
        self.session.say_changed(model.notes)
        self.verdict.forget_year()
        self._ask()

    def _refuse(self, error: Exception) -> None:
        self._month = None
        self.maps.stage.show_failure("This model cannot be used here", error)
        self._show_none(text.NOT_USABLE)
        self._remedies.search(self.model.run, self.model.choice)

    # months

    def _ask(self) -> None:
        """Compute the selected month, unless the grids differ and the choice about resampling is open."""
        model = self.model
        self._mark_stale()
        if model.film or self._opening.running:
            return
        if self._card is None:
            self._open(self._opens_own)
            return
        self.maps.stage.clear_failure()
        self.verdict.pause()
        self._reading.cancel()
        if self.current is not None:
            self._show_current()
            return
        if self._is_undecided and model.resample == "no":
            self.maps.stage.show_failure(text.OTHER_GRID, text.OTHER_GRID_REMEDY)
            self._show_none(text.UNDECIDED)
            self._remedies.offer("train")
            return
        case, plain = model.case(), model.case(with_clouds=False)

        def work(report: Progress) -> tuple[MonthResult, MonthResult]:
            month = reconstruct.reconstruct_month(case, report)
            return month, month if not case.clouds else reconstruct.reconstruct_month(plain, report)

        self._reading.start(work, self._take_month)
        self.maps.stage.show_progress(0.0, text.COMPUTING)

    def _take_month(self, months: tuple[MonthResult, MonthResult]) -> None:
        self._month, self._plain = months
        self._selection = self.model.selection()
        self._weights = "" if self._card is None else self._card.key
        self._show_current()

    def _show_current(self) -> None:
        """Show the result of the selection."""
        month, model = self.current, self.model
        if month is None or model.film:
            return
        self._bar.drawn = model.month
        offered = reconstruct.layers_of(month)
        if offered != model.offered:
            model.offered = offered
        self._draw()
        self.maps.stage.show_readout(text.read_out(month))
        self.verdict.take(month, self._plain)

    def _draw(self) -> None:
        if self.current is not None and not self.model.film:
            self.maps.decks.offer(self._weights)
            self.maps.show(self.current, self.verdict.best, (self.model.month, self._bar.serial))

    def _abandon(self) -> None:
        """Cancel, and return to the last result, so that the screen is true again; or leave a month without scores."""
        if self.verdict.is_awaited and not self._is_computing():
            self._reason = text.NOT_SCORED
            self.verdict.cancel(text.status(self._reason))
            self._rest.soon()
            self._remedies.offer("score")
            self.session.say("info", text.CANCELLED)
            return
        for task in (self._opening, self._reading):
            task.cancel()
        if self._selection:
            self.model.select(self._selection)
            self.session.source = self.model.choice
        if self.current is None and not self._opening.running:
            self._show_none(text.CANCELLED)
            self._remedies.offer("compute")
        self.session.say("info", text.CANCELLED)

    def _score(self) -> None:
        """Score the month on screen, also after that was cancelled."""
        self._remedies.clear()
        if self._reason == text.NOT_SCORED:
            self._reason = ""
            self.panel.mark_stale()
        self.verdict.score()

    def _scored(self) -> None:
        """The scores are there, or it is known why there are none."""
        month = self.current
        if month is not None and not self.model.film and self.verdict.now is None:
            if month.truth is None:
                self._remedies.offer("withhold")
            elif self.model.region != "World":
                self._remedies.offer("world")
        self._rest.soon()

    def _fail(self, error: Exception) -> None:
        self.maps.stage.show_failure("This month cannot be reconstructed", error)
        self._show_none(text.NOT_COMPUTED)
        self._remedies.search(self.model.run, self.model.choice)

    def _renew_panel(self) -> None:
        self.panel.mark_stale()
        self._rest.soon()

    def _after_rest(self) -> None:
        if self.model.panel == "training":
            self.panel.show_training()
        elif self._reason or self.model.film:
            self.panel.show_none(text.IN_FILM if self.model.film else self._reason)
        elif self.current is not None and self.verdict.key == self.model.key:
            self.panel.show(self.current, self.verdict.now, self.verdict.months_with(self.current))

    # the training

    def _film_switched(self) -> None:
        """Switch maps and scores between the snapshots and the month."""
        show(self._month_bar, not self.model.film)
        show(self._epoch_bar, self.model.film)
        if self.model.film:
            self.maps.forget()
            self._reading.cancel()
            self.verdict.pause()
            self.maps.stage.show_readout([])
        else:
            self.maps.veil(True)
            self.verdict.blank(text.computing(self.model.key))
            self._open()
        self._renew_panel()

    def _say_film(self, content: str) -> None:
        if self.model.film:
            self.verdict.say(content)

    def _fly(self, lat: float, lon: float) -> None:
        self.model.param.update(place=(lat, lon), camera=(lat, lon, max(3.0, self.model.camera[2])))
