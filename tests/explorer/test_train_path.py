"""The way of a person's own file through the pages, without a browser: its source, its plan, what a run is good for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config.months import Month, months_in
from engine.config.sst import FileSource, SSTSettings
from engine.errors import DataError
from engine.queries import ocean
from engine.queries.ocean import SourceChoice, run_source, source_choice
from engine.queries.train import plans
from engine.queries.train.observed import MonthShare, SourceOverview
from engine.queries.train.plans import SizeOffer
from engine.runs import RunConfig, RunStore
from engine.sphere import LatLonGrid
from explorer import sources
from explorer.page_model import source_query
from explorer.pages.data.model import DataModel
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.pages.train import new_tab, plan_text, planning, timeline
from explorer.pages.train.model import NEW, RUNS, SIZES, TrainModel
from explorer.pages.train.new_tab import NewTab
from explorer.pages.train.run_reader import RunSnapshot, nearest_epoch
from explorer.pages.train.uses import RunUses
from explorer.registry import REGISTRY
from explorer.session import Session
from explorer.sources import SessionSources
from tests.support.held_tasks import HeldTask, held_tasks
from tests.support.own_file import write_region
from tests.support.trainings import SMALL

FIRST = Month(2019, 1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    with RunStore(tmp_path / "home") as opened:
        monkeypatch.setattr(REGISTRY, "_store", opened)
        monkeypatch.setattr(REGISTRY, "records", {})
        yield opened


def small_sea(num_months: int) -> SourceOverview:
    """A sea of 16 × 42 cells of 0.25°, all months observed."""
    grid = LatLonGrid(35.0 + 0.25 * np.arange(16), 0.25 * np.arange(42))
    shares = tuple(MonthShare(str(FIRST.plus(step)), 0.3) for step in range(num_months))
    return SourceOverview("sea.nc", "key", grid, np.zeros(grid.shape, bool), shares, False, 1e-4, ())


# --- a file and what was decided about it -----------------------------------------------------------------------------


def test_what_was_overruled_of_a_file_goes_to_train_and_comes_back_in_reconstruct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_region(tmp_path / "own.nc", num_days=40, shape=(8, 12))
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    overrules = ocean.Overrules(unit="K", step="days", regrid=ocean.Regrid(1.0, "conservative"))
    choice = SourceChoice("path", path=str(path), variable="sea_surface_temperature", overrules=overrules)
    data = DataModel({}, choice=choice)

    train = TrainModel({"face": NEW, "task": "sst", **source_query(data.choice)})
    assert train.choice == choice
    learned_from = run_source(train.choice)
    assert isinstance(learned_from, FileSource)
    assert (learned_from.unit, learned_from.time_step) == ("K", "days")
    assert learned_from.regrid is not None
    settings = SMALL.model_copy(update={"source": learned_from})
    config = RunConfig.from_json(RunConfig(settings=settings).to_json(), "the run")
    assert isinstance(config.settings, SSTSettings)

    back = ReconstructModel(source_query(source_choice(config.settings.source)))
    assert back.choice == choice


# --- what is planned --------------------------------------------------------------------------------------------------


@pytest.fixture
def tab(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> NewTab:
    """The tab "New" with a sea of 16 × 42 cells and two years; nothing is measured, and runs do not start."""
    held = held_tasks()
    monkeypatch.setattr(planning, "LatestTask", held)
    monkeypatch.setattr(planning, "_day_of", lambda *_: (None, (0.0, 1.0)))
    monkeypatch.setattr(new_tab, "run_source", lambda _: FileSource(path="sea.nc"))
    monkeypatch.setattr(plans, "source_overview", lambda *_: small_sea(24))
    monkeypatch.setattr(plans, "training_cost", lambda settings, overview, *_: COST(settings, overview, False))
    monkeypatch.setattr(RunStore, "launch", lambda self, run: None)
    return NewTab(Session(), TrainModel({"face": NEW, "task": "sst"}))


COST = plans.training_cost


def planned(tab: NewTab) -> None:
    tab._plan()
    task: Any = tab._planner._task
    task.finish()


def test_two_years_of_a_sea_of_16_by_42_cells_are_planned_and_launched_as_folds(tab: NewTab, store: RunStore) -> None:
    planned(tab)
    model, outlook = tab._model, tab._outlook
    assert outlook is not None
    assert not outlook.problems
    assert model.is_as_proposed
    assert not tab._launch.disabled
    assert set(model.sizes) == {"tiny", "small", "base", "large"}
    assert len(outlook.folds) > 1
    assert tab._all_folds.visible
    tab._start_folds()
    runs = sorted((run.config.settings.test for run in map(store.get, store.records())), key=str)
    assert runs == [fold.test for fold in outlook.folds]
    assert model.tab == RUNS


def test_a_remedy_makes_a_refused_draft_run(tab: NewTab) -> None:
    planned(tab)
    tab._model.set_field("extra_clouds", 0.0)
    planned(tab)
    [problem] = tab._standing_problems()
    assert "nothing to learn from" in problem.text
    assert tab._launch.disabled
    tab._use(problem.remedies[0])
    planned(tab)
    assert not tab._standing_problems()
    assert not tab._launch.disabled


def test_an_edited_draft_is_not_replaced_in_silence(tab: NewTab) -> None:
    model, sentences = tab._model, []
    tab._session.say = lambda severity, sentence: sentences.append(sentence)
    model.take_proposal(SMALL)
    model.size = next(name for name in SIZES if name != model.size)
    assert (model.is_awaited, sentences) == (True, [])  # nobody had edited it
    model.take_proposal(SMALL)
    model.set_field("epochs", SMALL.epochs + 1)
    model.minutes += 1
    assert model.is_awaited
    assert ["is not kept" in sentence for sentence in sentences] == [True]


@pytest.mark.parametrize(("wanted", "shown"), [(-1, 6), (4, 4), (3, 2), (1, 2), (99, 6)])
def test_the_map_and_the_slider_go_to_an_epoch_that_has_a_snapshot(wanted: int, shown: int) -> None:
    assert nearest_epoch((2, 4, 6), wanted) == shown


def test_the_time_line_shows_every_month_split_and_gap() -> None:
    splits = [("train", "2019-01", "2019-12"), ("validation", "2020-02", "2020-05"), ("test", "2020-07", "2020-12")]
    shown = timeline.timeline(small_sea(24).months, splits)
    assert shown.count("% of the sea observed") == 24
    for name, first, last in splits:
        assert shown.count(f"30 % of the sea observed, {name}") == len(months_in((first, last)))
        assert f"{timeline.NAMES[name]}: {first} to {last}" in shown
    assert shown.count("title='Left out'") == 2
    assert shown.count("30 % of the sea observed, not used") == 2
    assert timeline.timeline((), splits) == ""


def test_sizes_that_do_not_fit_say_why() -> None:
    offers = [SizeOffer("tiny", 5, 5, 12, "5 parameters"), SizeOffer("large", 9, 9, 0, "9", "only 0 epochs fit")]
    assert plan_text.size_labels({"tiny": 12, "large": 0}, ("tiny", "small", "large")) == {
        "Tiny, 12 epochs": "tiny",
        "Small": "small",
        "Large, not offered": "large",
    }
    shown = plan_text.size_text(offers, "tiny")
    assert "5 parameters." in shown
    assert "Large: only 0 epochs fit." in shown
    assert plan_text.outlines([(0.0, 10.0, 170.0, 190.0), (-90.0, 90.0, -180.0, 180.0)]) == [
        [0.0, 10.0, 170.0, 20.0],
        [-90.0, 90.0, -180.0, 360.0],
    ]


# --- what a finished run is good for ----------------------------------------------------------------------------------


def test_a_finished_run_is_continued_for_the_chosen_epochs(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[str] = []
    monkeypatch.setattr(RunStore, "launch", lambda self, run: launched.append(run.id))
    first = store.create(RunConfig(settings=SMALL, seed=3), name="My sea")
    model = TrainModel({"face": RUNS, "run": first.id})
    snapshot = RunSnapshot(replace(first.record, state="done", epoch=3), first.config)
    uses = RunUses(Session(), model, lambda: snapshot, lambda: None)
    uses.show(replace(snapshot, record=replace(snapshot.record, state="running")))
    assert uses.part.styles["display"] == "none"
    uses.show(snapshot)
    assert uses.part.styles["display"] != "none"
    uses._ask()
    assert model.further == 3
    model.further = 7
    uses._continue()
    [run] = launched
    later = store.get(run)
    assert (later.record.name, model.run, model.tab) == ("My sea, continued", run, RUNS)
    assert isinstance(later.config.settings, SSTSettings)
    assert (later.config.settings.continues, later.config.seed) == (first.id, 3)
    assert later.config.settings.epochs == SMALL.epochs + 7
    assert uses.question.styles["display"] == "none"


# --- the source of a session ------------------------------------------------------------------------------------------


def test_the_chip_offers_what_runs_have_learned_from_and_keeps_a_source_that_opens(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: type[HeldTask] = held_tasks()
    monkeypatch.setattr(sources, "LatestTask", held)
    run = store.create(RunConfig(settings=SMALL), name="My sea")
    monkeypatch.setattr(REGISTRY, "records", {run.id: run.record})
    session, messages = Session(), []
    session.say = lambda severity, sentence: messages.append(severity)
    chips = SessionSources(session, REGISTRY)
    chip = chips.chip()
    chips._answer({"action": "open", "index": -1, "serial": 1})
    learned = source_choice(SMALL.source)
    place = next(index for index, entry in enumerate(chips._entries) if entry.choice == learned)
    assert chip.entries[place]["detail"] == "The source of My sea"
    opening: Any = chips._opening
    chips._answer({"action": "choose", "index": place, "serial": 2})
    opening.finish(ocean_failure())
    assert session.source == SourceChoice()
    assert messages == ["error"]
    chips._answer({"action": "choose", "index": place, "serial": 3})
    opening.finish()
    assert session.source == learned


def ocean_failure() -> Exception:
    return DataError("the file is gone", "sea.nc", "choose another")
