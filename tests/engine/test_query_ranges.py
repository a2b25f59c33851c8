"""The range of a source's values over all of its days: every season counts, few days are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import CancelledError
from engine.queries import ocean
from engine.queries.cache import Cache
from engine.queries.ocean import SST, SourceChoice, ranges
from engine.queries.scales import value_limits
from tests.support.own_file import write_region


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ranges, "CACHE", Cache(2**20))
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))


def iso_days(first: str, number: int) -> tuple[str, ...]:
    days = np.datetime64(first) + np.arange(number)
    return tuple(str(day) for day in days)


@given(st.integers(1, 12_000), st.integers(0, 3_000), st.integers(1, 12))
def test_every_season_and_the_whole_span_are_sampled(num_days: int, start: int, number: int) -> None:
    days = iso_days(str(np.datetime64("1981-09-01") + start), num_days)
    sampled = ranges.sampled_days(days, number)
    assert list(sampled) == sorted(set(sampled))
    assert 1 <= len(sampled) <= number
    assert all(0 <= index < num_days for index in sampled)
    if number == 12:
        months = {days[index][5:7] for index in sampled}
        assert months == {day[5:7] for day in days}  # also where the span is a multiple of a year
        if num_days >= 3 * 366:
            widest = np.diff([-1, *sampled, num_days]).max()
            assert widest <= num_days / 12 + 2 * 366


def test_few_days_are_all_sampled() -> None:
    assert ranges.sampled_days(iso_days("2020-01-30", 4)) == (0, 1, 2, 3)
    assert ranges.sampled_days(iso_days("2020-05-05", 1)) == (0,)


def test_a_small_sea_fills_its_palette(tmp_path: Path) -> None:
    """The ends are those of the days themselves, not those of the first one with a margin."""
    write_region(tmp_path / "sea.nc", shape=(16, 42), num_days=500, cloudy=0.3)
    choice = SourceChoice("path", path="sea.nc")
    low, high = ocean.open_source(choice).limits
    daily = ocean.source(choice).daily
    assert daily is not None
    wanted = np.nanpercentile(daily.values, (1, 99))
    size = wanted[1] - wanted[0]
    np.testing.assert_allclose((low, high), wanted, rtol=0, atol=0.08 * size)
    first = np.nanpercentile(daily.values[0], (1, 99))
    assert high > first[1] + 3.0  # the first day is one of winter
    assert ocean.source_limits(choice) == (low, high)


def test_the_days_are_read_once_and_can_be_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_region(tmp_path / "sea.nc", shape=(8, 12), num_days=400)
    choice = SourceChoice("path", path="sea.nc")
    read: list[int] = []
    as_before = ranges.day
    monkeypatch.setattr(ranges, "day", lambda source, name, index: read.append(index) or as_before(source, name, index))

    def cancel(fraction: float, _: str) -> None:
        if fraction > 0.3:
            raise CancelledError("cancelled", "test", "none")

    with pytest.raises(CancelledError):
        ocean.source_limits(choice, cancel)
    assert 0 < len(read) < 12
    read.clear()
    limits = ocean.source_limits(choice)
    assert len(read) == 12
    assert ocean.source_limits(choice) == limits
    assert len(read) == 12
    # where one day costs the reading of many, fewer are read
    monkeypatch.setattr(ranges, "touched_bytes", lambda *_: 100 * 2**20)
    assert len(ranges.days_to_sample(ocean.source(choice))) == 2


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([12.31, 12.49], (12.31, 12.49)),
        ([5.0, 5.0], (5.0, 5.0)),
        ([-1.8, 29.7], (-2.0, 30.0)),
        ([], (-2.0, 32.0)),
    ],
)  # fmt: skip
def test_ends_are_rounded_outwards(values: list[float], ends: tuple[float, float]) -> None:
    low, high = value_limits(SST, np.array(values, np.float32), is_global=False, of_all_days=True)
    assert (low, high) == pytest.approx(ends, abs=0.011)
    assert low < high
