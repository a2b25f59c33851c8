"""Settings of the task ``expert``: images, mixture components, network and training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.config.fields import Checked
from engine.config.sst import DailySource, DemoSource


class LandTiles(Checked):
    """Synthetic land images drawn from the real climate."""

    kind: Literal["land"] = "land"
    size: int = Field(default=32, ge=8, le=128, description="pixels along each side of a tile")
    pixel_km: float = Field(default=5.0, ge=1.0, le=40.0, description="size of a pixel in km")
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of the synthetic Earth")
    num_lands: int = Field(
        default=1, ge=1, le=8, description="invented lands that share climate and coasts; seeds from the seed on"
    )


class OceanTiles(Checked):
    """Windows of sea-surface temperature: temperature, anomaly, missing cells and coast."""

    kind: Literal["ocean"] = "ocean"
    source: DailySource = DemoSource(step_deg=2.0, years=3)
    size: int = Field(default=16, ge=8, le=128, description="cells along each side of a window")
    num_days: int = Field(default=120, ge=1, le=10_000, description="number of days, evenly spaced over the source")


class FolderTiles(Checked):
    """Tiles in a folder of the user."""

    kind: Literal["folder"] = "folder"
    path: str = Field(min_length=1, max_length=4096, description="folder of .tif, .nc and .npz tiles")
    is_ocean: bool = Field(default=False, description="the tiles show the sea, so that a tile without land is valid")


class ExpertSettings(Checked):
    """Train a geographic expert: location, climate and date of an image."""

    task: Literal["expert"] = "expert"
    tiles: Annotated[
        LandTiles | OceanTiles | FolderTiles, Field(discriminator="kind", description="source of the images")
    ] = LandTiles()

    centres: Literal[
        "fibonacci", "land", "ocean", "near-data", "kmeans", "minibatch", "farthest", "partition", "hierarchy"
    ] = Field(default="land", description="placement of the mixture components")
    num_centres: int = Field(default=608, ge=8, le=32_768, description="components of the mixture, K")
    separation_km: float = Field(
        default=100.0, ge=0.0, le=5000.0, description="minimum distance of 'near-data' centres in km"
    )
    learn_centres: bool = Field(default=False, description="train the centres")
    learn_kappa: bool = Field(default=True, description="train the concentration κ of the components")

    encoder: Literal["conv", "mixer"] = Field(
        default="conv", description="image encoder: convolutions, or an MLP-Mixer over patches of 4 pixels"
    )
    width: int = Field(default=32, ge=8, le=512, description="features of the first layer; a multiple of 8")
    head_degree: int = Field(default=16, ge=1, le=60, description="maximum harmonic degree of the output layer")
    place_weight: float = Field(default=1.0, ge=0.0, le=1000.0, description="weight of the location in the loss")
    climate_weight: float = Field(default=5.0, ge=0.0, le=1000.0, description="weight of the climate in the loss")
    date_weight: float = Field(default=8.0, ge=0.0, le=1000.0, description="weight of the date in the loss")

    epochs: int = Field(default=20, ge=1, le=10_000, description="epochs; each ends with a validation and a snapshot")
    samples: int = Field(default=6400, ge=1, le=10_000_000, description="tiles in an epoch")
    batch: int = Field(default=64, ge=1, le=4096, description="tiles in one step")
    learning_rate: float = Field(default=5e-3, gt=0.0, le=1.0, description="maximum learning rate of AdamW")
    weight_decay: float = Field(default=0.05, ge=0.0, le=1.0, description="weight decay of AdamW")
    warmup: float = Field(default=0.05, ge=0.0, le=0.5, description="warm-up, fraction of all steps")
    clip_norm: float = Field(default=10.0, gt=0.0, description="maximum norm of the gradient")
    num_validation: int = Field(default=512, ge=16, le=100_000, description="validation and calibration tiles")
    num_test: int = Field(default=512, ge=16, le=100_000, description="test tiles, used for the scores only")
    num_shown: int = Field(default=200, ge=1, le=1000, description="test tiles whose predictions a snapshot holds")

    @field_validator("width")
    @classmethod
    def _whole_groups(cls, value: int) -> int:
        if value % 8:
            raise ValueError(f"must be a multiple of 8; {value // 8 * 8} and {value // 8 * 8 + 8} are")
        return value

    @field_validator("encoder")
    @classmethod
    def _whole_patches(cls, value: str, info: ValidationInfo) -> str:
        tiles: LandTiles | OceanTiles | FolderTiles | None = info.data.get("tiles")
        if value == "mixer" and isinstance(tiles, LandTiles | OceanTiles) and tiles.size % 4:
            raise ValueError(f"patches of 4 pixels do not divide {tiles.size}")
        return value

    @field_validator("date_weight")
    @classmethod
    def _something_to_learn(cls, value: float, info: ValidationInfo) -> float:
        if not value + info.data.get("place_weight", 1.0) + info.data.get("climate_weight", 1.0):
            raise ValueError("one of location, climate and date must have a weight above 0")
        return value

    @property
    def shows_ocean(self) -> bool:
        """Whether the images show the sea, so that one without land still has a location and date."""
        return isinstance(self.tiles, OceanTiles) or (isinstance(self.tiles, FolderTiles) and self.tiles.is_ocean)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; the last one is a full batch too."""
        return -(-self.samples // self.batch)
