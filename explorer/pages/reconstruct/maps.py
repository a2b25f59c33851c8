"""The maps of the Reconstruct page: two fields under a divider, or up to four side by side, on one colour scale."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np

from engine.queries import ocean, reconstruct
from engine.queries.ocean import SourceChoice, VariableKind
from engine.queries.reconstruct import MonthResult
from engine.queries.scales import error_limit, value_limits
from explorer import layout
from explorer.layout import box
from explorer.page_model import OUTSIDE
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.model import ERROR, SWIPE, TEMPERATURE, ReconstructModel
from explorer.session import Session
from explorer.stage import Stage
from explorer.widgets.captions import caption_pane, captions_html
from explorer.widgets.globe import Axes, Globe, colormap_bytes, pack_field, pack_mask
from explorer.widgets.text import html
from explorer.widgets.veil import VEIL, veil

_COLOURS = {ERROR: "balance", "spread": "amp"}
_CELLS = ("1 / 1", "1 / 2", "2 / 1", "2 / 2")
_GRIDS = {
    1: "minmax(0, 1fr) / minmax(0, 1fr)",
    2: "minmax(0, 1fr) / repeat(2, minmax(0, 1fr))",
    3: "repeat(2, minmax(0, 1fr)) / repeat(2, minmax(0, 1fr))",
    4: "repeat(2, minmax(0, 1fr)) / repeat(2, minmax(0, 1fr))",
}

_LEGEND = """
:host { pointer-events: none; z-index: 3; place-self: end end; width: auto !important; padding: 0 12px 8px }
p { display: flex; gap: 12px; margin: 0; padding: 3px 8px; border-radius: 6px; font-size: 12px; color: var(--h-text);
  background: color-mix(in srgb, var(--h-stage) 78%, transparent) }
i { display: inline-block; width: 18px; height: 11px; margin-right: 6px; vertical-align: -1px; border-radius: 2px }
.ice { background: repeating-linear-gradient(135deg, var(--h-text) 0 1px, transparent 1px 4px);
  box-shadow: 0 0 0 1px var(--h-secondary) }
.cloud { box-shadow: inset 0 0 0 2px var(--h-text) }
"""


class Maps:
    """``root`` goes on the stage. The first map is the stage's globe; the others are created when first needed.

    A click on a map selects its place, a stroke of the brush draws a cloud.
    ``captions`` are those of each pane: one, or two for a map with a divider. Drawn clouds have an outline.
    """

    def __init__(self, session: Session, model: ReconstructModel, cancel: Callable[[], None]) -> None:
        self.session = session
        self.model = model
        options: dict[str, Any] = {"blocks": True, "land_shade": True, "dim_outside": False, "stylesheets": [VEIL]}
        self.stage = Stage(session, model, "the month", cancel, **options)
        self.globes: list[Globe] = [self.stage.globe]
        self.captions: list[list[str]] = []
        self._captions = [self.stage.captions]
        self._limits: dict[tuple[object, ...], tuple[float, float]] = {}
        self._drawn: tuple[object, ...] = ()
        self.is_stale = True
        """Whether the maps show no result, or one that is not of the selection."""
        self.source: SourceChoice | None = None
        """The open source, in whose region the pin stays; None until it is open, then the pin is moved into it."""
        self._marks = ""
        self._legend = html("", _LEGEND, styles={"grid-area": "1 / 1 / -1 / -1"})
        self.root = box(*self.stage.parts, self._legend, css=layout.STAGE, sizing_mode="stretch_both")
        self._listen(self.stage.globe)
        model.param.watch(lambda *_: self._take_brush(), ["painting", "brush_km"])
        model.param.watch(lambda *_: self._mark(), "place")
        self._mark()

    def _mark(self) -> None:
        """A pin on all maps."""
        lat, lon = self.model.place
        for globe in self.globes:
            globe.markers = [{"lat": lat, "lon": lon}]

    def veil(self, wanted: bool) -> None:
        """Veil the maps, whose captions go, until the next are drawn; or remove the veil."""
        self.is_stale = wanted
        for globe in self.globes:
            veil(globe, wanted)
        captions = [] if wanted else self.captions
        for pane, texts in zip_longest(self._captions, captions):
            pane.object = captions_html(*texts) if texts else ""
        self._legend.object = "" if wanted else self._marks

    def blank(self) -> None:
        """Remove the fields."""
        self.veil(True)
        self._drawn = ()
        for globe in self.globes:
            globe.param.update(field=b"", field_b=b"", domain=b"", hatched=b"")
            veil(globe, False)
        self.stage.bar.visible = False

    def show(self, month: MonthResult, best: str) -> None:
        """Draw the layers that the model selects."""
        model = self.model
        names = [name for name in model.shown if name in model.offered]
        fields = [reconstruct.layer(month, name, day=model.day, best=best) for name in names]
        captions = [text.layer(name, month, model.day, best) for name in names]
        day, baseline = model.day if "day" in names else 0, best if "error_best" in names else ""
        key = month.request, model.panes, *names, day, baseline
        self.draw(fields, captions, month.lat, month.lon, key, month, month.variable)

    def draw(
        self,
        fields: list[np.ndarray],
        captions: list[str],
        lat: np.ndarray,
        lon: np.ndarray,
        key: tuple[object, ...],
        month: MonthResult | None,
        variable: VariableKind,
    ) -> None:
        """Draw fields (H, W) in model space with their captions; an unchanged ``key`` draws nothing."""
        if key == self._drawn:
            self.veil(False)
            return
        self._drawn = key
        axes = Axes.of(lat, lon)
        limits = self._scale(fields, lat, month, variable)
        colours = colormap_bytes(_COLOURS.get(self.model.kind, variable.palette))
        marked = (None, None) if month is None else (month.hidden, month.ice & ~month.data.land)
        clouds, ice = (pack_mask(mask, axes) if mask is not None and mask.any() else b"" for mask in marked)
        self._marks = text.legend(bool(clouds), bool(ice))
        common: dict[str, Any] = {
            "vmin": limits[0],
            "vmax": limits[1],
            "colormap": colours,
            "domain": clouds,
            "hatched": ice,
        }
        packed = [pack_field(field, axes, f"{index}-{hash(key):x}") for index, field in enumerate(fields)]
        if self.model.panes == SWIPE:
            second = packed[1] if len(packed) > 1 else b""
            self.captions = [captions[:2]]
            self._lay_out(1)
            self.stage.globe.param.update(field=packed[0], field_b=second, **common)
        else:
            self.captions = [[caption] for caption in captions]
            self._lay_out(len(packed))
            for globe, field in zip(self.globes, packed, strict=False):
                globe.param.update(field=field, field_b=b"", **common)
        self.veil(False)
        is_log = variable.is_logarithmic and self.model.kind == TEMPERATURE
        self.stage.scale(colours, *limits, *text.scale_label(self.model.kind, variable), logarithmic=is_log)

    def _scale(
        self, fields: list[np.ndarray], lat: np.ndarray, month: MonthResult | None, variable: VariableKind
    ) -> tuple[float, float]:
        """Limits of the colour scale, the same for all months."""
        kind = self.model.kind
        key = (
            kind,
            len(lat),
            variable.key,
            month and (month.request.model, month.request.source, month.request.hidden_percent),
        )
        if key not in self._limits:
            if kind == TEMPERATURE:
                known = np.concatenate([field.ravel() for field in fields])
                self._limits[key] = value_limits(variable, known, bool(np.ptp(lat) > 90.0))
            else:
                widest = fields if month is None else [reconstruct.layer(month, "error_mean")]
                limit = error_limit(variable, np.concatenate([field.ravel() for field in widest]))
                self._limits[key] = (-limit if kind == ERROR else 0.0, limit)
        return self._limits[key]

    def _lay_out(self, number: int) -> None:
        """Arrange ``number`` maps."""
        while len(self.globes) < number:
            self._add()
        self.root.stylesheets = [layout.STAGE, f":host {{ grid-template: {_GRIDS[number]}; gap: 4px }}"]
        for index, (globe, caption) in enumerate(zip(self.globes, self._captions, strict=True)):
            if index:
                globe.styles = {**globe.styles, "display": "" if index < number else "none"}
                caption.styles = {**caption.styles, "display": "" if index < number else "none"}

    def _add(self) -> None:
        first, cell = self.stage.globe, _CELLS[len(self.globes)]
        globe = Globe(
            label="Map beside the globe",
            group=first.group,
            dark=self.session.param.dark,
            projection=first.param.projection,
            blocks=True,
            land_shade=True,
            dim_outside=False,
            stylesheets=[VEIL],
            coast=first.param.coast,
            graticule=first.param.graticule,
            markers=first.markers,
            painting=first.painting,
            brush=first.brush,
            center_lat=first.center_lat,
            center_lon=first.center_lon,
            zoom=first.zoom,
            margin=0,
            sizing_mode="stretch_both",
            styles={"grid-area": cell},
        )
        caption = caption_pane(cell)
        self.globes.append(globe)
        self._captions.append(caption)
        first.jslink(globe, painting="painting")
        self._listen(globe)
        self.root.extend([globe, caption])

    def _listen(self, globe: Globe) -> None:
        globe.param.watch(lambda event: self._clicked(event.new), "clicked")
        globe.param.watch(lambda event: self._stroked(event.new), "stroke")

    def _clicked(self, clicked: dict[str, Any]) -> None:
        place = clicked["lat"], clicked["lon"]
        if self.source is None or ocean.is_covered(self.source, place):
            self.model.param.update(place=place, panel="place")
        else:
            self.session.say("info", OUTSIDE)

    def _stroked(self, stroke: dict[str, Any]) -> None:
        points = tuple((float(lat), float(lon)) for lat, lon in stroke["points"])
        self.model.draw_cloud(points, stroke["radius_km"])

    def _take_brush(self) -> None:
        for globe in self.globes:
            globe.param.update(painting=self.model.painting, brush=float(self.model.brush_km))
