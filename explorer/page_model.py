"""What every page's view-model shares: a state that the address bar holds, and that cannot be brought out of bounds."""

from __future__ import annotations

from typing import Any, ClassVar

import param

from engine.errors import EngineError
from engine.queries.basis import DOMAINS, Domain
from engine.queries.ocean import Quality, quality_of
from explorer.session import Query


class PageModel(param.Parameterized):
    """State and address. A page lists its keys of the address; ``clamp`` brings the rest of the state in line."""

    KEYS: ClassVar[dict[str, str]] = {}
    """The page's keys of the address, each with the name of the parameter it holds."""
    FIRST: ClassVar[tuple[str, ...]] = ()
    """Parameters that say what others may be, in the order in which an address must set them."""

    projection = param.Selector(default="globe", objects=["globe", "equal_earth", "plate_carree"])
    camera = param.Tuple(default=(20.0, -30.0, 1.0), length=3, doc="middle of the view (degrees N, E) and zoom")
    address = param.Dict(default={}, doc="the page's keys of the address bar")

    def __init__(self, query: Query, **params: Any) -> None:
        super().__init__(**params)
        self.notes: list[str] = []
        """What of the last address could not be taken as it was, in words."""
        self.view_given = "at" in query
        self.param.watch(lambda *_: self._changed(), [*self.KEYS.values(), *self.extra_names(), "camera"])
        self.restore(query)

    # what a page may say of itself

    def clamp(self) -> None:
        """Bring values and bounds in line with each other; called after every change."""

    def counts(self, name: str) -> bool:
        """Whether a part of the state describes what is on screen, and so belongs to the address."""
        del name
        return True

    def limits(self, name: str) -> tuple[int, int]:
        """Between which bounds an address may set a number; the parameter's own unless a page knows better."""
        return self.param[name].bounds

    def extra_names(self) -> list[str]:
        """Parameters that the address holds in a form of their own."""
        return []

    def write_extra(self, address: dict[str, str]) -> None:
        """Add what is held in a form of its own."""

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """Read what is held in a form of its own."""

    # address

    def _changed(self) -> None:
        self.clamp()
        address = {key: as_text(getattr(self, name)) for key, name in self.KEYS.items() if self.counts(name)}
        self.write_extra(address)
        address["at"] = ",".join(f"{value:.4g}" for value in self.camera)
        self.address = address

    def restore(self, query: Query) -> None:
        """Take up an address. What cannot be is clamped or left out, and ``notes`` says so."""
        self.notes = []
        changes: dict[str, Any] = {}
        for key, name in self.KEYS.items():
            if key in query:
                self._read(key, name, query[key], changes)
        self.read_extra(query, changes)
        if "at" in query:
            self._read_camera(query["at"], changes)
        for name in sorted(changes, key=lambda name: self.FIRST.index(name) if name in self.FIRST else len(self.FIRST)):
            self._set(name, changes[name])
        self._changed()

    def _read(self, key: str, name: str, text: str, changes: dict[str, Any]) -> None:
        parameter = self.param[name]
        try:
            if isinstance(parameter, param.Selector):
                changes[name] = next(choice for choice in parameter.objects if as_text(choice) == text)
            else:
                changes[name] = int(text)
        except (ValueError, StopIteration):
            self.notes.append(f"{key}={text[:20]} in the address is not a choice here")

    def _read_camera(self, text: str, changes: dict[str, Any]) -> None:
        lat, lon, zoom = numbers(text, 3) or (91.0, 0.0, 0.0)
        if -90 <= lat <= 90 and -180 <= lon <= 180 and 1 <= zoom <= 40:
            changes["camera"] = (lat, lon, zoom)
        else:
            self.notes.append(f"at={text[:30]} in the address is not a view: degrees north, degrees east, zoom 1 … 40")

    def _set(self, name: str, value: Any) -> None:
        if isinstance(self.param[name], param.Integer):
            low, high = self.limits(name)
            if not low <= value <= high:
                self.notes.append(f"{name.replace('_', ' ')} {value} was brought into {low} … {high}")
                value = min(max(value, low), high)
        setattr(self, name, value)

    def bound(self, name: str, low: int, high: int) -> None:
        """Set bounds, and the value with them: it must never lie outside the bounds of its moment."""
        value = min(max(getattr(self, name), low), high)
        bounds = self.param[name].bounds
        if bounds != (low, high):
            self.param[name].bounds = (min(low, bounds[0]), max(high, bounds[1]))
            setattr(self, name, value)
            self.param[name].bounds = (low, high)
        elif value != getattr(self, name):
            setattr(self, name, value)


class DomainModel(PageModel):
    """A page on which the part of the Earth that counts can be chosen."""

    domain = param.Selector(default="ocean", objects=list(DOMAINS))
    lat_range = param.Range(default=(-30.0, 30.0), bounds=(-90.0, 90.0), doc="the box's edges, degrees north")
    west = param.Number(default=120.0, bounds=(-180.0, 180.0), doc="the box's western edge, degrees east")
    width = param.Number(default=160.0, bounds=(1.0, 360.0), doc="the box's width eastwards, degrees")

    BOX: ClassVar[tuple[str, ...]] = ("lat_range", "west", "width")

    @property
    def chosen_domain(self) -> Domain:
        """The domain as the engine knows it."""
        if self.domain != "box":
            return Domain(self.domain)
        east = (self.west + self.width + 180.0) % 360.0 - 180.0
        return Domain("box", *self.lat_range, self.west, east)

    def clamp(self) -> None:
        """A box is at least two degrees high."""
        south, north = self.lat_range
        if north - south < 2.0:
            self.lat_range = (south, south + 2.0) if south <= 88.0 else (88.0, 90.0)

    def extra_names(self) -> list[str]:
        """The box's edges."""
        return list(self.BOX)

    def write_extra(self, address: dict[str, str]) -> None:
        """``box=south,north,west,width`` when the domain is a box."""
        if self.domain == "box" and self.counts("domain"):
            address["box"] = ",".join(as_text(value) for value in (*self.lat_range, self.west, self.width))

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The box, if it is one."""
        if "box" not in query:
            return
        south, north, west, width = numbers(query["box"], 4) or (0.0, 0.0, 0.0, 0.0)
        if -90 <= south < north <= 90 and -180 <= west <= 180 and 1 <= width <= 360:
            changes.update(lat_range=(south, north), west=west, width=width)
        else:
            self.notes.append(f"box={query['box'][:30]} in the address is not a box: south,north,west,width in degrees")


def read_quality(query: Query, notes: list[str]) -> Quality:
    """The observations of a source that count, as an address says; the good ones, and a note, where it is no choice."""
    try:
        return quality_of(query.get("quality", "good"))
    except EngineError:
        notes.append(f"quality={query['quality'][:20]} in the address is not a choice here")
        return "good"


def numbers(text: str, count: int) -> tuple[float, ...] | None:
    """``count`` numbers separated by commas, or None."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
    return found if len(found) == count else None


def as_text(value: Any) -> str:
    """A value as the address holds it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
