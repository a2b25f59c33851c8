"""Settings of the task ``sweep``: hyperparameter search over trainings of the task ``sst``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from engine.config.fields import Checked
from engine.config.model import PRESETS, SpatioTemporalConfig
from engine.config.sst import SSTSettings

SEED, PRESET = "seed", "preset"
"""Dimensions beside the fields of the settings: the run's seed, and the model's preset."""

Value = str | bool | int | float | tuple[int, ...] | None


class Choices(Checked):
    """A choice among values."""

    kind: Literal["choices"] = "choices"
    values: tuple[Value, ...] = Field(min_length=1, max_length=64, description="values to choose from")


class Range(Checked):
    """A number in an interval."""

    kind: Literal["range"] = "range"
    low: float = Field(description="smallest value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="sample on a logarithmic scale")
    whole: bool = Field(default=False, description="whole numbers only")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be smaller than high")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range must lie above 0")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise ValueError("a range of whole numbers must begin and end with one")
        return self


Dimension = Annotated[Choices | Range, Field(discriminator="kind", description="values of a trial")]


class SweepSettings(Checked):
    """Search for the best settings of the task ``sst``: each trial is a run."""

    task: Literal["sweep"] = "sweep"
    trial: SSTSettings = Field(default=SSTSettings(), description="settings common to all trials")
    space: dict[str, Dimension] = Field(
        max_length=32, description="search space by field (model.width, …), 'preset' of the model, or 'seed' of the run"
    )
    trials: int = Field(default=20, ge=1, le=10_000, description="number of trials, pruned and failed ones included")
    parallel: int = Field(default=1, ge=1, le=64, description="trials at the same time, limited by the slots")
    sampler: Literal["tpe", "random", "grid"] = Field(
        default="tpe",
        description="sampler of the next trial; 'grid' takes every combination once, in a space of choices only",
    )
    pruner: Literal["asha", "hyperband", "none"] = Field(default="asha", description="rule that stops poor trials")

    @field_validator("space")
    @classmethod
    def _has_fields(cls, value: dict[str, Dimension], info: ValidationInfo) -> dict[str, Dimension]:
        if not value:
            raise PydanticCustomError("empty", "the search space is empty; choose at least one field")
        trial: SSTSettings | None = info.data.get("trial")
        unknown = [name for name in value if not _is_field(name)]
        if unknown:
            raise ValueError(f"there is no field {', '.join(map(repr, unknown))}")
        if trial is not None:
            for name, dimension in value.items():
                _refuse_impossible(trial, name, dimension)
        return value

    @field_validator("sampler")
    @classmethod
    def _has_combinations(cls, value: str, info: ValidationInfo) -> str:
        space: dict[str, Dimension] | None = info.data.get("space")
        trials: int | None = info.data.get("trials")
        if value == "grid" and space is not None and trials is not None:
            if not all(isinstance(dimension, Choices) for dimension in space.values()):
                raise ValueError("'grid' needs choices in every dimension; replace the ranges by values")
            if trials > (most := len(combinations(space))):
                raise ValueError(f"the grid has {most} combinations; choose trials ≤ {most}")
        return value

    def settings_of(self, chosen: Mapping[str, Value]) -> SSTSettings:
        """The settings of a trial that chose ``chosen``. Raises pydantic's ``ValidationError`` where they clash."""
        return _changed(self.trial, chosen)


def combinations(space: Mapping[str, Dimension]) -> list[dict[str, Value]]:
    """Every combination of the values of choices, the last dimension changing first."""
    values = [dimension.values if isinstance(dimension, Choices) else () for dimension in space.values()]
    return [dict(zip(space, each, strict=True)) for each in itertools.product(*values)]


def _changed(trial: SSTSettings, chosen: Mapping[str, Value]) -> SSTSettings:
    values = trial.model_dump(mode="json")
    if (preset := chosen.get(PRESET)) is not None:
        model = SpatioTemporalConfig.preset(preset)  # pyright: ignore[reportArgumentType] (checked with the space)
        values["model"] = model.model_dump(mode="json")
    for name, value in chosen.items():
        if name not in (SEED, PRESET):
            *outer, last = name.split(".")
            target = values
            for step in outer:
                target = target[step]
            target[last] = value
    return SSTSettings.model_validate_json(json.dumps(values))


def _refuse_impossible(trial: SSTSettings, name: str, dimension: Choices | Range) -> None:
    """Refuse a value that is invalid whatever the other choices: of the wrong type or beyond the field's limits."""
    if name == PRESET:
        values = dimension.values if isinstance(dimension, Choices) else ()
        if not values or any(value not in PRESETS for value in values):
            raise ValueError(f"{name}: choose among {', '.join(PRESETS)}")
    elif name == SEED:
        ends = dimension.values if isinstance(dimension, Choices) else (int(dimension.low), int(dimension.high))
        is_whole = isinstance(dimension, Choices) or dimension.whole
        if not is_whole or any(not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 for seed in ends):
            raise ValueError(f"{name}: seeds are whole numbers from 0")
    else:
        ends = dimension.values if isinstance(dimension, Choices) else _ends(dimension)
        for value in ends:
            try:
                _changed(trial, {name: value})
            except ValidationError as error:
                problems = [problem for problem in error.errors() if problem["type"] != "value_error"]
                if problems:  # a value_error concerns two fields: another choice of the second may be valid
                    raise ValueError(f"{name}: {problems[0]['msg']} (it is {json.dumps(value)})") from error


def _ends(dimension: Range) -> tuple[Value, Value]:
    if dimension.whole:
        return int(dimension.low), int(dimension.high)
    return dimension.low, dimension.high


def _is_field(name: str) -> bool:
    if name in (SEED, PRESET):
        return True
    model: type[BaseModel] | None = SSTSettings
    for step, is_last in zip(name.split("."), itertools.chain([False] * name.count("."), [True]), strict=True):
        if model is None or step not in model.model_fields or (is_last and step in ("task", "source", "model")):
            return False
        kind: Any = model.model_fields[step].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return True
