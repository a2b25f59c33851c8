"""The Reconstruct page's view-model: model, month and layers on screen. Plain values only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import param

from engine.queries.ocean import SST, VariableKind
from engine.queries.reconstruct import LAYER_KINDS, PRETRAINED, REGIONS, Cloud, MonthRequest
from explorer.page_model import SourceModel, address_keys
from explorer.session import Query

TEMPERATURE, DIFFERENCE, ERROR, SPREAD = "temperature", "difference", "error", "spread"
SINGLE, SWIPE, ROW, FOUR = "one", "swipe", "row", "four"
PANELS = ("scores", "place", "failures", "training")
FIGURES = ("observations", "latitude", "coast", "month", "spectrum", "histogram", "reliability")
BRUSHES_KM = (150, 300, 600, 1200)
ALL_LAYERS = tuple(name for names in LAYER_KINDS.values() for name in names)
SIDES = {SINGLE: ("left",), SWIPE: ("left", "right"), ROW: ("left", "right", "third"), FOUR: ("left", "right", "third")}
"""The parameters with the layers of the panes; four panes show the layers of the kind instead."""
_FIRST_MONTH = "2001-01-01"
REQUEST = ("run", "choice", "month", "resample", "hidden_percent", "clouds")
"""The parameters that select a month's result."""


@dataclass(frozen=True)
class ResultKey:
    """What a result was computed for: it is shown only while this is the model's :attr:`ReconstructModel.key`."""

    request: MonthRequest
    region: str


class ReconstructModel(SourceModel):
    """State, limited to the layers of the model and the months of the source.

    ``wanted_month`` is the month of the address until the months of its source are known.
    """

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "kind panes left right third day hide=hidden_percent resample region panel figure map=projection"
    )
    FIRST: ClassVar[tuple[str, ...]] = ("kind",)

    # state
    run = param.String(default=PRETRAINED, doc="the model: the pretrained one or the id of a run")
    months = param.ClassSelector(class_=tuple, default=(_FIRST_MONTH,), doc="first days of the source's months")
    month = param.Integer(default=0, bounds=(0, 1), doc="index of the month on screen")
    wanted_month = param.String(default="", doc="month of the address, until the months are known")
    resample = param.Selector(
        default="no", objects=["no", "yes", "as-is"], doc="whether to resample a source with another grid"
    )
    hidden_percent = param.Integer(default=0, bounds=(0, 60), doc="withheld fraction of the cell-months, %")
    kind = param.Selector(default=TEMPERATURE, objects=list(LAYER_KINDS), doc="quantity of the four maps")
    panes = param.Selector(
        default=SWIPE,
        objects=[SINGLE, SWIPE, ROW, FOUR],
        doc="one map, two under a divider, three in a row, a kind",
    )
    left = param.Selector(default="observed", objects=list(ALL_LAYERS))
    right = param.Selector(default="reconstruction", objects=list(ALL_LAYERS))
    third = param.Selector(default="error", objects=list(ALL_LAYERS), doc="the last of a row")
    day = param.Integer(default=15, bounds=(1, 31), doc="day of the month of the layer 'day'")
    region = param.Selector(default="World", objects=list(REGIONS), doc="region of the scores")
    panel = param.Selector(default="scores", objects=list(PANELS))
    figure = param.Selector(default="observations", objects=list(FIGURES))

    # what is not in the address
    variable = param.ClassSelector(class_=VariableKind, default=SST, doc="what the model reconstructs")
    offered = param.ClassSelector(class_=tuple, default=ALL_LAYERS, doc="layers of the month and the model")
    clouds = param.ClassSelector(class_=tuple, default=(), doc="drawn clouds")
    painting = param.Boolean(default=False, doc="whether a drag paints a cloud")
    brush_km = param.Selector(default=600, objects=list(BRUSHES_KM), doc="radius of the brush")
    all_days = param.Boolean(default=True, doc="whether a cloud covers all days of the month or the selected one")
    film = param.Boolean(default=False, doc="whether snapshots of the training are on screen")
    epoch = param.Integer(default=0, bounds=(0, 1), doc="index of the snapshot on screen")

    # capabilities
    def is_enabled(self, name: str) -> bool:
        """Options without effect on the screen are left out."""
        if name == "day":
            return "day" in self.shown
        if name == "kind":
            return self.panes == FOUR
        if name in SIDES[FOUR]:
            return name in SIDES[self.panes] and self.panes != FOUR
        if name == "resample":
            return self.resample != "no"
        if name == "hidden_percent":
            return self.hidden_percent > 0
        return name != "figure" or self.panel == "failures"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds with at least one layer."""
        return tuple(kind for kind, names in LAYER_KINDS.items() if any(name in self.offered for name in names))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the kind on screen."""
        return tuple(name for name in LAYER_KINDS[self.kind] if name in self.offered)

    # derived
    @property
    def iso(self) -> str:
        """ISO date of the first day of the month on screen."""
        return self.wanted_month or self.months[min(self.month, len(self.months) - 1)]

    @property
    def year_month(self) -> tuple[int, int]:
        """Year and month on screen."""
        year, month, _ = self.iso.split("-")
        return int(year), int(month)

    def case(self, iso: str | None = None, *, with_clouds: bool = True) -> MonthRequest:
        """The query of the month on screen, or of another month without clouds."""
        year, month, _ = (iso or self.iso).split("-")
        clouds: tuple[Cloud, ...] = self.clouds if with_clouds and iso in (None, self.iso) else ()
        return MonthRequest(
            self.run, self.choice, int(year), int(month), self.resample == "yes", self.hidden_percent, clouds
        )

    @property
    def key(self) -> ResultKey:
        """The key of all results that may be on screen."""
        return ResultKey(self.case(), self.region)

    @property
    def shown(self) -> tuple[str, ...]:
        """The layers on screen, from left to right, then from top to bottom."""
        return self.layers if self.panes == FOUR else tuple(getattr(self, side) for side in SIDES[self.panes])

    @property
    def kinds_shown(self) -> tuple[str, ...]:
        """The kind of each layer on screen; layers of one kind share a colour scale."""
        return tuple(kind_of(name) for name in self.shown)

    def clamp(self) -> None:
        """All maps exist."""
        if self.kind not in self.kinds:
            self.kind = TEMPERATURE
        for side, instead in (("left", "observed"), ("right", "reconstruction"), ("third", "difference")):
            if getattr(self, side) not in self.offered:
                setattr(self, side, instead if instead in self.offered else self.offered[0])

    # address
    def extra_names(self) -> list[str]:
        """Model, source, month, place."""
        return ["run", "choice", "month", "months", "wanted_month", "place", "offered"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``run``, ``src`` with its options, ``month`` and ``place``."""
        address["run"] = self.run
        self.write_source(address)
        address["month"] = self.iso[:7]
        self.write_place(address)

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """Model, source, month and place of an address."""
        self.read_run(query, changes)
        self.read_source(query, changes)
        if "month" in query:
            self._read_month(query["month"], changes)
        self.read_place(query, "place", changes)
        if changes.get("kind", TEMPERATURE) != TEMPERATURE and "left" not in query:
            # an address of an earlier version: both sides of the divider were of the kind
            layers = LAYER_KINDS[changes["kind"]]
            changes.update(left=layers[0], right=layers[min(1, len(layers) - 1)])

    def _read_month(self, text: str, changes: dict[str, Any]) -> None:
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
            changes["wanted_month"] = f"{text}-01"
        else:
            self.notes.append(f"month={text[:20]} in the address is not a month")

    # actions
    def take_months(self, months: tuple[str, ...], first: str) -> None:
        """Use the months of a source, on the month of the address, the one on screen, or ``first``."""
        from_address, self.wanted_month = self.wanted_month, ""
        wanted = from_address or (self.iso if self.iso in months and self.months != (_FIRST_MONTH,) else first)
        self.months = months
        self.bound("month", 0, max(1, len(months) - 1))
        self.month = months.index(wanted) if wanted in months else _nearest(months, wanted)
        if from_address and from_address not in months:
            shown = months[self.month][:7]
            self.notes.append(f"{from_address[:7]} is no month of this source; {shown} is shown")

    def selection(self) -> dict[str, Any]:
        """The values of :data:`REQUEST`, the month as its date: see :meth:`select`."""
        return {name: getattr(self, name) for name in REQUEST} | {"month": self.iso}

    def select(self, selection: dict[str, Any]) -> None:
        """Return to an earlier :meth:`selection`; its month waits where its source must be opened first."""
        iso = selection["month"]
        is_open = (self.run, self.choice) == (selection["run"], selection["choice"]) and iso in self.months
        month = {"month": self.months.index(iso)} if is_open else {"wanted_month": iso}
        self.param.update(**{name: value for name, value in selection.items() if name != "month"}, **month)

    def draw_cloud(self, points: tuple[tuple[float, float], ...], radius_km: float) -> None:
        """Add a painted cloud."""
        day = 0 if self.all_days else self.day
        self.clouds = (*self.clouds, Cloud(points, radius_km, day))


def kind_of(layer: str) -> str:
    """The kind of a layer."""
    return next(kind for kind, names in LAYER_KINDS.items() if layer in names)


def _nearest(months: tuple[str, ...], wanted: str) -> int:
    """Index of the month nearest in time."""

    def number(iso: str) -> int:
        return 12 * int(iso[:4]) + int(iso[5:7])

    return min(range(len(months)), key=lambda index: abs(number(months[index]) - number(wanted)))
