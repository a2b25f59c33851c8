"""Whatever is selected on the Train page in whatever order: nothing of another run stands on screen, or is exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import StoreError
from engine.runs import RunConfig, RunStore
from explorer import stage
from explorer.pages.train import planning, runs_tab, text, view
from explorer.pages.train.model import COMPARE, NEW, RUNS, TrainModel
from explorer.pages.train.view import TrainView
from explorer.registry import REGISTRY
from explorer.session import Session
from tests.support.held_tasks import HeldTask, StillTimer, held_tasks

GONE = "20260101-000000-ffffffffff"
TRAININGS, SWEEPS, DAMAGED = range(3), (3, 4), 5  # places in the list of runs
ENDS = st.sampled_from([False, False, True, None])
SCORES = {name: {"surface": {"sea": {"mae": error, "count": 9}}} for name, error in (("model", 0.2), ("mean", 0.3))}
FAILURE = StoreError("the run is damaged", "metrics.jsonl", "choose another")


class SelectionMachine(RuleBasedStateMachine):
    """A page with the runs of a store, whose files are read when the machine says so; the first run is active."""

    tasks: type[HeldTask]
    runs: list[str]

    @initialize()
    def open_the_page(self) -> None:
        self.tasks.created.clear()
        self.model = TrainModel({})
        self.session = Session()
        self.page = TrainView(self.session, self.model)
        self.reading: Any = self.page._reading
        self.filing: Any = self.page.stage.filing
        self.files: list[tuple[str, bytes]] = []
        self.page.stage.download.offer = lambda name, content: self.files.append((name, content))
        self.page.stage.save_picture = lambda stem, origin, title="": self.files.append((f"{stem}.png", b""))
        self.messages: list[str] = []
        self.session.say = lambda severity, sentence: self.messages.append(sentence)
        self.is_cancelled = False

    @rule(index=st.integers(0, DAMAGED + 1), fails=ENDS)
    def select(self, index: int, fails: bool | None) -> None:
        run = [*self.runs, GONE][index]
        if (self.model.tab, self.model.run) != (RUNS, run):
            self.is_cancelled = False
        self.model.param.update(tab=RUNS, run=run)
        self.all_is_true()
        self.end(fails)

    @rule(index=st.integers(0, DAMAGED), fails=ENDS)
    def choose_in_the_list(self, index: int, fails: bool | None) -> None:
        """Whatever was done before, also with this very run, it is read."""
        self.is_cancelled = False
        self.page.runs._do({"action": "open", "id": self.runs[index], "serial": 1})
        self.all_is_true()
        assert self.reading.running == (self.is_on_screen and index != DAMAGED)
        self.end(fails)

    @rule(tab=st.sampled_from([NEW, RUNS, COMPARE]), fails=ENDS)
    def open_a_tab(self, tab: str, fails: bool | None) -> None:
        self.is_cancelled &= tab == self.model.tab
        self.model.tab = tab
        self.all_is_true()
        self.end(fails)

    @rule(index=st.sampled_from([*TRAININGS, DAMAGED]), fails=ENDS)
    def compare(self, index: int, fails: bool | None) -> None:
        self.is_cancelled = False
        self.model.toggle(self.runs[index])
        self.all_is_true()
        self.end(fails)

    @rule(page=st.sampled_from(["train", "data"]))
    def open_a_page(self, page: str) -> None:
        self.session.page = page

    @rule(axis=st.sampled_from(["step", "epoch"]))
    def choose_an_axis(self, axis: str) -> None:
        self.model.axis = axis

    @precondition(lambda self: self.reading.running)
    @rule(fails=st.booleans())
    def end(self, fails: bool | None) -> None:
        """Let the reading end well or badly; None: later."""
        if not self.reading.running or fails is None:
            return
        self.reading.finish(FAILURE if fails else None)
        if not fails and not self.reading.running and not self.is_damaged_compared:
            assert not self.page.stage._failure.visible

    @rule()
    def cancel(self) -> None:
        self.page._abandon()
        self.is_cancelled = True

    @rule()
    def wait(self) -> None:
        """Time passes, and the server reports a change."""
        updates: Any = self.page._updates
        if updates.running:
            updates.action()
        self.page._changed()

    @rule(kind=st.sampled_from(["config", "snippet", "metrics", "scores", "report", "picture"]))
    def export(self, kind: str) -> None:
        """A file is of the run on screen, else there is a message; only the draft has files without a run."""
        self.files.clear()
        self.messages.clear()
        getattr(self.page.exports, f"offer_{kind}")()
        assert kind == "picture" or not self.files  # files are written off the event loop
        if self.filing.running:
            self.filing.finish()
        assert len(self.files) + len(self.messages) == 1
        if self.model.tab == NEW and kind in ("config", "snippet"):
            assert bool(self.messages) == (self.model.learns and self.model.is_awaited)
            return
        for name, content in self.files:
            assert self.model.tab == RUNS
            assert not self.is_veiled
            assert self.model.run in str(self.page._shown_selection)
            assert self.page._snapshot is not None
            if kind == "config":
                assert content == REGISTRY.store.get(self.model.run).config.to_json()
            elif kind != "snippet":
                assert self.model.run in name

    @invariant()
    def all_is_true(self) -> None:
        self.what_is_shown_is_selected()
        self.what_waits_can_end()
        self.what_failed_is_told()

    def what_is_shown_is_selected(self) -> None:
        model, page = self.model, self.page
        trial = page.sweep._picked()
        shown_sweeps = {index for index in SWEEPS if f"Run{index}" in str((trial, page.sweep._trials.object))}
        if self.is_veiled:
            assert not shown_sweeps
        if self.is_veiled or model.tab == NEW:
            return
        if model.tab == RUNS:
            assert self.named_in(page.run_tab._log.object) <= {model.run}
            assert {self.runs[index] for index in shown_sweeps} <= {model.run}
        else:
            assert self.named_in(page.compare_tab._table.object) in (set(), set(model.compared) & set(self.readable))

    def what_waits_can_end(self) -> None:
        """Progress and Cancel stand on screen as long as something is read for the first time, and no longer."""
        page = self.page
        plans = page.new_tab._planner.running
        assert not plans or self.model.tab == NEW
        waits = plans or (self.reading.running and self.is_veiled)
        assert self.session.busy == waits
        assert (page.stage._waiting.styles["display"] != "none") == waits
        if self.is_cancelled:
            assert not self.reading.running
            assert not page._updates.running

    def what_failed_is_told(self) -> None:
        """A run that exists is not reported as missing."""
        if self.model.tab == RUNS and self.model.run in self.runs and not self.is_veiled:
            assert "does not exist" not in str(self.page.run_tab._answer.object)

    @property
    def is_on_screen(self) -> bool:
        return self.session.page in ("", "train")

    @property
    def is_veiled(self) -> bool:
        return any("stale" in part.css_classes for part in self.page._veiled)

    @property
    def readable(self) -> list[str]:
        return self.runs[:DAMAGED]

    @property
    def is_damaged_compared(self) -> bool:
        return self.model.tab == COMPARE and self.runs[DAMAGED] in self.model.compared

    def named_in(self, shown: object) -> set[str]:
        """The runs whose name is in a text."""
        return {run for index, run in enumerate(self.runs) if f"Run{index}" in str(shown)}


def stored_runs(store: RunStore) -> list[str]:
    """Three trainings, two sweeps with a trial each, and a training whose configuration is damaged."""
    tasks = ["sst", "sst", "sst", "sweep", "sweep", "sst"]
    configs = [RunConfig.demo(task).model_copy(update={"seed": seed}) for seed, task in enumerate(tasks)]
    runs = [store.create(config, name=f"Run{seed}") for seed, config in enumerate(configs)]
    for index, run in enumerate(runs):
        (run.folder / "log.txt").write_text(f"This is {run.record.name}")
        if index in SWEEPS:
            (run.folder / "trials.json").write_text(json.dumps(sweep_of(run.record.name, runs[0].id)))
        else:
            (run.folder / "metrics.jsonl").write_text('{"step":1,"time":1,"epoch":0,"val_mae":0.2}\n')
    (runs[DAMAGED].folder / "config.json").write_text("{")
    return [run.id for run in runs]


def sweep_of(name: str, run: str) -> dict[str, Any]:
    """The file of a sweep with one trial, which names the sweep."""
    trial = {"number": 0, "state": "done", "chosen": {"model.width": 8}, "run": run, "value": 0.2}
    return {"fields": ["model.width"], "trials": [trial | {"values": [], "why": name}], "importance": {}}


@pytest.fixture(autouse=True, scope="module")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    held = held_tasks()
    with (
        pytest.MonkeyPatch.context() as patched,
        RunStore(tmp_path_factory.mktemp("home")) as store,
    ):
        patched.setattr(view, "LatestTask", held)
        patched.setattr(stage, "LatestTask", held)
        patched.setattr(runs_tab, "LatestTask", held_tasks())  # badges, which belong to no selection
        patched.setattr(planning, "LatestTask", held_tasks())  # plans, which belong to the draft
        patched.setattr(view, "PeriodicTask", StillTimer)
        runs = stored_runs(store)
        records = dict(store.records())
        assert set(records) == set(runs)
        records[runs[0]] = replace(records[runs[0]], state="running")
        patched.setattr(REGISTRY, "_store", store)
        patched.setattr(REGISTRY, "records", records)
        SelectionMachine.tasks, SelectionMachine.runs = held, runs
        yield


TestSelection = SelectionMachine.TestCase
TestSelection.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def machine() -> SelectionMachine:
    """An open page, for one sequence of steps."""
    opened = SelectionMachine()
    opened.open_the_page()
    return opened


def test_progress_ends_when_another_tab_or_page_is_opened_before_the_run_is_read(machine: SelectionMachine) -> None:
    machine.choose_in_the_list(1, None)
    assert machine.session.busy
    machine.open_a_tab(NEW, None)
    machine.cancel()
    assert not machine.session.busy
    machine.choose_in_the_list(1, None)
    machine.choose_in_the_list(2, None)
    machine.open_a_page("data")
    machine.choose_an_axis("epoch")  # what is read is of an earlier axis, and a hidden page reads no other
    machine.end(False)
    machine.all_is_true()
    assert not machine.session.busy
    machine.open_a_page("train")
    assert machine.session.busy


def test_a_hidden_page_leaves_the_busy_mark_of_another_alone(machine: SelectionMachine) -> None:
    machine.choose_in_the_list(0, False)
    machine.open_a_page("data")
    machine.session.busy = True
    machine.page._changed()
    assert machine.session.busy


@pytest.mark.parametrize("index", [0, 1], ids=["active", "ended"])
def test_a_cancelled_run_is_read_when_it_is_chosen_again_and_not_before(machine: SelectionMachine, index: int) -> None:
    machine.choose_in_the_list(index, None)
    machine.cancel()
    assert text.CANCELLED in machine.page.run_tab._answer.object
    machine.wait()
    machine.all_is_true()
    machine.choose_in_the_list(index, False)
    assert machine.page._snapshot is not None
    assert machine.page._updates.running == (index == 0)


def test_what_could_not_be_read_is_read_when_it_is_chosen_again(machine: SelectionMachine) -> None:
    machine.choose_in_the_list(1, True)
    assert text.NOT_READ in machine.page.run_tab._answer.object
    assert machine.page.stage._failure.visible
    machine.choose_in_the_list(1, False)
    assert machine.page._snapshot is not None


def test_a_cancelled_comparison_says_how_to_read_it(machine: SelectionMachine) -> None:
    machine.open_a_tab(COMPARE, None)
    machine.compare(0, None)
    machine.compare(1, None)
    machine.cancel()
    assert text.COMPARISON_CANCELLED in machine.page.compare_tab._caution.object
    machine.compare(2, False)
    assert machine.named_in(machine.page.compare_tab._table.object) == set(machine.runs[:3])


def test_a_late_failure_of_one_run_is_not_anothers(machine: SelectionMachine) -> None:
    machine.select(1, None)
    late = machine.reading._work
    machine.select(2, None)
    assert machine.reading._work is not late
    machine.end(False)
    assert machine.page._snapshot is not None
    assert machine.page._snapshot.record.id == machine.runs[2]


def test_a_run_with_a_damaged_configuration_is_said_to_be_unreadable(machine: SelectionMachine) -> None:
    machine.choose_in_the_list(DAMAGED, None)
    assert text.NOT_READ in machine.page.run_tab._answer.object
    assert machine.page.stage._failure.visible
    machine.open_a_tab(COMPARE, None)
    for index in (DAMAGED, 0):
        machine.compare(index, False)
        assert text.NOT_READ in machine.page.compare_tab._caution.object
    machine.compare(1, False)
    while machine.reading.running:  # the choice of the metric reads once more
        machine.end(False)
    assert machine.named_in(machine.page.compare_tab._table.object) == set(machine.runs[:2])
    assert machine.page.stage._failure.visible


def test_nothing_of_a_sweep_stands_under_another(machine: SelectionMachine) -> None:
    first, second = SWEEPS
    sweep = machine.page.sweep
    machine.choose_in_the_list(first, False)
    assert sweep._picked() is not None
    assert all(len(plot) for plot in sweep._plots)
    machine.choose_in_the_list(second, None)
    for _ in ("under the veil", "cancelled"):
        assert sweep._picked() is None
        assert not any(len(plot) for plot in sweep._plots)
        assert not any((sweep._trials.object, sweep._chosen.object, sweep._importance.object, sweep._trial.options))
        machine.cancel()
    machine.choose_in_the_list(second, False)
    trial = sweep._picked()
    assert trial is not None
    assert trial.why == f"Run{second}"
    assert all(len(plot) for plot in sweep._plots)
    machine.cancel()
    assert sweep._picked() is None


@pytest.mark.parametrize("tab", [RUNS, COMPARE])
def test_a_failure_goes_when_the_runs_are_read_again(machine: SelectionMachine, tab: str) -> None:
    machine.model.param.update(tab=tab, run=machine.runs[0], compared=machine.runs[:2])
    while machine.reading.running:  # the choice of the metric reads once more
        machine.end(False)
    for fails in (True, False):
        machine.wait()
        machine.end(fails)
        assert machine.page.stage._failure.visible == fails


@pytest.mark.parametrize("kind", ["metrics", "scores", "report", "picture"])
def test_files_are_of_the_run_on_screen(machine: SelectionMachine, kind: str) -> None:
    (REGISTRY.store.folder(machine.runs[1]) / "scores.json").write_text(json.dumps(SCORES))
    machine.choose_in_the_list(1, False)
    machine.export(kind)
    assert len(machine.files) == 1
    for leave in (
        lambda: machine.open_a_tab(NEW, None),
        lambda: machine.open_a_tab(COMPARE, False),
        lambda: machine.choose_in_the_list(1, None),
        machine.cancel,
    ):
        leave()
        machine.export(kind)
        assert not machine.files
        assert machine.messages[0] in (text.READING, text.NO_RUN_SHOWN)


def test_a_run_that_ends_while_it_is_read_is_read_again(machine: SelectionMachine, monkeypatch) -> None:
    """Its end was never read, because nothing is read after it."""
    active = machine.runs[0]
    machine.select(0, None)
    assert machine.reading.running
    monkeypatch.setitem(REGISTRY.records, active, replace(REGISTRY.records[active], state="done"))
    machine.page._changed()
    machine.reading.finish()
    assert machine.reading.running, "what was read is of the running one"
    machine.reading.finish()
    assert not machine.reading.running
    assert machine.page._snapshot.record.state == "done"
