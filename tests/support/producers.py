"""One made-up ocean, and the files in which Zarr and the published preparation keep it.

:func:`truth_c` gives multiples of 0.01 °C on any grid, so that packing loses nothing and what a reader makes of a file
can be compared cell by cell. The agencies' layouts are in :mod:`tests.support.producers_agencies`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

FIRST = np.datetime64("2020-02-20", "D")
NUM_DAYS = 40

Field = np.ndarray


def truth_c(lat: np.ndarray, lon: np.ndarray, day: float) -> Field:
    """(H, W) °C at ``day`` of the record, multiples of 0.01 between −1.8 and 31; longitude in any convention."""
    phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None, :]
    field = 27.0 * np.cos(phi) ** 2 - 1.0 + 2.0 * np.sin(lam + phi + day / 9.0) * np.cos(phi)
    return np.round(np.maximum(field, -1.8), 2)


def land(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """(H, W) bool: two continents, one across the date line; 13 % of the cells of a global grid."""
    wrapped = (np.asarray(lon) + 180.0) % 360.0 - 180.0
    first = (np.abs(lat)[:, None] < 40.0) & ((wrapped > 10.0) & (wrapped < 70.0))[None, :]
    second = (np.asarray(lat)[:, None] > 45.0) & (np.abs(wrapped) > 150.0)[None, :]
    return first | second


def clouds(lat: np.ndarray, lon: np.ndarray, day: float) -> np.ndarray:
    """(H, W) bool: what is hidden on a day; stripes that move, no cell for long."""
    wrapped = (np.asarray(lon) + 180.0) % 360.0
    return (np.floor((wrapped[None, :] + 2.0 * np.asarray(lat)[:, None]) / 20.0 + day) % 4.0) == 0.0


def ice(lat: np.ndarray, lon: np.ndarray) -> Field:
    """(H, W) share of ice, 0 to 1, multiples of 0.01; NaN on land."""
    share = np.clip((np.abs(lat) - 60.0) / 20.0, 0.0, 1.0)[:, None] * np.ones(len(lon))
    return np.where(land(lat, lon), np.nan, np.round(share, 2))


def regular(step: float = 5.0, east_first: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Cell centres, latitude ascending, longitude ascending from ``east_first``."""
    lat = np.arange(-90.0 + step / 2.0, 90.0, step)
    return lat, east_first + np.arange(step / 2.0, 360.0, step)


def zarr(folder: Path, version: int, days: int = NUM_DAYS, chunks: tuple[int, int, int] = (1, 36, 72)) -> Path:
    """A Zarr store as xarray writes it, format 2 or 3."""
    path = folder / f"sst-v{version}.zarr"
    dataset(days).to_zarr(
        path, zarr_format=version, consolidated=version == 2, encoding={"sst": {"chunks": chunks, "_FillValue": np.nan}}
    )
    return path


def dataset(days: int = NUM_DAYS, name: str = "sst", gaps: bool = True) -> xr.Dataset:
    """The ocean as an xarray Dataset in °C, daily, latitude ascending, longitude 0…360."""
    lat, lon = regular()
    hidden = [land(lat, lon) | (clouds(lat, lon, day) if gaps else False) for day in range(days)]
    values = np.stack([np.where(h, np.nan, truth_c(lat, lon, day)) for day, h in enumerate(hidden)]).astype("f4")
    coords = {"time": (FIRST + np.arange(days)).astype("datetime64[ns]"), "lat": lat, "lon": lon}
    ds = xr.Dataset(
        {name: (("time", "lat", "lon"), values, {"units": "degC", "standard_name": "sea_surface_temperature"})}, coords
    )
    ds["lat"].attrs, ds["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    return ds


def published(folder: Path, hourly: bool = False) -> Path:
    """The published pairs: masked and full days (or hours) and full months, a file a month, and the land mask."""
    full, masked = dataset(gaps=False, name="tos"), dataset(name="tos")
    for data, cover in ((full, "full"), (masked, "masked")):
        for month, days in data.groupby("time.month"):
            days = _kelvin(days)
            if hourly:
                days = _hours(days)
            kind = "hr" if hourly else "day"
            days.to_netcdf(
                folder / f"2020{month:02d}_{kind}_ERA5dc_{cover}_tos.nc", encoding={"tos": {"_FillValue": 1e20}}
            )
    for month, days in full.groupby("time.month"):
        mean = (
            _kelvin(days).mean("time", keep_attrs=True).expand_dims(time=[np.datetime64(f"2020-{month:02d}-16", "ns")])
        )
        mean.to_netcdf(folder / f"2020{month:02d}_mon_ERA5dc_full_tos.nc", encoding={"tos": {"_FillValue": 1e20}})
    land_mask().to_netcdf(folder / "era5_lsm_bool.nc")
    return folder


def land_mask() -> xr.Dataset:
    """``lsm`` of the published data: bool, True = land."""
    lat, lon = regular()
    return xr.Dataset({"lsm": (("lat", "lon"), land(lat, lon))}, {"lat": lat, "lon": lon})


def prepared(folder: Path, residual: bool = False, hourly: bool = False) -> Path:
    """The five prepared stores: (M, T, lat, lon), what is missing filled with 0 and marked, M = YYYYMM."""
    masked, full = dataset(name="tos")["tos"], dataset(name="tos", gaps=False)["tos"]
    months, slots = [202002, 202003], 744 if hourly else 31
    shape = (len(months), slots, masked.sizes["lat"], masked.sizes["lon"])
    values, padded = np.full(shape, np.nan, "f4"), np.ones(shape[:2], bool)
    for index, time in enumerate(masked["time"].values.astype("datetime64[D]")):
        month, day = int(str(time)[5:7]) - 2, int(str(time)[8:10]) - 1
        where = range(24 * day, 24 * day + 24) if hourly else range(day, day + 1)
        for slot in where:
            values[month, slot] = masked.values[index] + (0.04 * (slot % 24 - 11.5) if hourly else 0.0)
        padded[month, list(where)] = False
    of_month = np.stack([full.sel(time=full["time"].dt.month == m).mean("time").values for m in (2, 3)])
    if residual:
        of_month = of_month - np.stack(
            [masked.sel(time=masked["time"].dt.month == m).mean("time").values for m in (2, 3)]
        )
    coords = {"M": months, "lat": masked["lat"].values, "lon": masked["lon"].values}
    slotted = {**coords, "T": np.arange(1, slots + 1)}
    dims = ("M", "T", "lat", "lon")
    stores = {
        "input_da": xr.DataArray(np.nan_to_num(values), slotted, dims),
        "input_da_nan_mask": xr.DataArray(np.isnan(values), slotted, dims),
        "monthly_da": xr.DataArray(of_month.astype("f4"), coords, ("M", "lat", "lon")),
        "padded_days_mask": xr.DataArray(padded, {"M": months, "T": slotted["T"]}, ("M", "T")),
        "time_features": xr.DataArray(
            np.zeros((*shape[:2], 3)), {"M": months, "T": slotted["T"]}, ("M", "T", "feature")
        ),
    }
    for name, array in stores.items():
        array.to_dataset(name="tos").to_zarr(folder / f"{name}.zarr", zarr_format=3, consolidated=False)
    return folder


def _kelvin(days: xr.Dataset) -> xr.Dataset:
    return days.assign(
        tos=(days["tos"].astype("f8") + 273.15)
        .astype("f4")
        .assign_attrs(units="K", long_name="Sea surface temperature")
    )


def _hours(days: xr.Dataset) -> xr.Dataset:
    """Twenty-four hours a day whose mean is the day."""
    hours = [
        days.assign_coords(time=days["time"] + np.timedelta64(h, "h")) + np.float32(0.04 * (h - 11.5))
        for h in range(24)
    ]
    merged = xr.concat(hours, "time", join="outer").sortby("time")
    merged["tos"].attrs = days["tos"].attrs
    return merged
