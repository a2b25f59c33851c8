"""The panel beside the globe: cosines, receptive field, context, search and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.queries import tokens as queries
from engine.queries.cache import Progress
from engine.queries.tokens import ReceptiveField, TokenMap
from explorer.background import LatestTask
from explorer.layout import fill, row
from explorer.pages.tokens import text
from explorer.pages.tokens.chip import ChipTab
from explorer.pages.tokens.file import FileTab
from explorer.pages.tokens.model import TokensModel
from explorer.plots import tokens as figures
from explorer.session import Session
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.places import PlaceList
from explorer.widgets.text import html, table

_CSS = ":host { display: flex; flex-flow: column nowrap; gap: 8px } :host > * { flex: none }"
_ROWS = "td, th[scope=col] { overflow-wrap: normal; white-space: nowrap }"
_CANCELLED = "This was cancelled."


class TokensPanel(TabbedPanel):
    """Every tab measures the tokens on screen off the event loop; what takes long waits for its button.

    ``go(match)`` shows a match of the search, ``mark(matches)`` puts all of them on the globe.
    """

    def __init__(
        self,
        session: Session,
        model: TokensModel,
        on_error: Callable[[Exception], None],
        on_progress: Callable[[float | None, str], None],
        go: Callable[[queries.Match], None],
        mark: Callable[[list[queries.Match]], None],
    ) -> None:
        tabs = {
            "cosines": ("Cosines", self._show_cosines),
            "field": ("Receptive field", self._show_field),
            "context": ("Context", self._show_context),
            "search": ("Search", self._show_search),
            "verdict": ("Verdict", self._show_verdict),
            "chip": ("Chip", lambda *_: self.show_apart()),
            "file": ("Your file", lambda *_: self.show_apart()),
        }
        super().__init__(model, tabs, on_error, on_progress=on_progress, css=_CSS)
        self.model = model
        self.matches: list[queries.Match] = []
        self._mark = mark
        # these wait for no tokens of the map, so each has work of its own
        self._chip = ChipTab(session, model, LatestTask(on_progress, on_error), self._show_parts)
        self._file = FileTab(model, LatestTask(on_progress, on_error), self._show_parts)
        self._tokens: TokenMap | None = None
        self._table, self._parts = html("", _ROWS), html("", _ROWS)
        self._measure = controls.button("Measure", on_click=lambda _: self._start_measuring())
        self._places = PlaceList(lambda lat, lon: go(self._match_at(lat, lon)))
        self._span = controls.segments(model.param.span, text.SPANS)
        self._clear = controls.button("Remove the examples", on_click=lambda _: model.param.update(examples=()))
        self._confirmed = False

    def show(self, *content: Any) -> None:
        """Fill the open tab with the tokens on screen."""
        (self._tokens,) = content
        super().show(*content)

    def show_apart(self) -> None:
        """Fill the open tab with the chip or a file, which no tokens of the map are needed for."""
        self.veil(False)
        (self._chip if self.model.panel == "chip" else self._file).show()

    def _show_parts(self, sentences: list[Any], parts: list[Any]) -> None:
        self.say(*sentences)
        fill(self.body, *parts)

    def cancel(self) -> None:
        """Abandon what the open tab measures."""
        if self.task.running:
            self.task.cancel()
            self.say_only(_CANCELLED)
            fill(self.body, row(self._measure))

    def _start_measuring(self) -> None:
        if self._tokens is not None:
            self._confirmed = True
            self.show(self._tokens)
            self._confirmed = False

    def _pane(self, name: str, *data: Any) -> Any:
        """A figure with axes of its own."""
        return self.figures.pane(name, *data, linked_axes=False)

    def _patch(self, tokens: TokenMap) -> tuple[int, int] | None:
        """The picked patch; None, and why, where it is land."""
        try:
            return tokens.sea_patch_at(*self.model.place)
        except EngineError as error:
            self.say_only((str(error), True))
            return None

    # tabs

    def _show_cosines(self, tokens: TokenMap) -> None:
        patch = self._patch(tokens)
        if patch is None:
            return
        layer, transform = self.model.layer, self.model.transform

        def draw(known: queries.SceneCosines) -> None:
            self.say(*text.cosine_sentences(known))
            mine = int(np.flatnonzero((known.rows == patch[0]) & (known.cols == patch[1]))[0])
            self._table.object = table(text.spread_rows(known))
            fill(
                self.body,
                self._pane("matrix", figures.matrix, known.cosines, mine),
                self._pane("cosines", figures.histogram, known.edges, known.shares),
                self._table,
            )

        self.task.start(lambda _: queries.scene_cosines(tokens, layer, *patch, transform), draw)

    def _show_field(self, tokens: TokenMap) -> None:
        if self._patch(tokens) is None:
            return
        model = self.model
        request, layer, (lat, lon), how = tokens.request, model.layer, model.place, model.how

        def work(report: Progress) -> tuple[ReceptiveField, queries.InfluenceParts]:
            field = queries.field_of(request, layer, lat, lon, how, report)
            report(0.99, "Changing parts of the input")
            return field, queries.parts_of(request, layer, lat, lon)

        def draw(measured: tuple[ReceptiveField, queries.InfluenceParts]) -> None:
            field, parts = measured
            self.say(*text.field_sentences(tokens, field, how))
            self._table.object = table(text.field_rows(field))
            self._parts.object = "<h2>1 − cosine when one part is changed</h2>" + table(
                text.part_rows(parts), ("drop", "share")
            )
            curve = self._pane("influence", figures.influence, *queries.influence_curve(tokens, field))
            fill(self.body, curve, self._table, self._parts)

        self.task.start(work, draw)

    def _show_context(self, tokens: TokenMap) -> None:
        patch = self._patch(tokens)
        if patch is None:
            return
        request, layer, place = tokens.request, self.model.layer, self.model.place
        if not self._confirmed and not queries.is_exchanged(request, layer, *patch):
            self._offer(text.CONTEXT)
            return

        def draw(drops: dict[str, np.ndarray]) -> None:
            self.say(text.patch_sentence(tokens, *patch), text.CONTEXT)
            self._table.object = table(text.drop_rows(drops), ("cases", "median", "largest"))
            named = {text.KINDS[kind]: values for kind, values in drops.items()}
            fill(self.body, self._pane("drops", figures.drops, named), self._table)

        self.task.start(partial(queries.context_drops, request, layer, *place), draw)

    def _show_search(self, tokens: TokenMap) -> None:
        model = self.model
        examples, layer, span, pooling = model.examples, model.layer, model.span, model.pooling
        if not any(example.is_positive for example in examples):
            self._take([])
            self.say(text.SEARCH, *([text.example_sentence(examples)] if examples else []))
            fill(self.body, self._span)
            return

        def draw(matches: list[queries.Match]) -> None:
            self._take(matches)
            self.say(text.example_sentence(examples), "The best matches, numbered on the map; click one to go there.")
            fill(self.body, self._span, self._places, row(self._clear))

        def work(report: Progress) -> list[queries.Match]:
            return queries.search(tokens.request, layer, examples, span, 12, pooling, report)

        self.task.start(work, draw)

    def _take(self, matches: list[queries.Match]) -> None:
        self.matches = matches
        self._places.places = [
            {"lat": match.lat, "lon": match.lon, "words": text.match_words(match)} for match in matches
        ]
        self._mark(matches)

    def _match_at(self, lat: float, lon: float) -> queries.Match:
        return next(match for match in self.matches if (match.lat, match.lon) == (lat, lon))

    def _show_verdict(self, tokens: TokenMap) -> None:
        request, layer = tokens.request, self.model.layer
        if not self._confirmed and not queries.has_verdict(request, layer):
            self._offer(text.VERDICT)
            return

        def draw(verdict: queries.TokenVerdict) -> None:
            self.say(*text.verdict_sentences(verdict))
            self._table.object = table(text.kept_rows(verdict), ("patch", "mean", "summary", "kept"))
            names = text.kept_names(verdict)
            patch, mean = ([getattr(kept, name) for kept in verdict.kept] for name in ("patch", "mean"))
            fill(self.body, self._pane("kept", figures.kept, names, patch, mean), self._table)

        self.task.start(partial(queries.token_verdict, request, layer), draw)

    def _offer(self, sentence: str) -> None:
        self.say(sentence)
        fill(self.body, row(self._measure))
