"""Settings of the task ``reconstruct``: source and model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Checked
from engine.config.sst import DailySource, DemoSource

_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"


class ReconstructSettings(Checked):
    """Reconstruct the monthly means of a source with a trained model, as one NetCDF file."""

    task: Literal["reconstruct"] = "reconstruct"
    model: str = Field(default="pretrained", pattern=r"^[\w.-]{1,80}$", description="id of a run, or 'pretrained'")
    source: DailySource = DemoSource()
    first: str | None = Field(default=None, pattern=_MONTH, description="first month, as 2001-01")
    last: str | None = Field(default=None, pattern=_MONTH, description="last month, as 2001-12")
    resample: bool = Field(default=False, description="resample the source to the model's grid")

    @field_validator("last")
    @classmethod
    def _in_order(cls, value: str | None, info: ValidationInfo) -> str | None:
        first: str | None = info.data.get("first")
        if value is not None and first is not None and value < first:
            raise ValueError(f"must not come before first, {first}")
        return value
