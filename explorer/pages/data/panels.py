"""The figures beside the globe: what was understood, one place through time, how the map's values are spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import PointSeries, SourceSummary
from explorer.background import LatestTask
from explorer.layout import box, fill
from explorer.pages.data import text
from explorer.pages.data.model import DataModel
from explorer.plots import ocean as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, paragraphs, progress, sentence, table

_LABELS = {"Source": "source", "Place": "place", "Values": "values"}


class Panels:
    """One of three panels at a time. The series is read off the event loop; the rest is at hand."""

    def __init__(self, model: DataModel, on_error: Callable[[Exception], None]) -> None:
        self.model = model
        self.series: PointSeries | None = None
        """The series that is shown, if any."""
        self._agreed: set[object] = set()
        self._work = LatestTask(self._show_waiting, on_error)
        self._words = html("")
        self._table = html("")
        self._figures = Figures()
        self._read = controls.button("Read them", on_click=lambda _: self._agree())
        self._stop = controls.button("Cancel", on_click=lambda _: self._cancel())
        self._body = box()
        self._asked: tuple[SourceSummary, slice] | None = None
        self.parts = (controls.segments(model.param.panel, _LABELS), self._words, self._body)

    def show(self, found: SourceSummary, field: xr.DataArray, limits: tuple[float, float]) -> None:
        """Draw the open panel for the source and the map on the globe."""
        self._work.cancel()
        if self.model.panel == "source":
            self._show_source(found)
        elif self.model.panel == "values":
            self._show_values(field, limits)
        else:
            self._show_place(found)

    def _show_source(self, found: SourceSummary) -> None:
        self._words.object = ""
        notes = paragraphs(
            [*((note, True) for note in found.cautions), *((sentence(note), False) for note in found.notes)]
        )
        self._table.object = (
            f"{table(text.source_rows(found))}<h2 style='margin-top:12px'>What was understood</h2>{notes}"
        )
        fill(self._body, self._table)

    def _show_values(self, field: xr.DataArray, limits: tuple[float, float]) -> None:
        edges, share = ocean.map_histogram(field, limits)
        self._words.object = paragraph(text.histogram_sentence(str(field.name)))
        fill(self._body, self._figures.pane("values", figures.histogram, edges, share, field.attrs["units"]))

    # one place

    def _show_place(self, found: SourceSummary) -> None:
        model, span = self.model, self.model.span_days
        self._asked = found, span
        cost = ocean.read_cost(found, span)
        if cost.seconds > text.ASK_SECONDS and (found.key, span.start, span.stop) not in self._agreed:
            self._words.object = paragraph(text.ask(cost))
            fill(self._body, self._read)
            return
        place, day = model.place, model.index

        def work(report: Progress) -> PointSeries:
            return ocean.series(found.choice, place, span, report)

        self._work.start(work, lambda seen: self._draw_place(found, seen, day - span.start))

    def _draw_place(self, found: SourceSummary, seen: PointSeries, shown: int) -> None:
        self.series = seen
        self._words.object = paragraph(text.series_sentence(seen, found.unit))
        days = np.array(seen.days, "datetime64[D]")
        drawn = figures.series, days, seen.observed, seen.truth, shown
        key = html(text.key(text.SERIES_KEY if seen.truth is not None else text.SERIES_KEY[1:]))
        fill(self._body, box(self._figures.pane("place", *drawn), key))

    def _show_waiting(self, share: float | None, text: str) -> None:
        if share is not None:
            self._words.object = progress(share, text)
            fill(self._body, self._stop)

    def _agree(self) -> None:
        if self._asked is not None:
            found, span = self._asked
            self._agreed.add((found.key, span.start, span.stop))
            self._show_place(found)

    def _cancel(self) -> None:
        self._work.cancel()
        self._words.object = paragraph(text.SERIES_CANCELLED)
        fill(self._body, self._read)
