"""Figures of the Train page: curves of runs, and the trials of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np

from engine.queries.train.curves import ParallelCoordinates
from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES

COLOURS = (*SERIES, "#B0568F", NEUTRAL)
"""One for each of eight runs; readable in both themes."""
_MOST_DASHED = 8  # more than there are kinds of baselines
_SHADES = 8


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a figure: ``x`` and ``y`` (P,); what is not finite leaves a gap."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    width: float = 2.0
    is_dashed: bool = False


def curves(
    lines: Sequence[Line], log: bool, xlabel: str, ylabel: str, height: int, top: float | None = None
) -> hv.Overlay:
    """Lines over steps, epochs or seconds; the axes end where they end, with a margin.

    Values above ``top`` may lie outside a linear axis.
    """
    shown = [line.y[(line.y > 0) | (not log)] for line in lines]
    known = np.concatenate([values[np.isfinite(values)] for values in shown]) if lines else np.empty(0)
    ends = [(line.x.min(), line.x.max()) for line in lines if line.x.size]
    first, last = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=1.0)
    dashed, solid = ([line for line in lines if line.is_dashed is wanted] for wanted in (True, False))
    return figure(
        *(_curve(dashed[at : at + 1]) for at in range(_MOST_DASHED)),
        *(_curve(solid[at : at + 1]) for at in range(len(COLOURS))),
        logy=log,
        xlabel=xlabel,
        ylabel=ylabel,
        xlim=(float(first), float(last) if last > first else float(first) + 1.0),
        ylim=_limits(known if log or top is None else known[known <= top], log),
        xticks=4,
        height=height,
        show_legend=False,
    )


def _curve(line: Sequence[Line]) -> Any:
    """One line or none: a figure that is fed new data must keep the number of its layers."""
    for item in line:
        style = {"color": item.colour, "line_width": item.width, "line_dash": "dashed" if item.is_dashed else "solid"}
        return hv.Curve((item.x, item.y)).opts(**style)
    return hv.Curve([])


def _limits(values: np.ndarray, log: bool) -> tuple[float, float]:
    if not values.size:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if log:
        return low / 1.15, high * 1.15
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def parallel(trials: ParallelCoordinates, labels: Sequence[str], chosen: int | None) -> hv.Overlay:
    """Trials (N, columns) as lines over the choices and the score; ``chosen`` (a trial's number) stands out.

    The better a trial, the more colour it has; the best are drawn last.
    """
    columns = np.arange(len(trials.names), dtype=float)
    lines = [np.column_stack([columns, position]) for position in trials.position]
    shade = np.minimum((trials.position[:, -1] * _SHADES).astype(int), _SHADES - 1) if lines else np.empty(0)
    marked = [lines[at] for at in range(len(lines)) if trials.numbers[at] == chosen]
    ticks = [(float(column), where, text) for column, known in enumerate(trials.labels) for text, where in known]
    return figure(
        hv.Segments([(column, 0.0, column, 1.0) for column in columns]).opts(color=NEUTRAL, line_width=1),
        *(
            hv.Path([line for line, own in zip(lines, shade, strict=True) if own == number]).opts(
                color=_shade(number / (_SHADES - 1)), line_width=1.6
            )
            for number in reversed(range(_SHADES))
        ),
        hv.Path(marked).opts(color=SERIES[3], line_width=4),
        hv.Labels(ticks, ["x", "y"], "text").opts(
            text_color=NEUTRAL, text_font_size="11px", text_align="left", xoffset=0.04, yoffset=0.03
        ),
        xlim=(-0.2, float(len(columns)) - 0.4),
        ylim=(-0.08, 1.12),
        xticks=[(float(column), label) for column, label in enumerate(labels)],
        xlabel="",
        yaxis=None,
        height=300,
        show_legend=False,
    )


def _shade(fraction: float) -> str:
    """From the first colour of the series (0) to the neutral item (1): both are readable in both themes."""
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (SERIES[0], NEUTRAL)]
    return "#" + "".join(f"{round(best + fraction * (worst - best)):02x}" for best, worst in zip(*ends, strict=True))


def slice_of(trials: ParallelCoordinates, column: int, label: str, unit: str) -> hv.Overlay:
    """The score of every trial over item of its choices."""
    where = trials.position[:, column] if len(trials.numbers) else np.empty(0)
    points = hv.Points(np.column_stack([where, trials.value]))
    return figure(
        points.opts(color=SERIES[0], size=8, alpha=0.8),
        xlabel=label,
        ylabel=f"Score, {unit}",
        xlim=(-0.08, 1.08),
        ylim=_limits(trials.value, False),
        xticks=[(where, text) for text, where in trials.labels[column]],
        height=200,
    )


def best_so_far(trials: ParallelCoordinates, best: Sequence[tuple[int, float]], unit: str) -> hv.Overlay:
    """The score of every trial by its number, and the best item up to there."""
    last = max(trials.numbers, default=1)
    steps = [*best, *([(last, best[-1][1])] if best else [])]
    return figure(
        hv.Points(np.column_stack([trials.numbers, trials.value])).opts(color=NEUTRAL, size=7, alpha=0.8),
        hv.Curve(steps).opts(color=SERIES[0], line_width=2.5, interpolation="steps-post"),
        xlabel="Trial",
        ylabel=f"Score, {unit}",
        xlim=(-0.5, last + 0.5),
        ylim=_limits(trials.value, False),
        xticks=4,
        height=200,
        show_legend=False,
    )
