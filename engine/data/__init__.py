"""Sources of data: sea-surface temperature, land masks, climate classes and tiles."""

# pyright: reportUnusedImport=false

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.data.demo_ocean import demo_ocean
from engine.data.land import DOMAINS, Domain, coastlines, land_mask

if TYPE_CHECKING:
    from engine.data.calendar import Months, by_month
    from engine.data.source import MonthlyData, SSTSource
    from engine.data.sst import open_sst

_LAZY = {
    "Months": "calendar",
    "by_month": "calendar",
    "MonthlyData": "source",
    "SSTSource": "source",
    "open_sst": "sst",
}


def __getattr__(name: str) -> Any:
    """Import modules that need xarray and dask on first access, so that a land mask does not wait for them."""
    if name in _LAZY:
        return getattr(import_module(f"engine.data.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
