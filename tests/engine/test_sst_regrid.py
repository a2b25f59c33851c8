"""Curvilinear grids and swaths: refused with proposals, and regridded where that is chosen; other grids by area."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import xarray_regrid  # noqa: F401  # pyright: ignore (gives .regrid to xarray objects)

from engine.data.regrid import cell_areas, proposals, regridder, target_grid
from engine.data.source import Overrules, Regrid
from engine.data.sst import file_fields, open_sst
from engine.errors import ChoiceError, GridError
from engine.sphere import LatLonGrid
from tests.support.people_files import sea, write
from tests.support.producers_native import granule, model, rotated

METHODS = ["bucket", "bilinear"]


def smooth(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """x + 2y + 3z of the unit sphere: linear in space, smooth at the poles and the date line."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    return (np.cos(phi) * (np.cos(lam) + 2.0 * np.sin(lam)) + 3.0 * np.sin(phi)).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays_and_a_linear_field_is_near(method: str) -> None:
    lat, lon = rotated()
    grid = LatLonGrid.regular(5.0)
    regrid = regridder(lat, lon, grid, method)
    constant = regrid(np.full(lat.shape, 7.0, np.float32))
    np.testing.assert_allclose(constant[np.isfinite(constant)], 7.0, rtol=1e-6)
    wanted = smooth(grid.lat[:, None], grid.lon[None, :])
    found_share = np.isfinite(constant)[np.abs(grid.lat) < 75.0].mean()
    assert found_share > 0.99  # the poles of the rotated grid are holes of one cell
    # a mean lies within half a cell of the field's slope, at most 4 a radian; an interpolation is right to second order
    # in the distance of its corners, two spacings
    error = np.nanmax(np.abs(regrid(smooth(lat, lon)) - wanted))
    assert error < (4.0 * np.deg2rad(2.5) if method == "bucket" else 4.0 * np.deg2rad(4.0) ** 2)


def test_a_linear_field_of_degrees_is_exact_between_cells() -> None:
    """A sheared grid of parallelograms: bilinear interpolation keeps a + b lat + c lon."""
    lines, pixels = np.meshgrid(np.arange(40.0), np.arange(50.0), indexing="ij")
    lat, lon = -10.0 + 0.5 * lines + 0.1 * pixels, 20.0 + 0.5 * pixels - 0.1 * lines
    grid = LatLonGrid(np.arange(-4.0, 4.0), np.arange(25.0, 35.0))
    result = regridder(lat, lon, grid, "bilinear")((2.0 + 0.3 * lat - 0.2 * lon).astype(np.float32))
    wanted = 2.0 + 0.3 * grid.lat[:, None] - 0.2 * grid.lon[None, :]
    np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-5)


def test_buckets_keep_the_integral() -> None:
    """Σ over cells of mean × area of the values in it = Σ value × area, over the valid values."""
    lat, lon = rotated()
    values = smooth(lat, lon)
    values[20:40, 30:60] = np.nan
    valid = np.isfinite(values)
    area = cell_areas(lat, lon)
    grid = LatLonGrid.regular(4.0)
    mean = regridder(lat, lon, grid, "bucket")(values)
    rows = np.floor((lat + 90.0) / 4.0).astype(int).clip(0, 44)
    columns = np.floor((lon + 180.0) % 360.0 / 4.0).astype(int)
    held = np.zeros(grid.shape)
    np.add.at(held, (rows[valid], columns[valid]), area[valid])
    np.testing.assert_array_equal(np.isfinite(mean), held > 0.0)
    assert np.nansum(mean * held) == pytest.approx(float((values * area)[valid].sum()), rel=1e-5)
    assert area.sum() == pytest.approx(4.0 * np.pi, rel=1e-2)  # the edges are one-sided differences


@pytest.mark.parametrize("method", METHODS)
def test_gaps_stay_missing_also_across_the_date_line(method: str) -> None:
    lines, pixels = np.meshgrid(np.arange(100.0), np.arange(100.0), indexing="ij")
    lat, lon = 0.1 * lines, (175.0 + 0.1 * pixels + 180.0) % 360.0 - 180.0
    values = np.where(abs(pixels - 50) < 20, np.nan, 5.0).astype(np.float32)
    values[:30] = np.nan
    grid = target_grid(0.5, [(lat, lon)])
    assert (grid.lon[0], grid.lon[-1], grid.lat[0], grid.lat[-1]) == (175.25, 184.75, 0.25, 9.75)
    result = regridder(lat, lon, grid, method)(values)
    assert np.isnan(result[:5]).all()
    assert np.isnan(result[:, 7:13]).all()
    np.testing.assert_allclose(result[7:18, 1:5], 5.0)
    np.testing.assert_allclose(result[7:18, 15:18], 5.0)


def test_the_proposal_suits_the_spacing() -> None:
    assert proposals(*rotated(), is_swath=False)[:2] == (Regrid(2.0, "bilinear"), Regrid(5.0, "bucket"))
    lines, pixels = np.meshgrid(0.01 * np.arange(50.0), 0.01 * np.arange(50.0), indexing="ij")
    assert proposals(lines, pixels, is_swath=True)[0] == Regrid(0.02, "bucket")


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_regridded_after_asking(method: str, tmp_path: Path) -> None:
    path = model(tmp_path / "tos_Omon_made.nc")
    with pytest.raises(
        GridError, match=r"the grid is curvilinear: .* two-dimensional .*regrid to 2° \(bilinear\)"
    ) as no:
        open_sst(path)
    chosen = next(choice for choice in no.value.choices["regrid"] if choice.method == method)
    source = open_sst(path, overrules=Overrules(regrid=chosen))
    assert source.daily is not None
    assert source.understood is not None
    assert source.understood.overruled == ("regrid",)
    assert "90 × 180 cells of a curvilinear grid" in source.understood.grid
    wanted = np.stack([_truth(source.grid, day) for day in range(2)])
    error = np.abs(source.daily.values - wanted)
    assert np.isfinite(error)[:, np.abs(source.grid.lat) < 70.0][:, :, ~source.land.all(axis=0)].mean() > 0.6
    assert np.nanmax(error) < 2.5  # °C: the slope is 0.9 a degree, the cells have 2° and 5°
    assert np.nanmean(error) < (0.5 if method == "bucket" else 0.05)
    again = pickle.loads(pickle.dumps(source.daily))
    np.testing.assert_array_equal(again[1].values, source.daily[1].values)


def _truth(grid: LatLonGrid, day: float) -> np.ndarray:
    from tests.support.producers import truth_c

    return truth_c(grid.lat, grid.lon, day)


def test_granules_of_a_swath_become_days(tmp_path: Path) -> None:
    for number, west in ((0, 170.0), (1, 178.0), (2, -160.0)):
        granule(tmp_path, number, west)
    granule(tmp_path, 0, 171.0, day=1)
    with pytest.raises(GridError, match=r"the data are a swath.*regrid to 0\.5° \(bucket mean\)"):
        open_sst(tmp_path)
    source = open_sst(tmp_path, overrules=Overrules(regrid=Regrid(0.5, "bucket")))
    assert source.daily is not None
    assert source.daily.sizes["time"] == 2
    assert source.grid.lon[-1] > 180.0
    error = np.abs(source.daily.values - np.stack([_truth(source.grid, day) for day in (0, 1)]))
    # pixels of low quality, 10 K colder, are left out before the mean
    assert np.nanmax(error) < 0.6
    seen = np.isfinite(source.daily.values).mean(axis=(1, 2))
    assert seen[0] > 1.5 * seen[1] > 0.05
    assert "20% of observations left out" in source.grading


@pytest.mark.parametrize("regrid", [Regrid(0.7, "bucket"), Regrid(1.0, "conservative")])
def test_what_cannot_work_is_refused(regrid: Regrid, tmp_path: Path) -> None:
    granule(tmp_path, 0, 10.0)
    with pytest.raises(ChoiceError, match=r"whole number of steps|not regridded by area"):
        open_sst(tmp_path, overrules=Overrules(regrid=regrid))


def test_a_regular_grid_is_regridded_by_area(tmp_path: Path) -> None:
    lat, lon = np.arange(-89.0, 90.0, 2.0), np.arange(1.0, 360.0, 2.0)
    path = write(tmp_path / "a.nc", sea(2, lat, lon), [0.0, 1.0], lat=lat, lon=lon)
    source = open_sst(path, overrules=Overrules(regrid=Regrid(6.0, "conservative")))
    assert source.daily is not None
    assert source.grid == LatLonGrid.regular(6.0)
    whole = LatLonGrid(lat, lon)
    kept, before = (
        float(np.average(field.mean(axis=-1), weights=grid.cell_area_m2))
        for field, grid in ((source.daily.values[1], source.grid), (sea(2, lat, lon)[1], whole))
    )
    assert kept == pytest.approx(before, abs=1e-5)
    native = xr.DataArray(sea(2, lat, lon)[1], {"lat": lat, "lon": (lon + 180.0) % 360.0 - 180.0}, ("lat", "lon"))
    target = xr.Dataset(coords={"lat": source.grid.lat, "lon": source.grid.lon})
    oracle = native.sortby("lon").regrid.conservative(target, latitude_coord="lat")  # pyright: ignore
    inside = slice(1, -1)  # at the poles xarray-regrid weighs a row by the cosine of its middle
    np.testing.assert_allclose(source.daily.values[1, inside], oracle.values[inside], rtol=0, atol=2e-3)
    assert source.understood is not None
    assert source.understood.grid == "30 × 60 cells, regridded from 90 × 180 cells to 6° (by area)"
    with pytest.raises(ChoiceError, match="choose conservative"):
        open_sst(path, overrules=Overrules(regrid=Regrid(6.0, "bucket")))


def test_a_regular_grid_of_two_dimensions_needs_no_other(tmp_path: Path) -> None:
    """It opens as it is, so that regridding is not proposed for it; a curvilinear one has proposals."""
    lat, lon = np.meshgrid(np.arange(-20.0, 20.0, 2.0), np.arange(0.0, 60.0, 3.0), indexing="ij")
    fields = {"sst": (("time", "y", "x"), np.full((2, *lat.shape), 10.0, np.float32), {"units": "degC"})}
    coords = {
        "time": np.array(["2001-01-01", "2001-01-02"], "datetime64[ns]"),
        "lat": (("y", "x"), lat, {"units": "degrees_north"}),
        "lon": (("y", "x"), lon, {"units": "degrees_east"}),
    }
    xr.Dataset(fields, coords).to_netcdf(tmp_path / "a.nc")
    assert open_sst(tmp_path / "a.nc").grid.shape == (20, 20)
    assert file_fields(tmp_path / "a.nc").regrids == ()
    assert file_fields(model(tmp_path / "b.nc")).regrids
