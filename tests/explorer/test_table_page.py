"""The Learned table page: every state is a run that can start."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import CancelledError
from engine.queries.table import BaselineScore
from engine.runs import RunConfig, RunRecord, RunStore, TableSettings
from engine.training.table import fit_table
from explorer import tabs
from explorer.pages.table import text
from explorer.pages.table import view as table_view
from explorer.pages.table.model import ITERATIONS, RATES, TOPOLOGIES, TableModel
from explorer.registry import REGISTRY
from explorer.session import Session
from tests.support.held_tasks import held_tasks
from tests.support.run_context import context

KEYS = [*TableModel.KEYS, "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["force", "august", "torus", "0.005", "1e9", "300", "North Pole", "nan", "loss", "true", "1,2,3"]),
    st.text(max_size=12),
)


def assert_valid(model: TableModel) -> None:
    """The settings are valid, survive their file, and every bound holds."""
    config = model.config
    assert RunConfig.from_json(config.to_json()) == config
    assert 0 <= model.padding <= min(15, model.width, model.height)
    for name in ("width", "height", "padding", "sample_percent"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high
    assert model.seconds > 0


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_gives_a_valid_choice(query: dict[str, str]) -> None:
    assert_valid(TableModel(query))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("target"), st.sampled_from(["force", "august"])),
            st.tuples(st.just("width"), st.integers(1, 720)),
            st.tuples(st.just("height"), st.integers(1, 360)),
            st.tuples(st.just("padding"), st.integers(0, 15)),
            st.tuples(st.just("topology"), st.sampled_from(TOPOLOGIES)),
            st.tuples(st.just("sample_percent"), st.integers(1, 99)),
            st.tuples(st.just("iterations"), st.sampled_from(ITERATIONS)),
            st.tuples(st.just("learning_rate"), st.sampled_from(RATES)),
        ),
        max_size=12,
    )
)
def test_any_sequence_of_choices_stays_valid(choices: list[tuple[str, object]]) -> None:
    model = TableModel({})
    for name, value in choices:
        bounds = getattr(model.param[name], "bounds", None)
        if bounds is None or bounds[0] <= value <= bounds[1]:
            setattr(model, name, value)
        assert_valid(model)


@given(
    st.integers(1, 720), st.integers(1, 360), st.integers(0, 15), st.integers(1, 99), st.sampled_from(ITERATIONS),
    st.sampled_from(RATES), st.sampled_from(TOPOLOGIES), st.sampled_from(["force", "august"]),
)  # fmt: skip
def test_an_address_restores_the_view(
    width: int, height: int, padding: int, percent: int, steps: int, rate: float, topology: str, target: str
) -> None:
    padding = min(padding, width, height)
    first = TableModel(
        {
            "target": target,
            "W": str(width),
            "H": str(height),
            "pad": str(padding),
            "sample": str(percent),
            "steps": str(steps),
            "rate": f"{rate:g}",
            "topology": topology,
        }
    )
    again = TableModel(first.address)
    assert not first.notes
    assert not again.notes
    assert again.address == first.address
    assert again.settings == first.settings
    assert (again.width, again.height, again.padding, again.sample_percent) == (width, height, padding, percent)


def test_an_invalid_address_is_clamped_and_reported() -> None:
    model = TableModel({"W": "9999", "H": "3", "pad": "15", "sample": "0", "topology": "<script>"})
    assert (model.width, model.height, model.padding, model.sample_percent) == (720, 3, 3, 1)
    assert len(model.notes) == 4


def test_a_smaller_table_narrows_the_padding() -> None:
    model = TableModel({})
    model.height = 2
    assert (model.padding, model.padding_limit) == (2, 2)
    model.height = 32
    assert model.padding_limit == 15


@pytest.mark.parametrize(
    ("test", "is_over", "expected", "is_caution"),
    [
        (0.1, True, ": the table has the lower error.", False),
        (0.9, True, ": the table has the higher error.", True),
        (0.9, False, ": so far the table has the higher error.", False),
    ],
)
def test_the_table_is_compared_with_its_baseline(test: float, is_over: bool, expected: str, is_caution: bool) -> None:
    sentence, caution = text.verdict(test, BaselineScore("nearest sampled point", 0.5, 0.4), "°C", is_over)
    assert expected in sentence
    assert "0.5 °C" in sentence
    assert caution is is_caution


def test_the_lowest_error_is_marked_only_when_all_are_known() -> None:
    rows = dict(text.topology_rows({"sphere": 0.3, "torus": 0.2, "clamp": None}, "1"))
    assert rows == {
        "Test points, sphere": "0.3",
        "Test points, torus": "0.2",
        "Test points, clamp": "not trained",
    }
    rows = dict(text.topology_rows({"sphere": 0.3, "torus": 0.2, "clamp": 0.4}, "°C"))
    assert rows["Test points, torus"] == "0.2 °C · lowest"


def test_both_synthetic_fields_stand_beside_each_other() -> None:
    model = TableModel({})
    assert model.compared == ("force", "smooth")
    assert model.settings_with("torus", "smooth").target == "smooth"
    model.target = "august"
    assert model.compared == ("august",)
    errors = {"force": {"sphere": 0.083, "torus": 0.072}, "smooth": {"sphere": 0.02, "torus": 0.05}}
    rows = dict(text.compared_rows(errors, "1"))
    assert rows["Kink at the poles: test points, torus"] == "0.072 · lowest"
    assert rows["Smooth: test points, sphere"] == "0.02 · lowest"
    assert "suits the torus" in text.TOPOLOGIES_SENTENCE


def record_of(records: dict[bytes, RunRecord], config: RunConfig, is_fresh: bool = False) -> RunRecord | None:
    return records.get(config.to_json())


def test_train_all_says_how_many_runs_it_starts_and_how_long_they_take(tmp_path, monkeypatch) -> None:
    """The number on the button is the number of runs that the click starts."""
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    held = held_tasks()
    for module in (table_view, tabs):
        monkeypatch.setattr(module, "LatestTask", held)
    with RunStore(tmp_path) as store:
        monkeypatch.setattr(REGISTRY, "_store", store)
        monkeypatch.setattr(REGISTRY, "records", {})
        page = table_view.TableView(Session(), TableModel({"panel": "edges"}))
        launched: list[str] = []
        monkeypatch.setattr(page.run, "_launch", lambda offer: launched.append(offer.name))

        def settle() -> None:
            for _ in range(9):
                for task in held.created:
                    if task.running:
                        task.finish()

        settle()
        for expected in (6, 5):
            label, plan = str(page.panel._all.label), str(page.panel._plan.object)
            assert label == f"Train all topologies ({expected} runs)"
            each = text.duration(page.model.seconds)
            assert f"about {each} each" in plan
            assert text.duration(expected * page.model.seconds) in plan
            launched.clear()
            page.panel._all.clicks += 1
            assert len(launched) == expected
            # one of them exists, and was stopped before its first step
            first = next(iter(page._offers().values())).config
            stopped = replace(store.create(first).record, state="cancelled")
            monkeypatch.setattr(page.run, "find", partial(record_of, {first.to_json(): stopped}))
            page._find()
            settle()
    assert text.train_all(1, 5.0) == (
        "1 run would start in the background: about 5 s each on two cores.",
        "Train all topologies (1 run)",
    )


def test_the_first_snapshot_of_a_run_is_shown_that_was_read_before_it(tmp_path: Path) -> None:
    """A snapshot of step 0 is not the same as none."""
    settings = TableSettings(width=20, height=10, padding=3, iterations=40)
    with RunStore(tmp_path) as store:
        run = store.create(RunConfig(settings=settings))
        shown = table_view.TableRun(run)
        assert shown.read_fields().learned is None
        assert text.captions(50, None, shown.read_fields().iteration, is_over=False)[2] == "Learned, nothing yet"
        with pytest.raises(CancelledError):
            fit_table(settings, context(run.folder, settings, stop_after=1))
        assert shown.read_fields().learned is not None
        assert text.captions(50, None, shown.read_fields().iteration, is_over=False)[2] == "Learned, at step 0"
