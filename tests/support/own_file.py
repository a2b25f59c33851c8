"""A file as a person brings one: a region of an agency's daily product, packed or not, days with clouds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from engine.data.land import draw_rows


@dataclass(frozen=True)
class Product:
    """What a producer writes: name, attributes and packing of the variable, and the values of its cells.

    ``mean`` and ``swing`` (of the year) are in the file's unit, or of the decimal logarithm of it. ``masked``: where
    there are no values, on the true coast, or in a corner of the box.
    """

    variable: str
    attrs: dict[str, str]
    mean: float
    swing: float
    masked: Literal["corner", "land", "sea"] = "land"
    packing: dict[str, Any] | None = None
    is_log: bool = False


_KELVIN = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": np.int16(-32768)}

SST = Product(
    "sea_surface_temperature",
    {"units": "kelvin", "standard_name": "sea_surface_temperature", "long_name": "sea surface temperature"},
    285.0, 4.0, "corner", _KELVIN,
)  # fmt: skip
COASTAL_SST = Product(SST.variable, SST.attrs, 288.0, 5.0, "land", _KELVIN)
CHLOROPHYLL = Product(
    "chlor_a", {"units": "mg m^-3", "long_name": "Chlorophyll Concentration, OCI Algorithm"}, -0.3, 0.4, is_log=True
)
LAND_TEMPERATURE = Product(
    "LST", {"units": "K", "standard_name": "land_surface_temperature", "long_name": "Land surface temperature"},
    290.0, 12.0, "sea",
)  # fmt: skip


def write_region(
    path: Path,
    product: Product = SST,
    *,
    first: str = "2019-01-01",
    num_days: int = 731,
    shape: tuple[int, int] = (40, 60),
    corner: tuple[float, float] = (34.0, -20.0),
    step_deg: float = 0.25,
    cloudy: float = 0.6,
    seed: int = 0,
) -> Path:
    """Write ``num_days`` of a box with a coast, as a GHRSST level-3 product lays it out.

    Latitude descends, longitude runs from 0 to 360, and clouds are fields of the size of weather that last for days.
    ``corner`` is the south-western edge, degrees north and east.
    """
    rng = np.random.default_rng(seed)
    lat = corner[0] + step_deg * (0.5 + np.arange(shape[0]))[::-1]
    lon = (corner[1] + step_deg * (0.5 + np.arange(shape[1]))) % 360.0
    time = np.arange(np.datetime64(first), np.datetime64(first) + num_days)
    day = np.arange(num_days)[:, None, None]
    north, east = np.linspace(1.0, 0.0, shape[0])[:, None], np.linspace(0.0, 1.0, shape[1])
    season = np.sin(2.0 * np.pi * (day - 120) / 365.25)
    wave = 0.2 * np.sin(2.0 * np.pi * (3.0 * east + 2.0 * north - day / 37.0))
    noise = 0.05 * rng.standard_normal((num_days, *shape))
    values = product.mean + product.swing * (1.5 * (0.5 - north) + season + wave + noise)
    values = 10.0**values if product.is_log else values
    values[_clouds(rng, num_days, shape) < cloudy] = np.nan
    corner_of_land = (east > 0.85) & (north < 0.4)
    left_out = (
        corner_of_land if product.masked == "corner" else draw_rows(lat, lon, "50m") == (product.masked == "land")
    )
    values[:, left_out] = np.nan
    fields = {product.variable: (("time", "lat", "lon"), values.astype(np.float32), product.attrs)}
    coords = {
        "time": time.astype("datetime64[ns]"),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    dataset = xr.Dataset(fields, coords, {"title": "Daily fields of a region", "Conventions": "CF-1.7"})
    packing = {"zlib": True, "chunksizes": (1, *shape), **(product.packing or {})}
    dataset.to_netcdf(path, encoding={product.variable: packing})
    return path


def _clouds(rng: np.random.Generator, num_days: int, shape: tuple[int, int]) -> np.ndarray:
    """(day, row, column) ranks in 0 … 1 of a smooth field that changes within days."""
    coarse = rng.standard_normal((num_days // 3 + 2, shape[0] // 8 + 2, shape[1] // 8 + 2))
    smooth = np.repeat(np.repeat(np.repeat(coarse, 3, 0), 8, 1), 8, 2)[:num_days, : shape[0], : shape[1]]
    field = smooth + 0.5 * rng.standard_normal(smooth.shape)
    return field.argsort(axis=None).argsort().reshape(field.shape) / field.size
