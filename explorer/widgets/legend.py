"""The legend of a map: its colour scale, and a control of range and palette that opens on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import param
from pydantic import Field
from typing_extensions import TypedDict

from engine.errors import ChoiceError
from explorer.colours import ALL, DIVERGING, SEQUENTIAL, TYPED, VIEW, ColourChoice
from explorer.widgets.component import client_code
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.readout import ColorScale
from explorer.widgets.requests import Serial


class Chosen(TypedDict):
    """What was chosen on a legend; the ends count where the range is typed."""

    range: Literal["all", "view", "typed"]
    low: float | None
    high: float | None
    palette: Annotated[str, Field(max_length=20)]
    reversed: bool
    serial: Serial


class ScaleControl(ColorScale):
    """A colour scale that opens a control of its range, its palette and their direction.

    Illegal ends are refused in words, in the browser and again here. (The class has another name than "Legend", because
    the theme of panel-material-ui takes every model whose name ends so for Bokeh's.)
    """

    pane = param.String(default="", doc="the pane whose value is marked; empty = the one under the pointer")
    ranges = param.Dict(default={}, doc="{range: label} of the automatic ranges; empty = no control")
    palettes = param.List(default=[], item_type=str, doc="names of the palettes that fit")
    tables = param.Bytes(default=b"", doc="256 × 3 bytes of each palette")
    chosen = param.Dict(default={}, doc="to the browser: range, palette, reversed; serial of the choice answered")
    choice = param.Dict(default={}, doc="set by the browser")

    from_browser: ClassVar[dict[str, Any]] = {"choice": Chosen}
    immediate: ClassVar[tuple[str, ...]] = ("choice",)

    _esm = f"{client_code('dom.js', 'readout.js', 'legend.js')}\nexport const render = renderLegend"


@dataclass(frozen=True)
class Scale:
    """The colours of a quantity as a page draws it: a palette by name, or 256 × 3 bytes that allow no other.

    ``own()`` gives the ends for the map on screen alone, where they are known. ``ranges`` names the page's own ends.
    """

    quantity: str
    palette: str | bytes
    low: float
    high: float
    label: str
    units: str
    own: Callable[[], tuple[float, float]] | None = None
    all_maps: str = "Automatic"
    logarithmic: bool = False
    """Whether the maps and both ends are decimal logarithms of what is shown; typed ends are in ``units``."""


class LegendControl:
    """Shows a scale on a legend as the person chose it; ``put(vmin, vmax, colormap)`` colours the maps anew.

    ``model.colours`` holds the choices of the page by quantity.
    """

    def __init__(
        self, model: Any, legend: ScaleControl, say: Callable[[str, str], None], put: Callable[[dict[str, Any]], object]
    ) -> None:
        self.legend = legend
        self.scale: Scale | None = None
        self.put = put
        self._model, self._say = model, say
        legend.param.watch(lambda event: self._take(event.new), "choice")
        model.param.watch(lambda *_: self._renew(), "colours")

    def show(self, scale: Scale) -> dict[str, Any]:
        """``vmin``, ``vmax`` and ``colormap`` of a scale, which the legend shows from now on."""
        self.scale = scale
        choice = self._choice(scale)
        low, high = self.limits(scale)
        names = _fitting(scale.palette)
        colours = scale.palette if isinstance(scale.palette, bytes) else _table(choice.palette or scale.palette)
        if choice.is_reversed:
            colours = reverse(colours)
        drawn = {"vmin": low, "vmax": high, "colormap": colours}
        automatic = {ALL: scale.all_maps} | ({} if scale.own is None else {VIEW: "This map"})
        used = {
            "range": choice.range,
            "palette": choice.palette or scale.palette,
            "reversed": choice.is_reversed,
            "own": scale.palette,
            "serial": self.legend.choice.get("serial", 0),
        }
        self.legend.param.update(
            label=scale.label, units=scale.units, ranges=automatic if names else {}, palettes=list(names),
            tables=b"".join(map(colormap_bytes, names)), chosen=used if names else {}, visible=True,
            logarithmic=scale.logarithmic, **drawn,
        )  # fmt: skip
        return drawn

    def limits(self, scale: Scale) -> tuple[float, float]:
        """First and last value of a scale, the page's or those that the person chose."""
        choice = self._choice(scale)
        if choice.range == TYPED:
            ends = (choice.low, choice.high)
            return (math.log10(ends[0]), math.log10(ends[1])) if scale.logarithmic else ends
        return scale.own() if choice.range == VIEW and scale.own is not None else (scale.low, scale.high)

    @property
    def note(self) -> str:
        """What a person chose, for the caption of a picture; empty where the page chose."""
        if self.scale is None:
            return ""
        choice, legend = self._choice(self.scale), self.legend
        low, high = (10.0**end if self.scale.logarithmic else end for end in (legend.vmin, legend.vmax))
        ends = f"{low:g} to {high:g} {self.scale.units}".strip()
        parts = {ALL: [], VIEW: [f"range of this map, {ends}"], TYPED: [f"range chosen, {ends}"]}[choice.range]
        palette = [f"palette {choice.palette}"] if choice.palette else []
        return ", ".join([*parts, *palette, *(["reversed"] if choice.is_reversed else [])])

    def _choice(self, scale: Scale) -> ColourChoice:
        choice = self._model.colours.get(scale.quantity, ColourChoice())
        if scale.logarithmic and choice.range == TYPED and choice.low <= 0.0:  # typed for another variable
            choice = replace(choice, range=ALL)
        if choice.palette in ("", *_fitting(scale.palette)):
            return choice
        return ColourChoice(choice.range, choice.low, choice.high, "", choice.is_reversed)

    def _take(self, chosen: dict[str, Any]) -> None:
        scale = self.scale
        if scale is None:
            return
        palette = "" if chosen["palette"] == scale.palette else chosen["palette"]
        low, high = (math.nan if chosen[name] is None else chosen[name] for name in ("low", "high"))
        if chosen["palette"] in _fitting(scale.palette):
            try:
                if scale.logarithmic and chosen["range"] == TYPED and low <= 0.0:
                    raise ChoiceError(f"{low:g} has no logarithm", "colour scale", "give two numbers above 0")
                self._choose(scale, ColourChoice(chosen["range"], low, high, palette, chosen["reversed"]))
            except ChoiceError as error:
                self._say("error", str(error))
        self.show(scale)  # an answer, also where nothing changed

    def _choose(self, scale: Scale, choice: ColourChoice) -> None:
        others = {name: other for name, other in self._model.colours.items() if name != scale.quantity}
        self._model.colours = others | ({scale.quantity: choice} if choice.as_text() else {})

    def _renew(self) -> None:
        if self.scale is not None and self.legend.visible:
            self.put(self.show(self.scale))


def reverse(table: bytes) -> bytes:
    """A palette from its last colour to its first."""
    return b"".join(table[at : at + 3] for at in range(len(table) - 3, -1, -3))


def _table(palette: str | bytes) -> bytes:
    return palette if isinstance(palette, bytes) else colormap_bytes(palette)


def _fitting(palette: str | bytes) -> Sequence[str]:
    """The palettes that fit in place of this one."""
    if isinstance(palette, bytes):
        return ()
    return DIVERGING if palette in DIVERGING else SEQUENTIAL
