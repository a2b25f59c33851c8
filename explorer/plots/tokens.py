"""Figures of the Tokens page."""

from __future__ import annotations

from collections.abc import Mapping

import holoviews as hv
import numpy as np

from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES

_LEGEND = {"background_fill_alpha": 0.0, "border_line_alpha": 0.0, "padding": 0}
_MARKERS = ("circle", "diamond", "triangle")


def matrix(cosines: np.ndarray, mine: int) -> hv.Overlay:
    """Cosines (N, N) of all pairs of tokens, the first at the top left; lines at the row and column ``mine``."""
    size = len(cosines)
    image = hv.Image(cosines, bounds=(0, 0, size, size)).opts(
        cmap="viridis",
        colorbar=True,
        clim=(float(np.nanmin(cosines)), 1.0),
        clabel="",
        colorbar_opts={"width": 10, "padding": 0},
    )
    lines = [hv.VLine(mine + 0.5), hv.HLine(size - mine - 0.5)]
    return figure(
        image,
        *(line.opts(color=SERIES[3], line_width=1) for line in lines),
        xlabel="Patches, row by row from the north",
        ylabel="",
        xaxis="bottom",
        yaxis=None,
        xlim=(0, size),
        ylim=(0, size),
        xticks=[(0, "1"), (size, str(size))],
        height=260,
    )


def histogram(edges: np.ndarray, shares: np.ndarray) -> hv.Overlay:
    """Percent of the pairs by cosine."""
    middle = (edges[1:] + edges[:-1]) / 2
    area = hv.Area((middle, 100 * shares)).opts(color=SERIES[0], fill_alpha=0.3, line_color=SERIES[0])
    return figure(
        area,
        xlabel="Cosine of two tokens",
        ylabel="Pairs, %",
        xlim=(float(edges[0]), float(edges[-1])),
        ylim=(0.0, 108.0 * float(shares.max()) or 1.0),
        xticks=4,
        yticks=4,
        height=170,
    )


def influence(km: np.ndarray, held: np.ndarray) -> hv.Overlay:
    """Percent of a token's influence that lies within a distance, km; dashed at 50 % and 90 %."""
    levels = [hv.HLine(level).opts(color=NEUTRAL, line_width=1, line_dash="dashed") for level in (50, 90)]
    return figure(
        hv.Curve((km, 100 * held)).opts(color=SERIES[0], line_width=2.5, interpolation="steps-post"),
        *levels,
        xlabel="Distance from the patch, km",
        ylabel="Influence within, %",
        xlim=(0.0, float(km[-1])),
        ylim=(0.0, 103.0),
        xticks=4,
        yticks=[0, 50, 90, 100],
        height=190,
    )


def drops(by_kind: Mapping[str, np.ndarray]) -> hv.Overlay:
    """The drop of the cosine in each exchanged surrounding, a row of points for each kind."""
    names = list(by_kind)
    layers = [
        hv.Scatter((values, np.full(len(values), len(names) - 1.0 - number))).opts(
            color=SERIES[number], size=9, alpha=0.6
        )
        for number, values in enumerate(by_kind.values())
    ]
    top = max((float(np.nanmax(values)) for values in by_kind.values() if len(values)), default=0.0)
    return figure(
        *layers,
        xlabel="Drop of the cosine",
        ylabel="",
        xlim=(0.0, 1.08 * top or 1.0),
        ylim=(-0.6, len(names) - 0.4),
        yticks=[(len(names) - 1.0 - number, name) for number, name in enumerate(names)],
        xticks=[(share * top, f"{share * top:.2g}") for share in (0.0, 0.5, 1.0)],
        height=200,
    )


def kept(names: list[str], patch: list[float], mean: list[float]) -> hv.Overlay:
    """R² that a probe reaches from the token of a patch and from the mean of its scene, a row for each target."""
    rows = np.arange(len(names))[::-1].astype(float)
    pairs = [
        hv.Segments((low, row, high, row)).opts(color=NEUTRAL, line_width=2)
        for low, high, row in zip(mean, patch, rows, strict=True)
    ]
    return figure(
        *pairs,
        hv.Scatter((patch, rows), label="from the patch").opts(color=SERIES[0], size=10),
        hv.Scatter((mean, rows), label="from the mean").opts(color=SERIES[1], size=10, marker="diamond"),
        xlabel="R² on months held out",
        ylabel="",
        xlim=(min(-0.05, *patch, *mean), 1.05),
        ylim=(-0.6, len(names) - 0.2),
        yticks=list(zip(rows.tolist(), names, strict=True)),
        xticks=[0, 0.25, 0.5, 0.75, 1],
        height=230,
        legend_position="bottom",
        legend_opts=_LEGEND,
    )


def windows_map(values: np.ndarray, label: str, marks: Mapping[str, tuple[int, int]]) -> hv.Overlay:
    """Values (8, 8) of the windows of a chip, north at the top; a letter at each marked row and column."""
    rows, cols = values.shape
    image = hv.Image(values, bounds=(0, 0, cols, rows)).opts(
        cmap="viridis", colorbar=True, clabel="", colorbar_opts={"width": 10, "padding": 0}, clim=_limits(values)
    )
    names = [hv.Text(col + 0.5, rows - row - 0.5, name) for name, (row, col) in marks.items()]
    texts = [name.opts(color=SERIES[3], text_font_size="15px", text_font_style="bold") for name in names]
    return figure(image, *texts, xlabel=label, ylabel="", xaxis="bottom", yaxis=None, xticks=0, height=210)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low, high if high > low else low + 1e-6


def accuracies(names: list[str], by_weights: Mapping[str, list[float]], chance: float = 0.5) -> hv.Overlay:
    """Percent of the chips that a probe tells rightly, a row for each reader; dashed where guessing is."""
    rows = np.arange(len(names))[::-1].astype(float)
    points = [
        hv.Scatter((100.0 * np.asarray(values), rows), label=label).opts(
            color=SERIES[number], size=10, marker=_MARKERS[number]
        )
        for number, (label, values) in enumerate(by_weights.items())
    ]
    return figure(
        hv.VLine(100.0 * chance).opts(color=NEUTRAL, line_width=1, line_dash="dashed"),
        *points,
        xlabel="House told rightly, % of chips held out",
        ylabel="",
        xlim=(42.0, 102.0),
        ylim=(-0.6, len(names) - 0.2),
        yticks=list(zip(rows.tolist(), names, strict=True)),
        xticks=[50, 60, 70, 80, 90, 100],
        height=250,
        legend_position="bottom",
        legend_opts=_LEGEND,
    )


def accuracy_by_distance(by_weights: Mapping[str, tuple[list[int], list[float]]]) -> hv.Overlay:
    """The same against the distance in windows."""
    curves = [
        hv.Curve((distances, 100.0 * np.asarray(values)), label=label).opts(color=SERIES[number], line_width=2.5)
        for number, (label, (distances, values)) in enumerate(by_weights.items())
    ]
    return figure(
        hv.HLine(50.0).opts(color=NEUTRAL, line_width=1, line_dash="dashed"),
        *curves,
        xlabel="Distance from the house, windows",
        ylabel="Told rightly, %",
        ylim=(42.0, 102.0),
        xticks=[1, 2, 3, 4, 5],
        yticks=[50, 75, 100],
        height=190,
        legend_position="bottom",
        legend_opts=_LEGEND,
    )


def colours_map(colours: np.ndarray) -> hv.Overlay:
    """Colours (h, w, 3) of the patches, the first row at the top."""
    high, wide, _ = colours.shape
    image = hv.RGB(colours, bounds=(0, 0, wide, high))
    return figure(image, xlabel="", ylabel="", xaxis=None, yaxis=None, height=190)
