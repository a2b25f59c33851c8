"""Figures of the Basis page."""

from __future__ import annotations

import holoviews as hv
import numpy as np

from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES


def profile(lat_deg: np.ndarray, value: np.ndarray, rms: np.ndarray, limit: float) -> hv.Overlay:
    """A function along one meridian (line), and its root mean square around each circle of latitude (band).

    ``lat_deg``, ``value`` and ``rms`` are ``(lat,)``; the axis runs symmetrically to ``limit``.
    """
    band = hv.Polygons([{"x": np.r_[-rms, rms[::-1]], "y": np.r_[lat_deg, lat_deg[::-1]]}])
    line = hv.Path([np.column_stack([value, lat_deg])])
    return figure(
        band.opts(color=NEUTRAL, fill_alpha=0.18, line_alpha=0),
        line.opts(color=SERIES[0], line_width=2),
        xlabel="Value",
        ylabel="Latitude, °",
        xlim=(-limit, limit),
        ylim=(-90, 90),
        yticks=[-90, -60, -30, 0, 30, 60, 90],
        xticks=5,
        height=300,
    )


def spectrum(
    eigenvalues: np.ndarray, plateau: tuple[int, int] | None, num_components: int, component: int
) -> hv.Overlay:
    """The eigenvalues in units of 1/4π, the plateau shaded, the kept ones in colour and the shown one marked.

    ``eigenvalues`` is ``(D,)``, descending; ``plateau`` its first and last component, from 0; ``component`` counts
    from 1.
    """
    index = np.arange(1, len(eigenvalues) + 1)
    level = np.maximum(eigenvalues * 4 * np.pi, 1e-6)
    shade = hv.Rectangles([] if plateau is None else [(plateau[0] + 0.5, 1e-6, plateau[1] + 1.5, 1e3)])
    kept = hv.Curve((index[:num_components], level[:num_components]))
    rest = hv.Curve((index[num_components - 1 :], level[num_components - 1 :]))
    mark = hv.Points([(component, level[component - 1])])
    return figure(
        shade.opts(color=SERIES[1], fill_alpha=0.16, line_alpha=0),
        rest.opts(color=NEUTRAL, line_width=1.5, interpolation="steps-mid"),
        kept.opts(color=SERIES[0], line_width=2, interpolation="steps-mid"),
        mark.opts(color=SERIES[3], size=9),
        xlabel="",
        ylabel="Variance × 4π",
        logy=True,
        xlim=(0.5, len(eigenvalues) + 0.5),
        ylim=(max(1e-4, level.min() / 2), max(2.0, level.max() * 1.6)),
        xticks=4,
        height=132,
    )


def explained(fraction: np.ndarray, num_components: int) -> hv.Overlay:
    """The variance that the first components explain together, %, marked at the K that are kept.

    ``fraction`` is ``(D-1,)``, each component's own.
    """
    total = np.r_[0.0, 100 * np.cumsum(fraction)]
    area = hv.Area((np.arange(len(total)), total))
    return figure(
        area.opts(color=SERIES[0], fill_alpha=0.18, line_color=SERIES[0], line_width=2),
        hv.Points([(num_components, total[num_components])]).opts(color=SERIES[0], size=8),
        xlabel="Component",
        ylabel="Sum, %",
        ylim=(0, 102),
        xlim=(0.5, len(total) + 0.5),
        xticks=4,
        yticks=[0, 50, 100],
        height=112,
    )
