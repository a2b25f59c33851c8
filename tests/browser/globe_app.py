"""A page with a globe (two for `?case=pair`) for the browser tests; `?case=` chooses what it shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import panel as pn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.provenance import Provenance
from explorer.page_model import PageModel
from explorer.widgets import Axes, ColorScale, Globe, HoverReadout, pack_colours, pack_field, pack_harmonics, pack_mask
from explorer.widgets.legend import LegendControl, Scale, ScaleControl

ORIGIN = Provenance(
    recipe="a.recipe",
    choices={"place": "Åland"},
    title="Two poles",
    source="model of a formula whose name is so long that it does not fit into one line of a picture",
    is_synthetic=True,
    details={"month": "2001-03", "withheld_percent": 30, "painted_clouds": 2},
)
STEP_DEG = 10.0  # coarse on purpose: a grid registered half a cell off changes the colour by many levels
RAMP = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 128)], axis=1).astype(
    np.uint8
)  # linear in the value


def coordinates(registration: str) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of a whole-sphere grid: "cells" (centres) or "points" (poles and -180° included)."""
    lon = np.arange(-180.0, 180.0, STEP_DEG)
    if registration == "points":
        return np.arange(-90.0, 90.1, STEP_DEG), lon
    return np.arange(-90.0 + STEP_DEG / 2, 90.0, STEP_DEG), lon + STEP_DEG / 2


def smooth(lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
    """A field (lat, lon) between -1 and 1, different at both poles, steep enough that a quarter of a cell shows."""
    lat, lon = np.radians(lat_deg)[:, None], np.radians(lon_deg)[None, :]
    wave = 0.35 * np.cos(lat) ** 2 * np.sin(4 * lon + 3 * lat)
    return 0.3 * np.sin(lat) + 0.3 * np.cos(lat) * np.cos(lon - 0.7) + wave


def colours(lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
    """Colours (lat, lon, 3), each of the three a field of its own."""
    thirds = [smooth(lat_deg, lon_deg), smooth(-lat_deg, lon_deg + 50.0), smooth(lat_deg, 20.0 - lon_deg)]
    return np.rint(127.5 * (1.0 + np.stack(thirds, axis=-1))).astype(np.uint8)


def hole() -> np.ndarray:
    """The cells of 30..60° N, 0..40° E."""
    lat, lon = coordinates("cells")
    return ((lat > 30) & (lat < 60))[:, None] & ((lon > 0) & (lon < 40))[None, :]


def with_hole(values: np.ndarray) -> np.ndarray:
    """The field on cells without its values in the hole."""
    return np.where(hole(), np.nan, values)


def cap() -> tuple[np.ndarray, np.ndarray]:
    """Cells of a quarter of the sphere whose last row ends at a pole, with a step that rounding does not spare."""
    return -90.0 + 180.0 / 7.0 * (np.arange(7) + 0.5), 10.0 * np.arange(9) + 5.0


REGIONS = {
    "sea": (40.0 + 0.25 * (np.arange(16) + 0.5), 12.0 + 0.25 * (np.arange(42) + 0.5)),
    "date_line": (-20.0 + 0.5 * (np.arange(30) + 0.5), 165.0 + 0.5 * (np.arange(80) + 0.5)),
    "pole": (70.0 + 0.5 * (np.arange(40) + 0.5), 1.0 * (np.arange(90) + 0.5)),
    "ring": (-90.0 + 0.5 * (np.arange(50) + 0.5), -180.0 + 2.0 * (np.arange(180) + 0.5)),
}
"""Latitudes and longitudes of regional grids: a small sea, across the date line, at a pole, around the other one."""


ORDERS = np.array([0, 3, -2])


def lat_table() -> np.ndarray:
    """Latitude columns (H, 3) on the grid points of a field of three waves."""
    lat = np.radians(coordinates("points")[0])
    return np.stack([0.5 * np.sin(lat), 0.3 * np.cos(lat), 0.2 * np.cos(lat) ** 2], axis=1)


def product() -> np.ndarray:
    """The same field, multiplied out here."""
    lon = np.radians(coordinates("points")[1])
    return lat_table() @ np.stack([np.ones_like(lon), np.cos(3 * lon), np.sin(2 * lon)])


def build() -> pn.viewable.Viewable:
    """The globe of a case, what the server knows of it, and in `pair` another one that follows it."""
    arguments = pn.state.session_args
    case = arguments.get("case", [b"points"])[0].decode()
    registration = "points" if case in ("points", "pair", "harmonics", "product", "colour_points") else "cells"
    lat, lon = coordinates(registration)
    axes = Axes.of(lat, lon)
    field = smooth(lat, lon)
    plain = {"coast": False, "graticule": False, "shading": False, "width": 500, "height": 500, "margin": 0}
    left = Globe(label="Left", group="pair", colormap=RAMP.tobytes(), vmin=-1.0, vmax=1.0, **plain)
    left.field = pack_field(with_hole(field) if case == "hole" else field, axes, key=case)
    if case == "harmonics":
        left.field = pack_harmonics(lat_table(), ORDERS, len(lon), axes, key=case)
    elif case == "product":
        left.field = pack_field(product(), axes, key=case)
    elif case == "swipe":
        left.field_b = pack_field(-field, axes)
    elif case == "two_scales":
        left.param.update(field_b=pack_field(20.0 * field, axes), panes=["0", "1"])
        left.param.update(colormap_b=RAMP[::-1].tobytes(), vmin_b=-20.0, vmax_b=20.0)
    elif case in ("colours", "colour_points"):
        left.field = pack_colours(colours(lat, lon), axes, key=case)
    elif case == "colour_hole":
        left.field = pack_colours(colours(lat, lon), axes, key=case, missing=hole())
    elif case == "mixed":
        left.field_b = pack_colours(colours(lat, lon), axes)
    elif case == "domain":
        left.domain = pack_mask(np.broadcast_to(lon[None, :] > 0.0, field.shape), axes)
    elif case == "box":
        inside = (lat > 20) & (lat < 60)
        left.field = pack_field(field[inside][:, :9], Axes.of(lat[inside], lon[:9]), key=case)
    elif case == "cap":
        cap_lat, cap_lon = cap()
        left.field = pack_field(smooth(cap_lat, cap_lon), Axes.of(cap_lat, cap_lon), key=case)
    elif case in REGIONS:
        left.fly = "kept" not in arguments
        left.field = pack_field(smooth(*REGIONS[case]), Axes.of(*REGIONS[case]), key=case)
        left.field_b = pack_field(-smooth(*REGIONS[case]), Axes.of(*REGIONS[case]), key=case)
        left.swipe = 0.02

    seen = pn.pane.Str("", css_classes=["seen"])

    def tell(*_: object) -> None:
        camera = [left.center_lat, left.center_lon, left.zoom]
        seen.object = json.dumps({"clicked": left.clicked, "camera": camera, "swipe": left.swipe})

    left.param.watch(tell, ["clicked", "center_lat", "center_lon", "zoom", "swipe"])
    origin = ORIGIN if case == "points" else None
    save = pn.widgets.Button(
        name="Save", on_click=lambda _: left.save_png("view.png", "Two poles", "Field", "K", origin=origin)
    )
    right = Globe(label="Right", group="pair", leader="pair", **plain)
    views = pn.Row(left, *([right] if case == "pair" else []), margin=0)
    drop = pn.widgets.Button(name="Drop", on_click=lambda _: views.pop(1))
    scale = ColorScale(colormap=RAMP.tobytes(), vmin=-1.0, vmax=1.0, label="Field", units="K", group="pair", width=200)
    readout = HoverReadout(span=2.0, units="K", group="pair", width=300)
    parts = [scale, readout, save, drop]
    if case == "legend":
        parts = [readout, legend_of(left), save]
    return pn.Column(views, pn.Row(*parts), seen, margin=0)


def legend_of(globe: Globe) -> ScaleControl:
    """A legend that colours the globe, whose own range is ±0.5."""
    legend = ScaleControl(group="pair", width=200, height=52)
    control = LegendControl(PageModel({}), legend, lambda *_: None, lambda drawn: globe.param.update(**drawn))
    scale = Scale("field", "thermal", -1.0, 1.0, "Field", "K", lambda: (-0.5, 0.5), "All months")
    globe.param.update(**control.show(scale))
    return legend


if pn.state.served:
    build().servable()
