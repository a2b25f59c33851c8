"""The Table page's rules: whatever is asked, what stands is a run that can be started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.queries.table import BaselineScore
from engine.runs import RunConfig
from explorer.pages.table import text
from explorer.pages.table.model import ITERATIONS, RATES, TOPOLOGIES, TableModel

KEYS = [*TableModel.KEYS, "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["force", "august", "torus", "0.005", "1e9", "300", "North Pole", "nan", "loss", "true", "1,2,3"]),
    st.text(max_size=12),
)


def assert_legal(model: TableModel) -> None:
    """The settings are valid, survive their file, and every bound holds."""
    config = model.config
    assert RunConfig.from_json(config.to_json()) == config
    assert 0 <= model.padding <= min(15, model.width, model.height)
    for name in ("width", "height", "padding", "sample_percent"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high
    assert model.seconds > 0


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_leaves_a_legal_choice(query: dict[str, str]) -> None:
    assert_legal(TableModel(query))


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
def test_any_sequence_of_choices_stays_legal(choices: list[tuple[str, object]]) -> None:
    model = TableModel({})
    for name, value in choices:
        bounds = getattr(model.param[name], "bounds", None)
        if bounds is None or bounds[0] <= value <= bounds[1]:
            setattr(model, name, value)
        assert_legal(model)


@given(
    st.integers(1, 720), st.integers(1, 360), st.integers(0, 15), st.integers(1, 99), st.sampled_from(ITERATIONS),
    st.sampled_from(RATES), st.sampled_from(TOPOLOGIES), st.sampled_from(["force", "august"]),
)  # fmt: skip
def test_an_address_leads_back_to_the_same_view(
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


def test_a_hostile_address_is_clamped_and_said() -> None:
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
    ("test", "is_over", "says", "is_caution"),
    [
        (0.1, True, "the table wins.", False),
        (0.9, True, "the table loses.", True),
        (0.9, False, "so far the table loses.", False),
    ],
)
def test_a_lost_comparison_is_said(test: float, is_over: bool, says: str, is_caution: bool) -> None:
    said, caution = text.verdict(test, BaselineScore("nearest sampled point", 0.5, 0.4), "°C", is_over)
    assert says in said
    assert "0.5 °C" in said
    assert caution is is_caution


def test_the_best_topology_is_named_only_when_all_are_known() -> None:
    rows = dict(text.topology_rows({"sphere": 0.3, "torus": 0.2, "clamp": None}, "1"))
    assert rows == {
        "Unseen points, sphere": "0.3",
        "Unseen points, torus": "0.2",
        "Unseen points, clamp": "not trained",
    }
    rows = dict(text.topology_rows({"sphere": 0.3, "torus": 0.2, "clamp": 0.4}, "°C"))
    assert rows["Unseen points, torus"] == "0.2 °C · best"
