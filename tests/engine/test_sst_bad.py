"""What cannot be opened is refused by an engine error: what, where and how to go on; a fuzzer finds no other."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from engine.data.sst import open_sst
from engine.errors import DataError, EngineError, GridError
from tests.support import producers
from tests.support import producers_agencies as agencies


def days(count: int = 3, **attrs: object) -> xr.Dataset:
    ds = producers.dataset(count, gaps=False)
    ds["sst"].attrs |= attrs
    return ds


def warmer(by: float, units: str = "degC") -> xr.Dataset:
    ds = days(units=units)
    return ds.assign(sst=(ds["sst"] + by).assign_attrs(ds["sst"].attrs))


def write(ds: xr.Dataset, path: Path) -> Path:
    ds.to_netcdf(path)
    return path


def truncated(folder: Path) -> Path:
    path = write(days(20), folder / "cut.nc")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def damaged_count(folder: Path) -> Path:
    """A classic header in which one bit of an attribute's type is flipped: the C library never comes back from it."""
    path = folder / "classic.nc"
    days().to_netcdf(path, format="NETCDF3_64BIT")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"_FillValue") + 12] ^= 0x80
    path.write_bytes(data)
    return path


def text(folder: Path, content: bytes, name: str = "a.nc") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def without_sst(folder: Path) -> Path:
    ds = days().rename(sst="wind_speed")
    ds["wind_speed"].attrs = {"units": "m s-1"}
    return write(ds, folder / "wind.nc")


def ocean(folder: Path) -> Path:
    ds = days().expand_dims(lev=[0.5, 10.0], axis=1)
    ds["lev"].attrs = {"axis": "Z", "positive": "down", "units": "m"}
    return write(ds, folder / "thetao.nc")


def ensemble(folder: Path) -> Path:
    return write(days().expand_dims(member=[1, 2]), folder / "members.nc")


def unstructured(folder: Path) -> Path:
    path = folder / "icon.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", 1)
        file.createDimension("ncells", 50)
        for name, units in (("clat", "degrees_north"), ("clon", "degrees_east")):
            variable = file.createVariable(name, "f8", ("ncells",))
            variable.setncatts({"standard_name": "latitude" if name == "clat" else "longitude", "units": units})
            variable[:] = np.linspace(-80.0, 80.0, 50)
        sst = file.createVariable("sst", "f4", ("time", "ncells"))
        sst.units = "K"
        sst[:] = 290.0
    return path


def swapped(folder: Path) -> Path:
    lat, lon = days()["lat"], days()["lon"]
    values = np.full((2, lon.size, lat.size), 10.0)
    coords = {"time": producers.FIRST + np.arange(2), "lat": lon.values, "lon": lat.values}
    ds = xr.Dataset({"sst": (("time", "lat", "lon"), values, {"units": "degC"})}, coords)
    return write(ds, folder / "swapped.nc")


def duplicated(folder: Path) -> Path:
    return write(days(5).isel(time=[0, 1, 1, 2, 3, 3]), folder / "twice.nc")


def two_alike(folder: Path) -> Path:
    ds = days()
    return write(ds.assign(sst_night=ds["sst"], sst_day=ds["sst"]).drop_vars("sst"), folder / "two.nc")


def weekly(folder: Path) -> Path:
    ds = days(4)
    return write(ds.assign_coords(time=producers.FIRST + 7 * np.arange(4)), folder / "weeks.nc")


def no_time(folder: Path) -> Path:
    return write(days(2).drop_vars("time"), folder / "timeless.nc")


def other_grid(folder: Path) -> Path:
    write(days(1), folder / "day1.nc")
    write(days(1).isel(lat=slice(0, 20)), folder / "day2.nc")
    return folder


def two_sets(folder: Path) -> Path:
    write(days(2), folder / "mine.nc")
    write(days(2), folder / "yours.nc")
    return folder


def bad_units(folder: Path) -> Path:
    path = write(days(), folder / "when.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.variables["time"].units = "fortnights since the flood"
    return path


BAD: dict[str, tuple[Callable[[Path], object], type[EngineError], str]] = {
    "empty file": (lambda f: text(f, b""), DataError, "the file is empty"),
    "not a NetCDF": (lambda f: text(f, b"hello, world, I am a text"), DataError, "not NetCDF"),
    "a web page": (lambda f: text(f, b"<!DOCTYPE html><html>"), DataError, "web page"),
    "GRIB": (lambda f: text(f, b"GRIB\x00\x00\x00\x02" * 4), DataError, "cdo -f nc4 copy"),
    "gzip": (lambda f: text(f, b"\x1f\x8b\x08" + b"0" * 40), DataError, "gunzip"),
    "only the first bytes": (lambda f: text(f, b"\x89HDF\r\n\x1a\n" + b"0" * 99), DataError, "damaged or cut off"),
    "damaged count": (damaged_count, DataError, "its header contradicts its size"),
    "truncated": (truncated, DataError, "damaged or cut off"),
    "no such file": (lambda f: f / "none.nc", DataError, "there is no such file"),
    "no match": (lambda f: f"{f}/*.nc", DataError, "no file matches"),
    "empty folder": (lambda f: f, DataError, "holds no NetCDF file"),
    "no path": (lambda f: [], DataError, "no file was given"),
    "a null byte": (lambda f: f"{f}/a\0.nc", DataError, "cannot be followed|no such file"),
    "no SST": (without_sst, DataError, r"choose one as variable: wind_speed \(time, lat, lon\)"),
    "two alike": (two_alike, DataError, "choose one as variable: sst_night, sst_day"),
    "three-dimensional": (ocean, DataError, "three-dimensional ocean: 2 levels of 'lev'"),
    "ensemble": (ensemble, DataError, "2 of the dimension 'member'"),
    "curvilinear": (agencies.curvilinear, GridError, "curvilinear.*regrid to"),
    "unstructured": (unstructured, GridError, "unstructured.*cdo remapbil"),
    "swapped": (swapped, GridError, "beyond a pole.*if the two coordinates are swapped"),
    "duplicate times": (duplicated, DataError, "times come twice: 2020-02-21, 2020-02-23"),
    "weekly": (weekly, DataError, "one step is 7 days"),
    "no time": (no_time, DataError, "no time was found"),
    "time units": (bad_units, DataError, "no time was found|cannot be decoded"),
    "all missing": (
        lambda f: write(warmer(np.nan), f / "nothing.nc"),
        DataError,
        "every cell is missing in all 3 days",
    ),
    "all infinite": (lambda f: write(warmer(np.inf), f / "nothing.nc"), DataError, "every cell is missing"),
    "not a temperature": (lambda f: write(days(units="m s-1"), f / "a.nc"), DataError, "'m s-1' of 'sst' is no temp"),
    "kelvin called °C": (lambda f: write(warmer(273.15), f / "a.nc"), DataError, "though the unit is °C.*ncatted"),
    "no unit at all": (
        lambda f: write(warmer(100.0, units=""), f / "a.nc"),
        DataError,
        "no unit is given and the values",
    ),
    "°C called kelvin": (lambda f: write(days(units="K"), f / "a.nc"), DataError, "the unit is kelvin"),
    "other grid": (other_grid, DataError, "'lat' differs from the first file's"),
    "two sets": (two_sets, DataError, "two sets of files could be the daily data"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_words(case: str, tmp_path: Path) -> None:
    make, kind, message = BAD[case]
    paths = make(tmp_path)
    with pytest.raises(kind, match=message) as refusal:
        open_sst(paths)
    assert refusal.value.where
    assert refusal.value.remedy


@pytest.mark.parametrize("batch", range(4))
def test_a_hundred_malformed_files_raise_engine_errors_or_open(batch: int, tmp_path: Path) -> None:
    """Valid files of each kind, cut, with bytes flipped, overwritten or moved, or with absurd attributes."""
    rng = np.random.default_rng(batch)
    kinds = {}
    for name, form in (("hdf5", "NETCDF4"), ("classic", "NETCDF3_64BIT")):
        kinds[name] = tmp_path / f"{name}.nc"
        days(4).to_netcdf(kinds[name], format=form)
    opened = 0
    for number in range(25):
        path = tmp_path / f"bad-{number}.nc"
        shutil.copy(kinds[("hdf5", "classic")[number % 2]], path)
        (spoil_bytes if number % 5 else spoil_attributes)(path, rng)
        with contextlib.suppress(EngineError):
            source = open_sst(path)
            assert source.daily is not None or source.monthly is not None
            opened += 1
            for field in (source.daily, source.monthly):
                if field is not None:
                    field.load(scheduler="synchronous")
        path.unlink()
    assert opened < 25


def spoil_bytes(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    # most of the meaning is in the first kilobytes and in what is not values
    reach = len(data) if rng.random() < 0.3 else min(len(data), 6000)
    how = rng.integers(4)
    if how == 0:
        del data[rng.integers(1, len(data)) :]
    elif how == 1:
        for at in rng.integers(0, reach, rng.integers(1, 60)):
            data[at] ^= 1 << rng.integers(8)
    elif how == 2:
        at, size = rng.integers(0, reach), rng.integers(1, 400)
        data[at : at + size] = rng.bytes(size)
    else:
        at, size = rng.integers(0, reach), rng.integers(1, 400)
        del data[at : at + size]
    path.write_bytes(data)


def spoil_attributes(path: Path, rng: np.random.Generator) -> None:
    absurd = ["", "x", "days since", np.float64(np.nan), np.float32(np.inf), np.int32(-1), np.arange(5.0), "K", "1e400"]
    names = ["units", "scale_factor", "add_offset", "valid_min", "valid_range", "missing_value", "calendar", "axis"]
    with netCDF4.Dataset(path, "a") as file:
        for _ in range(3):
            variable = file.variables[str(rng.choice(["sst", "time", "lat", "lon"]))]
            variable.setncattr(str(rng.choice(names)), absurd[rng.integers(len(absurd))])
