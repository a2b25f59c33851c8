"""Figures of the Reconstruct page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np

from explorer.plots.style import figure, value_ticks
from explorer.theme import NEUTRAL, SERIES

MODEL, BASELINE, MEAN, TRUTH = SERIES[0], SERIES[1], NEUTRAL, SERIES[3]
"""Colours of the estimates, the same in every figure."""

_HEIGHT = 250


def anatomy(
    observed: np.ndarray,
    withheld: np.ndarray,
    weights: np.ndarray,
    levels: Mapping[str, float],
    std: float | None,
    truth: float | None,
    units: str = "°C",
    is_log: bool = False,
) -> hv.Overlay:
    """A month at one place: observations (D,) as points, withheld ones as rings, the weight of each day as bars.

    ``levels`` are the month's mean after ``model``, ``baseline`` and ``mean`` as level lines; ``truth`` is dashed;
    ``std`` makes a band of 90 % about the model. With ``is_log`` all are decimal logarithms of ``units``.
    """
    days = np.arange(1, len(observed) + 1)
    known = np.concatenate(
        [values[np.isfinite(values)] for values in (observed, withheld, np.array([*levels.values()]))]
    )
    if truth is not None:
        known = np.append(known, truth)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = 0.12 * (high - low) or 0.1
    floor = low - 4.0 * room
    tallest = max(float(weights.max(initial=0.0)), 1e-9)
    tops = floor + 2.8 * room * weights / tallest
    ends = (0.5, len(days) + 0.5)
    width = 1.645 * (std or 0.0)
    band = (
        []
        if std is None
        else (np.array(ends), np.full(2, levels["model"] - width), np.full(2, levels["model"] + width))
    )
    layers: list[Any] = [
        hv.Area(band, vdims=["y", "y2"]).opts(color=MODEL, fill_alpha=0.16, line_alpha=0.0),
        hv.Segments((days, np.full(len(days), floor), days, tops)).opts(color=MODEL, line_width=5, alpha=0.45),
        *(
            _level(ends, levels[name], colour)
            for name, colour in (("mean", MEAN), ("baseline", BASELINE), ("model", MODEL))
        ),
        hv.Curve([] if truth is None else [(x, truth) for x in ends]).opts(
            color=TRUTH, line_width=2, line_dash="dashed"
        ),
        hv.Scatter((days, withheld)).opts(color=NEUTRAL, fill_alpha=0.0, size=6, line_width=1.5),
        hv.Scatter((days, observed)).opts(color=NEUTRAL, size=6),
    ]
    return figure(
        *layers, xlabel="Day of the month", ylabel=units, xlim=ends, ylim=(floor, high + room),
        xticks=[1, 8, 15, 22, 29], yticks=value_ticks(low, high, is_log), height=_HEIGHT, show_legend=False,
    )  # fmt: skip


def _level(ends: tuple[float, float], value: float, colour: str) -> Any:
    drawn = [(x, value) for x in ends] if np.isfinite(value) else []
    return hv.Curve(drawn).opts(color=colour, line_width=2)


def errors_by_observations(count: np.ndarray, model: np.ndarray, baseline: np.ndarray, units: str = "K") -> hv.Overlay:
    """Size of the errors by the number of observations: bands 10–90 % and 25–75 % and median of the model, median
    of the baseline. ``model`` and ``baseline`` (B, 5) are quantiles.
    """
    layers: list[Any] = [
        hv.Area((count, model[:, 0], model[:, 4]), vdims=["y", "y2"]).opts(
            color=MODEL, fill_alpha=0.14, line_alpha=0.0
        ),
        hv.Area((count, model[:, 1], model[:, 3]), vdims=["y", "y2"]).opts(
            color=MODEL, fill_alpha=0.24, line_alpha=0.0
        ),
        hv.Curve((count, baseline[:, 2])).opts(color=BASELINE, line_width=2),
        hv.Curve((count, model[:, 2])).opts(color=MODEL, line_width=2.5),
    ]
    top = float(model[:, 4].max()) if len(model) else 1.0
    return figure(
        *layers, xlabel="Days observed in the month", ylabel=f"Size of the error, {units}", ylim=(0.0, 1.05 * top),
        xticks=5, yticks=4, height=_HEIGHT, show_legend=False,
    )  # fmt: skip


def by_label(
    errors: Mapping[str, Mapping[str, float]], labels: Sequence[str], xlabel: str, units: str = "K"
) -> hv.Overlay:
    """Mean absolute errors of ``model``, ``baseline`` and ``mean`` over labels in their order."""
    layers: list[Any] = []
    top = 0.0
    for name, colour in (("mean", MEAN), ("baseline", BASELINE), ("model", MODEL)):
        points = [(index, errors[name][label]) for index, label in enumerate(labels) if label in errors[name]]
        top = max([top, *(value for _, value in points)])
        width = 2.5 if name == "model" else 2
        layers += [hv.Curve(points).opts(color=colour, line_width=width), hv.Scatter(points).opts(color=colour, size=6)]
    ticks = list(enumerate(labels))
    return figure(
        *layers, xlabel=xlabel, ylabel=f"Mean absolute error, {units}", xticks=ticks,
        xrotation=35 if len(labels) < 12 else 0,
        xlim=(-0.4, len(labels) - 0.6), ylim=(0.0, 1.1 * top or 0.1), yticks=4, height=_HEIGHT + 30, show_legend=False,
    )  # fmt: skip


def spectrum(truth: np.ndarray, model: np.ndarray, baseline: np.ndarray, resolved: int, units: str = "K") -> hv.Overlay:
    """Power by degree, (L+1,) each, on logarithmic axes; a line at the model's last resolved degree."""
    degree = np.arange(1, len(truth))
    lines = [(truth, TRUTH, 2), (baseline, BASELINE, 2), (model, MODEL, 2.5)]
    values = np.concatenate([power[1:] for power, _, _ in lines])
    positive = values[values > 0.0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1e-6, 1.0)
    curves = [hv.Curve((degree, power[1:])).opts(color=colour, line_width=width) for power, colour, width in lines]
    mark = hv.Curve([(resolved, low), (resolved, high)]).opts(color=NEUTRAL, line_width=1.5, line_dash="dashed")
    return figure(
        *curves, mark, xlabel="Degree", ylabel=f"Power, {_squared(units)}", logx=True, logy=True,
        xlim=(1, len(truth) - 1),
        ylim=(low / 1.5, high * 1.5), xticks=[1, 3, 10, 30, 100], height=_HEIGHT, show_legend=False,
    )  # fmt: skip


def _squared(units: str) -> str:
    """The square of a unit, ``K²`` or ``(log₁₀ units)²``."""
    return f"{units}²" if units.isalpha() else f"({units})²" if units else "squared values"


def histogram(edges: np.ndarray, model: np.ndarray, baseline: np.ndarray, units: str = "K") -> hv.Overlay:
    """Percent of the area by error: ``edges`` (B+1,), fractions (B,) of model and baseline."""
    middle = (edges[1:] + edges[:-1]) / 2
    top = 108.0 * max(float(model.max()), float(baseline.max()), 1e-3)
    layers: list[Any] = [
        hv.Area((middle, 100 * model)).opts(color=MODEL, fill_alpha=0.25, line_color=MODEL, line_width=2),
        hv.Curve((middle, 100 * baseline)).opts(color=BASELINE, line_width=2),
    ]
    return figure(
        *layers, xlabel=f"Error, {units}", ylabel="Area, %", xlim=(float(edges[0]), float(edges[-1])), ylim=(0.0, top),
        xticks=5, yticks=4, height=_HEIGHT, show_legend=False,
    )  # fmt: skip


def reliability(coverage: Mapping[str, float]) -> hv.Overlay:
    """Percent of the true values within the interval of each level, against the level: ideally the diagonal."""
    points = [(float(level), 100.0 * fraction) for level, fraction in coverage.items()]
    layers: list[Any] = [
        hv.Curve([(40, 40), (100, 100)]).opts(color=NEUTRAL, line_width=1.5, line_dash="dashed"),
        hv.Curve(points).opts(color=MODEL, line_width=2.5),
        hv.Scatter(points).opts(color=MODEL, size=7),
    ]
    return figure(
        *layers, xlabel="Nominal interval, %", ylabel="True values inside, %", xlim=(40, 100), ylim=(40, 100),
        xticks=4, yticks=4, height=_HEIGHT, show_legend=False,
    )  # fmt: skip
