"""The Tokens page's view: the tokens of a month on the globe, and the panel that measures them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.queries import ocean
from engine.queries import tokens as queries
from engine.queries.cache import Progress
from engine.queries.tokens import TokenMap, TokenRequest
from explorer.background import Debouncer, LatestTask
from explorer.layout import box
from explorer.pages.tokens import text
from explorer.pages.tokens.drawer import drawer
from explorer.pages.tokens.model import APART, COLOURS, FIELD, LIKE, PICK, TokensModel
from explorer.pages.tokens.panels import TokensPanel
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets.days import DayBar
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_colours, pack_field
from explorer.widgets.text import html, paragraph

_LEAST_SHARE = 1e-5
_MAP = ["show", "layer", "pooling", "transform", "how"]
_EXAMPLE = {True: "#4CC38A", False: "#F2766D"}
_MATCH = "#E2A83D"
_STAGE = """
:host { display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); position: relative }
:host > * { min-width: 0; min-height: 0 }
"""
_COLUMN = ":host { display: grid; grid-template: minmax(0, 1fr) auto / minmax(0, 1fr); position: relative; gap: 0 }"


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return TokensView(session, TokensModel(query)).view


@dataclass(frozen=True, eq=False)
class Layer:
    """What the map shows: the tokens that it is of, values or colours, and the scale."""

    tokens: TokenMap
    packed: bytes
    scale: Scale | None


class TokensView:
    """Computes the tokens of the chosen month, then the map of them; a newer choice cancels an older one."""

    def __init__(self, session: Session, model: TokensModel) -> None:
        self.session = session
        self.model = model
        self._tokens: TokenMap | None = None
        self.stage = Stage(session, model, "the tokens", self._abandon, blocks=True, covered="land")
        self.stage.on_click(self._clicked)
        self._work = LatestTask(self.stage.show_progress, self._fail)
        self._choice = Debouncer(self._compute, 60)
        self._map = Debouncer(self._compute_map, 60)
        self._about = html("")
        self._bar = DayBar(unit="month", margin=0, sizing_mode="stretch_width", height=38, pace_ms=600)
        self._bar.link(model, day="month", bidirectional=True)
        self.panel = TokensPanel(session, model, self._fail, self.stage.show_progress, self._go, self._mark_matches)
        files = {
            "Picture, PNG": self._offer_picture,
            "Tokens, NetCDF": lambda: self._offer("nc", queries.tokens_netcdf),
            "Tokens, Parquet": lambda: self._offer("parquet", queries.tokens_parquet),
            "Verdict, Markdown": self._offer_verdict,
            "Chip, Markdown": self._offer_chip,
        }
        self._matches: list[dict[str, Any]] = []
        parts = [box(*self.stage.parts, css=_STAGE, sizing_mode="stretch_both"), box(self._bar)]
        frame = box(*parts, css=_COLUMN, sizing_mode="stretch_both")
        self.view = self.stage.page_view(
            drawer(model, self.stage.globe, self._about), [self.stage.flat, *self.panel.parts], files, parts=[frame]
        )
        model.param.watch(lambda *_: self._open(), "run")
        model.param.watch(lambda *_: self._change(), ["month", "weights"])
        model.param.watch(lambda *_: self._map.soon(), _MAP)
        model.param.watch(lambda *_: self._picked(), "place")
        model.param.watch(lambda *_: self._show_panel(), ["panel", "span", "examples"])
        self._open()
        if model.panel in APART:
            self.panel.show_apart()

    # computing

    def _abandon(self) -> None:
        self._work.cancel()
        self.panel.cancel()

    def _open(self) -> None:
        """Open the model and its source, then its tokens."""
        run = self.model.run
        self.stage.clear_failure()
        self._veil(True)

        def work(report: Progress) -> tuple[Any, ...]:
            report(0.0, "Opening the model and its source")
            choice = queries.source_of(run)
            return choice, ocean.open_source(choice, report).name, queries.months_of(choice), queries.layers_of(run)

        def take(opened: tuple[Any, ...]) -> None:
            choice, name, months, layers = opened
            self._about.object = paragraph(text.about(name))
            self.model.param.update(choice=choice, layers=layers)
            self.model.take_months(months)
            self._bar.param.update(days=list(months), day=self.model.month)
            self._compute()

        self._work.start(work, take)

    def _change(self) -> None:
        if self._tokens is not None and self._tokens.request != self.model.request:
            self._veil(True)
            self._choice.soon()

    def _veil(self, wanted: bool) -> None:
        self.stage.veil(wanted)
        self.panel.veil(wanted and self.model.panel not in APART)

    def _compute(self) -> None:
        """The tokens of the chosen month."""
        self.stage.clear_failure()
        self.panel.task.cancel()
        request = self.model.request
        self._work.start(partial(queries.token_map, request), self._take)

    def _take(self, tokens: TokenMap) -> None:
        self._tokens = tokens
        self._compute_map()

    def _compute_map(self) -> None:
        """The map of the tokens, and the open tab."""
        tokens = self._tokens
        if tokens is None or tokens.request != self.model.request:
            return
        self.stage.clear_failure()
        self.panel.task.cancel()
        show, layer, (lat, lon) = self.model.show, self.model.layer, self.model.place
        pooling, transform, how = self.model.pooling, self.model.transform, self.model.how

        def work(report: Progress) -> Layer:
            axes = Axes.of(tokens.lat, tokens.lon)
            key = f"{text.file_stem(tokens.request, layer)}-{tokens.request.weights}-{show}"
            if show == COLOURS:
                return Layer(tokens, pack_colours(queries.colours(tokens, layer), axes, key, ~tokens.is_sea), None)
            row, col = tokens.sea_patch_at(lat, lon)
            key = f"{key}-{row}-{col}"
            if show == FIELD:
                field = queries.field_of(tokens.request, layer, lat, lon, how, report)
                logs = np.log10(np.maximum(100.0 * field.shares, 100.0 * _LEAST_SHARE))
                values = np.where(tokens.is_sea, logs, np.nan)
                scale = Scale(FIELD, "dense", -3.0, 2.0, "Influence on the token", "%", logarithmic=True)
                return Layer(tokens, pack_field(values, axes, f"{key}-{how}"), scale)
            cosines = queries.similarity(tokens, layer, row, col, pooling, transform)
            low = float(np.nanpercentile(cosines, 1))
            ends = (-1.0, 1.0) if low < 0.0 else (low, 1.0)
            palette = "balance" if low < 0.0 else "dense"
            scale = Scale(f"similarity_{palette}", palette, *ends, "Cosine similarity", "")
            return Layer(tokens, pack_field(cosines, axes, f"{key}-{pooling}-{transform}"), scale)

        self._work.start(work, self._draw)

    # showing

    def _draw(self, layer: Layer) -> None:
        drawn = {} if layer.scale is None else self.stage.scale(layer.scale)
        self.stage.globe.param.update(field=layer.packed, **drawn)
        self.stage.bar.visible = layer.scale is not None
        self._mark()
        self._bar.drawn = self.model.month
        self.stage.show_readout(text.readout(layer.tokens, self.model.layer))
        self._veil(False)
        self.panel.show(layer.tokens)

    def _show_panel(self) -> None:
        if self.model.panel in APART:
            self.panel.task.cancel()
            self.panel.show_apart()
            return
        if self._tokens is not None and self._tokens.request == self.model.request and not self._work.running:
            self.stage.clear_failure()
            self.panel.show(self._tokens)

    def _mark(self) -> None:
        lat, lon = self.model.place
        examples = [
            {"lat": e.lat, "lon": e.lon, "label": "+" if e.is_positive else "−", "color": _EXAMPLE[e.is_positive]}
            for e in self.model.examples
            if (e.year, e.month) == (self.model.request.year, self.model.request.month)
        ]
        self.stage.globe.markers = [{"lat": lat, "lon": lon}, *examples, *self._matches]
        self.stage.flat.markers = [{"lat": lat, "lon": lon}]

    def _mark_matches(self, matches: list[queries.Match]) -> None:
        """Number the matches of the month on screen."""
        month = (self.model.request.year, self.model.request.month)
        self._matches = [
            {"lat": match.lat, "lon": match.lon, "label": str(number + 1), "color": _MATCH}
            for number, match in enumerate(matches)
            if (match.year, match.month) == month
        ]
        self._mark()

    def _clicked(self, lat: float, lon: float) -> None:
        if self._tokens is None:
            return
        try:
            self._tokens.sea_patch_at(lat, lon)
        except EngineError as error:
            self.session.say("info", str(error))
            return
        if self.model.click == PICK:
            self.model.place = (lat, lon)
        else:
            self.model.add_example(lat, lon, self.model.click == LIKE)
            self.model.panel = "search"
            self._mark()

    def _picked(self) -> None:
        if self.model.show == COLOURS:
            self._mark()
            self._show_panel()
        else:
            self._map.soon()

    def _go(self, match: queries.Match) -> None:
        """Show a match: its month and its place."""
        name = f"{match.year:04d}-{match.month:02d}-01"
        self.model.param.update(month=self.model.months.index(name), place=(match.lat, match.lon))
        self.model.camera = (match.lat, match.lon, self.model.camera[2])

    def _fail(self, error: Exception) -> None:
        self.stage.show_failure("The tokens cannot be shown", error)

    # files

    def _shown(self) -> TokenRequest | None:
        """What is on screen; None, and a message, where nothing is."""
        if self._tokens is None:
            self.session.say("info", "No tokens are computed yet.")
            return None
        return self._tokens.request

    def _offer(self, ending: str, content: Any) -> None:
        request, layer = self._shown(), self.model.layer
        if request is not None:
            self.stage.offer(f"{text.file_stem(request, layer)}.{ending}", lambda: content(request, layer))

    def _offer_picture(self) -> None:
        request, layer = self._shown(), self.model.layer
        if request is not None:
            stem = f"{text.file_stem(request, layer)}-{self.model.show}"
            self.stage.save_picture(stem, queries.origin_of(request, layer), text.layer_name(layer))

    def _offer_verdict(self) -> None:
        request, layer = self._shown(), self.model.layer
        if request is None:
            return
        if not queries.has_verdict(request, layer):
            self.session.say("info", "Measure the verdict first, on its tab.")
            return
        stem = text.file_stem(request, layer)
        self.stage.offer(f"{stem}.md", lambda: queries.verdict_markdown(queries.token_verdict(request, layer)))

    def _offer_chip(self) -> None:
        run, seen = self.model.chip_run, self.model.seen
        self.stage.offer(f"chip-{run or 'shipped'}.md", lambda: queries.chip_markdown(queries.autoencoder(run), seen))
