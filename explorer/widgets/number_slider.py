"""A number of a view-model as a slider and a field to type in, within the limits of the moment."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import param
from typing_extensions import TypedDict

from explorer.widgets.component import Component, code_beside
from explorer.widgets.requests import Serial


class Choice(TypedDict):
    """What was chosen; not a number where the field holds none."""

    value: float
    serial: Serial


class NumberSlider(Component):
    """Shows and sets one number of a parameterized object; its limits follow the parameter's ``bounds``.

    What the person chooses goes to the server as it is, since the limits may have changed on the way; here it is
    clamped to the bounds of that moment, and ``state`` answers with what was taken. The browser drops answers to
    earlier choices than its last one, and says in a sentence when a typed number was changed.

    Where the person's choice is set, and before the server hears of it, the element raises the DOM event
    ``harmonia:control`` (bubbling, composed; ``detail`` = control, value).
    """

    control = param.String(doc="name of the parameter, as the event tells it")
    label = param.String(doc="what the number is; the name of slider and field")
    step = param.Number(default=1.0, doc="distance of two values of the slider")
    is_whole = param.Boolean(default=True, doc="whether only whole numbers can be chosen")
    decimals = param.Integer(default=0, doc="decimals that are shown at least")
    state = param.Dict(default={}, doc="to the browser: value, low, high, and serial of the last choice they answer")
    choice = param.Dict(default={}, doc="set by the browser: value, serial")

    immediate: ClassVar[tuple[str, ...]] = ("choice",)
    from_browser: ClassVar[dict[str, Any]] = {"choice": Choice}

    _esm = code_beside(__file__)

    def __init__(
        self, parameter: param.Parameter, label: str, step: float = 1.0, format: str = "0", **params: Any
    ) -> None:
        """Of ``parameter``, a number of its owner; ``format`` ("0.00") gives the minimum number of decimals."""
        self._model: Any = parameter.owner
        is_whole = isinstance(parameter, param.Integer) or float(step).is_integer()
        super().__init__(
            control=parameter.name,
            label=label,
            step=step,
            is_whole=is_whole,
            decimals=len(format.partition(".")[2]),
            **params,
        )
        self._show()
        for attribute in ("value", "bounds"):
            self._model.param.watch(self._show, self.control, what=attribute)
        self.param.watch(lambda event: self._take(event.new), "choice")

    def _limits(self) -> tuple[float, float]:
        return self._model.param[self.control].bounds

    def _show(self, *_: object) -> None:
        low, high = self._limits()
        value = getattr(self._model, self.control)
        self.state = {"value": value, "low": low, "high": high, "serial": self.choice.get("serial", 0)}

    def _take(self, choice: dict[str, Any]) -> None:
        """Set the chosen number, clamped; the answer leaves also when nothing changed."""
        low, high = self._limits()
        value = choice["value"]
        try:
            if math.isfinite(value):
                is_integer = isinstance(self._model.param[self.control], param.Integer)
                value = min(max(round(value) if self.is_whole else value, low), high)
                setattr(self._model, self.control, int(value) if is_integer else float(value))
        finally:
            self._show()
