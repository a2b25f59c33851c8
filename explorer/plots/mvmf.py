"""Figures of the MvMF page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import holoviews as hv
import numpy as np

from engine.queries.mvmf.comparison import COMPARED, ComparedCentres
from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES

_MOST_POINTS = 600
_KM = [(km, f"{km:,}".replace(",", "\u202f")) for km in (30, 100, 300, 1000, 3000)]
# those that follow data in colours, the others grey
_KINDS = {
    "kmeans": (SERIES[0], "solid"), "minibatch": (SERIES[5], "dashed"), "partition": (SERIES[1], "solid"),
    "farthest": (SERIES[2], "solid"), "near-data": (SERIES[4], "solid"), "land": (SERIES[3], "solid"),
    "ocean": (SERIES[3], "dashed"), "fibonacci": (NEUTRAL, "solid"), "hierarchy": (NEUTRAL, "dashed"),
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def pull(distance_km: np.ndarray, weight: np.ndarray) -> hv.Overlay:
    """Every component by the distance (K,) km of its centre from the true location, and its part (K,) of the
    probability there, in %."""
    order = np.argsort(-weight)[:_MOST_POINTS]
    x, y = distance_km[order], 100.0 * weight[order]
    points: Any = hv.Points((x, y)).opts(color=SERIES[0], size=6, alpha=0.75)
    return figure(
        points,
        xlabel="Distance from the true location, km",
        ylabel="Part of the probability, %",
        xlim=(0.0, float(x.max(initial=100.0)) * 1.04),
        ylim=(0.0, float(y.max(initial=1.0)) * 1.08),
        xticks=4,
        yticks=4,
        height=210,
    )


def recall(area_km2: np.ndarray, expert: np.ndarray, prior: np.ndarray, names: tuple[str, str]) -> hv.Overlay:
    """Fraction (A,) of the test's true locations inside the most probable region of each area (A,) in km².

    ``names`` stand in the key: the expert's, the prior's.
    """
    lines: list[Any] = [
        hv.Curve((area_km2, 100.0 * prior), label=names[1]).opts(color=NEUTRAL, line_width=1.5, line_dash="dashed"),
        hv.Curve((area_km2, 100.0 * expert), label=names[0]).opts(color=SERIES[0], line_width=2.5),
    ]
    return figure(
        *lines,
        xlabel="Area searched, km²",
        ylabel="True locations inside, %",
        logx=True,
        xlim=(float(area_km2[0]), float(area_km2[-1])),
        ylim=(0.0, 102.0),
        xticks=_decades(float(area_km2[0]), float(area_km2[-1])),
        yticks=4,
        height=210,
        legend_position="top_left",  # where both lines lie low
        legend_opts={"background_fill_alpha": 0.0, "border_line_alpha": 0.0, "padding": 0},
    )


def likelihood_by_number(rows: Sequence[ComparedCentres]) -> hv.Overlay:
    """What held-out points say of every kind of centres, in nats a point more than nothing, against their number."""
    return _by_number(rows, lambda row: row.score.log_likelihood, "Known, nats a point")


def distance_by_number(rows: Sequence[ComparedCentres]) -> hv.Overlay:
    """Median distance of held-out points to the nearest centre, km, against the number of centres."""
    return _by_number(rows, lambda row: row.score.median_km, "Median distance, km", logy=True, yticks=_KM)


def kind_colours() -> list[tuple[str, str]]:
    """Name and colour of every kind of centres."""
    return [(COMPARED[kind], colour) for kind, (colour, _) in _KINDS.items()]


def _by_number(
    rows: Sequence[ComparedCentres], value: Callable[[ComparedCentres], float], label: str, **options: Any
) -> hv.Overlay:
    lines: list[Any] = []
    names = "Centres K", label  # names of their own, for figures on a page share axes of one name
    for kind, (colour, dash) in _KINDS.items():
        line = sorted((row.score.num_centres, value(row)) for row in rows if row.kind == kind)
        lines.append(hv.Curve(line, *names).opts(color=colour, line_dash=dash, line_width=2))
        lines.append(hv.Scatter(line, *names).opts(color=colour, size=4))
    numbers = [row.score.num_centres for row in rows]
    values = [value(row) for row in rows]
    low, high = min(values), max(values)
    room = (0.9 * low, 1.1 * high) if options.get("logy") else (low - 0.05 * (high - low), high + 0.05 * (high - low))
    ticks = [(size, str(size)) for size in (8, 32, 128, 512)]
    limits = {"xlim": (0.85 * min(numbers), 1.15 * max(numbers)), "ylim": room, "xticks": ticks}
    shown = {"xlabel": "Centres K", "ylabel": label, "logx": True, "height": 210, "yticks": 4}
    return figure(*lines, **{**shown, **limits, **options})


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten from ``low`` to ``high`` with their names: linear ticks would crowd at the end of a log axis."""
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    return [(10.0**power, f"10{str(power).translate(_SUPERSCRIPTS)}") for power in powers]
