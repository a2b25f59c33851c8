"""Windows of invented days for the tests of models."""

from __future__ import annotations

import math
from typing import Any

import torch

from engine.models import ReconstructionModel, SpatioTemporalConfig, build_model, encoder_config

SMALLEST: dict[str, Any] = {
    "width": 8,
    "heads": 2,
    "num_components": 3,
    "decoder_width": 8,
    "patch": (1, 4, 4),
    "manifold": (12, 6),
}


def model_of(name: str = "tiny", *, seed: int = 0, **changes: Any) -> ReconstructionModel:
    """A very small model after the preset ``name``, in evaluation."""
    torch.manual_seed(seed)
    return build_model(SpatioTemporalConfig.preset(name, **(SMALLEST | changes))).eval()


def window_of(
    config: SpatioTemporalConfig,
    *,
    samples: int = 1,
    months: int = 2,
    slots: int = 31,
    rows: int = 8,
    columns: int = 12,
) -> dict[str, Any]:
    """What a model of ``config`` is called with: most days missing, some land, months of 31 and 28 days."""
    generator = torch.Generator().manual_seed(7)
    shape = (samples, 1, months, slots, rows, columns)
    padded = torch.zeros(samples, months, slots, dtype=torch.bool)
    padded[:, 1::2, 28:] = True
    places = (rows // config.patch[1]) * (columns // config.patch[2])
    lonlat = 180.0 * torch.rand(samples, places, 2, generator=generator) - 90.0
    num_features = encoder_config(config).num_features
    features = torch.randn(samples, places, num_features, generator=generator) if num_features else None
    return {
        "daily": 15.0 + 2.0 * torch.randn(shape, generator=generator),
        "missing": torch.rand(shape, generator=generator) < 0.7,
        "land": torch.rand((samples, rows, columns), generator=generator) < 0.2,
        "padded": padded,
        "phases": math.tau * torch.rand((samples, months, slots, 3), generator=generator),
        "place": None if config.encoder == "none" and config.architecture != "unet" else (lonlat, features),
        "baseline": 15.0 + torch.randn((samples, months, rows, columns), generator=generator),
    }
