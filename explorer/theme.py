"""Colour tokens, type and spacing, as a Material theme and as CSS."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from engine.assets import asset

TOKENS: dict[str, dict[str, str]] = {
    "dark": {
        "stage": "#0B0E14",
        "panel": "#11151D",
        "raised": "#181D27",
        "divider": "#232936",
        "outline": "#66728A",
        "text": "#E8EBF1",
        "secondary": "#9DA7B8",
        "disabled": "#667085",
        "accent": "#3FD0B6",
        "on_accent": "#06231E",
        "success": "#4CC38A",
        "warning": "#E2A83D",
        "error": "#F2766D",
        "info": "#78A9FF",
        "hover": "rgba(232,235,241,.06)",
        "selected": "rgba(63,208,182,.14)",
    },
    "light": {
        "stage": "#F4F6F8",
        "panel": "#FFFFFF",
        "raised": "#FFFFFF",
        "divider": "#E1E5EA",
        "outline": "#858F9E",
        "text": "#151A23",
        "secondary": "#566072",
        "disabled": "#8A93A3",
        "accent": "#0B7568",
        "on_accent": "#FFFFFF",
        "success": "#1A7F4E",
        "warning": "#8A5A00",
        "error": "#B93A31",
        "info": "#2A5FC4",
        "hover": "rgba(21,26,35,.05)",
        "selected": "rgba(11,117,104,.10)",
    },
}

# Readable on both stages (contrast of at least 3.1), so a figure need not be rebuilt when the theme flips.
SERIES = ("#109885", "#B67B12", "#8E6FE6", "#E2604F", "#3E8FD8", "#728F2A")
NEUTRAL = "#768296"

_FONT = "Inter, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"


def _material(mode: str) -> dict[str, Any]:
    token = TOKENS[mode]
    return {
        "palette": {
            "mode": mode,
            "primary": {"main": token["accent"], "contrastText": token["on_accent"]},
            "success": {"main": token["success"]},
            "warning": {"main": token["warning"]},
            "error": {"main": token["error"]},
            "info": {"main": token["info"]},
            "divider": token["divider"],
            "text": {"primary": token["text"], "secondary": token["secondary"], "disabled": token["disabled"]},
            "background": {"default": token["stage"], "paper": token["panel"]},
        },
        "shape": {"borderRadius": 8},
        "typography": {
            "fontFamily": _FONT,
            "fontSize": 13,
            "button": {"textTransform": "none", "fontWeight": 600, "fontSize": "12px"},
            "body1": {"fontSize": "13px", "fontWeight": 450},
            "body2": {"fontSize": "12px"},
        },
        "components": {
            "MuiButtonBase": {
                "styleOverrides": {
                    "root": {"&.Mui-focusVisible": {"outline": f"2px solid {token['accent']}", "outlineOffset": "2px"}}
                }
            },
            "MuiButton": {
                "defaultProps": {"disableElevation": True},
                "styleOverrides": {"root": {"minHeight": 32, "borderRadius": 8}, "sizeSmall": {"fontSize": "12px"}},
            },
            "MuiToggleButton": {
                "styleOverrides": {
                    "root": {
                        "padding": "5px 4px",
                        "whiteSpace": "nowrap",
                        "fontSize": "12px",
                        "lineHeight": "18px",
                        "color": token["secondary"],
                        "borderColor": token["divider"],
                        "&.Mui-selected": {"color": token["text"], "backgroundColor": token["selected"]},
                        # its neighbours would cover a ring around it
                        "&.Mui-focusVisible": {"outlineOffset": "-2px"},
                    }
                }
            },
            "MuiOutlinedInput": {"styleOverrides": {"notchedOutline": {"borderColor": token["outline"]}}},
            "MuiFormControlLabel": {"styleOverrides": {"label": {"fontSize": "13px"}}},
            # A menu is placed in pixels of the window, inside a part that may have grown: only what it lists grows.
            "MuiPopover": {"styleOverrides": {"root": {"zoom": "calc(1 / var(--h-zoom, 1))"}}},
            "MuiMenu": {"styleOverrides": {"list": {"zoom": "var(--h-zoom, 1)"}}},
            "MuiTooltip": {"styleOverrides": {"tooltip": {"fontSize": "12px", "lineHeight": 1.45}}},
            "MuiPaper": {"styleOverrides": {"root": {"backgroundImage": "none"}}},
        },
    }


MATERIAL = {mode: _material(mode) for mode in TOKENS}


@cache
def stylesheet() -> str:
    """The page's own CSS: the font from the shipped file, both sets of tokens as variables, type, focus ring.

    The variables begin with ``--h-``: Bokeh defines ``--divider``, ``--error`` and others anew in every shadow root.
    """
    faces = _font_face("inter-latin-wght-normal.woff2", "U+0000-036F, U+2000-2FFF") + _font_face(
        "inter-greek-wght-normal.woff2", "U+0370-03FF"
    )
    modes = "".join(
        f"html[data-mode={mode}]{{color-scheme:{mode};"
        + "".join(f"--h-{name.replace('_', '-')}:{value};" for name, value in token.items())
        + "}\n"
        for mode, token in TOKENS.items()
    )
    return (
        f"{faces}{modes}"
        f"html[data-mode],html[data-mode] body{{font:450 13px/1.5 {_FONT};background:var(--h-stage);"
        "color:var(--h-text);--bokeh-font-size:12px}\n"
        "html{--h-zoom:1}@media(min-width:2560px){html{--h-zoom:1.25}}@media(min-width:3600px){html{--h-zoom:1.75}}\n"
        "*:focus-visible{outline:2px solid var(--h-accent);outline-offset:2px}\n"
    )


def _font_face(file: str, characters: str) -> str:
    data = base64.b64encode(asset(file).read_bytes()).decode()
    return (
        f"@font-face{{font-family:Inter;font-weight:100 900;font-display:swap;unicode-range:{characters};"
        f"src:url(data:font/woff2;base64,{data}) format('woff2')}}\n"
    )
