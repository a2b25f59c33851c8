"""Captions over the upper edge of a globe: one, or one for each side of its divider."""

from __future__ import annotations

from html import escape

import panel as pn

from explorer.widgets.text import html

_CSS = """
:host { pointer-events: none; z-index: 3; padding: 0 12px; box-sizing: border-box; place-self: start stretch }
p { display: flex; justify-content: space-between; gap: 16px; margin: 0 }
span { font: 600 12px/1.3 Inter, system-ui, sans-serif; color: var(--h-text); padding: 3px 8px; border-radius: 6px;
  background: color-mix(in srgb, var(--h-stage) 78%, transparent) }
"""


def caption_pane(cell: str = "1 / 1") -> pn.pane.HTML:
    """Captions in a cell of the stage's grid, none at first."""
    return html("", _CSS, styles={"grid-area": cell})


def captions_html(*texts: str) -> str:
    """HTML of the captions, from left to right."""
    return f"<p>{''.join(f'<span>{escape(text)}</span>' for text in texts)}</p>"
