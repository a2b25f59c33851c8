"""The Data page's view-model: which source, which day, and what of it is shown. Plain values only."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import Any, ClassVar

import param

from engine.errors import EngineError, QualityError
from engine.queries.ocean import (
    DEMO_STEPS,
    LAYERS,
    MAX_SEED,
    MAX_YEARS,
    SPANS,
    WITHHOLDING,
    SourceChoice,
    SourceSummary,
    span_of,
)
from explorer.page_model import PageModel, as_text, numbers, read_quality
from explorer.session import Query

DEMO, PATH, UPLOAD = "demo", "path", "upload"
OF_SPAN = ("mean", "coverage", "count")
GOOD, ALL, LEVEL = "good", "all", "level"
PANELS = ("source", "place", "values")
_FIRST_DAY = "2001-01-01"
_MONTH = {"day": 30, "month": 1}  # steps of a source
_MAX_PATH = 1000


class DataModel(PageModel):
    """State, and the rules that keep it within what the open source has.

    ``choice`` is what is asked for, ``found`` what is open: until they meet, the days of the address wait.
    """

    KEYS: ClassVar[dict[str, str]] = {
        "layer": "layer",
        "span": "span",
        "hide": "hidden_percent",
        "how": "pattern",
        "draw": "hidden_seed",
        "panel": "panel",
        "map": "projection",
    }
    FIRST: ClassVar[tuple[str, ...]] = ("choice",)

    # state
    choice = param.ClassSelector(class_=SourceChoice, default=SourceChoice(), doc="the source that is asked for")
    found = param.ClassSelector(class_=SourceSummary, doc="the source that is open; None before the first")
    refused = param.ClassSelector(class_=SourceChoice, doc="a source without observations of the quality asked for")
    day = param.Integer(default=0, bounds=(0, 1), doc="index of the day that is shown")
    other = param.Integer(default=0, bounds=(0, 1), doc="index of the day that is subtracted")
    waiting = param.Dict(default={}, doc="days of the address, as ISO dates, until a source is open")
    layer = param.Selector(default="observed", objects=list(LAYERS))
    span = param.Selector(default="month", objects=list(SPANS), doc="the days that means, counts and series are of")
    hidden_percent = param.Integer(default=30, bounds=(5, 90), doc="share of the observations that is withheld, %")
    pattern = param.Selector(default="clouds", objects=list(WITHHOLDING), doc="in which shapes it is withheld")
    hidden_seed = param.Integer(default=0, bounds=(0, MAX_SEED), doc="another draw of what is withheld")
    place = param.Tuple(default=(38.0, -60.0), length=2, doc="where the series is: degrees N, E")
    panel = param.Selector(default="source", objects=list(PANELS))

    # what the form holds, before it becomes a choice
    form = param.Selector(default=DEMO, objects=[DEMO, PATH, UPLOAD])
    step_deg = param.Selector(default=1.0, objects=list(DEMO_STEPS), doc="of the demo ocean")
    seed = param.Integer(default=0, bounds=(0, MAX_SEED), doc="of the demo ocean")
    years = param.Integer(default=6, bounds=(1, MAX_YEARS), doc="of the demo ocean")
    path = param.String(doc="file, folder or glob on the server")
    variable = param.String(doc="the one to take where a file has several; empty: the only one")
    quality = param.Selector(default=GOOD, objects=[GOOD, ALL, LEVEL], doc="of the observations that count")

    # capabilities
    @property
    def layers(self) -> tuple[str, ...]:
        """What the open source can show; before it is open, what there is."""
        return self.found.layers if self.found else tuple(LAYERS)

    def counts(self, name: str) -> bool:
        """What the shown layer does not know is left out."""
        if name in ("hidden_percent", "pattern", "hidden_seed"):
            return self.layer == "withheld"
        return name != "span" or self.layer in OF_SPAN or self.panel == "place"

    # derived
    @property
    def graded(self) -> SourceChoice | None:
        """The source whose observations can be chosen by quality: one that was refused for it, or the open one."""
        if self.refused is not None:
            return self.refused
        return self.found.choice if self.found and self.found.grading else None

    @property
    def asked_quality(self) -> str:
        """What ``quality`` is of the choice."""
        asked = (self.refused or self.choice).quality
        return LEVEL if isinstance(asked, int) else asked

    @property
    def days(self) -> tuple[str, ...]:
        """The days of the open source, ISO dates."""
        return self.found.days if self.found else (_FIRST_DAY,)

    @property
    def index(self) -> int:
        """Of the day that is shown: a source of one day leaves the slider room for two."""
        return min(self.day, len(self.days) - 1)

    @property
    def other_index(self) -> int:
        """Of the day that is subtracted."""
        return min(self.other, len(self.days) - 1)

    @property
    def span_days(self) -> slice:
        """The days that means, counts and series are of."""
        return span_of(self.days, self.index, self.span)

    def clamp(self) -> None:
        """Days of the address are taken up when their source is open; a layer that it lacks is left."""
        self.quality = self.asked_quality
        if self.found is not None and self.found.choice == self.choice:
            if self.waiting:
                self.take(self.found)
            elif self.layer not in self.layers:
                self.layer = "observed"

    # address
    def extra_names(self) -> list[str]:
        """The source, the days, the place."""
        return ["choice", "refused", "day", "other", "place"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``src`` with what it needs, ``day``, ``minus`` and ``place``."""
        choice = self.choice
        address["src"] = choice.kind
        if choice.kind == DEMO:
            address |= {"step": as_text(choice.step_deg), "seed": str(choice.seed), "years": str(choice.years)}
        else:
            address["path"] = choice.path
            if choice.variable:
                address["var"] = choice.variable
            if choice.quality != GOOD:
                address["quality"] = str(choice.quality)
        address["day"] = self.iso("day")
        if self.layer == "difference":
            address["minus"] = self.iso("other")
        address["place"] = ",".join(f"{value:.4g}" for value in self.place)

    def iso(self, name: str) -> str:
        """The date of ``day`` or ``other``, as the address holds it."""
        return self.waiting.get(name) or self.days[self.index if name == "day" else self.other_index]

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """What an address says of source, days and place."""
        if "src" in query:
            changes["choice"] = self._read_choice(query)
        self.waiting = {name: query[key][:10] for key, name in (("day", "day"), ("minus", "other")) if key in query}
        place = numbers(query.get("place", ""), 2)
        if place and abs(place[0]) <= 90 and abs(place[1]) <= 180:
            changes["place"] = place
        elif "place" in query:
            self.notes.append(f"place={query['place'][:30]} in the address is not a place: degrees north, degrees east")

    def _read_choice(self, query: Query) -> SourceChoice:
        """The source of an address; the demo ocean where it is none, its numbers brought into bounds."""
        kind = query["src"]
        try:
            if kind != DEMO:
                path, variable = query.get("path", "")[:_MAX_PATH], query.get("var", "")[:100]
                return SourceChoice(kind, path=path, variable=variable, quality=read_quality(query, self.notes))
            seed, years = (self._whole(query, name) for name in ("seed", "years"))
            step = next((one for one in DEMO_STEPS if as_text(one) == query.get("step", "1")), None)
            if step is None:
                self.notes.append(f"step={query['step'][:20]} in the address is not a choice here")
            return SourceChoice(step_deg=step or 1.0, seed=seed, years=years)
        except EngineError as error:
            self.notes.append(f"src={kind[:20]} in the address is no source: {error.what}")
            return SourceChoice()

    def _whole(self, query: Query, name: str) -> int:
        low, high = self.param[name].bounds
        text = query.get(name, str(self.param[name].default))
        try:
            value = int(text)
        except ValueError:
            self.notes.append(f"{name}={text[:20]} in the address is not a choice here")
            return self.param[name].default
        if not low <= value <= high:
            self.notes.append(f"{name} {value} was brought into {low} … {high}")
        return min(max(value, low), high)

    # actions
    def show_choice(self) -> None:
        """Let the form show the choice."""
        choice = self.choice
        self.param.update(form=choice.kind)
        if choice.kind == DEMO:
            self.param.update(step_deg=choice.step_deg, seed=choice.seed, years=choice.years)
        elif choice.kind == PATH:
            self.param.update(path=choice.path, variable=choice.variable)

    def choose_file(self, kind: str, path: str) -> SourceChoice:
        """A file or upload as the form has it. Of another file than the one at hand the good observations count.

        Raises :class:`ChoiceError` where no file is named.
        """
        graded = self.graded
        quality = graded.quality if graded is not None and (graded.kind, graded.path) == (kind, path) else GOOD
        return SourceChoice(kind, path=path, variable=self.variable, quality=quality)

    def choose_quality(self) -> None:
        """Ask for the source at hand with the observations that ``quality`` says."""
        graded = self.graded
        if graded is not None and self.quality != self.asked_quality:
            self.param.update(refused=None, choice=replace(graded, quality=self.quality))

    def refuse(self, error: Exception) -> None:
        """Go back to the open source, or to the demo ocean; what another quality may open is kept in mind."""
        asked, fallback = self.choice, self.found.choice if self.found else SourceChoice()
        if asked != fallback:
            self.choice = fallback
        self.refused = asked if isinstance(error, QualityError) else None

    def take(self, found: SourceSummary) -> None:
        """Go on with an open source, on the days of the address, or else as near to those shown as it has them."""
        asked, self.waiting = self.waiting, {}
        wanted = {"day": self.iso("day"), "other": self.iso("other"), **asked}
        if self.layer not in found.layers:
            self.layer = "observed"
        self.found = found
        for name, iso in wanted.items():
            self.bound(name, 0, max(1, len(found.days) - 1))
            index = nearest(found.days, iso)
            setattr(self, name, index)
            if name in asked and found.days[index] != iso:
                self.notes.append(f"{iso} is no day of this source, {found.days[index]} is shown")
        if "other" not in asked:
            self._set_apart()
        # a day that kept its index may have another date
        self._changed()

    @param.depends("layer", watch=True)
    def _set_apart(self) -> None:
        """A difference begins between two days, about a month apart: that of a day to itself is nothing."""
        if self.layer == "difference" and self.found and not self.waiting and self.other_index == self.index:
            by = _MONTH[self.found.unit]
            self.other = self.index - by if self.index >= by else min(self.index + by, len(self.days) - 1)

    def step(self, by: int) -> None:
        """Another day, round and round."""
        self.day = (self.day + by) % len(self.days)


def nearest(days: tuple[str, ...], iso: str) -> int:
    """The first of the sorted days that is not before ``iso``, else the last."""
    return min(bisect_left(days, iso), len(days) - 1)
