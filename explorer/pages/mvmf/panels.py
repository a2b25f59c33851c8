"""The panel beside the globe of the sandbox: the distribution, one centre, the loss at a true place, a comparison."""

from __future__ import annotations

from typing import Any

from engine.queries.mvmf import sandbox as queries
from engine.queries.mvmf.comparison import ComparedCentres, compare_centres, comparison_sentences
from engine.queries.mvmf.sandbox import LossGradient, Mixture, MixtureSummary
from explorer.layout import box, fill
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import MvmfModel
from explorer.plots import mvmf as figures
from explorer.stage import Stage
from explorer.tabs import TabbedPanel
from explorer.widgets.text import colour_key, error_text, html, paragraphs, table

_CSS = ":host { display: flex; flex-flow: column nowrap; gap: 6px } :host > * { flex: none }"


class SandboxPanel(TabbedPanel):
    """``part`` also holds the notes about the number of centres and about a file of centres."""

    def __init__(self, model: MvmfModel, stage: Stage) -> None:
        tabs = {
            "belief": ("Probability", self._show_distribution),
            "centre": ("Centre", self._show_centre),
            "truth": ("True location", self._show_truth),
            "choice": ("Which centres?", self._show_choice),
        }
        super().__init__(model, tabs, self._fail, on_progress=stage.show_progress, css=_CSS)
        self.model = model
        self._rows = html("")
        self._count = html("")
        self.notes = html("")
        self.part = box(self.segments, self._count, self.notes, self.text, self.body, css=_CSS)

    def clear(self, reason: str) -> None:
        """Show why there is no distribution."""
        self._count.object = ""
        self.say_only(reason)

    def show_count(self, num_centres: int) -> None:
        """A note when a start gives fewer centres than requested."""
        model = self.model
        added = sum(placed.start_index < 0 for placed in model.placed)
        requested = model.count + added if model.is_enabled("count") else num_centres
        self._count.object = paragraphs(text.count_sentence(model.start, requested, num_centres))
        if model.start != "file":
            self.notes.object = ""

    def _fail(self, error: Exception) -> None:
        self.say_only((error_text(error), True))

    def _show_choice(self, *_: object) -> None:
        """Every kind of centres against their number, on the data of the choice."""
        data, points = self.model.data, self.model.points
        if data == "file" and not points:
            self.say_only(text.NO_FILE)
            return

        def draw(rows: tuple[ComparedCentres, ...]) -> None:
            self.say(*comparison_sentences(rows, data), (text.COMPARED_HOW, False))
            self._rows.object = (
                colour_key(figures.kind_colours()) + table(*text.comparison_rows(rows)) + table(*text.recall_rows(rows))
            )
            likelihood: Any = self.figures.pane("likelihood", figures.likelihood_by_number, rows)
            distance: Any = self.figures.pane("distance", figures.distance_by_number, rows)
            fill(self.body, likelihood, distance, self._rows)

        self.task.start(lambda report: compare_centres(data, points if data == "file" else (), report), draw)

    def _show_distribution(self, mixture: Mixture, summary: MixtureSummary | None, _: LossGradient | None) -> None:
        if summary is None:
            self.say_only("Computing its regions …")
        else:
            self.say_only(*text.distribution_sentences(summary, len(mixture.components), self.model.travels))

    def _show_centre(self, mixture: Mixture, *_: object) -> None:
        index = self.model.selected
        if not 0 <= index < len(mixture.components):
            self.say_only(text.NO_CENTRE)
            return
        component = mixture.components.component(index)
        fraction = component.weight / float(mixture.components.weight.sum())
        radius_km = queries.half_radius_km(component.kappa)
        self.say_only(*text.centre_sentences(index, component, fraction, radius_km))

    def _show_truth(self, mixture: Mixture, summary: MixtureSummary | None, gradient: LossGradient | None) -> None:
        truth = self.model.truth
        if gradient is None or truth is None:
            self.say_only(text.NO_TRUTH)
            return
        density = mixture.per_km2(*truth)
        searched = queries.searched_km2(summary, truth) if summary is not None else None
        self.say(*text.truth_sentences(gradient, density, searched), text.GRADIENT)
        self._rows.object = table(text.gradient_rows(gradient))
        figure: Any = self.figures.pane("gradient", figures.pull, gradient.distance_km, gradient.responsibility)
        fill(self.body, self._rows, figure)
