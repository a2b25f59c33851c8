"""Settings of the task ``sst``: source, months of every split, model and training."""

from __future__ import annotations

import math
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from engine.config.baselines import BaselineChoice
from engine.config.fields import Box, Checked, checked_box, whole_rows
from engine.config.model import SpatioTemporalConfig
from engine.config.months import Month, MonthSpan, days_between, months_in

Split = Literal["climatology", "train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


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


class RegridSettings(Checked):
    """The regular grid to which a source is regridded, and how."""

    step_deg: float = Field(ge=0.01, le=30.0, description="cell size in degrees; divides 180")
    method: Literal["conservative", "bucket", "bilinear"] = Field(
        description="'conservative', by area, for grids of latitudes and longitudes; 'bucket', the mean of the values "
        "in a cell, or 'bilinear' for curvilinear grids and swaths"
    )

    _step = field_validator("step_deg")(whole_rows)


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

    regrid: RegridSettings | None = Field(
        default=None, description="another grid; curvilinear grids and swaths need one; empty: the files' own"
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

    gap_days: int = Field(
        default=31,
        ge=0,
        le=366,
        description="least number of days between the months of two splits; 31: days of one weather do not lie in both",
    )
    climatology: MonthSpan = Field(
        default=("2001-01", "2002-12"),
        description="first and last month of the climatology; may share months with the training",
    )
    train: MonthSpan = Field(default=("2003-01", "2004-12"), description="first and last training month")
    validation: MonthSpan = Field(default=("2005-02", "2005-11"), description="first and last validation month")
    test: MonthSpan = Field(default=("2006-02", "2006-12"), description="first and last test month")
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

    continues: str | None = Field(
        default=None,
        max_length=64,
        description="id of a run of the same data, model and samples, from whose end the training goes on; `epochs` "
        "counts its epochs too",
    )
    epochs: int = Field(default=20, ge=1, le=10_000, description="epochs; each ends with a validation")
    samples: int = Field(default=144, ge=1, le=1_000_000, description="samples per epoch, all processes together")
    batch: int = Field(default=2, ge=1, le=1024, description="samples in one step of one process")
    accumulate: int = Field(default=1, ge=1, le=1024, description="batches whose gradients are accumulated in one step")
    loss: Literal["l1", "l2", "gaussian"] = Field(
        default="l1",
        description="loss function; 'gaussian' needs a model with uncertainty; "
        "with l1 and l2 an uncertainty is trained on the remaining errors",
    )
    loss_weights: Literal["area", "equal"] = Field(
        default="area", description="weight of a cell in the loss and in the choice of windows: its area, or all equal"
    )
    extra_clouds: float = Field(
        default=0.1, ge=0.0, le=0.9, description="fraction of observations hidden by additional clouds"
    )
    withheld_fraction: float = Field(default=0.05, ge=0.0, le=0.5, description="fraction of cell-months withheld")

    baselines: BaselineChoice = Field(
        default="interpolation",
        description="what the model is compared with: 'cheap' means and climatology; 'interpolation' optimal "
        "interpolation too, at 1° half a minute to fit and 5 s for each validation and test month; 'all' also DINEOF; "
        "'bound' also the linear bound, which only the demo ocean has: interpolation by the covariance of true days",
    )

    learning_rate: float = Field(default=2e-3, gt=0.0, le=10.0, description="maximum learning rate of AdamW")
    weight_decay: float = Field(default=0.01, ge=0.0, le=1.0, description="weight decay of AdamW")
    beta2: float = Field(default=0.99, ge=0.0, lt=1.0, description="decay of AdamW's mean of squared gradients")
    schedule: Literal["cosine", "plateau"] = Field(
        default="cosine", description="learning-rate schedule: cosine to zero, or halved on a plateau"
    )
    warmup: float = Field(default=0.05, ge=0.0, le=0.5, description="warm-up, fraction of all steps")
    plateau_patience: int = Field(default=5, ge=1, description="epochs until the rate is halved on a plateau")
    min_learning_rate: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        description="least rate of the schedule 'plateau'; above 0, training stops early only when it is reached",
    )
    min_improvement: float = Field(
        default=0.0, ge=0.0, le=10.0, description="decrease of the validation error, K, that counts as an improvement"
    )
    clip_norm: float = Field(default=1.0, ge=0.0, description="maximum norm of the gradient; 0: no clipping")
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

    @field_validator("baselines")
    @classmethod
    def _has_truth(cls, value: BaselineChoice, info: ValidationInfo) -> BaselineChoice:
        if value == "bound" and isinstance(info.data.get("source"), FileSource):
            raise ValueError("'bound' needs the true days of other realisations, which only the demo ocean has")
        return value

    @field_validator(*SPLITS)
    @classmethod
    def _within_the_ocean(cls, value: MonthSpan, info: ValidationInfo) -> MonthSpan:
        source: DemoSource | FileSource | None = info.data.get("source")
        if isinstance(source, DemoSource):
            years = [Month.parse(text).year for text in value]
            if not source.first_year <= years[0] <= years[1] <= source.last_year:
                raise ValueError(f"the ocean has the years {source.first_year} to {source.last_year}")
        return value

    @field_validator("train")
    @classmethod
    def _adjoins_climatology(cls, value: MonthSpan, info: ValidationInfo) -> MonthSpan:
        other: MonthSpan | None = info.data.get("climatology")
        if other is not None and days_between(value, other) > 0:
            raise ValueError(f"leaves months between it and climatology {other[0]} to {other[1]}")
        return value

    @field_validator("validation", "test")
    @classmethod
    def _apart(cls, value: MonthSpan, info: ValidationInfo) -> MonthSpan:
        for name in SPLITS[: SPLITS.index(info.field_name)]:  # type: ignore[arg-type]
            other: MonthSpan | None = info.data.get(name)
            if other is None:
                continue
            days, least = days_between(value, other), info.data.get("gap_days", 0)
            if days < 0:
                raise ValueError(f"shares months with {name} {other[0]} to {other[1]}")
            if days < least:
                raise ValueError(f"lies {days} days from {name} {other[0]} to {other[1]}; gap_days is {least}")
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

    def months_of(self, split: Split) -> list[Month]:
        """Every month of a split."""
        return months_in(getattr(self, split))
