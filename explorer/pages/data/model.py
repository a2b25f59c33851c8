"""The Data page's view-model: the source, the day and the layer on screen. Plain values only."""

from __future__ import annotations

import re
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
    OF_SPAN,
    SPANS,
    WITHHOLDING,
    FilePoints,
    Overrules,
    SourceChoice,
    SourceSummary,
    span_of,
)
from explorer.page_model import SourceModel, address_keys
from explorer.session import Query

DEMO, PATH, UPLOAD = "demo", "path", "upload"
GOOD, ALL, LEVEL = "good", "all", "level"
PANELS = ("source", "place", "values")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DAY = "2001-01-01"
_MONTH = {"day": 30, "month": 1}  # steps of a source


class DataModel(SourceModel):
    """State, limited to the days and layers of the open source.

    ``choice`` is the selected source and ``opened`` the open one; while they differ, days of an address wait.
    """

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "layer span hide=hidden_percent how=pattern draw=hidden_seed panel map=projection"
    )
    FIRST: ClassVar[tuple[str, ...]] = ("choice",)

    # state
    opened = param.ClassSelector(class_=SourceSummary, doc="the open source; None before the first")
    refused = param.ClassSelector(class_=SourceChoice, doc="a source without observations of the selected quality")
    unread = param.ClassSelector(class_=SourceChoice, doc="a file that was refused; another decision may open it")
    mends = param.Dict(default={}, doc="decisions that would mend the refusal, by point")
    points = param.ClassSelector(class_=FilePoints, doc="what the file offers to decide")
    day = param.Integer(default=0, bounds=(0, 1), doc="index of the day on screen")
    other = param.Integer(default=0, bounds=(0, 1), doc="index of the subtracted day")
    waiting = param.Dict(default={}, doc="days of the address, as ISO dates, until a source is open")
    layer = param.Selector(default="observed", objects=list(LAYERS))
    span = param.Selector(default="month", objects=list(SPANS), doc="period of means, counts and series")
    hidden_percent = param.Integer(default=30, bounds=(5, 90), doc="withheld fraction of the observations, %")
    pattern = param.Selector(default="clouds", objects=list(WITHHOLDING), doc="shape of the withheld regions")
    hidden_seed = param.Integer(default=0, bounds=(0, MAX_SEED), doc="seed of the withheld regions")
    place = param.Tuple(default=(38.0, -60.0), length=2, doc="place of the series: degrees N, E")
    panel = param.Selector(default="source", objects=list(PANELS))

    # the form, before it becomes a choice
    form = param.Selector(default=DEMO, objects=[DEMO, PATH, UPLOAD])
    step_deg = param.Selector(default=1.0, objects=list(DEMO_STEPS), doc="of the demo ocean")
    seed = param.Integer(default=0, bounds=(0, MAX_SEED), doc="of the demo ocean")
    years = param.Integer(default=6, bounds=(1, MAX_YEARS), doc="of the demo ocean")
    path = param.String(doc="file, folder or glob on the server")
    variable = param.String(doc="variable of a file with several; empty: the only one")
    quality = param.Selector(default=GOOD, objects=[GOOD, ALL, LEVEL], doc="quality of the observations in use")

    _fallback: SourceChoice | None = None
    """What opens in place of a first source that was refused, whose points stay on screen."""

    # capabilities
    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the open source, or all before one is open."""
        return self.opened.layers if self.opened else tuple(LAYERS)

    def is_enabled(self, name: str) -> bool:
        """Options of other layers than the one on screen are left out."""
        if name in ("hidden_percent", "pattern", "hidden_seed"):
            return self.layer == "withheld"
        return name != "span" or self.layer in OF_SPAN or self.panel == "place"

    @property
    def why_not_used(self) -> str:
        """Why nothing can be done with the source of the form, a sentence; empty where it is open."""
        if self.opened is None:
            return "No source is open yet."
        if self.unread is not None or self.refused is not None:
            return f"The selected file is not open; {self.opened.name} is on screen."
        return ""

    @property
    def why_not_trained(self) -> str:
        """Why no model can be trained on the open source, a sentence; empty where one can."""
        if self.opened is None:
            return ""
        if self.opened.unit != "day":
            return "This source has months, no days: a model learns from daily fields. Choose a file of days."
        return ""

    # derived
    @property
    def subject(self) -> SourceChoice | None:
        """The file whose points can be decided: the refused one, else the open one; None for the demo ocean."""
        subject = self.unread or self.refused or (self.opened.choice if self.opened else None)
        return None if subject is None or subject.kind == DEMO else subject

    @property
    def graded(self) -> SourceChoice | None:
        """The source with quality levels: one that was refused because of them, or the open one."""
        if self.refused is not None:
            return self.refused
        return self.opened.choice if self.opened and self.opened.grading else None

    @property
    def chosen_quality(self) -> str:
        """The value of ``quality`` that belongs to the choice."""
        quality = (self.refused or self.choice).quality
        return LEVEL if isinstance(quality, int) else quality

    @property
    def days(self) -> tuple[str, ...]:
        """The days of the open source, ISO dates."""
        return self.opened.days if self.opened else (_FIRST_DAY,)

    @property
    def index(self) -> int:
        """Index of the day on screen (a slider needs two values also for a source of one day)."""
        return min(self.day, len(self.days) - 1)

    @property
    def other_index(self) -> int:
        """Index of the subtracted day."""
        return min(self.other, len(self.days) - 1)

    @property
    def span_days(self) -> slice:
        """Indices of the days of means, counts and series."""
        return span_of(self.days, self.index, self.span)

    def clamp(self) -> None:
        """Days of the address apply once their source is open; a layer that it lacks becomes ``observed``."""
        self.quality = self.chosen_quality
        if self.opened is not None and self.opened.choice == self.choice:
            if self.waiting:
                self.take(self.opened)
            elif self.layer not in self.layers:
                self.layer = "observed"

    # address
    def extra_names(self) -> list[str]:
        """The source, the days, the place."""
        return ["choice", "refused", "day", "other", "place"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``src`` with what it needs, ``day``, ``minus`` and ``place``."""
        self.write_source(address)
        address["day"] = self.iso("day")
        if self.layer == "difference":
            address["minus"] = self.iso("other")
        self.write_place(address)

    def iso(self, name: str) -> str:
        """The date of ``day`` or ``other``, as the address holds it."""
        return self.waiting.get(name) or self.days[self.index if name == "day" else self.other_index]

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The source, the days and the place of an address."""
        self.read_source(query, changes)
        if query.get("open") in (PATH, UPLOAD):
            changes["form"] = query["open"]
        self.waiting = {}
        for key, name in (("day", "day"), ("minus", "other")):
            if _DAY.fullmatch(query.get(key, "")):
                self.waiting |= {name: query[key]}
            elif key in query:
                self.notes.append(f"{key}={query[key][:20]} in the address is not a day")
        self.read_place(query, "place", changes)

    # actions
    def show_choice(self) -> None:
        """Show the choice in the form."""
        choice = self.choice
        self.param.update(form=choice.kind)
        if choice.kind == DEMO:
            self.param.update(step_deg=choice.step_deg, seed=choice.seed, years=choice.years)
        elif choice.kind == PATH:
            self.param.update(path=choice.path, variable=choice.variable)

    def choose_file(self, kind: str, path: str) -> SourceChoice:
        """The file or upload of the form. Another file than the current one starts with the good observations.

        Raises :class:`ChoiceError` where no file is named.
        """
        graded = self.graded
        quality = graded.quality if graded is not None and (graded.kind, graded.path) == (kind, path) else GOOD
        subject = self.subject
        is_same = subject is not None and (subject.kind, subject.path) == (kind, path)
        overrules = subject.overrules if subject is not None and is_same else Overrules()
        return SourceChoice(kind, path=path, variable=self.variable, quality=quality, overrules=overrules)

    def choose_quality(self) -> None:
        """Select the current source with the observations of ``quality``."""
        graded = self.graded
        if graded is not None and self.quality != self.chosen_quality:
            self.param.update(refused=None, choice=replace(graded, quality=self.quality))

    def refuse(self, error: Exception) -> None:
        """Go back to the open source or the demo ocean; ``refused`` keeps a source that another quality may open,
        ``unread`` a file that another decision may open, with ``mends``.
        """
        choice, fallback = self.choice, self.opened.choice if self.opened else SourceChoice()
        self._fallback = fallback if self.opened is None else None
        if choice != fallback:
            self.choice = fallback
        is_graded = isinstance(error, QualityError)
        self.refused = choice if is_graded else None
        mends = error.choices if isinstance(error, EngineError) else {}
        self.param.update(mends=mends, unread=choice if choice.kind != DEMO and not is_graded else None)

    def take(self, opened: SourceSummary) -> None:
        """Use an open source, on the days of the address, or else on the days nearest to those on screen."""
        from_address, self.waiting = self.waiting, {}
        wanted = {"day": self.iso("day"), "other": self.iso("other"), **from_address}
        if self.layer not in opened.layers:
            self.layer = "observed"
        is_fallback, self._fallback = opened.choice == self._fallback, None
        self.param.update(opened=opened, **({} if is_fallback else {"mends": {}, "unread": None}))
        for name, iso in wanted.items():
            self.bound(name, 0, max(1, len(opened.days) - 1))
            index = nearest(opened.days, iso)
            setattr(self, name, index)
            if name in from_address and opened.days[index] != iso:
                self.notes.append(f"{iso} is no day of this source; {opened.days[index]} is shown")
        if "other" not in from_address:
            self._set_other_day()
        # a day that kept its index may have another date
        self._changed()

    @param.depends("layer", watch=True)
    def _set_other_day(self) -> None:
        """A difference starts between two days about a month apart."""
        if self.layer == "difference" and self.opened and not self.waiting and self.other_index == self.index:
            by = _MONTH[self.opened.unit]
            self.other = self.index - by if self.index >= by else min(self.index + by, len(self.days) - 1)

    def step(self, by: int) -> None:
        """Go to another day; wraps around."""
        self.day = (self.day + by) % len(self.days)


def nearest(days: tuple[str, ...], iso: str) -> int:
    """The first of the sorted days that is not before ``iso``, else the last."""
    return min(bisect_left(days, iso), len(days) - 1)
