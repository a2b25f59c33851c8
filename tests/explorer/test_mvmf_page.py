"""The MvMF page's rules: whatever is asked, what stands is a belief or a sentence; and its view without a browser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.queries.expert import ClimateBar
from engine.queries.mvmf import Belief, Region
from engine.queries.mvmf_centres import KAPPA_RANGE, STARTS, Component, Placed
from explorer.pages.mvmf import expert_words, view, words
from explorer.pages.mvmf.model import MOST_IN_ADDRESS, MOST_PLACED, MvmfModel
from explorer.session import Session

KEYS = [*MvmfModel.KEYS, "kappa", "c", "truth", "spot", "run", "day", "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(
        [*STARTS, "sandbox", "expert", "log", "50", "truth", "nan", "0", "-1", "1e300", "10,20", "91,0", "nan,nan", "-",
         "10,20,30,1", "10,20,30,1:1,2,3,4,0", "10,20,0,1", "10,20,nan,1", "10,20,5,-1", "<script>", "../x"]
    ),
    st.text(max_size=12),
)  # fmt: skip


def assert_legal(model: MvmfModel) -> None:
    """Every bound holds, and every component by hand is one that the engine takes."""
    for name in ("count", "seed", "separation_km", "selected", "tile", "day", "log_kappa"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high
    if model.start not in ("none", "file"):
        assert model.count_limits[0] <= model.count <= model.count_limits[1]
    for one in model.placed:
        assert abs(one.component.lat) <= 90.0
        assert abs(one.component.lon) <= 180.0
        assert KAPPA_RANGE[0] <= one.component.kappa <= KAPPA_RANGE[1]
        assert one.component.weight >= 0.0
    for place in (model.truth, model.spot):
        assert place is None or (abs(place[0]) <= 90.0 and abs(place[1]) <= 180.0)


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_leaves_a_legal_state(query: dict[str, str]) -> None:
    model = MvmfModel(query)
    assert_legal(model)
    again = MvmfModel(model.address)
    assert not again.notes or model.start == "file"
    assert again.address == model.address


@given(
    st.sampled_from(["none", "fibonacci", "land", "near-data", "hierarchy"]),
    st.integers(6, 4000),
    st.integers(0, 9999),
    st.lists(
        st.builds(
            Component, st.floats(-90, 90), st.floats(-180, 179), st.floats(1e-6, 1e6), st.floats(0, 20)
        ).map(lambda one: Placed(-1, one)),
        max_size=MOST_IN_ADDRESS,
    ),
)  # fmt: skip
def test_an_address_leads_back_to_the_same_belief(start: str, count: int, seed: int, placed: list[Placed]) -> None:
    first = MvmfModel({})
    first.param.update(start=start, count=count, seed=seed)
    first.placed = tuple(placed)
    again = MvmfModel(first.address)
    assert not again.notes
    assert again.beginning.kind == start
    if start != "none":
        assert again.beginning.count == count
    assert len(again.placed) == len(placed)
    for one, other in zip(again.placed, placed, strict=True):
        assert one.component == pytest.approx(other.component, rel=1e-3, abs=1e-5)


def test_kappa_that_cannot_be_is_clamped_and_said() -> None:
    for text, kappa in (("0", 1e-6), ("-3", 1e-6), ("1e300", 1e6), ("nan", 1e-6)):
        model = MvmfModel({"start": "land", "kappa": text})
        assert 10.0**model.log_kappa == pytest.approx(kappa)
        assert "was brought into" in model.notes[0]


def test_an_address_holds_twelve_centres_and_a_file_none() -> None:
    model = MvmfModel({})
    for _ in range(MOST_IN_ADDRESS):
        model.add(Component(1.0, 2.0, 3.0, 1.0))
    assert not model.travels
    assert "c" not in model.address
    assert len(MvmfModel({"c": ":".join(["1,2,3,1"] * 13)}).placed) == MOST_IN_ADDRESS
    assert "do not travel" in MvmfModel({"start": "file"}).notes[0]
    for _ in range(MOST_PLACED - len(model.placed)):
        model.add(Component(1.0, 2.0, 3.0, 1.0))
    with pytest.raises(OverflowError, match=str(MOST_PLACED)):
        model.add(Component(1.0, 2.0, 3.0, 1.0))


def test_what_was_done_to_a_starts_centres_goes_with_it() -> None:
    model = MvmfModel({"start": "land", "n": "20", "c": "1,2,3,1:4,5,6,1,7"})
    model.set_component(8, Component(0.0, 0.0, 9.0, 1.0), 20)
    assert [one.of_start for one in model.placed] == [-1, 7, 8]
    model.delete(7, Component(4.0, 5.0, 6.0, 1.0), 20)
    assert next(one for one in model.placed if one.of_start == 7).component.weight == 0.0
    model.set_component(20, Component(9.0, 9.0, 9.0, 2.0), 20)
    assert model.placed[0].component.lat == 9.0
    model.count = 21
    assert [one.of_start for one in model.placed] == [-1]
    model.delete(21, model.placed[0].component, 21)
    assert model.placed == ()


# --- the view -------------------------------------------------------------------------------------------------------


class AtOnce:
    """Work that is done where it is asked for."""

    def __init__(self, on_progress: object, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error

    def start(self, work: Callable[[Any], Any], then: Callable[[Any], object]) -> None:
        try:
            answer = work(lambda share, text: None)
        except EngineError as error:
            self._on_error(error)
        else:
            then(answer)

    def cancel(self) -> None:
        pass


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> view.MvmfView:
    monkeypatch.setattr(view, "Newest", AtOnce)
    return view.MvmfView(Session(), MvmfModel({"c": "48,8,400,2:-36,175,60,1"}))


def moved(page: view.MvmfView, what: str, index: int, lat: float = 0.0, lon: float = 0.0) -> None:
    serial = page.stage.globe.moved.get("serial", 0) + 1
    page.stage.globe.moved = {"id": index, "what": what, "lat": lat, "lon": lon, "serial": serial}


def test_a_belief_is_shown_with_its_handles_and_its_area(page: view.MvmfView) -> None:
    globe = page.stage.globe
    assert [(one["lat"], one["lon"]) for one in globe.handles] == [(48.0, 8.0), (-36.0, 175.0)]
    assert "50 % within" in page.stage.facts.object
    assert globe.field
    assert not globe.domain
    page.model.outline = "90"
    assert globe.domain


def test_a_hand_moves_takes_and_deletes_a_centre(page: view.MvmfView) -> None:
    before, facts = page.stage.globe.field, page.stage.facts.object
    moved(page, "move", 0, 30.0, 8.0)
    assert page.stage.globe.field != before
    assert page.model.placed[0].component.lat == 48.0
    moved(page, "drop", 0, 0.0, 8.0)
    assert page.model.placed[0].component == Component(0.0, 8.0, 400.0, 2.0)
    assert (page.model.selected, page.model.own_weight) == (0, 2.0)
    page.model.own_log_kappa = 3.0
    assert page.model.placed[0].component.kappa == pytest.approx(1000.0)
    assert page.stage.facts.object != facts
    moved(page, "delete", 0)
    assert len(page.model.placed) == 1
    assert len(page.stage.globe.handles) == 1
    moved(page, "pick", 0)
    assert page.model.panel == "centre"
    assert "Centre 1 at 36.0° S" in page.sandbox.panels._words.object


def test_a_click_places_takes_or_sets_the_truth(page: view.MvmfView) -> None:
    page.sandbox.clicked(10.0, 20.0)
    assert page.model.placed[-1].component[:2] == (10.0, 20.0)
    assert page.model.selected == 2
    page.model.click = "truth"
    page.sandbox.clicked(47.0, 9.0)
    assert page.model.truth == (47.0, 9.0)
    assert "times as likely" in page.sandbox.panels._words.object
    assert page.stage.globe.markers[0]["label"] == "Truth"
    assert page.stage.globe.handles[0]["to"] is not None
    page.model.click = "take"
    page.sandbox.clicked(-30.0, 170.0)
    assert page.model.selected == 1


def test_the_pointer_is_told_the_exact_density(page: view.MvmfView) -> None:
    page._probe.at = {"lat": 48.0, "lon": 8.0, "serial": 4}
    belief = page.sandbox.belief
    assert belief is not None
    assert page._probe.answer == {"text": words.per_km2(belief.per_km2(48.0, 8.0)), "serial": 4}


def test_no_centre_is_said_and_not_an_error(page: view.MvmfView) -> None:
    page.model.placed = ()
    assert words.NO_CENTRES in page.sandbox.panels._words.object
    assert not page.stage.globe.field
    assert page.sandbox.lookup(0.0, 0.0) == "–"
    page.sandbox.clicked(5.0, 5.0)
    assert page.stage.globe.field


def test_weights_of_zero_throughout_are_said(page: view.MvmfView) -> None:
    page.model.placed = tuple(one._replace(component=one.component._replace(weight=0.0)) for one in page.model.placed)
    assert page.stage._failure.visible
    assert "All weights are zero" in page.stage._failure.object


@pytest.mark.parametrize("show", ["density", "mass", "regions", "one"])
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_every_way_to_show_it_fills_the_globe(page: view.MvmfView, show: str, scale: str) -> None:
    page.model.param.update(scale=scale, selected=1)
    page.model.show = show
    assert page.stage.globe.field
    assert bool(page.stage.globe.field_b) == (show == "one")
    assert page.stage.globe.blocks == (show in ("mass", "regions"))
    assert page.stage.globe.vmin < page.stage.globe.vmax


def test_a_file_of_centres_takes_the_place_of_the_start(page: view.MvmfView) -> None:
    page.sandbox.take_file(b"8,48\n175,-36\n100,10\n", "sites.csv")
    assert page.model.start == "file"
    assert "taken as the longitude" in page.sandbox.panels._notes.object
    belief = page.sandbox.belief
    assert isinstance(belief, Belief)
    assert len(belief.components) == 5
    said: list[str] = []
    page.sandbox._session.say = lambda severity, sentence: said.append(sentence)
    page.sandbox.take_file(b"hello", "bad.csv")
    assert "gives no centres" in said[0]


def test_without_an_expert_the_page_offers_to_train_one(page: view.MvmfView) -> None:
    page.model.mode = "expert"
    assert expert_words.NO_EXPERT in page.expert.panels._words.object
    assert expert_words.INVITATION in page.expert.run._words.object
    assert page.stage.globe.handles == []
    page.model.run = "gone"
    assert expert_words.NO_RUN in page.expert.panels._words.object
    page.model.mode = "sandbox"
    assert page.stage.globe.field


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("km2", "said"),
    [(212_345.0, "212\u202f000 km²"), (1_790_000.0, "1.79 million km²"), (77.0, "77 km²"), (1_234.0, "1\u202f230 km²")],
)
def test_areas_are_read_by_people(km2: float, said: str) -> None:
    assert words.area(km2) == said


def test_a_region_of_a_few_cells_is_an_upper_bound() -> None:
    said, caution = words.region_sentence(Region(0.5, np.zeros((1, 1), bool), 3091.0, 1))
    assert "at most 3\u202f090 km²: one cell" in said
    assert caution
    said, caution = words.region_sentence(Region(0.5, np.zeros((1, 1), bool), 212_345.0, 70))
    assert said.startswith("Half of the belief lies in 212\u202f000 km²")
    assert not caution


def test_densities_keep_their_digits() -> None:
    assert words.per_km2(1.2344e-11) == "1.234 × 10⁻¹¹"
    assert words.per_km2(math.exp(-800.0)) == "less than 10⁻³⁰⁰"


def test_what_came_from_outside_is_escaped() -> None:
    assert "<script>" not in words.notes_html(["<script>"])
    assert "<script>" not in expert_words.climate_html([ClimateBar("<script>", "<script>", "#000000", 0.1, 0.2)])


def test_the_dial_goes_the_shorter_way_round_the_year() -> None:
    assert (
        expert_words.date_sentence(360.0, 5.0) == "It dates the picture 26 December; it was 5 January, 10 days apart."
    )
