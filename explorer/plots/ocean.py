"""Figures of the Data page."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from explorer.plots.style import figure, value_ticks
from explorer.theme import NEUTRAL, SERIES


def series(
    days: np.ndarray,
    observed: np.ndarray,
    truth: np.ndarray | None,
    shown: int | None,
    units: str = "°C",
    is_log: bool = False,
) -> hv.Overlay:
    """Values at one place: the truth as a line where it is known, each observed day as a point, a mark at the
    lower edge for every day without one, and a line at the day that is shown.

    ``days`` (N,) datetime64, ``observed`` and ``truth`` (N,), NaN = missing; ``shown`` is an index or None. With
    ``is_log`` values are decimal logarithms of ``units``.
    """
    is_observed = np.isfinite(observed)
    known = np.concatenate([observed[is_observed], [] if truth is None else truth[np.isfinite(truth)]])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = 0.12 * (high - low) or 0.1
    floor = low - 1.6 * room
    line = [] if truth is None else (days, truth)
    shown_line = [] if shown is None else [(days[shown], floor), (days[shown], high + room)]
    layers: list[Any] = [
        hv.Curve(line).opts(color=NEUTRAL, line_width=2),
        hv.Curve(shown_line).opts(color=SERIES[3], line_width=1.5, line_dash="dashed"),
        _ticks(days[~is_observed], floor, 0.5 * room),
        hv.Scatter((days[is_observed], observed[is_observed])).opts(color=SERIES[0], size=5 if len(days) < 100 else 3),
    ]
    return figure(
        *layers,
        xlabel="",
        ylabel=units,
        ylim=(floor, high + room),
        xticks=3,
        yticks=value_ticks(low, high, is_log),
        height=240,
        show_legend=False,
    )


def _ticks(days: np.ndarray, floor: float, length: float) -> Any:
    """A short stroke at the lower edge for each of the days."""
    ends = (days, np.full(len(days), floor), days, np.full(len(days), floor + length))
    return hv.Segments(ends).opts(color=NEUTRAL, line_width=1.5, alpha=0.8)


def histogram(edges: np.ndarray, fraction: np.ndarray, units: str, is_log: bool = False) -> hv.Overlay:
    """Percent of the area by value: ``edges`` (B+1,), with ``is_log`` decimal logarithms; ``fraction`` (B,)."""
    middle = (edges[1:] + edges[:-1]) / 2
    bars = hv.Area((middle, 100 * fraction)).opts(color=SERIES[0], fill_alpha=0.3, line_color=SERIES[0], line_width=2)
    return figure(
        bars,
        xlabel=units,
        ylabel="Area, %",
        xlim=(float(edges[0]), float(edges[-1])),
        ylim=(0, 108 * max(float(fraction.max()), 1e-3)),
        xticks=value_ticks(float(edges[0]), float(edges[-1]), is_log) if is_log else 5,
        yticks=4,
        height=240,
    )
