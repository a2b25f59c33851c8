"""A configuration as a Python script that trains the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel

from engine.config.model import PRESETS, SpatioTemporalConfig
from engine.config.run_config import RunConfig
from engine.config.sst import SPLITS, SSTSettings
from engine.provenance import without_folders

_TAGS = ("task", "kind")  # the class says them


def as_python(config: RunConfig) -> str:
    """A Python script that trains a run of this configuration in the folder ``my-run``; defaults are left out.

    Data are named without their folder (:func:`engine.provenance.shared_path`).
    """
    settings = RunConfig.checked(without_folders(config.model_dump(mode="json"))).settings
    imports: dict[str, set[str]] = {"engine.config": {"RunConfig"}}
    for kind in {type(model) for model in _models(settings)}:
        imports.setdefault(kind.__module__, set()).add(kind.__name__)
    arguments = [f"    {text}," for text in _arguments(settings)]
    return "\n".join(
        [
            "from pathlib import Path",
            "",
            *(f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())),
            "from engine.training import fit",
            "",
            f"settings = {type(settings).__name__}(",
            *arguments,
            ")",
            "",
            'if __name__ == "__main__":',
            f'    fit(RunConfig(seed={config.seed}, settings=settings), Path("my-run"))',
            "",
        ]
    )


def _models(value: Any) -> Iterator[BaseModel]:
    """``value`` and what it holds, so far as these are written."""
    if isinstance(value, BaseModel):
        yield value
        for inner in _changed(value).values():
            yield from _models(inner)
    elif isinstance(value, dict):
        for inner in cast(dict[str, Any], value).values():
            yield from _models(inner)


def _changed(settings: BaseModel) -> dict[str, Any]:
    """The fields that differ from their defaults; the source, the model and the months of a training always."""
    always = ("source", "model", *SPLITS) if isinstance(settings, SSTSettings) else ()
    return {
        name: getattr(settings, name)
        for name, info in type(settings).model_fields.items()
        if name not in _TAGS and (name in always or getattr(settings, name) != info.default)
    }


def _arguments(settings: BaseModel) -> list[str]:
    return [f"{name}={_text(value)}" for name, value in _changed(settings).items()]


def _text(value: Any) -> str:
    if isinstance(value, SpatioTemporalConfig):
        return _preset_text(value)
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}({', '.join(_arguments(value))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_text(inner)}" for key, inner in cast(dict[str, Any], value).items()) + "}"
    return repr(value)


def _preset_text(model: SpatioTemporalConfig) -> str:
    """The model after the preset that it differs from in the fewest fields."""

    def changes(name: Any) -> dict[str, Any]:
        preset = SpatioTemporalConfig.preset(name)
        return {key: value for key, value in model if value != getattr(preset, key)}

    nearest = min(PRESETS, key=lambda name: len(changes(name)))
    arguments = "".join(f", {name}={value!r}" for name, value in changes(nearest).items())
    return f"SpatioTemporalConfig.preset({nearest!r}{arguments})"
