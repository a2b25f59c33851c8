"""A verdict on screen and in reports: its text word for word, in the colour of its level."""

from __future__ import annotations

from html import escape

from engine.evaluation import Comparison, Verdict

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
    rest = result.text.removeprefix(result.headline)
    style = f"color:{COLOURS[result.level]};font:620 {headline_px}px/1.3 Inter,system-ui,sans-serif"
    return f'<p style="margin:0;text-wrap:wrap"><b style="{style}">{escape(result.headline)}</b>{escape(rest)}</p>'


def comparison_table(result: Verdict) -> str:
    """HTML of the comparison over all open sea and in each part of it, with what a reader should know."""
    heads = "".join(f"<th scope=col>{head}</th>" for head in ("Model", "Best baseline", "Model’s error"))
    rows = "".join(map(_row, (result, *result.parts)))
    notes = "".join(f"<p><small>{escape(note)}</small></p>" for note in result.notes)
    return f"<table><tr><th></th>{heads}</tr>{rows}</table>{notes}"


def _row(part: Comparison) -> str:
    return (
        f"<tr><th scope=row>{escape(part.title)}</th><td>{part.model_error:.3f} K</td>"
        f"<td>{part.baseline_error:.3f} K<br><small>{escape(part.baseline_title)}</small></td>"
        f'<td style="color:{COLOURS[part.level]}">{escape(part.text)}</td></tr>'
    )
