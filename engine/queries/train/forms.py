"""A configuration as a form: its fields, their valid values, and the errors of each.

The fields come from the pydantic models of :mod:`engine.config`, so that form and run agree. The name of a field is its
path in ``settings``: ``model.width``; a configuration under edit is plain JSON values.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config.model import PRESETS, Preset, SpatioTemporalConfig
from engine.config.run_config import RunConfig, Settings, is_model
from engine.config.sst import SPLITS
from engine.config.training_presets import TRAINING_PRESETS, TrainingPreset, training_preset
from engine.errors import ConfigError

Kind = Literal["choice", "switch", "whole", "number", "text", "list"]
Values = dict[str, Any]
"""The settings under edit as JSON values, possibly invalid."""

_MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["task"].annotation)[0]: model for model in get_args(Settings)
}


@dataclass(frozen=True)
class FormField:
    """A field: ``low`` and ``high`` are its limits, ``choices`` its values where they are an enumeration.

    ``list`` is a list of integers or floats. ``only_if`` names another field and the values of it for which this field
    exists. ``default`` is the value where the settings do not have the field; None also where they must have it.
    """

    name: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    is_optional: bool = False
    only_if: tuple[str, tuple[Any, ...]] | None = None
    default: Any = None


def form_fields(task: str) -> tuple[FormField, ...]:
    """All fields of a task's settings, in their order in the file.

    Raises:
        ConfigError: there is no such task.
    """
    if task not in _MODELS:
        raise ConfigError([f"task: there is no {task!r}"], "the form", f"choose {', '.join(_MODELS)}")
    return tuple(field for field in _fields(_MODELS[task], "") if field.name != "task")


def with_value(values: Values, name: str, value: Any) -> Values:
    """A copy of ``values`` with one field changed."""
    changed = copy.deepcopy(values)
    *outer, last = name.split(".")
    level = changed
    for key in outer:
        level = level.setdefault(key, {})
    level[last] = value
    return changed


def value_of(values: Values, name: str) -> Any:
    """One field of ``values``; None where it does not exist."""
    level: Any = values
    for key in name.split("."):
        if not isinstance(level, dict):
            return None
        level = cast("dict[str, Any]", level).get(key)
    return level


def with_preset(values: Values, preset: Preset) -> Values:
    """``values`` with the model of a preset."""
    return {**copy.deepcopy(values), "model": SpatioTemporalConfig.preset(preset).model_dump(mode="json")}


def preset_of(values: Values) -> Preset | None:
    """The preset equal to the model of ``values``, None when it was changed."""
    return next((name for name in PRESETS if with_preset({}, name)["model"] == values.get("model")), None)


def with_training(values: Values, name: TrainingPreset) -> Values:
    """``values`` trained as a preset says; of a source whose truth is not known, its clouds stay as they are."""
    return {**copy.deepcopy(values), **training_preset(name, is_truth_known=value_of(values, "source.kind") == "demo")}


def training_of(values: Values) -> TrainingPreset | None:
    """The training preset of ``values``, None when a setting of it was changed."""
    return next((name for name in TRAINING_PRESETS if with_training(values, name) == values), None)


def checked_config(values: Values, seed: int = 0) -> RunConfig:
    """The configuration of ``values``.

    Raises:
        ConfigError: with all problems; see :func:`problems_by_field`.
    """
    return RunConfig.checked({"version": 1, "seed": seed, "settings": values}, "the form")


def problems_by_field(error: ConfigError) -> dict[str, str]:
    """The problems of a configuration by field; those of no field of the settings under ""."""
    problems: dict[str, str] = {}
    for problem in error.problems:
        name, separator, text = problem.partition(": ")
        field = name.removeprefix("settings.") if separator and name.startswith("settings.") else ""
        problems[field] = f"{problems[field]}; {text}" if field in problems else (text or problem)
    return problems


def valid_values(values: Values, name: str, candidates: Iterable[Any]) -> tuple[Any, ...]:
    """The ``candidates`` that are valid for a field with the present values of the others.

    Errors that other fields already have are ignored.
    """
    present = _invalid_fields(values) - {name}
    return tuple(value for value in candidates if _invalid_fields(with_value(values, name, value)) <= present)


def _invalid_fields(values: Values) -> set[str]:
    try:
        checked_config(values)
    except ConfigError as error:
        return {field.split(".0")[0] for field in problems_by_field(error)}
    return set()


@dataclass(frozen=True)
class Comparison:
    """Configurations side by side: ``rows`` of (field, values), the ``num_differing`` rows that differ first.

    ``on_other_data``: their data differ, so that their scores cannot be compared.
    """

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    num_differing: int
    on_other_data: bool


_DATA = ("task", "source", *SPLITS, "held_out_box")


def compare_configs(configs: Sequence[RunConfig]) -> Comparison:
    """Several configurations, field by field."""
    flat = [dict(_flat({"seed": config.seed, **config.settings.model_dump(mode="json")}, "")) for config in configs]
    names = list(dict.fromkeys(name for values in flat for name in values))
    rows = [(name, tuple(_text(values.get(name)) for values in flat)) for name in names]
    differing = [row for row in rows if len(set(row[1])) > 1]
    same = [row for row in rows if len(set(row[1])) == 1]
    on_other_data = any(name.split(".")[0] in _DATA for name, _ in differing)
    return Comparison((*differing, *same), len(differing), on_other_data)


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fields(
    model: type[BaseModel], prefix: str, only_if: tuple[str, tuple[Any, ...]] | None = None
) -> Iterator[FormField]:
    for name, info in model.model_fields.items():
        kinds = [kind for kind in _alternatives(info.annotation) if is_model(kind)]
        if isinstance(info.discriminator, str):
            tag = f"{prefix}{name}.{info.discriminator}"
            tags = tuple(get_args(kind.model_fields[info.discriminator].annotation)[0] for kind in kinds)
            yield FormField(tag, "choice", info.description or "", choices=tags, only_if=only_if)
            for value, kind in zip(tags, kinds, strict=True):
                for field in _fields(kind, f"{prefix}{name}.", (tag, (value,))):
                    if field.name != tag:
                        yield field
        elif kinds:
            yield from _fields(kinds[0], f"{prefix}{name}.", only_if)
        else:
            yield _field(prefix + name, info, _condition(prefix, info) or only_if)


def _condition(prefix: str, info: FieldInfo) -> tuple[str, tuple[Any, ...]] | None:
    """The field of the outer settings, and its values, for which an option exists, where its own description says."""
    extra = info.json_schema_extra
    if not isinstance(extra, dict) or "only_if" not in extra:
        return None
    outer = prefix.removesuffix(".").rpartition(".")[0]
    ((name, values),) = cast("dict[str, list[Any]]", extra["only_if"]).items()
    return f"{outer}.{name}" if outer else name, tuple(values)


def _field(name: str, info: FieldInfo, only_if: tuple[str, tuple[Any, ...]] | None) -> FormField:
    kinds = [kind for kind in _alternatives(info.annotation) if kind is not NoneType]
    low, high = _limits(info.metadata)
    kind, choices = _kind(kinds[0])
    is_optional = NoneType in _alternatives(info.annotation)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return FormField(name, kind, info.description or "", low, high, choices, is_optional, only_if, default)


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (tuple, list, dict):
        return "list", ()
    plain: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number"}
    return plain.get(annotation, "text"), ()


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _limits(metadata: Iterable[Any]) -> tuple[float | None, float | None]:
    """The limits of a field; exclusive limits are returned as inclusive ones."""
    low = high = None
    for limit in metadata:
        if isinstance(limit, Ge | Gt):
            low = float(cast(Any, limit.ge if isinstance(limit, Ge) else limit.gt))
        elif isinstance(limit, Le | Lt):
            high = float(cast(Any, limit.le if isinstance(limit, Le) else limit.lt))
    return low, high
