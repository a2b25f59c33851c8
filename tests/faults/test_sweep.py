"""A sweep's trials are runs of their own: none is lost or doubled, and how each one ended is told apart."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.config.sst import SSTSettings
from engine.config.sweep import Choices, Range, SweepSettings
from engine.runs import Run, RunConfig, RunStore
from tests.support.workers import fresh, kill_worker, num_begun, processes_of, seeds, wait_for, wait_until_ended

INJECT = str(Path(__file__).parent / "inject_trials")
LEARNING_RATES = Range(low=1e-4, high=1e-1, log=True)


@pytest.fixture(autouse=True)
def _quick_trials(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", INJECT)


def settings(*widths: int, **others) -> SweepSettings:
    common: dict = {"trial": SSTSettings(epochs=5), "trials": 6, "pruner": "none"}
    if widths:
        common["space"] = {"model.width": Choices(values=widths), "learning_rate": LEARNING_RATES}
    return SweepSettings(**(common | others))


def launch(store: RunStore, chosen: SweepSettings) -> Run:
    run = store.create(RunConfig(settings=chosen))
    store.launch(run)
    return run


def trials(run: Run) -> list[dict]:
    return json.loads(run.files.trials.read_text())["trials"]


def trial_runs(store: RunStore, run: Run) -> list[Run]:
    return [trial_run for trial_run in store.list() if trial_run.record.tags[:1] == (f"sweep {run.id}",)]


def check(store: RunStore, run: Run, count: int) -> None:
    """Every trial is one run and agrees with its record."""
    listed = trials(run)
    assert [trial["number"] for trial in listed] == list(range(len(listed)))
    by_run = {trial_run.id: trial_run for trial_run in trial_runs(store, run)}
    assert sorted(by_run) == sorted(trial["run"] for trial in listed if trial["run"])
    assert len(by_run) == count
    for trial in listed:
        if trial["state"] == "done":
            record = by_run[trial["run"]].record
            assert record.state == "done"
            assert trial["value"] == pytest.approx(record.best)
            chosen = by_run[trial["run"]].config.settings
            assert chosen.model.width == trial["chosen"]["model.width"]
            assert chosen.learning_rate == trial["chosen"]["learning_rate"]


def test_a_sweep_on_one_slot_finishes_all_its_trials_and_finds_the_better_choice(store):
    run = launch(store, settings(4, 8, 64, trials=8))
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    check(store, run, 8)
    listed = trials(run)
    assert run.record.best == min(trial["value"] for trial in listed)
    assert run.record.progress == 1.0
    content = json.loads(run.files.trials.read_text())
    assert content["fields"] == ["model.width", "learning_rate"]
    assert sum(content["importance"].values()) == pytest.approx(1.0)
    assert all(num_begun(trial) == 1 for trial in trial_runs(store, run))


def test_pruned_failed_and_killed_trials_are_told_apart(store):
    run = launch(store, settings(24, 12, 20, 64, trials=8, sampler="random"))
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    ends = {trial["chosen"]["model.width"]: trial for trial in trials(run)}
    assert set(ends) == {24, 20, 12, 64}
    assert (ends[24]["state"], ends[12]["state"], ends[20]["state"], ends[64]["state"]) == (
        "failed",
        "killed",
        "done",
        "done",
    )
    assert "there is no such ocean" in ends[24]["why"]
    check(store, run, 8)


def test_a_trial_that_falls_behind_is_pruned(store, monkeypatch):
    # the first trials set the mark; what falls behind is slow enough for the sweep to look in between
    monkeypatch.setenv("HARMONIA_PACE", "0.2")
    chosen = settings(4, 64, trials=8, pruner="asha", trial=SSTSettings(epochs=50), sampler="random")
    run = launch(store, chosen)
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    pruned = [trial for trial in trials(run) if trial["state"] == "pruned"]
    assert pruned
    states = {trial_run.id: trial_run.state for trial_run in trial_runs(store, run)}
    assert all(states[trial["run"]] == "pruned" for trial in pruned)
    assert all(trial["value"] is not None for trial in pruned)


def test_choices_that_clash_never_become_a_run(store):
    space = {"model.width": Choices(values=(8, 12)), "model.heads": Choices(values=(8,))}
    run = launch(store, settings(8, space=space, trials=3, sampler="random"))
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    clashes = [trial for trial in trials(run) if trial["state"] == "illegal"]
    assert {trial["chosen"]["model.width"] for trial in clashes} == {12}
    assert all("8 heads do not divide width 12" in trial["why"] for trial in clashes)
    assert all(trial["run"] is None for trial in clashes)


def test_a_sweep_whose_every_trial_fails_says_why(store):
    run = launch(store, settings(24))
    assert wait_until_ended(run) == "failed"
    assert "all 5 trials failed" in run.record.failure
    assert "there is no such ocean" in run.record.failure


def test_a_space_without_any_legal_choice_says_so(store):
    space = {"model.width": Choices(values=(12,)), "model.heads": Choices(values=(8,))}
    run = launch(store, settings(8, space=space))
    assert wait_until_ended(run) == "failed"
    assert "clash whatever is proposed" in run.record.failure
    assert trial_runs(store, run) == []


@pytest.mark.parametrize("seed", seeds(0, 2))
def test_a_sweep_killed_at_any_moment_loses_and_doubles_no_trial(home, seed):
    rng = random.Random(seed)
    with fresh(home) as store:
        run = launch(store, settings(4, 8, trial=SSTSettings(epochs=15)))
        for _ in range(3):
            mark = rng.randrange(6)
            wait_for(lambda mark=mark: run.state == "done" or count_begun(store, run) > mark, "the trials to go on")
            if run.state == "done":
                break
            kill_worker(run)
            wait_for(lambda: run.state in ("interrupted", "done"), "the sweep to be seen dead")
            if run.state == "interrupted":
                run.resume()
        assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
        check(store, run, 6)
        assert all(trial["state"] == "done" for trial in trials(run))


def test_a_trial_that_died_with_its_sweep_has_as_many_lives_as_at_first(store, monkeypatch):
    """A machine that dies takes both along; that says nothing against the trial."""
    monkeypatch.setenv("HARMONIA_PACE", "0.2")
    run = launch(store, settings(4, trials=1, sampler="random", trial=SSTSettings(epochs=30)))
    for number, takes_sweep in enumerate((True, True, False), 1):
        wait_for(lambda number=number: count_begun(store, run) == number, "the trial to work")
        if takes_sweep:
            kill_worker(run)
        kill_worker(trial_runs(store, run)[0])
        if takes_sweep:
            assert wait_until_ended(run) == "interrupted"
            wait_for(lambda: trial_runs(store, run)[0].state == "interrupted", "the trial to be seen dead")
            run.resume()
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    check(store, run, 1)
    assert [trial["state"] for trial in trials(run)] == ["done"]


def test_a_grid_takes_every_combination_once_also_after_a_kill(store):
    space = {
        "seed": Choices(values=(0, 1)),
        "model.width": Choices(values=(8, 12)),
        "model.heads": Choices(values=(8,)),
    }
    run = launch(store, settings(space=space, trials=4, sampler="grid"))
    wait_for(lambda: count_begun(store, run) > 0, "the first trial to begin")
    kill_worker(run)
    wait_for(lambda: run.state in ("interrupted", "done"), "the sweep to be seen dead")
    if run.state == "interrupted":
        run.resume()
    assert wait_until_ended(run) == "done", run.record.failure or run.log_tail()
    listed = [(trial["chosen"]["seed"], trial["chosen"]["model.width"], trial["state"]) for trial in trials(run)]
    # 8 heads do not divide a width of 12
    assert listed == [(0, 8, "done"), (0, 12, "illegal"), (1, 8, "done"), (1, 12, "illegal")]
    assert sorted(trial.config.seed for trial in trial_runs(store, run)) == [0, 1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"trials": 3}, "2 combinations"), ({"space": {"learning_rate": LEARNING_RATES}}, "needs choices")],
)
def test_a_grid_needs_values_and_no_more_trials_than_it_has(changes, expected):
    common = {"space": {"seed": Choices(values=(0, 1))}, "trials": 2, "sampler": "grid"}
    with pytest.raises(ValidationError, match=expected):
        settings(**(common | changes))


def count_begun(store: RunStore, run: Run) -> int:
    return sum(num_begun(trial) for trial in trial_runs(store, run))


def test_a_cancelled_sweep_stops_its_trials_and_goes_on_with_them(store):
    run = launch(store, settings(4, 8, trial=SSTSettings(epochs=400), trials=2))
    wait_for(lambda: any(trial.record.epoch for trial in trial_runs(store, run)), "a trial to work")
    run.cancel()
    assert wait_until_ended(run) == "cancelled"
    wait_for(lambda: not processes_of(store.home), "the trial to stop")
    (stopped,) = trial_runs(store, run)
    assert stopped.state == "cancelled"
    epochs_before = stopped.record.epoch
    run.resume()
    wait_for(lambda: stopped.state in ("running", "done"), "the trial to go on")
    wait_for(lambda: (stopped.record.epoch or 0) > epochs_before, "the trial to come further")
    assert num_begun(stopped) == 2
    run.cancel()
    assert wait_until_ended(run) == "cancelled"
