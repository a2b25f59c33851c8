"""Figures of the Embeddings page."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import numpy as np

from engine.queries.embeddings import DistanceCurves, ScaleTable
from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES


def by_distance(curves: DistanceCurves, other: DistanceCurves | None) -> hv.Overlay:
    """Cosine similarity against distance: median and 5–95 % of A, medians of its bands of latitude, median of B."""
    spread = hv.Area((curves.km, curves.overall.low, curves.overall.high), vdims=["low", "high"])
    bands = [hv.Curve((curves.km, band.median)).opts(color=NEUTRAL, line_width=1, alpha=0.7) for band in curves.bands]
    layers = [
        spread.opts(color=SERIES[0], fill_alpha=0.18, line_alpha=0),
        *bands,
        hv.Curve((curves.km, curves.overall.median)).opts(color=SERIES[0], line_width=2.5),
    ]
    if other is not None:
        layers.append(hv.Curve((other.km, other.overall.median)).opts(color=SERIES[1], line_width=2.5))
    return figure(
        *layers,
        xlabel="Distance, km",
        ylabel="Cosine similarity",
        xlim=(0, 20_040),
        ylim=(-1.05, 1.05),
        xticks=[(0, "0"), (10_000, "10\u202f000"), (20_000, "20\u202f000")],
        yticks=[-1, -0.5, 0, 0.5, 1],
        height=240,
    )


def histogram(edges: np.ndarray, share: np.ndarray, other: np.ndarray | None) -> hv.Overlay:
    """How the similarities of all pairs of patches are distributed: percent of pairs a bin; B as a line."""
    middle = (edges[1:] + edges[:-1]) / 2
    layers = [hv.Area((middle, 100 * share)).opts(color=SERIES[0], fill_alpha=0.3, line_color=SERIES[0])]
    if other is not None:
        layers.append(hv.Curve((middle, 100 * other)).opts(color=SERIES[1], line_width=2.5))
    top = 100 * max(float(share.max()), 0.0 if other is None else float(other.max()))
    return figure(
        *layers,
        xlabel="Cosine similarity",
        ylabel="Pairs, %",
        xlim=(-1, 1),
        ylim=(0, 1.08 * top),
        xticks=[-1, -0.5, 0, 0.5, 1],
        yticks=4,
        height=220,
    )


def scale_features(scale: ScaleTable, shown: Sequence[int]) -> hv.Overlay:
    """Some of the ten scale features, as natural logarithms, against latitude."""
    layers = [
        hv.Curve((scale.lat, scale.logs[:, index]), label=scale.names[index]).opts(
            color=SERIES[place % len(SERIES)], line_width=2
        )
        for place, index in enumerate(shown)
    ]
    return figure(
        *layers,
        xlabel="Latitude, °",
        ylabel="ln of the size",
        xlim=(-90, 90),
        xticks=[-90, -60, -30, 0, 30, 60, 90],
        yticks=5,
        height=330,
        legend_position="bottom",
        legend_cols=1,
        legend_opts={"background_fill_alpha": 0.0, "border_line_alpha": 0.0, "padding": 0, "spacing": 2},
    )
