"""Settings of the task ``reconstruct``: which archive, by which model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Checked
from engine.config.sst import DemoSource, FileSource

_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


class ReconstructSettings(Checked):
    """Reconstruct the months of an archive with a trained model, as one NetCDF file."""

    task: Literal["reconstruct"] = "reconstruct"
    model: str = Field(
        default="pretrained",
        pattern=r"^[\w.-]{1,80}$",
        description="id of the run whose best weights are used, or 'pretrained'",
    )
    source: Annotated[
        DemoSource | FileSource, Field(discriminator="kind", description="where the daily fields come from")
    ] = DemoSource()
    first: str | None = Field(default=None, pattern=_MONTH, description="first month, as 2001-01; the source's own")
    last: str | None = Field(default=None, pattern=_MONTH, description="last month, as 2001-12; the source's own")
    resample: bool = Field(default=False, description="bring the source to the model's grid first")

    @field_validator("last")
    @classmethod
    def _in_order(cls, value: str | None, info: ValidationInfo) -> str | None:
        first: str | None = info.data.get("first")
        if value is not None and first is not None and value < first:
            raise ValueError(f"must not come before first, {first}")
        return value
