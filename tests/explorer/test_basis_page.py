"""The Basis page: every state can be drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.queries.basis import BasisConfig, Domain, spectrum
from explorer.pages.basis import text, view
from explorer.pages.basis.model import COMPONENT, HARMONIC, BasisModel
from explorer.session import Session
from tests.support.held_tasks import HeldTask, held_tasks

KEYS = ["show", "L", "l", "m", "K", "k", "domain", "step", "panel", "map", "box", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["harmonic", "component", "ocean", "box", "1", "0.25", "nan", "inf", "-30,30,120,160", "1,0,0,0"]),
    st.text(max_size=12),
)


def assert_valid(model: BasisModel) -> None:
    lowest = 0 if model.show == HARMONIC else 1
    assert lowest <= model.max_degree <= model.degree_limit
    assert 0 <= model.degree <= model.max_degree
    assert abs(model.order) <= model.degree
    if model.show == COMPONENT:
        assert 1 <= model.num_components <= (model.max_degree + 1) ** 2 - 1
    assert 1 <= model.component <= model.num_components
    assert model.panel in model.panels
    south, north = model.lat_range
    assert -90 <= south < north <= 90
    for name in ("max_degree", "degree", "order", "num_components", "component"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_gives_a_valid_choice(query: dict[str, str]) -> None:
    assert_valid(BasisModel(query))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("show"), st.sampled_from([HARMONIC, COMPONENT])),
            st.tuples(st.just("max_degree"), st.integers(0, 180)),
            st.tuples(st.just("degree"), st.integers(0, 180)),
            st.tuples(st.just("order"), st.integers(-180, 180)),
            st.tuples(st.just("num_components"), st.integers(1, 2000)),
            st.tuples(st.just("component"), st.integers(1, 2000)),
            st.tuples(st.just("step"), st.sampled_from([-1, 1])),
        ),
        max_size=12,
    )
)
def test_any_sequence_of_choices_stays_valid(choices: list[tuple[str, object]]) -> None:
    model = BasisModel({})
    for name, value in choices:
        if name == "step":
            model.step(value)
        else:
            low, high = getattr(model.param[name], "bounds", None) or (None, None)
            if low is None or low <= value <= high:
                setattr(model, name, value)
        assert_valid(model)


@given(
    st.integers(1, 40), st.integers(1, 1680), st.integers(1, 1680), st.sampled_from(["sphere", "ocean", "land", "box"])
)
def test_an_address_restores_the_view(degree: int, kept: int, shown: int, domain: str) -> None:
    first = BasisModel(
        {
            "show": "component",
            "L": str(degree),
            "K": str(kept),
            "k": str(shown),
            "domain": domain,
            "box": "-10,20,170,40",
        }
    )
    again = BasisModel(first.address)
    assert again.address == first.address
    assert again.config == first.config
    assert not again.notes


def test_an_invalid_address_is_clamped_and_reported() -> None:
    model = BasisModel({"L": "9999", "l": "-3", "panel": "<script>", "box": "1,2,3"})
    assert (model.max_degree, model.degree) == (180, 0)
    assert len(model.notes) == 4


def test_components_stop_at_the_limit_of_what_can_be_fitted() -> None:
    model = BasisModel({"L": "120", "l": "100", "m": "-100"})
    model.show = COMPONENT
    assert model.max_degree == 60
    model.domain = "sphere"
    assert model.max_degree == 40
    model.show = HARMONIC
    assert_valid(model)


def test_steps_walk_through_every_harmonic_once() -> None:
    model = BasisModel({"L": "4", "l": "0", "m": "0"})
    visited = []
    for _ in range(25):
        visited.append((model.degree, model.order))
        model.step(1)
    assert visited == [(degree, order) for degree in range(5) for order in range(-degree, degree + 1)]
    assert (model.degree, model.order) == (0, 0)


def test_component_steps_wrap() -> None:
    model = BasisModel({"show": "component", "L": "4", "K": "5", "k": "5"})
    model.step(1)
    assert model.component == 1
    model.step(-1)
    assert model.component == 5


@pytest.mark.parametrize(("west", "width", "east"), [(120.0, 160.0, -80.0), (-180.0, 90.0, -90.0), (10.0, 20.0, 30.0)])
def test_a_box_may_cross_the_date_line(west: float, width: float, east: float) -> None:
    model = BasisModel({"show": "component", "domain": "box"})
    model.param.update(west=west, width=width)
    assert model.config.domain.east == pytest.approx(east)


def test_components_that_a_small_box_does_not_determine_are_told_in_words() -> None:
    config = BasisConfig(10, 64, Domain("box", 20.0, 40.0, 0.0, 20.0), 2.0)
    shown = spectrum(config)
    sentences = text.spectrum_sentences(config, shown)
    assert sentences[0][0].startswith(f"{len(shown.mean_degree)} of 120 components explain 100")
    assert (shown.rank_text, True) in sentences


# --- what is on screen is of the choice on screen -------------------------------------------------------------------


def basis_view(query: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[view.BasisView, type[HeldTask]]:
    held = held_tasks()
    monkeypatch.setattr(view, "LatestTask", held)
    return view.BasisView(Session(), BasisModel(query)), held


def test_a_function_of_an_earlier_choice_is_veiled_until_the_next_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    page, held = basis_view({"show": "harmonic", "l": "3", "m": "1"}, monkeypatch)
    assert not page.stage.is_veiled
    before = page.stage.globe.field
    page.model.param.update(show=COMPONENT, domain="ocean", step_deg=2.0, max_degree=3)
    assert page.stage.is_veiled
    assert page.stage.globe.field == before
    page.panel.show(*page.panel._shown)  # a tab of the veiled function reads nothing of the new choice
    next(task for task in held.created if task.running).finish()
    assert not page.stage.is_veiled
    assert page.stage.globe.field != before
    assert page._shown_config == page.model.config


def test_a_component_that_the_domain_does_not_determine_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    box = {"domain": "box", "box": "20,40,0,20", "step": "2", "L": "10", "K": "120"}
    config = BasisModel({"show": "component", **box}).config
    count = len(spectrum(config).mean_degree)  # the basis is in the cache now
    page, _ = basis_view({"show": "component", **box, "k": str(count + 1)}, monkeypatch)
    assert page.stage._failure.visible
    assert f"the domain determines {count} of 120 components" in page.stage._failure.object
    page._pick_place(30.0, 10.0)
    page.model.component = count
    assert not page.stage._failure.visible
    assert not page.stage.is_veiled
