"""Settings of the task ``mae``: a masked autoencoder of painted chips."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from engine.config.fields import Checked


class MAESettings(Checked):
    """Train a small masked autoencoder on painted chips, and ask what its tokens know of a house."""

    task: Literal["mae"] = "mae"
    place_and_time: bool = Field(
        default=True, description="the encoder reads the latitude, longitude and date of a chip"
    )
    hidden: float = Field(default=0.75, ge=0.1, le=0.95, description="fraction of the 64 windows that are hidden")
    cells: Literal[4, 8, 16, 32] = Field(
        default=8, description="a window of 32 × 32 pixels is averaged to cells × cells before the encoder reads it"
    )
    width: int = Field(default=64, ge=8, le=512, description="width of a token; a multiple of 4")
    layers: int = Field(default=3, ge=1, le=12, description="blocks of the encoder")
    chips: int = Field(default=4096, ge=64, le=50_000, description="painted chips of an epoch")
    epochs: int = Field(default=16, ge=1, le=1000, description="epochs; each ends with a validation and a snapshot")
    batch: int = Field(default=64, ge=1, le=1024, description="chips in one step")
    learning_rate: float = Field(default=2e-3, gt=0.0, le=1.0, description="maximum learning rate of AdamW")
    weight_decay: float = Field(default=0.05, ge=0.0, le=1.0, description="weight decay of AdamW")
    num_validation: int = Field(default=256, ge=16, le=10_000, description="chips of the validation")
    num_test: int = Field(default=1200, ge=60, le=20_000, description="chips from whose tokens the probes read")

    @field_validator("width")
    @classmethod
    def _whole_heads(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"must be a multiple of 4; {value // 4 * 4} and {value // 4 * 4 + 4} are")
        return value

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; the last one is a full batch too."""
        return -(-self.chips // self.batch)
