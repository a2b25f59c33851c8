"""Gaps: coverage against a count by hand, in memory and in chunks; withholding that only hides what was seen."""

from __future__ import annotations

import itertools

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.gaps import APART_DAYS, GapPattern, coverage, withhold
from engine.errors import ChoiceError, DataError
from engine.sphere import LatLonGrid

GRID = LatLonGrid.regular(30.0)
LAND = np.zeros(GRID.shape, bool)
LAND[4:, 3:6] = True


def daily(missing: np.ndarray, start: str = "2001-01-20", calendar: str = "standard") -> xr.DataArray:
    time = xr.date_range(start, periods=len(missing), calendar=calendar, use_cftime=calendar != "standard")
    coords = {"time": time, "lat": GRID.lat, "lon": GRID.lon}
    return xr.DataArray(missing, coords, dims=("time", "lat", "lon"))


def cloudy(num_days: int, seed: int = 0, share: float = 0.6) -> np.ndarray:
    """Days of blocks of cloud, three by three cells, and land."""
    blocks = np.random.default_rng(seed).random((num_days, GRID.shape[0] // 3, GRID.shape[1] // 3)) < share
    return np.repeat(np.repeat(blocks, 3, axis=1), 3, axis=2) | LAND


def longest_run(flags: np.ndarray) -> int:
    return max((len(list(run)) for gone, run in itertools.groupby(flags.tolist()) if gone), default=0)


# --- coverage -------------------------------------------------------------------------------------------------------


def test_coverage_is_what_counting_by_hand_gives():
    missing = cloudy(50)
    statistics = coverage(daily(missing), LAND)
    sea = np.argwhere(~LAND)
    for i, j in sea:
        assert statistics["observations"][i, j] == 50 - missing[:, i, j].sum()
        assert statistics["longest_gap"][i, j] == longest_run(missing[:, i, j])
    weights = np.where(LAND, 0.0, GRID.cell_area_m2[:, None])
    np.testing.assert_allclose(
        statistics["day_share"], [np.average(~day, weights=weights) for day in missing], rtol=1e-12
    )
    np.testing.assert_allclose(statistics["share"], statistics["observations"] / 50)
    assert bool(np.isnan(statistics["share"].values[LAND]).all())
    # 20 January to 10 March: 12, 28 and 10 days
    months = [slice(0, 12), slice(12, 40), slice(40, 50)]
    assert [str(day)[:10] for day in statistics["month"].values] == ["2001-01-20", "2001-02-01", "2001-03-01"]
    for n, days in enumerate(months):
        count = (~missing[days] & ~LAND).sum(axis=0)
        np.testing.assert_array_equal(statistics["month_observations"][n], count)
        assert float(statistics["month_share"][n]) == pytest.approx(
            float(statistics["day_share"][days].mean()), rel=1e-12
        )
        assert float(statistics["month_unseen"][n]) == pytest.approx(np.average(count == 0, weights=weights), rel=1e-12)


def test_coverage_knows_other_calendars():
    statistics = coverage(daily(cloudy(65), "2001-01-30", "360_day"), LAND)
    assert [(day.year, day.month, day.day) for day in statistics["month"].values] == [
        (2001, 1, 30),
        (2001, 2, 1),
        (2001, 3, 1),
        (2001, 4, 1),
    ]


@settings(max_examples=10)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.lists(st.sampled_from([0.02, 0.5, 0.98]), min_size=8, max_size=8),
    st.integers(0, 99),
)
def test_chunks_change_nothing(chunks: list[int], shares: list[float], seed: int):
    missing = np.concatenate([cloudy(n, seed + n, share) for n, share in zip(chunks, shares, strict=False)])
    whole = coverage(daily(missing), LAND)
    lazy = coverage(daily(missing).chunk(time=tuple(chunks), lat=4, lon=5), LAND)
    assert all(lazy[name].chunks for name in lazy.data_vars)
    xr.testing.assert_allclose(whole, lazy.compute(scheduler="synchronous"), rtol=1e-12)


def test_a_long_gap_runs_through_whole_chunks():
    missing = np.broadcast_to(LAND, (30, *LAND.shape)).copy()
    missing[3:27] = True
    longest_gap = coverage(daily(missing).chunk(time=4), LAND)["longest_gap"].compute(scheduler="synchronous")
    assert set(longest_gap.values[~LAND]) == {24.0}


def test_asking_reads_nothing_and_computing_reads_each_chunk_once():
    missing, reads = cloudy(40), []

    def read(block_info=None) -> np.ndarray:
        first, last = block_info[None]["array-location"][0]
        reads.append(first)
        return missing[first:last]

    lazy = da.map_blocks(
        read, chunks=((8,) * 5, *((n,) for n in GRID.shape)), dtype=bool, meta=np.empty((0, 0, 0), bool)
    )
    statistics = coverage(daily(missing).copy(data=lazy), LAND)
    assert not reads
    statistics.compute(scheduler="synchronous")
    assert sorted(reads) == [0, 8, 16, 24, 32]


@pytest.mark.parametrize(("num_days", "land"), [(0, LAND), (3, np.ones_like(LAND))])
def test_nothing_to_cover_is_refused(num_days: int, land: np.ndarray):
    with pytest.raises(DataError, match="at least one day of a sea"):
        coverage(daily(cloudy(num_days)), land)


# --- withholding ----------------------------------------------------------------------------------------------------

patterns = st.sampled_from(["clouds", "swath", "random"])


@given(patterns, st.floats(0.0, 0.4), st.integers(0, 999), st.booleans())
def test_withholding_touches_only_what_was_observed(pattern: GapPattern, share: float, seed: int, whole_month: bool):
    missing = cloudy(62, seed).reshape(2, 31, *GRID.shape)
    hidden = withhold(missing, LAND, share, seed, pattern, whole_month)
    assert hidden.shape == missing.shape
    assert not np.any(hidden & missing)
    assert not np.any(hidden & LAND)
    observed = ~missing & ~LAND
    if whole_month:
        gone = hidden.any(axis=1)
        assert not np.any(observed & ~hidden & gone[:, None])
        whole, withheld = observed.any(axis=1), gone
    else:
        whole, withheld = observed.reshape(62, *GRID.shape), hidden.reshape(62, *GRID.shape)
    for available, taken in zip(whole, withheld, strict=True):
        assert abs(taken.sum() - share * available.sum()) <= 0.5 + 1e-9
    np.testing.assert_array_equal(hidden, withhold(missing, LAND, share, seed, pattern, whole_month))


@pytest.mark.parametrize("pattern", ["clouds", "swath", "random"])
def test_another_seed_hides_something_else(pattern: GapPattern):
    missing = cloudy(40)
    assert np.any(withhold(missing, LAND, 0.2, 1, pattern) != withhold(missing, LAND, 0.2, 2, pattern))


def test_clouds_are_those_of_days_apart():
    """Only the first and the last of 21 days are cloudy, so each half is covered from the other end."""
    missing = np.broadcast_to(LAND, (21, *LAND.shape)).copy()
    missing[0], missing[20] = cloudy(2)
    hidden = withhold(missing, LAND, 0.2, 0)
    assert APART_DAYS == 10
    assert not np.any(hidden[:10] & ~missing[20])
    assert not np.any(hidden[11:] & ~missing[0])
    with pytest.raises(DataError, match="at least 10 days apart"):
        withhold(missing[10:], LAND, 0.2, 0)


def test_part_of_a_cloud_is_a_sector_of_it():
    clouds = cloudy(1, 3)
    cloud = clouds[0] & ~LAND
    clear = LAND[None]
    hidden = withhold(clear, LAND, 0.2, 5, clouds=clouds)[0]
    assert not np.any(hidden & ~cloud)
    # going eastward round the globe, columns are full, then one in part, then empty
    state = [
        0 if not h.any() else 2 if np.array_equal(h, c) else 1
        for h, c in zip(hidden.T, cloud.T, strict=True)
        if c.any()
    ]
    runs = [key for key, _ in itertools.groupby(state)]
    assert state.count(1) <= 1
    assert sum(key == 2 for key in runs) <= 2
    assert hidden.sum() == round(0.2 * (~LAND).sum())


def test_a_second_days_clouds_help_where_one_are_too_few():
    low, high = np.zeros_like(LAND), np.zeros_like(LAND)
    low[:, :3], high[:, 6:9] = True, True
    sea = ~LAND
    share = ((low | high) & sea).sum() / sea.sum()
    hidden = withhold(LAND[None], LAND, share, 0, clouds=np.stack((low | LAND, high | LAND)))
    np.testing.assert_array_equal(hidden[0], (low | high) & sea)


def test_swaths_are_stripes_that_close_the_circle():
    land = np.zeros((20, 280), bool)
    hidden = withhold(land[None], land, 0.3, 4, "swath")[0]
    for row in hidden:
        edges = np.count_nonzero(row != np.roll(row, 1))
        assert edges == 28  # 14 stripes, and none at the seam


def test_too_few_clouds_are_refused():
    missing = np.broadcast_to(LAND, (40, *LAND.shape)).copy()
    missing[:, 0, 0] = np.arange(40) % 2 == 0
    with pytest.raises(DataError, match="of what was observed"):
        withhold(missing, LAND, 0.5, 0)


@pytest.mark.parametrize(
    ("missing", "share", "pattern", "clouds", "message"),
    [
        (cloudy(30), 1.2, "clouds", None, "a fraction of 1.2"),
        (cloudy(30), float("nan"), "clouds", None, "a fraction of nan"),
        (cloudy(30), 0.2, "rain", None, "choose one of clouds, swath, random"),
        (cloudy(30)[:, :2], 0.2, "clouds", None, "do not fit a land mask"),
        (cloudy(30), 0.2, "clouds", cloudy(3)[0], "do not fit a land mask"),
    ],
)
def test_choices_that_cannot_be_are_refused(missing, share, pattern, clouds, message):
    with pytest.raises(ChoiceError, match=message):
        withhold(missing, LAND, share, 0, pattern, clouds=clouds)
