"""Figures of the Table page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from engine.queries.table import CloseUp, LossCurves
from explorer.plots.style import figure
from explorer.theme import NEUTRAL, SERIES

_MAX_ARROWS = 260
_MAX_PIXELS = 200
_MAP: dict[str, Any] = {
    "xlim": (-180, 180),
    "ylim": (-90, 90),
    "xaxis": None,
    "yaxis": None,
    "aspect": 2,
    "min_height": 110,
}
_TILE, _GAP = 1.0, 0.12


def arrows(lat_deg: np.ndarray, lon_deg: np.ndarray, u: np.ndarray, v: np.ndarray) -> hv.Overlay:
    """A field of arrows on a flat map: ``u`` east and ``v`` north, ``(lat, lon)``, NaN where there is no arrow.

    Of a fine grid every n-th row and column is drawn. An arrow is as long as it is strong, at most 1.4 of the grid's
    steps for √2.
    """
    # GeoViews takes a second to import: not before arrows are drawn
    import geoviews as gv
    import geoviews.plotting.bokeh  # registers how its elements are drawn
    from cartopy import crs

    every = max(1, int(np.ceil(np.sqrt(u.size / _MAX_ARROWS))))
    kept = slice(every // 2, None, every)
    lon, lat = np.meshgrid(lon_deg[kept], lat_deg[kept])
    # cartopy turns arrows by comparing positions a thousandth of a degree apart: in float64 only
    east, north = (part[kept, kept].astype(np.float64) for part in (u, v))
    drawn = np.isfinite(east)
    angle, strength = np.arctan2(north[drawn], east[drawn]), np.hypot(east[drawn], north[drawn])
    plain = crs.PlateCarree()
    field = gv.VectorField((lon[drawn], lat[drawn], angle, strength), crs=plain)
    step = every * abs(float(lon_deg[1] - lon_deg[0]))
    drawn_field = field.opts(
        projection=plain,
        magnitude=hv.dim("Magnitude") * step,
        rescale_lengths=False,
        pivot="mid",
        color=SERIES[0],
        line_width=1.4,
    )
    return figure(drawn_field, **_MAP)


def field_map(
    lat_deg: np.ndarray, lon_deg: np.ndarray, values: np.ndarray, limits: tuple[float, float], palette: Sequence[str]
) -> hv.Overlay:
    """A field (lat, lon) as colours between ``limits``; nothing is drawn where it is missing."""
    every = max(1, len(lon_deg) // _MAX_PIXELS)
    image = hv.Image((lon_deg[::every], lat_deg[::every], _scaled(values[::every, ::every], limits)))
    return figure(_coloured(image, palette), **_MAP)


LOSS_KEY = (("On the sample", NEUTRAL), ("On unseen points", SERIES[0]), ("Nearest sampled point", SERIES[1]))
"""The lines of :func:`loss` and their colours."""


def loss(curves: LossCurves, baseline: float | None, iterations: int, unit: str) -> hv.Overlay:
    """Errors over the steps on a logarithmic axis: the sample, the unseen points, and the baseline's as a level
    line."""
    known = [values for values in (curves.train, curves.test) if values.size]
    shown = np.concatenate([*known, [] if baseline is None else [baseline]])
    shown = shown[shown > 0] if shown.size else np.ones(1)
    level = [] if baseline is None else [(0, baseline), (iterations, baseline)]
    lines: list[Any] = [
        hv.Curve((curves.iteration, curves.train)).opts(color=NEUTRAL, line_width=1.5),
        hv.Curve((curves.iteration, curves.test)).opts(color=SERIES[0], line_width=2.5),
        hv.Curve(level).opts(color=SERIES[1], line_width=2, line_dash="dashed"),
    ]
    return figure(
        *lines,
        xlabel="Step",
        ylabel=f"Mean absolute error{', ' if unit else ''}{unit}",
        logy=True,
        xlim=(0, iterations),
        ylim=(float(shown.min()) / 1.5, float(shown.max()) * 1.5),
        xticks=3,
        height=230,
        show_legend=False,
    )


def close_ups(
    named: Sequence[tuple[str, CloseUp]], component: int, limits: tuple[float, float], palette: Sequence[str]
) -> hv.Overlay:
    """Neighbourhoods side by side, each under its name, north up; a dashed line where the table's edge is crossed."""
    tiles: list[hv.Image] = []
    edges: list[Any] = []
    for index, (_, close_up) in enumerate(named):
        left = index * (_TILE + _GAP)
        values = _scaled(close_up.values[..., component], limits)
        tiles.append(hv.Image(values[::-1], bounds=(left, 0.0, left + _TILE, _TILE)))
        edges.extend(
            np.array([[left + x * _TILE, y * _TILE] for x, y in line]) for line in _edges(close_up.lat, close_up.lon)
        )
    names = [(index * (_TILE + _GAP) + _TILE / 2, name) for index, (name, _) in enumerate(named)]
    drawn: Any = figure(
        *(_coloured(tile, palette) for tile in tiles),
        hv.Path(edges).opts(color=SERIES[0], line_width=2, line_dash="dashed"),
        xlim=(0, len(named) * (_TILE + _GAP) - _GAP),
        ylim=(0, _TILE),
        xlabel="",
        xticks=names,
        yaxis=None,
        height=108,
    )
    return drawn.opts(show_grid=False)


def _edges(lat_deg: np.ndarray, lon_deg: np.ndarray) -> list[list[tuple[float, float]]]:
    """Where neighbours are no neighbours on the plane of the table: lines across a tile of unit size."""
    rows, columns = lat_deg.shape
    row, column = rows // 2, columns // 2
    lines: list[list[tuple[float, float]]] = []
    for below in (row - 1, row):
        climbs = lat_deg[below + 1, column] > lat_deg[below, column]
        if not climbs or abs(lon_deg[below + 1, column] - lon_deg[below, column]) > 1.0:
            lines.append([(0.0, (below + 1) / rows), (1.0, (below + 1) / rows)])
    turns = [left + 1 for left in (column - 1, column) if lon_deg[row, left + 1] <= lon_deg[row, left]]
    return [*lines, *([(turn / columns, 0.0), (turn / columns, 1.0)] for turn in turns)]


def _coloured(image: hv.Image, palette: Sequence[str]) -> Any:
    return image.opts(cmap=list(palette), clim=(0.0, 1.0), clipping_colors={"NaN": (0, 0, 0, 0)})


def _scaled(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Values between the limits as 0 to 1: colour limits of a live figure stay those of its first drawing."""
    return ((values - limits[0]) / (limits[1] - limits[0])).astype(np.float32)
