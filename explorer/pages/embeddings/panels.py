"""The panel beside the globe: similarity by distance, its distribution, patch sizes, the picked patch, A against B."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np

from engine.errors import EngineError
from engine.queries import embeddings
from engine.queries.embeddings import EmbeddingConfig, ProbeCurves
from engine.queries.text import place
from explorer.layout import fill
from explorer.pages.embeddings import sweeps, text
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.plots import embeddings as figures
from explorer.tabs import TabbedPanel
from explorer.widgets.text import colour_key, html, table

_FEATURES = (0, 1, 2, 3, 8, 9)  # the scale features that differ by more than a constant


class EmbeddingsPanel(TabbedPanel):
    """Every tab measures embedding A, and B where there is one, off the event loop."""

    def __init__(self, model: EmbeddingsModel, on_error: Callable[[Exception], None]) -> None:
        tabs = {
            "distance": ("Similarity and distance", self._show_distance),
            "histogram": ("Distribution", self._show_histogram),
            "scale": ("Size", self._show_scale),
            "patch": ("Patch", self._show_patch),
            "probe": ("Probe", self._show_probe),
            "compare": ("A/B", self._show_compare),
        }
        super().__init__(model, tabs, on_error)
        self.model = model
        self._table = html("")

    def _measure(self, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        def measure(report: Callable[[float, str], None]) -> Any:
            report(0.0, "Measuring …")
            return work()

        self.task.start(measure, then)

    def _show_distance(self, config: EmbeddingConfig) -> None:
        other = self.model.other

        def work() -> tuple[Any, ...]:
            curves = embeddings.similarity_by_distance(config)
            density = figures.pair_density(curves.pair_km, curves.pair_similarity)
            return curves, other and embeddings.similarity_by_distance(other), density

        def draw(curves: Any) -> None:
            self.say(text.DISTANCE)
            fill(self.body, self.figures.pane("distance", figures.by_distance, *curves))

        self._measure(work, draw)

    def _show_histogram(self, config: EmbeddingConfig) -> None:
        other = self.model.other

        def work() -> tuple[Any, ...]:
            edges, fractions = embeddings.similarity_histogram(config)
            return edges, fractions, None if other is None else embeddings.similarity_histogram(other)[1]

        def draw(histograms: Any) -> None:
            self.say(text.HISTOGRAM)
            fill(self.body, self.figures.pane("histogram", figures.histogram, *histograms))

        self._measure(work, draw)

    def _show_scale(self, config: EmbeddingConfig) -> None:
        def draw(scale: Any) -> None:
            self.say("Six of the ten scale features, by latitude.")
            fill(self.body, self.figures.pane("scale", figures.scale_features, scale, _FEATURES))

        self._measure(lambda: embeddings.scale(config), draw)

    def _show_patch(self, config: EmbeddingConfig) -> None:
        picked, layout = self.model.picked, self.model.layout

        def work() -> tuple[Any, ...]:
            row, col = embeddings.cell_of(config, *picked)
            cloud = _cloud(config, layout)
            return row, col, embeddings.extremes(config, row, col, 10), embeddings.scale(config), cloud

        def draw(patch: Any) -> None:
            row, col, extremes, scale, (places, density) = patch
            embedding = embeddings.embedding(config)
            where = place(float(embedding.lat[row]), float(embedding.lon[col]))
            note = embeddings.domain_note(config, row, col)
            about = (
                f"The patch around {where}. Click another on the globe, or in the figure, where similar ones are near."
            )
            self.say(about, *([(note, True)] if note else []))
            at = float(places[row, col, 0]), float(places[row, col, 1])
            self._table.object = table(text.neighbour_rows(*extremes)) + table(text.scale_rows(scale, row))
            axes = embeddings.LAYOUT_AXES[layout]
            pane = self.figures.pane("cloud", figures.cloud, density, at, axes, on_click=self._pick)
            fill(self.body, pane, self._table)

        self._measure(work, draw)

    def _pick(self, first: float, second: float) -> None:
        """Pick the patch that is nearest in the figure of components."""
        self.model.picked = embeddings.patch_at(self.model.config, first, second, self.model.layout)

    def _show_probe(self, config: EmbeddingConfig) -> None:
        if self.model.result:
            self._show_result()
            return
        task, split, other = self.model.task, self.model.split, self.model.other

        def work(report: Callable[[float, str], None]) -> tuple[Any, ...]:
            embeddings.probed(config, task, split)
            curve = embeddings.probe_curve(config, task, split, report)
            second = other and embeddings.probe_curve(other, task, split, report)
            return curve, second, embeddings.compare_encoders(config, task, split, report)

        def draw(results: Any) -> None:
            curve, second, encoders = results
            score = embeddings.probed(config, task, split)
            self.say(*embeddings.probe_sentences(config, task, split, curve))
            self._table.object = table(text.encoder_rows(encoders))
            fill(
                self.body,
                self.figures.pane("probe", figures.score_by_size, curve, second, score),
                self.figures.pane("encoders", figures.score_of_encoders, encoders, score),
                self._table,
            )

        self.task.start(work, draw)

    def _show_result(self) -> None:
        """What a run of the probe measured, of the task and split on screen if it read them."""
        chosen, task, split = self.model.result, self.model.task, self.model.split

        def work() -> ProbeCurves | EngineError:
            try:
                result = sweeps.read(chosen)
            except EngineError as error:
                return error
            is_read = task in result.tasks and split in result.splits
            return embeddings.probe_curves(result, *((task, split) if is_read else (result.tasks[0], result.splits[0])))

        def draw(of: ProbeCurves | EngineError) -> None:
            if isinstance(of, EngineError):
                self.say_only((str(of), True))
                return
            missing = text.not_probed(of, task, split)
            self.say(*([(missing, True)] if missing else []), *embeddings.result_sentences(of))
            self._table.object = colour_key(figures.curve_colours(of)) + table(text.result_rows(of))
            fill(
                self.body,
                self.figures.pane("sweep", figures.scores_of_run, of),
                self.figures.pane("front", figures.front_of_run, of),
                self._table,
            )

        self._measure(work, draw)

    def _show_compare(self, config: EmbeddingConfig) -> None:
        other = self.model.other

        def draw(differences: Any) -> None:
            self.say(text.COMPARE_HINT if differences is None else text.compared(bool(differences)))
            self._table.object = "" if differences is None else table(text.difference_rows(differences))
            fill(self.body, self._table)

        self._measure(lambda: None if other is None else embeddings.compare(config, other), draw)


def _cloud(config: EmbeddingConfig, layout: str) -> tuple[np.ndarray, hv.RGB]:
    """Where all patches lie in two dimensions (Hp, Wp, 2), and the figure of them."""
    places = embeddings.layout(config, layout)
    colours = embeddings.rgb(config).reshape(-1, 3)
    return places, figures.component_cloud(places[:, :, 0].ravel(), places[:, :, 1].ravel(), colours)
