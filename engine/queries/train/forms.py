"""A configuration as a form: which fields there are, what each may be given the others, and what is wrong with them.

Everything is read from the pydantic models of :mod:`engine.runs`, so that the form cannot differ from what a run takes.
A field is named by its path in ``settings``: ``model.width``; a configuration under edit is plain JSON values.
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
from engine.config.run_config import RunConfig, Settings
from engine.errors import ConfigError

Kind = Literal["choice", "switch", "whole", "number", "text", "list"]
Values = dict[str, Any]
"""The settings under edit as JSON has them, possibly not legal at this moment."""

_MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["task"].annotation)[0]: model for model in get_args(Settings)
}


@dataclass(frozen=True)
class FormField:
    """One field: ``low`` and ``high`` are its own limits, ``choices`` its values where they are few.

    A choice may take other values too, which its checks know. ``list`` is a fixed or free number of whole or broken
    numbers. ``only_if`` names another field and the value it must have for this one to exist. ``default`` is what holds
    where the settings do not name the field; None where they must, too.
    """

    name: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    is_optional: bool = False
    only_if: tuple[str, Any] | None = None
    default: Any = None


def form_fields(task: str) -> tuple[FormField, ...]:
    """All fields of a task's settings, in their order in the file.

    Raises:
        ConfigError: there is no such task.
    """
    if task not in _MODELS:
        raise ConfigError([f"task: there is no {task!r}"], "the form", f"choose {', '.join(_MODELS)}")
    return tuple(field for field in _fields(_MODELS[task], "") if field.name != "task")


def defaults(task: str) -> Values:
    """The settings of a task when nothing has been chosen; those of its demo where some have no default."""
    form_fields(task)
    model = _MODELS[task]
    is_whole = not any(field.is_required() for field in model.model_fields.values())
    return (model() if is_whole else RunConfig.demo(task).settings).model_dump(mode="json")


def put(values: Values, name: str, value: Any) -> Values:
    """A copy of ``values`` with one field changed."""
    changed = copy.deepcopy(values)
    *outer, last = name.split(".")
    place = changed
    for step in outer:
        place = place.setdefault(step, {})
    place[last] = value
    return changed


def pick(values: Values, name: str) -> Any:
    """One field of ``values``; None where it does not exist."""
    place: Any = values
    for step in name.split("."):
        if not isinstance(place, dict):
            return None
        place = cast("dict[str, Any]", place).get(step)
    return place


def with_preset(values: Values, preset: Preset) -> Values:
    """``values`` with the model of a preset: ``tiny``, ``small``, ``published`` or ``large``."""
    return {**copy.deepcopy(values), "model": SpatioTemporalConfig.preset(preset).model_dump(mode="json")}


def preset_of(values: Values) -> Preset | None:
    """The preset that the model of ``values`` is, None when it was changed."""
    return next((name for name in PRESETS if with_preset({}, name)["model"] == values.get("model")), None)


def checked_config(values: Values, seed: int = 0) -> RunConfig:
    """The configuration that ``values`` make.

    Raises:
        ConfigError: with every problem at once; :func:`problems_by_field` sorts them.
    """
    return RunConfig.checked({"version": 1, "seed": seed, "settings": values}, "the form")


def problems_by_field(error: ConfigError) -> dict[str, str]:
    """The problems of a configuration by field; what belongs to no field of the settings under ""."""
    found: dict[str, str] = {}
    for problem in error.problems:
        name, separator, text = problem.partition(": ")
        field = name.removeprefix("settings.") if separator and name.startswith("settings.") else ""
        found[field] = f"{found[field]}; {text}" if field in found else (text or problem)
    return found


def legal(values: Values, name: str, candidates: Iterable[Any]) -> tuple[Any, ...]:
    """Those of ``candidates`` that the field may be while all others stay as they are.

    What is wrong elsewhere already does not count against a candidate.
    """
    already = _wrong(values) - {name}
    return tuple(value for value in candidates if _wrong(put(values, name, value)) <= already)


def _wrong(values: Values) -> set[str]:
    try:
        checked_config(values)
    except ConfigError as error:
        return {field.split(".0")[0] for field in problems_by_field(error)}
    return set()


@dataclass(frozen=True)
class Comparison:
    """Configurations side by side: ``rows`` of (field, values), those that differ first (``num_differing`` of them).

    ``on_other_data``: they do not learn from the same data, so that scores cannot be compared.
    """

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    num_differing: int
    on_other_data: bool


_DATA = ("task", "source", "climatology_years", "train_years", "validation_years", "test_years", "held_out_box")


def compare_configs(configs: Sequence[RunConfig]) -> Comparison:
    """Several configurations, field by field."""
    flat = [dict(_flat({"seed": config.seed, **config.settings.model_dump(mode="json")}, "")) for config in configs]
    names = list(dict.fromkeys(name for values in flat for name in values))
    rows = [(name, tuple(_shown(values.get(name)) for values in flat)) for name in names]
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


def _shown(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def config_snippet(config: RunConfig) -> str:
    """Python that trains exactly this run, from an empty folder."""
    text = json.dumps(config.model_dump(mode="json"), indent=4, ensure_ascii=False)
    return (
        "import json\n"
        "from pathlib import Path\n\n"
        "from engine.runs import RunConfig\n"
        "from engine.training import fit\n\n"
        "settings = json.loads(r'''" + text + "''')\n"
        'fit(RunConfig.checked(settings), Path("my-run"))\n'
    )


def _fields(model: type[BaseModel], prefix: str, only_if: tuple[str, Any] | None = None) -> Iterator[FormField]:
    for name, info in model.model_fields.items():
        kinds = [kind for kind in _alternatives(info.annotation) if _is_model(kind)]
        if isinstance(info.discriminator, str):
            tag = f"{prefix}{name}.{info.discriminator}"
            tags = tuple(get_args(kind.model_fields[info.discriminator].annotation)[0] for kind in kinds)
            yield FormField(tag, "choice", info.description or "", choices=tags, only_if=only_if)
            for value, kind in zip(tags, kinds, strict=True):
                for field in _fields(kind, f"{prefix}{name}.", (tag, value)):
                    if field.name != tag:
                        yield field
        elif kinds:
            yield from _fields(kinds[0], f"{prefix}{name}.", only_if)
        else:
            yield _field(prefix + name, info, only_if)


def _field(name: str, info: FieldInfo, only_if: tuple[str, Any] | None) -> FormField:
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


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _limits(metadata: Iterable[Any]) -> tuple[float | None, float | None]:
    """The limits as the field has them; ends that do not belong to the range count as its ends."""
    low = high = None
    for limit in metadata:
        if isinstance(limit, Ge | Gt):
            low = float(cast(Any, limit.ge if isinstance(limit, Ge) else limit.gt))
        elif isinstance(limit, Le | Lt):
            high = float(cast(Any, limit.le if isinstance(limit, Le) else limit.lt))
    return low, high
