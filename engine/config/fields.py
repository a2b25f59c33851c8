"""The base class of all settings, and validators that several of them share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Checked(BaseModel):
    """Frozen plain values: no unknown field, no conversion, no infinity or NaN; defaults are validated too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)


Box = tuple[float, float, float, float]
"""South, north, west and east in degrees."""


def whole_rows(step_deg: float) -> float:
    """``step_deg`` as it is; ValueError where it does not divide 180°."""
    rows = round(180.0 / step_deg)
    if abs(rows * step_deg - 180.0) > 1e-6:
        raise ValueError(f"180° must be a whole number of steps; {180.0 / rows:.6g} would do")
    return step_deg


def checked_box(box: Box | None) -> Box | None:
    """``box`` as it is; ValueError where it is none on the sphere."""
    south, north, west, east = box or (-90, 90, -180, 180)
    if not (-90 <= south < north <= 90 and -180 <= west <= 360 and west < east <= west + 360):
        raise ValueError("must be south < north within −90..90 and west within −180..360 < east ≤ west + 360")
    return box
