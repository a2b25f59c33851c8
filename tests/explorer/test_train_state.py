"""Whatever is selected on the Train page in whatever order: nothing of another run stands on screen, or is exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import StoreError
from engine.runs import RunConfig, RunStore
from explorer.pages.train import runs_tab, view
from explorer.pages.train.model import COMPARE, NEW, RUNS, TrainModel
from explorer.pages.train.view import TrainView
from explorer.registry import REGISTRY
from explorer.session import Session
from tests.support.held_tasks import HeldTask, StillTimer, held_tasks

GONE = "20260101-000000-ffffffffff"


ENDS = st.sampled_from([False, False, True, None])


class SelectionMachine(RuleBasedStateMachine):
    """A page with three runs of a store, whose files are read when the machine says so."""

    tasks: type[HeldTask]
    runs: list[str]

    @initialize()
    def open_the_page(self) -> None:
        self.tasks.created.clear()
        self.model = TrainModel({})
        self.files: list[tuple[str, bytes]] = []
        self.page = TrainView(Session(), self.model)
        self.page.stage.download.offer = lambda name, content: self.files.append((name, content))

    @rule(index=st.integers(0, 3), fails=ENDS)
    def select(self, index: int, fails: bool | None) -> None:
        self.model.param.update(tab=RUNS, run=[*self.runs, GONE][index])
        self.what_is_shown_is_selected()
        self.end(fails)

    @rule(tab=st.sampled_from([NEW, RUNS, COMPARE]), fails=ENDS)
    def open_a_tab(self, tab: str, fails: bool | None) -> None:
        self.model.tab = tab
        self.what_is_shown_is_selected()
        self.end(fails)

    @rule(index=st.integers(0, 2), fails=ENDS)
    def compare(self, index: int, fails: bool | None) -> None:
        self.model.toggle(self.runs[index])
        self.what_is_shown_is_selected()
        self.end(fails)

    def end(self, fails: bool | None) -> None:
        """Let the reading end well or badly; None: later."""
        failure = StoreError("the run is damaged", "metrics.jsonl", "choose another") if fails else None
        reading: Any = self.page._reading
        if reading.running and fails is not None:
            reading.finish(failure)

    @rule()
    def cancel(self) -> None:
        self.page._abandon()

    @precondition(lambda self: self.model.tab == RUNS)
    @rule()
    def export(self) -> None:
        self.files.clear()
        self.page._offer_config()
        for _, content in self.files:
            assert content == REGISTRY.store.get(self.model.run).config.to_json()

    @invariant()
    def what_is_shown_is_selected(self) -> None:
        model, page = self.model, self.page
        if any("stale" in part.css_classes for part in page._veiled) or model.tab == NEW:
            return
        if model.tab == RUNS:
            assert self.named_in(page.run_tab._log.object) <= {model.run}
        else:
            assert self.named_in(page.compare_tab._table.object) in (set(), set(model.compared))

    def named_in(self, shown: object) -> set[str]:
        """The runs whose name is in a text."""
        return {run for index, run in enumerate(self.runs) if f"Run{index}" in str(shown)}


@pytest.fixture(autouse=True, scope="module")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    held = held_tasks()
    with (
        pytest.MonkeyPatch.context() as patched,
        RunStore(tmp_path_factory.mktemp("home")) as store,
    ):
        patched.setattr(view, "LatestTask", held)
        patched.setattr(runs_tab, "LatestTask", held_tasks())  # badges, which belong to no selection
        patched.setattr(view, "PeriodicTask", StillTimer)
        configs = [RunConfig.demo("sst").model_copy(update={"seed": seed}) for seed in range(3)]
        runs = [store.create(config, name=f"Run{seed}") for seed, config in enumerate(configs)]
        for run in runs:
            (run.folder / "log.txt").write_text(f"This is {run.record.name}")
        patched.setattr(REGISTRY, "_store", store)
        patched.setattr(REGISTRY, "records", store.records())
        SelectionMachine.tasks, SelectionMachine.runs = held, [run.id for run in runs]
        yield


TestSelection = SelectionMachine.TestCase
TestSelection.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
