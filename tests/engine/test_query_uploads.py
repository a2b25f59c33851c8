"""Uploads go when they are of no more use: the longest unused first, none that is in use, arrives, or fed a run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import DataError, StoreError
from engine.queries import ocean
from engine.queries.ocean import UploadHold
from engine.queries.ocean.uploads import KEPT_DAYS, STALLED_S, uploaded

DAY_S = 86_400.0
SIZE = 300_000  # three fit into a megabyte


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    monkeypatch.setenv("HARMONIA_UPLOADS_KEPT_MB", "1")
    return tmp_path


def upload(mark: int, used_days_ago: float = 0.0, size: int = SIZE) -> str:
    """An upload of its own content, last used some days ago."""
    arriving = ocean.Upload("sst.nc", size)
    arriving.add(bytes([mark]) * size)
    name = arriving.finish()
    unused(name, used_days_ago)
    return name


def unused(name: str, days: float) -> None:
    """As if it had not been used for some days."""
    when = time.time() - days * DAY_S
    os.utime(uploaded(name).parent, (when, when))


def is_there(home: Path, name: str) -> bool:
    """Whether it is kept; asking for it would be a use of it."""
    return (home / "uploads" / name).is_file()


def test_over_the_budget_the_longest_unused_goes_first(home: Path) -> None:
    names = [upload(mark, used_days_ago=days) for mark, days in enumerate((1.0, 3.0, 2.0))]
    upload(9)
    assert [is_there(home, name) for name in names] == [True, False, True]
    upload(10, size=900_000)
    assert not any(is_there(home, name) for name in names)


def test_a_use_is_remembered(home: Path) -> None:
    names = [upload(mark, used_days_ago=days) for mark, days in enumerate((3.0, 2.0, 1.0))]
    stamp = uploaded(names[0]).stat().st_mtime_ns
    assert uploaded(names[0]).stat().st_mtime_ns == stamp
    upload(9)
    assert [is_there(home, name) for name in names] == [True, False, True]


def test_what_nobody_used_for_long_goes_though_there_is_room(home: Path) -> None:
    names = [upload(mark, size=10) for mark in range(2)]
    for name, days in zip(names, (KEPT_DAYS + 0.1, KEPT_DAYS - 0.1), strict=True):
        unused(name, days)
    upload(9, size=10)
    assert [is_there(home, name) for name in names] == [False, True]


def test_what_is_in_use_stays_until_it_is_let_go(home: Path) -> None:
    names = [upload(mark) for mark in range(2)]
    holds = [UploadHold(names[0]), UploadHold(names[0])]
    for name in names:
        unused(name, days=99.0)
    upload(9)
    assert [is_there(home, name) for name in names] == [True, False]
    for _ in range(2):  # the second time does nothing
        holds[0].release()
    upload(10)
    assert is_there(home, names[0])
    holds[1].release()
    upload(11)
    assert not is_there(home, names[0])


def test_another_process_keeps_what_it_uses_for_as_long_as_it_lives(home: Path) -> None:
    name = upload(1)
    code = f"from engine.queries.ocean import UploadHold; h = UploadHold({name!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        upload(2, size=700_000)
        assert is_there(home, name)
        with pytest.raises(DataError, match="does not fit beside those in use"):
            upload(3, size=1_000_000)
        assert is_there(home, name)
        other.kill()
    upload(3, size=1_000_000)
    assert not is_there(home, name)


def test_what_arrives_is_not_in_the_way_of_what_arrives(home: Path) -> None:
    slow = ocean.Upload("slow.nc", 600_000)
    slow.add(b"s" * 500_000)
    upload(1, size=400_000)
    slow.add(b"s" * 100_000)
    assert uploaded(slow.finish()).stat().st_size == 600_000


def test_what_a_dead_server_left_half_arrived_goes(home: Path) -> None:
    left = home / "uploads" / ".part-dead"
    left.parent.mkdir()
    left.write_bytes(b"x" * 900_000)
    upload(1)
    assert not left.exists()


def test_what_a_run_was_given_stays(home: Path) -> None:
    name = upload(1, used_days_ago=99.0)
    run = home / "runs" / "20260101-000000-0123456789"
    run.mkdir(parents=True)
    (run / "config.json").write_text(f'{{"source": {{"path": "{home / "uploads" / name}"}}}}')
    upload(2)
    assert is_there(home, name)


def test_an_address_of_an_evicted_upload_is_told_why_and_what_to_do(home: Path) -> None:
    name = upload(1, used_days_ago=99.0)
    upload(2)
    with pytest.raises(DataError, match=r"no longer.*30 days.*more than 1 MB") as refusal:
        uploaded(name)
    assert refusal.value.remedy == "upload the file again"
    with pytest.raises(DataError, match="no longer"):
        UploadHold(name)
    with pytest.raises(DataError, match="no longer"):
        ocean.open_source(ocean.SourceChoice("upload", path=name))


# ---------------------------------------------------------------- the space is a limit


def used(home: Path) -> int:
    """Bytes of all uploads, with those that are arriving."""
    return sum(path.stat().st_size for path in (home / "uploads").rglob("*") if path.is_file())


def test_uploads_that_arrive_at_once_stay_within_the_space(home: Path) -> None:
    arriving = [ocean.Upload(f"{mark}.nc", SIZE) for mark in range(3)]
    for mark in range(9):
        with pytest.raises(DataError, match="uploads may take 1 MB in all") as refusal:
            ocean.Upload(f"more-{mark}.nc", SIZE)
        assert "HARMONIA_UPLOADS_KEPT_MB" in refusal.value.remedy
        assert used(home) <= 10**6
    for mark, each in enumerate(arriving):
        each.add(bytes([mark]) * SIZE)
        assert uploaded(each.finish()).read_bytes() == bytes([mark]) * SIZE
        assert used(home) <= 10**6
    upload(99)  # those are of no use to anybody now


def test_an_upload_that_is_given_up_leaves_its_space(home: Path) -> None:
    for _ in range(5):
        arriving = ocean.Upload("a.nc", 900_000)
        arriving.add(b"x")
        arriving.abandon()
    assert used(home) == 0


def test_one_that_is_larger_than_the_space_is_refused_and_evicts_nothing(home: Path) -> None:
    name = upload(1)
    with pytest.raises(DataError, match="does not fit"):
        upload(2, size=1_100_000)
    assert is_there(home, name)


def test_one_that_has_stalled_makes_room_and_is_told_so(home: Path) -> None:
    slow = ocean.Upload("slow.nc", 900_000)
    slow.add(b"s" * 800_000)
    (partial,) = (home / "uploads").glob(".part-*")
    with pytest.raises(DataError, match="does not fit"):
        upload(1)
    when = time.time() - STALLED_S - 1.0
    os.utime(partial, (when, when))
    upload(1)
    assert not partial.exists()
    slow.add(b"s" * 100_000)
    with pytest.raises(DataError, match="took too long and was removed"):
        slow.finish()


def test_a_part_of_what_was_announced_is_stored_as_such(home: Path) -> None:
    arriving = ocean.Upload("a.nc", 1000)
    arriving.add(b"abc")
    assert uploaded(arriving.finish()).read_bytes() == b"abc"


def test_a_reserve_of_the_disk_is_left_free(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_DISK_RESERVE_MB", "99999999999")
    with pytest.raises(StoreError, match=r"MB free, .*are kept for running runs"):
        upload(1)
    assert used(home) == 0
