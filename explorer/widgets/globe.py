"""The globe: a field on the sphere, drawn by one WebGL2 shader in the browser.

Only data travel. Colour map, range, projection, rotation, zoom and read-out change in the browser without the server;
a sum of harmonics travels as one short column a wave and is multiplied out there.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import panel as pn
import param
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from engine.assets import asset
from engine.errors import ChoiceError
from engine.provenance import Provenance
from explorer.widgets.component import Component, client_code
from explorer.widgets.packets import packet
from explorer.widgets.requests import Latitude, Longitude, Place, Serial, Wish

_COAST_AFTER_MS = 300


def _globe_code() -> str:
    shaders = {"FRAGMENT": "globe.frag", "HALO": "halo.frag"}
    texts = "\n".join(f"const {name} = {json.dumps(client_code(file))}" for name, file in shaders.items())
    parts = ("dom", "theme", "scene", "camera", "gpu", "input", "graticule", "overlay")
    parts += ("handles", "outlines", "frame", "deck", "synthesis", "view", "picture", "globe")
    return f"{texts}\n{client_code(*(f'{part}.js' for part in parts))}"


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
    return packet(asset("coast-sdf.png").read_bytes(), **json.loads(asset("coast-sdf.json").read_text()))


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
    (``performance.now()`` of it), ``data-detail`` ("quick" while something moves, then "full") and ``data-deck`` (the
    indices of the cards of the deck that wait here).

    Keys: arrows turn, + and - zoom, Home returns to the extent of
    regional data, from there to the whole globe, and else to the first view, Enter clicks the middle.
    """

    field = param.Bytes(default=b"", doc="pack_field, pack_harmonics or pack_colours; empty draws land and ocean only")
    synthesis = param.Bytes(default=b"", doc="pack_synthesis: what the browser draws by itself as a control moves")
    deck = param.Dict(default={}, doc="set by explorer.deck: name, control, count and index; empty = no deck")
    frames = param.List(default=[], item_type=bytes, doc="all fields of the deck, in place of `field`; for a file")
    wish = param.Dict(default={}, doc="set by the browser: the cards of the deck that it lacks")
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
        "wish": Wish,
    }

    # the person should see what is moved; each picture is waited for anyway
    immediate: ClassVar[tuple[str, ...]] = ("moved", "wish")

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

    def send_card(self, **card: Any) -> None:
        """Put a card into the browser's deck: deck, index, number, field, field_b and limits (:mod:`explorer.deck`)."""
        self._send_msg({"card": card})

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
