"""The panel beside the globe of the expert: the picture with its predictions, and the test scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.queries.mvmf import expert as queries
from engine.queries.mvmf.expert import Scores, TilePrediction
from engine.queries.mvmf.sandbox import MixtureSummary
from explorer.layout import box, fill
from explorer.pages.mvmf import expert_text as text
from explorer.pages.mvmf.model import MvmfModel
from explorer.plots import mvmf as figures
from explorer.tabs import TabbedPanel
from explorer.widgets.text import error_text, html, table

_BOX = ":host { display: flex; flex-flow: column nowrap; gap: 8px } :host > * { flex: none }"
_CSS = """
.pictures { display: grid; gap: 2px; width: 112px }
.pictures img { width: 100%; image-rendering: pixelated; border-radius: 4px }
.bars { display: grid; gap: 6px; margin-top: 4px }
.bar { display: grid; grid-template-columns: 1fr auto; gap: 3px 8px; align-items: baseline; font-size: 12px }
.bar small, .bar em { font-style: normal; color: var(--h-secondary); font-feature-settings: 'tnum' }
.bar .track { grid-column: 1 / -1; position: relative; height: 8px; background: var(--h-hover); border-radius: 3px }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; min-width: 1px }
.bar b { position: absolute; top: -3px; bottom: -3px; width: 2px; margin-left: -1px; background: var(--h-text) }
.top { display: grid; grid-template-columns: 112px 112px; gap: 12px; margin-bottom: 8px }
.dial { width: 112px } .dial circle { fill: none; stroke: var(--h-secondary); stroke-width: 1 }
.dial text { font-size: 9px; fill: var(--h-secondary); text-anchor: middle; dominant-baseline: central }
"""


class ExpertPanel(TabbedPanel):
    """The tabs of the trained expert."""

    def __init__(self, model: MvmfModel) -> None:
        tabs = {"picture": ("Picture", self._show_picture), "scores": ("Scores", self._show_scores)}
        super().__init__(model, tabs, lambda _: None, parameter="about", css=_BOX)
        self._picture = html("", css=_CSS)
        self._rows = html("")
        self.part = box(*self.parts, css=_BOX)

    def _show_picture(
        self, case: TilePrediction, summary: MixtureSummary | None, scores: Scores | None, _: Path
    ) -> None:
        typical = [] if scores is None else [(text.typical_sentence(scores), False)]
        self.say(*text.case_sentences(case, summary), *typical)
        parts = text.pictures_html(case.pictures), text.dial_html(case.day, case.true_day)
        self._picture.object = f"<div class=top>{''.join(parts)}</div>{text.climate_html(case.climate)}"
        fill(self.body, self._picture)

    def _show_scores(
        self, case: TilePrediction, summary: MixtureSummary | None, scores: Scores | None, folder: Path
    ) -> None:
        del case, summary
        try:
            scores = scores or queries.scores(folder)
        except EngineError as error:
            self.say_only((error_text(error), True))
            return
        self.say(text.SCORES)
        self._rows.object = table(text.score_rows(scores), text.SCORE_HEADS)
        areas = np.array(scores.recall_areas_km2)
        curves = (np.array(values["recall"]) for values in (scores.expert, scores.prior))
        fill(self.body, self._rows, self.figures.pane("recall", figures.recall, areas, *curves, text.SCORE_HEADS))
