"""More files as the agencies write them: sea level, unsigned words, ice on a polar plane, months, granules on a grid.

Layouts were taken from what the producers document; the fields are those of :mod:`tests.support.producers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from tests.support.producers import land, truth_c

_MEANINGS = "no_data bad_data worst_quality low_quality acceptable_quality best_quality"


def _file(path: Path, sizes: Mapping[str, int], **attrs: Any) -> Any:
    file: Any = netCDF4.Dataset(path, "w")
    for dim, size in sizes.items():
        file.createDimension(dim, size)
    file.setncatts({"Conventions": "CF-1.7", **attrs})
    return file


def _put(file: Any, name: str, dtype: str, dims: tuple[str, ...], values: Any, fill: Any = None, **attrs: Any) -> None:
    """A variable of raw ``values``, as they stand in the file."""
    variable = file.createVariable(name, dtype, dims, fill_value=None if fill is None else np.array(fill, dtype))
    variable.set_auto_maskandscale(False)
    variable.setncatts(attrs)
    variable[...] = values


def _packed(values: np.ndarray, scale: float, offset: float, fill: int) -> np.ndarray:
    return np.where(np.isnan(values), fill, np.rint((np.nan_to_num(values) - offset) / scale))


def sea_level_m(lat: np.ndarray, lon: np.ndarray, day: float) -> np.ndarray:
    """(H, W) sea-level anomalies, metres, multiples of 1e-4, about 0; NaN on land."""
    waves = 0.2 * np.sin(np.deg2rad(3.0 * lat))[:, None] * np.cos(np.deg2rad(2.0 * lon) + day / 5.0)[None, :]
    return np.where(land(lat, lon), np.nan, np.round(waves, 4))


def aviso(folder: Path, days: int = 5) -> Path:
    """Copernicus/AVISO gridded sea level: a file a day, int32 of 1e-4 m, longitude 0…360, other fields beside it."""
    lat, lon = np.arange(-87.5, 90.0, 5.0), np.arange(2.5, 360.0, 5.0)
    for day in range(days):
        with _file(
            folder / f"dt_global_allsat_phy_l4_2010010{day + 1}_20200101.nc",
            {"time": 1, "latitude": lat.size, "longitude": lon.size, "nv": 2},
            title="DT merged all satellites Global Ocean Gridded SSALTO/DUACS Sea Surface Height L4 product",
            time_coverage_resolution="P1D",
        ) as file:
            _put(file, "time", "f4", ("time",), [21915.0 + day], units="days since 1950-01-01 00:00:00",
                 standard_name="time", calendar="gregorian", axis="T")  # fmt: skip
            _put(file, "latitude", "f4", ("latitude",), lat, units="degrees_north", standard_name="latitude",
                 bounds="lat_bnds", axis="Y")  # fmt: skip
            _put(file, "longitude", "f4", ("longitude",), lon, units="degrees_east", standard_name="longitude",
                 bounds="lon_bnds", axis="X")  # fmt: skip
            _put(file, "lat_bnds", "f4", ("latitude", "nv"), np.stack([lat - 2.5, lat + 2.5], axis=1))
            _put(file, "lon_bnds", "f4", ("longitude", "nv"), np.stack([lon - 2.5, lon + 2.5], axis=1))
            fill = -2147483647
            for name, standard in (
                ("sla", "sea_surface_height_above_sea_level"),
                ("adt", "sea_surface_height_above_geoid"),
            ):
                values = sea_level_m(lat, lon, day) + (0.5 if name == "adt" else 0.0)
                _put(file, name, "i4", ("time", "latitude", "longitude"), _packed(values, 1e-4, 0.0, fill)[None], fill,
                     units="m", standard_name=standard, scale_factor=1e-4, coordinates="longitude latitude",
                     grid_mapping="crs")  # fmt: skip
            _put(file, "crs", "i4", (), 0, grid_mapping_name="latitude_longitude")
    return folder


def modis_smi(folder: Path, days: int = 3) -> Path:
    """MODIS standard mapped images with unsigned words: ``_Unsigned`` int16, the fill value 65535 written as −1."""
    lat, lon = np.arange(87.5, -90.0, -5.0), np.arange(-177.5, 180.0, 5.0)
    scale, offset = np.float32(0.000717185), np.float32(-2.0)
    for day in range(days):
        with _file(
            folder / f"A200000{day + 1}.L3m_DAY_NSST_sst_4km.nc", {"lat": lat.size, "lon": lon.size},
            time_coverage_start=f"2000-01-0{day + 1}T00:05:00.000Z", temporal_range="day",
            processing_level="L3 Mapped",
        ) as file:  # fmt: skip
            _put(file, "lat", "f4", ("lat",), lat, units="degrees_north", standard_name="latitude")
            _put(file, "lon", "f4", ("lon",), lon, units="degrees_east", standard_name="longitude")
            values = np.where(land(lat, lon), np.nan, truth_c(lat, lon, day))
            raw = _packed(values, float(scale), float(offset), 65535).astype(np.uint16).view(np.int16)
            _put(file, "sst", "i2", ("lat", "lon"), raw, -1, _Unsigned="true", units="degree_C", scale_factor=scale,
                 add_offset=offset, standard_name="sea_surface_temperature",
                 long_name="Sea Surface Temperature")  # fmt: skip
    return folder


def polar_plane(size: int = 60, cell_km: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """(size, size) latitudes and longitudes of a polar stereographic plane about the North Pole, on a sphere."""
    metres = 1000.0 * cell_km * (np.arange(size) + 0.5 - size / 2)
    x, y = np.meshgrid(metres, metres[::-1])
    distance = 2.0 * np.arctan(np.hypot(x, y) / (2.0 * 6_371_000.0))
    return 90.0 - np.rad2deg(distance), np.rad2deg(np.arctan2(x, -y)) - 45.0


def ice_percent(lat: np.ndarray) -> np.ndarray:
    """Concentration of sea ice at points of any shape, %: 0 up to 65° N, 100 from 85° N on."""
    return np.clip((lat - 65.0) * 5.0, 0.0, 100.0)


def osi_saf(folder: Path, days: int = 2) -> Path:
    """EUMETSAT OSI SAF ice concentration: yc, xc of a polar plane in km, latitude and longitude in two dimensions."""
    lat, lon = polar_plane()
    lon = (lon + 180.0) % 360.0 - 180.0
    km = 100.0 * (np.arange(60) + 0.5 - 30)
    for day in range(days):
        with _file(
            folder / f"ice_conc_nh_polstere-100_multi_2020010{day + 1}1200.nc",
            {"time": 1, "yc": 60, "xc": 60, "nv": 2}, title="Daily Sea Ice Concentration Analysis from OSI SAF",
        ) as file:  # fmt: skip
            _put(file, "time", "f8", ("time",), [1325376000.0 + 86400 * day + 43200 - 126230400.0 - 5 * 86400],
                 units="seconds since 1978-01-01 00:00:00", standard_name="time", axis="T")  # fmt: skip
            _put(file, "xc", "f8", ("xc",), km, units="km", standard_name="projection_x_coordinate", axis="X")
            _put(file, "yc", "f8", ("yc",), km[::-1], units="km", standard_name="projection_y_coordinate", axis="Y")
            _put(file, "lat", "f4", ("yc", "xc"), lat, units="degrees_north", standard_name="latitude")
            _put(file, "lon", "f4", ("yc", "xc"), lon, units="degrees_east", standard_name="longitude")
            _put(file, "Polar_Stereographic_Grid", "i4", (), 0, grid_mapping_name="polar_stereographic",
                 straight_vertical_longitude_from_pole=np.float32(-45.0))  # fmt: skip
            _put(file, "ice_conc", "i4", ("time", "yc", "xc"), np.rint(100.0 * ice_percent(lat))[None], -32767,
                 units="%", standard_name="sea_ice_area_fraction", scale_factor=np.float32(0.01),
                 coordinates="time lat lon", grid_mapping="Polar_Stereographic_Grid",
                 long_name="fully filtered concentration of sea ice using atmospheric correction")  # fmt: skip
            _put(file, "status_flag", "i1", ("time", "yc", "xc"), np.zeros((1, 60, 60)), -1, flag_masks=[1, 2],
                 flag_meanings="land lake", coordinates="time lat lon")  # fmt: skip
    return folder


def hadisst(folder: Path, months: int = 14) -> Path:
    """Met Office HadISST1: months, latitude from the north, −1e30 on land and −1000 under ice."""
    lat, lon = np.arange(87.5, -90.0, -5.0), np.arange(-177.5, 180.0, 5.0)
    starts = np.arange(np.datetime64("1990-01"), np.datetime64("1990-01") + months + 1).astype("datetime64[D]")
    edges = (starts - np.datetime64("1870-01-01")).astype(float)
    path = folder / "HadISST_sst.nc"
    with _file(path, {"time": months, "latitude": lat.size, "longitude": lon.size, "nv": 2}, source="HadISST") as file:
        _put(file, "time", "f4", ("time",), (edges[1:] + edges[:-1]) / 2.0, units="days since 1870-1-1 0:0:0",
             calendar="gregorian", standard_name="time", bounds="time_bnds")  # fmt: skip
        _put(file, "time_bnds", "f4", ("time", "nv"), np.stack([edges[:-1], edges[1:]], axis=1))
        _put(file, "latitude", "f4", ("latitude",), lat, units="degrees_north", standard_name="latitude")
        _put(file, "longitude", "f4", ("longitude",), lon, units="degrees_east", standard_name="longitude")
        fields = np.stack([_under_ice(lat, lon, month) for month in range(months)])
        _put(file, "sst", "f4", ("time", "latitude", "longitude"), fields, -1e30, units="C",
             standard_name="sea_surface_temperature", long_name="sst", missing_value=np.float32(-1e30),
             cell_methods="time: lat: lon: mean")  # fmt: skip
    return path


def is_under_ice(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """(H, W) bool: the cells that HadISST codes as ice in these files."""
    return (np.abs(lat)[:, None] > 80.0) & ~land(lat, lon)


def _under_ice(lat: np.ndarray, lon: np.ndarray, month: int) -> np.ndarray:
    values = np.where(is_under_ice(lat, lon), -1000.0, truth_c(lat, lon, month))
    return np.where(land(lat, lon), -1e30, values)


def ersst(folder: Path, months: int = 4) -> Path:
    """NOAA ERSST v5: a file a month, a level of one, grid points on the equator, −999, anomalies beside it."""
    lat, lon = np.arange(-88.0, 89.0, 2.0), np.arange(0.0, 360.0, 2.0)
    for month in range(months):
        with _file(
            folder / f"ersst.v5.2001{month + 1:02d}.nc", {"lat": lat.size, "lon": lon.size, "lev": 1, "time": 1},
            title="NOAA ERSSTv5 (in situ only)", source="In situ data: ICOADS R3.0",
        ) as file:  # fmt: skip
            _put(file, "lat", "f8", ("lat",), lat, units="degrees_north", standard_name="latitude",
                 grids="uniform grid from -88 to 88 by 2")  # fmt: skip
            _put(file, "lon", "f8", ("lon",), lon, units="degrees_east", standard_name="longitude")
            _put(file, "lev", "f8", ("lev",), [0.0], units="meters", standard_name="depth", positive="down")
            first = (np.datetime64(f"2001-{month + 1:02d}-15") - np.datetime64("1854-01-15")).astype(float)
            _put(file, "time", "f8", ("time",), [first], units="days since 1854-01-15", calendar="gregorian",
                 standard_name="time", delta_t="0000-01-00")  # fmt: skip
            values = np.where(land(lat, lon), -999.0, truth_c(lat, lon, month))[None, None]
            _put(file, "sst", "f4", ("time", "lev", "lat", "lon"), values, -999.0, units="degree_C",
                 standard_name="sea_surface_temperature",
                 long_name="Extended reconstructed sea surface temperature")  # fmt: skip
            _put(file, "ssta", "f4", ("time", "lev", "lat", "lon"), values * 0.0 + 0.1, -999.0, units="degree_C",
                 long_name="Extended reconstructed SST anomalies")  # fmt: skip
    return folder


def l3u(folder: Path, days: int = 2, granules: int = 3) -> Path:
    """GHRSST L3U: granules of an overpass on a regular grid, ten minutes each, kelvin, times of pixels beside."""
    lat, lon = np.arange(-87.5, 90.0, 5.0), np.arange(-177.5, 180.0, 5.0)
    for day in range(days):
        for granule in range(granules):
            start = 1_262_304_000 - 347_155_200 + 86400 * day + 600 * granule  # seconds since 1981, from 2010-01-01
            with _file(
                folder / f"201001{day + 1:02d}0{granule}1000-OSPO-L3U_GHRSST-SSTsubskin-VIIRS_NPP-v02.8-fv01.0.nc",
                {"time": 1, "lat": lat.size, "lon": lon.size}, processing_level="L3U",
                time_coverage_start=f"201001{day + 1:02d}T00{granule}000Z",
            ) as file:  # fmt: skip
                _put(file, "time", "i4", ("time",), [start], units="seconds since 1981-01-01 00:00:00",
                     standard_name="time", axis="T")  # fmt: skip
                _put(file, "lat", "f4", ("lat",), lat, units="degrees_north", standard_name="latitude")
                _put(file, "lon", "f4", ("lon",), lon, units="degrees_east", standard_name="longitude")
                seen = overpass(lon, granule)[None, :] & ~land(lat, lon)
                good = (np.arange(lon.size) % 4 != 0)[None, :] & seen
                kelvin = np.where(seen, truth_c(lat, lon, day) + 273.15 - np.where(good, 0.0, 10.0), np.nan)
                dims = ("time", "lat", "lon")
                _put(file, "sea_surface_temperature", "i2", dims, _packed(kelvin, 0.01, 273.15, -32768)[None], -32768,
                     units="kelvin", standard_name="sea_surface_subskin_temperature", scale_factor=np.float32(0.01),
                     add_offset=np.float32(273.15), valid_min=np.int16(-200), valid_max=np.int16(5000))  # fmt: skip
                _put(file, "sst_dtime", "i2", dims, np.zeros((1, lat.size, lon.size)), -32768, units="seconds",
                     long_name="time difference from reference time", scale_factor=np.float32(0.25))  # fmt: skip
                _put(file, "quality_level", "i1", dims, np.where(good, 5, np.where(seen, 2, 0))[None], -128,
                     flag_values=np.arange(6, dtype="i1"), long_name="quality level of SST pixel",
                     flag_meanings=_MEANINGS)  # fmt: skip
    return folder


def overpass(lon: np.ndarray, granule: int) -> np.ndarray:
    """(W,) bool: the longitudes that a granule sees."""
    return np.abs((lon - (-120.0 + 60.0 * granule) + 180.0) % 360.0 - 180.0) < 30.0
