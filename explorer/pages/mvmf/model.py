"""The MvMF page's view-model: which belief, which of its centres, and what of it is shown. Plain values only."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import param

from engine.queries.mvmf.centres import CENTRE_KINDS, KAPPA_RANGE, CentreChoice, Component, PlacedComponent
from explorer.page_model import PageModel, numbers
from explorer.session import Query

SANDBOX, EXPERT = "sandbox", "expert"
DENSITY, MASS, REGIONS, PAIR = "density", "mass", "regions", "one"
PLACE, TRUTH, TAKE = "place", "truth", "take"
LOG, LINEAR = "log", "linear"
BELIEF, ERRORS = "belief", "errors"
PANELS = ("belief", "centre", "truth")
ABOUTS = ("picture", "scores")
MOST_IN_ADDRESS = 12
MOST_PLACED = 200
MIN_WEIGHT, MAX_WEIGHT = 0.1, 20.0

_RUN = re.compile(r"[\w.-]{1,80}")
_FIRST = (
    PlacedComponent(-1, Component(48.0, 8.0, 400.0, 2.0)),
    PlacedComponent(-1, Component(36.0, -5.0, 150.0, 1.0)),
    PlacedComponent(-1, Component(41.0, -98.0, 60.0, 1.0)),
)


class MvmfModel(PageModel):
    """State, and the rules that keep it one that the engine takes.

    ``placed`` are the components set by hand: changes of the start's, and more. ``points`` are a file's; they do not
    travel in the address, and neither do more than :data:`MOST_IN_ADDRESS` by hand. ``log_kappa`` and ``weight`` are
    those of all: when one of them changes, every centre by hand gets it too, and may be given its own afterwards.
    """

    KEYS: ClassVar[dict[str, str]] = {
        "mode": "mode",
        "start": "start",
        "n": "count",
        "seed": "seed",
        "apart": "separation_km",
        "show": "show",
        "scale": "scale",
        "outline": "outline",
        "click": "click",
        "panel": "panel",
        "sel": "selected",
        "tile": "tile",
        "look": "look",
        "scene": "scene",
        "about": "about",
        "map": "projection",
    }
    FIRST: ClassVar[tuple[str, ...]] = (
        "mode", "start", "count", "seed", "separation_km", "log_kappa", "weight", "placed"
    )  # fmt: skip

    # state
    mode = param.Selector(default=SANDBOX, objects=[SANDBOX, EXPERT])
    start = param.Selector(default="none", objects=list(CENTRE_KINDS), doc="where the centres begin")
    count = param.Integer(default=400, bounds=(1, 32_768), doc="centres of the start")
    seed = param.Integer(default=0, bounds=(0, 9999))
    separation_km = param.Integer(default=300, bounds=(0, 5000), doc="least distance of centres near data")
    log_kappa = param.Number(default=2.0, bounds=(-6.0, 6.0), doc="log₁₀ κ of all centres")
    weight = param.Number(default=1.0, bounds=(MIN_WEIGHT, MAX_WEIGHT), doc="of all centres, beside each other")
    placed = param.ClassSelector(class_=tuple, default=_FIRST, doc="components set by hand")
    points = param.ClassSelector(class_=tuple, default=(), doc="places of a file")
    selected = param.Integer(default=-1, bounds=(-1, 40_000), doc="index of the chosen component, −1 = none")
    truth = param.Tuple(default=None, length=2, allow_None=True, doc="where the picture was taken: degrees N, E")
    show = param.Selector(default=DENSITY, objects=[DENSITY, MASS, REGIONS, PAIR])
    scale = param.Selector(default=LOG, objects=[LOG, LINEAR])
    outline = param.Selector(default="none", objects=["none", "50", "90"], doc="region whose edge is drawn, %")
    click = param.Selector(default=PLACE, objects=[PLACE, TRUTH, TAKE], doc="what a click on the map does")
    panel = param.Selector(default="belief", objects=list(PANELS))
    # of the expert
    run = param.String(default="", doc="id of the run whose expert is asked; empty = the newest")
    tile = param.Integer(default=0, bounds=(0, 100_000), doc="which picture of the test set")
    spot = param.Tuple(default=None, length=2, allow_None=True, doc="where a new picture is taken: degrees N, E")
    day = param.Integer(default=200, bounds=(1, 365), doc="day of the year of a new picture")
    scene = param.Selector(default="one", objects=["one", "scene"], doc="one picture, or the mean over a scene's")
    look = param.Selector(default=BELIEF, objects=[BELIEF, ERRORS], doc="one belief, or the errors of the test set")
    about = param.Selector(default="picture", objects=list(ABOUTS))

    # what is not in the address: the chosen component's own, as its sliders hold them
    own_log_kappa = param.Number(default=2.0, bounds=(-6.0, 6.0), doc="log₁₀ κ")
    own_weight = param.Number(default=1.0, bounds=(0.0, MAX_WEIGHT), doc="beside the others")

    _base: tuple[Any, ...] = ()
    _of_all: tuple[float, float] = (log_kappa.default, weight.default)

    # capabilities
    _OF_START: ClassVar[tuple[str, ...]] = ("count", "seed", "separation_km")
    _OF_SANDBOX: ClassVar[tuple[str, ...]] = ("start", "show", "click", "panel", "selected", *_OF_START)
    _OF_EXPERT: ClassVar[tuple[str, ...]] = ("tile", "look", "scene", "about")

    def counts(self, name: str) -> bool:
        """What is not on screen is left out."""
        if name in self._OF_SANDBOX and self.mode != SANDBOX:
            return False
        if name in self._OF_EXPERT and self.mode != EXPERT:
            return False
        if name in self._OF_START and self.start in ("none", "file"):
            return False
        if name == "seed":
            return self.start not in ("fibonacci", "hierarchy")
        if name == "separation_km":
            return self.start == "near-data"
        if name == "tile":
            return self.spot is None
        return name != "selected" or self.selected >= 0

    def limits(self, name: str) -> tuple[int, int]:
        """How many centres a start can have."""
        return self.count_limits if name == "count" else super().limits(name)

    @property
    def count_limits(self) -> tuple[int, int]:
        """Of the start that is chosen."""
        return (6 if self.start == "hierarchy" else 1), max(CENTRE_KINDS[self.start], 1)

    # derived
    @property
    def beginning(self) -> CentreChoice:
        """The start as the engine knows it."""
        return CentreChoice(
            self.start,
            self.count,
            self.seed,
            10.0**self.log_kappa,
            float(self.separation_km),
            self.points if self.start == "file" else (),
            self.weight,
        )

    @property
    def has_density(self) -> bool:
        """Whether one belief is on the map, of which a region can be outlined."""
        return self.mode == SANDBOX or self.look == BELIEF

    @property
    def has_scale(self) -> bool:
        """Whether the colours can be logarithmic."""
        return self.has_density and (self.mode == EXPERT or self.show != REGIONS)

    @property
    def travels(self) -> bool:
        """Whether the address holds all of the sandbox."""
        return len(self.placed) <= MOST_IN_ADDRESS and self.start != "file"

    def clamp(self) -> None:
        """A start has its own limits, and what was done by hand to its centres goes with it."""
        if self.start not in ("none", "file"):
            self.bound("count", *self.count_limits)
        base = (self.start, *(getattr(self, name) for name in self._OF_START), self.points)
        before, self._base = self._base, base
        if before and before != base:
            self.param.update(selected=-1, placed=tuple(one for one in self.placed if one.start_index < 0))
        self._give_to_all()

    def _give_to_all(self) -> None:
        """κ and weight of all reach those by hand, except those of the start that were deleted: they weigh nothing."""
        before, self._of_all = self._of_all, (self.log_kappa, self.weight)
        changes: dict[str, float] = {}
        if before[0] != self.log_kappa:
            changes["kappa"] = 10.0**self.log_kappa
        if before[1] != self.weight:
            changes["weight"] = self.weight
        if changes:
            self.placed = tuple(
                one if _is_deleted(one) else one._replace(component=one.component._replace(**changes))
                for one in self.placed
            )

    # actions
    def set_component(self, index: int, component: Component, base_count: int) -> None:
        """Put component ``index`` somewhere else; those from ``base_count`` on are added ones.

        Raises :class:`OverflowError` when no more can be set by hand.
        """
        placed = list(self.placed)
        if index >= base_count:
            added = [at for at, one in enumerate(placed) if one.start_index < 0]
            placed[added[index - base_count]] = PlacedComponent(-1, component)
        else:
            at = next((at for at, one in enumerate(placed) if one.start_index == index), len(placed))
            placed[at : at + 1] = [PlacedComponent(index, component)]
        self._set_placed(placed)

    def add(self, component: Component) -> None:
        """One more component. Raises :class:`OverflowError` when no more can be set by hand."""
        self._set_placed([*self.placed, PlacedComponent(-1, component)])

    def delete(self, index: int, component: Component, base_count: int) -> None:
        """Take an added component away; one of the start's loses its weight."""
        if index < base_count:
            self.set_component(index, component._replace(weight=0.0), base_count)
        else:
            added = [one for one in self.placed if one.start_index < 0]
            gone = added[index - base_count]
            self.placed = tuple(one for one in self.placed if one is not gone)
        self.selected = -1

    def _set_placed(self, placed: list[PlacedComponent]) -> None:
        if len(placed) > MOST_PLACED:
            raise OverflowError(f"At most {MOST_PLACED} centres are set by hand. Choose where the others begin.")
        self.placed = tuple(placed)

    # address
    def extra_names(self) -> list[str]:
        """What the address holds in a form of its own."""
        return ["log_kappa", "weight", "placed", "points", "truth", "run", "spot", "day"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``kappa``, ``weight``, ``c`` (the placed components), ``truth``; of the expert ``run``, ``spot``, ``day``."""
        if self.mode == SANDBOX:
            if self.start != "none":
                address |= {"kappa": f"{10.0**self.log_kappa:.4g}", "weight": f"{self.weight:.4g}"}
            if len(self.placed) <= MOST_IN_ADDRESS:
                address["c"] = ":".join(_written(one) for one in self.placed) or "-"
            if self.truth is not None:
                address["truth"] = _pair(self.truth)
            return
        if self.run:
            address["run"] = self.run
        if self.spot is not None:
            address |= {"spot": _pair(self.spot), "day": str(self.day)}

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """What an address says beyond plain choices; what cannot be is left out or clamped, and said."""
        if changes.get("start") == "file" and not self.points:
            self.notes.append("the centres of a file do not travel in an address: bring the file again")
        if "kappa" in query:
            found = numbers(query["kappa"], 1) or (math.nan,)
            changes["log_kappa"] = math.log10(self._within("κ", found[0], KAPPA_RANGE))
        if "weight" in query:
            found = numbers(query["weight"], 1) or (math.nan,)
            changes["weight"] = self._within("weight", found[0], (MIN_WEIGHT, MAX_WEIGHT))
        if "c" in query:
            changes["placed"] = self._read_placed(query["c"])
        for name in ("truth", "spot"):
            if name in query:
                changes[name] = self._read_place(name, query[name])
        if "run" in query:
            if _RUN.fullmatch(query["run"]):
                changes["run"] = query["run"]
            else:
                self.notes.append(f"run={query['run'][:20]} in the address is no run")
        if "day" in query:
            self._read("day", "day", query["day"], changes)

    def _within(self, name: str, value: float, bounds: tuple[float, float]) -> float:
        """The value if it can be had, else the nearest that can, which is said."""
        least, most = bounds
        if least <= value <= most:
            return value
        self.notes.append(f"{name} = {value:g} was brought into {least:g} … {most:g}")
        return most if value > most else least

    def _read_place(self, name: str, text: str) -> tuple[float, ...] | None:
        place = numbers(text, 2)
        if place and abs(place[0]) <= 90.0 and abs(place[1]) <= 180.0:
            return place
        self.notes.append(f"{name}={text[:30]} in the address is not a place: degrees north, degrees east")
        return None

    def _read_placed(self, text: str) -> tuple[PlacedComponent, ...]:
        found: list[PlacedComponent] = []
        for part in text.split(":") if text != "-" else []:
            values = numbers(part, 4) or numbers(part, 5)
            if not values or not (abs(values[0]) <= 90.0 and abs(values[1]) <= 360.0 and values[3] >= 0.0):
                self.notes.append(f"{part[:30]} in the address is no centre: degrees north, degrees east, κ, weight")
                continue
            lat, lon, kappa, weight = values[:4]
            index = int(values[4]) if len(values) == 5 and 0.0 <= values[4] < 40_000 else -1
            lon = (lon + 180.0) % 360.0 - 180.0
            kappa, weight = self._within("κ", kappa, KAPPA_RANGE), self._within("weight", weight, (0.0, MAX_WEIGHT))
            found.append(PlacedComponent(index, Component(lat, lon, kappa, weight)))
        if len(found) > MOST_IN_ADDRESS:
            self.notes.append(f"an address holds at most {MOST_IN_ADDRESS} centres: the first ones were taken")
        return tuple(found[:MOST_IN_ADDRESS])


def _is_deleted(one: PlacedComponent) -> bool:
    return one.start_index >= 0 and one.component.weight == 0.0


def _written(one: PlacedComponent) -> str:
    lat, lon, kappa, weight = one.component
    text = f"{lat:.6g},{lon:.6g},{kappa:.4g},{weight:.4g}"
    return text if one.start_index < 0 else f"{text},{one.start_index}"


def _pair(place: tuple[float, float]) -> str:
    return f"{place[0]:.6g},{place[1]:.6g}"
