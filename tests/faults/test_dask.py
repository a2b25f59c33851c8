"""The same runs on a Dask cluster of real processes, chosen by one variable; then parts of the cluster die."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.runs import RunStore
from tests.support.workers import (
    INJECT,
    LONG,
    PATIENCE_S,
    SMALL,
    assert_result,
    kill_worker,
    num_begun,
    wait_for,
    wait_until_ended,
)

pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler and workers, each a process of its own, with variables of its own."""

    def __init__(self, folder: Path, workers: Sequence[dict[str, str]]) -> None:
        folder.mkdir(exist_ok=True)
        self._file = folder / "scheduler.json"
        self._processes = [self._start("scheduler", {}, "--port", "0", "--no-dashboard", "--no-show")]
        wait_for(self._is_up, "the scheduler")
        self.workers = [
            self._start("worker", variables, "--no-nanny", "--nthreads", "1", "--no-dashboard") for variables in workers
        ]

    def _start(self, kind: str, variables: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self._file), *options]
        return subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

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
    cluster = Cluster(tmp_path, [{}] * 4)
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


def hosts(folder: Path, *names: str) -> list[dict[str, str]]:
    """Variables that make a Dask worker another machine: a name, a boot and a home folder of its own."""
    return [
        {"HARMONIA_HOST": name, "HARMONIA_HOME": str(folder / name), "PYTHONPATH": f"{INJECT}{os.pathsep}{ROOT}"}
        for name in names
    ]


def test_machines_and_the_scheduler_of_a_cluster_die(tmp_path, home, undisturbed, monkeypatch):
    """Three machines share the folder of runs. What is left of one that died is taken up by the others."""
    monkeypatch.setattr("engine.runs.launch._CONNECT_S", PATIENCE_S)
    monkeypatch.setattr("engine.runs.listing.STALE_S", 5.0)
    first = Cluster(tmp_path / "first", hosts(tmp_path, "one", "two", "three"))
    monkeypatch.setenv("HARMONIA_SCHEDULER", first.address)
    try:
        with RunStore(home) as store:
            working, waiting = [store.create(LONG) for _ in range(3)], [store.create(SMALL) for _ in range(3)]
            for run in working:
                store.launch(run)
            wait_for(lambda: all(run.state == "running" for run in working), "a run on each machine")
            assert sorted(run.record.host for run in working) == ["one", "three", "two"]
            for run in waiting:
                store.launch(run)

            lost = next(run for run in working if run.record.host == "two")
            first.workers[1].kill()
            kill_worker(lost)
            assert wait_until_ended(lost) == "interrupted"  # its heartbeat has stopped
            assert [run.state for run in working if run is not lost] == ["running"] * 2

            first.scheduler.kill()
            for run in working:
                if run is not lost:  # what works goes on without the scheduler, and hears of a request
                    run.cancel()
                    assert wait_until_ended(run) == "cancelled"
            assert [run.state for run in waiting] == ["queued"] * 3
    finally:
        first.close()
    second = Cluster(tmp_path / "second", hosts(tmp_path, "four", "five"))
    monkeypatch.setenv("HARMONIA_SCHEDULER", second.address)
    try:
        with RunStore(home) as store:
            assert set(store.adopt()) == {run.id for run in waiting}
            for run in map(store.get, [run.id for run in waiting]):
                assert wait_until_ended(run) == "done"
                assert run.record.host in ("four", "five")
                assert_result(run, undisturbed)
                assert num_begun(run) == 1
            again = store.get(lost.id)
            # a store opened now knows that the old process is dead only after its heartbeat has stood still for a while
            assert wait_until_ended(again) == "interrupted"
            again.resume()
            wait_for(lambda: again.state == "running", "the run to go on elsewhere")
            assert again.record.host in ("four", "five")
            again.cancel()
            assert wait_until_ended(again) == "cancelled"
    finally:
        second.close()
