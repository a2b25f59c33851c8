"""The maths of Harmonia: geo-embeddings on the sphere and SST reconstruction. It knows no screen."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.training.sst.region_model import RegionModel as RegionModel
    from engine.training.sst.region_model import load as load

__all__ = ["RegionModel", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # not before it is needed: torch takes two seconds to import
        return getattr(importlib.import_module("engine.training.sst.region_model"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
