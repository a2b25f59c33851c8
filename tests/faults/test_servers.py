"""Servers come, go, and meet on one home; people click twice."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from engine.errors import RunError
from engine.files import locked
from engine.runs import RunStore
from engine.runs import supervise as supervise
from tests.support.workers import (
    LONG,
    PATIENCE_S,
    SMALL,
    assert_left_in_order,
    assert_result,
    fresh,
    kill_worker,
    num_begun,
    processes_of,
    wait_for,
    wait_until_ended,
)


def test_a_run_outlives_its_server_and_is_found_again(home, new_server, undisturbed):
    server = new_server()
    with fresh(home) as store:
        run = store.create(LONG)
        server.launch(run)
        wait_for(lambda: run.state == "running", "the run to work")
        pid = run.record.pid
        server.kill()
        with fresh(home) as after:
            same_run = after.get(run.id)
            assert (same_run.state, same_run.record.pid) == ("running", pid)
            same_run.cancel()
            wait_until_ended(same_run)
            assert same_run.state == "cancelled"
            assert_left_in_order(same_run)


def test_sigterm_of_the_server_leaves_runs_alone_and_the_server_ends_at_once(home, new_server):
    server = new_server()
    with fresh(home) as store:
        run = store.create(LONG)
        server.launch(run)
        wait_for(lambda: run.state == "running", "the run to work")
        server.stop()  # and it waits for nobody
        assert run.state == "running"
        run.cancel()
        assert wait_until_ended(run) == "cancelled"


def test_queued_runs_of_a_dead_server_are_put_back_in_their_order(home, new_server, undisturbed):
    server = new_server()
    with fresh(home) as store:
        runs = [store.create(SMALL) for _ in range(3)]
        first = store.create(LONG)
        for run in [first, *runs]:
            server.launch(run)
            wait_for(lambda run=run: run.state != "created", "the run to be queued")
        wait_for(lambda: first.state == "running", "the first run to work")
        server.kill()
        assert [run.state for run in runs] == ["queued"] * 3
        server = new_server()
        first.cancel()
        for run in runs:
            assert wait_until_ended(run) == "done"
            assert_result(run, undisturbed)
            assert num_begun(run) == 1
        server.stop()
        started = [run.record.started for run in runs]
        assert started == sorted(started)


def test_a_run_moved_forward_in_the_queue_works_first(store, undisturbed):
    first, second, third = store.create(LONG), store.create(SMALL), store.create(SMALL)
    for run in (first, second, third):
        store.launch(run)
    wait_for(lambda: first.state == "running", "the first run to work")
    store.move(third, -1)
    first.cancel()
    for run in (second, third):
        assert wait_until_ended(run) == "done"
        assert_result(run, undisturbed)
    assert third.record.started < second.record.started


def test_two_servers_on_one_home_share_one_slot_and_start_nothing_twice(home, new_server, undisturbed):
    servers = [new_server(), new_server()]
    with fresh(home) as store:
        runs = [store.create(SMALL) for _ in range(6)]
        for run in runs:
            for server in servers:
                server.launch(run)
        wait_for(lambda: all(run.state == "done" for run in runs), "all runs to be done")
        spans = sorted((run.record.started, run.record.ended) for run in runs)
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
        for run in runs:
            assert_result(run, undisturbed)
            assert num_begun(run) == 1
    for server in servers:
        server.stop()


def test_clicking_many_times_at_once_launches_once(home, undisturbed):
    with fresh(home) as here, fresh(home) as there:
        run = here.create(SMALL)
        barrier = threading.Barrier(8)

        def click(store: RunStore) -> None:
            barrier.wait()
            with suppress(RunError):  # it got done in the meantime
                store.launch(store.get(run.id))

        threads = [threading.Thread(target=click, args=(store,)) for store in [here, there] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wait_until_ended(run) == "done"
        assert_result(run, undisturbed)
        assert (run.record.launch, num_begun(run)) == (1, 1)


def test_cancelling_twice_and_resuming_twice(store, undisturbed, inject):
    undo = inject("HARMONIA_FAULT", "fsync:1:slow")
    run = store.create(SMALL)
    store.launch(run)
    wait_for(lambda: run.state == "running", "the run to work")
    undo()
    run.cancel()
    run.cancel()
    assert wait_until_ended(run) == "cancelled"
    run.cancel()
    run.resume()
    run.resume()
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)
    assert num_begun(run) == 2
    with pytest.raises(RunError, match="nothing to cancel"):
        run.cancel()


def test_cancel_keeps_a_checkpoint(store):
    run = store.create(LONG)
    store.launch(run)
    wait_for(lambda: run.record.progress > 0, "some progress")
    run.cancel()
    wait_for(lambda: not processes_of(run.folder), "the process to be gone")
    assert run.state == "cancelled"
    assert (run.folder / "checkpoints" / "last.safetensors").exists()
    assert_left_in_order(run)


def test_a_queued_run_that_is_cancelled_never_starts(store):
    working, waiting = store.create(LONG), store.create(SMALL)
    store.launch(working)
    store.launch(waiting)
    assert waiting.state == "queued"
    waiting.cancel()
    assert waiting.state == "cancelled"
    working.cancel()
    wait_until_ended(working)
    assert num_begun(waiting) == 0
    waiting.resume()
    assert wait_until_ended(waiting) == "done"


def test_sigterm_of_the_worker_keeps_a_checkpoint_and_reads_as_interrupted(store):
    run = store.create(LONG)
    store.launch(run)
    wait_for(lambda: run.record.progress > 0, "some progress")
    pid = run.record.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert wait_until_ended(run) == "interrupted"
    assert_left_in_order(run)


def test_launching_again_waits_while_the_end_of_the_process_before_is_written_down(store, monkeypatch):
    writing, go_on = threading.Event(), threading.Event()
    failure_of = supervise._failure_of

    def slow(*arguments):
        writing.set()
        assert go_on.wait(PATIENCE_S)
        return failure_of(*arguments)

    monkeypatch.setattr(supervise, "_failure_of", slow)
    run = store.create(LONG)
    store.launch(run)
    wait_for(lambda: run.state == "running", "the run to work")
    kill_worker(run)
    assert writing.wait(PATIENCE_S)
    assert run.state == "interrupted"
    again = threading.Thread(target=store.launch, args=[run])
    again.start()
    again.join(0.2)  # long enough for it to be misled; if it was not yet, nothing is lost but the trial
    go_on.set()
    again.join()
    wait_for(lambda: run.state == "running", "the second launch to work")
    assert run.record.launch == 2
    run.cancel()
    assert wait_until_ended(run) == "cancelled"


def test_a_queued_run_whose_start_went_wrong_is_started_by_the_next_adoption(store, monkeypatch, undisturbed):
    went_wrong = threading.Event()

    def full(*_):
        went_wrong.set()
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(supervise, "_take_slot", full)
        run = store.create(SMALL)
        store.launch(run)
        assert went_wrong.wait(PATIENCE_S)
    assert run.state == "queued"

    def adopted():
        store.adopt()
        return run.state == "done"

    wait_for(adopted, "the run to be adopted and done")
    assert_result(run, undisturbed)


def test_a_worker_by_hand_works_beside_the_store_and_never_twice(store, undisturbed):
    run = store.create(SMALL)
    command = [sys.executable, "-m", "engine.runs.worker", str(run.folder)]
    with locked(run.folder / "run.lock"):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    assert "another process works" in refused.stderr
    assert run.state == "created"
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert_result(run, undisturbed)
    with pytest.raises(RunError, match="the run is done"):
        run.resume()


def test_a_worker_in_a_folder_that_is_no_run(tmp_path):
    command = [sys.executable, "-m", "engine.runs.worker", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    assert "not a run's folder" in refused.stderr
