"""Settings as rows of the form, and the text of a row as a value of the settings."""

from __future__ import annotations

import json
import re
from typing import Any

from engine.config.model import PRESETS
from engine.config.sst import SPLITS
from engine.config.training_presets import TRAINING_PRESETS
from engine.queries.train import forms
from engine.queries.train.forms import FormField
from explorer.pages.train import text as texts
from explorer.pages.train.model import LEARNED, TrainModel, is_source

RUN, SEARCH, DATA, MODEL, TRAINING, HARDWARE, SETTINGS = (
    "Run", "Search", "Data", "Model", "Training", "Hardware", "Settings",
)  # fmt: skip
_GROUPS = (RUN, SEARCH, SETTINGS, MODEL, TRAINING, DATA, HARDWARE)
OPENED = [SEARCH, SETTINGS, MODEL]

_TRIAL = "trial."
_SPACE, _ADD = "space", "space+"

# values to suggest for fields with many legal ones; only those that are legal now are shown
_CANDIDATES: dict[str, tuple[Any, ...]] = {
    "model.patch": tuple([1, side, side] for side in (2, 3, 4, 5, 6, 8, 10)),
    "model.width": (16, 32, 48, 64, 96, 128, 192, 256),
    "model.heads": (1, 2, 4, 8, 16),
    "model.num_components": (8, 16, 32, 64, 96, 128, 256),
    "model.overlap": (0, 1, 2, 4),
    "window": tuple([size, size] for size in (30, 40, 45, 60, 80, 90)),
    "overlap": (0, 4, 8, 16),
    "basis_degree": (5, 10, 20, 40),
    "learning_rate": (3e-4, 1e-3, 2e-3, 5e-3),
    "batch": (1, 2, 4, 8),
    "num_components": (8, 16, 32, 64, 128, 256),
    "padding": (0, 1, 3, 5, 7, 15),
}

# the fields that a sweep may vary, with a default range
_DIMENSIONS = {
    "preset": "tiny, small",
    "basis_degree": "5 … 40",
    "model.num_components": "16, 64, 96",
    "model.patch": "1×2×2, 1×4×4",
    "model.encoder": "harmonic, sinusoidal, table, none",
    "model.width": "32, 64",
    "model.spatial_layers": "1 … 4",
    "model.heads": "2, 4",
    "model.overlap": "0 … 2",
    "model.dropout": "0.0 … 0.3",
    "learning_rate": "0.0003 … 0.003 log",
    "batch": "1, 2, 4",
    "seed": "0, 1, 2",
}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*(?:…|\.\.\.?|to)\s*({_NUMBER})\s*(log)?\s*")


def form_rows(model: TrainModel) -> list[dict[str, Any]]:
    """Every row of the form, by group, with the problems of each."""
    problems = model.problems()
    rows = [_row(RUN, "seed", "Seed", "seed of all random numbers", "whole", str(model.seed))]
    if model.learns:
        preset = forms.preset_of(model.training) or ""
        names = [*([] if preset else [("", "custom")]), *((name, name) for name in PRESETS)]
        rows.append(_choice(MODEL, "preset", "Preset", "a named model", preset, names))
        way = forms.training_of(model.training) or ""
        ways = [*([] if way else [("", "custom")]), *((name, texts.TRAININGS[name]) for name in TRAINING_PRESETS)]
        rows.append(_choice(TRAINING, "training", "Training preset", "settings that belong together", way, ways))
    for field in forms.form_fields(model.task):
        if field.name == _SPACE:
            rows += _space_rows(model, problems)
        elif len(field.choices) == 1 or (model.learns and is_source(field.name)):
            continue  # no choice: the task of a sweep's trials; or one that the source in the page's head makes
        elif field.only_if is None or forms.value_of(model.values, field.only_if[0]) in field.only_if[1]:
            rows.append(_field_row(model, field, _problem(problems, field.name)))
    return sorted(rows, key=lambda row: _GROUPS.index(row["group"]))


def _problem(problems: dict[str, str], name: str) -> str:
    """The problems of a field, or of an element such as ``window.0``."""
    return "; ".join(
        texts.with_labels(message)
        for field, message in problems.items()
        if field == name or field.startswith(f"{name}.")
    )


def _field_row(model: TrainModel, field: FormField, problem: str) -> dict[str, Any]:
    value = forms.value_of(model.values, field.name)
    if value is None and not field.is_optional:
        value = field.default  # the value of a field that the draft does not set
    group = _group(model.task, field.name)
    if field.kind == "choice":
        legal = forms.valid_values(model.values, field.name, field.choices)
        known = [(as_text(item), str(item), item in legal or item == value) for item in field.choices]
        if value not in field.choices and forms.valid_values(model.values, field.name, (value,)):
            # from a configuration's file: a level of quality, or an encoder of another package
            known.append((as_text(value), f"level {value}" if isinstance(value, int) else str(value), True))
        return _row(group, field.name, texts.label(field.name), _help(field), "choice", as_text(value), problem) | {
            "options": [{"text": text, "label": label, "is_legal": is_legal} for text, label, is_legal in known]
        }
    candidates = _CANDIDATES.get(field.name.removeprefix(_TRIAL), ())
    suggestions = (
        [as_text(item) for item in forms.valid_values(model.values, field.name, candidates)] if candidates else []
    )
    if problem and suggestions:
        problem = f"{problem}. Valid values: {'; '.join(suggestions)}"
    return _row(group, field.name, texts.label(field.name), _help(field), field.kind, as_text(value), problem) | {
        "suggestions": suggestions
    }


def _space_rows(model: TrainModel, problems: dict[str, str]) -> list[dict[str, Any]]:
    space = model.values.get(_SPACE)
    space = space if isinstance(space, dict) else {}
    help = "values with commas, or a range: 1 … 4, 0.001 … 0.1 log; empty: fixed"
    rows = [
        _row(SEARCH, f"{_SPACE}.{name}", texts.label(name), help, "text", dimension_text(dimension))
        for name, dimension in space.items()
    ]
    rest = [("", "add …"), *((name, texts.label(name)) for name in _DIMENSIONS if name not in space)]
    add = _choice(SEARCH, _ADD, "Vary", "a field to vary", "", rest)
    return [*rows, add | {"problem": _problem(problems, _SPACE)}]


def _row(group: str, name: str, label: str, help: str, kind: str, text: str, problem: str = "") -> dict[str, Any]:
    return {
        "group": group, "name": name, "label": label, "help": help, "kind": kind, "text": text, "problem": problem
    }  # fmt: skip


def _choice(group: str, name: str, label: str, help: str, text: str, options: list[tuple[str, str]]) -> dict[str, Any]:
    listed = [{"text": value, "label": shown, "is_legal": True} for value, shown in options]
    return _row(group, name, label, help, "choice", text) | {"options": listed}


def _group(task: str, name: str) -> str:
    if task not in LEARNED:
        return SETTINGS
    if task == "sweep" and not name.startswith(_TRIAL):
        return SEARCH
    name = name.removeprefix(_TRIAL)
    if name in (*SPLITS, "gap_days", "held_out_box"):
        return DATA
    if name.startswith("model.") or name in ("basis_degree", "window", "overlap", "months"):
        return MODEL
    return HARDWARE if name in ("precision", "accelerator", "devices", "nodes") else TRAINING


def _help(field: FormField) -> str:
    limits = {
        (True, True): f"{as_text(field.low)} … {as_text(field.high)}",
        (True, False): f"from {as_text(field.low)}",
        (False, True): f"up to {as_text(field.high)}",
    }.get((field.low is not None, field.high is not None), "")
    optional = "optional" if field.is_optional else ""
    named = f"written {field.name.removeprefix(_TRIAL)} in files"
    return "; ".join(part for part in (field.help, limits, optional, named) if part)


def as_text(value: Any) -> str:
    """The text of a value: lists with commas, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, bool):
        return json.dumps(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def from_text(field: FormField, text: str) -> Any:
    """The value of a row's text; an invalid one stays text, for the checks to report."""
    text = text.strip()
    if not text and field.is_optional:
        return None
    if field.kind == "switch":
        return text == "true"
    if field.kind == "choice":
        return next((item for item in field.choices if as_text(item) == text), _number(text))
    if field.kind == "list":
        return [_number(part.strip()) for part in text.split(",") if part.strip()]
    return _number(text) if field.kind in ("whole", "number") else text


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def dimension_text(dimension: Any) -> str:
    """The text of a dimension of a sweep: ``16, 32`` or ``0.001 … 0.1 log``."""
    if not isinstance(dimension, dict):
        return str(dimension)
    if dimension.get("kind") == "range":
        ends = [dimension.get(end) for end in ("low", "high")]
        shown = [str(int(end)) if dimension.get("whole") else f"{end!r}" for end in ends if end is not None]
        return " … ".join(shown) + (" log" if dimension.get("log") else "")
    values = dimension.get("values")
    values = values if isinstance(values, list) else []
    return ", ".join("×".join(map(str, item)) if isinstance(item, list) else as_text(item) for item in values)


def dimension_of(text: str) -> dict[str, Any] | None:
    """The inverse of :func:`dimension_text`; None for nothing."""
    if not text.strip():
        return None
    if match := _RANGE.fullmatch(text):
        low, high = _number(match[1]), _number(match[2])
        whole = isinstance(low, int) and isinstance(high, int)
        return {"kind": "range", "low": low, "high": high, "log": bool(match[3]), "whole": whole}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return {"kind": "choices", "values": [_value(part) for part in parts]}


def _value(text: str) -> Any:
    if "×" in text:
        return [_number(part) for part in text.split("×")]
    return {"true": True, "false": False}.get(text, _number(text))


def change(model: TrainModel, name: str, text: str) -> None:
    """Set the field of the row ``name`` from its text."""
    if name == "preset" and text in PRESETS:
        model.set_preset(text)
    elif name == "training" and text in TRAINING_PRESETS:
        model.set_training_preset(text)
    elif name == "seed":
        seed = _number(text)
        low, high = model.param.seed.bounds
        model.seed = min(max(seed, low), high) if isinstance(seed, int) else model.seed
    elif name == _ADD or name.startswith(f"{_SPACE}."):
        _change_space(model, name, text)
    else:
        field = next((field for field in forms.form_fields(model.task) if field.name == name), None)
        if field is not None:
            model.set_field(name, from_text(field, text))


def _change_space(model: TrainModel, name: str, text: str) -> None:
    space = dict(model.values.get(_SPACE) or {})
    if name == _ADD:
        if text in _DIMENSIONS:
            space[text] = dimension_of(_DIMENSIONS[text])
    else:
        dimension = dimension_of(text)
        dimensions = {**space, name.removeprefix(f"{_SPACE}."): dimension}
        space = {key: value for key, value in dimensions.items() if value is not None}
    model.set_field(_SPACE, space)
