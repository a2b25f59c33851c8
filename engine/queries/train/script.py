"""Settings of a training as a Python script that does the same."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from engine.config.model import PRESETS, SpatioTemporalConfig
from engine.config.sst import SPLITS, SSTSettings


def as_python(settings: SSTSettings, seed: int = 0) -> str:
    """A Python script that trains with these settings in the folder ``my-run``; defaults are left out."""
    kind = type(settings.source).__name__
    source = f"{kind}({_arguments(settings.source)})"
    lines = [f"    source={source},", f"    model={_model_text(settings.model)},"]
    for name, info in SSTSettings.model_fields.items():
        value, default = getattr(settings, name), info.default
        if name not in ("task", "source", "model") and (value != default or name in SPLITS):
            lines.append(f"    {name}={value!r},")
    return "\n".join(
        [
            "from pathlib import Path",
            "",
            "from engine.config import RunConfig",
            "from engine.config.model import SpatioTemporalConfig",
            f"from engine.config.sst import {kind}, SSTSettings",
            "from engine.training import fit",
            "",
            "settings = SSTSettings(",
            *lines,
            ")",
            "",
            'if __name__ == "__main__":',
            f'    fit(RunConfig(seed={seed}, settings=settings), Path("my-run"))',
            "",
        ]
    )


def _arguments(source: BaseModel) -> str:
    """The fields that differ from their defaults, as arguments."""
    defaults = {name: info.default for name, info in type(source).model_fields.items()}
    return ", ".join(f"{name}={value!r}" for name, value in source if value != defaults[name])


def _model_text(model: SpatioTemporalConfig) -> str:
    """The model after the preset that it differs from in the fewest fields."""

    def changes(name: Any) -> dict[str, Any]:
        preset = SpatioTemporalConfig.preset(name)
        return {key: value for key, value in model if value != getattr(preset, key)}

    nearest = min(PRESETS, key=lambda name: len(changes(name)))
    arguments = "".join(f", {name}={value!r}" for name, value in changes(nearest).items())
    return f"SpatioTemporalConfig.preset({nearest!r}{arguments})"
