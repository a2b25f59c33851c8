"""Layout: the grid of the shell and of a page at three widths, as plain CSS.

Boxes are Panel's own columns, not Material ones: a box has no visible style, and a Material box costs ten milliseconds
on server and client each.
"""

from __future__ import annotations

from typing import Any

import panel as pn

_NARROW = "@media (max-width: 899px)"
_MEDIUM = "@media (min-width: 900px) and (max-width: 1179px)"

# On very large screens text and controls grow. Figures and globes draw in pixels and get the space instead.
_LEAVES = """
:host > .bk-panel-models-markup-HTML, :host > .bk-panel-models-esm-ReactComponent,
:host > .bk-panel-models-esm-ReactiveESM:not(.drawing) { zoom: var(--h-zoom) }
"""


def grown(length_px: int) -> str:
    """A length as CSS that grows with the type on very large screens."""
    return f"calc({length_px}px * var(--h-zoom))"


def box(*parts: Any, css: str = "", **params: Any) -> pn.Column:
    """A box with ``css`` for its ``:host``; its parts are the host's children."""
    return pn.Column(*parts, **{"margin": 0, "sizing_mode": "stretch_width", "stylesheets": [_LEAVES + css], **params})


def area(name: str, *parts: Any, css: str) -> pn.Column:
    """A named area of a grid, filled by ``parts``."""
    return box(*parts, css=css, sizing_mode="stretch_both", styles={"grid-area": name})


def row(*parts: Any, gap_px: int = 8, **params: Any) -> pn.Column:
    """Parts beside each other."""
    return box(
        *parts, css=f":host {{ display: flex; flex-flow: row wrap; align-items: center; gap: {gap_px}px }}", **params
    )


def fill(part: pn.Column, *contents: Any) -> None:
    """Put ``contents`` into a box; unchanged contents are left alone."""
    if list(part) != list(contents):
        part[:] = list(contents)


def tiles(num_columns: int | None = None) -> dict[str, Any]:
    """The ``sx`` of a group of buttons in rows of ``num_columns``, or of as many as fit, each with its own border."""
    button = {"borderRadius": "8px", "border": "1px solid", "borderColor": "divider", "margin": 0, "padding": "3px 6px"}
    grid = {"display": "grid", "gridTemplateColumns": f"repeat({num_columns}, minmax(0, 1fr))"}
    wrap = {"display": "flex", "flexWrap": "wrap"}
    return {
        **(wrap if num_columns is None else grid),
        "gap": "4px",
        # Material's full-width group gives each button a whole row
        ".MuiToggleButton-root.MuiToggleButtonGroup-grouped": {**button, "flex": "1 1 auto", "width": "auto"},
    }


def show(part: pn.Column, wanted: bool) -> None:
    """Show or hide a box. (``visible`` would lose against the ``display`` of the box's own CSS.)"""
    # an empty value resets the property; a missing one would leave it unchanged
    part.styles = {**part.styles, "display": "" if wanted else "none"}


# Bokeh writes sizes into each child's own style; inside a grid or a row the box decides.
_FREE = ":host > * { min-width: 0; min-height: 0 }"

SHELL = f"""
:host {{ display: grid; position: fixed; inset: 0; gap: 0; background: var(--h-stage);
  grid-template: 'rail page' minmax(0, 1fr) / {grown(80)} minmax(0, 1fr) }}
{_FREE}
{_NARROW} {{ :host {{ grid-template: 'page' minmax(0, 1fr) 'rail' 64px / minmax(0, 1fr) }} }}
"""

HOST = f":host {{ display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr) }} {_FREE}"

PAGE = f"""
:host {{ display: grid; gap: 0; position: relative; grid-area: 1 / 1;
  grid-template: 'drawer head head' {grown(64)} 'drawer stage plots' minmax(0, 1fr) 'drawer read read' {grown(60)}
    / auto minmax(0, 1fr) clamp(284px, calc(28vw - 72px), {grown(572)}) }}
{_FREE}
{_MEDIUM} {{ :host {{ grid-template: 'drawer head' 64px 'drawer stage' minmax(0, 1.4fr)
  'drawer plots' minmax(260px, 1fr) 'drawer read' 60px / auto minmax(0, 1fr) }} }}
{_NARROW} {{ :host {{ overflow-y: auto;
  grid-template: 'head' minmax(56px, max-content) 'stage' max(300px, 62vh) 'read' max-content 'plots' max-content
    / minmax(0, 1fr) }} }}
"""

#: Of a page without drawer, head and read-out.
PLAIN = f":host {{ display: block; grid-area: 1 / 1; overflow: hidden auto }} {_NARROW} {{ :host {{ height: 100% }} }}"

DRAWER = f"""
:host {{ width: {grown(304)}; display: flex; flex-flow: column nowrap; gap: 4px; box-sizing: border-box;
  padding: 20px 20px 24px; overflow: hidden auto; background: var(--h-panel);
  border-right: 1px solid var(--h-divider) }}
:host > * {{ flex: none; max-height: none }}
{_MEDIUM} {{ :host {{ width: 288px }} }}
{_NARROW} {{ :host {{ position: fixed; inset: 0 auto 64px 0; height: auto; z-index: 20;
  box-shadow: 12px 0 32px rgba(0, 0, 0, .28) }} }}
"""

HEAD = f"""
:host {{ display: flex; flex-flow: row nowrap; align-items: center; gap: 8px; padding: 8px 24px;
  box-sizing: border-box }}
:host > * {{ flex: none; width: auto !important; align-self: center !important }}
:host > div:first-of-type {{ flex: 1 1 120px; min-width: 0 }}
:host > .source {{ flex: 0 1 350px; min-width: 0 }}
{_NARROW} {{ :host {{ padding: 8px 16px; height: auto; flex-wrap: wrap }} :host > .chip {{ display: none !important }}
  :host > .source {{ order: 1; flex: 1 1 100% }} }}
"""

STAGE = f":host {{ display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); position: relative }} {_FREE}"

PLOTS = f"""
:host {{ display: flex; flex-flow: column nowrap; gap: 8px; box-sizing: border-box; padding: 0 24px 12px 12px;
  overflow: hidden auto }}
:host > * {{ flex: none }} :host > div:last-of-type {{ flex: 1 0 auto }}
:host > .flat {{ height: {grown(150)} !important }}
{_MEDIUM} {{
  :host {{ padding: 0 16px 12px; position: relative }}
  :host > .flat {{ position: absolute; left: 16px; width: calc(50% - 28px) !important }}
  :host > .flat ~ * {{ margin-left: calc(50% + 12px); width: auto !important; align-self: stretch }}
}}
{_NARROW} {{ :host {{ padding: 0 16px 16px; height: auto }} }}
"""

READ = f"""
:host {{ display: flex; flex-flow: row nowrap; align-items: center; gap: 28px; padding: 0 24px; box-sizing: border-box;
  overflow: hidden; border-top: 1px solid var(--h-divider) }}
:host > * {{ flex: none }} :host > div:last-of-type {{ flex: 1 }}
{_NARROW} {{ :host {{ flex-wrap: wrap; gap: 8px 24px; padding: 8px 16px; height: auto }} }}
"""

_CARD = """
:host { display: flex; flex-flow: row nowrap; align-items: center; z-index: 5; background: var(--h-raised);
  border: 1px solid var(--h-divider); border-radius: 8px; width: auto }
:host > * { min-width: 0; flex: none; width: auto !important } :host > div:first-of-type { flex: 1 }
:host > .scroll-button { display: none }
"""

#: A row of its own below the globe, which shrinks for it: a question, or the run that computes the answer.
CARD = f"""{_CARD}
:host {{ grid-column: 1 / -1; gap: 16px; margin: 0 24px 12px; padding: 10px 14px }}
{_NARROW} {{ :host {{ margin: 0 16px 8px }} }}
"""

#: In the lower corner of the globe: short progress. The globe would jump if it shrank for it each time.
PASSING = f"""{_CARD}
:host {{ grid-area: 1 / 1; place-self: end start; gap: 8px; margin: 0 0 6px 8px; padding: 2px 2px 2px 10px;
  max-width: 244px }}
"""

ERROR = ":host { padding: 64px; max-width: 720px; gap: 16px }"

RUNS = f"""
:host {{ position: fixed; inset: 0 0 0 auto; width: min({grown(400)}, 100vw); z-index: 30;
  box-shadow: -12px 0 32px rgba(0, 0, 0, .28) }}
{_NARROW} {{ :host {{ inset: 0 0 64px 0; width: 100vw }} }}
"""
