"""Grids: edges, areas, conventions understood, bad coordinates refused in words."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import GridError
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, grid_from_dataset

SPHERE_M2 = 4.0 * math.pi * EARTH_RADIUS_M**2
LAT = np.arange(-85.0, 86.0, 10.0)
LON = np.arange(0.0, 360.0, 10.0)


def gaussian_latitudes(rows: int) -> np.ndarray:
    return np.degrees(np.arcsin(np.polynomial.legendre.leggauss(rows)[0]))


def area(grid: LatLonGrid) -> float:
    return float(grid.cell_area_m2.sum()) * grid.shape[1]


@pytest.mark.parametrize(
    "grid",
    [
        LatLonGrid.regular(1.0),
        LatLonGrid.regular(0.25),
        LatLonGrid.poles(0.25),
        LatLonGrid(LAT[::-1], LON),
        LatLonGrid(gaussian_latitudes(64), np.arange(128) * 360.0 / 128),
    ],
    ids=repr,
)
def test_the_cells_of_a_global_grid_cover_the_sphere(grid: LatLonGrid) -> None:
    assert grid.is_global
    assert grid.is_periodic
    assert area(grid) == pytest.approx(SPHERE_M2, rel=1e-13)
    assert (grid.cell_area_m2 > 0.0).all()


def test_regular_and_pole_to_pole_grids_lie_where_they_say() -> None:
    centres, points = LatLonGrid.regular(0.25), LatLonGrid.poles(0.25)
    assert centres.shape == (720, 1440)
    assert (centres.lat[0], centres.lon[0]) == (-89.875, -179.875)
    assert points.shape == (721, 1440)
    assert (points.lat[0], points.lat[-1], points.lon[0]) == (-90.0, 90.0, -180.0)
    # a row on a pole is a half cell: from the pole to half a step away
    assert tuple(points.lat_bounds[:2]) == (-90.0, -89.875)
    assert points.max_resolved_degree == centres.max_resolved_degree == 719


def test_area_weights_are_the_cosine_on_regular_rows_and_the_area_on_any() -> None:
    regular, points = LatLonGrid.regular(1.0), LatLonGrid.poles(1.0)
    np.testing.assert_allclose(regular.area_weights, np.cos(np.deg2rad(regular.lat)), rtol=1e-12)
    np.testing.assert_allclose(points.area_weights[1:-1], np.cos(np.deg2rad(points.lat[1:-1])), rtol=1e-12)
    assert points.area_weights[0] == pytest.approx(math.radians(1.0) / 8.0, rel=1e-4), "half a cell of half the width"
    refined = LatLonGrid(np.concatenate((np.arange(-60.0, -10.0, 2.0), np.arange(-10.0, 11.0, 0.5))), [0.0, 1.0])
    ratio = refined.area_weights / refined.cell_area_m2
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_one_cell_has_the_area_of_the_closed_form() -> None:
    grid = LatLonGrid([40.0, 42.0], [10.0, 11.0])
    expected = EARTH_RADIUS_M**2 * (math.sin(math.radians(41.0)) - math.sin(math.radians(39.0))) * math.radians(1.0)
    assert grid.cell_area_m2[0] == pytest.approx(expected, rel=1e-13)
    assert not grid.is_periodic
    assert tuple(grid.lon_bounds) == (9.5, 10.5, 11.5)


def test_direction_and_convention_are_kept() -> None:
    grid = LatLonGrid(LAT[::-1], LON)
    assert grid.lat[0] == 85.0
    assert tuple(grid.lat_bounds[:2]) == (90.0, 80.0)
    assert (grid.lon[0], grid.lon[-1]) == (0.0, 350.0)


@given(st.integers(0, 35))
def test_a_box_over_the_date_line_is_unwrapped(start: int) -> None:
    lon = np.remainder(LON[start : start + 5] + 180.0, 360.0) - 180.0 if start < 31 else np.roll(LON, -start)
    grid = LatLonGrid(LAT, lon)
    assert (np.diff(grid.lon) == 10.0).all()
    assert np.allclose(np.remainder(grid.lon - lon, 360.0), 0.0)


@given(st.sampled_from([0.1, 0.25, 1.0 / 3.0, 0.5, 1.0, 2.5]), st.booleans())
def test_float32_coordinates_make_the_same_grid(step: float, on_poles: bool) -> None:
    grid = (LatLonGrid.poles if on_poles else LatLonGrid.regular)(step)
    rounded = LatLonGrid(grid.lat.astype(np.float32), grid.lon.astype(np.float32))
    assert rounded == grid
    assert hash(rounded) == hash(grid)
    assert rounded.key == grid.key


def test_gaussian_latitudes_stay_as_they_are() -> None:
    lat = gaussian_latitudes(96)
    grid = LatLonGrid(lat, np.arange(192) * 1.875)
    assert np.array_equal(grid.lat, lat)
    assert np.ptp(np.diff(grid.lat)) > 1e-9


def test_a_grid_does_not_change() -> None:
    grid = LatLonGrid.regular(10.0)
    for values in (grid.lat, grid.lon, grid.lat_bounds, grid.lon_bounds, grid.cell_area_m2):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1.0
    assert grid != LatLonGrid.poles(10.0)
    assert grid != "a grid"


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ([], LON, "0 latitudes"),
        (LAT, [5.0], "1 longitude"),
        (LAT, [[0.0, 1.0]], "2 dimensions"),
        ([0.0, np.nan, 2.0], LON, "not a number at index 1"),
        (LAT, [0.0, np.inf], "not a number at index 1"),
        (["a", "b"], LON, "not made of numbers"),
        ([0.0, 1.0, 1.0, 2.0], LON, "not monotone: 1° is followed by 1°"),
        ([0.0, 2.0, 1.0, 3.0], LON, "not monotone: 2° is followed by 1°"),
        (LAT, LON[::-1], "longitude is not monotone"),
        (LAT, [0.0, 10.0, 10.0, 20.0], "not monotone: 10° is followed by 10°"),
        (np.delete(LAT, 3), LON, "gap: -65° is followed by -45°, where its neighbours are 10°"),
        (LAT, np.delete(LON, 3), "gap: 20° is followed by 40°"),
        ([0.0, 1.0, 4.0], LON, "gap: 1° is followed by 4°"),
        (LAT * 1.2, LON, "-102° lies beyond a pole"),
        (LON, LAT, "exchange them"),
        (LAT, np.append(LON, 360.0), "span 360°"),
        (LAT, [0.0, 1.0, 2.5], "unequally spaced"),
        (LAT, np.arange(0.0, 360.0, 7.0), "52 columns of 7° overlap"),
    ],
)
def test_bad_coordinates_are_refused_in_words(lat: object, lon: object, message: str) -> None:
    with pytest.raises(GridError) as refusal:
        LatLonGrid(lat, lon)
    assert message in str(refusal.value)
    assert refusal.value.remedy


@pytest.mark.parametrize("step", [0.0, -1.0, 0.7, 7.0, 200.0, math.nan, math.inf])
def test_steps_that_do_not_divide_the_sphere_are_refused(step: float) -> None:
    for make in (LatLonGrid.regular, LatLonGrid.poles):
        with pytest.raises(GridError, match="does not divide 180°"):
            make(step)


def dataset(lat: np.ndarray, lon: np.ndarray, names: tuple[str, str] = ("lat", "lon"), **attrs: str) -> xr.Dataset:
    coords = {names[0]: ("i", lat, attrs), names[1]: ("j", lon)}
    return xr.Dataset({"sst": (("i", "j"), np.zeros((lat.size, lon.size)))}, coords=coords)


def test_a_dataset_is_read_by_the_usual_names_and_says_what_was_understood() -> None:
    grid, notes = grid_from_dataset(dataset(LAT[::-1].astype(np.float32), LON, ("Latitude", "longitude")))
    assert grid == LatLonGrid(LAT[::-1], LON)
    assert notes == [
        "latitude from 'Latitude', 18 rows, descending",
        "longitude from 'longitude', 36 columns, 0° to 350°",
    ]
    tenths = dataset(np.arange(-89.95, 90.0, 0.1), np.arange(-179.95, 180.0, 0.1))
    assert grid_from_dataset(tenths)[0] == LatLonGrid.regular(0.1)
    assert len(grid_from_dataset(tenths)[1]) == 2, "float64 rounding is no repair"


def test_standard_names_and_units_come_before_names() -> None:
    ds = dataset(LAT, LON, ("a", "b"))
    ds["a"].attrs["standard_name"] = "latitude"
    ds["b"].attrs["units"] = "degrees_east"
    assert LatLonGrid.from_dataset(ds["sst"]) == LatLonGrid(LAT, LON)


def test_the_axis_is_told_from_its_bounds() -> None:
    bounds = np.stack([LAT - 5.0, LAT + 5.0], axis=1)
    coords = {"lat": LAT, "lon": LON, "lat_bnds": (("lat", "bnds"), bounds)}
    ds = xr.Dataset(coords=coords)
    ds["lat"].attrs["units"] = ds["lat_bnds"].attrs["units"] = "degrees_north"
    assert LatLonGrid.from_dataset(ds) == LatLonGrid(LAT, LON)


def test_repairs_are_noted() -> None:
    lat = np.deg2rad(LAT)
    lon = np.roll((LON + 1.0 / 3.0).astype(np.float32), 5)
    notes = " / ".join(grid_from_dataset(dataset(lat, lon, units="radians"))[1])
    assert "lat converted from radians" in notes
    assert "unwrapped over the date line" in notes
    assert "nearly regular longitudes put on exactly regular ones" in notes


def test_datasets_without_a_clear_grid_are_refused() -> None:
    with pytest.raises(GridError, match="no latitude was found"):
        grid_from_dataset(dataset(LAT, LON, ("a", "b")))
    with pytest.raises(GridError, match="2 candidates for the latitude"):
        grid_from_dataset(dataset(LAT, LON).assign_coords(latitude=("i", LAT)))
    metres = dataset(LAT * 1000.0, LON, ("y", "x"), units="m")
    with pytest.raises(GridError, match="no latitude was found"):
        grid_from_dataset(metres)
    curvilinear = xr.Dataset(coords={"lat": (("i", "j"), np.zeros((2, 2))), "lon": (("i", "j"), np.zeros((2, 2)))})
    with pytest.raises(GridError, match="2 dimensions"):
        grid_from_dataset(curvilinear)
