"""What every flat figure shares: transparent ground, few ticks, small type, and no toolbar."""

from __future__ import annotations

import math
from typing import Any

import holoviews as hv

_FIGURE: dict[str, Any] = {
    "responsive": True,
    "toolbar": None,
    "default_tools": [],
    "active_tools": [],
    "show_grid": True,
    "gridstyle": {"grid_line_color": "#768296", "grid_line_alpha": 0.22},
    "fontsize": {"labels": "12px", "ticks": "12px", "legend": "11px"},
    "backend_opts": {
        "plot.background_fill_alpha": 0.0,
        "plot.border_fill_alpha": 0.0,
        "plot.outline_line_alpha": 0.0,
        "plot.min_border": 4,
    },
}


def figure(*layers: Any, **options: Any) -> hv.Overlay:
    """The layers above each other as one figure; ``options`` are HoloViews' plot options."""
    # without framewise the axes of a live figure would keep the ends they were first given
    live = [layer.opts(framewise=True) for layer in layers]
    return hv.Overlay(live).opts(hv.opts.Overlay(framewise=True, **_FIGURE, **options))  # type: ignore[return-value]


def value_ticks(low: float, high: float, is_log: bool, number: int = 4) -> Any:
    """Ticks of an axis of values: their number, or where the axis holds decimal logarithms the values at round ones."""
    if not is_log:
        return number
    first, last = math.floor(low), math.ceil(high)
    if high - low < 0.7:
        steps = (1, 1.5, 2, 3, 4, 5, 6, 8)
    else:
        steps = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 4 else (1,)
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [(math.log10(value), f"{value:g}") for value in values]
