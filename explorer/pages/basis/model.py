"""The Basis page's view-model: the function on the globe, its basis, and their limits. Plain values only."""

from __future__ import annotations

from typing import ClassVar

import param

from engine.queries.basis import MAX_DEGREE, MAX_FIT_DEGREE, MAX_RUN_DEGREE, BasisConfig
from explorer.page_model import DomainModel, address_keys

HARMONIC, COMPONENT = "harmonic", "component"
STEPS = (2.0, 1.0, 0.5, 0.25)
PANELS = ("pyramid", "profile", "spectrum", "passport")


class BasisModel(DomainModel):
    """State, clamped so that every choice can be drawn."""

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "show L=max_degree l=degree m=order K=num_components k=component domain step=step_deg panel map=projection"
    )
    FIRST: ClassVar[tuple[str, ...]] = ("show", "domain", "max_degree", "degree", "num_components")

    # state
    show = param.Selector(default=HARMONIC, objects=[HARMONIC, COMPONENT])
    max_degree = param.Integer(default=10, bounds=(0, MAX_DEGREE), doc="L")
    degree = param.Integer(default=6, bounds=(0, 10), doc="l")
    order = param.Integer(default=3, bounds=(-6, 6), doc="m")
    num_components = param.Integer(default=64, bounds=(1, 120), doc="K")
    component = param.Integer(default=1, bounds=(1, 64), doc="k, from 1")
    step_deg = param.Selector(default=1.0, objects=list(STEPS), doc="step of the fit's grid, degrees")
    panel = param.Selector(default="pyramid", objects=list(PANELS))
    pyramid_degree = param.Integer(default=8, bounds=(1, 16), doc="highest degree of the tiles of all harmonics")
    follow = param.Boolean(default=True, doc="turn the globe to where a new component is largest")

    # capabilities
    @property
    def degree_limit(self) -> int:
        """The highest degree for the current choices."""
        if self.show == HARMONIC:
            return MAX_DEGREE
        # the whole sphere needs no fit: its components are the harmonics
        return MAX_FIT_DEGREE if self.domain == "sphere" else MAX_RUN_DEGREE

    @property
    def degree_least(self) -> int:
        """The lowest L: the constant alone has no component."""
        return 0 if self.show == HARMONIC else 1

    @property
    def component_limit(self) -> int:
        """The largest K: every non-constant harmonic, (L+1)² − 1."""
        return (self.max_degree + 1) ** 2 - 1

    @property
    def panels(self) -> tuple[str, ...]:
        """The enabled tabs: a single harmonic has no spectrum."""
        return PANELS[:2] if self.show == HARMONIC else PANELS

    def limits(self, name: str) -> tuple[int, int]:
        """An address may set L to any degree, whatever L was before; a component needs L ≥ 1."""
        return (self.degree_least, self.degree_limit) if name == "max_degree" else super().limits(name)

    def is_enabled(self, name: str) -> bool:
        """A harmonic has no basis, and a component no degree and order."""
        if self.show == HARMONIC:
            return name not in ("component", "num_components", "domain", "step_deg")
        return name not in ("degree", "order")

    # derived
    @property
    def config(self) -> BasisConfig:
        """The basis of the components."""
        return BasisConfig(self.max_degree, self.num_components, self.chosen_domain, self.step_deg)

    def clamp(self) -> None:
        """Degree ≤ L, order ≤ degree, K ≤ (L+1)² − 1, component ≤ K."""
        super().clamp()
        self.bound("max_degree", self.degree_least, self.degree_limit)
        self.bound("degree", 0, self.max_degree)
        self.bound("order", -self.degree, self.degree)
        self.bound("num_components", 1, max(1, self.component_limit))
        self.bound("component", 1, self.num_components)
        if self.panel not in self.panels:
            self.panel = self.panels[0]

    # actions
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
