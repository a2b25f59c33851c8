"""What stands beside the globe of the sandbox: the belief in words, one of its centres, the lesson of a truth."""

from __future__ import annotations

from typing import Any

from engine.queries.mvmf import sandbox as queries
from engine.queries.mvmf.sandbox import LossGradient, Mixture, MixtureSummary
from explorer.layout import box, fill
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import MvmfModel
from explorer.plots import mvmf as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraphs, table

_LABELS = {"Belief": "belief", "Centre": "centre", "Truth": "truth"}
_CSS = ":host { display: flex; flex-flow: column nowrap; gap: 6px } :host > * { flex: none }"


class SandboxPanels:
    """One of three panels at a time; only the open one is made."""

    def __init__(self, model: MvmfModel) -> None:
        self.model = model
        self._figures = Figures()
        self._words = html("")
        self._rows = html("")
        self._count = html("")
        self._notes = html("")
        self._body = box(css=_CSS)
        tabs = controls.segments(model.param.panel, _LABELS)
        self.part = box(tabs, self._count, self._notes, self._words, self._body, css=_CSS)

    def say(self, sentences: list[tuple[str, bool]]) -> None:
        """Say something in place of the panel."""
        self._words.object = paragraphs(sentences)
        fill(self._body)

    def say_nothing(self, why: str) -> None:
        """There is no belief: whatever was said of the last one goes."""
        self._count.object = ""
        self.say([(why, False)])

    def say_count(self, model: MvmfModel, found: int) -> None:
        """When a start gave fewer centres than were asked for."""
        added = sum(one.start_index < 0 for one in model.placed)
        asked = model.count + added if model.counts("count") else found
        self._count.object = paragraphs(text.count_sentence(model.start, asked, found))
        if model.start != "file":
            self._notes.object = ""

    def say_notes(self, notes: tuple[str, ...]) -> None:
        """What was understood of a file of centres."""
        self._notes.object = text.notes_html(notes)

    def show(self, belief: Mixture, summary: MixtureSummary | None, lesson: LossGradient | None) -> None:
        """Fill the open panel."""
        getattr(self, f"_show_{self.model.panel}")(belief, summary, lesson)

    def _show_belief(self, belief: Mixture, summary: MixtureSummary | None, lesson: LossGradient | None) -> None:
        del lesson
        if summary is None:
            self.say([("Its regions are being measured.", False)])
            return
        self.say(text.belief_sentences(summary, len(belief.components), self.model.travels))

    def _show_centre(self, belief: Mixture, summary: MixtureSummary | None, lesson: LossGradient | None) -> None:
        del summary, lesson
        index = self.model.selected
        if not 0 <= index < len(belief.components):
            self.say([(text.NO_CENTRE, False)])
            return
        one = belief.components.component(index)
        share = one.weight / float(belief.components.weight.sum())
        self.say(text.centre_sentences(index, one, share, queries.half_radius_km(one.kappa)))

    def _show_truth(self, belief: Mixture, summary: MixtureSummary | None, lesson: LossGradient | None) -> None:
        truth = self.model.truth
        if lesson is None or truth is None:
            self.say([(text.NO_TRUTH, False)])
            return
        density = belief.per_km2(*truth)
        searched = queries.searched_km2(summary, truth) if summary is not None else None
        self._words.object = paragraphs([*text.truth_sentences(lesson, density, searched), (text.PULL, False)])
        self._rows.object = table(text.pull_rows(lesson))
        figure: Any = self._figures.pane("pull", figures.pull, lesson.distance_km, lesson.responsibility)
        fill(self._body, self._rows, figure)
