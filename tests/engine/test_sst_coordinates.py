"""The coordinates of files as people have them: rounded, in float32, in two dimensions."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from engine.data.sst import open_sst
from engine.errors import DataError, GridError
from engine.sphere import LatLonGrid
from tests.support.people_files import LAT, LON, sea, write

ROWS = np.arange(-89.5, 90.0)


@pytest.mark.parametrize("start", [-179.9, -179.2, -100.3, 0.1, 20.3, 123.456])
@pytest.mark.parametrize("per_circle", [360, 1440])
def test_global_longitudes_in_float32_close_the_circle(start: float, per_circle: int) -> None:
    lon = start + np.arange(per_circle) * 360.0 / per_circle
    grid = LatLonGrid(ROWS, lon.astype("f4"))
    assert grid.is_periodic
    np.testing.assert_allclose(grid.lon, lon, rtol=0, atol=1e-5)
    assert grid == LatLonGrid(ROWS, lon)  # equal to the last bit, whatever the file's precision


@pytest.mark.parametrize(("start", "per_circle", "count", "decimals"), [
    (0.0, 4320, 240, 2), (-20.0, 4320, 181, 2), (-180.0, 4320, 4320, 2), (30.0 + 1 / 24, 4320, 180, 3),
    (0.0625, 2880, 100, 2), (-179.9375, 2880, 2880, 3), (10.0, 1440, 80, 1),
])  # fmt: skip
def test_decimals_that_were_cut_off_are_put_back(start: float, per_circle: int, count: int, decimals: int) -> None:
    exact = start + np.arange(count) * 360.0 / per_circle
    lon = LatLonGrid([10.0, 11.0], np.round(exact, decimals)).lon
    np.testing.assert_allclose(np.diff(lon), 360.0 / per_circle, rtol=0, atol=1e-12)
    np.testing.assert_allclose(lon, exact, rtol=0, atol=0.5 * 10.0**-decimals + 3e-5)


@pytest.mark.parametrize("lon", [
    np.arange(0.0, 7.0, 0.7), np.arange(10) * 0.3 + 0.1, np.arange(5) * 1.9,
])  # fmt: skip
def test_regular_longitudes_stay_where_they_are(lon: np.ndarray) -> None:
    np.testing.assert_allclose(LatLonGrid(ROWS, lon).lon, lon, rtol=0, atol=1e-12)


def test_gaussian_latitudes_in_decimals_are_not_made_regular() -> None:
    gaussian = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(94)[0]))
    rounded = np.round(gaussian, 2)
    np.testing.assert_array_equal(LatLonGrid(rounded, np.arange(0.0, 360.0, 2.0)).lat, rounded)


def test_longitudes_unequally_spaced_are_still_refused() -> None:
    with pytest.raises(GridError, match="unequally spaced"):
        LatLonGrid(ROWS, [0.0, 0.1, 0.2, 0.35, 0.4])


@pytest.mark.parametrize(("first", "second"), [("f4", "f8"), ("f8", "f4")])
def test_files_of_one_grid_in_other_precision(first: str, second: str, tmp_path: Path) -> None:
    lat = LAT + 0.01
    for day, coord in enumerate((first, second)):
        write(tmp_path / f"sst_2020010{day + 1}.nc", sea(2, lat)[[day]], [float(day)], lat=lat, coord=coord)
    daily = open_sst(tmp_path).daily
    assert daily is not None
    np.testing.assert_allclose(daily.values, sea(2, lat), rtol=0, atol=1e-6)


def test_files_of_other_grids_are_still_refused(tmp_path: Path) -> None:
    for day, by in enumerate((0.0, 3.0)):
        write(tmp_path / f"sst_2020010{day + 1}.nc", sea(1), [float(day)], lat=LAT + by)
    with pytest.raises(DataError, match="'lat' differs"):
        open_sst(tmp_path)


def wide(path: Path, lat: np.ndarray, lon: np.ndarray, days: int = 2, first: float = 0.0, turned: bool = False) -> Path:
    """A file whose coordinates, ``lat`` and ``lon`` (y, x), have two dimensions."""
    dims = ("x", "y") if turned else ("y", "x")
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", days), ("y", lat.shape[0]), ("x", lat.shape[1])):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "days since 2020-01-01"
        time[:] = first + np.arange(days)
        for name, values, units in (("nav_lat", lat, "degrees_north"), ("nav_lon", lon, "degrees_east")):
            variable = file.createVariable(name, "f4", dims)
            variable.units = units
            variable[:] = values.T if turned else values
        sst = file.createVariable("sst", "f4", ("time", *dims))
        sst.setncatts({"units": "degC", "coordinates": "nav_lat nav_lon"})
        field = sea(days)
        sst[:] = field.transpose(0, 2, 1) if turned else field
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_a_regular_grid_in_two_dimensions(turned: bool, tmp_path: Path) -> None:
    lon, lat = np.meshgrid(LON, LAT)
    wide(tmp_path / "sst_1.nc", lat, lon, turned=turned)
    wide(tmp_path / "sst_2.nc", lat, lon, first=2.0, turned=turned)
    source = open_sst(tmp_path)
    assert source.daily is not None
    np.testing.assert_array_equal(source.grid.lat, LAT)
    np.testing.assert_array_equal(source.grid.lon, LON)
    np.testing.assert_allclose(source.daily.values[:2], sea(2), rtol=0, atol=1e-6)
    assert "'nav_lat' and 'nav_lon' are two-dimensional, but those of a regular grid" in source.notes


def test_a_curvilinear_grid_is_still_refused(tmp_path: Path) -> None:
    lon, lat = np.meshgrid(LON, LAT)
    with pytest.raises(GridError, match="curvilinear"):
        open_sst(wide(tmp_path / "a.nc", lat + 0.02 * lon, lon))
