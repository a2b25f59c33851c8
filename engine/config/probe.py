"""Settings of the task ``probe``: which embeddings are read for which tasks, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from engine.config.encoders import EncoderName
from engine.config.fields import Checked, whole_rows

ProbedTask = Literal["land", "coast", "koppen", "koppen_coarse", "sst", "climatology", "variability", "bias"]
ProbedSplit = Literal["random", "blocks", "basin"]
Size = Annotated[int, Field(ge=1, le=1024)]
Degree = Annotated[int, Field(ge=1, le=40)]

DEFAULT_ENCODERS: tuple[EncoderName, ...] = (
    "harmonic",
    "harmonics",
    "direct",
    "cartesian3d",
    "wrap",
    "grid",
    "theory",
    "spherecplus",
    "dfs",
    "rff",
    "equal_earth_rff",
    "rbf",
)
"""The twelve encoders of the default probe: of families that differ little, one."""


class ProbeSettings(Checked):
    """Read every task from every encoder at several sizes, on points that are held out in several ways."""

    task: Literal["probe"] = "probe"
    encoders: tuple[EncoderName, ...] = Field(
        default=DEFAULT_ENCODERS, min_length=1, max_length=20, description="location encoders to compare"
    )
    sizes: tuple[Size, ...] = Field(
        default=(64,), min_length=1, max_length=12, description="numbers K that an encoder has at most"
    )
    degrees: tuple[Degree, ...] = Field(
        default=(10,), min_length=1, max_length=6, description="degrees L of the harmonic basis, fitted over the ocean"
    )
    tasks: tuple[ProbedTask, ...] = Field(
        default=("land", "koppen_coarse", "sst", "climatology", "variability"),
        min_length=1,
        description="what is read",
    )
    splits: tuple[ProbedSplit, ...] = Field(
        default=("random", "blocks", "basin"), min_length=1, description="which points are held out together"
    )
    reader: Literal["linear", "knn", "mlp"] = Field(
        default="linear", description="linear (closed form), nearest neighbours, or a net of two layers"
    )
    steps_deg: tuple[Annotated[float, Field(ge=0.5, le=10.0)], ...] = Field(
        default=(1.0,), min_length=1, max_length=4, description="sizes of the patches whose centres are read, degrees"
    )
    seeds: int = Field(default=2, ge=1, le=10, description="times that the points are dealt anew")

    @field_validator("encoders")
    @classmethod
    def _have_numbers(cls, value: tuple[EncoderName, ...]) -> tuple[EncoderName, ...]:
        if wrong := [name for name in value if name in ("table", "none")]:
            raise ValueError(f"{wrong[0]!r} has no numbers before it is trained; leave it out")
        return value

    @field_validator("steps_deg")
    @classmethod
    def _divide(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(whole_rows(step) for step in value)
