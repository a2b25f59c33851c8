"""Where things stand: the grid of the shell and of a page, at the three widths that LOOK is drawn for, as plain CSS.

Boxes are Panel's own columns, not Material ones: a box has no looks, and a Material box costs ten milliseconds on both
sides of the wire.
"""

from __future__ import annotations

from typing import Any

import panel as pn

_NARROW = "@media (max-width: 899px)"
_MEDIUM = "@media (min-width: 900px) and (max-width: 1179px)"


def box(*parts: Any, css: str = "", **params: Any) -> pn.Column:
    """A box with ``css`` for its ``:host``; its parts are the host's children."""
    return pn.Column(*parts, **{"margin": 0, "sizing_mode": "stretch_width", "stylesheets": [css], **params})


def area(name: str, *parts: Any, css: str) -> pn.Column:
    """A named area of a grid, filled by ``parts``."""
    return box(*parts, css=css, sizing_mode="stretch_both", styles={"grid-area": name})


def row(*parts: Any, gap_px: int = 8, **params: Any) -> pn.Column:
    """Parts beside each other."""
    return box(
        *parts, css=f":host {{ display: flex; flex-flow: row wrap; align-items: center; gap: {gap_px}px }}", **params
    )


def fill(part: pn.Column, *contents: Any) -> None:
    """Put ``contents`` into a box; what lies there already is left as it is."""
    if list(part) != list(contents):
        part[:] = list(contents)


def show(part: pn.Column, wanted: bool) -> None:
    """Show a box or take it away. (``visible`` would lose against the ``display`` of the box's own CSS.)"""
    # an empty value takes the property back; a missing one would leave it as it was
    part.styles = {**part.styles, "display": "" if wanted else "none"}


# Bokeh writes sizes into each child's own style; inside a grid or a row the box decides.
_FREE = ":host > * { min-width: 0; min-height: 0 }"

SHELL = f"""
:host {{ display: grid; position: fixed; inset: 0; gap: 0; background: var(--h-stage);
  grid-template: 'rail page' minmax(0, 1fr) / 80px minmax(0, 1fr) }}
{_FREE}
{_NARROW} {{ :host {{ grid-template: 'page' minmax(0, 1fr) 'rail' 64px / minmax(0, 1fr) }} }}
"""

HOST = f":host {{ display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr) }} {_FREE}"

PAGE = f"""
:host {{ display: grid; gap: 0; position: relative; grid-area: 1 / 1;
  grid-template: 'drawer head head' 64px 'drawer stage plots' minmax(0, 1fr) 'drawer read read' 60px
    / auto minmax(0, 1fr) clamp(272px, calc(28vw - 84px), 560px) }}
{_FREE}
{_MEDIUM} {{ :host {{ grid-template: 'drawer head' 64px 'drawer stage' minmax(0, 1.4fr)
  'drawer plots' minmax(260px, 1fr) 'drawer read' 60px / auto minmax(0, 1fr) }} }}
{_NARROW} {{ :host {{ overflow-y: auto;
  grid-template: 'head' 56px 'stage' max(300px, 62vh) 'read' max-content 'plots' max-content / minmax(0, 1fr) }} }}
"""

DRAWER = f"""
:host {{ width: 304px; display: flex; flex-flow: column nowrap; gap: 4px; box-sizing: border-box;
  padding: 20px 20px 24px; overflow: hidden auto; background: var(--h-panel);
  border-right: 1px solid var(--h-divider) }}
:host > * {{ flex: none }}
{_MEDIUM} {{ :host {{ width: 288px }} }}
{_NARROW} {{ :host {{ position: fixed; inset: 0 auto 64px 0; height: auto; z-index: 20;
  box-shadow: 12px 0 32px rgba(0, 0, 0, .28) }} }}
"""

HEAD = f"""
:host {{ display: flex; flex-flow: row nowrap; align-items: center; gap: 8px; padding: 8px 24px;
  box-sizing: border-box }}
:host > * {{ flex: none; width: auto !important; align-self: center !important }}
:host > div:first-of-type {{ flex: 1; min-width: 0 }}
{_NARROW} {{ :host {{ padding: 8px 16px; height: auto }} :host > .chip {{ display: none !important }} }}
"""

STAGE = f":host {{ display: grid; grid-template: minmax(0, 1fr) / minmax(0, 1fr); position: relative }} {_FREE}"

PLOTS = f"""
:host {{ display: flex; flex-flow: column nowrap; gap: 8px; box-sizing: border-box; padding: 0 24px 12px 0;
  overflow: hidden auto }}
:host > * {{ flex: none }} :host > div:last-of-type {{ flex: 1 0 auto }}
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

#: Over the lower edge of the stage: what is under way.
OVERLAY = """
:host { display: flex; flex-flow: row nowrap; align-items: center; gap: 16px; place-self: end stretch; grid-area: 1 / 1;
  margin: 0 24px 16px; padding: 10px 14px; z-index: 5; background: var(--h-raised); border: 1px solid var(--h-divider);
  border-radius: 8px; width: auto }
:host > * { min-width: 0; flex: none } :host > div:first-of-type { flex: 1 }
"""

ERROR = ":host { padding: 64px; max-width: 720px; gap: 16px }"

RUNS = f"""
:host {{ position: fixed; inset: 0 0 0 auto; width: min(400px, 100vw); z-index: 30;
  box-shadow: -12px 0 32px rgba(0, 0, 0, .28) }}
{_NARROW} {{ :host {{ inset: 0 0 64px 0; width: 100vw }} }}
"""
