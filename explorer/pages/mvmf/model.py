"""The Geolocation page's view-model: the mixture, its selected centre, and the map. Plain values only."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import param

from engine.queries.mvmf.centres import (
    CENTRE_KINDS,
    FOLLOWING,
    KAPPA_RANGE,
    CentreChoice,
    Component,
    PlacedComponent,
)
from engine.queries.mvmf.comparison import DENSITIES
from explorer.page_model import PageModel, address_keys, numbers
from explorer.session import Query

SANDBOX, EXPERT = "sandbox", "expert"
DENSITY, MASS, REGIONS, PAIR = "density", "mass", "regions", "one"
ADD, TRUTH, SELECT = "place", "truth", "take"
LOG, LINEAR = "log", "linear"
BELIEF, ERRORS = "belief", "errors"
PANELS = ("belief", "centre", "truth", "choice")
ABOUTS = ("picture", "scores")
MOST_IN_ADDRESS = 12
MOST_PLACED = 200
MIN_WEIGHT, MAX_WEIGHT = 0.1, 20.0

_FIRST = (
    PlacedComponent(-1, Component(48.0, 8.0, 400.0, 2.0)),
    PlacedComponent(-1, Component(36.0, -5.0, 150.0, 1.0)),
    PlacedComponent(-1, Component(41.0, -98.0, 60.0, 1.0)),
)


class MvmfModel(PageModel):
    """State, clamped to what the engine accepts.

    ``placed`` are the components set by hand: changed initial ones, and added ones. ``points`` are those of a file; the
    address does not hold them, nor more than :data:`MOST_IN_ADDRESS` components set by hand. A change of ``log_kappa``
    or ``weight`` applies to every component, which may get its own value afterwards.
    """

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "mode start data n=count seed apart=separation_km show scale outline click panel sel=selected tile "
        "look=quantity scene about map=projection"
    )
    OPTIONAL: ClassVar[dict[str, str]] = {**PageModel.OPTIONAL, "truth": "truth", "spot": "spot"}
    FIRST: ClassVar[tuple[str, ...]] = (
        "mode", "start", "data", "count", "seed", "separation_km", "log_kappa", "weight", "placed"
    )  # fmt: skip

    # state
    mode = param.Selector(default=EXPERT, objects=[EXPERT, SANDBOX])
    start = param.Selector(default="none", objects=list(CENTRE_KINDS), doc="initial centres")
    data = param.Selector(
        default="land", objects=list(DENSITIES.values()), doc="what centres follow, and are compared on"
    )
    count = param.Integer(default=400, bounds=(1, 32_768), doc="number of initial centres")
    seed = param.Integer(default=0, bounds=(0, 9999))
    separation_km = param.Integer(default=300, bounds=(0, 5000), doc="minimum distance of centres near data")
    log_kappa = param.Number(default=2.0, bounds=(-6.0, 6.0), doc="log₁₀ κ of all centres")
    weight = param.Number(default=1.0, bounds=(MIN_WEIGHT, MAX_WEIGHT), doc="relative weight of all centres")
    placed = param.ClassSelector(class_=tuple, default=_FIRST, doc="components set by hand")
    points = param.ClassSelector(class_=tuple, default=(), doc="places of a file")
    selected = param.Integer(default=-1, bounds=(-1, 40_000), doc="index of the selected component, −1 = none")
    truth = param.Tuple(default=None, length=2, allow_None=True, doc="true location: degrees N, E")
    show = param.Selector(default=DENSITY, objects=[DENSITY, MASS, REGIONS, PAIR])
    scale = param.Selector(default=LOG, objects=[LOG, LINEAR])
    outline = param.Selector(default="none", objects=["none", "50", "90"], doc="region whose edge is drawn, %")
    click = param.Selector(default=ADD, objects=[ADD, TRUTH, SELECT], doc="what a click on the map does")
    panel = param.Selector(default="belief", objects=list(PANELS))
    # of the expert
    run = param.String(
        default="", doc="id of the expert's run, or the shipped one's; empty = the latest run, else the shipped one"
    )
    tile = param.Integer(default=0, bounds=(0, 100_000), doc="index of the test picture")
    spot = param.Tuple(default=None, length=2, allow_None=True, doc="place of a new picture: degrees N, E")
    day = param.Integer(default=200, bounds=(1, 365), doc="day of the year of a new picture")
    scene = param.Selector(default="one", objects=["one", "scene"], doc="one picture, or the mean over a scene")
    quantity = param.Selector(default=BELIEF, objects=[BELIEF, ERRORS], doc="one prediction, or the test errors")
    about = param.Selector(default="picture", objects=list(ABOUTS))

    # the values of the selected component, which are not in the address
    own_log_kappa = param.Number(default=2.0, bounds=(-6.0, 6.0), doc="log₁₀ κ")
    own_weight = param.Number(default=1.0, bounds=(0.0, MAX_WEIGHT), doc="relative weight")

    _base: tuple[Any, ...] = ()
    _of_all: tuple[float, float] = (log_kappa.default, weight.default)

    # capabilities
    _OF_START: ClassVar[tuple[str, ...]] = ("count", "seed", "separation_km")
    _UNSEEDED: ClassVar[tuple[str, ...]] = ("fibonacci", "hierarchy", "partition")
    _OF_SANDBOX: ClassVar[tuple[str, ...]] = ("start", "data", "show", "click", "panel", "selected", *_OF_START)
    _SANDBOX_KEYS: ClassVar[frozenset[str]] = frozenset(
        ["start", "data", "n", "seed", "apart", "show", "click", "panel", "sel", "kappa", "weight", "c", "truth"]
    )
    _OF_EXPERT: ClassVar[tuple[str, ...]] = ("tile", "quantity", "scene", "about")

    def is_enabled(self, name: str) -> bool:
        """Options of the other mode are left out."""
        if name in self._OF_SANDBOX and self.mode != SANDBOX:
            return False
        if name in self._OF_EXPERT and self.mode != EXPERT:
            return False
        if name in self._OF_START and self.start in ("none", "file"):
            return False
        if name == "seed":
            return self.start not in self._UNSEEDED
        if name == "data":
            return self.start in FOLLOWING or self.panel == "choice"
        if name == "separation_km":
            return self.start == "near-data"
        if name == "tile":
            return self.spot is None
        return name != "selected" or self.selected >= 0

    def limits(self, name: str) -> tuple[int, int]:
        """The number of centres depends on the start."""
        return self.count_limits if name == "count" else super().limits(name)

    @property
    def count_limits(self) -> tuple[int, int]:
        """Limits of the number of initial centres."""
        return (6 if self.start in ("hierarchy", "partition") else 1), max(CENTRE_KINDS[self.start], 1)

    @param.depends("tile", "run", watch=True)
    def _leave_camera(self) -> None:
        """Another picture than that of the address is shown where its best guess is."""
        self.keeps_camera = self.keeps_camera and self._is_restoring

    # derived
    @property
    def beginning(self) -> CentreChoice:
        """The initial centres as an argument of the engine."""
        return CentreChoice(
            self.start,
            self.count,
            self.seed,
            10.0**self.log_kappa,
            float(self.separation_km),
            self.points if "file" in (self.start, self.data) else (),
            self.weight,
            self.data,
        )

    @property
    def has_density(self) -> bool:
        """Whether the map shows a distribution, of which a region can be outlined."""
        return self.mode == SANDBOX or self.quantity == BELIEF

    @property
    def has_scale(self) -> bool:
        """Whether the colours can be logarithmic."""
        return self.has_density and (self.mode == EXPERT or self.show != REGIONS)

    @property
    def travels(self) -> bool:
        """Whether the address holds all centres."""
        return len(self.placed) <= MOST_IN_ADDRESS and not self.needs_file

    @property
    def needs_file(self) -> bool:
        """Whether the centres are points of a file, or follow them."""
        return self.start == "file" or (self.data == "file" and self.is_enabled("data"))

    def clamp(self) -> None:
        """Clamp the number of centres; another start discards the changes of its centres."""
        if self.start not in ("none", "file"):
            self.bound("count", *self.count_limits)
        base = (self.start, self.data, *(getattr(self, name) for name in self._OF_START), self.points)
        before, self._base = self._base, base
        if before and before != base:
            self.param.update(selected=-1, placed=tuple(centre for centre in self.placed if centre.start_index < 0))
        self._give_to_all()

    def _give_to_all(self) -> None:
        """Apply κ and weight of all to the components set by hand, except deleted ones (weight 0)."""
        before, self._of_all = self._of_all, (self.log_kappa, self.weight)
        changes: dict[str, float] = {}
        if before[0] != self.log_kappa:
            changes["kappa"] = 10.0**self.log_kappa
        if before[1] != self.weight:
            changes["weight"] = self.weight
        if changes:
            self.placed = tuple(
                centre if _is_deleted(centre) else centre._replace(component=centre.component._replace(**changes))
                for centre in self.placed
            )

    # actions
    def set_component(self, index: int, component: Component, base_count: int) -> None:
        """Replace component ``index``; those from ``base_count`` on are added ones.

        Raises :class:`OverflowError` when no more can be set by hand.
        """
        placed = list(self.placed)
        if index >= base_count:
            added = [at for at, centre in enumerate(placed) if centre.start_index < 0]
            placed[added[index - base_count]] = PlacedComponent(-1, component)
        else:
            at = next((at for at, centre in enumerate(placed) if centre.start_index == index), len(placed))
            placed[at : at + 1] = [PlacedComponent(index, component)]
        self._set_placed(placed)

    def add(self, component: Component) -> None:
        """One more component. Raises :class:`OverflowError` when no more can be set by hand."""
        self._set_placed([*self.placed, PlacedComponent(-1, component)])

    def delete(self, index: int, component: Component, base_count: int) -> None:
        """Remove an added component; an initial one gets the weight 0."""
        if index < base_count:
            self.set_component(index, component._replace(weight=0.0), base_count)
        else:
            added = [centre for centre in self.placed if centre.start_index < 0]
            gone = added[index - base_count]
            self.placed = tuple(centre for centre in self.placed if centre is not gone)
        self.selected = -1

    def _set_placed(self, placed: list[PlacedComponent]) -> None:
        if len(placed) > MOST_PLACED:
            raise OverflowError(f"At most {MOST_PLACED} centres can be set by hand. Use initial centres for more.")
        self.placed = tuple(placed)

    # address
    def restore(self, query: Query, is_whole: bool = False) -> None:
        """An address that describes a mixture and names no mode is one of the sandbox."""
        if "mode" not in query and not self._SANDBOX_KEYS.isdisjoint(query):
            query = {**query, "mode": SANDBOX}
        super().restore(query, is_whole)

    def extra_names(self) -> list[str]:
        """Parameters with a format of their own."""
        return ["log_kappa", "weight", "placed", "points", "truth", "run", "spot", "day"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``kappa``, ``weight``, ``c`` (the placed components), ``truth``; of the expert ``run``, ``spot``, ``day``."""
        if self.mode == SANDBOX:
            if self.start != "none":
                address |= {"kappa": f"{10.0**self.log_kappa:.4g}", "weight": f"{self.weight:.4g}"}
            if len(self.placed) <= MOST_IN_ADDRESS:
                address["c"] = ":".join(_written(centre) for centre in self.placed) or "-"
            if self.truth is not None:
                address["truth"] = _pair(self.truth)
            return
        if self.run:
            address["run"] = self.run
        if self.spot is not None:
            address |= {"spot": _pair(self.spot), "day": str(self.day)}

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The mixture, the true location and the expert's run; invalid values are left out or clamped, with a note."""
        if "file" in (changes.get("start"), changes.get("data")) and not self.points:
            self.notes.append("an address does not hold the centres of a file: choose the file again")
        if "kappa" in query:
            (kappa,) = numbers(query["kappa"], 1) or (math.nan,)
            changes["log_kappa"] = math.log10(self._within("κ", kappa, KAPPA_RANGE))
        if "weight" in query:
            (weight,) = numbers(query["weight"], 1) or (math.nan,)
            changes["weight"] = self._within("weight", weight, (MIN_WEIGHT, MAX_WEIGHT))
        if "c" in query:
            changes["placed"] = self._read_placed(query["c"])
        for name in ("truth", "spot"):
            self.read_place(query, name, changes)
        self.read_run(query, changes)
        if "day" in query:
            self._read("day", "day", query["day"], changes)

    def _within(self, name: str, value: float, bounds: tuple[float, float]) -> float:
        """The value clamped to the bounds, with a note."""
        least, most = bounds
        if least <= value <= most:
            return value
        self.notes.append(f"{name} = {value:g} was clamped to {least:g} … {most:g}")
        return most if value > most else least

    def _read_placed(self, text: str) -> tuple[PlacedComponent, ...]:
        placed: list[PlacedComponent] = []
        for item in text.split(":") if text != "-" else []:
            values = numbers(item, 4) or numbers(item, 5)
            if not values or not (abs(values[0]) <= 90.0 and abs(values[1]) <= 360.0 and values[3] >= 0.0):
                self.notes.append(f"{item[:30]} in the address is no centre: degrees north, degrees east, κ, weight")
                continue
            lat, lon, kappa, weight = values[:4]
            index = int(values[4]) if len(values) == 5 and 0.0 <= values[4] < 40_000 else -1
            lon = (lon + 180.0) % 360.0 - 180.0
            kappa, weight = self._within("κ", kappa, KAPPA_RANGE), self._within("weight", weight, (0.0, MAX_WEIGHT))
            placed.append(PlacedComponent(index, Component(lat, lon, kappa, weight)))
        if len(placed) > MOST_IN_ADDRESS:
            self.notes.append(f"an address holds at most {MOST_IN_ADDRESS} centres: the first ones are used")
        return tuple(placed[:MOST_IN_ADDRESS])


def _is_deleted(placed: PlacedComponent) -> bool:
    return placed.start_index >= 0 and placed.component.weight == 0.0


def _written(placed: PlacedComponent) -> str:
    lat, lon, kappa, weight = placed.component
    text = f"{lat:.6g},{lon:.6g},{kappa:.4g},{weight:.4g}"
    return text if placed.start_index < 0 else f"{text},{placed.start_index}"


def _pair(place: tuple[float, float]) -> str:
    return f"{place[0]:.6g},{place[1]:.6g}"
