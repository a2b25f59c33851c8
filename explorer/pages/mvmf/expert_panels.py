"""What stands beside the globe of the expert: the picture with what is believed of it, and the scores of the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.queries.mvmf import expert as queries
from engine.queries.mvmf.expert import TilePrediction
from engine.queries.mvmf.sandbox import MixtureSummary
from explorer.layout import box, fill
from explorer.pages.mvmf import expert_text as text
from explorer.pages.mvmf.model import MvmfModel
from explorer.plots import mvmf as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, paragraphs, table

_LABELS = {"Picture": "picture", "Scores": "scores"}
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


class ExpertPanels:
    """One of two panels at a time."""

    def __init__(self, model: MvmfModel) -> None:
        self.model = model
        self._figures = Figures()
        self._words = html("")
        self._pictured = html("", css=_CSS)
        self._rows = html("")
        self._body = box(css=_BOX)
        self.part = box(controls.segments(model.param.about, _LABELS), self._words, self._body, css=_BOX)

    def say(self, sentences: list[tuple[str, bool]]) -> None:
        """Say something in place of the panel."""
        self._words.object = paragraphs(sentences)
        fill(self._body)

    def show(self, case: TilePrediction, summary: MixtureSummary | None, folder: Path) -> None:
        """Fill the open panel."""
        if self.model.about == "picture":
            self._words.object = paragraphs(text.case_sentences(case, summary))
            parts = text.pictures_html(case.pictures), text.dial_html(case.day, case.true_day)
            self._pictured.object = f"<div class=top>{''.join(parts)}</div>{text.climate_html(case.climate)}"
            fill(self._body, self._pictured)
        else:
            self._show_scores(folder)

    def _show_scores(self, folder: Path) -> None:
        try:
            scores = queries.scores(folder)
        except EngineError as error:
            self.say([(str(error), True)])
            return
        self._words.object = paragraph(text.SCORES)
        self._rows.object = table(text.score_rows(scores), text.SCORE_HEADS)
        areas = np.array(scores.recall_areas_km2)
        curves = (np.array(found["recall"]) for found in (scores.expert, scores.prior))
        fill(self._body, self._rows, self._figures.pane("recall", figures.recall, areas, *curves, text.SCORE_HEADS))
