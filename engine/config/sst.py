"""Settings of the task ``sst``: which ocean, which years, which model, and how it learns."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Checked, checked_box, whole_rows
from engine.config.model import SpatioTemporalConfig

Years = tuple[int, int]
Split = Literal["climatology", "train", "validation", "test"]
_Year = Annotated[int, Field(ge=1, le=9999)]


class DemoSource(Checked):
    """The invented ocean that comes with Harmonia: any size, truth known."""

    kind: Literal["demo"] = "demo"
    step_deg: float = Field(default=1.0, ge=0.25, le=2.0, description="cell size in degrees; divides 180")
    seed: int = Field(default=0, ge=0, lt=2**31, description="which of the invented oceans")
    first_year: int = Field(default=2001, ge=1900, le=2200, description="its first year")
    years: int = Field(default=6, ge=1, le=50, description="how many years it has")

    _step = field_validator("step_deg")(whole_rows)

    @property
    def last_year(self) -> int:
        """Its last year."""
        return self.first_year + self.years - 1


class FileSource(Checked):
    """Files of daily sea-surface temperature."""

    kind: Literal["file"] = "file"
    path: str = Field(
        min_length=1, max_length=4096, description="file, folder, pattern such as sst/*.nc, or Zarr store"
    )
    variable: str | None = Field(default=None, description="which variable; needed where there are several")
    quality: Literal["good", "all"] | Annotated[int, Field(ge=0)] = Field(
        default="good",
        description="which observations count where the files grade them: the good ones, all, or those of a level "
        "(a whole number) and better",
    )

    @field_validator("quality", mode="before")
    @classmethod
    def _is_quality(cls, value: object) -> object:
        """Refuse in one sentence what pydantic refuses once for each kind of value."""
        if value not in ("good", "all") and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ValueError("should be 'good', 'all', or the number of a level")
        return value


class SSTSettings(Checked):
    """Learn to reconstruct a month's mean sea-surface temperature from days with gaps."""

    task: Literal["sst"] = "sst"
    source: Annotated[
        DemoSource | FileSource, Field(discriminator="kind", description="where the daily fields come from")
    ] = DemoSource()

    climatology_years: tuple[_Year, _Year] = Field(
        default=(2001, 2002), description="first and last year of the climatology that anomalies refer to"
    )
    train_years: tuple[_Year, _Year] = Field(
        default=(2003, 2004), description="first and last year that is learned from"
    )
    validation_years: tuple[_Year, _Year] = Field(
        default=(2005, 2005), description="first and last year that decides what is tuned and when to stop"
    )
    test_years: tuple[_Year, _Year] = Field(
        default=(2006, 2006), description="first and last year of the scores; nothing else sees them"
    )
    gap_months: int = Field(
        default=1, ge=0, le=11, description="months left out where validation or test years adjoin other years"
    )
    held_out_box: tuple[float, float, float, float] | None = Field(
        default=None,
        description="south, north (−90..90), west, east (−180..360), degrees: left out of the loss; climatology, "
        "baselines and the choice of the best epoch still see it",
    )

    model: SpatioTemporalConfig = Field(
        default=SpatioTemporalConfig.preset("tiny"), description="the model's parts and sizes"
    )
    basis_degree: int = Field(
        default=20, ge=1, le=80, description="largest harmonic degree of the position embedding (encoder 'harmonic')"
    )
    window: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        default=(60, 120), description="rows and columns of a window in cells; the patches divide them"
    )
    overlap: int = Field(default=16, ge=0, description="cells that neighbouring windows share when put together")
    months: int = Field(default=1, ge=1, le=24, description="consecutive months in one sample")

    epochs: int = Field(default=20, ge=1, le=10_000, description="passes; each ends with a validation")
    samples: int = Field(
        default=144, ge=1, le=1_000_000, description="windows seen in an epoch, all processes together"
    )
    batch: int = Field(default=2, ge=1, le=1024, description="windows in one step of one process")
    accumulate: int = Field(default=1, ge=1, le=1024, description="batches whose gradients make one step")
    loss: Literal["l1", "l2", "gaussian"] = Field(
        default="l1",
        description="error that is made small; 'gaussian' needs a model with uncertainty; "
        "beside l1 and l2 an uncertainty learns from the errors that remain",
    )
    extra_clouds: float = Field(
        default=0.1,
        ge=0.0,
        le=0.9,
        description="share of a sample's observations hidden by clouds of other days, on average",
    )
    withheld_fraction: float = Field(
        default=0.05,
        ge=0.0,
        le=0.5,
        description="share of cell-months hidden whole: on average in samples, and in validation and test",
    )

    learning_rate: float = Field(default=2e-3, gt=0.0, le=10.0, description="largest learning rate of AdamW")
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0, description="weight decay of AdamW")
    schedule: Literal["cosine", "plateau"] = Field(
        default="cosine",
        description="how the learning rate falls: to zero at the end, or by half when nothing improves",
    )
    warmup: float = Field(default=0.05, ge=0.0, le=0.5, description="share of all steps over which it rises")
    plateau_patience: int = Field(default=5, ge=1, description="epochs without a better score before it is halved")
    clip_norm: float = Field(default=1.0, gt=0.0, description="largest norm of a step's gradient")
    ema_decay: float = Field(
        default=0.99,
        ge=0.0,
        lt=1.0,
        description="decay of the exponential moving average (EMA) of the weights, which are evaluated and saved; "
        "0: no averaging",
    )
    patience: int = Field(default=0, ge=0, description="epochs without a better score before it stops; 0: never")

    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="arithmetic inside the model; weights stay float32"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(default="auto", description="what computes")
    devices: int = Field(default=1, ge=1, le=64, description="processes on each machine, one a GPU")
    nodes: int = Field(default=1, ge=1, le=1024, description="machines")

    @field_validator("climatology_years", "train_years", "validation_years", "test_years")
    @classmethod
    def _in_order(cls, value: Years, info: ValidationInfo) -> Years:
        if value[0] > value[1]:
            raise ValueError("the first year must not come after the last")
        source: DemoSource | FileSource | None = info.data.get("source")
        if isinstance(source, DemoSource) and not source.first_year <= value[0] <= value[1] <= source.last_year:
            raise ValueError(f"the ocean has the years {source.first_year} to {source.last_year}")
        return value

    @field_validator("train_years")
    @classmethod
    def _beside_the_climatology(cls, value: Years, info: ValidationInfo) -> Years:
        other: Years | None = info.data.get("climatology_years")
        if other is not None and (value[0] > other[1] + 1 or other[0] > value[1] + 1):
            raise ValueError(f"leaves years between it and climatology_years {other[0]} to {other[1]}")
        return value

    @field_validator("validation_years", "test_years")
    @classmethod
    def _apart(cls, value: Years, info: ValidationInfo) -> Years:
        for name in ("climatology_years", "train_years", "validation_years"):
            other: Years | None = info.data.get(name)
            if name != info.field_name and other is not None and value[0] <= other[1] and other[0] <= value[1]:
                raise ValueError(f"shares years with {name} {other[0]} to {other[1]}")
        return value

    @field_validator("held_out_box")
    @classmethod
    def _is_box(cls, value: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        return None if value is None else checked_box(value)

    @field_validator("window")
    @classmethod
    def _whole_patches(cls, value: tuple[int, int], info: ValidationInfo) -> tuple[int, int]:
        model: SpatioTemporalConfig | None = info.data.get("model")
        for size, side, name in zip(value, model.patch[1:] if model else (1, 1), ("height", "width"), strict=True):
            if size % side:
                near = [str(near) for near in (size // side * side, size // side * side + side) if near]
                raise ValueError(f"patch {name} {side} does not divide {size}; {' and '.join(near)} do")
        return value

    @field_validator("overlap")
    @classmethod
    def _within_the_window(cls, value: int, info: ValidationInfo) -> int:
        window: tuple[int, int] | None = info.data.get("window")
        if window is not None and value >= min(window):
            raise ValueError(f"must be smaller than the window; at most {min(window) - 1}")
        return value

    @field_validator("loss")
    @classmethod
    def _has_spread(cls, value: str, info: ValidationInfo) -> str:
        model: SpatioTemporalConfig | None = info.data.get("model")
        if value == "gaussian" and model is not None and not model.uncertainty:
            raise ValueError("'gaussian' needs a model with uncertainty; choose it, or l1 or l2")
        return value

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser in an epoch; a last one that would be too short is filled up."""
        return math.ceil(self.samples / (self.batch * self.accumulate * self.devices * self.nodes))

    def months_of(self, part: Split) -> list[tuple[int, int]]:
        """(year, month) of every month of one part, without those too near to another part's.

        Validation and test give up ``gap_months`` at an end where the year beyond it belongs to another part.
        """
        first, last = getattr(self, f"{part}_years")
        months = [(year, month) for year in range(first, last + 1) for month in range(1, 13)]
        if part in ("climatology", "train"):
            return months
        others = [
            years
            for name in ("climatology", "train", "validation", "test")
            if name != part
            for years in [getattr(self, f"{name}_years")]
        ]
        taken = {year for start, stop in others for year in range(start, stop + 1)}
        start = self.gap_months if first - 1 in taken else 0
        stop = len(months) - (self.gap_months if last + 1 in taken else 0)
        return months[start:stop]
