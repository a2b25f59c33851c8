"""by_month and back loses nothing, in every calendar; padded, missing and partial are kept apart."""

from __future__ import annotations

import cftime
import dask.array
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.calendar import SLOTS, Months, by_month, date_labels, month_edges
from engine.errors import DataError

CALENDARS = ["standard", "noleap", "all_leap", "360_day", "julian"]
DAYS_OF_2020 = 18262  # 2020-01-01 counted from 1970-01-01
TURN = 2.0 * np.pi


def series(days: np.ndarray, calendar: str = "standard", hour: bool = False) -> xr.DataArray:
    """Fields of 2 × 3 cells, a different value in each cell and day, some of them missing."""
    values = np.arange(days.size * 6, dtype=np.float32).reshape(-1, 2, 3)
    values[::4, 0, 0] = np.nan
    coords = {"time": date_labels(days, calendar), "lat": [-1.0, 1.0], "lon": [0.0, 1.0, 2.0]}
    array = xr.DataArray(dask.array.from_array(values, chunks=(5, 2, 3)), coords, ("time", "lat", "lon"), "sst")
    return array.assign_coords(hour=("time", days % 24 / 2.0)) if hour else array


@st.composite
def spans(draw: st.DrawFn) -> xr.DataArray:
    """Any calendar, any first day, up to five months, any days left out."""
    first, length = draw(st.integers(-400, 400)), draw(st.integers(1, 120))
    days = np.flatnonzero(
        np.random.default_rng(draw(st.integers(0, 2**16))).random(length) < draw(st.floats(0.02, 1.0))
    )
    days = days if days.size else np.zeros(1, np.int64)
    return series(DAYS_OF_2020 + first + days, draw(st.sampled_from(CALENDARS)), draw(st.booleans()))


def from_months(months: Months) -> xr.DataArray:
    """Days (time, lat, lon) from months, lazy: the inverse of :func:`by_month`."""
    daily = months.daily
    month, slot = np.nonzero(daily["in_source"].values)
    calendar = str(daily.attrs["calendar"])
    first = int(daily["year"].values[0]) * 12 + int(daily["month_number"].values[0]) - 1
    days = month_edges(first, daily.sizes["month"], calendar)[month] + slot
    coords = {
        "time": date_labels(days, calendar),
        "lat": daily["lat"].values,
        "lon": daily["lon"].values,
    }
    if "hour" in daily.coords:
        coords["hour"] = ("time", daily["hour"].values[month, slot])
    lazy = daily.data
    data = dask.array.concatenate([lazy[m][slot[month == m]] for m in np.unique(month)])
    attrs = {name: value for name, value in daily.attrs.items() if name != "calendar"}
    return xr.DataArray(data, coords, ("time", "lat", "lon"), daily.name, attrs)


@settings(max_examples=25)
@given(spans())
def test_by_month_and_back_loses_nothing(daily: xr.DataArray) -> None:
    back = from_months(by_month(daily))
    assert back.dtype == daily.dtype
    xr.testing.assert_identical(back.compute(), daily.compute())


@settings(max_examples=25)
@given(spans())
def test_each_day_stands_in_the_slot_of_its_date(daily: xr.DataArray) -> None:
    months = by_month(daily)
    put, values = daily.values, months.daily.values
    assert values.shape[1] == SLOTS == 31
    year, month, day = (getattr(daily.time.dt, part).values for part in ("year", "month", "day"))
    place = 12 * (year - year[0]) + month - month[0], day - 1
    np.testing.assert_array_equal(values[place], put)
    seen = np.zeros(values.shape[:2], bool)
    seen[place] = True
    np.testing.assert_array_equal(seen, months.daily["in_source"])
    assert not (seen & months.padded).any()
    assert np.isnan(values[~seen]).all()


@settings(max_examples=25)
@given(spans())
def test_padded_is_beyond_the_month_or_outside_the_span(daily: xr.DataArray) -> None:
    months = by_month(daily)
    counted = np.flatnonzero(months.daily["in_source"].values)
    inside = np.zeros(months.padded.size, bool)
    inside[counted[0] : counted[-1] + 1] = True
    in_month = np.arange(SLOTS) < months.daily["num_days"].values[:, None]
    np.testing.assert_array_equal(~months.padded, inside.reshape(months.padded.shape) & in_month)
    full = (~months.padded).sum(axis=1) == months.daily["num_days"].values
    np.testing.assert_array_equal(months.daily["is_partial"].values, ~full)


@settings(max_examples=25)
@given(spans())
def test_phases_turn_with_the_calendar(daily: xr.DataArray) -> None:
    months = by_month(daily)
    assert months.phases.shape == (*months.padded.shape, 3)
    assert months.phases.min() >= 0.0
    assert months.phases.max() < TURN
    month, slot = np.nonzero(months.daily["in_source"].values)
    phases = months.phases[month, slot]
    calendar = str(daily.time.dt.calendar)
    years, numbers, days = (getattr(daily.time.dt, part).values for part in ("year", "month", "dayofyear"))
    for index in range(0, daily.sizes["time"], 17):
        y, m = int(years[index]), int(numbers[index])
        length = cftime.datetime(y, 12, 30 if calendar == "360_day" else 31, calendar=calendar).dayofyr
        day = (int(days[index]) - 1) / length
        hour = float(daily["hour"][index]) / 24.0 if "hour" in daily.coords else 0.0
        np.testing.assert_allclose(phases[index], [TURN * (m - 1) / 12.0, TURN * day, TURN * hour], rtol=0, atol=1e-12)


def test_a_missing_day_is_not_a_padded_one() -> None:
    # 20 February to 5 March 2020 (a leap year), without the 25th
    days = DAYS_OF_2020 + np.array([d for d in range(50, 65) if d != 55])
    months = by_month(series(days))
    assert months.daily.sizes["month"] == 2
    assert months.daily["num_days"].values.tolist() == [29, 31]
    assert months.daily["month_number"].values.tolist() == [2, 3]
    assert months.daily["year"].values.tolist() == [2020, 2020]
    assert months.daily["is_partial"].values.tolist() == [True, True]
    assert np.flatnonzero(~months.padded[0]).tolist() == list(range(19, 29))
    assert np.flatnonzero(~months.padded[1]).tolist() == list(range(5))
    assert not months.padded[0, 24]
    assert np.isnan(months.daily.values[0, 24]).all()


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    days_read: list[int] = []

    def block(block_info: dict) -> np.ndarray:
        days_read.append(block_info[None]["chunk-location"][0])
        return np.full(block_info[None]["chunk-shape"], 1.0, np.float32)

    lazy = dask.array.map_blocks(
        block, chunks=((1,) * 366, (2,), (3,)), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    coords = {
        "time": date_labels(DAYS_OF_2020 + np.arange(366), "standard"),
        "lat": [-1.0, 1.0],
        "lon": [0.0, 1.0, 2.0],
    }
    months = by_month(xr.DataArray(lazy, coords, ("time", "lat", "lon")))
    assert days_read == []
    months.daily[1].compute(scheduler="synchronous")
    assert sorted(days_read) == list(range(31, 60))


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (np.array([], np.int64), "there is no day"),
        (np.array([5, 4]), "1970-01-06 is followed by 1970-01-05"),
        (np.array([5, 5]), "1970-01-06 is followed by 1970-01-06"),
    ],
)
def test_times_that_make_no_months_are_refused(days: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        by_month(series(days))
