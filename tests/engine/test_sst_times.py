"""The times of files as people have them: units, calendars, bounds, and the length of a step."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from engine.data.sst import open_sst
from engine.errors import DataError
from tests.support.people_files import sea, write

UNWRITTEN = netCDF4.default_fillvals["f8"]
DAY_NS = 86400 * 10**9


def dates(field: xr.DataArray | None) -> list[str]:
    assert field is not None
    return [str(time)[:10] for time in field["time"].values]


@pytest.mark.parametrize(("bounds", "attrs", "note"), [
    (np.zeros((2, 2)), {}, "they have no length"),
    (np.full((2, 2), UNWRITTEN), {}, "never written"),
    (np.full((2, 2), np.nan), {}, "never written"),
    ([[900.0, 901.0], [901.0, 902.0]], {}, "they do not hold their times"),
    ([[0.0, 1.0], [5.0, 5.0]], {}, "they do not hold their times"),
    ([[0.0, 1.0], [1.0, 2.0]], {"units": "fortnights since the flood"}, "cannot be decoded"),
    (np.array([[-10000.0, 1.0], [-9999.0, 2.0]]), {}, "climatological: their bounds span 1992-08-15 to 2020-01-03"),
])  # fmt: skip
def test_bounds_of_no_use_leave_the_times_alone(bounds, attrs, note, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2), [0.5, 1.5], bounds=bounds, bounds_attrs=attrs)
    source = open_sst(path)
    assert dates(source.daily) == ["2020-01-01", "2020-01-02"]
    assert any(note in text for text in source.notes)


def test_bounds_may_have_a_unit_of_their_own(tmp_path: Path) -> None:
    hours = np.array([[0.0, 24.0], [24.0, 48.0]])
    attrs = {"units": "hours since 2020-01-01"}
    source = open_sst(write(tmp_path / "a.nc", sea(2), [1.0, 2.0], bounds=hours, bounds_attrs=attrs))
    assert dates(source.daily) == ["2020-01-01", "2020-01-02"]


@pytest.mark.parametrize(("units", "times", "calendar", "role", "first"), [
    ("nanoseconds since 1970-01-01", 18262 * DAY_NS + np.arange(2) * DAY_NS, None, "daily", "2020-01-01"),
    ("months since 1979-01-01", [0.0, 1.0], None, "monthly", "1979-01-01"),
    ("months since 1979-01-16", [0.0, 1.0], "noleap", "monthly", "1979-01-01"),
    ("months since 1960-01-01", [0.5, 1.5], "360", "monthly", "1960-01-01"),
    ("years since 1960-01-01", [1.0, 1.0 + 1 / 12], None, "monthly", "1961-01-01"),
    ("days since 2020-01-01", [0.0, 1.0], "", "daily", "2020-01-01"),
    ("days since 2020-01-01", [0.0, 1.0], "365", "daily", "2020-01-01"),
    ("day as %Y%m%d.%f", [20200131.5, 20200201.5], None, "daily", "2020-01-31"),
    ("YYYYMMDD", [20200131.0, 20200201.0], "360_day", "daily", None),
    ("month as %Y%m.%f", [202001.5, 202002.5], None, "monthly", "2020-01-01"),
    ("days since 0850-01-01", [0.0, 1.0], "standard", "daily", "0850-01-01"),
    ("days since 0850-01-01", [0.0, 1.0], "proleptic_gregorian", "daily", "0850-01-01"),
    ("days since 0001-01-01", [737426.0, 737427.0], "standard", "daily", "2020-01-01"),
])  # fmt: skip
def test_units_and_calendars(units, times, calendar, role, first, tmp_path: Path) -> None:
    attrs = {"units": units} | ({} if calendar is None else {"calendar": calendar})
    path = write(tmp_path / "a.nc", sea(2), times, time_attrs=attrs, time_dtype="i8" if "nano" in units else "f8")
    if first is None:
        with pytest.raises(DataError, match="a day is beyond the end of its month"):
            open_sst(path)
        return
    source = open_sst(path)
    assert dates(getattr(source, role))[0].strip() == first
    assert len(dates(getattr(source, role))) == 2


@pytest.mark.parametrize(("units", "times", "calendar", "problem"), [
    ("day as %Y%m%d.%f", [20201301.0, 20201302.0], "standard", "a number is no date"),
    ("months since yesterday", [0.0, 1.0], "standard", "cannot be decoded"),
    ("months since 2000-01-01", [0.0, 1e9], "standard", "not between 1 and 9999"),
    ("days since 1582-10-01", [-40.0, 40.0], "standard", "from the Julian to the Gregorian"),
])  # fmt: skip
def test_what_cannot_be_decoded_is_refused(units, times, calendar, problem, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(2), times, time_attrs={"units": units, "calendar": calendar})
    with pytest.raises(DataError, match=problem):
        open_sst(path)


def test_dates_in_digits_need_more_than_float32(tmp_path: Path) -> None:
    attrs = {"units": "day as %Y%m%d.%f"}
    path = write(tmp_path / "a.nc", sea(2), [20200101.0, 20200102.0], time_attrs=attrs, time_dtype="f4")
    with pytest.raises(DataError, match="float32 cannot hold"):
        open_sst(path)


FIFTH = np.arange(6) * 5.0
FIRSTS = np.cumsum([0.0, 31, 29, 31, 30, 31])
LATER = np.cumsum([31.0, 29, 31, 30, 31, 30])


@pytest.mark.parametrize(("times", "options", "unit", "reason"), [
    (FIFTH, {"bounds": np.stack([FIFTH, FIFTH + 1], 1)}, "days", "the bounds"),
    (FIFTH, {"global_attrs": {"time_coverage_resolution": "P1D"}}, "days", "time_coverage_resolution 'P1D'"),
    (FIFTH, {"global_attrs": {"title": "Daily sea surface temperature"}}, "days", "title or name"),
    ([0.0, 2, 3, 7, 12, 14], {}, "days", "the least spacing"),
    (FIRSTS, {"bounds": np.stack([FIRSTS, FIRSTS + 1], 1)}, "days", "the bounds"),
    (FIRSTS, {"bounds": np.stack([FIRSTS, LATER], 1), "global_attrs": {"frequency": "day"}}, "months", None),
    (FIRSTS, {"global_attrs": {"time_coverage_resolution": "P1D"}}, "months", None),
    ([15.0, 45, 105, 166, 227, 288], {}, "months", "the least spacing"),
    (np.arange(6) * 7.0, {"bounds": np.stack([np.arange(6) * 7.0, np.arange(6) * 7.0 + 7], 1)}, None, "one step is 7"),
    (FIFTH, {}, None, "one step is 5 days"),
])  # fmt: skip
def test_the_length_of_a_step(times, options, unit, reason, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", sea(6), times, **options)
    if unit is None:
        with pytest.raises(DataError, match=reason):
            open_sst(path)
        return
    source = open_sst(path)
    field = source.daily if unit == "days" else source.monthly
    assert len(dates(field)) == 6
    notes = [note for note in source.notes if note.startswith("one step is")]
    assert (notes == []) == (reason is None)
    assert all(reason in note for note in notes)


@pytest.mark.parametrize(("name", "attrs", "unit"), [
    ("l3s_202001{:02d}_P1D.nc", {"time_coverage_duration": "P1D"}, "days"),
    ("l3s_202001{:02d}.nc", {"frequency": "day"}, "days"),
])  # fmt: skip
def test_files_of_a_day_of_which_many_are_missing(name, attrs, unit, tmp_path: Path) -> None:
    for day in (0, 2, 4, 7):
        write(tmp_path / name.format(day + 1), sea(1), [day + 0.5], global_attrs=attrs)
    assert dates(open_sst(tmp_path).daily) == ["2020-01-01", "2020-01-03", "2020-01-05", "2020-01-08"]


@pytest.mark.parametrize(("name", "options"), [
    ("sst_202001.nc", {}), ("a.nc", {"bounds": [[0.0, 31.0]]}), ("a.nc", {"global_attrs": {"frequency": "mon"}}),
    ("sst.mon.mean.nc", {}),
])  # fmt: skip
def test_one_month_alone_is_a_month(name, options, tmp_path: Path) -> None:
    assert dates(open_sst(write(tmp_path / name, sea(1), [15.5], **options)).monthly) == ["2020-01-01"]


def test_files_without_a_step_are_left_out(tmp_path: Path) -> None:
    empty = write(tmp_path / "sst_3.nc", None, [])
    with pytest.raises(DataError, match="there is no step of time"):
        open_sst(empty)
    write(tmp_path / "sst_1.nc", sea(1), [0.0])
    write(tmp_path / "sst_2.nc", sea(1), [1.0])
    source = open_sst(tmp_path)
    assert len(dates(source.daily)) == 2
    assert "left out, because they hold no step of time: sst_3.nc" in source.notes


def test_packed_coordinates_are_unpacked(tmp_path: Path) -> None:
    lat, lon = np.arange(-75, 76, 30) * 100, np.arange(-150, 151, 60) * 100
    path = write(
        tmp_path / "a.nc", np.full((2, 6, 6), 10.0), [0.0, 2.0], lat=lat, lon=lon, coord="i2",
        coord_attrs={"scale_factor": np.float32(0.01)}, time_attrs={"scale_factor": 0.5, "add_offset": 10.0},
    )  # fmt: skip
    source = open_sst(path)
    np.testing.assert_array_equal(source.grid.lat, np.arange(-75.0, 76.0, 30.0))
    np.testing.assert_array_equal(source.grid.lon, np.arange(-150.0, 151.0, 60.0))
    assert dates(source.daily) == ["2020-01-11", "2020-01-12"]
