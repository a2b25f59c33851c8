"""The maps of the Reconstruct page: two fields under a divider, or up to four side by side, on one colour scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np

from engine.queries import ocean, reconstruct
from engine.queries.ocean import SourceChoice, VariableKind
from engine.queries.reconstruct import MonthResult
from engine.queries.scales import error_limit, is_global, limits_of, value_limits
from explorer import layout
from explorer.layout import box
from explorer.page_model import OUTSIDE
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.decks import MonthDecks, cards
from explorer.pages.reconstruct.model import (
    DIFFERENCE,
    ERROR,
    FOUR,
    ROW,
    SINGLE,
    SPREAD,
    SWIPE,
    TEMPERATURE,
    ReconstructModel,
    kind_of,
)
from explorer.session import Session
from explorer.stage import Stage, covered_of
from explorer.widgets.captions import caption_pane, captions_html
from explorer.widgets.globe import Globe
from explorer.widgets.legend import LegendControl, Scale, ScaleControl
from explorer.widgets.text import html
from explorer.widgets.veil import VEIL, veil

_COLOURS = {DIFFERENCE: "balance", ERROR: "balance", SPREAD: "amp"}


@dataclass(frozen=True)
class Layout:
    """The grid of the maps: its rows and columns, and the cells of map and legend of each pane."""

    grid: str
    maps: tuple[str, ...]
    legends: tuple[str, ...]
    marks: str = "1 / 1 / 2 / -1"
    """The cells that hold the explanation of the marks in their lower corner."""


_MAP, _BAR = "minmax(0, 1fr)", "auto"
_TWO_ROWS = f"{_MAP} {_BAR} {_MAP} {_BAR}"
_LAYOUTS = {
    SINGLE: Layout(f"{_MAP} {_BAR} / {_MAP}", ("1 / 1",), ("2 / 1",)),
    SWIPE: Layout(f"{_MAP} {_BAR} / repeat(2, {_MAP})", ("1 / 1 / 2 / 3",), ("2 / 1", "2 / 2")),
    ROW: Layout(
        f"{_MAP} {_BAR} / repeat(3, {_MAP})",
        tuple(f"1 / {column}" for column in (1, 2, 3)),
        tuple(f"2 / {column}" for column in (1, 2, 3)),
    ),
    FOUR: Layout(
        f"{_TWO_ROWS} / repeat(2, {_MAP})",
        ("1 / 1", "1 / 2", "3 / 1", "3 / 2"),
        ("2 / 1", "2 / 2", "4 / 1", "4 / 2"),
        "3 / 1 / 4 / -1",
    ),
}
_PANE_LEGEND = ":host { place-self: start center; padding: 4px 12px 0; box-sizing: border-box; z-index: 3 }"

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

    A click on a map selects its place, a stroke of the brush draws a cloud. Drawn clouds have an outline.
    ``captions`` are those of each pane: one, or two for a map with a divider. Panes of one kind share the legend of the
    read-out; where kinds differ each pane has its own.
    """

    def __init__(self, session: Session, model: ReconstructModel, cancel: Callable[[], None]) -> None:
        self.session = session
        self.model = model
        options: dict[str, Any] = {"blocks": True, "covered": "land", "dim_outside": False}
        self.stage = Stage(session, model, "the month", cancel, **options)
        self.globes: list[Globe] = [self.stage.globe]
        self.decks = MonthDecks(model)
        self.decks.add(self.stage.globe)
        self.captions: list[list[str]] = []
        self._captions = [self.stage.captions]
        self._scales: list[Scale] = []
        self._controls: list[LegendControl] = []
        self._limits: dict[tuple[object, ...], tuple[float, float]] = {}
        self._drawn: tuple[object, ...] = ()
        self.is_stale = True
        """Whether the maps show no result, or one that is not of the selection."""
        self.source: SourceChoice | None = None
        """The open source, in whose region the pin stays; None until it is open, then the pin is moved into it."""
        self.limits = (-1.0, 1.0)
        """The ends of the values of all days of the open source, in the model space of its variable."""
        self.marks: list[str] = []
        """The marks on the maps, by the keys of :data:`text.MARKS`."""
        self._legend = html("", _LEGEND, styles={"grid-area": "1 / 1"})
        self.root = box(*self.stage.parts, self._legend, css=layout.STAGE, sizing_mode="stretch_both")
        self._listen(self.stage.globe)
        self.stage.colours.put = self._recolour
        model.param.watch(lambda *_: self._take_brush(), ["painting", "brush_km"])
        model.param.watch(lambda *_: self._mark(), "place")
        self._mark()

    def _mark(self) -> None:
        """A pin on all maps."""
        lat, lon = self.model.place
        for globe in self.globes:
            globe.markers = [{"lat": lat, "lon": lon}]

    def veil(self, wanted: bool, is_drawn: bool = False) -> None:
        """Veil the maps, whose captions go, until the next are drawn; or remove the veil.

        Maps that the browser has drawn by itself (``is_drawn``) are not veiled.
        """
        self.is_stale = wanted
        wanted = wanted and not is_drawn
        for globe in self.globes:
            veil(globe, wanted)
        captions = [] if wanted else self.captions
        for pane, texts in zip_longest(self._captions, captions):
            pane.object = captions_html(*texts) if texts else ""
        self._legend.object = "" if wanted else text.legend(self.marks)
        for control in self._controls:
            veil(control.legend, wanted)

    def forget(self) -> None:
        """The next maps are drawn anew, and no months wait in the browser."""
        self.decks.withdraw()
        self._drawn = ()

    def blank(self) -> None:
        """Remove the fields."""
        self.veil(True)
        self.forget()
        for globe in self.globes:
            globe.param.update(field=b"", field_b=b"", domain=b"", hatched=b"")
            veil(globe, False)
        self.stage.bar.visible = False
        for control in self._controls:
            control.legend.visible = False

    def show(self, month: MonthResult, best: str, answer: tuple[int, int]) -> None:
        """Draw the layers that the model selects; ``answer`` is the index of the month, and the choice it answers."""
        model = self.model
        if not month.estimates.is_known(best):  # it is computed with the scores, and drawn then
            best = "climatology"
        names = [name for name in model.shown if name in model.offered]
        fields = {name: reconstruct.layer(month, name, day=model.day, best=best) for name in names}
        captions = [text.layer(name, month, model.day, best) for name in fields]
        day, baseline = model.day if "day" in names else 0, best if "error_best" in names else ""
        key = month.request, model.panes, *names, day, baseline
        self.draw(fields, captions, month.lat, month.lon, key, month, month.variable, answer)

    def draw(
        self,
        layers: Mapping[str, np.ndarray],
        captions: list[str],
        lat: np.ndarray,
        lon: np.ndarray,
        key: tuple[object, ...],
        month: MonthResult | None,
        variable: VariableKind,
        answer: tuple[int, int] | None = None,
    ) -> None:
        """Draw layers (H, W) by name, in model space, with their captions; an unchanged ``key`` draws nothing."""
        if (key, answer) == self._drawn:
            self.veil(False)
            return
        self._drawn = key, answer
        drawn_cards = cards(layers, lat, lon, month, key, self.model.panes)
        self.marks = [
            mark for mark, mask in (("cloud", drawn_cards[0].domain), ("ice", drawn_cards[0].hatched)) if mask
        ]
        self._scales = [self._scale(name, layers, lat, month, variable) for name in layers]
        for globe in (*self.globes, self.stage.flat):
            globe.covered = covered_of(variable.masked)
        is_swipe = self.model.panes == SWIPE
        self.captions = [captions] if is_swipe else [[caption] for caption in captions]
        self._lay_out(len(drawn_cards), len(layers))
        for at, (globe, card, drawn) in enumerate(zip(self.globes, drawn_cards, self._colours(), strict=False)):
            fields = {"field": card.field, "field_b": card.field_b}
            if answer is not None:
                fields = self.decks.answer(at, card, answer)
            panes = [str(index) for index in range(len(layers))] if is_swipe else [str(at)]
            globe.param.update(**fields, panes=panes, domain=card.domain, hatched=card.hatched, **drawn)
        self.veil(False)

    # colours

    @property
    def is_shared(self) -> bool:
        """Whether all panes have one colour scale, whose legend is in the read-out."""
        return len({scale.quantity for scale in self._scales}) <= 1

    @property
    def legends(self) -> list[ScaleControl]:
        """The legends on screen, from pane to pane."""
        return [self.stage.bar] if self.is_shared else [self._control(at).legend for at in range(len(self._scales))]

    @property
    def bars(self) -> list[list[tuple[str, str, bool]]]:
        """Label, units and whether logarithmic of the colour bars of each picture where they differ; else none."""
        if self.is_shared:
            return []
        bars = [(scale.label, scale.units, scale.logarithmic) for scale in self._scales]
        return [bars] if self.model.panes == SWIPE else [[bar] for bar in bars]

    @property
    def colours_note(self) -> str:
        """What the person chose of the colours on screen."""
        controls = [self.stage.colours] if self.is_shared else self._controls[: len(self._scales)]
        notes = {control.scale.label: control.note for control in controls if control.scale and control.note}
        return "; ".join(f"{label}: {note}" for label, note in notes.items())

    def _scale(
        self,
        name: str,
        layers: Mapping[str, np.ndarray],
        lat: np.ndarray,
        month: MonthResult | None,
        variable: VariableKind,
    ) -> Scale:
        """The colour scale of a layer: that of its kind."""
        kind = kind_of(name)
        same = [field for other, field in layers.items() if kind_of(other) == kind]
        palette = _COLOURS.get(kind, variable.palette)
        own = partial(limits_of, same, palette == "balance")
        ends = self._ends(kind, same, lat, month, variable)
        is_log = kind == TEMPERATURE and variable.is_logarithmic
        return Scale(kind, palette, *ends, *text.scale_label(kind, variable), own, "All months", logarithmic=is_log)

    def _ends(
        self,
        kind: str,
        fields: list[np.ndarray],
        lat: np.ndarray,
        month: MonthResult | None,
        variable: VariableKind,
    ) -> tuple[float, float]:
        """Limits of the colour scale, the same for all months."""
        if kind == TEMPERATURE and month is not None:
            return self.limits
        source = month and (month.request.model, month.request.source, month.request.hidden_percent)
        key = (kind, len(lat), variable.key, source)
        if key not in self._limits:
            if kind == TEMPERATURE:
                # the first map of a training may be far from the last: with a margin
                known = np.concatenate([field.ravel() for field in fields])
                self._limits[key] = value_limits(variable, known, is_global(lat))
            else:
                widest = fields
                if month is not None and kind != DIFFERENCE:
                    widest = [reconstruct.layer(month, "error_mean")]
                limit = error_limit(variable, np.concatenate([field.ravel() for field in widest]))
                self._limits[key] = (0.0 if kind == SPREAD else -limit, limit)
        return self._limits[key]

    def _colours(self) -> list[dict[str, Any]]:
        """Range and palette of each map, as the legends show them."""
        self.stage.bar.visible = self.is_shared
        for at, control in enumerate(self._controls):
            control.legend.visible = not self.is_shared and at < len(self._scales)
        if self.is_shared:
            drawn = [self.stage.scale(self._scales[0])] * len(self._scales)
        else:
            drawn = [self._control(at).show(scale) for at, scale in enumerate(self._scales)]
        scales = {
            str(at): [colours["vmax"] - colours["vmin"], scale.units, scale.logarithmic]
            for at, (scale, colours) in enumerate(zip(self._scales, drawn, strict=True))
        }
        self.stage.hover.scales = {} if self.is_shared else scales
        no_second = {"vmin_b": 0.0, "vmax_b": 1.0, "colormap_b": b""}
        if self.model.panes == SWIPE:
            second = no_second if self.is_shared else {f"{name}_b": value for name, value in drawn[-1].items()}
            return [drawn[0] | second]
        return [colours | no_second for colours in drawn]

    def _recolour(self, _: dict[str, Any] | None = None) -> None:
        """The person chose other colours."""
        if self._scales and not self.is_stale:
            for globe, drawn in zip(self.globes, self._colours(), strict=False):
                globe.param.update(**drawn)

    def _control(self, at: int) -> LegendControl:
        """The legend of a pane, created when first needed."""
        while len(self._controls) <= at:
            legend = ScaleControl(
                group=self.stage.globe.group, pane=str(len(self._controls)), margin=0, width=200, height=60,
                visible=False, stylesheets=[VEIL, _PANE_LEGEND],
            )  # fmt: skip
            self._controls.append(LegendControl(self.model, legend, self.session.say, self._recolour))
            self.root.append(legend)
        return self._controls[at]

    def _lay_out(self, num_maps: int, num_panes: int) -> None:
        """Arrange the maps, and a legend below each pane where their scales differ."""
        while len(self.globes) < num_maps:
            self._add()
        cells = _LAYOUTS[self.model.panes]
        columns = layout.STAGE, f":host {{ grid-template: {cells.grid}; gap: 4px }}"
        self.root.stylesheets = list(columns)
        for index, (globe, caption) in enumerate(zip(self.globes, self._captions, strict=True)):
            place = {"grid-area": cells.maps[min(index, len(cells.maps) - 1)]}
            hidden = {"display": "" if index < num_maps else "none"} if index else {}
            globe.styles = {**globe.styles, **place, **hidden}
            caption.styles = {**caption.styles, **place, **hidden}
        is_one_row = num_maps <= 2
        self._legend.styles = {"grid-area": "1 / 1 / 2 / -1" if is_one_row else cells.marks}
        for index in range(0 if self.is_shared else num_panes):
            legend = self._control(index).legend
            legend.styles = {**legend.styles, "grid-area": cells.legends[index]}

    def _add(self) -> None:
        first = self.stage.globe
        globe = Globe(
            label="Map beside the globe",
            group=first.group,
            dark=self.session.param.dark,
            projection=first.param.projection,
            blocks=True,
            covered=first.covered,
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
            fly=first.fly,
        )
        caption = caption_pane()
        self.globes.append(globe)
        self.decks.add(globe)
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
