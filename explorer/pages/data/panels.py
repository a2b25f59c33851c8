"""The panel beside the globe: the source's properties, the series at a place, the histogram of the map's values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr

from engine.queries import ocean
from engine.queries.ocean import PointSeries, SeriesChoice, SourceSummary
from explorer.layout import box, fill
from explorer.pages.data import text
from explorer.pages.data.model import DataModel
from explorer.plots import ocean as figures
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.text import colour_key, html, paragraphs, progress, sentence, table


class DataPanel(TabbedPanel):
    """The series is read off the event loop, after a confirmation when it takes long."""

    def __init__(self, model: DataModel, on_error: Callable[[Exception], None]) -> None:
        tabs = {
            "source": ("Source", self._show_source),
            "place": ("Place", self._show_place),
            "values": ("Values", self._show_values),
        }
        super().__init__(model, tabs, on_error, on_progress=self._show_progress)
        self.model = model
        self.series: tuple[SeriesChoice, PointSeries] | None = None
        """The series on screen, if any, and what it is of."""
        self._confirmed: set[object] = set()
        self._table = html("")
        self._read = controls.button("Read them", on_click=lambda _: self._confirm())
        self._stop = controls.button("Cancel", on_click=lambda _: self._cancel())
        self._requested: tuple[SourceSummary, slice] | None = None

    def _show_source(self, source: SourceSummary, *_: object) -> None:
        self.say()
        notes = paragraphs(
            [*((note, True) for note in source.cautions), *((sentence(note), False) for note in source.notes)]
        )
        self._table.object = (
            f"{table(text.source_rows(source))}<h2 style='margin-top:12px'>How the file was read</h2>{notes}"
        )
        fill(self.body, self._table)

    def _show_values(self, source: SourceSummary, field: xr.DataArray, limits: tuple[float, float]) -> None:
        edges, fractions = ocean.map_histogram(ocean.drawn(source.choice, field), limits)
        units = field.attrs["units"]
        self.say(text.histogram_sentence(str(field.name), units))
        is_log = source.variable.is_logarithmic and field.name in ocean.OF_VALUES
        fill(self.body, self.figures.pane("values", figures.histogram, edges, fractions, units, is_log))

    # the series at a place

    def wanted_series(self, source: SourceSummary) -> SeriesChoice:
        """The series of the selected place and period."""
        span = self.model.span_days
        return SeriesChoice(source.choice, self.model.place, (span.start, span.stop))

    def _show_place(self, source: SourceSummary, *_: object) -> None:
        model, span = self.model, self.model.span_days
        self._requested = source, span
        cost = ocean.read_cost(source, span)
        if cost.seconds > text.ASK_SECONDS and (source.key, span.start, span.stop) not in self._confirmed:
            self.say(text.ask(cost))
            fill(self.body, self._read)
            return
        day, choice = model.index, self.wanted_series(source)

        def draw(series: PointSeries) -> None:
            self.series = choice, series
            self._draw_place(source, series, day - span.start)

        self.task.start(partial(ocean.chosen_series, choice), draw)

    def _draw_place(self, source: SourceSummary, series: PointSeries, day: int) -> None:
        variable = source.variable
        self.say(text.series_sentence(series, source.unit, variable))
        days = np.array(series.days, "datetime64[D]")
        observed, truth = (
            None if values is None else variable.transformed(values) for values in (series.observed, series.truth)
        )
        unit = variable.symbol, variable.is_logarithmic
        pane = self.figures.pane("place", figures.series, days, observed, truth, day, *unit)
        key = html(colour_key(text.SERIES_KEY if series.truth is not None else text.SERIES_KEY[1:]))
        fill(self.body, box(pane, key))

    def _show_progress(self, fraction: float | None, message: str) -> None:
        if fraction is not None:
            self.text.object = progress(fraction, message)
            fill(self.body, self._stop)

    def _confirm(self) -> None:
        if self._requested is not None:
            source, span = self._requested
            self._confirmed.add((source.key, span.start, span.stop))
            self._show_place(source)

    def _cancel(self) -> None:
        self.task.cancel()
        self.say(text.SERIES_CANCELLED)
        fill(self.body, self._read)
