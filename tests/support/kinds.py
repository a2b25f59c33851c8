"""A small file of each kind of variable: a 12 × 18 region, two years of days under clouds, as producers write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

NUM_DAYS = 730
_LAT, _LON = np.arange(12) * 1.0 + 35.5, np.arange(18) * 1.0
_WEST = {"land_temperature": 60.5}  # in Asia; the others lie in the Atlantic


@dataclass(frozen=True)
class KindOfFile:
    """``mean`` and ``spread`` of the values in the file; unit, name and unit of errors of what is made of them."""

    key: str
    variable: str
    attrs: dict[str, str]
    mean: float
    spread: float
    unit: str
    export: str
    error: str
    is_log: bool = False


KINDS_OF_FILES = (
    KindOfFile(
        "chlorophyll", "chlor_a", {"units": "mg m^-3", "long_name": "Chlorophyll Concentration, OCI Algorithm"},
        0.3, 0.4, "mg m-3", "chlorophyll", "log₁₀ units", is_log=True,
    ),
    KindOfFile(
        "sea_level_anomaly", "sla",
        {"units": "cm", "standard_name": "sea_surface_height_above_sea_level", "long_name": "Sea level anomaly"},
        2.0, 8.0, "m", "sea_level_anomaly", "m",
    ),
    KindOfFile(
        "salinity", "sos", {"units": "0.001", "standard_name": "sea_surface_salinity"}, 35.0, 0.8, "1e-3", "salinity",
        "psu",
    ),
    KindOfFile(
        "land_temperature", "LST", {"units": "K", "standard_name": "land_surface_temperature"}, 288.0, 6.0, "degC",
        "land_temperature", "K",
    ),
    KindOfFile(
        "ice_concentration", "siconc", {"units": "1", "standard_name": "sea_ice_area_fraction"}, 0.5, 0.3, "%",
        "ice_concentration", "percentage points",
    ),
    KindOfFile(
        "sst_anomaly", "anom", {"units": "Celsius", "long_name": "Daily sea surface temperature anomalies"}, 0.0, 1.0,
        "degC", "sst_anomaly", "K",
    ),
    KindOfFile(
        "other", "sp", {"units": "hPa", "long_name": "surface pressure"}, 1013.0, 8.0, "hPa", "sp", "hPa"
    ),
)  # fmt: skip


def write_kind(path: Path, kind: KindOfFile, seed: int = 0) -> Path:
    """Days of a smooth field with a seasonal cycle; half of the cells are hidden by clouds of whole columns."""
    rng = np.random.default_rng(seed)
    days, lon = np.arange(NUM_DAYS), _LON + _WEST.get(kind.key, -60.5)
    season = np.cos(2 * np.pi * days / 365.25)[:, None, None]
    waves = np.sin(_LAT[:, None] / 3.0 + lon[None] / 4.0 + days[:, None, None] / 40.0)
    pattern = 0.6 * season + 0.4 * waves + 0.1 * rng.normal(size=(NUM_DAYS, len(_LAT), len(_LON)))
    values = kind.mean * 10.0 ** (kind.spread * pattern) if kind.is_log else kind.mean + kind.spread * pattern
    if kind.key == "ice_concentration":
        values = values.clip(0.0, 1.0)
    start = rng.integers(len(_LON), size=NUM_DAYS)
    column = (np.arange(len(_LON))[None, :] - start[:, None]) % len(_LON)
    values = np.where((column < len(_LON) // 2)[:, None, :], np.nan, values)
    coords = {"time": np.datetime64("2001-01-01", "ns") + days * np.timedelta64(1, "D"), "lat": _LAT, "lon": lon}
    field = xr.DataArray(values.astype(np.float32), coords, ("time", "lat", "lon"), attrs=kind.attrs)
    field.to_dataset(name=kind.variable).to_netcdf(path)
    return path
