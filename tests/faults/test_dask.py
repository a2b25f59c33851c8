"""The same runs on a Dask cluster of real processes, chosen by one variable; then parts of the cluster die."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.runs import RunStore
from tests.support.workers import LONG, PATIENCE_S, SMALL, assert_result, num_begun, wait_for, wait_until_ended

pytest.importorskip("distributed")


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, num_workers: int) -> None:
        self._file = folder / "scheduler.json"
        self._processes = [self._start("scheduler", "--port", "0", "--no-dashboard", "--no-show")]
        wait_for(self._is_up, "the scheduler")
        self.workers = [
            self._start("worker", "--no-nanny", "--nthreads", "1", "--no-dashboard") for _ in range(num_workers)
        ]

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self._file), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _is_up(self) -> bool:
        try:
            return bool(self.address)
        except (OSError, ValueError):
            return False

    @property
    def address(self) -> str:
        return json.loads(self._file.read_text())["address"]

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        return self._processes[0]

    def close(self) -> None:
        for process in [*self.workers, *self._processes]:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path, home, monkeypatch) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, num_workers=4)
    monkeypatch.setenv("HARMONIA_SCHEDULER", cluster.address)
    monkeypatch.setattr("engine.runs.launch._CONNECT_S", PATIENCE_S)
    yield cluster
    cluster.close()


@pytest.mark.parametrize("num_runs", [12, pytest.param(40, marks=pytest.mark.long)])
def test_many_runs_on_four_workers_one_of_which_dies(cluster, home, undisturbed, num_runs):
    with RunStore(home) as store:
        runs = [store.create(SMALL) for _ in range(num_runs)]
        for run in runs:
            store.launch(run)
        wait_for(lambda: sum(run.state == "done" for run in runs) >= 3, "the first runs to be done")
        cluster.workers[0].kill()
        wait_for(lambda: all(run.state == "done" for run in runs), "all runs to be done")
        for run in runs:
            assert_result(run, undisturbed)
            assert num_begun(run) == 1
        spans = sorted((run.record.started, run.record.ended) for run in runs)
        assert any(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans))  # several at once
        assert store.machine_card()["scheduler"] == cluster.address


def test_the_scheduler_dies_and_a_new_server_without_it_takes_over(cluster, home, undisturbed, monkeypatch):
    with RunStore(home) as store:
        working = [store.create(LONG) for _ in range(4)]
        waiting = [store.create(SMALL) for _ in range(2)]
        for run in working:
            store.launch(run)
        wait_for(lambda: all(run.state == "running" for run in working), "the first runs to work")
        for run in waiting:
            store.launch(run)
        cluster.scheduler.kill()
        assert [run.state for run in working + waiting] == ["running"] * 4 + ["queued"] * 2
        for run in working:
            run.cancel()
            assert wait_until_ended(run) == "cancelled"
    monkeypatch.delenv("HARMONIA_SCHEDULER")
    with RunStore(home) as store:
        assert sorted(store.adopt()) == sorted(run.id for run in waiting)
        for run in waiting:
            again = store.get(run.id)
            assert wait_until_ended(again) == "done"
            assert_result(again, undisturbed)
            assert num_begun(again) == 1


def test_a_scheduler_that_does_not_answer_is_told(home, monkeypatch):
    monkeypatch.setenv("HARMONIA_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setattr("engine.runs.launch._CONNECT_S", 0.5)
    with RunStore(home) as store:
        run = store.create(SMALL)
        with pytest.raises(RunError, match="scheduler does not answer"):
            store.launch(run)
        assert run.state == "created"
