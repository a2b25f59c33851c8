"""The Reconstruct page's view-model: which model on which month, and what of it is shown. Plain values only."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import param

from engine.errors import EngineError
from engine.queries.ocean import DEMO_STEPS, MAX_SEED, MAX_YEARS, SourceChoice
from engine.queries.reconstruct import LAYER_KINDS, PRETRAINED, REGIONS, Cloud, MonthRequest
from explorer.page_model import PageModel, as_text, numbers, read_quality
from explorer.session import Query

TEMPERATURE, ERROR, SPREAD = "temperature", "error", "spread"
SWIPE, FOUR = "swipe", "four"
PANELS = ("scores", "place", "failures", "training")
FIGURES = ("observations", "latitude", "coast", "month", "spectrum", "histogram", "reliability")
BRUSHES_KM = (150, 300, 600, 1200)
ALL_LAYERS = tuple(one for names in LAYER_KINDS.values() for one in names)
_RUN = re.compile(r"[\w.-]{1,80}")
_FIRST_MONTH = "2001-01-01"
_MAX_PATH = 1000


class ReconstructModel(PageModel):
    """State, and the rules that keep it within what model and source have.

    ``wanted_month`` is the month of the address until the months of its source are known.
    """

    KEYS: ClassVar[dict[str, str]] = {
        "kind": "kind",
        "panes": "panes",
        "left": "left",
        "right": "right",
        "day": "day",
        "hide": "hidden_percent",
        "resample": "resample",
        "region": "region",
        "panel": "panel",
        "figure": "figure",
        "map": "projection",
    }
    FIRST: ClassVar[tuple[str, ...]] = ("kind",)

    # state
    run = param.String(default=PRETRAINED, doc="the model: the one that comes along, or a run's id")
    choice = param.ClassSelector(class_=SourceChoice, default=SourceChoice(), doc="the source")
    months = param.ClassSelector(class_=tuple, default=(_FIRST_MONTH,), doc="first days of the source's months")
    month = param.Integer(default=0, bounds=(0, 1), doc="index of the month that is shown")
    wanted_month = param.String(default="", doc="month of the address, until the months are known")
    resample = param.Selector(default="no", objects=["no", "yes", "as-is"], doc="what to do where the grids differ")
    hidden_percent = param.Integer(default=0, bounds=(0, 60), doc="share of cell-months that is withheld, %")
    kind = param.Selector(default=TEMPERATURE, objects=list(LAYER_KINDS), doc="what the maps show")
    panes = param.Selector(default=SWIPE, objects=[SWIPE, FOUR], doc="two maps under a divider, or four")
    left = param.Selector(default="observed", objects=list(ALL_LAYERS))
    right = param.Selector(default="reconstruction", objects=list(ALL_LAYERS))
    day = param.Integer(default=15, bounds=(1, 31), doc="day of the month of the layer 'day'")
    region = param.Selector(default="World", objects=list(REGIONS), doc="where it is scored")
    place = param.Tuple(default=(40.0, -60.0), length=2, doc="the cell that is looked at: degrees N, E")
    panel = param.Selector(default="scores", objects=list(PANELS))
    figure = param.Selector(default="observations", objects=list(FIGURES))

    # what is not in the address
    offered = param.ClassSelector(class_=tuple, default=ALL_LAYERS, doc="layers that month and model have")
    clouds = param.ClassSelector(class_=tuple, default=(), doc="clouds that were drawn")
    painting = param.Boolean(default=False, doc="whether a drag paints a cloud")
    brush_km = param.Selector(default=600, objects=list(BRUSHES_KM), doc="radius of the brush")
    all_days = param.Boolean(default=True, doc="whether a cloud covers all days of the month, or the chosen one")
    film = param.Boolean(default=False, doc="whether the epochs of a training are shown")
    epoch = param.Integer(default=0, bounds=(0, 1), doc="index of the snapshot that is shown")

    # capabilities
    def counts(self, name: str) -> bool:
        """What is not on screen is left out."""
        if name == "day":
            return "day" in self.shown
        if name in ("left", "right"):
            return self.panes == SWIPE
        if name == "resample":
            return self.resample != "no"
        if name == "hidden_percent":
            return self.hidden_percent > 0
        return name != "figure" or self.panel == "failures"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of which there is a layer."""
        return tuple(kind for kind, names in LAYER_KINDS.items() if any(name in self.offered for name in names))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the kind that is shown."""
        return tuple(name for name in LAYER_KINDS[self.kind] if name in self.offered)

    # derived
    @property
    def iso(self) -> str:
        """First day of the month that is shown, as the address holds it."""
        return self.wanted_month or self.months[min(self.month, len(self.months) - 1)]

    @property
    def year_month(self) -> tuple[int, int]:
        """Of the month that is shown."""
        year, month, _ = self.iso.split("-")
        return int(year), int(month)

    def case(self, iso: str | None = None, *, with_clouds: bool = True) -> MonthRequest:
        """What is to be computed: of the month that is shown, or of another one without clouds."""
        year, month, _ = (iso or self.iso).split("-")
        clouds: tuple[Cloud, ...] = self.clouds if with_clouds and iso in (None, self.iso) else ()
        return MonthRequest(
            self.run, self.choice, int(year), int(month), self.resample == "yes", self.hidden_percent, clouds
        )

    @property
    def shown(self) -> tuple[str, ...]:
        """The layers on screen, from left to right, then from top to bottom."""
        return (self.left, self.right) if self.panes == SWIPE else self.layers

    def clamp(self) -> None:
        """Both maps are there, and of the kind that is shown."""
        if self.kind not in self.kinds:
            self.kind = TEMPERATURE
        layers = self.layers
        if self.left not in layers:
            self.left = "observed" if "observed" in layers else layers[0]
        if self.right not in layers:
            self.right = "reconstruction" if "reconstruction" in layers else layers[min(1, len(layers) - 1)]

    # address
    def extra_names(self) -> list[str]:
        """Model, source, month, place."""
        return ["run", "choice", "month", "months", "wanted_month", "place", "offered"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``run``, ``src`` with what it needs, ``month`` and ``place``."""
        choice = self.choice
        address["run"] = self.run
        address["src"] = choice.kind
        if choice.kind == "demo":
            address |= {"step": as_text(choice.step_deg), "seed": str(choice.seed), "years": str(choice.years)}
        else:
            address["path"] = choice.path
            if choice.variable:
                address["var"] = choice.variable
            if choice.quality != "good":
                address["quality"] = str(choice.quality)
        address["month"] = self.iso[:7]
        address["place"] = ",".join(f"{value:.4g}" for value in self.place)

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """What an address says of model, source, month and place."""
        if "run" in query:
            self._read_run(query["run"], changes)
        if "src" in query:
            changes["choice"] = self._read_choice(query)
        if "month" in query:
            self._read_month(query["month"], changes)
        place = numbers(query.get("place", ""), 2)
        if place and abs(place[0]) <= 90 and abs(place[1]) <= 180:
            changes["place"] = place
        elif "place" in query:
            self.notes.append(f"place={query['place'][:30]} in the address is not a place: degrees north, degrees east")

    def _read_run(self, text: str, changes: dict[str, Any]) -> None:
        if _RUN.fullmatch(text):
            changes["run"] = text
        else:
            self.notes.append(f"run={text[:30]} in the address is no run")

    def _read_month(self, text: str, changes: dict[str, Any]) -> None:
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
            changes["wanted_month"] = f"{text}-01"
        else:
            self.notes.append(f"month={text[:20]} in the address is not a month")

    def _read_choice(self, query: Query) -> SourceChoice:
        """The source of an address; the demo ocean where it is none."""
        try:
            if query["src"] != "demo":
                path, variable = query.get("path", "")[:_MAX_PATH], query.get("var", "")
                return SourceChoice(query["src"], path=path, variable=variable, quality=read_quality(query, self.notes))
            step = next((one for one in DEMO_STEPS if as_text(one) == query.get("step", "1")), 1.0)
            seed, years = (int(query.get(name, default)) for name, default in (("seed", "0"), ("years", "6")))
            return SourceChoice(step_deg=step, seed=min(max(seed, 0), MAX_SEED), years=min(max(years, 1), MAX_YEARS))
        except (EngineError, ValueError) as error:
            self.notes.append(f"src={query['src'][:20]} in the address is no source: {error}"[:200])
            return SourceChoice()

    # actions
    def take_months(self, months: tuple[str, ...], first: str) -> None:
        """Go on with the months of a source: on that of the address, or the one shown, or ``first``."""
        asked, self.wanted_month = self.wanted_month, ""
        wanted = asked or (self.iso if self.iso in months and self.months != (_FIRST_MONTH,) else first)
        self.months = months
        self.bound("month", 0, max(1, len(months) - 1))
        self.month = months.index(wanted) if wanted in months else _nearest(months, wanted)
        if asked and asked not in months:
            self.notes.append(f"{asked[:7]} is no month of this source, {months[self.month][:7]} is shown")

    def draw_cloud(self, points: tuple[tuple[float, float], ...]) -> None:
        """Add what was painted."""
        day = 0 if self.all_days else self.day
        self.clouds = (*self.clouds, Cloud(points, float(self.brush_km), day))


def _nearest(months: tuple[str, ...], wanted: str) -> int:
    """Index of the month nearest in time."""

    def number(iso: str) -> int:
        return 12 * int(iso[:4]) + int(iso[5:7])

    return min(range(len(months)), key=lambda index: abs(number(months[index]) - number(wanted)))
