"""The configuration of a run: one JSON file, validated before the run starts.

``{"version": 1, "seed": 0, "settings": {"task": "land", "step_deg": 0.02, ...}}``: ``settings.task`` names the task and
determines the other settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, cast, get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from engine.config.centres import CentresSettings
from engine.config.expert import ExpertSettings
from engine.config.fields import Box, Checked, checked_box, whole_rows
from engine.config.legacy import current_keys
from engine.config.mae import MAESettings
from engine.config.model import SpatioTemporalConfig
from engine.config.probe import ProbeSettings
from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import DemoSource, SSTSettings
from engine.config.sweep import Choices, Range, SweepSettings
from engine.errors import ConfigError

VERSION = 1
"""Version of the configuration file; a newer one is refused."""

_MAX_BYTES = 1_000_000
_SHOWN = 60  # maximum length of a wrong value in a message


class LandSettings(Checked):
    """Draw the land mask of a fine global grid from the coastline, band of rows by band of rows."""

    task: Literal["land"] = "land"
    step_deg: float = Field(default=0.02, ge=0.02, le=10.0, description="cell size in degrees; divides 180")
    rows_per_band: int = Field(default=20, ge=1, le=9000, description="rows between two checkpoints")
    resolution: Literal["50m", "110m"] = Field(default="50m", description="coastline: 1:50 million or 1:110 million")

    _step = field_validator("step_deg")(whole_rows)


class BasisSettings(Checked):
    """Fit a harmonic basis: area-weighted PCA of the spherical harmonics over part of the sphere."""

    task: Literal["basis"] = "basis"
    step_deg: float = Field(default=0.25, ge=0.05, le=10.0, description="cell size of the grid in degrees; divides 180")
    max_degree: int = Field(default=40, ge=1, le=60, description="maximum harmonic degree L")
    num_components: int = Field(default=64, ge=1, description="components kept, K ≤ (L+1)²−1")
    domain: Literal["ocean", "land", "box"] = Field(default="ocean", description="region of the fit")
    box: Box | None = Field(
        default=None,
        description="south, north (−90..90), west (−180..360), east ≤ west + 360, degrees; with domain 'box' only",
    )

    _step = field_validator("step_deg")(whole_rows)

    @field_validator("num_components")
    @classmethod
    def _enough_harmonics(cls, value: int, info: ValidationInfo) -> int:
        degree = info.data.get("max_degree")
        if degree is not None and value > (most := (degree + 1) ** 2 - 1):
            raise ValueError(f"max_degree {degree} allows at most {most} components")
        return value

    @field_validator("box")
    @classmethod
    def _is_box(cls, value: Box | None, info: ValidationInfo) -> Box | None:
        if (info.data.get("domain") == "box") != (value is not None):
            raise ValueError("give it with domain 'box', and only then")
        return checked_box(value)


class TableSettings(Checked):
    """Fit a learned table with a convolution to a sample of the points of a field."""

    task: Literal["table"] = "table"
    target: Literal["force", "smooth", "august"] = Field(
        default="force",
        description="target field: a synthetic one with a kink at the poles, or smooth on the sphere; or the observed "
        "SST of August 2012",
    )
    width: int = Field(default=63, ge=1, le=720, description="columns of the table, W, from west to east")
    height: int = Field(default=32, ge=1, le=360, description="rows of the table, H, from south to north")
    padding: int = Field(default=7, ge=0, le=15, description="cells read on every side; at most width and height")
    topology: Literal["sphere", "torus", "clamp"] = Field(
        default="sphere", description="neighbours across the edges of the table"
    )
    sample_fraction: float = Field(default=0.5, gt=0.0, lt=1.0, description="fraction of points for training")
    iterations: int = Field(default=300, ge=1, le=100_000, description="steps of Adam, each over the whole sample")
    learning_rate: float = Field(default=0.005, gt=0.0, le=1.0, description="learning rate of Adam")

    @field_validator("padding")
    @classmethod
    def _within_the_table(cls, value: int, info: ValidationInfo) -> int:
        most = min(info.data.get("width", value), info.data.get("height", value))
        if value > most:
            raise ValueError(f"must not be wider than the table; at most {most}")
        return value


Settings = (
    LandSettings
    | BasisSettings
    | TableSettings
    | SSTSettings
    | SweepSettings
    | ExpertSettings
    | ReconstructSettings
    | ProbeSettings
    | MAESettings
    | CentresSettings
)
_SST_DEMO = SSTSettings(
    source=DemoSource(step_deg=2.0, years=4),
    climatology=("2001-01", "2001-12"),
    train=("2002-01", "2002-12"),
    validation=("2003-02", "2003-11"),
    test=("2004-02", "2004-12"),
    model=SpatioTemporalConfig.preset("tiny"),
    window=(60, 60),
    epochs=12,
    samples=48,
    baselines="cheap",
)
_DEMOS: dict[str, Settings] = {
    "land": LandSettings(step_deg=0.02, rows_per_band=2),
    "basis": BasisSettings(step_deg=0.25, max_degree=60, num_components=256, domain="ocean"),
    "table": TableSettings(target="august", width=180, height=90, padding=5, iterations=3000),
    "sst": _SST_DEMO,
    "sweep": SweepSettings(
        trial=_SST_DEMO.model_copy(update={"epochs": 3, "samples": 16}),
        space={
            "model.width": Choices(values=(16, 32)),
            "learning_rate": Range(low=3e-4, high=3e-3, log=True),
        },
        trials=3,
    ),
    "reconstruct": ReconstructSettings(source=DemoSource(years=1)),
    "expert": ExpertSettings(epochs=12, num_centres=400),
    "probe": ProbeSettings(sizes=(16, 64), steps_deg=(3.0,), seeds=1),
    "mae": MAESettings(),
    "centres": CentresSettings(density="cities"),
}


class RunConfig(Checked):
    """All that determines a run's result; the same configuration gives the same result.

    Raises:
        ConfigError: from :meth:`from_json`, :meth:`read` and :meth:`checked`, with every problem at once, by field.
    """

    version: Literal[1] = Field(default=VERSION, description="version of this file's format")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of everything random in the run")
    settings: Annotated[Settings, Field(discriminator="task", description="the task and its settings")]

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.settings.task

    @classmethod
    def demo(cls, task: str) -> Self:
        """A small real run of ``task`` that takes twenty seconds to two minutes on two cores."""
        if task not in _DEMOS:
            raise ConfigError([f"task: there is no {task!r}"], "demo", f"choose {_listed(_DEMOS)}")
        return cls(settings=_DEMOS[task])

    @classmethod
    def checked(cls, values: object, where: str = "the configuration") -> Self:
        """The configuration from plain JSON values."""
        return cls.from_json(json.dumps(values).encode(), where)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The configuration in a JSON file."""
        try:
            with open(path, "rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                [f"the file cannot be read: {error.strerror}"], str(path), "name a JSON file that can be read"
            ) from error
        return cls.from_json(content, str(path))

    @classmethod
    def from_json(cls, content: bytes, where: str = "the configuration") -> Self:
        """The configuration written as JSON; ``where`` names its origin in messages."""
        if len(content) > _MAX_BYTES:
            raise ConfigError(["the file is over 1 MB"], where, "name a run's configuration")
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ConfigError([f"this is not JSON: {error}"], where, "correct the syntax") from error
        try:
            content = json.dumps(current_keys(values)).encode()
        except RecursionError as error:
            raise ConfigError(["the file is nested too deeply"], where, "correct the syntax") from error
        version = cast("dict[str, Any]", values).get("version") if isinstance(values, dict) else None
        if isinstance(version, int) and version > VERSION:
            problem = f"version: written by a newer Harmonia ({version}; this one reads up to {VERSION})"
            raise ConfigError([problem], where, "update Harmonia")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ConfigError([_sentence(problem) for problem in error.errors()], where) from error

    def to_json(self) -> bytes:
        """The file's content."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def _sentence(problem: ErrorDetails) -> str:
    """One problem as "field: what is wrong", with the legal values where they can be listed."""
    path, known = _locate(problem["loc"])
    field = ".".join(path) or "the file"
    match problem["type"]:
        case "extra_forbidden":
            return f"{field}: unknown; there are {_listed(known)}"
        case "missing":
            return f"{field}: missing" + (f"; {known[path[-1]].description}" if path and path[-1] in known else "")
        case "union_tag_invalid" | "union_tag_not_found" if path and path[-1] in known:
            tag = str(problem.get("ctx", {})["discriminator"]).strip("'")
            return f"{field}.{tag}: must be {_listed(_kinds(known[path[-1]]))}"
        case "empty":
            return f"{field}: {problem['msg']}"
        case _:
            message = problem["msg"].removeprefix("Value error, ")
            message = message.replace("Input should", "should") + _input(problem["input"])
            return f"{field}: {message}"


def _locate(location: tuple[int | str, ...]) -> tuple[list[str], dict[str, FieldInfo]]:
    """The path in the file of pydantic's ``location``, and the fields of the innermost model on it.

    Below a field with several models, pydantic adds the name of the chosen one as a step, which the file has not.
    """
    path: list[str] = []
    fields: dict[str, FieldInfo] = RunConfig.model_fields
    inner: dict[str, type[BaseModel]] = {}
    for step in map(str, location):
        if step in inner:
            fields = inner[step].model_fields
            inner = {}
            continue
        if "" in inner:
            fields = inner[""].model_fields
        path.append(step)
        inner = _kinds(fields[step]) if step in fields else {}
    return path, fields


def _kinds(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The models that a field may hold, by discriminator; the key of a single model is ""."""
    models = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if is_model(kind)]
    if not isinstance(field.discriminator, str):
        return dict(zip([""], models, strict=False))
    return {get_args(model.model_fields[field.discriminator].annotation)[0]: model for model in models}


def is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Whether ``kind`` is a class of settings."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _input(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f" (it is {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'})"


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)
