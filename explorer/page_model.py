"""The base of every page's view-model: state that the address bar holds, with its bounds."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import param

from engine.errors import EngineError
from engine.queries.basis import DOMAINS, Domain
from engine.queries.ocean import (
    DEMO_STEPS,
    MAX_SEED,
    MAX_YEARS,
    Overrules,
    Quality,
    SourceChoice,
    overrules_of_text,
    overrules_text,
    quality_of,
)
from explorer.colours import colours_of, colours_text
from explorer.session import Query

_RUN = re.compile(r"[\w.-]{1,80}")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_MOST_NOTE = 250
_MOST_DIGITS = 30  # more than any bound
OUTSIDE = "This place lies outside the region of the source."
_MAX_PATH, _MAX_VARIABLE = 1000, 100
MAX_ZOOM = 200


class PageModel(param.Parameterized):
    """State and address. A page lists its keys of the address; ``clamp`` brings the rest of the state in line."""

    KEYS: ClassVar[dict[str, str]] = {}
    """The page's keys of the address, each with the name of the parameter it holds."""
    OPTIONAL: ClassVar[dict[str, str]] = {"colours": "colours"}
    """Keys with a format of their own that an address holds only sometimes, each with its parameter."""
    FIRST: ClassVar[tuple[str, ...]] = ()
    """Parameters that limit other parameters, in the order in which an address must set them."""

    projection = param.Selector(default="globe", objects=["globe", "equal_earth", "plate_carree"])
    camera = param.Tuple(default=(20.0, -30.0, 1.0), length=3, doc="middle of the view (degrees N, E) and zoom")
    colours = param.Dict(default={}, doc="{quantity: ColourChoice} where colours are not the page's own")
    keeps_camera = param.Boolean(default=False, doc="whether an address has chosen the camera: no flight to the data")
    address = param.Dict(default={}, doc="the page's keys of the address bar")

    def __init__(self, query: Query, **params: Any) -> None:
        super().__init__(**params)
        self.notes: list[str] = []
        """Sentences about keys of the last address that were invalid or clamped."""
        self.has_camera_in_address = "at" in query
        self._is_restoring = False
        self.param.watch(lambda *_: self._changed(), [*self.KEYS.values(), *self.extra_names(), "camera", "colours"])
        self.restore(query)

    # for pages to override

    def clamp(self) -> None:
        """Make values and bounds consistent; called after every change."""

    def is_enabled(self, name: str) -> bool:
        """Whether the parameter affects the screen now, and so belongs to the address."""
        del name
        return True

    def limits(self, name: str) -> tuple[int, int]:
        """The bounds within which an address may set a number; by default those of the parameter."""
        return self.param[name].bounds

    def extra_names(self) -> list[str]:
        """Parameters with a format of their own in the address."""
        return []

    def write_extra(self, address: dict[str, str]) -> None:
        """Write the parameters of :meth:`extra_names` to ``address``."""

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """Read the parameters of :meth:`extra_names` from ``query`` into ``changes``."""

    # address

    def _changed(self) -> None:
        self.clamp()
        address = {key: as_text(getattr(self, name)) for key, name in self.KEYS.items() if self.is_enabled(name)}
        self.write_extra(address)
        if colours := colours_text(self.colours):
            address["colours"] = colours
        address["at"] = ",".join(f"{value:.6g}" for value in self.camera)
        self.address = address

    def restore(self, query: Query, is_whole: bool = False) -> None:
        """Set the state from an address. Invalid values are clamped or left out, with a sentence in ``notes``.

        With an address that ``is_whole``, :attr:`address` has no further keys afterwards: what they hold gets its
        default.
        """
        self.notes = []
        self.keeps_camera = "at" in query
        self._is_restoring = True
        changes: dict[str, Any] = {}
        for key, name in self.KEYS.items():
            if key in query:
                self._read(key, name, query[key], changes)
        self.read_extra(query, changes)
        if is_whole or "colours" in query:
            self._read_colours(query.get("colours", ""), changes)
        if "at" in query:
            self._read_camera(query["at"], changes)
        for name in sorted(changes, key=lambda name: self.FIRST.index(name) if name in self.FIRST else len(self.FIRST)):
            self._set(name, changes[name])
        self._is_restoring = False
        self.notes = [note if len(note) <= _MOST_NOTE else f"{note[:_MOST_NOTE]}…" for note in self.notes]
        self._changed()
        if is_whole:
            further = self.address.keys() - query.keys()
            names = [name for key, name in (self.KEYS | self.OPTIONAL).items() if key in further]
            self.param.update({name: self.param[name].default for name in names})

    def _read(self, key: str, name: str, text: str, changes: dict[str, Any]) -> None:
        parameter = self.param[name]
        try:
            if isinstance(parameter, param.Selector):
                changes[name] = next(choice for choice in parameter.objects if as_text(choice) == text)
            else:
                changes[name] = whole(text)
        except (ValueError, StopIteration):
            self.notes.append(f"{key}={text[:20]} in the address is not a choice here")

    def _read_camera(self, text: str, changes: dict[str, Any]) -> None:
        lat, lon, zoom = numbers(text, 3) or (math.nan, 0.0, 0.0)
        if -90 <= lat <= 90 and -180 <= lon <= 180 and 1 <= zoom <= MAX_ZOOM:
            changes["camera"] = (lat, lon, zoom)
        else:
            reason = f"is not a view: degrees north, degrees east, zoom 1 … {MAX_ZOOM}"
            self.notes.append(f"at={text[:30]} in the address {reason}")

    def _read_colours(self, text: str, changes: dict[str, Any]) -> None:
        changes["colours"] = {}
        try:
            changes["colours"] = colours_of(text) if text else {}
        except (EngineError, ValueError):
            self.notes.append(f"colours={text[:30]} in the address is no choice of colours")

    def read_place(self, query: Query, key: str, changes: dict[str, Any], name: str = "") -> None:
        """Read ``key=lat,lon`` (degrees north, degrees east) for the parameter ``name``, by default the key."""
        if key not in query:
            return
        place = numbers(query[key], 2)
        if place and abs(place[0]) <= 90 and abs(place[1]) <= 180:
            changes[name or key] = place
        else:
            self.notes.append(f"{key}={query[key][:30]} in the address is not a place: degrees north, degrees east")

    def read_run(self, query: Query, changes: dict[str, Any], key: str = "run", name: str = "run") -> None:
        """Read ``key``, the id of a run, for the parameter ``name``."""
        if _RUN.fullmatch(query.get(key, "")):
            changes[name] = query[key]
        elif key in query:
            self.notes.append(f"{key}={query[key][:30]} in the address is no run")

    def _set(self, name: str, value: Any) -> None:
        if isinstance(self.param[name], param.Integer):
            low, high = self.limits(name)
            if not low <= value <= high:
                self.notes.append(f"{name.replace('_', ' ')} {shortened(value)} was clamped to {low} … {high}")
                value = min(max(value, low), high)
        setattr(self, name, value)

    def bound(self, name: str, low: int, high: int) -> None:
        """Set bounds and clamp the value to them; the value never lies outside the bounds."""
        value = min(max(getattr(self, name), low), high)
        bounds = self.param[name].bounds
        if bounds != (low, high):
            self.param[name].bounds = (min(low, bounds[0]), max(high, bounds[1]))
            setattr(self, name, value)
            self.param[name].bounds = (low, high)
        elif value != getattr(self, name):
            setattr(self, name, value)


class DomainModel(PageModel):
    """A page with a choice of the fit domain: the sphere, ocean, land or a box."""

    domain = param.Selector(default="ocean", objects=list(DOMAINS))
    lat_range = param.Range(default=(-30.0, 30.0), bounds=(-90.0, 90.0), doc="the box's edges, degrees north")
    west = param.Number(default=120.0, bounds=(-180.0, 180.0), doc="the box's western edge, degrees east")
    width = param.Number(default=160.0, bounds=(1.0, 360.0), doc="the box's width eastwards, degrees")

    BOX: ClassVar[tuple[str, ...]] = ("lat_range", "west", "width")

    @property
    def chosen_domain(self) -> Domain:
        """The domain as an argument of the engine."""
        if self.domain != "box":
            return Domain(self.domain)
        east = (self.west + self.width + 180.0) % 360.0 - 180.0
        south, north = self.lat_range
        return Domain("box", south, north, self.west, east)

    def clamp(self) -> None:
        """A box is at least two degrees high; its edges are numbers, also where a browser sent others."""
        if not all(map(math.isfinite, self.lat_range)):
            self.lat_range = self.param.lat_range.default
        south, north = self.lat_range
        if north - south < 2.0:
            self.lat_range = (south, south + 2.0) if south <= 88.0 else (88.0, 90.0)

    def extra_names(self) -> list[str]:
        """The box's edges."""
        return list(self.BOX)

    def write_extra(self, address: dict[str, str]) -> None:
        """``box=south,north,west,width`` when the domain is a box."""
        if self.domain == "box" and self.is_enabled("domain"):
            address["box"] = ",".join(as_text(value) for value in (*self.lat_range, self.west, self.width))

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The box, if the address holds a valid one."""
        if "box" not in query:
            return
        south, north, west, width = numbers(query["box"], 4) or (0.0, 0.0, 0.0, 0.0)
        if -90 <= south < north <= 90 and -180 <= west <= 180 and 1 <= width <= 360:
            changes.update(lat_range=(south, north), west=west, width=width)
        else:
            self.notes.append(f"box={query['box'][:30]} in the address is not a box: south,north,west,width in degrees")


class SourceModel(PageModel):
    """A page with a choice of the SST source (``src`` with its options in the address) and a place on the map."""

    choice = param.ClassSelector(class_=SourceChoice, default=SourceChoice(), doc="the selected source")
    place = param.Tuple(default=(40.0, -60.0), length=2, doc="degrees N, E")

    @param.depends("choice", watch=True)
    def _leave_camera(self) -> None:
        """Another source than that of the address may be shown in a view of its own."""
        self.keeps_camera = self.keeps_camera and self._is_restoring

    def take_place(self, place: tuple[float, float]) -> None:
        """Use a place that the source covers; one of the person's own that it does not is mentioned."""
        if place != self.place:
            if self.place != self.param.place.default:
                self.notes.append(f"{OUTSIDE[:-1]}; the nearest sea is shown")
            self.place = place

    def write_source(self, address: dict[str, str]) -> None:
        """``src`` with the options of the source."""
        address |= source_query(self.choice)

    def write_place(self, address: dict[str, str]) -> None:
        """``place=lat,lon``."""
        address["place"] = ",".join(f"{value:.4g}" for value in self.place)

    def read_source(self, query: Query, changes: dict[str, Any]) -> None:
        """The source of an address; the demo ocean where it is invalid, its numbers clamped to their bounds."""
        if "src" not in query:
            return
        try:
            changes["choice"] = self._read_choice(query)
        except EngineError as error:
            self.notes.append(f"src={query['src'][:20]} in the address is no source: {error.problem}")
            changes["choice"] = SourceChoice()

    def _read_choice(self, query: Query) -> SourceChoice:
        kind = query["src"]
        if kind != "demo":
            path, variable = query.get("path", "")[:_MAX_PATH], query.get("var", "")[:_MAX_VARIABLE]
            quality, overrules = self._read_quality(query), self._read_overrules(query)
            return SourceChoice(kind, path=path, variable=variable, quality=quality, overrules=overrules)
        step = next((step for step in DEMO_STEPS if as_text(step) == query.get("step", "1")), None)
        if step is None:
            self.notes.append(f"step={query['step'][:20]} in the address is not a choice here")
        seed = self._read_whole(query, "seed", 0, (0, MAX_SEED))
        years = self._read_whole(query, "years", 6, (1, MAX_YEARS))
        return SourceChoice(step_deg=step or 1.0, seed=seed, years=years)

    def _read_quality(self, query: Query) -> Quality:
        """The quality levels that an address selects; the good ones, and a note, where it is invalid."""
        try:
            return quality_of(query.get("quality", "good"))
        except EngineError:
            self.notes.append(f"quality={query['quality'][:20]} in the address is not a choice here")
            return "good"

    def _read_overrules(self, query: Query) -> Overrules:
        """What an address decides about the file; nothing, and a note, where it is invalid."""
        try:
            return overrules_of_text(query.get("read", ""))
        except (EngineError, ValueError, TypeError):
            self.notes.append(f"read={query['read'][:20]} in the address is not a choice here")
            return Overrules()

    def _read_whole(self, query: Query, name: str, default: int, bounds: tuple[int, int]) -> int:
        low, high = bounds
        try:
            value = whole(query.get(name, str(default)))
        except ValueError:
            self.notes.append(f"{name}={query[name][:20]} in the address is not a choice here")
            return default
        if not low <= value <= high:
            self.notes.append(f"{name} {shortened(value)} was clamped to {low} … {high}")
        return min(max(value, low), high)


def source_query(choice: SourceChoice) -> dict[str, str]:
    """The keys of an address that name a source."""
    if choice.kind == "demo":
        numbers = {"step": as_text(choice.step_deg), "seed": str(choice.seed), "years": str(choice.years)}
        return {"src": choice.kind, **numbers}
    query = {"src": choice.kind, "path": choice.path}
    if choice.variable:
        query["var"] = choice.variable
    if choice.quality != "good":
        query["quality"] = str(choice.quality)
    if choice.overrules.names:
        query["read"] = overrules_text(choice.overrules)
    return query


def address_keys(keys: str) -> dict[str, str]:
    """``KEYS`` of a page from ``"key=parameter …"``; a key alone has the name of its parameter."""
    pairs = (item.partition("=") for item in keys.split())
    return {key: name or key for key, _, name in pairs}


def numbers(text: str, count: int) -> tuple[float, ...] | None:
    """``count`` numbers separated by commas, or None."""
    try:
        values = tuple(float(value) for value in text.split(","))
    except ValueError:
        return None
    return values if len(values) == count else None


def whole(text: str) -> int:
    """A whole number written in digits; ValueError for anything else. Python itself reads no more than 4300 digits."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text[:_MOST_DIGITS])


def shortened(value: float) -> str:
    """A number for a sentence, which a long one would fill."""
    text = str(value)
    return text if len(text) <= 12 else f"{value:.3g}"


def as_text(value: Any) -> str:
    """A value as the address holds it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
