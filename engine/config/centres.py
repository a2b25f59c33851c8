"""Settings of the task ``centres``: the density of points on which kinds of centres are compared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Checked

Density = Literal["land", "ocean", "cities", "file"]
MOST_POINTS = 6000
"""Points on which kinds are compared, so that it takes seconds."""

Place = tuple[Annotated[float, Field(ge=-90.0, le=90.0)], Annotated[float, Field(ge=-360.0, le=360.0)]]


class CentresSettings(Checked):
    """Compare every kind of centres at several numbers of them, on held-out points of a density."""

    task: Literal["centres"] = "centres"
    density: Density = Field(
        default="land", description="land, even in area; observations of the demo ocean; large cities; or own points"
    )
    points: tuple[Place, ...] = Field(
        default=(), max_length=MOST_POINTS, description="latitude and longitude of own points; with density 'file' only"
    )
    sizes: tuple[Annotated[int, Field(ge=6, le=4096)], ...] = Field(
        default=(8, 32, 128, 512), min_length=1, max_length=8, description="numbers of centres"
    )

    @field_validator("points")
    @classmethod
    def _of_a_file(cls, value: tuple[Place, ...], info: ValidationInfo) -> tuple[Place, ...]:
        if (info.data.get("density") == "file") != bool(value):
            raise ValueError("give them with density 'file', and only then")
        return value
