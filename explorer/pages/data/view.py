"""The Data page's view: opens sources off the event loop and draws their days on globe, map and figures."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import Any

from engine.errors import EngineError
from engine.provenance import Provenance
from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import OF_SPAN, MapChoice, SourceChoice, SourceSummary
from explorer import layout
from explorer.background import Debouncer, LatestTask
from explorer.deck import Card, Deck
from explorer.layout import box, row, show
from explorer.page_model import OUTSIDE, source_query
from explorer.pages.data import text
from explorer.pages.data.drawer import SourceForm, drawer
from explorer.pages.data.maps import DrawnMap, MapRequest, map_scale, packed_map, read_map
from explorer.pages.data.model import DEMO, PATH, UPLOAD, DataModel
from explorer.pages.data.panels import DataPanel
from explorer.pages.data.points import PointsPanel
from explorer.session import PageView, Query, Session
from explorer.stage import CHANGED, Stage
from explorer.widgets import controls
from explorer.widgets.days import DayBar
from explorer.widgets.text import colour_key, html, paragraph

_SHOWN = ["day", "other", "layer", "span", "hidden_percent", "pattern", "hidden_seed"]
QUICK = ("observed", "truth", "gaps", "difference")
_FILM_MS = 66  # from one day of a film to the next at least: 15 a second


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    model = DataModel(query, choice=session.source)
    if "open" not in query:
        model.show_choice()
    return DataView(session, model).view


class DataView:
    """A new source replaces the current one once it is open; a newer day replaces an older one."""

    def __init__(self, session: Session, model: DataModel) -> None:
        self.session = session
        self.model = model
        self._map: DrawnMap | None = None
        self._request_drawn: MapRequest | None = None
        self._stem = ""
        self._request_kept: MapRequest | None = None
        """The map that stayed when a source was refused: the message goes with the next one."""
        self._confirmed: set[MapRequest] = set()
        self._map_failed = False
        self._under_way: MapRequest | None = None
        """The map that is being read."""
        self._question = html("")
        go = controls.button("Read them", on_click=lambda _: self._confirm())
        self._question_card = box(self._question, go, css=layout.CARD, styles={"display": "none"})
        self.stage = Stage(
            session, model, "the ocean", self._abandon, (self._question_card,), blocks=True, covered="land"
        )
        self.stage.on_click(self._pick)
        self._opening = LatestTask(self.stage.show_progress, self._show_refusal)
        self._reading = LatestTask(self.stage.show_progress, self._fail_reading)
        self._form = Debouncer(self._choose_demo, 250)
        self._rest = Debouncer(self._after_rest, 160)
        self._cost = html("", margin=(0, 0, 8, 0))
        self._bar = DayBar(margin=0, sizing_mode="stretch_width", height=38, pace_ms=_FILM_MS)
        self._deck = Deck(self.stage.globe, self._bar.control)
        self._serial = 0
        """Number of the choice of a day that is drawn."""
        self._when_drawn = ""
        self.panel = DataPanel(model, self._show_failure)
        self.points = PointsPanel(model, self._choose_file)
        self.form = SourceForm(model, self._open_path, partial(self._try, UPLOAD), self._show_refusal)
        self.view = self.stage.page_view(
            drawer(model, self.stage.globe, self.form, [self.points.part, *self._uses()], self._cost),
            [self.stage.flat, *self.panel.parts],
            {
                "Picture, PNG": self._offer_picture,
                "Map, NetCDF": self._offer_map,
                "Series at the place, CSV": self._offer_series,
            },
            parts=[box(*self.stage.parts, css=layout.STAGE, sizing_mode="stretch_both"), self._bar],
        )
        self._bar.link(model, day="day", bidirectional=True)
        model.param.watch(lambda *_: self._open(model.choice), "choice")
        model.param.watch(lambda *_: self._form.soon(), ["form", "step_deg", "seed", "years"])
        model.param.watch(lambda *_: model.choose_quality(), "quality")
        model.param.watch(lambda *_: model.param.update(refused=None), "form")
        model.param.watch(lambda *_: model.form == DEMO and model.param.update(unread=None, mends={}), "form")
        model.param.watch(lambda *_: self.stage.clear_failure(), ["form", "layer", "panel", "place", "span"])
        model.param.watch(lambda *_: self._draw(), _SHOWN)
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "place", "span", "layer"])
        model.param.watch(lambda *_: self._mark(), "place")
        model.param.watch(lambda *_: self._offer_days(), "colours")
        session.param.watch(lambda event: self._follow(event.new), "source")
        self._mark()
        self._open(model.choice)

    def _uses(self) -> list[Any]:
        """The buttons that lead on with the open source, and why one of them does not."""
        model = self.model
        train = controls.button("Train on this", variant="contained", on_click=lambda _: self._train())
        reconstruct = controls.button("Reconstruct this", on_click=lambda _: self._reconstruct())

        def renew(*_: object) -> None:
            train.disabled = bool(model.why_not_used or model.why_not_trained)
            reconstruct.disabled = bool(model.why_not_used)

        def reason() -> str:
            return "" if model.opened is None else model.why_not_used or model.why_not_trained

        names = ["opened", "unread", "refused"]
        model.param.watch(renew, names)
        renew()
        return [row(train, reconstruct), controls.sentence(model, names, reason)]

    # the source

    def _follow(self, choice: SourceChoice) -> None:
        """Use a source that was chosen elsewhere."""
        if choice != self.model.choice:
            self.model.choice = choice
            self.model.show_choice()

    def _train(self) -> None:
        if self.model.opened is not None:
            self.session.go("train", {"face": "new", "task": "sst", **source_query(self.model.opened.choice)})

    def _reconstruct(self) -> None:
        if self.model.opened is not None:
            self.session.go("reconstruct", source_query(self.model.opened.choice))

    def _choose_demo(self) -> None:
        model = self.model
        if model.form == DEMO:
            model.choice = SourceChoice(step_deg=model.step_deg, seed=model.seed, years=model.years)

    def _open_path(self, path: str) -> None:
        self.model.path = path
        self._try(PATH, path)

    def _try(self, kind: str, path: str) -> None:
        try:
            choice = self.model.choose_file(kind, path)
        except EngineError as error:
            self._show_refusal(error)
            return
        if choice == self.model.choice:
            # its files may have changed
            self._start(choice)
        self.model.choice = choice

    def _choose_file(self, choice: SourceChoice) -> None:
        """Open a file with another decision, also one that was refused."""
        self.model.variable = choice.variable
        self.model.choice = choice

    def _open(self, choice: SourceChoice) -> None:
        """Open a source, unless it is the one in use."""
        source = self.model.opened
        if source is None or source.choice != choice:
            self._start(choice)
        else:
            self._opening.cancel()

    def _start(self, choice: SourceChoice) -> None:
        """Open a source; the current one stays until that succeeds."""
        self.stage.clear_failure()
        self.model.param.update(refused=None)
        self._opening.start(lambda report: ocean.open_source(choice, report), self._take)

    def _take(self, source: SourceSummary) -> None:
        self.model.notes = []
        self.model.take(source)
        self.model.take_place(ocean.covered_place(source.choice, self.model.place))
        self.session.source = source.choice
        self._bar.param.update(days=list(source.days), unit=source.unit, day=self.model.day)
        self.session.say_changed(self.model.notes)
        self._draw()

    def _show_refusal(self, error: Exception) -> None:
        """A source that cannot be opened: the last one, or the demo ocean, is used."""
        self.model.refuse(error)
        source = self.model.opened
        self._request_kept = None if source is None else self._request(source)
        self.stage.show_failure(text.kept(source.name if source else "The demo ocean"), error)

    # showing

    def _request(self, source: SourceSummary) -> MapRequest:
        model, span = self.model, self.model.span_days
        chosen: dict[str, Any] = {"span": (span.start, span.stop)} if model.layer in OF_SPAN else {"day": model.index}
        if model.layer == "difference":
            chosen["other"] = model.other_index
        if model.layer == "withheld":
            chosen |= {"percent": model.hidden_percent, "pattern": model.pattern, "seed": model.hidden_seed}
        return MapRequest(source.key, MapChoice(source.choice, model.layer, **chosen))

    def _draw(self) -> None:
        """Draw the selected map. A quick read is finished before the next starts; a long one is cancelled."""
        source = self.model.opened
        if source is None:
            return
        request = self._request(source)
        show(self._question_card, False)
        self.stage.veil(self._is_of_another_kind(request))
        if request == self._request_drawn:
            self._reading.cancel()
            if self._serial != self._bar.serial:  # meanwhile the browser may have drawn another day
                self._serial = self._bar.serial
                self._send(source, request)
            self._rest.soon()
            return
        if request.layer in OF_SPAN and not self._may_read(source, request):
            return
        before = self._under_way if self._reading.running else None
        if before is not None and before.key == request.key and {before.layer, request.layer} <= set(QUICK):
            return
        if self._map_failed:
            # the message about a refused source stays
            self._map_failed = False
            self.stage.clear_failure()
        self._under_way = request
        when, index, serial = self._when(), self.model.index, self._bar.serial
        self._reading.start(
            lambda report: read_map(source, request, report),
            lambda drawn: self._show(source, request, drawn, when, index, serial),
        )

    def _is_of_another_kind(self, request: MapRequest) -> bool:
        """Whether the map on screen is no other day of what is requested; the day bar marks the day that is drawn."""
        drawn = self._request_drawn
        if drawn is None or drawn == request:
            return False
        return drawn.key != request.key or drawn.layer != request.layer or request.layer not in QUICK

    def _may_read(self, source: SourceSummary, request: MapRequest) -> bool:
        """Whether a period may be read: it is short, cached, or confirmed."""
        cost = ocean.read_cost(source, slice(*request.choice.span))
        if cost.seconds <= text.ASK_SECONDS or request in self._confirmed:
            return True
        if ocean.has_statistics(source.choice, slice(*request.choice.span)):
            return True
        self._reading.cancel()
        self._question.object = paragraph(text.ask(cost))
        show(self._question_card, True)
        self._rest.soon()
        return False

    def _confirm(self) -> None:
        if self.model.opened is not None:
            self._confirmed.add(self._request(self.model.opened))
            self._draw()

    def _abandon(self) -> None:
        self._opening.cancel()
        self._reading.cancel()
        source = self.model.opened
        if source is not None and self.model.choice != source.choice:
            self.model.choice = source.choice
        self.session.say("info", "Reading was cancelled.")

    def _show(
        self, source: SourceSummary, request: MapRequest, drawn: DrawnMap, when: str, index: int, serial: int
    ) -> None:
        """Draw the map of a request for the day ``index``, the period ``when``, in answer to the choice ``serial``."""
        if self._request_drawn is not None and request != self._request_kept:
            self.stage.clear_failure()
        self._map, self._request_drawn, self._serial, self._when_drawn = drawn, request, serial, when
        self._stem = text.file_stem(source.choice, request.layer, when, source.variable)
        self._bar.drawn = index
        self._offer_days()
        self._send(source, request)
        self.stage.veil(False)
        self._rest.soon()
        if self._request(source) != request:
            self._draw()

    def _send(self, source: SourceSummary, request: MapRequest) -> None:
        """Draw the map that was read."""
        drawn, index = self._map, self._bar.drawn
        if drawn is None:
            return
        scale = map_scale(source, request, drawn)
        card = partial(packed_map, source, request, drawn, self._when_drawn)
        layers = self._deck.answer(card, index, self._serial, is_pair=drawn.second is not None)
        self.stage.cover(source.variable.masked)
        self.stage.globe.param.update(**layers, **self.stage.scale(scale))
        self.stage.caption(*(() if drawn.second is None else ("Observed", "After withholding")))
        self.stage.bar.visible = request.layer != "gaps"

    def _offer_days(self) -> None:
        """Let the browser hold the days beside the one on screen, of layers that are of a day."""
        source, request = self.model.opened, self._request_drawn
        if source is None or request is None or request.key != source.key:
            return
        if request.layer in OF_SPAN:
            self._deck.withdraw()
            return
        any_day, limits_of_scale = replace(request.choice, day=0), self.stage.colours.limits

        def make(index: int, report: Progress) -> Card:
            other = MapRequest(source.key, replace(any_day, day=index))
            drawn = read_map(source, other, report)
            limits = limits_of_scale(map_scale(source, other, drawn))
            return replace(packed_map(source, other, drawn, source.days[index]), limits=limits)

        name = f"{source.key} {any_day} {self.model.colours}"
        self._deck.offer(hashlib.sha256(name.encode()).hexdigest(), len(source.days), self.model.index, make)

    def _when(self) -> str:
        model = self.model
        if model.layer not in OF_SPAN:
            return model.iso("day")
        return model.iso("day")[: {"month": 7, "year": 4, "all": 0}[model.span]] or "all"

    def _pick(self, lat: float, lon: float) -> None:
        """Move the pin, within the region of the source."""
        source = self.model.opened
        if source is None or ocean.is_covered(source.choice, (lat, lon)):
            self.model.place = (lat, lon)
        else:
            self.session.say("info", OUTSIDE)

    def _mark(self) -> None:
        self.stage.globe.markers = [{"lat": self.model.place[0], "lon": self.model.place[1]}]

    def _after_rest(self) -> None:
        source, drawn, request = self.model.opened, self._map, self._request_drawn
        if source is None or drawn is None or request is None or request.key != source.key:
            return  # the map is still that of another source
        self._cost.object = paragraph(text.cost(ocean.read_cost(source, self.model.span_days)))
        if drawn.field.name == "gaps":
            self.stage.readout.object = colour_key(text.GAPS_KEY)
        else:
            percent = ocean.coverage_percent(source.choice, drawn.field)
            self.stage.show_readout(text.map_readout(drawn.field, drawn.second, percent, source.variable))
        self.panel.show(source, drawn.field, drawn.limits)

    def _fail_reading(self, error: Exception) -> None:
        """A map that cannot be read; one that was selected meanwhile is read next."""
        self._show_failure(error)
        self.stage.veil(self._under_way != self._request_drawn)
        source = self.model.opened
        if source is not None and self._request(source) != self._under_way:
            self._draw()

    def _show_failure(self, error: Exception) -> None:
        self._map_failed = True
        self.stage.show_failure("This map cannot be drawn", error)

    # files

    def _offer_picture(self) -> None:
        drawn, request, stem = self._map, self._request_drawn, self._stem
        if drawn is None or request is None:
            return
        field = drawn.field

        def save(origin: Provenance) -> None:
            if self._map is drawn:
                key = text.GAPS_KEY if field.name == "gaps" else ()
                self.stage.save_picture(stem, origin, field.attrs["long_name"], key)
            else:
                self.session.say("info", CHANGED)

        self.stage.prepare(lambda: ocean.map_origin(request.choice, field), save)

    def _offer_map(self) -> None:
        drawn, request = self._map, self._request_drawn
        if drawn is not None and request is not None:
            shown = drawn.field if drawn.second is None else drawn.second
            self.stage.offer(f"{self._stem}.nc", lambda: ocean.map_netcdf(request.choice, shown))

    def _offer_series(self) -> None:
        source, shown = self.model.opened, self.panel.series
        if source is None or shown is None or shown[0] != self.panel.wanted_series(source):
            self.session.say("info", "The series of this place and period is not read. Open the tab “Place” first.")
            return
        choice, series = shown
        variable = ocean.source(choice.source).variable
        name = f"{text.file_stem(choice.source, 'series', f'{series.lat:.2f}N-{series.lon:.2f}E', variable)}.csv"
        self.stage.offer(name, lambda: ocean.series_csv(choice, series))
