"""The machine itself goes wrong: the disk fills up, memory ends, clocks jump, the home folder cannot be used."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from engine.errors import StoreError
from engine.files import load, write_atomic
from engine.runs import LandSettings, RunConfig, RunStore
from engine.runs.record import Status
from tests.support.workers import (
    LONG,
    SMALL,
    assert_left_in_order,
    assert_result,
    fresh,
    kill_worker,
    processes_of,
    wait_for,
    wait_until_ended,
)


def launched(store: RunStore, config: RunConfig = SMALL):
    run = store.create(config)
    store.launch(run)
    return run


@pytest.mark.parametrize("moment", ["write:20:full", "fsync:60:full", "replace:30:full"])
def test_a_full_disk(store, undisturbed, inject, moment):
    undo = inject("HARMONIA_FAULT", moment)
    run = launched(store)
    state = wait_until_ended(run)
    undo()
    assert_left_in_order(run)
    if moment.startswith("write"):  # a metric line found no room, the status did: the reason is on record
        assert state == "failed"
        assert "the disk is full" in (run.record.failure or "")
        assert "resume" in (run.record.failure or "")
    else:  # nothing at all could be written down any more, but by whoever started it; the log has the reason
        wait_for(lambda: run.state == "failed", "the end to be on record")
        assert "the disk is full" in (run.record.failure or "")
        assert "resume" in (run.record.failure or "")
        assert any("the disk is full" in line for line in run.log_tail())
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)


def test_a_limit_on_file_size_is_told_and_leaves_the_last_checkpoint(store, undisturbed, inject):
    undo = inject("HARMONIA_LIMIT", "FSIZE:2500")
    run = launched(store)
    assert wait_until_ended(run) == "failed"
    undo()
    assert "larger than the system allows" in (run.record.failure or "")
    assert_left_in_order(run)
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)


def test_out_of_memory_is_reported_as_such(store, inject):
    undo = inject("HARMONIA_LIMIT", f"AS:{300 * 2**20}")
    run = launched(store, RunConfig(settings=LandSettings(step_deg=0.02, rows_per_band=9000)))
    assert wait_until_ended(run) == "failed"
    undo()
    assert "ran out of memory" in (run.record.failure or ""), run.log_tail()


def test_a_memory_limit_ends_a_run_with_its_reason_and_a_higher_one_lets_it_go_on(store, monkeypatch):
    monkeypatch.setenv("HARMONIA_WORKER_MEMORY", "200")
    run = launched(store, RunConfig(settings=LandSettings(step_deg=0.02, rows_per_band=9000)))
    assert wait_until_ended(run) == "failed"
    assert "may take 200 MB (HARMONIA_WORKER_MEMORY)" in (run.record.failure or ""), run.log_tail()
    assert "raise HARMONIA_WORKER_MEMORY" in (run.record.failure or "")
    small = launched(store)
    assert wait_until_ended(small) == "done", small.record.failure


@pytest.mark.parametrize(("value", "nice"), [("", 10), ("3", 3), ("0", 0)])
def test_a_run_gives_way_to_the_server(store, monkeypatch, value, nice):
    monkeypatch.setenv("HARMONIA_WORKER_NICE", value)
    run = launched(store, LONG)
    own = psutil.Process().nice()
    wait_for(lambda: run.state == "running", "the run to work")
    wait_for(lambda: [process.nice() for process in processes_of(run.folder)] == [min(19, own + nice)], "its priority")
    run.cancel()
    assert wait_until_ended(run) == "cancelled"


def test_a_crash_in_a_library_that_had_no_memory_is_told_as_such(store):
    run = launched(store, LONG)
    wait_for(lambda: run.state == "running", "the run to work")
    with open(run.folder / "log.txt", "ab") as file:
        file.write(b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    for process in processes_of(run.folder):
        process.send_signal(signal.SIGABRT)
    wait_for(lambda: run.state == "failed", "the reason to be on record")
    assert "ran out of memory" in (run.record.failure or "")


def test_a_worker_killed_by_the_kernel_for_memory_is_reported_as_such(store, undisturbed, monkeypatch, inject):
    killed = iter([7, 8])
    monkeypatch.setattr("engine.runs.supervise.oom_kills", lambda: next(killed))
    undo = inject("HARMONIA_FAULT", "fsync:1:slow")
    run = launched(store)
    wait_for(lambda: run.state == "running", "the run to work")
    undo()
    kill_worker(run)
    wait_for(lambda: run.state == "failed", "the reason to be on record")
    assert "ran out of memory" in (run.record.failure or "")
    monkeypatch.undo()
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)


def test_a_crash_is_told_with_its_signal(store):
    run = launched(store, LONG)
    wait_for(lambda: run.state == "running", "the run to work")
    for process in processes_of(run.folder):
        process.send_signal(signal.SIGSEGV)
    wait_for(lambda: run.state == "failed", "the reason to be on record")
    assert "SIGSEGV" in (run.record.failure or "")


def test_the_worker_s_clock_jumps(store, undisturbed, inject):
    undo = inject("HARMONIA_CLOCK", "1")
    begin = time.monotonic()
    run = launched(store)
    assert wait_until_ended(run) == "done"
    undo()
    assert_result(run, undisturbed)
    assert 0 < run.record.seconds <= time.monotonic() - begin
    reader = run.metrics()
    reader.poll()
    assert (reader.columns["time"][1:] >= reader.columns["time"][:-1]).all()


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_the_server_s_clock_jumps(store, home, jump):
    run = launched(store)
    wait_for(lambda: run.state == "running", "the run to work")
    with RunStore(home, now=lambda: time.time() + jump) as other:
        state = other.record(run.id).state
        assert state == "running" or run.state == "done"
    kill_worker(run)
    with RunStore(home, now=lambda: time.time() + jump) as other:
        wait_for(lambda: other.record(run.id).state in ("interrupted", "done"), "the run to be seen dead")


@pytest.mark.parametrize("change", [{"start": 1.0}, {"boot": "another start of this machine"}])
def test_a_process_number_given_to_somebody_else(store, home, change):
    run = launched(store, LONG)
    wait_for(lambda: run.state == "running", "the run to work")
    status = load(Status, run.folder / "status.json")
    kill_worker(run)
    wait_until_ended(run)
    assert status is not None
    process = status.process.model_copy(update={"pid": os.getpid(), **change})
    reused = status.model_copy(update={"process": process})
    write_atomic(run.folder / "status.json", reused.model_dump_json().encode())
    with fresh(home) as other:  # for a moment whoever started it may hold its lock, to see how it ended
        wait_for(lambda: other.record(run.id).state == "interrupted", "the number to be seen as another's")
    assert_left_in_order(run)


def test_the_home_folder_is_a_file(tmp_path):
    path = tmp_path / "home"
    path.write_text("")
    with pytest.raises(StoreError, match="is a file"):
        RunStore(path)
    nested = tmp_path / "nested"
    nested.mkdir()
    (nested / "runs").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        RunStore(nested)


def test_the_home_folder_is_missing(tmp_path):
    with RunStore(tmp_path / "not" / "yet") as store:
        assert store.list() == []
        assert store.create(SMALL).state == "created"


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a file system that nobody can write")
def test_the_home_folder_cannot_be_written():
    with RunStore("/sys/kernel/harmonia") as store:
        assert store.list() == []
        with pytest.raises(StoreError, match=r"cannot be written|is gone"):
            store.create(SMALL)


def test_a_home_folder_that_became_read_only_can_still_be_looked_at(store, home):
    run = launched(store)
    wait_until_ended(run)
    folders = [home, home / "runs", run.folder]
    for folder in folders:
        folder.chmod(0o500)
    try:
        if os.access(home, os.W_OK):
            pytest.skip("this user may write everywhere")
        with fresh(home) as other:
            assert other.record(run.id).state == "done"
            with pytest.raises(StoreError, match="cannot be written"):
                other.create(SMALL)
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_the_home_folder_lies_on_another_file_system(tmp_path, home, undisturbed):
    link = tmp_path / "link"
    link.symlink_to(home)
    with RunStore(link) as store:
        run = launched(store)
        assert wait_until_ended(run) == "done"
        assert_result(run, undisturbed)


def without_meta(folder: Path) -> None:
    """As ``rm -r`` that met a file which the run has just written."""
    (folder / "meta.json").unlink()


def moved(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")


def copied_back(folder: Path) -> None:
    copy = folder.parent.parent / "copy"
    status = load(Status, folder / "status.json")
    assert status is not None
    worker = psutil.Process(status.process.pid)
    worker.suspend()  # the files of a run at work come and go
    shutil.copytree(folder, copy)
    worker.resume()
    folder.rename(folder.parent.parent / "original")
    copy.rename(folder)


def without_lock(folder: Path) -> None:
    (folder / "run.lock").unlink()


@pytest.mark.parametrize("change", [without_meta, moved, copied_back, without_lock])
def test_a_run_whose_folder_is_gone_ends_and_gives_its_slot_back(store, home, undisturbed, change):
    run = launched(store, LONG)
    wait_for(lambda: run.record.progress > 0, "some progress")
    change(run.folder)
    wait_for(lambda: not processes_of(home), "the worker to give up")
    after = launched(store)
    assert wait_until_ended(after) == "done"
    assert_result(after, undisturbed)


def test_a_run_put_back_from_a_copy_resumes(store, home):
    run = launched(store, LONG)
    wait_for(lambda: run.record.progress > 0, "some progress")
    copied_back(run.folder)
    # a process that ends has no command line for a moment before it is gone
    wait_for(lambda: not processes_of(home) and run.state == "interrupted", "the worker to give up", run)
    run.resume()
    wait_for(lambda: run.state == "running", "the copy to work")
    run.cancel()
    assert wait_until_ended(run) == "cancelled"


def test_the_home_folder_vanishes_under_a_run(store, home):
    run = launched(store, LONG)
    wait_for(lambda: run.state == "running", "the run to work")
    while (home / "runs").exists():  # the run writes on while it vanishes
        shutil.rmtree(home / "runs", ignore_errors=True)
    wait_for(lambda: not processes_of(home), "the worker to give up")
    assert store.list() == []
