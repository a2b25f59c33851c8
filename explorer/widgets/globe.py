"""The globe: a field on the sphere, drawn by one WebGL2 shader in the browser.

Only data travel. Colour map, range, projection, rotation, zoom and read-out change in the browser without the server;
a sum of harmonics travels as one short column a wave and is multiplied out there.

Wire format of all data, little-endian: ``uint32`` length of the header, the header as JSON, padded with blanks so that
the payload starts at a multiple of 8 bytes, the payload. Shape and registration travel with the data because two
parameters arrive as two events, and a field drawn with the other one's shape is a striped globe.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import panel as pn
import param
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from engine.assets import asset
from engine.errors import ChoiceError, GridError
from engine.provenance import Provenance
from explorer.widgets.component import Component, client_code
from explorer.widgets.requests import Latitude, Longitude, Place, Serial

_COAST_AFTER_MS = 300
_MISSING_CODE = 65535  # the uint16 code that stands for "no value"; scene.js knows it too


def _globe_code() -> str:
    shaders = {"FRAGMENT": "globe.frag", "HALO": "halo.frag"}
    texts = "\n".join(f"const {name} = {json.dumps(client_code(file))}" for name, file in shaders.items())
    parts = ("dom", "theme", "scene", "camera", "gpu", "input", "graticule", "overlay")
    parts += ("handles", "outlines", "frame", "synthesis", "view", "picture", "globe")
    return f"{texts}\n{client_code(*(f'{part}.js' for part in parts))}"


@dataclass(frozen=True)
class Axes:
    """Where the samples of a regular grid lie: ``lat = lat0 + i·dlat``, ``lon = lon0 + j·dlon``, in degrees.

    Holds for cell centres and for grid points alike: a sample is drawn exactly where it lies. ``periodic`` says that
    the columns close the circle, the last one being a neighbour of the first.
    """

    lat0: float
    dlat: float
    lon0: float
    dlon: float
    periodic: bool

    @classmethod
    def of(cls, lat_deg: np.ndarray, lon_deg: np.ndarray) -> Axes:
        """The axes of coordinates (H,) degrees north and (W,) degrees east, either direction, at least two of each.

        Raises:
            GridError: A coordinate lies more than a thousandth of a step (float32 rounding) from where it should.
        """
        lat0, dlat = _regular(np.asarray(lat_deg, float), "latitude")
        lon0, dlon = _regular(np.asarray(lon_deg, float), "longitude")
        circle = np.sign(dlon) * 360.0 / len(lon_deg)
        periodic = abs(circle - dlon) * len(lon_deg) <= 2e-3 * abs(dlon)
        return cls(lat0, dlat, lon0, float(circle) if periodic else dlon, bool(periodic))


def _regular(values: np.ndarray, name: str) -> tuple[float, float]:
    if len(values) < 2:
        raise GridError(f"{len(values)} {name} is no axis to draw on", "the field's grid", "give at least two")
    step = (values[-1] - values[0]) / (len(values) - 1)
    off = np.abs(values - (values[0] + step * np.arange(len(values)))).max()
    if step == 0.0 or not off <= 1e-3 * abs(step):
        raise GridError(
            f"the {name}s are not evenly spaced (off by {off:.3g}°)", "the field's grid", "interpolate to even steps"
        )
    return float(values[0]), float(step)


def _packet(payload: bytes, **header: Any) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + payload


def _grid_packet(kind: str, payload: bytes, axes: Axes, shape: tuple[int, ...], **header: Any) -> bytes:
    return _packet(payload, kind=kind, height=shape[0], width=shape[1], **asdict(axes), **header)


def pack_field(values: np.ndarray, axes: Axes, key: str = "") -> bytes:
    """A field (lat, lon) as 16-bit codes, ``value = offset + scale·code``; not finite = missing.

    The error is at most half a step of the field's own range, range/131068: finer than the 256 colours, and than
    float16 wherever a field does not start at zero. ``key`` names the field; the widget shows it as ``data-key`` once
    the field is drawn.
    """
    present = np.isfinite(values)
    low, high = (float(values[present].min()), float(values[present].max())) if present.any() else (0.0, 0.0)
    scale = (high - low) / (_MISSING_CODE - 1)
    codes = np.full(values.shape, _MISSING_CODE, "<u2")
    codes[present] = np.rint((values[present] - low) / scale) if scale else 0
    return _grid_packet("codes", codes.tobytes(), axes, codes.shape, key=key, scale=scale, offset=low)


def pack_harmonics(
    lat_table: np.ndarray,
    orders: np.ndarray,
    width: int,
    axes: Axes,
    key: str = "",
    at: Mapping[str, int] | None = None,
) -> bytes:
    """A sum of harmonics as what is left of it: one column a wave, ``field (H, W) = lat_table (H, R) @ waves (R, W)``.

    The waves, cos mλ or sin |m|λ for m < 0, are known from their ``orders (R,)`` and the axes, so the browser makes
    them and multiplies: a harmonic on 721×1440 points travels in 3 kB instead of 2 MB.
    ``at`` says what the field is of, by the names of the controls, where the browser can draw the next one by itself
    (:func:`pack_synthesis`).

    Raises:
        ChoiceError: There is not one order a column.
    """
    if lat_table.shape[1] != len(orders):
        raise ChoiceError(
            f"{lat_table.shape[1]} latitude columns do not meet {len(orders)} orders",
            "the harmonics of a field",
            "give (H, R) and (R,)",
        )
    payload = np.asarray(lat_table, "<f4").tobytes()
    shape = (lat_table.shape[0], width)
    waves = {"rank": len(orders), "orders": [int(m) for m in orders], "at": dict(at or {})}
    return _grid_packet("harmonics", payload, axes, shape, key=key, **waves)


def pack_synthesis(axes: Axes, shape: tuple[int, int], name: str, coefficients: np.ndarray | None = None) -> bytes:
    """What the browser needs to draw a function by itself, in the frame in which a control moves.

    Without ``coefficients`` the real harmonic of the controls ``degree`` and ``order``. With them, (K, D) float32 in
    the order of :mod:`engine.sphere`, the sum of harmonics whose row the control ``component`` names, from 1. ``name``
    is the key of a field, with the names of the controls in braces: ``"harmonic-l{degree}-m{order}"``. The grid has the
    rows and columns ``shape``.
    """
    if coefficients is None:
        return _grid_packet("synthesis", b"", axes, shape, of="harmonic", name=name)
    count, size = coefficients.shape
    payload = np.asarray(coefficients, "<f4").tobytes()
    degree = round(size**0.5) - 1
    return _grid_packet("synthesis", payload, axes, shape, of="components", name=name, count=count, maxDegree=degree)


def pack_colours(rgb: np.ndarray, axes: Axes, key: str = "", missing: np.ndarray | None = None) -> bytes:
    """Colours (lat, lon, 3) of uint8 that are drawn as they are, between samples as their mean in red, green and blue.

    Neither colour map nor range applies, and there is no value to read out. ``missing (lat, lon)``, True where there is
    no colour. Four bytes a cell: red, green, blue and 255, or four zeros.

    Raises:
        ChoiceError: The colours are not (H, W, 3) of uint8, or ``missing`` is not (H, W).
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ChoiceError(
            f"{rgb.shape} of {rgb.dtype} are no colours", "the colours of a field", "give (H, W, 3) of uint8, 0 to 255"
        )
    if missing is not None and missing.shape != rgb.shape[:2]:
        raise ChoiceError(
            f"missing cells of {missing.shape} do not meet colours of {rgb.shape[:2]}",
            "the colours of a field",
            "give one flag a cell",
        )
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    if missing is not None:
        rgba[np.asarray(missing, bool)] = 0
    return _grid_packet("colours", rgba.tobytes(), axes, rgb.shape[:2], key=key)


def pack_mask(mask: np.ndarray, axes: Axes) -> bytes:
    """A domain (lat, lon), True = belongs to it, one byte a cell; its border is drawn midway between cell centres."""
    return _grid_packet("mask", np.asarray(mask, np.uint8).tobytes(), axes, mask.shape)


@functools.cache
def colormap_bytes(name: str) -> bytes:
    """256 colours × 3 bytes of the cmocean map ``name`` (``"balance"``, ``"thermal"``, ``"amp"``, ``"dense"``…).

    Read from cmocean's own tables: importing the package would bring matplotlib along.

    Raises:
        ChoiceError: cmocean has no such map.
    """
    folder = Path(str(importlib.metadata.distribution("cmocean").locate_file("cmocean/rgb")))
    tables = {path.name.removesuffix("-rgb.txt"): path for path in folder.glob("*-rgb.txt")}
    if name not in tables:
        raise ChoiceError(f"there is no colour map {name!r}", "cmocean", f"choose one of {', '.join(sorted(tables))}")
    return np.rint(np.loadtxt(tables[name]) * 255.0).astype(np.uint8).tobytes()


@functools.cache
def _coast_packet() -> bytes:
    """The coast's signed-distance picture, with what its grey levels mean as the header."""
    return _packet(asset("coast-sdf.png").read_bytes(), **json.loads(asset("coast-sdf.json").read_text()))


class Clicked(Place):
    """A place that was clicked, and the value that is drawn there."""

    value: float | None
    serial: Serial


class Moved(Place):
    """What a hand does to the handle ``id``, and where."""

    id: Annotated[int, Field(ge=0, lt=2**31)]
    action: Literal["move", "drop", "pick", "delete"]
    serial: Serial


def _checked_point(point: list[float]) -> list[float]:
    lat, lon = point
    if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
        raise ValueError("no place on the map")
    return point


class Stroke(TypedDict):
    """The points of a stroke of the brush, pairs of degrees north and east, and the radius it was painted with."""

    points: Annotated[
        list[Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_checked_point)]],
        Field(max_length=10_000),
    ]
    radius_km: Annotated[float, Field(gt=0.0, le=20_000.0)]
    serial: Serial


class Globe(Component):
    """A field on the sphere, on a turning globe or a flat map.

    The browser tells what happens: ``clicked`` is set after a click or Enter, and every pointer move raises the DOM
    event ``harmonia:hover`` (bubbling, composed; ``detail`` = lat, lon, value, group; null off the map), to which
    :class:`~explorer.widgets.readout.ColorScale` and :class:`~explorer.widgets.readout.HoverReadout` listen. The root
    element carries ``data-drawn`` (how many fields were drawn), ``data-key`` (the drawn field's key), ``data-drawn-at``
    (``performance.now()`` of it) and ``data-detail`` ("quick" while something moves, then "full").

    Keys: arrows turn, + and - zoom, Home returns to the extent of
    regional data, from there to the whole globe, and else to the first view, Enter clicks the middle.
    """

    field = param.Bytes(default=b"", doc="pack_field, pack_harmonics or pack_colours; empty draws land and ocean only")
    synthesis = param.Bytes(default=b"", doc="pack_synthesis: what the browser draws by itself as a control moves")
    frames = param.List(default=[], item_type=bytes, doc="fields to choose from in the browser, in place of `field`")
    frame = param.Integer(default=0, bounds=(0, None), doc="index of the one that is drawn")
    field_b = param.Bytes(default=b"", doc="a second field, right of the divider; empty = no divider")
    swipe = param.Number(default=0.5, bounds=(0.0, 1.0), doc="where the divider stands, as a share of the width")
    blocks = param.Boolean(default=False, doc="draw each cell of the fields as a block of one value, with crisp edges")
    colormap = param.Bytes(default=b"", doc="256 × 3 bytes; see colormap_bytes")
    vmin = param.Number(default=0.0, doc="value of the first colour")
    vmax = param.Number(default=1.0, doc="value of the last colour")
    colormap_b = param.Bytes(default=b"", doc="colours of the second field; empty = those of the first, and its range")
    vmin_b = param.Number(default=0.0, doc="value of the first of them")
    vmax_b = param.Number(default=1.0, doc="value of the last of them")
    panes = param.List(default=[], item_type=str, doc="names of the panes of the two fields, as legends know them")
    domain = param.Bytes(default=b"", doc="what pack_mask made; empty = none. Its border is drawn")
    dim_outside = param.Boolean(default=True, doc="dim and hatch what lies outside the domain")
    hatched = param.Bytes(default=b"", doc="pack_mask of cells to be hatched, whose values hold with reserve")
    projection = param.Selector(default="globe", objects=["globe", "equal_earth", "plate_carree"])
    center_lat = param.Number(default=20.0, bounds=(-90.0, 90.0), doc="latitude in the middle, degrees north")
    center_lon = param.Number(default=-30.0, bounds=(-180.0, 180.0), doc="longitude in the middle, degrees east")
    zoom = param.Number(default=1.0, bounds=(1.0, 200.0), doc="1 = the whole map fits")
    fly = param.Boolean(default=True, doc="move the camera to the data's extent when data of another one are drawn")
    spin = param.Number(default=0.0, doc="degrees eastward a second; still where reduced motion is asked for")
    coast = param.Boolean(default=True, doc="draw coastlines")
    graticule = param.Boolean(
        default=True, doc="draw and label meridians and parallels, every 30° and closer when zoomed in"
    )
    covered = param.Selector(default="none", objects=["none", "land", "sea"], doc="what is covered, up to the coast")
    shading = param.Boolean(default=True, doc="darken the limb and draw the halo; off = pure field colours")
    dark = param.Boolean(default=True, doc="theme; meant for jslink")
    markers = param.List(default=[], item_type=dict, doc="pins: lat, lon, and optionally label and color")
    outlines = param.List(default=[], doc="boxes whose borders are drawn: [south, north, west, width], degrees")
    handles = param.List(
        default=[],
        item_type=dict,
        doc="places to be moved by hand: id, lat, lon, label for a screen reader, and optionally pressed (bool) and"
        " to (lat, lon), the end of a line from the place",
    )
    moved = param.Dict(default={}, doc="set by the browser: id, action (move, drop, pick, delete), lat, lon, serial")
    group = param.String(default="", doc="views of a group share the pointer, and in one projection the camera too")
    leader = param.String(default="", doc="group of the Globe whose fields, blocks, colours, range, domain this draws")
    label = param.String(default="Globe", doc="what a screen reader calls it")
    clicked = param.Dict(default={}, doc="set by the browser: lat, lon, value (None = missing, or a colour), serial")
    painting = param.Boolean(default=False, doc="a drag paints with the brush instead of turning the map")
    brush = param.Number(default=600.0, doc="radius of the brush, km")
    stroke = param.Dict(
        default={}, doc="set by the browser after the brush was used: points [[lat, lon], …], radius_km, serial"
    )
    coast_image = param.Bytes(default=b"", doc="set by this class: the coast's signed-distance picture")

    from_browser: ClassVar[dict[str, Any]] = {
        "clicked": Clicked,
        "moved": Moved,
        "stroke": Stroke,
        "painting": bool,  # a switch is linked to it in the browser: the next drag must paint already
        "center_lat": Latitude,
        "center_lon": Longitude,
        "zoom": Annotated[float, Field(ge=1.0, le=200.0)],
        "swipe": Annotated[float, Field(ge=0.0, le=1.0)],
        "frame": Annotated[int, Field(ge=0, lt=2**31)],
    }

    # the person should see what is moved; each picture is waited for anyway
    immediate: ClassVar[tuple[str, ...]] = ("moved",)

    css_classes = param.List(default=["drawing"])

    _esm = _globe_code()

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        if not self.leader:
            pn.state.onload(self._send_coast_soon)

    def _send_coast_soon(self) -> None:
        """After the first field: half a megabyte of coast must not stand before it."""
        if pn.state.curdoc is None:
            self._send_coast()
        else:
            pn.state.curdoc.add_timeout_callback(self._send_coast, _COAST_AFTER_MS)

    def _send_coast(self) -> None:
        self.coast_image = _coast_packet()

    def use_range(self, vmin: float, vmax: float, symmetric: bool = False) -> None:
        """Set both ends of the colour scale in one step; ``symmetric`` widens them to ±max(|vmin|, |vmax|)."""
        if symmetric:
            vmax = max(abs(vmin), abs(vmax))
            vmin = -vmax
        self.param.update(vmin=vmin, vmax=vmax if vmax > vmin else vmin + 1.0)

    def save_png(
        self,
        file: str,
        title: str = "",
        label: str = "",
        units: str = "",
        captions: Sequence[Sequence[str]] = (),
        names: Sequence[str] = (),
        key: Sequence[tuple[str, str]] = (),
        is_sheet: bool = False,
        origin: Provenance | None = None,
        colours: str = "",
        bars: Sequence[Sequence[tuple[str, str, bool]]] = (),
        logarithmic: bool = False,
        marks: str = "",
    ) -> None:
        """Let the browser download the view as it stands, with title, colour bar and units, as ``file``.

        A note at its foot says what is shown is made of, and the file's text chunks hold the whole ``origin``.

        Where the colours are kinds rather than values, ``names`` of the first and the last stand under the bar.
        Where they are a few classes, ``key`` has the name and colour of each, in place of the bar. ``captions`` stand
        over the panes, one each, two where it has a divider. A sheet is to be shown: all views of the group as they lie
        on the screen, row by row, on a light ground and with larger letters. ``bars`` are label, units and whether it
        is logarithmic of each caption's colour bar where they differ. ``logarithmic``: the values
        are decimal logarithms of those on the bar. ``colours`` is what the person chose of the colours, ``marks`` what
        lines and hatches mean.
        """
        notes = [marks, "" if origin is None else origin.caption(), colours and f"Colours: {colours}"]
        panes = [list(texts) for texts in captions]
        self._send_msg(
            {
                "file": file,
                "title": title,
                "label": label,
                "units": units,
                "logarithmic": logarithmic,
                "isSheet": is_sheet,
                "captions": panes,
                "names": list(names),
                "key": [list(entry) for entry in key],
                "bars": [[list(texts) for texts in pane] for pane in bars],
                "note": ". ".join(filter(None, notes)),
                "texts": ({} if origin is None else origin.attributes()) | ({"colours": colours} if colours else {}),
            }
        )
