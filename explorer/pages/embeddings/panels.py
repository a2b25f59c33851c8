"""The figures beside the globe: nearness against distance, all similarities, sizes, the picked patch, A against B."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.queries import embeddings
from engine.queries.embeddings import EmbeddingConfig
from engine.queries.text import place
from explorer.background import LatestTask, unseen
from explorer.layout import box, fill
from explorer.pages.embeddings import text
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.plots import embeddings as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, paragraphs, table

_LABELS = {"Nearness": "distance", "Spread": "histogram", "Size": "scale", "Patch": "patch", "A/B": "compare"}
_SCALE_SHOWN = (0, 1, 2, 3, 8, 9)  # of the ten, those that are not a constant away from another


class Panels:
    """One panel at a time. What must be measured is measured off the event loop; what is at hand appears at once."""

    def __init__(self, model: EmbeddingsModel, on_error: Callable[[Exception], None]) -> None:
        self.model = model
        self._measure = LatestTask(unseen, on_error)
        self._words = html("")
        self._table = html("")
        self._figures = Figures()
        self._body = box()
        self.parts = (controls.segments(model.param.panel, _LABELS), self._words, self._body)

    def show(self, config: EmbeddingConfig) -> None:
        """Draw the open panel for this embedding."""
        self._measure.cancel()
        name, other = self.model.panel, self.model.other

        def work(report: Callable[[float, str], None]) -> Any:
            report(0.0, "Measuring …")
            return getattr(self, f"_measure_{name}")(config, other)

        self._measure.start(work, lambda found: getattr(self, f"_show_{name}")(config, *found))

    def _measure_distance(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> tuple[Any, ...]:
        return embeddings.similarity_by_distance(config), other and embeddings.similarity_by_distance(other)

    def _show_distance(self, config: EmbeddingConfig, curves: Any, other: Any) -> None:
        self._words.object = paragraph(text.NEARNESS)
        fill(self._body, self._figures.pane("distance", figures.by_distance, curves, other))

    def _measure_histogram(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> tuple[Any, ...]:
        edges, share = embeddings.similarity_histogram(config)
        return edges, share, None if other is None else embeddings.similarity_histogram(other)[1]

    def _show_histogram(self, config: EmbeddingConfig, edges: Any, share: Any, other: Any) -> None:
        self._words.object = paragraph(text.HISTOGRAM)
        fill(self._body, self._figures.pane("histogram", figures.histogram, edges, share, other))

    def _measure_scale(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> tuple[Any, ...]:
        return (embeddings.scale(config),)

    def _show_scale(self, config: EmbeddingConfig, scale: Any) -> None:
        self._words.object = paragraph("Six of the ten sizes that a model is told of, against latitude.")
        fill(self._body, self._figures.pane("scale", figures.scale_features, scale, _SCALE_SHOWN))

    def _measure_patch(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> tuple[Any, ...]:
        row, col = embeddings.cell_of(config, *self.model.picked)
        return row, col, embeddings.extremes(config, row, col, 3), embeddings.scale(config)

    def _show_patch(self, config: EmbeddingConfig, row: int, col: int, extremes: Any, scale: Any) -> None:
        made = embeddings.embedding(config)
        here = f"The patch around {place(float(made.lat[row]), float(made.lon[col]))}. Click another on the globe."
        note = embeddings.domain_note(config, row, col)
        self._words.object = paragraphs([(here, False), *([(note, True)] if note else [])])
        self._table.object = table(text.neighbour_rows(*extremes)) + table(text.scale_rows(scale, row))
        fill(self._body, self._table)

    def _measure_compare(self, config: EmbeddingConfig, other: EmbeddingConfig | None) -> tuple[Any, ...]:
        return (None if other is None else embeddings.compare(config, other),)

    def _show_compare(self, config: EmbeddingConfig, differences: Any) -> None:
        said = text.COMPARE_HINT if differences is None else text.compared(bool(differences))
        self._words.object = paragraph(said)
        self._table.object = "" if differences is None else table(text.difference_rows(differences))
        fill(self._body, self._table)
