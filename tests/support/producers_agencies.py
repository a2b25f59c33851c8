"""Files as the agencies write them: names, attributes, packing, fill values, order of axes, calendars.

All hold the ocean of :mod:`tests.support.producers`; layouts were taken from what the producers document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np

from tests.support.producers import FIRST, NUM_DAYS, Field, clouds, ice, land, regular, truth_c


def oisst(folder: Path, days: int = NUM_DAYS) -> Path:
    """NOAA OISST v2.1: a file a day, int16, a single zlev, longitude 0…360, noon, ice beside it."""
    lat, lon = regular()
    for day in range(days):
        date = str(FIRST + day).replace("-", "")
        with netCDF4.Dataset(folder / f"oisst-avhrr-v02r01.{date}.nc", "w") as file:
            axes = (("time", None), ("zlev", 1), ("lat", lat.size), ("lon", lon.size))
            _dimensions(file, axes)
            _put(
                file,
                "time",
                "f4",
                [_since("1978-01-01T12", day, "D", noon=True)],
                long_name="Center time of the day",
                units="days since 1978-01-01 12:00:00",
            )
            _put(file, "zlev", "f4", [0.0], long_name="Sea surface height", units="meters", actual_range="0, 0")
            _put(
                file,
                "lat",
                "f4",
                lat,
                long_name="Latitude",
                units="degrees_north",
                grids="Uniform grid from -89.875 to 89.875 by 0.25",
            )
            _put(
                file,
                "lon",
                "f4",
                lon,
                long_name="Longitude",
                units="degrees_east",
                grids="Uniform grid from 0.125 to 359.875 by 0.25",
            )
            dims = ("time", "zlev", "lat", "lon")
            sst = np.where(land(lat, lon), np.nan, truth_c(lat, lon, day))
            for name, values, long_name in (
                ("sst", sst, "Daily sea surface temperature"),
                ("anom", sst * 0.1, "Daily sea surface temperature anomalies"),
                ("err", sst * 0.0 + 0.2, "Estimated error standard deviation of analysed_sst"),
            ):
                _pack(
                    file,
                    name,
                    dims,
                    values,
                    "i2",
                    0.01,
                    0.0,
                    -999,
                    long_name=long_name,
                    units="Celsius",
                    valid_min=np.int16(-300),
                    valid_max=np.int16(4500),
                )
            _pack(
                file,
                "ice",
                dims,
                ice(lat, lon),
                "i2",
                0.01,
                0.0,
                -999,
                long_name="Sea ice concentration",
                units="%",
                valid_min=np.int16(0),
                valid_max=np.int16(100),
            )
            file.setncatts(
                {
                    "title": "NOAA/NCEI 1/4 Degree Daily Optimum Interpolation Sea Surface Temperature Analysis",
                    "Conventions": "CF-1.6, ACDD-1.3",
                }
            )
    return folder


def cci(folder: Path, days: int = NUM_DAYS) -> Path:
    """ESA CCI SST L4: kelvin in int16, a flag mask with land, lakes and ice, sea_ice_fraction in bytes."""
    lat, lon = regular(east_first=-180.0)
    for day in range(days):
        date = str(FIRST + day).replace("-", "")
        path = folder / f"{date}120000-ESACCI-L4_GHRSST-SSTdepth-OSTIA-GLOB_CDR2.1-v02.0-fv01.0.nc"
        with netCDF4.Dataset(path, "w") as file:
            _dimensions(file, (("time", None), ("lat", lat.size), ("lon", lon.size), ("bnds", 2)))
            _put(
                file,
                "time",
                "i4",
                [_since("1981-01-01", day, "s", noon=True)],
                long_name="reference time of sst file",
                standard_name="time",
                axis="T",
                units="seconds since 1981-01-01 00:00:00",
                calendar="gregorian",
                bounds="time_bnds",
            )
            _put(file, "lat", "f4", lat, standard_name="latitude", units="degrees_north", axis="Y", bounds="lat_bnds")
            _put(file, "lon", "f4", lon, standard_name="longitude", units="degrees_east", axis="X", bounds="lon_bnds")
            file.createVariable("lat_bnds", "f4", ("lat", "bnds"))[:] = np.stack([lat - 2.5, lat + 2.5], axis=1)
            file.createVariable("lon_bnds", "f4", ("lon", "bnds"))[:] = np.stack([lon - 2.5, lon + 2.5], axis=1)
            dims, dry = ("time", "lat", "lon"), land(lat, lon)
            sst = np.where(dry, np.nan, truth_c(lat, lon, day))
            _pack(
                file,
                "analysed_sst",
                dims,
                sst + 273.15,
                "i2",
                0.01,
                273.15,
                -32768,
                units="kelvin",
                long_name="analysed sea surface temperature",
                standard_name="sea_water_temperature",
                depth="20 cm",
                valid_min=np.int16(-300),
                valid_max=np.int16(4500),
            )
            _pack(
                file,
                "analysed_sst_uncertainty",
                dims,
                sst * 0.0 + 0.2,
                "i2",
                0.01,
                0.0,
                -32768,
                units="kelvin",
                long_name="estimated error standard deviation of analysed_sst",
            )
            share = ice(lat, lon)
            _pack(
                file,
                "sea_ice_fraction",
                dims,
                share,
                "i1",
                0.01,
                0.0,
                -128,
                units="1",
                long_name="sea ice area fraction",
                standard_name="sea_ice_area_fraction",
            )
            flags = np.where(dry, 2, np.where(np.nan_to_num(share) > 0.15, 9, 1)).astype("i1")
            mask = file.createVariable("mask", "i1", dims, fill_value=np.int8(-128))
            mask.setncatts(
                {
                    "long_name": "sea/land/lake/ice field composite mask",
                    "flag_masks": np.array([1, 2, 4, 8, 16], "i1"),
                    "flag_meanings": "water land optional_lake_surface sea_ice optional_river_surface",
                    "valid_min": np.int8(1),
                    "valid_max": np.int8(31),
                }
            )
            mask[0] = flags
            file.setncatts({"Conventions": "CF-1.5, Unidata Observation Dataset v1.0", "time_coverage_duration": "P1D"})
    return folder


def era5(folder: Path, days: int = 3) -> Path:
    """ERA5 hourly ``sst`` as the Climate Data Store gives it now: valid_time, latitude from the north pole, kelvin."""
    lat, lon = np.arange(90.0, -91.0, -5.0), np.arange(0.0, 360.0, 5.0)
    hours = np.arange(24 * days)
    with netCDF4.Dataset(folder / "data_stream-oper_stepType-instant.nc", "w") as file:
        _dimensions(file, (("valid_time", hours.size), ("latitude", lat.size), ("longitude", lon.size)))
        number = file.createVariable("number", "i8", ())
        number.setncatts({"long_name": "ensemble member numerical id", "units": "1", "standard_name": "realization"})
        number[...] = 0
        start = int(FIRST.astype("datetime64[s]").astype(np.int64))
        _put(
            file,
            "valid_time",
            "i8",
            start + 3600 * hours,
            long_name="time",
            standard_name="time",
            units="seconds since 1970-01-01",
            calendar="proleptic_gregorian",
        )
        _put(
            file, "latitude", "f8", lat, units="degrees_north", standard_name="latitude", stored_direction="decreasing"
        )
        _put(file, "longitude", "f8", lon, units="degrees_east", standard_name="longitude")
        file.createVariable("expver", str, ("valid_time",))[:] = np.array(["0001"] * hours.size, dtype=object)
        sst = file.createVariable(
            "sst",
            "f4",
            ("valid_time", "latitude", "longitude"),
            fill_value=np.float32(np.nan),
            chunksizes=(24, lat.size, lon.size),
            zlib=True,
        )
        sst.setncatts(
            {
                "GRIB_paramId": 34,
                "GRIB_shortName": "sst",
                "long_name": "Sea surface temperature",
                "units": "K",
                "standard_name": "unknown",
                "coordinates": "number valid_time latitude longitude expver",
            }
        )
        for hour in hours:
            # odd about the mean of the day, so that this mean is the truth of the day
            swing = 0.04 * (hour % 24 - 11.5)
            sst[hour] = np.where(land(lat, lon), np.nan, truth_c(lat, lon, hour // 24) + swing + 273.15)
        file.setncatts(
            {
                "GRIB_centre": "ecmf",
                "Conventions": "CF-1.7",
                "institution": "European Centre for Medium-Range Weather Forecasts",
            }
        )
    return folder / "data_stream-oper_stepType-instant.nc"


def cmip(folder: Path, calendar: str = "noleap", days: int = NUM_DAYS, frequency: str = "day") -> Path:
    """CMIP6 ``tos`` on a regular grid: model calendar, float32, 1e20, bounds, noon or mid-month."""
    lat, lon = regular()
    units = "days since 1850-01-01"
    if frequency == "day":
        first = cftime.date2num(cftime.datetime(2020, 2, 20, calendar=calendar), units, calendar)
        edges, table = first + np.arange(days + 1.0), "Oday"
    else:
        starts = [cftime.datetime(2020 + m // 12, m % 12 + 1, 1, calendar=calendar) for m in range(days + 1)]
        edges = cftime.date2num(starts, units, calendar).astype(float)
        table = "Omon"
    times = (edges[1:] + edges[:-1]) / 2.0
    path = folder / f"tos_{table}_MODEL_historical_r1i1p1f1_gr_20200220-20200330.nc"
    with netCDF4.Dataset(path, "w") as file:
        _dimensions(file, (("time", None), ("lat", lat.size), ("lon", lon.size), ("bnds", 2)))
        _put(
            file,
            "time",
            "f8",
            times,
            bounds="time_bnds",
            units=units,
            calendar=calendar,
            axis="T",
            standard_name="time",
        )
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.stack([edges[:-1], edges[1:]], axis=1)
        _put(file, "lat", "f8", lat, bounds="lat_bnds", units="degrees_north", axis="Y", standard_name="latitude")
        _put(file, "lon", "f8", lon, bounds="lon_bnds", units="degrees_east", axis="X", standard_name="longitude")
        file.createVariable("lat_bnds", "f8", ("lat", "bnds"))[:] = np.stack([lat - 2.5, lat + 2.5], axis=1)
        tos = file.createVariable("tos", "f4", ("time", "lat", "lon"), fill_value=np.float32(1e20))
        tos.setncatts(
            {
                "standard_name": "sea_surface_temperature",
                "long_name": "Sea Surface Temperature",
                "units": "degC",
                "cell_methods": "area: mean where sea time: mean",
                "cell_measures": "area: areacello",
                "missing_value": np.float32(1e20),
            }
        )
        for step in range(times.size):
            tos[step] = np.where(land(lat, lon), 1e20, truth_c(lat, lon, step))
        file.setncatts(
            {"Conventions": "CF-1.7 CMIP-6.2", "frequency": frequency[:3], "realm": "ocean", "variable_id": "tos"}
        )
    return path


def curvilinear(folder: Path) -> Path:
    """CMIP6 ``tos`` on the model's own grid: two-dimensional latitude and longitude over j and i."""
    rows, columns = np.meshgrid(np.linspace(-78.0, 89.0, 20), np.arange(0.5, 360.0, 12.0), indexing="ij")
    rows = rows + 2.0 * np.sin(np.deg2rad(columns))  # a model's own grid follows its coasts
    path = folder / "tos_Oday_MODEL_historical_r1i1p1f1_gn_20200101-20200102.nc"
    with netCDF4.Dataset(path, "w") as file:
        _dimensions(file, (("time", None), ("j", rows.shape[0]), ("i", rows.shape[1])))
        _put(file, "time", "f8", [0.5, 1.5], units="days since 2020-01-01", calendar="noleap", standard_name="time")
        for name, values, unit in (("latitude", rows, "degrees_north"), ("longitude", columns, "degrees_east")):
            variable = file.createVariable(name, "f8", ("j", "i"))
            variable.setncatts({"standard_name": name, "units": unit})
            variable[:] = values
        tos = file.createVariable("tos", "f4", ("time", "j", "i"), fill_value=np.float32(1e20))
        tos.setncatts(
            {"standard_name": "sea_surface_temperature", "units": "degC", "coordinates": "latitude longitude"}
        )
        tos[:] = 10.0
    return path


def modis(folder: Path, days: int = NUM_DAYS) -> Path:
    """MODIS Aqua L3 mapped: one map a file without time axis, latitude descending, float32 coordinates, clouds."""
    lat, lon = regular(east_first=-180.0)
    lat = lat[::-1]
    for day in range(days):
        date = str(FIRST + day)
        with netCDF4.Dataset(folder / f"AQUA_MODIS.{date.replace('-', '')}.L3m.DAY.SST.sst.4km.nc", "w") as file:
            _dimensions(file, (("lat", lat.size), ("lon", lon.size), ("rgb", 3), ("eightbitcolor", 256)))
            hidden = land(lat, lon) | clouds(lat, lon, day)
            _pack(
                file,
                "sst",
                ("lat", "lon"),
                np.where(hidden, np.nan, truth_c(lat, lon, day)),
                "i2",
                0.005,
                0.0,
                -32767,
                long_name="Sea Surface Temperature",
                units="degree_C",
                standard_name="sea_surface_temperature",
                valid_min=np.int16(-1000),
                valid_max=np.int16(10000),
                display_scale="linear",
            )
            qual = file.createVariable("qual_sst", "u1", ("lat", "lon"), fill_value=np.uint8(255))
            qual.setncatts(
                {
                    "long_name": "Quality Levels, Sea Surface Temperature",
                    "valid_min": np.int8(0),
                    "valid_max": np.int8(5),
                }
            )
            qual[:] = np.where(hidden, 255, 0)
            _put(
                file,
                "lat",
                "f4",
                lat,
                long_name="Latitude",
                units="degrees_north",
                standard_name="latitude",
                valid_min=np.float32(-90.0),
            )
            _put(
                file,
                "lon",
                "f4",
                lon,
                long_name="Longitude",
                units="degrees_east",
                standard_name="longitude",
                valid_min=np.float32(-180.0),
            )
            file.createVariable("palette", "u1", ("rgb", "eightbitcolor"))[:] = 0
            file.setncatts(
                {
                    "title": "MODISA Level-3 Standard Mapped Image",
                    "temporal_range": "day",
                    "time_coverage_start": f"{date}T00:00:01.000Z",
                    "Conventions": "CF-1.6 ACDD-1.3",
                }
            )
    return folder


def _since(epoch: str, day: int, unit: str, noon: bool) -> float:
    time = (FIRST + day).astype("datetime64[s]") + np.timedelta64(12 if noon else 0, "h")
    return float((time - np.datetime64(epoch, "s")) / np.timedelta64(1, unit))


def _dimensions(file: Any, axes: tuple[tuple[str, int | None], ...]) -> None:
    for name, size in axes:
        file.createDimension(name, size)


def _put(file: Any, name: str, dtype: str, values: Any, **attrs: Any) -> None:
    """A coordinate variable with its attributes."""
    variable = file.createVariable(name, dtype, (name,))
    variable.setncatts(attrs)
    variable[:] = values


def _pack(
    file: Any,
    name: str,
    dims: tuple[str, ...],
    values: Field,
    dtype: str,
    scale: float,
    offset: float,
    fill: int,
    **attrs: Any,
) -> None:
    """A field packed by hand: raw = (value − offset) / scale, rounded; the one step of time is the first."""
    shape = tuple(file.dimensions[dim].size for dim in dims)
    chunks = (*[1] * (len(dims) - 2), *shape[-2:])
    variable = file.createVariable(name, dtype, dims, zlib=True, chunksizes=chunks, fill_value=np.array(fill, dtype))
    variable.set_auto_maskandscale(False)
    variable.setncatts({**attrs, "scale_factor": np.float32(scale), "add_offset": np.float32(offset)})
    raw = np.where(np.isnan(values), fill, np.rint((np.nan_to_num(values) - offset) / scale)).astype(dtype)
    if len(dims) == 2:
        variable[:] = raw
    else:
        variable[(0,) * (len(dims) - 2)] = raw
