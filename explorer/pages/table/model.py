"""The Learned table page's view-model: field, table, training and map. Plain values only."""

from __future__ import annotations

from typing import ClassVar

import param

from engine.queries.table import PLACES
from engine.runs import RunConfig, TableSettings
from explorer.page_model import PageModel, address_keys

FORCE, SMOOTH, AUGUST = "force", "smooth", "august"
SYNTHETIC = (FORCE, SMOOTH)
TRUE, LEARNED, BOTH = "true", "learned", "both"
ITERATIONS = (30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
RATES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
TOPOLOGIES = ("sphere", "torus", "clamp")
PANELS = ("fields", "loss", "edges")
MAX_PADDING = 15

# seconds on two cores: start of a run's process, fixed cost of a step, cost per cell and column of the kernel
_START_S, _STEP_S, _CELL_S = 3.0, 2e-3, 6e-8


class TableModel(PageModel):
    """State, clamped so that a run accepts its settings."""

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "target W=width H=height pad=padding topology sample=sample_percent steps=iterations rate=learning_rate "
        "show part=component panel place map=projection"
    )
    FIRST: ClassVar[tuple[str, ...]] = ("width", "height")

    # state
    target = param.Selector(default=FORCE, objects=[FORCE, SMOOTH, AUGUST], doc="field to learn")
    width = param.Integer(default=63, bounds=(1, 720), doc="columns of the table, W")
    height = param.Integer(default=32, bounds=(1, 360), doc="rows of the table, H")
    padding = param.Integer(default=7, bounds=(0, MAX_PADDING), doc="neighbours read on every side of a cell")
    topology = param.Selector(default="sphere", objects=list(TOPOLOGIES))
    sample_percent = param.Integer(default=50, bounds=(1, 99), doc="training fraction of the points, %")
    iterations = param.Selector(default=300, objects=list(ITERATIONS))
    learning_rate = param.Selector(default=0.005, objects=list(RATES))
    show = param.Selector(default=BOTH, objects=[BOTH, TRUE, LEARNED], doc="fields on the globe")
    component = param.Selector(default="u", objects=["u", "v"], doc="component of a synthetic field")
    panel = param.Selector(default="fields", objects=list(PANELS))
    place = param.Selector(default=next(iter(PLACES)), objects=list(PLACES), doc="place of the close-ups")

    # capabilities
    @property
    def padding_limit(self) -> int:
        """The largest padding of the table."""
        return min(MAX_PADDING, self.width, self.height)

    def is_enabled(self, name: str) -> bool:
        """A temperature has no components."""
        return name != "component" or self.target in SYNTHETIC

    # derived
    @property
    def settings(self) -> TableSettings:
        """The settings of a run."""
        return self.settings_with(self.topology)

    @property
    def compared(self) -> tuple[str, ...]:
        """The fields whose topologies are compared: of the synthetic ones both, for each favours another."""
        return SYNTHETIC if self.target in SYNTHETIC else (self.target,)

    def settings_with(self, topology: str, target: str | None = None) -> TableSettings:
        """The same with another topology, and another field."""
        return TableSettings.model_validate(
            {
                "target": target or self.target,
                "width": self.width,
                "height": self.height,
                "padding": self.padding,
                "topology": topology,
                "sample_fraction": self.sample_percent / 100,
                "iterations": self.iterations,
                "learning_rate": self.learning_rate,
            }
        )

    @property
    def config(self) -> RunConfig:
        """The file that ``harmonia train`` takes."""
        return RunConfig(settings=self.settings)

    @property
    def variable(self) -> str:
        """Name of the variable on the globe."""
        return self.component if self.target in SYNTHETIC else "value"

    @property
    def seconds(self) -> float:
        """Estimated duration of a run on two cores, s."""
        step = _STEP_S + _CELL_S * self.width * self.height * (2 * self.padding + 1)
        return _START_S + self.iterations * step

    def clamp(self) -> None:
        """The padding is at most the size of the table."""
        self.bound("padding", 0, self.padding_limit)
