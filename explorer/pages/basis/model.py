"""The Basis page's view-model: which function of which basis is shown, and what may be chosen. Plain values only."""

from __future__ import annotations

from typing import Any

import param

from engine.queries import DOMAINS, MAX_DEGREE, MAX_FIT_DEGREE, MAX_RUN_DEGREE, BasisConfig, Domain
from explorer.session import Query

HARMONIC, COMPONENT = "harmonic", "component"
STEPS = (2.0, 1.0, 0.5, 0.25)
PANELS = ("pyramid", "profile", "spectrum", "passport")
PROJECTIONS = ("globe", "equal_earth", "plate_carree")

# The address's short keys; the page's state and nothing else.
_KEYS = {
    "show": "show",
    "L": "max_degree",
    "l": "degree",
    "m": "order",
    "K": "num_components",
    "k": "component",
    "domain": "domain",
    "step": "step_deg",
    "panel": "panel",
    "map": "projection",
}


class BasisModel(param.Parameterized):
    """State, and the rules that keep it legal: every setter leaves a choice that can be drawn."""

    # state
    show = param.Selector(default=HARMONIC, objects=[HARMONIC, COMPONENT])
    max_degree = param.Integer(default=10, bounds=(0, MAX_DEGREE), doc="L")
    degree = param.Integer(default=6, bounds=(0, 10), doc="l")
    order = param.Integer(default=3, bounds=(-6, 6), doc="m")
    num_components = param.Integer(default=64, bounds=(1, 120), doc="K")
    component = param.Integer(default=1, bounds=(1, 64), doc="k, from 1")
    domain = param.Selector(default="ocean", objects=list(DOMAINS))
    lat_range = param.Range(default=(-30.0, 30.0), bounds=(-90.0, 90.0), doc="the box's edges, degrees north")
    west = param.Number(default=120.0, bounds=(-180.0, 180.0), doc="the box's western edge, degrees east")
    width = param.Number(default=160.0, bounds=(1.0, 360.0), doc="the box's width eastwards, degrees")
    step_deg = param.Selector(default=1.0, objects=list(STEPS), doc="step of the fit's grid, degrees")
    panel = param.Selector(default="pyramid", objects=list(PANELS))
    pyramid_degree = param.Integer(default=8, bounds=(1, 16), doc="last row of the pyramid of pictures")
    follow = param.Boolean(default=True, doc="turn the globe to where a new component is largest")
    projection = param.Selector(default="globe", objects=list(PROJECTIONS))

    camera = param.Tuple(default=(20.0, -30.0, 1.0), length=3, doc="middle of the view (degrees N, E) and zoom")

    # derived
    address = param.Dict(default={}, doc="the page's keys of the address bar")

    def __init__(self, query: Query, **params: Any) -> None:
        super().__init__(**params)
        self.notes: list[str] = []
        self.view_given = "at" in query
        self.restore(query)

    # capabilities
    @property
    def degree_limit(self) -> int:
        """The highest degree that can be chosen now."""
        if self.show == HARMONIC:
            return MAX_DEGREE
        # the whole sphere needs no fit, and beyond this its components are the harmonics themselves
        return MAX_FIT_DEGREE if self.domain == "sphere" else MAX_RUN_DEGREE

    @property
    def component_limit(self) -> int:
        """The largest K: every non-constant harmonic, (L+1)² − 1."""
        return (self.max_degree + 1) ** 2 - 1

    @property
    def panels(self) -> tuple[str, ...]:
        """The figures that make sense now: a single harmonic has no spectrum."""
        return PANELS[:2] if self.show == HARMONIC else PANELS

    # derived
    @property
    def config(self) -> BasisConfig:
        """The basis that the components belong to."""
        south, north = self.lat_range
        east = (self.west + self.width + 180.0) % 360.0 - 180.0
        box = Domain("box", south, north, self.west, east) if self.domain == "box" else Domain(self.domain)
        return BasisConfig(self.max_degree, self.num_components, box, self.step_deg)

    @param.depends("show", "max_degree", "degree", "num_components", "domain", "lat_range", watch=True)
    def _keep_legal(self) -> None:
        lowest = 0 if self.show == HARMONIC else 1
        self._bound("max_degree", lowest, self.degree_limit)
        self._bound("degree", 0, self.max_degree)
        self._bound("order", -self.degree, self.degree)
        self._bound("num_components", 1, max(1, self.component_limit))
        self._bound("component", 1, self.num_components)
        if self.panel not in self.panels:
            self.panel = self.panels[0]
        south, north = self.lat_range
        if north - south < 2.0:
            self.lat_range = (south, south + 2.0) if south <= 88.0 else (88.0, 90.0)

    def _bound(self, name: str, low: int, high: int) -> None:
        """Value before bounds: a value must never lie outside the bounds of its moment."""
        value = min(max(getattr(self, name), low), high)
        bounds = self.param[name].bounds
        if bounds != (low, high):
            self.param[name].bounds = (min(low, bounds[0]), max(high, bounds[1]))
            setattr(self, name, value)
            self.param[name].bounds = (low, high)
        elif value != getattr(self, name):
            setattr(self, name, value)

    @param.depends(*(name for name in _KEYS.values()), "lat_range", "west", "width", "camera", watch=True)
    def _write_address(self) -> None:
        address = {key: _text(getattr(self, name)) for key, name in _KEYS.items() if self._counts(name)}
        if self.domain == "box":
            address["box"] = ",".join(_text(value) for value in (*self.lat_range, self.west, self.width))
        address["at"] = ",".join(f"{value:.4g}" for value in self.camera)
        self.address = address

    def _counts(self, name: str) -> bool:
        """Whether a part of the state describes what is on screen."""
        if self.show == HARMONIC:
            return name not in ("component", "num_components", "domain", "step_deg")
        return name not in ("degree", "order")

    # actions
    def restore(self, query: Query) -> None:
        """Take up an address. What cannot be is clamped or left out, and ``notes`` says so."""
        self.notes = []
        changes: dict[str, Any] = {}
        for key, name in _KEYS.items():
            if key in query:
                self._read(key, name, query[key], changes)
        if "box" in query:
            self._read_box(query["box"], changes)
        if "at" in query:
            self._read_camera(query["at"], changes)
        # what says what the others may be comes first
        order = ["show", "domain", "max_degree", "degree", "num_components"]
        for name in sorted(changes, key=lambda name: order.index(name) if name in order else len(order)):
            self._set(name, changes[name])
        self._keep_legal()
        self._write_address()

    def _read(self, key: str, name: str, text: str, changes: dict[str, Any]) -> None:
        parameter = self.param[name]
        try:
            if isinstance(parameter, param.Selector):
                value = next(choice for choice in parameter.objects if _text(choice) == text)
            else:
                value = int(text)
        except (ValueError, StopIteration):
            self.notes.append(f"{key}={text[:20]} in the address is not a choice here")
            return
        changes[name] = value

    def _read_box(self, text: str, changes: dict[str, Any]) -> None:
        try:
            south, north, west, width = (float(part) for part in text.split(","))
            inside = -90 <= south < north <= 90 and -180 <= west <= 180 and 1 <= width <= 360
        except ValueError:
            inside = False
        if inside:
            changes.update(lat_range=(south, north), west=west, width=width)
        else:
            self.notes.append(f"box={text[:30]} in the address is not a box: south,north,west,width in degrees")

    def _read_camera(self, text: str, changes: dict[str, Any]) -> None:
        try:
            lat, lon, zoom = (float(part) for part in text.split(","))
            inside = -90 <= lat <= 90 and -180 <= lon <= 180 and 1 <= zoom <= 40
        except ValueError:
            inside = False
        if inside:
            changes["camera"] = (lat, lon, zoom)
        else:
            self.notes.append(f"at={text[:30]} in the address is not a view: degrees north, degrees east, zoom 1 … 40")

    def _set(self, name: str, value: Any) -> None:
        bounds = getattr(self.param[name], "bounds", None)
        if isinstance(value, int) and bounds:
            low, high = bounds if name != "max_degree" else (0, self.degree_limit)
            if not low <= value <= high:
                self.notes.append(f"{name.replace('_', ' ')} {value} was brought into {low} … {high}")
                value = min(max(value, low), high)
        setattr(self, name, value)

    def step(self, by: int) -> None:
        """The next function (or, by −1, the one before): orders within a degree, then the next degree; it wraps."""
        if self.show == COMPONENT:
            self.component = (self.component - 1 + by) % self.num_components + 1
            return
        index = (self.degree * self.degree + self.degree + self.order + by) % (self.max_degree + 1) ** 2
        degree = int(index**0.5)
        self.pick(degree, index - degree * degree - degree)

    def pick(self, degree: int, order: int) -> None:
        """Show the harmonic of this degree and order."""
        self.show = HARMONIC
        self.max_degree = max(self.max_degree, degree)
        # the order's bounds follow the degree's, so the order goes through zero
        self.order = 0
        self.degree = degree
        self.order = order


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
