"""What a location encoder is: its formula, the numbers it takes and their legal ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from engine.config.encoders import Parameter
from engine.errors import ChoiceError


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A location encoder: the fixed map from a place to numbers.

    Attributes:
        title: what it is called on screen and in tables.
        formula: the equation, in one line.
        source: where it comes from.
        parameters: the numbers it takes, by name.
        function: ``(lat_deg (N,), lon_deg (N,), **parameters) -> (N, D)`` float64.
        width: D for parameters that are given completely; None where they do not determine it.
        is_periodic: whether the formula gives one code on both sides of the date line for all parameters.
        others: names of arguments of ``function`` that are no numbers, such as fitted weights.
        problem: a sentence where numbers that are legal alone do not go together, else empty.
    """

    title: str
    formula: str
    source: str
    function: Callable[..., Tensor]
    width: Callable[[Mapping[str, Any]], int] | None
    is_periodic: bool
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    others: tuple[str, ...] = ()
    problem: Callable[[Mapping[str, Any]], str] = lambda _: ""

    def completed(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` with the defaults for what is missing. Raises :class:`ChoiceError` for what cannot be."""
        where = f"encoder '{name}'"
        unknown = [key for key in values if key not in self.parameters and key not in self.others]
        if unknown:
            known = ", ".join((*self.parameters, *self.others)) or "none"
            raise ChoiceError(f"there is no parameter {unknown[0]!r}", where, f"it takes {known}")
        for key, parameter in self.parameters.items():
            if key in values:
                parameter.check(key, values[key], where)
        complete = {
            key: int(value) if parameter.is_whole else float(value)
            for key, parameter in self.parameters.items()
            for value in [values.get(key, parameter.default)]
        }
        complete |= {key: values[key] for key in self.others if key in values}
        if problem := self.problem(complete):
            raise ChoiceError(problem, where, "choose numbers that go together")
        return complete
