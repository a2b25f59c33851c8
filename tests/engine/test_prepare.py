"""Prepared months: what is in them, that they are made once, whole or not at all, and what is said when they cannot."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from engine.config.months import Month
from engine.data.prepare import available, prepare
from engine.errors import CancelledError, DataError, StoreError
from tests.support.ocean import GRID, LAND, small_ocean


@pytest.fixture
def source():
    return small_ocean(1, chunk_days=1)


def counted(source):
    """The source, and a list that grows by each day that is read."""
    read: list[int] = []

    def noted(block: np.ndarray) -> np.ndarray:
        if block.size:
            read.append(len(block))
        return block

    daily = source.daily.copy(data=source.daily.data.map_blocks(noted, meta=np.empty((0, 0, 0), np.float32)))
    return replace(source, daily=daily), read


def test_months_hold_what_the_source_says(source, tmp_path):
    data = prepare(source, (2001, 2), (2001, 4), folder=tmp_path)
    assert data.daily.shape == (3, 31, *GRID.shape)
    assert data.padded.sum(axis=1).tolist() == [3, 0, 1]
    assert list(zip(data.years, data.months, strict=True)) == [(2001, 2), (2001, 3), (2001, 4)]
    days = source.daily.sel(time=slice("2001-02-01", "2001-02-28")).values
    np.testing.assert_array_equal(data.daily[0, :28], days)
    assert np.isnan(data.daily[0, 28:]).all()
    np.testing.assert_array_equal(data.target[1], source.monthly.sel(time="2001-03-01").values)
    np.testing.assert_allclose(data.ice[1], source.ice.sel(time="2001-03").values.mean(axis=0))
    np.testing.assert_array_equal(data.land, LAND)
    assert np.isnan(data.daily[:, :, LAND]).all()
    assert isinstance(data.daily, np.memmap)
    assert not data.daily.flags.writeable


def test_a_day_is_read_once_by_however_many_who_ask(source, tmp_path):
    source, read = counted(source)
    first = prepare(source, (2001, 1), (2001, 3), folder=tmp_path)
    assert sum(read) == 90
    threads = [
        threading.Thread(target=prepare, args=(source, (2001, 2), (2001, 5)), kwargs={"folder": tmp_path})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(read) == 90 + 30 + 31
    again = prepare(source, (2001, 1), (2001, 3), folder=tmp_path)
    np.testing.assert_array_equal(first.daily, again.daily)
    assert first.key == again.key != prepare(source, (2001, 1), (2001, 4), folder=tmp_path).key


def test_what_was_abandoned_goes_on_at_its_month(source, tmp_path):
    source, read = counted(source)

    def leave(share: float, text: str) -> None:
        if text == "reading 2001-03":
            raise CancelledError("stop", "here", "go on")

    with pytest.raises(CancelledError):
        prepare(source, (2001, 1), (2001, 6), folder=tmp_path, progress=leave)
    assert sum(read) == 31 + 28
    prepare(source, (2001, 1), (2001, 3), folder=tmp_path)
    assert sum(read) == 31 + 28 + 31


def test_a_month_that_was_cut_short_is_read_again(source, tmp_path, monkeypatch):
    source, read = counted(source)
    import os

    with monkeypatch.context() as patched:
        calls = iter([True, False])
        real = os.fsync
        patched.setattr("os.fsync", lambda file: real(file) if next(calls) else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare(source, (2001, 1), (2001, 1), folder=tmp_path)
    data = prepare(source, (2001, 1), (2001, 1), folder=tmp_path)
    assert sum(read) == 62
    np.testing.assert_array_equal(data.daily[0], source.daily.sel(time="2001-01").values)


def test_progress_goes_up(source, tmp_path):
    shares: list[float] = []
    prepare(source, (2001, 1), (2001, 4), folder=tmp_path, progress=lambda share, _: shares.append(share))
    assert shares == [0.0, 0.25, 0.5, 0.75]


def test_a_source_without_truth_or_ice(tmp_path):
    data = prepare(small_ocean(1, monthly=False, ice=False), (2001, 1), (2001, 1), folder=tmp_path)
    assert data.target is None
    assert not data.ice.any()


def test_months_that_are_not_there(source, tmp_path):
    assert available(source) == (Month(2001, 1), Month(2001, 12))
    with pytest.raises(DataError, match=r"no days in 2002-01 .* from 2001-01 to 2001-12"):
        prepare(source, (2001, 12), (2002, 1), folder=tmp_path)
    with pytest.raises(DataError, match="2001-05 comes after 2001-04"):
        prepare(source, (2001, 5), (2001, 4), folder=tmp_path)
    with pytest.raises(DataError, match="no daily fields"):
        prepare(replace(source, daily=None), (2001, 1), (2001, 1), folder=tmp_path)


def test_infinite_values_are_refused(source, tmp_path):
    daily = source.daily.copy(data=source.daily.data)
    daily[40, 9, 9] = np.inf
    with pytest.raises(DataError, match="1 values of 2001-02 are infinite"):
        prepare(replace(source, daily=daily), (2001, 1), (2001, 3), folder=tmp_path)


def test_a_source_that_went_away(source, tmp_path):
    def gone(block: np.ndarray) -> np.ndarray:
        raise FileNotFoundError("sst-200101.nc")

    daily = source.daily.copy(data=source.daily.data.map_blocks(gone, meta=np.empty((0, 0, 0), np.float32)))
    with pytest.raises(DataError, match=r"2001-01 cannot be read: FileNotFoundError: sst-200101\.nc"):
        prepare(replace(source, daily=daily), (2001, 1), (2001, 1), folder=tmp_path)


def test_a_full_disk_is_told_in_words(source, tmp_path, monkeypatch):
    import errno

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        prepare(source, (2001, 1), (2001, 1), folder=tmp_path)
