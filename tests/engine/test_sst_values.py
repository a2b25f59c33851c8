"""The numbers of files as people have them: fill values, codes, zeros, units, ranges, masks and anomalies."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from engine.data.sst import open_sst
from engine.errors import DataError
from tests.support.people_files import LAT, LON, add, sea, write

FILLS = netCDF4.default_fillvals
BOX = np.zeros((LAT.size, LON.size), np.bool_)
BOX[4:8, 12:18] = True
"""Cells that a file marks in its own way; Africa, so that coastlines agree with it as land."""
SOME = np.zeros_like(BOX)
SOME[3:5, 2:6] = True


def marked(value: float, where: np.ndarray = BOX, days: int = 2, shift: float = 0.0) -> np.ndarray:
    return np.where(where, value, sea(days) + shift)


def values_of(path: Path) -> tuple[np.ndarray, str]:
    source = open_sst(path)
    assert source.daily is not None
    return source.daily.values, " | ".join(source.notes)


def packed(values: np.ndarray, fill: int) -> np.ndarray:
    return np.where(BOX, fill, np.rint(values * 100.0))


@pytest.mark.parametrize(("raw", "options", "note"), [
    (marked(FILLS["f4"]), {}, "netCDF's default"),
    (marked(FILLS["f8"]), {"dtype": "f8"}, "netCDF's default"),
    (marked(FILLS["f4"]), {"attrs": {"_FillValue": np.float32(-999.0)}}, "8.3% of the sample, such as 9.96921e+36"),
    (packed(sea(2), FILLS["i2"]), {"dtype": "i2", "attrs": {"scale_factor": 0.01}}, "default, -32767"),
    (packed(sea(2), FILLS["i4"]), {"dtype": "i4", "attrs": {"scale_factor": 0.01}}, "default, -2.14748e+09"),
    (marked(-1000.0), {}, "8.3% of the sample, such as -1000"),
    (marked(-1.0e34), {}, "such as -1e+34"),
    (marked(0.0), {}, "exact zeros are missing: they are 8.3%"),
    (marked(0.0, shift=273.15), {"units": "K"}, "such as -273.15"),
    (marked(273.15, shift=273.15), {"units": "K"}, "exact zeros are missing"),
    (marked(np.float32(-999.99)), {"dtype": "f8", "attrs": {"missing_value": np.float32(-999.99)}}, "unit °C"),
    (marked(-999.99), {"dtype": "f8", "attrs": {"missing_value": np.float32(-999.99)}}, "unit °C"),
    (marked(-999.0), {"attrs": {"missing_value": "-999"}}, "unit °C"),
    (marked(40.0), {"attrs": {"valid_range": "-3.0, 35.0"}}, "unit °C"),
    (marked(np.nan), {"attrs": {"valid_min": "unknown"}}, "valid_min, 'unknown', is no number"),
    (marked(np.nan), {"attrs": {"missing_value": "none"}}, "missing_value, 'none', is no number"),
])  # fmt: skip
def test_what_is_no_value_is_missing_and_noted(raw, options, note, tmp_path: Path) -> None:
    values, notes = values_of(write(tmp_path / "a.nc", raw, [0.0, 1.0], **options))
    wanted = marked(np.nan)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(wanted))
    np.testing.assert_allclose(values[:, ~BOX], wanted[:, ~BOX], rtol=0, atol=2e-5)
    assert note in notes


def test_a_code_of_one_day_is_missing_on_that_day_only(tmp_path: Path) -> None:
    raw = sea(3)
    raw[1, SOME] = -1000.0
    values, notes = values_of(write(tmp_path / "a.nc", raw, [0.0, 1.0, 2.0]))
    assert np.isnan(values[1, SOME]).all()
    np.testing.assert_allclose(values[[0, 2]], raw[[0, 2]], rtol=0, atol=1e-6)
    assert "such as -1000" in notes


@pytest.mark.parametrize("digits", [0, 1])
def test_zeros_of_a_polar_sea_are_values(digits, tmp_path: Path) -> None:
    raw = np.round(sea(2), digits)
    raw[:, 0, :3] = 0.0
    values, notes = values_of(write(tmp_path / "a.nc", raw, [0.0, 1.0]))
    np.testing.assert_array_equal(values[:, 0, :3], 0.0)
    assert "exact zeros" not in notes
    assert np.isfinite(values).all()


def test_a_unit_that_changes_inside_a_series_is_refused(tmp_path: Path) -> None:
    raw = sea(4)
    raw[2:] += 273.15
    with pytest.raises(DataError, match="the unit changes inside the series: on 2020-01-03"):
        open_sst(write(tmp_path / "a.nc", raw, np.arange(4.0)))


@pytest.mark.parametrize(("units", "shifts", "note"), [
    (("kelvin", "K"), (273.15, 273.15), "kelvin, converted to °C"),
    (("K", "degC"), (273.15, 0.0), "the unit differs between the files, kelvin and °C"),
])  # fmt: skip
def test_units_that_differ_between_files_are_converted(units, shifts, note, tmp_path: Path) -> None:
    for day, (unit, shift) in enumerate(zip(units, shifts, strict=True)):
        write(tmp_path / f"sst_2020010{day + 1}.nc", sea(2)[[day]] + shift, [float(day)], unit)
    values, notes = values_of(tmp_path)
    np.testing.assert_allclose(values, sea(2), rtol=0, atol=2e-5)
    assert note in notes


@pytest.mark.parametrize("unit", [
    "K", "deg K", "degrees K", "degree_K", "degrees Kelvin", "Kelvin", "kelvins", "degK", "degree_kelvin", "\u212a",
])  # fmt: skip
def test_spellings_of_kelvin(unit, tmp_path: Path) -> None:
    values, notes = values_of(write(tmp_path / "a.nc", sea(1) + 273.15, [0.0], unit))
    np.testing.assert_allclose(values, sea(1), rtol=0, atol=2e-5)
    assert "kelvin, converted to °C" in notes


@pytest.mark.parametrize("unit", [
    "\u2103", "\u00baC", "\u00b0C", "\u00b0 C", "Deg. C", "degrees Celcius", "centigrade", "Celsius degree", "deg_C",
    "degreesC", "Degree_Celsius", "degrees Celsius (\u00b0C)", "C", "degs C",
])  # fmt: skip
def test_spellings_of_celsius(unit, tmp_path: Path) -> None:
    values, notes = values_of(write(tmp_path / "a.nc", sea(1), [0.0], unit))
    np.testing.assert_allclose(values, sea(1), rtol=0, atol=1e-6)
    assert "unit °C" in notes


@pytest.mark.parametrize("unit", ["degree_F", "\u00b0F", "Fahrenheit", "degrees_fahrenheit"])
def test_fahrenheit_is_converted(unit, tmp_path: Path) -> None:
    values, notes = values_of(write(tmp_path / "a.nc", sea(1) * 1.8 + 32.0, [0.0], unit))
    np.testing.assert_allclose(values, sea(1), rtol=0, atol=1e-5)
    assert "fahrenheit, converted to °C" in notes


@pytest.mark.parametrize("unit", ["degree", "K s-1", "0.01 K", "C m", "m", "degrees_north", "K C", "°"])
def test_other_units_are_no_temperature(unit, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no temperature"):
        open_sst(write(tmp_path / "a.nc", sea(1), [0.0], unit))


def test_a_degree_sign_in_latin_1(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(1), [0.0], "XC", form="NETCDF3_CLASSIC")
    data = bytearray(path.read_bytes())
    data[data.index(b"XC\0\0")] = 0xB0
    path.write_bytes(data)
    np.testing.assert_allclose(values_of(path)[0], sea(1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("stored", "fill", "flag"), [("u1", 128, "false"), ("i1", -1, "true")])
def test_integers_that_stand_for_others(stored, fill, flag, tmp_path: Path) -> None:
    """Bytes that OPeNDAP served with the other sign: whole degrees, with the fill value in the stored type."""
    meant = np.rint(sea(1)) if flag == "false" else np.rint(sea(1)) + 200.0
    raw = np.where(BOX, fill, meant.astype("i2")).astype("i2").astype(stored)
    offset = 0.0 if flag == "false" else -200.0
    attrs = {"_Unsigned": flag, "_FillValue": np.array(fill, stored), "add_offset": offset}
    values, _ = values_of(write(tmp_path / "a.nc", raw, [0.0], dtype=stored, attrs=attrs))
    np.testing.assert_array_equal(np.isnan(values[0]), BOX)
    np.testing.assert_array_equal(values[0, ~BOX], np.rint(sea(1))[0, ~BOX])


@pytest.mark.parametrize(("attrs", "is_land"), [
    ({"long_name": "1 = cloud, 0 = clear"}, False), ({}, False), ({"long_name": "land mask"}, True),
])  # fmt: skip
def test_a_mask_that_changes_with_time_is_not_land(attrs, is_land, tmp_path: Path) -> None:
    cloud = np.stack([np.roll(SOME, 3 * day, axis=1) for day in range(3)])
    path = write(tmp_path / "a.nc", np.where(cloud, np.nan, sea(3)), [0.0, 1.0, 2.0])
    add(path, "mask", ("time", "lat", "lon"), cloud, "i1", **attrs)
    values, notes = values_of(path)
    assert ("own mask" in notes) == is_land
    if not is_land:
        np.testing.assert_array_equal(np.isfinite(values), ~cloud)


@pytest.mark.parametrize("attrs", [
    {"standard_name": "sea_surface_temperature_anomaly"},
    {"long_name": "SST monthly mean anomaly"}, {"statistic": "Anomaly"},
])  # fmt: skip
def test_anomalies_are_no_temperatures(attrs, tmp_path: Path) -> None:
    anomalies = sea(2) / 15.0 - 1.0
    anomalies[:, BOX] = 0.0
    values, notes = values_of(write(tmp_path / "a.nc", anomalies, [0.0, 1.0], "K", attrs=attrs))
    np.testing.assert_allclose(values, anomalies, rtol=0, atol=1e-6)  # neither shifted nor its zeros taken for land
    assert "taken for: sea-surface temperature anomaly" in notes


@pytest.mark.parametrize(("kind", "name", "unit", "factor", "title"), [
    ("mass_concentration_of_chlorophyll_a_in_sea_water", "chlor_a", "mg m^-3", 1.0, "chlorophyll-a concentration"),
    ("mass_concentration_of_chlorophyll_a_in_sea_water", "CHL", "kg m-3", 1e-6, "chlorophyll-a concentration"),
    ("sea_surface_height_above_sea_level", "sla", "cm", 100.0, "sea-level anomaly"),
    ("sea_surface_salinity", "sss", "PSU", 1.0, "sea-surface salinity"),
    ("sea_ice_area_fraction", "siconc", "1", 0.01, "sea-ice concentration"),
])  # fmt: skip
def test_other_kinds_of_variables_are_chosen_from_the_file(kind, name, unit, factor, title, tmp_path: Path) -> None:
    raw = 0.1 + 0.8 * (sea(2) + 2.0) / 35.0
    attrs = {"standard_name": kind}
    path = write(tmp_path / "a.nc", raw * factor, [0.0, 1.0], unit, name=name, attrs=attrs, dtype="f8")
    values, notes = values_of(path)
    np.testing.assert_allclose(values, raw, rtol=0, atol=1e-6)
    assert f"taken for: {title}" in notes


def test_versions_of_era5_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "era5.nc"
    fill = -32767.0
    with netCDF4.Dataset(path, "w") as file:
        axes = {"time": [0.0, 1, 2, 3], "expver": [1.0, 5.0], "latitude": LAT, "longitude": LON}
        units = ("days since 2020-01-01", "1", "degrees_north", "degrees_east")
        for (name, axis), unit in zip(axes.items(), units, strict=True):
            file.createDimension(name, len(axis))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = unit
            variable[:] = axis
        sst = file.createVariable("sst", "f8", tuple(axes), fill_value=fill)
        sst.units = "K"
        kelvin = np.where(BOX, fill, sea(4) + 273.15)
        sst[:, 0] = np.where(np.arange(4)[:, None, None] < 2, kelvin, fill)
        sst[:, 1] = np.where(np.arange(4)[:, None, None] < 2, fill, kelvin)
    values, notes = values_of(path)
    np.testing.assert_array_equal(np.isnan(values), np.broadcast_to(BOX, values.shape))
    np.testing.assert_allclose(values[:, ~BOX], sea(4)[:, ~BOX], rtol=0, atol=1e-5)
    assert "the 2 versions along 'expver' are merged" in notes
