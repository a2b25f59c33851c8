"""The Data page's view: opens oceans off the event loop and puts their days on globe, map and figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from engine.errors import EngineError
from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import SourceChoice, SourceSummary
from explorer import layout
from explorer.background import Debouncer, LatestTask
from explorer.layout import box, show
from explorer.pages.data import text
from explorer.pages.data.drawer import SourceForm, drawer
from explorer.pages.data.model import DEMO, OF_SPAN, PATH, UPLOAD, DataModel
from explorer.pages.data.panels import Panels
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.days import DayBar
from explorer.widgets.globe import Axes, colormap_bytes, pack_colours, pack_field
from explorer.widgets.text import facts, html, paragraph

_SHOWN = ["day", "other", "layer", "span", "hidden_percent", "pattern", "hidden_seed"]
QUICK = ("observed", "truth", "gaps", "difference")
_COLOURS = {"coverage": "dense", "count": "dense", "difference": "balance"}


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    model = DataModel(query, choice=session.source)
    session.say_changed(model.notes)
    return DataView(session, model).view


@dataclass(frozen=True)
class Wanted:
    """What the globe is asked to show: two of them are alike when they lead to the same picture."""

    key: str
    layer: str
    day: int
    other: int
    span: tuple[int, int]
    hidden: tuple[int, str, int]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A map, the one right of the divider if there is one, and both ends of their scale."""

    field: xr.DataArray
    second: xr.DataArray | None
    limits: tuple[float, float]


class DataView:
    """A source is opened and looked at before it takes the place of the last one; a newer day replaces an older."""

    def __init__(self, session: Session, model: DataModel) -> None:
        self.session = session
        self.model = model
        self._drawn: Drawn | None = None
        self._shown: Wanted | None = None
        self._agreed: set[Wanted] = set()
        self._map_failed = False
        self._under_way = ""
        self._question = html("")
        go = controls.button("Read them", on_click=lambda _: self._agree())
        self._asking = box(self._question, go, css=layout.CARD, styles={"display": "none"})
        self.stage = Stage(session, model, "the ocean", self._abandon, (self._asking,), blocks=True, land_shade=True)
        self.stage.on_click(self._pick)
        self._opening = LatestTask(self.stage.show_progress, self._show_refusal)
        self._reading = LatestTask(self.stage.show_progress, self._show_failure)
        self._form = Debouncer(self._choose_demo, 250)
        self._rest = Debouncer(self._after_rest, 160)
        self._cost = html("", margin=(0, 0, 8, 0))
        self._bar = DayBar(margin=0, sizing_mode="stretch_width", height=38)
        self.panels = Panels(model, self._show_failure)
        self.form = SourceForm(model, self._open_path, self._open_upload, self._show_refusal)
        self.view = PageView(
            drawer(model, self.stage.globe, self.form, self._cost),
            [
                box(*self.stage.parts, css=layout.STAGE, sizing_mode="stretch_both"),
                self._bar,
            ],
            [self.stage.flat, *self.panels.parts],
            self.stage.read,
            self._actions(),
            model,
        )
        self._bar.link(model, day="day", bidirectional=True)
        model.show_choice()
        model.param.watch(lambda *_: self._open(model.choice), "choice")
        model.param.watch(lambda *_: self._form.soon(), ["form", "step_deg", "seed", "years"])
        model.param.watch(lambda *_: model.choose_quality(), "quality")
        model.param.watch(lambda *_: model.param.update(refused=None), "form")
        # what was said of a refused source need not be read for ever
        model.param.watch(lambda *_: self.stage.clear_failure(), ["form", "layer", "panel"])
        model.param.watch(lambda *_: self._draw(), _SHOWN)
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "place", "span", "layer"])
        model.param.watch(lambda *_: self._mark(), "place")
        session.param.watch(lambda event: model.param.update(choice=event.new), "source")
        self._mark()
        self._open(model.choice)

    def _actions(self) -> list[Any]:
        files = {
            "Picture, PNG": self._offer_picture,
            "Map, NetCDF": self._offer_map,
            "Series at the place, CSV": self._offer_series,
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # the source

    def _choose_demo(self) -> None:
        model = self.model
        if model.form == DEMO:
            model.choice = SourceChoice(step_deg=model.step_deg, seed=model.seed, years=model.years)

    def _open_path(self, path: str) -> None:
        self.model.path = path
        self._try(PATH, path)

    def _open_upload(self, name: str) -> None:
        self._try(UPLOAD, name)

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

    def _open(self, choice: SourceChoice) -> None:
        """Open a source, unless it is the one in use."""
        found = self.model.found
        if found is None or found.choice != choice:
            self._start(choice)
        else:
            self._opening.cancel()

    def _start(self, choice: SourceChoice) -> None:
        """Open a source; what is in use stays until that has worked."""
        self.stage.clear_failure()
        self.model.refused = None
        self._opening.start(lambda report: ocean.open_source(choice, report), self._take)

    def _take(self, found: SourceSummary) -> None:
        self.model.notes = []
        self.model.take(found)
        self.session.source = found.choice
        self._bar.param.update(days=list(found.days), unit=found.unit, day=self.model.day)
        self.session.say_changed(self.model.notes)
        self._draw()

    def _show_refusal(self, error: Exception) -> None:
        """A source that cannot be had: the last one stays, or the demo ocean takes its place."""
        self.model.refuse(error)
        found = self.model.found
        self.stage.show_failure(text.kept(found.name if found else "The demo ocean"), error)

    # showing

    def _wanted(self, found: SourceSummary) -> Wanted:
        model, span = self.model, self.model.span_days
        is_span, is_hidden = model.layer in OF_SPAN, model.layer == "withheld"
        return Wanted(
            found.key,
            model.layer,
            0 if is_span else model.index,
            model.other_index if model.layer == "difference" else 0,
            (span.start, span.stop) if is_span else (0, 0),
            (model.hidden_percent, model.pattern, model.hidden_seed) if is_hidden else (0, "", 0),
        )

    def _draw(self) -> None:
        """Put on the globe what is wanted. While one day is read another waits for it; what takes long gives way."""
        found = self.model.found
        if found is None:
            return
        wanted = self._wanted(found)
        show(self._asking, False)
        if wanted == self._shown:
            self._reading.cancel()
            self._rest.soon()
            return
        if wanted.layer in OF_SPAN and not self._may_read(found, wanted):
            return
        if self._reading.running and self._under_way in QUICK and wanted.layer in QUICK:
            return
        if self._map_failed:
            # what is said of a source that was refused stays
            self._map_failed = False
            self.stage.clear_failure()
        self._reading.start(lambda report: _read(found, wanted, report), lambda drawn: self._show(found, wanted, drawn))

    def _may_read(self, found: SourceSummary, wanted: Wanted) -> bool:
        """Whether a span may be read: it is short, at hand, or the person has agreed."""
        cost = ocean.read_cost(found, slice(*wanted.span))
        if cost.seconds <= text.ASK_SECONDS or wanted in self._agreed:
            return True
        if ocean.has_statistics(found.choice, slice(*wanted.span)):
            return True
        self._reading.cancel()
        self._question.object = paragraph(text.ask(cost))
        show(self._asking, True)
        self._rest.soon()
        return False

    def _agree(self) -> None:
        if self.model.found is not None:
            self._agreed.add(self._wanted(self.model.found))
            self._draw()

    def _abandon(self) -> None:
        self._opening.cancel()
        self._reading.cancel()
        found = self.model.found
        if found is not None and self.model.choice != found.choice:
            self.model.choice = found.choice
        self.session.say("info", "The reading was abandoned.")

    def _show(self, found: SourceSummary, wanted: Wanted, drawn: Drawn) -> None:
        self._drawn, self._shown = drawn, wanted
        self._bar.drawn = self.model.index
        field, (low, high) = drawn.field, drawn.limits
        stem = f"{found.key[:12]}-{wanted.layer}-{self._when()}"
        layers = {
            "field": _packed(field, stem),
            "field_b": b"" if drawn.second is None else _packed(drawn.second, stem),
        }
        colours = colormap_bytes(_COLOURS.get(wanted.layer, "thermal"))
        self.stage.globe.param.update(**layers, vmin=low, vmax=high, colormap=colours)
        self.stage.caption(*(() if drawn.second is None else ("Observed", "Remaining after withholding")))
        self.stage.scale(colours, low, high, ocean.LAYERS[wanted.layer][0], field.attrs["units"])
        self.stage.bar.visible = wanted.layer != "gaps"
        self._rest.soon()
        if self._wanted(found) != wanted:
            self._draw()

    def _when(self) -> str:
        model = self.model
        if model.layer not in OF_SPAN:
            return model.iso("day")
        return model.iso("day")[: {"month": 7, "year": 4, "all": 0}[model.span]] or "all"

    def _pick(self, lat: float, lon: float) -> None:
        self.model.place = (lat, lon)

    def _mark(self) -> None:
        self.stage.globe.markers = [{"lat": self.model.place[0], "lon": self.model.place[1]}]

    def _after_rest(self) -> None:
        found, drawn = self.model.found, self._drawn
        if found is None or drawn is None:
            return
        self._cost.object = paragraph(text.cost(ocean.read_cost(found, self.model.span_days)))
        seen = ocean.coverage_percent(found.choice, drawn.field)
        said = facts(text.map_facts(drawn.field, drawn.second, seen))
        self.stage.facts.object = text.key(text.GAPS_KEY) if drawn.field.name == "gaps" else said
        self.panels.show(found, drawn.field, drawn.limits)

    def _show_failure(self, error: Exception) -> None:
        self._map_failed = True
        self.stage.show_failure("This map cannot be shown", error)

    # files

    def _offer_picture(self) -> None:
        if self._drawn is not None:
            self.stage.save_picture(self._stem(), self._drawn.field.attrs["long_name"])

    def _stem(self) -> str:
        return text.file_stem(self.model.choice, self.model.layer, self._when())

    def _offer_map(self) -> None:
        if self._drawn is not None:
            shown = self._drawn.field if self._drawn.second is None else self._drawn.second
            self.stage.download.offer(f"{self._stem()}.nc", ocean.map_netcdf(shown))

    def _offer_series(self) -> None:
        seen = self.panels.series
        if seen is None:
            self.session.say("info", "There is no series yet. Open the panel “Place” first.")
            return
        columns = {"observed_degC": seen.observed, **({} if seen.truth is None else {"truth_degC": seen.truth})}
        name = f"{text.file_stem(self.model.choice, 'series', f'{seen.lat:.2f}N-{seen.lon:.2f}E')}.csv"
        self.stage.download.offer(name, ocean.series_csv(seen.days, columns))


def _read(found: SourceSummary, wanted: Wanted, report: Progress) -> Drawn:
    """The maps that are wanted; called off the event loop."""
    choice, layer = found.choice, wanted.layer
    if layer in OF_SPAN:
        span = slice(*wanted.span)
        field = ocean.span_map(choice, layer, span, report)
        top = {"coverage": 100.0, "count": float(max(1.0, np.nan_to_num(field.values).max()))}
        return Drawn(field, None, found.limits if layer == "mean" else (0.0, top[layer]))
    if layer == "difference":
        field = ocean.difference_map(choice, wanted.day, wanted.other)
        return Drawn(field, None, _symmetric(field.values))
    if layer == "withheld":
        percent, pattern, seed = wanted.hidden
        left = ocean.withheld_map(choice, wanted.day, percent / 100, pattern, seed, report)
        return Drawn(ocean.day_map(choice, "observed", wanted.day), left, found.limits)
    limits = found.limits if layer != "gaps" else (0.0, 2.0)
    return Drawn(ocean.day_map(choice, layer, wanted.day), None, limits)


def _symmetric(values: np.ndarray) -> tuple[float, float]:
    """Ends about zero that nearly all values lie between, on whole halves."""
    valid = np.abs(values[np.isfinite(values)])
    limit = max(0.5, float(np.ceil(2 * np.percentile(valid, 99)) / 2)) if valid.size else 1.0
    return -limit, limit


def _packed(field: xr.DataArray, key: str) -> bytes:
    axes = Axes.of(field["lat"].values, field["lon"].values)
    if field.name != "gaps":
        return pack_field(field.values, axes, key)
    missing = np.isnan(field.values)
    kinds = np.where(missing, 0, field.values).astype(int)
    return pack_colours(_gap_colours()[kinds], axes, key, missing)


@cache
def _gap_colours() -> np.ndarray:
    return np.array([list(bytes.fromhex(colour[1:])) for _, colour in text.GAPS_KEY], np.uint8)
