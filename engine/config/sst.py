"""Settings of the task ``sst``: source, years, model and training."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Box, Checked, checked_box, whole_rows
from engine.config.model import SpatioTemporalConfig

Years = tuple[int, int]
Split = Literal["climatology", "train", "validation", "test"]
_Year = Annotated[int, Field(ge=1, le=9999)]


class DemoSource(Checked):
    """The synthetic ocean that comes with Harmonia: any resolution, truth known."""

    kind: Literal["demo"] = "demo"
    step_deg: float = Field(default=1.0, ge=0.25, le=2.0, description="cell size in degrees; divides 180")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of the synthetic ocean")
    first_year: int = Field(default=2001, ge=1900, le=2200, description="first year")
    years: int = Field(default=6, ge=1, le=50, description="number of years")

    _step = field_validator("step_deg")(whole_rows)

    @property
    def last_year(self) -> int:
        """The last year."""
        return self.first_year + self.years - 1


class FileSource(Checked):
    """Files of daily sea-surface temperature."""

    kind: Literal["file"] = "file"
    path: str = Field(min_length=1, max_length=4096, description="file, folder, pattern (sst/*.nc), or Zarr store")
    variable: str | None = Field(default=None, description="which variable; needed where there are several")
    quality: Literal["good", "all"] | Annotated[int, Field(ge=0)] = Field(
        default="good",
        description="observations that are used where the files have quality levels: good ones, all, or those of a "
        "level (a whole number) and better",
    )

    variable_kind: str | None = Field(
        default=None, max_length=64, description="kind of the variable; empty: by its names in the file"
    )
    unit: str | None = Field(default=None, max_length=64, description="unit of the values; empty: as the file states")
    calendar: str | None = Field(
        default=None, max_length=64, description="calendar of the times; empty: as the file states"
    )
    fill_value: float | None = Field(
        default=None, description="a further number in the file that stands for missing; empty: none"
    )
    time_step: Literal["hours", "days", "months"] | None = Field(
        default=None, description="length of a step; empty: by bounds, attributes and spacing of the times"
    )
    land_mask: str | None = Field(
        default=None,
        max_length=256,
        description="variable that is the land mask, 'coastlines', or 'never valid'; empty: a mask in the files, else "
        "the cells never valid or the coastlines",
    )

    zeros: Literal["values", "missing"] | None = Field(
        default=None,
        description="what exact zeros are: 'values', as in icy lakes in °C, or 'missing'; empty: missing where there "
        "are far more of them than of any value nearby",
    )

    @field_validator("quality", mode="before")
    @classmethod
    def _is_quality(cls, value: object) -> object:
        """One message in place of pydantic's messages for each type."""
        if value not in ("good", "all") and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ValueError("should be 'good', 'all', or the number of a level")
        return value


DailySource = Annotated[DemoSource | FileSource, Field(discriminator="kind", description="source of the daily fields")]


class SSTSettings(Checked):
    """Train a model that reconstructs monthly mean sea-surface temperature from daily fields with gaps."""

    task: Literal["sst"] = "sst"
    source: DailySource = DemoSource()

    climatology_years: tuple[_Year, _Year] = Field(
        default=(2001, 2002), description="first and last year of the climatology"
    )
    train_years: tuple[_Year, _Year] = Field(default=(2003, 2004), description="first and last training year")
    validation_years: tuple[_Year, _Year] = Field(default=(2005, 2005), description="first and last validation year")
    test_years: tuple[_Year, _Year] = Field(default=(2006, 2006), description="first and last test year")
    gap_months: int = Field(default=1, ge=0, le=11, description="months left out between adjacent splits")
    held_out_box: Box | None = Field(
        default=None,
        description="south, north (−90..90), west, east (−180..360), degrees: excluded from the loss; climatology, "
        "baselines and validation include it",
    )

    model: SpatioTemporalConfig = Field(
        default=SpatioTemporalConfig.preset("tiny"), description="the model's architecture"
    )
    basis_degree: int = Field(default=20, ge=1, le=80, description="maximum harmonic degree of the position embedding")
    window: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        default=(60, 120), description="rows and columns of a window in cells; multiples of the patch"
    )
    overlap: int = Field(default=16, ge=0, description="cells by which windows overlap in a prediction")
    months: int = Field(default=1, ge=1, le=24, description="consecutive months in one sample")

    epochs: int = Field(default=20, ge=1, le=10_000, description="epochs; each ends with a validation")
    samples: int = Field(default=144, ge=1, le=1_000_000, description="samples per epoch, all processes together")
    batch: int = Field(default=2, ge=1, le=1024, description="samples in one step of one process")
    accumulate: int = Field(default=1, ge=1, le=1024, description="batches whose gradients are accumulated in one step")
    loss: Literal["l1", "l2", "gaussian"] = Field(
        default="l1",
        description="loss function; 'gaussian' needs a model with uncertainty; "
        "with l1 and l2 an uncertainty is trained on the remaining errors",
    )
    extra_clouds: float = Field(
        default=0.1, ge=0.0, le=0.9, description="fraction of observations hidden by additional clouds"
    )
    withheld_fraction: float = Field(default=0.05, ge=0.0, le=0.5, description="fraction of cell-months withheld")

    learning_rate: float = Field(default=2e-3, gt=0.0, le=10.0, description="maximum learning rate of AdamW")
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0, description="weight decay of AdamW")
    schedule: Literal["cosine", "plateau"] = Field(
        default="cosine", description="learning-rate schedule: cosine to zero, or halved on a plateau"
    )
    warmup: float = Field(default=0.05, ge=0.0, le=0.5, description="warm-up, fraction of all steps")
    plateau_patience: int = Field(default=5, ge=1, description="epochs until the rate is halved on a plateau")
    clip_norm: float = Field(default=1.0, gt=0.0, description="maximum norm of the gradient")
    ema_decay: float = Field(
        default=0.99, ge=0.0, lt=1.0, description="decay of the moving average (EMA) of the weights; 0: no averaging"
    )
    patience: int = Field(default=0, ge=0, description="epochs without improvement before training stops; 0: never")

    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="precision inside the model; weights stay float32"
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(default="auto", description="device")
    devices: int = Field(default=1, ge=1, le=64, description="processes per machine, one per GPU")
    nodes: int = Field(default=1, ge=1, le=1024, description="number of machines")

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
    def _adjoins_climatology(cls, value: Years, info: ValidationInfo) -> Years:
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

    _is_box = field_validator("held_out_box")(checked_box)

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
    def _within_window(cls, value: int, info: ValidationInfo) -> int:
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
        """Steps of the optimiser in an epoch; the last one is a full batch too."""
        return math.ceil(self.samples / (self.batch * self.accumulate * self.devices * self.nodes))

    def months_of(self, split: Split) -> list[tuple[int, int]]:
        """(year, month) of every month of a split, without those too near to another split.

        Validation and test omit ``gap_months`` at an end that adjoins a year of another split.
        """
        first, last = getattr(self, f"{split}_years")
        months = [(year, month) for year in range(first, last + 1) for month in range(1, 13)]
        if split in ("climatology", "train"):
            return months
        others = [
            years
            for name in ("climatology", "train", "validation", "test")
            if name != split
            for years in [getattr(self, f"{name}_years")]
        ]
        taken = {year for start, stop in others for year in range(start, stop + 1)}
        start = self.gap_months if first - 1 in taken else 0
        stop = len(months) - (self.gap_months if last + 1 in taken else 0)
        return months[start:stop]
