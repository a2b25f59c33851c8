"""Grids that are not regular: a rotated globe as ocean models have it, and granules of a swath."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from tests.support.producers import truth_c


def rotated(height: int = 90, width: int = 180, tilt_deg: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) latitudes and longitudes of a regular grid whose poles lie ``tilt_deg`` from those of the Earth."""
    lat = np.deg2rad(-90.0 + 180.0 * (np.arange(height) + 0.5) / height)[:, None]
    lon = np.deg2rad(360.0 * (np.arange(width) + 0.5) / width)[None, :]
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) + 0.0 * lon
    tilt = np.deg2rad(tilt_deg)
    east, up = x * np.cos(tilt) + z * np.sin(tilt), z * np.cos(tilt) - x * np.sin(tilt)
    return np.rad2deg(np.arcsin(np.clip(up, -1.0, 1.0))), np.rad2deg(np.arctan2(y, east)) % 360.0


def at(lat: np.ndarray, lon: np.ndarray, day: float = 0.0) -> np.ndarray:
    """The made-up ocean at points of any shape, °C."""
    return np.array(
        [truth_c(np.array([a]), np.array([b]), day)[0, 0] for a, b in zip(lat.flat, lon.flat, strict=True)]
    ).reshape(lat.shape)


def model(path: Path, days: int = 2, missing: np.ndarray | None = None, **attrs: Any) -> Path:
    """``tos`` on i, j as CMIP6 writes it, in °C."""
    lat, lon = rotated()
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("time", None), ("j", lat.shape[0]), ("i", lat.shape[1])):
            file.createDimension(dim, size)
        for dim in ("j", "i"):
            index = file.createVariable(dim, "i4", (dim,))
            index.units, index[:] = "1", np.arange(file.dimensions[dim].size)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 2015-01-01", "calendar": "noleap", "standard_name": "time"})
        time[:] = np.arange(days) + 0.5
        for name, values, unit in (("latitude", lat, "degrees_north"), ("longitude", lon, "degrees_east")):
            held = file.createVariable(name, "f8", ("j", "i"))
            held.setncatts({"standard_name": name, "units": unit})
            held[:] = values
        field = file.createVariable("tos", "f4", ("time", "j", "i"), fill_value=1e20)
        field.setncatts(
            {"standard_name": "sea_surface_temperature", "units": "degC", "coordinates": "latitude longitude"}
        )
        field.setncatts(attrs)
        hidden = np.zeros(lat.shape, np.bool_) if missing is None else missing
        for day in range(days):
            field[day] = np.ma.masked_array(at(lat, lon, day), hidden)
    return path


def granule(
    folder: Path, number: int, west: float, south: float = -20.0, size: tuple[int, int] = (60, 40), day: int = 0
) -> Path:
    """A GHRSST L2P granule: an inclined strip of 0.2° pixels, packed kelvin, quality levels 0 to 5, its own time.

    Its pixels of quality below 4 hold 10 K less; the first rows have no place, the middle columns no value.
    """
    lines, pixels = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    lat, lon = south + 0.2 * lines + 0.04 * pixels, west + 0.2 * pixels - 0.04 * lines
    lon = (lon + 180.0) % 360.0 - 180.0
    good = (lines + pixels) % 5 != 0
    kelvin = at(lat, lon, day) + 273.15 - np.where(good, 0.0, 10.0)
    path = folder / f"2020010{day + 1}{number:06d}-L2P_GHRSST-SSTskin-MADE-v02.0-fv01.0.nc"
    with netCDF4.Dataset(path, "w") as file:
        for dim, length in (("time", 1), ("nj", size[0]), ("ni", size[1])):
            file.createDimension(dim, length)
        time = file.createVariable("time", "i4", ("time",))
        time.units, time[:] = "seconds since 1981-01-01 00:00:00", [86400 * (14244 + day) + 300 * number]
        for name, values, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
            held = file.createVariable(name, "f4", ("nj", "ni"), fill_value=-999.0)
            held.units, held[:] = unit, np.ma.masked_array(values, lines < 2)
        field = file.createVariable("sea_surface_temperature", "i2", ("time", "nj", "ni"), fill_value=-32768)
        field.setncatts({"units": "kelvin", "standard_name": "sea_surface_skin_temperature", "coordinates": "lon lat"})
        field.scale_factor, field.add_offset = np.float32(0.01), np.float32(273.15)
        field[:] = np.ma.masked_array(kelvin, abs(pixels - size[1] / 2) < 4)[None]
        quality = file.createVariable("quality_level", "i1", ("time", "nj", "ni"), fill_value=-128)
        quality.setncatts({
            "flag_values": np.arange(6, dtype="i1"),
            "flag_meanings": "no_data bad_data worst_quality low_quality acceptable_quality best_quality",
        })  # fmt: skip
        quality[:] = np.where(good, 5, 2)[None]
        file.setncatts({"processing_level": "L2P", "time_coverage_start": f"2020010{day + 1}T000000Z"})
    return path
