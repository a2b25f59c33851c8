"""Fields and masks to work on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.data.demo_ocean import demo_ocean
from engine.data.domain import DOMAINS, Domain
from engine.data.land import coastlines, land_mask

if TYPE_CHECKING:
    from engine.data.calendar import Months, by_month, from_months
    from engine.data.months import MonthlyData
    from engine.data.source import SSTSource
    from engine.data.sst import open_sst

__all__ = [
    "DOMAINS",
    "Domain",
    "MonthlyData",
    "Months",
    "SSTSource",
    "by_month",
    "coastlines",
    "demo_ocean",
    "from_months",
    "land_mask",
    "open_sst",
]

_LATE = {
    "Months": "calendar",
    "by_month": "calendar",
    "from_months": "calendar",
    "MonthlyData": "months",
    "SSTSource": "source",
    "open_sst": "sst",
}


def __getattr__(name: str) -> Any:
    """What reads files needs xarray and dask; a land mask, and with it the first run, need not wait for them."""
    if name in _LATE:
        return getattr(import_module(f"engine.data.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
