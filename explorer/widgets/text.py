"""Text on the screen as HTML: titles, sections, labelled values. Text from outside is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import panel as pn

from engine.errors import EngineError

#: A label, a value and its unit.
LabelledValue = tuple[str, str, str]
#: A sentence, and whether it is set apart as a caution.
Sentence = tuple[str, bool]

_CSS = """
:host { font: 450 13px/1.5 Inter, system-ui, sans-serif; color: var(--h-text); margin: 0 }
h1 { font: 620 20px/1.2 Inter, system-ui, sans-serif; margin: 0 }
h2 { font: 600 13px/1.3 Inter, system-ui, sans-serif; margin: 0 }
p { margin: 2px 0 0; color: var(--h-secondary); text-wrap: pretty }
dl { display: flex; gap: 28px; margin: 0 } dt { font-size: 11px; color: var(--h-secondary); white-space: nowrap }
@media (min-width: 900px) and (max-width: 1179px) { dl > div:nth-child(n+2) { display: none } }
@media (max-width: 899px) { dl { flex-wrap: wrap; gap: 8px 24px } }
dd { margin: 2px 0 0; font: 560 15px/1.2 Inter, system-ui, sans-serif; font-feature-settings: 'tnum';
  white-space: nowrap }
dd small { font: 450 12px/1 Inter, system-ui, sans-serif; color: var(--h-secondary) }
.caution { border-left: 2px solid var(--h-warning); padding-left: 10px; color: var(--h-text) }
progress { appearance: none; width: 100%; height: 4px; border: 0; border-radius: 2px; overflow: hidden;
  background: var(--h-divider); animation: breathe 1s ease-in-out infinite alternate }
@keyframes breathe { to { opacity: .45 } }
@media (prefers-reduced-motion: reduce) { progress { animation: none } }
progress::-webkit-progress-bar { background: var(--h-divider) }
progress::-webkit-progress-value { background: var(--h-accent) }
progress::-moz-progress-bar { background: var(--h-accent) }
table { width: 100%; border-collapse: collapse; font-feature-settings: 'tnum' }
th { text-align: left; font-weight: 450; color: var(--h-secondary); padding: 5px 12px 5px 0; vertical-align: top }
td, th[scope=col] { text-align: right; padding: 5px 0 5px 8px; overflow-wrap: anywhere }
tr + tr > * { border-top: 1px solid var(--h-divider) }
"""

_TITLE_CSS = """
h1, p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
@media (max-width: 899px) { p { display: none } }
"""


def html(content: str, css: str = "", **params: object) -> pn.pane.HTML:
    """A piece of trusted HTML in the app's type; ``css`` adds to how it looks."""
    sheets = [_CSS, css] if css else [_CSS]
    return pn.pane.HTML(content, **{"margin": 0, "stylesheets": sheets, "sizing_mode": "stretch_width", **params})


def text_pane(sentence: str) -> pn.pane.HTML:
    """A paragraph."""
    return html(paragraph(sentence))


def title(heading: str, subtitle: str) -> pn.pane.HTML:
    """A page's heading with the line under it."""
    return html(f"<h1>{escape(heading)}</h1><p>{escape(subtitle)}</p>", _TITLE_CSS, styles={"flex": "1"})


def section(heading: str) -> pn.pane.HTML:
    """The heading of a group of controls or of a figure."""
    return html(f"<h2>{escape(heading)}</h2>")


def readout_html(pairs: Iterable[tuple[str, str, str]]) -> str:
    """HTML of labelled values: ``(label, value, unit)``, as in the read-out."""
    items = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)} <small>{escape(unit)}</small></dd></div>"
        for label, value, unit in pairs
    )
    return f"<dl>{items}</dl>"


def paragraph(sentence: str) -> str:
    """HTML of one sentence."""
    return f"<p>{escape(sentence)}</p>"


def paragraphs(sentences: Iterable[tuple[str, bool]]) -> str:
    """HTML of sentences; those paired with True are set apart as a caution."""
    return "".join(f"<p{' class=caution' if caution else ''}>{escape(sentence)}</p>" for sentence, caution in sentences)


def progress(fraction: float, action: str) -> str:
    """HTML of a progress bar with what is being done."""
    return (
        f"<p role=status>{escape(action)}</p>"
        f'<progress max="1" value="{fraction:.3f}" aria-label="{escape(action, quote=True)}"></progress>'
    )


def table(rows: Iterable[tuple[str, ...]], heads: Sequence[str] = ()) -> str:
    """HTML of a table of labels, each with its value or values; ``heads`` stand over the columns of several."""
    over = "".join(f"<th scope=col>{escape(head)}</th>" for head in heads)
    body = "".join(
        f"<tr><th scope=row>{escape(label)}</th>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for label, *values in rows
    )
    return f"<table>{f'<tr><td></td>{over}</tr>' if over else ''}{body}</table>"


def sentence(text: str) -> str:
    """A text as a sentence: with a capital letter at its beginning and a stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def error_text(error: Exception) -> str:
    """What is shown of an exception: the text of our own errors; of others only the type, for they may name paths."""
    if isinstance(error, EngineError):
        return str(error)
    return f"Something unexpected happened ({type(error).__name__}). The server's log has the details."


def number(value: float) -> str:
    """Three figures, thousands set apart by a narrow space that does not break, a true minus; a dash for no number."""
    if not math.isfinite(value):
        return "–"
    shown = f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 999.5 else f"{value:.3g}"
    return shown.replace("-", "−")


def colour_key(entries: Iterable[tuple[str, str]]) -> str:
    """HTML of the meaning of colours, ``(name, colour)`` each."""
    marks = (
        f'<span style="margin-right:14px;white-space:nowrap"><span style="color:{colour}">■</span> '
        f"{escape(name)}</span>"
        for name, colour in entries
    )
    return f"<p>{' '.join(marks)}</p>"
