"""A verdict on screen and in reports: its text word for word, in the colour of its level."""

from __future__ import annotations

from html import escape

from engine.evaluation import Comparison, Verdict
from engine.queries.folds import FoldsVerdict

COLOURS = {"lower": "var(--h-success)", "level": "var(--h-secondary)", "higher": "var(--h-error)"}
"""By level of the model's error: lower, level, higher."""


def verdict_html(result: Verdict, scored_on: str) -> str:
    """HTML of a verdict; ``scored_on`` says on which months."""
    colour = COLOURS[result.level]
    return (
        f'<div role=status style="border-left:3px solid {colour};padding-left:12px">'
        f'<p style="margin:0;font-size:12px">{escape(scored_on)}</p>{_text(result, 17)}</div>'
    )


def verdict_line(result: Verdict) -> str:
    """HTML of a verdict in one paragraph."""
    return _text(result, 13)


def _text(result: Verdict, headline_px: int) -> str:
    headline = f"{result.headline}."
    rest = result.text.removeprefix(headline)
    style = f"display:block;color:{COLOURS[result.level]};font:620 {headline_px}px/1.3 Inter,system-ui,sans-serif"
    return f'<p style="margin:0;text-wrap:wrap"><b style="{style}">{escape(headline)}</b>{escape(rest)}</p>'


def folds_html(folds: FoldsVerdict) -> str:
    """HTML of the verdict on all folds of a rolling origin."""
    return verdict_html(folds.verdict, folds.title)


def comparison_table(result: Verdict) -> str:
    """HTML of the comparison over all cells and in each part of it, with what a reader should know."""
    heads = "<th>Model / best baseline</th><th scope=col>Model’s error<br><small>95 % interval</small></th>"
    rows = "".join(map(_row, (result, *result.parts)))
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in result.notes)
    return f"<table><tr>{heads}</tr>{rows}</table>{notes}"


def _row(part: Comparison) -> str:
    level, _, interval = part.short.partition(" (")
    bounds = f"<br><small>{escape(interval.removesuffix(')'))}</small>" if interval else ""
    return (
        f"<tr><th scope=row>{escape(part.title)}<br>"
        f"<small>{escape(part.baseline_title)}<br>{escape(part.errors)}</small></th>"
        f'<td style="color:{COLOURS[part.level]}">{escape(level)}{bounds}</td></tr>'
    )
