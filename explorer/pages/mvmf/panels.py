"""The panel beside the globe of the sandbox: the distribution, one centre, the loss at a true place, a comparison."""

from __future__ import annotations

from typing import Any

from engine.queries.mvmf import sandbox as queries
from engine.queries.mvmf.comparison import (
    DENSITIES,
    SHIPPED,
    ComparedCentres,
    compared_centres,
    comparison_config,
    comparison_sentences,
    is_shipped,
)
from engine.queries.mvmf.sandbox import LossGradient, Mixture, MixtureSummary
from engine.runs import ACTIVE
from explorer.layout import box, fill
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import SANDBOX, MvmfModel
from explorer.plots import mvmf as figures
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import Session
from explorer.stage import Stage
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.text import colour_key, error_text, html, paragraphs, table

_CSS = ":host { display: flex; flex-flow: column nowrap; gap: 6px } :host > * { flex: none }"


class SandboxPanel(TabbedPanel):
    """``part`` also holds the notes about the number of centres and about a file of centres; ``comparison`` is the card
    of the run that compares kinds of centres.
    """

    def __init__(self, session: Session, model: MvmfModel, stage: Stage) -> None:
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
        self.comparison = RunCard(session, REGISTRY, "The comparison", "Compare", "Cancel")
        self._wanted: Offer | None = None
        self._drawn = ""
        self._compare_here = controls.button("Compare on this computer", on_click=lambda _: self._want())
        REGISTRY.subscribe(lambda _: self._follow())
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

    def show(self, *content: Any) -> None:
        """Fill the open tab; only that of the comparison has a run."""
        if self.model.panel != "choice":
            self.comparison.hide()
        super().show(*content)

    # the comparison of centres

    def offer(self) -> Offer:
        """The run that compares kinds of centres on the data of the choice."""
        data = self.model.data
        title = next(title for title, name in DENSITIES.items() if name == data)
        config = comparison_config(data, self.model.points)
        return Offer(config, f"Centres: {title.lower()}", text.COMPARE)

    def compared(self) -> str:
        """The run whose result is shown, or that which comes along; empty where there is none yet."""
        data = self.model.data
        if data == "file" and not self.model.points:
            return ""
        record = self.comparison.find(self.offer().config)
        if record is not None and record.state == "done":
            return record.id
        return SHIPPED if is_shipped(data) else ""

    def _show_choice(self, *_: object) -> None:
        """Every kind of centres against their number, on the data of the choice, as a run stored them."""
        data, run = self.model.data, self.compared()
        self._drawn = run
        self._show_card(run)
        if not run:
            self.say_only(text.NO_FILE if data == "file" and not self.model.points else text.NOT_COMPARED)
            return

        def draw(rows: tuple[ComparedCentres, ...]) -> None:
            self.say(*comparison_sentences(rows, data), (text.COMPARED_HOW, False))
            self._rows.object = (
                colour_key(figures.kind_colours()) + table(*text.comparison_rows(rows)) + table(*text.recall_rows(rows))
            )
            likelihood: Any = self.figures.pane("likelihood", figures.likelihood_by_number, rows)
            distance: Any = self.figures.pane("distance", figures.distance_by_number, rows)
            fill(self.body, likelihood, distance, self._rows, *([self._compare_here] if run == SHIPPED else []))

        self.task.start(lambda _: compared_centres(run, data), draw)

    def _show_card(self, run: str) -> None:
        """The card of a comparison that is missing, wanted or running."""
        if self.model.data == "file" and not self.model.points:
            self.comparison.hide()
            return
        offer = self.offer()
        record = self.comparison.find(offer.config)
        is_wanted = self._wanted is not None and self._wanted.config == offer.config
        is_active = record is not None and record.state in ACTIVE
        if not run or is_active or (is_wanted and run == SHIPPED):
            self.comparison.show(offer, record)
        else:
            self.comparison.hide()

    def _want(self) -> None:
        self._wanted = self.offer()
        self._show_card(self.compared())

    def _follow(self) -> None:
        """Runs have changed: renew the card, and the tab when its run has ended."""
        if self.model.mode != SANDBOX or self.model.panel != "choice":
            return
        run = self.compared()
        if run == self._drawn:
            self._show_card(run)
        else:
            self._show_choice()

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
