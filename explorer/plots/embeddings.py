"""Figures of the Embeddings page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from engine.queries.embeddings import DistanceCurves, ProbeCurve, ProbeCurves, ProbedEncoder, ProbeScore, ScaleTable
from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES

#: Ends of distance (km) and similarity in the figure, and the cells between them that pairs are counted in.
_X, _Y = (0.0, 20_040.0), (-1.05, 1.05)
_WIDTH, _HEIGHT = 320, 200


def pair_density(km: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Pairs (P,) counted per cell of the figure, as red, green, blue and alpha (200, 320, 4) of uint8, top row first.

    The colour is that of A in both themes; the opacity grows with the logarithm of the count, and is 0 without a pair.
    """
    # not before it is needed: its import and first compilation take seconds
    import datashader as ds
    import pandas as pd
    from datashader import transfer_functions

    canvas = ds.Canvas(_WIDTH, _HEIGHT, x_range=_X, y_range=_Y)
    pairs = pd.DataFrame({"km": np.asarray(km, np.float32), "similarity": np.asarray(similarity, np.float32)})
    shaded = transfer_functions.shade(canvas.points(pairs, "km", "similarity"), cmap=SERIES[0], how="log", min_alpha=24)
    return np.ascontiguousarray(shaded.to_numpy()[::-1]).view(np.uint8).reshape(_HEIGHT, _WIDTH, 4)


def component_cloud(first: np.ndarray, second: np.ndarray, colours: np.ndarray) -> hv.RGB:
    """Patches by two coordinates (P,), NaN for one that has none: each cell of the figure in the mean of its patches'
    colours (P, 3) of uint8.
    """
    # not before it is needed: its import and first compilation take seconds
    import datashader as ds
    import pandas as pd

    x_range, y_range = _limits_of(first), _limits_of(second)
    canvas = ds.Canvas(_WIDTH // 4, _HEIGHT // 4, x_range=x_range, y_range=y_range)
    columns = {"x": first, "y": second, **{name: colours[:, at] for at, name in enumerate("rgb")}}
    points = pd.DataFrame(columns).astype(np.float32)
    means = [canvas.points(points, "x", "y", ds.mean(name)).to_numpy() for name in "rgb"]
    image = np.zeros((*means[0].shape, 4), np.uint8)
    for at, mean in enumerate(means):
        image[:, :, at] = np.nan_to_num(mean)
    image[:, :, 3] = 255 * np.isfinite(means[0])
    return hv.RGB(image[::-1], bounds=(x_range[0], y_range[0], x_range[1], y_range[1]), kdims=["First", "Second"])


def cloud(density: hv.RGB, picked: tuple[float, float], axes: tuple[str, str]) -> hv.Overlay:
    """The cloud of patches, and the picked one in it."""
    bounds: Any = density.bounds
    left, bottom, right, top = bounds.lbrt()
    mark = hv.Scatter([picked], "First", "Second").opts(
        size=11, fill_alpha=0, line_width=2.5, line_color=SERIES[3], marker="circle"
    )
    return figure(
        density,
        mark,
        xlabel=axes[0],
        ylabel=axes[1],
        xlim=(left, right),
        ylim=(bottom, top),
        xticks=4,
        yticks=4,
        height=220,
    )


def _limits_of(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def by_distance(curves: DistanceCurves, other: DistanceCurves | None, density: np.ndarray) -> hv.Overlay:
    """Cosine similarity against distance: the pairs of A as a density, their median and 5–95 %, medians of bands of
    latitude, and the median of B."""
    pairs = hv.RGB(density, bounds=(_X[0], _Y[0], _X[1], _Y[1]))
    limits = [hv.Curve((curves.km, limit)) for limit in (curves.overall.low, curves.overall.high)]
    bands = [hv.Curve((curves.km, band.median)).opts(color=NEUTRAL, line_width=1, alpha=0.7) for band in curves.bands]
    layers = [
        pairs,
        *(limit.opts(color=SERIES[0], line_width=1, line_dash="dashed") for limit in limits),
        *bands,
        hv.Curve((curves.km, curves.overall.median)).opts(color=SERIES[0], line_width=2.5),
    ]
    if other is not None:
        layers.append(hv.Curve((other.km, other.overall.median)).opts(color=SERIES[1], line_width=2.5))
    return figure(
        *layers,
        xlabel="Distance, km",
        ylabel="Cosine similarity",
        xlim=_X,
        ylim=_Y,
        xticks=[(0, "0"), (10_000, "10\u202f000"), (20_000, "20\u202f000")],
        yticks=[-1, -0.5, 0, 0.5, 1],
        height=240,
    )


def histogram(edges: np.ndarray, fraction: np.ndarray, other: np.ndarray | None) -> hv.Overlay:
    """How the similarities of all pairs of patches are distributed: percent of pairs a bin; B as a line."""
    middle = (edges[1:] + edges[:-1]) / 2
    layers = [hv.Area((middle, 100 * fraction)).opts(color=SERIES[0], fill_alpha=0.3, line_color=SERIES[0])]
    if other is not None:
        layers.append(hv.Curve((middle, 100 * other)).opts(color=SERIES[1], line_width=2.5))
    top = 100 * max(float(fraction.max()), 0.0 if other is None else float(other.max()))
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
            color=SERIES[position % len(SERIES)], line_width=2
        )
        for position, index in enumerate(shown)
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


def score_by_size(curve: ProbeCurve, other: ProbeCurve | None, score: ProbeScore) -> hv.Overlay:
    """A probe's score against K with its spread over the folds; dashed, what needs no embedding; B as a second line."""
    low, high = curve.scores - curve.spread, curve.scores + curve.spread
    layers = [
        hv.Area((curve.num_numbers, low, high), vdims=["low", "high"]).opts(color=SERIES[0], alpha=0.18, line_alpha=0),
        hv.Curve((curve.num_numbers, curve.scores)).opts(color=SERIES[0], line_width=2.5),
        hv.Scatter((curve.num_numbers, curve.scores)).opts(color=SERIES[0], size=6),
        hv.HLine(score.baseline).opts(color=NEUTRAL, line_width=1.5, line_dash="dashed"),
    ]
    if other is not None:
        layers.append(hv.Curve((other.num_numbers, other.scores)).opts(color=SERIES[1], line_width=2.5))
    sizes = [int(size) for size in curve.num_numbers]
    return figure(
        *layers,
        xlabel="Numbers K",
        ylabel=score.metric,
        logx=True,
        xlim=(0.8 * sizes[0], 1.25 * sizes[-1]),
        xticks=[(size, str(size)) for size in sizes],
        ylim=_score_limits([*curve.scores, score.baseline]),
        height=220,
    )


def score_of_encoders(encoders: Sequence[ProbedEncoder], score: ProbeScore) -> hv.Overlay:
    """Score against numbers, a point for each encoder; those of the Pareto front filled and joined."""
    best = sorted((encoder for encoder in encoders if encoder.is_best), key=lambda encoder: encoder.num_numbers)
    sizes = sorted({encoder.num_numbers for encoder in encoders})
    return figure(
        hv.Curve([(encoder.num_numbers, encoder.score) for encoder in best]).opts(color=SERIES[0], line_width=1.5),
        hv.Scatter([(encoder.num_numbers, encoder.score) for encoder in encoders]).opts(color=NEUTRAL, size=6),
        hv.Scatter([(encoder.num_numbers, encoder.score) for encoder in best]).opts(color=SERIES[0], size=8),
        xlabel="Numbers of every encoder",
        ylabel=score.metric,
        logx=True,
        xlim=(0.8 * sizes[0], 1.25 * sizes[-1]),
        xticks=[(size, str(size)) for size in (2, 4, 8, 16, 32, 64, 128, 256, 512)],
        ylim=_score_limits([encoder.score for encoder in encoders]),
        height=200,
    )


_MOST_COLOURED = len(SERIES)


def curve_colours(of: ProbeCurves) -> list[tuple[str, str]]:
    """Name and colour of each curve; beyond six they are grey."""
    colours = [*SERIES, *[NEUTRAL] * len(of.curves)]
    named = [(curve.name, colours[number]) for number, curve in enumerate(of.curves[:_MOST_COLOURED])]
    return [*named, ("others", NEUTRAL)] if len(of.curves) > _MOST_COLOURED else named


def scores_of_run(of: ProbeCurves) -> hv.Overlay:
    """Score against numbers, a line for each encoder and L, of the best six the spread over the folds; dashed, what
    needs no embedding."""
    layers: list[Any] = []
    for number, curve in reversed(list(enumerate(of.curves))):
        is_named = number < _MOST_COLOURED
        colour = SERIES[number] if is_named else NEUTRAL
        low, high = curve.scores - curve.spread, curve.scores + curve.spread
        if is_named:
            band = hv.Area((curve.num_numbers, low, high), vdims=["low", "high"])
            layers.append(band.opts(color=colour, alpha=0.12, line_alpha=0))
        line = hv.Curve((curve.num_numbers, curve.scores))
        layers.append(line.opts(color=colour, line_width=2 if is_named else 1, alpha=1.0 if is_named else 0.6))
        layers.append(hv.Scatter((curve.num_numbers, curve.scores)).opts(color=colour, size=5 if is_named else 3))
    baseline = max(of.latitude, of.nearest)
    layers.append(hv.HLine(baseline).opts(color=NEUTRAL, line_width=1.5, line_dash="dashed"))
    layers.append(hv.HLine(of.latitude).opts(color=NEUTRAL, line_width=1.5, line_dash="dotted"))
    return figure(*layers, **_of_run(of), ylabel=of.metric, height=240)


def front_of_run(of: ProbeCurves) -> hv.Overlay:
    """Every embedding by its numbers and score; those of the Pareto front filled and joined."""
    points = [
        (curve.num_numbers[at], curve.scores[at], curve.is_best[at])
        for curve in of.curves
        for at in range(len(curve.scores))
    ]
    best = sorted((number, score) for number, score, is_best in points if is_best)
    return figure(
        hv.Curve(best).opts(color=SERIES[0], line_width=1.5),
        hv.Scatter([(number, score) for number, score, _ in points]).opts(color=NEUTRAL, size=5, alpha=0.7),
        hv.Scatter(best).opts(color=SERIES[0], size=8),
        **{**_of_run(of), "xlabel": "Numbers of every embedding"},
        ylabel=of.metric,
        height=200,
    )


def _of_run(of: ProbeCurves) -> dict[str, object]:
    sizes = [size for curve in of.curves for size in curve.num_numbers]
    scores = [score for curve in of.curves for score in curve.scores]
    ticks = [(size, str(size)) for size in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)]
    limits = (0.8 * min(sizes), 1.25 * max(sizes))
    return {"xlabel": "Numbers K", "logx": True, "xlim": limits, "xticks": ticks, "ylim": _score_limits(scores)}


def _score_limits(scores: Sequence[float]) -> tuple[float, float]:
    """From the lowest score, not below −0.5, to 1."""
    return max(-0.5, min(scores) - 0.05), 1.03
