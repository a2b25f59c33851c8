"""SIGKILL of the worker, of the server and of both, at seeded random moments and inside every kind of write."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.runs import ACTIVE
from tests.support.workers import (
    INJECT,
    SMALL,
    StoreServer,
    assert_left_in_order,
    assert_result,
    fresh,
    kill_worker,
    processes_of,
    seeds,
    wait_for,
    wait_until_ended,
)


def disturb(
    home: Path, new_server: Callable[[], StoreServer], rng: random.Random, num_kills: int, expected: dict
) -> None:
    """Kill worker, server or both ``num_kills`` times, resuming in between; each run that gets through is checked.

    After each kill somebody who knows nothing looks: no run is shown working that does not, and nothing is damaged.
    """
    server = new_server()
    with fresh(home) as store:
        run = store.create(SMALL)
        kills = 0
        while kills < num_kills:
            if run.state == "done":
                assert_result(run, expected)
                run = store.create(SMALL)
            server.launch(run)
            wait_for(lambda run=run: run.state in ("running", "done"), "the run to work", run)
            time.sleep(rng.uniform(0.0, 0.3))  # the moment of the kill is what is being tried
            victim = rng.choice(["worker", "server", "both"])
            hit = victim != "worker"
            if victim != "server":
                hit |= kill_worker(run)
            if victim != "worker":
                server.kill()
                server = new_server()
            kills += hit
            survey(home, run.id)
        server.stop()
        if run.state not in ACTIVE | {"done"}:
            run.resume()
        assert wait_until_ended(run) == "done"
        assert_result(run, expected)


def survey(home: Path, run_id: str) -> None:
    with fresh(home) as newcomer:
        run = newcomer.get(run_id)
        # a process that was just killed may take a moment to die
        wait_for(lambda: run.state != "running" or processes_of(run.folder), "a dead run not to be shown working")
        if run.state != "running":
            assert run.state in ("interrupted", "done"), run.state
            assert_left_in_order(run)


@pytest.mark.parametrize("seed", seeds(0, 3))
def test_kills_at_random_moments(home, new_server, undisturbed, seed):
    disturb(home, new_server, random.Random(seed), 13, undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_thousand_kills_at_random_moments(home, new_server, undisturbed, seed):
    disturb(home, new_server, random.Random(seed), 50, undisturbed)


def moments(seed: int) -> Iterator[str]:
    """Moments inside writes, of each kind in turn; not before a process has told us that it works."""
    rng = random.Random(seed)
    latest = {"fsync": 150, "replace": 60, "write": 30}  # of some thirty bands
    for call in itertools.cycle(latest):
        when = rng.choice(["before", "after"] if call == "replace" else ["before", "after", "torn"])
        yield f"{call}:{rng.randint(4, latest[call])}:{when}"


@pytest.mark.parametrize("seed", seeds(0, 3))
def test_kills_inside_every_write(store, undisturbed, monkeypatch, seed):
    run = store.create(SMALL)
    for moment in itertools.islice(moments(seed), 13):
        with monkeypatch.context() as patched:
            patched.setenv("HARMONIA_FAULT", moment)
            patched.setenv("PYTHONPATH", INJECT)
            store.launch(run)
            wait_for(lambda run=run: run.state != "queued", "the run to work", run)
            wait_until_ended(run)
        if run.state == "interrupted":
            assert_left_in_order(run)
        else:
            assert_result(run, undisturbed)
            run = store.create(SMALL)
    store.launch(run)
    assert wait_until_ended(run) == "done"
    assert_result(run, undisturbed)
