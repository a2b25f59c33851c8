"""The Geolocation page: every state is a distribution or a message; and its view without a browser."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import holoviews as hv
import numpy as np
import pytest
from bokeh.models import LogAxis
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.evaluation.centre_scores import CentreScore
from engine.queries.mvmf import expert as expert_queries
from engine.queries.mvmf.centres import (
    CENTRE_KINDS,
    KAPPA_RANGE,
    CentreChoice,
    Component,
    Components,
    PlacedComponent,
    components,
)
from engine.queries.mvmf.comparison import SHIPPED, ComparedCentres
from engine.queries.mvmf.expert import ClimateBar, TilePrediction
from engine.queries.mvmf.files import ExpertChoice
from engine.queries.mvmf.sandbox import MapField, Mixture, Region
from explorer import run_card
from explorer.pages.mvmf import expert_text, panels, text, view
from explorer.pages.mvmf.expert import TileResult
from explorer.pages.mvmf.model import MOST_IN_ADDRESS, MOST_PLACED, MvmfModel
from explorer.plots import mvmf as figures
from explorer.session import Session
from explorer.widgets.text import number
from tests.support.held_tasks import held_tasks

hv.extension("bokeh", logo=False)  # type: ignore[operator]

KEYS = [*MvmfModel.KEYS, "kappa", "weight", "c", "truth", "spot", "run", "day", "at", "unknown"]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(
        [*CENTRE_KINDS, "sandbox", "expert", "log", "50", "truth", "nan", "0", "-1", "1e300", "10,20", "91,0",
         "nan,nan", "-", "10,20,30,1", "10,20,30,1:1,2,3,4,0", "10,20,0,1", "10,20,nan,1", "10,20,5,-1",
         "<script>", "../x"]
    ),
    st.text(max_size=12),
)  # fmt: skip


def assert_valid(model: MvmfModel) -> None:
    """Every bound holds, and every component by hand is one that the engine takes."""
    for name in ("count", "seed", "separation_km", "selected", "tile", "day", "log_kappa", "weight"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high
    if model.start not in ("none", "file"):
        assert model.count_limits[0] <= model.count <= model.count_limits[1]
    for centre in model.placed:
        assert abs(centre.component.lat) <= 90.0
        assert abs(centre.component.lon) <= 180.0
        assert KAPPA_RANGE[0] <= centre.component.kappa <= KAPPA_RANGE[1]
        assert centre.component.weight >= 0.0
    for place in (model.truth, model.spot):
        assert place is None or (abs(place[0]) <= 90.0 and abs(place[1]) <= 180.0)


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_any_address_gives_a_valid_state(query: dict[str, str]) -> None:
    model = MvmfModel(query)
    assert_valid(model)
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
        ).map(lambda centre: PlacedComponent(-1, centre)),
        max_size=MOST_IN_ADDRESS,
    ),
)  # fmt: skip
def test_an_address_restores_the_mixture(start: str, count: int, seed: int, placed: list[PlacedComponent]) -> None:
    first = MvmfModel({"mode": "sandbox"})
    first.param.update(start=start, count=count, seed=seed)
    first.placed = tuple(placed)
    again = MvmfModel(first.address)
    assert not again.notes
    assert again.beginning.kind == start
    if start != "none":
        assert again.beginning.count == count
    assert len(again.placed) == len(placed)
    for centre, other in zip(again.placed, placed, strict=True):
        assert centre.component == pytest.approx(other.component, rel=1e-3, abs=1e-5)


def test_an_invalid_kappa_is_clamped_and_reported() -> None:
    for typed, kappa in (("0", 1e-6), ("-3", 1e-6), ("1e300", 1e6), ("nan", 1e-6)):
        model = MvmfModel({"start": "land", "kappa": typed})
        assert 10.0**model.log_kappa == pytest.approx(kappa)
        assert "was clamped to" in model.notes[0]


def test_an_address_holds_twelve_centres_and_a_file_none() -> None:
    model = MvmfModel({})
    for _ in range(MOST_IN_ADDRESS):
        model.add(Component(1.0, 2.0, 3.0, 1.0))
    assert not model.travels
    assert "c" not in model.address
    assert len(MvmfModel({"c": ":".join(["1,2,3,1"] * 13)}).placed) == MOST_IN_ADDRESS
    assert "does not hold the centres of a file" in MvmfModel({"start": "file"}).notes[0]
    for _ in range(MOST_PLACED - len(model.placed)):
        model.add(Component(1.0, 2.0, 3.0, 1.0))
    with pytest.raises(OverflowError, match=str(MOST_PLACED)):
        model.add(Component(1.0, 2.0, 3.0, 1.0))


def test_another_start_discards_the_changes_of_its_centres() -> None:
    model = MvmfModel({"start": "land", "n": "20", "c": "1,2,3,1:4,5,6,1,7"})
    model.set_component(8, Component(0.0, 0.0, 9.0, 1.0), 20)
    assert [centre.start_index for centre in model.placed] == [-1, 7, 8]
    model.delete(7, Component(4.0, 5.0, 6.0, 1.0), 20)
    assert next(centre for centre in model.placed if centre.start_index == 7).component.weight == 0.0
    model.set_component(20, Component(9.0, 9.0, 9.0, 2.0), 20)
    assert model.placed[0].component.lat == 9.0
    model.count = 21
    assert [centre.start_index for centre in model.placed] == [-1]
    model.delete(21, model.placed[0].component, 21)
    assert model.placed == ()


@pytest.mark.parametrize("start", ["none", "land", "file"])
def test_kappa_and_weight_of_all_apply_to_centres_set_by_hand(start: str) -> None:
    placed = (PlacedComponent(-1, Component(1.0, 2.0, 3.0, 4.0)), PlacedComponent(0, Component(5.0, 6.0, 7.0, 8.0)))
    deleted = PlacedComponent(1, Component(5.0, 6.0, 7.0, 0.0))
    model = MvmfModel({})
    model.start = start
    model.placed = (*placed, deleted)
    model.log_kappa = 3.0
    assert [centre.component[2:] for centre in model.placed] == [(1000.0, 4.0), (1000.0, 8.0), (7.0, 0.0)]
    model.weight = 2.0
    assert [centre.component for centre in model.placed[:2]] == [
        Component(1.0, 2.0, 1000.0, 2.0),
        Component(5.0, 6.0, 1000.0, 2.0),
    ]
    # one that was deleted stays so, and one may be given its own again
    assert model.placed[2] == deleted
    model.set_component(0, Component(1.0, 1.0, 5.0, 5.0), 2)
    assert model.placed[1].component == Component(1.0, 1.0, 5.0, 5.0)


def test_an_address_leaves_each_centre_its_own_beside_those_of_all() -> None:
    model = MvmfModel({"start": "land", "n": "20", "kappa": "1000", "weight": "3", "c": "1,2,30,4:5,6,70,8,3"})
    assert [centre.component[2:] for centre in model.placed] == [(30.0, 4.0), (70.0, 8.0)]
    assert (model.log_kappa, model.weight) == (3.0, 3.0)
    assert (model.address["kappa"], model.address["weight"]) == ("1000", "3")


def test_an_invalid_weight_is_clamped_and_reported() -> None:
    model = MvmfModel({"c": "1,2,3,1e300"})
    assert model.placed[0].component.weight == 20.0
    assert model.notes == ["weight = 1e+300 was clamped to 0 … 20"]
    assert MvmfModel({"start": "land", "weight": "nan"}).notes == ["weight = nan was clamped to 0.1 … 20"]


# --- the view -------------------------------------------------------------------------------------------------------


class Immediate:
    """Work that is done where it is hashed for."""

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
    monkeypatch.setattr(view, "LatestTask", Immediate)
    return view.MvmfView(Session(), MvmfModel({"c": "48,8,400,2:-36,175,60,1"}))


def test_the_comparison_of_centres_is_the_engines(page: view.MvmfView, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        ComparedCentres("fibonacci", CentreScore(512, 1.0, 400.0, (0.0, 0.0, 0.1, 0.9, 1.0)), 0.0),
        ComparedCentres("kmeans", CentreScore(512, 1.75, 150.0, (0.0, 0.2, 0.61, 1.0, 1.0)), 0.4),
        ComparedCentres("kmeans", CentreScore(32, 1.25, 500.0, (0.0, 0.0, 0.3, 0.8, 1.0)), 0.1),
    )
    requests: list[object] = []
    monkeypatch.setattr(panels, "compared_centres", lambda *arguments: requests.append(arguments) or rows)
    page.sandbox.panel.task = Immediate(None, page.sandbox.panel._fail)  # type: ignore[assignment]
    page.model.param.update(panel="choice", data="cities")
    page.sandbox._after_rest()
    assert requests[-1] == (SHIPPED, "cities")
    shown = page.sandbox.panel.text.object
    assert "k-means centres know most of points that were held out, 1.75 nats" in shown
    assert "within 150 km" in shown
    table = page.sandbox.panel._rows.object
    assert "<th scope=row>K-means centres</th><td>1.75</td><td>150</td>" in table
    assert "<td>0</td><td>20</td><td>61</td><td>100</td><td>100</td>" in table
    page.model.data = "file"
    page.sandbox._after_rest()
    assert text.NO_FILE in page.sandbox.panel.text.object
    assert page.model.address["data"] == "file"


def test_own_points_are_compared_by_a_run_whose_stored_result_is_shown(
    page: view.MvmfView, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = page.sandbox.panel
    panel.task = Immediate(None, panel._fail)  # type: ignore[assignment]
    page.model.param.update(panel="choice", data="file", points=((10.0, 20.0), (50.0, 60.0)))
    page.sandbox._after_rest()
    assert text.NOT_COMPARED in panel.text.object
    assert panel.comparison.card.styles["display"] != "none"
    assert text.COMPARE in panel.comparison._text.object
    offer = panel.offer()
    assert offer.config.settings.points == ((10.0, 20.0), (50.0, 60.0))
    record = SimpleNamespace(id="20260101-000000-0123456789", state="running", progress=0.5)
    monkeypatch.setattr(panel.comparison, "find", lambda config: record if config == offer.config else None)
    monkeypatch.setattr(run_card, "status_sentence", lambda *_: "half of it")
    panel._follow()
    assert "half of it" in panel.comparison._text.object
    record.state = "done"
    rows = (ComparedCentres("fibonacci", CentreScore(8, 1.0, 400.0, (0.0, 0.0, 0.1, 0.9, 1.0)), 0.0),)
    monkeypatch.setattr(panels, "compared_centres", lambda run, _: rows if run == record.id else ())
    panel._follow()
    assert "even centres know most of points that were held out, 1.00 nats" in panel.text.object
    assert panel.comparison.card.styles["display"] == "none"
    page.model.panel = "belief"
    page.model.data = "land"
    page.sandbox._after_rest()
    assert panel.comparison.card.styles["display"] == "none"


def test_the_page_opens_with_the_expert_that_comes_along_turned_to_its_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "LatestTask", Immediate)
    page = view.MvmfView(Session(), MvmfModel({}))
    folder = expert_queries.expert_folder(expert_queries.SHIPPED)
    case, scores = expert_queries.tile_prediction(folder, 0), expert_queries.scores(folder)
    assert page.model.mode == "expert"
    assert page.expert.choice == ExpertChoice(expert_queries.SHIPPED, 0, None, 200)
    assert page.model.camera[:2] == pytest.approx(case.guess)
    assert (page.stage.globe.center_lat, page.stage.globe.center_lon) == pytest.approx(case.guess)
    shown = page.expert.panel.text.object
    for of in (scores.expert, scores.prior):
        assert f"{number(round(of['error_km']['median']))} km" in shown
    assert page.stage.globe.markers[0]["label"] == "Prediction"
    # a clicked place stays in view, and so does the view of an address
    page.expert.clicked(48.0, 8.0)
    page.expert.predict()
    assert page.model.camera[:2] == pytest.approx(case.guess)
    page.model.restore({**page.model.address, "at": "10,20,1", "tile": "2"}, is_whole=True)
    page.expert.predict()
    assert page.model.camera == (10.0, 20.0, 1.0)
    page.expert._step(1)
    page.expert.predict()
    assert page.model.camera[:2] == pytest.approx(expert_queries.tile_prediction(folder, page.model.tile).guess)


def test_an_address_of_a_mixture_without_a_mode_is_one_of_the_sandbox() -> None:
    assert MvmfModel({"c": "48,8,400,2"}).mode == "sandbox"
    assert MvmfModel({"start": "land", "n": "9"}).mode == "sandbox"
    assert MvmfModel({"tile": "3"}).mode == MvmfModel({}).mode == "expert"
    model = MvmfModel({})
    model.restore({"c": "48,8,400,2"}, is_whole=True)
    assert model.mode == "sandbox"


def test_points_of_a_file_are_followed_where_the_data_are_a_file(page: view.MvmfView) -> None:
    page.model.param.update(start="farthest", data="file", count=3)
    page.sandbox.take_file(b"lat,lon\n10,20\n50,60\n-10,20\n10.1,20\n", "sites.csv")
    assert page.model.start == "farthest"
    centres = components(page.model.beginning)
    assert sorted(np.round(centres.lat, 1)) in ([-10.0, 10.0, 50.0], [-10.0, 10.1, 50.0])
    page.model.data = "land"
    page.sandbox.take_file(b"lat,lon\n10,20\n", "sites.csv")
    assert page.model.start == "file"


def moved(page: view.MvmfView, action: str, index: int, lat: float = 0.0, lon: float = 0.0) -> None:
    serial = page.stage.globe.moved.get("serial", 0) + 1
    page.stage.globe.moved = {"id": index, "action": action, "lat": lat, "lon": lon, "serial": serial}


def test_a_distribution_is_drawn_with_its_handles_and_its_area(page: view.MvmfView) -> None:
    globe = page.stage.globe
    assert [(handle["lat"], handle["lon"]) for handle in globe.handles] == [(48.0, 8.0), (-36.0, 175.0)]
    assert "50 % within" in page.stage.readout.object
    assert globe.field
    assert not globe.domain
    page.model.outline = "90"
    assert globe.domain


def test_the_origin_of_a_picture_is_made_off_the_event_loop_and_of_what_is_drawn(page, monkeypatch) -> None:
    """It holds a hash of the expert's file, which may be large."""
    held = held_tasks()
    page.stage.filing = held(lambda share, text: None, lambda error: None)
    hashed: list[object] = []
    saved: list[object] = []
    monkeypatch.setattr(view.files, "density_origin", lambda choice: hashed.append(choice) or choice)
    monkeypatch.setattr(page.stage, "save_picture", lambda stem, origin: saved.append(origin))
    page._offer_picture()
    assert hashed == []
    page.model.placed = page.model.placed[:1]
    page.sandbox.compute()
    page.stage.filing.finish()
    assert saved == [], "the mixture has changed"
    page.stage.filing.finish()
    assert saved == [page.sandbox.choice]


def test_a_centre_is_moved_selected_and_deleted(page: view.MvmfView) -> None:
    before, readout = page.stage.globe.field, page.stage.readout.object
    moved(page, "move", 0, 30.0, 8.0)
    assert page.stage.globe.field != before
    assert page.model.placed[0].component.lat == 48.0
    moved(page, "drop", 0, 0.0, 8.0)
    assert page.model.placed[0].component == Component(0.0, 8.0, 400.0, 2.0)
    assert (page.model.selected, page.model.own_weight) == (0, 2.0)
    page.model.own_log_kappa = 3.0
    assert page.model.placed[0].component.kappa == pytest.approx(1000.0)
    assert page.stage.readout.object != readout
    moved(page, "delete", 0)
    assert len(page.model.placed) == 1
    assert len(page.stage.globe.handles) == 1
    moved(page, "pick", 0)
    assert page.model.panel == "centre"
    assert "Centre 1 at 36.0° S" in page.sandbox.panel.text.object


def test_a_click_adds_selects_or_sets_the_true_location(page: view.MvmfView) -> None:
    page.sandbox.clicked(10.0, 20.0)
    assert page.model.placed[-1].component[:2] == (10.0, 20.0)
    assert page.model.selected == 2
    page.model.click = "truth"
    page.sandbox.clicked(47.0, 9.0)
    assert page.model.truth == (47.0, 9.0)
    assert "times higher than" in page.sandbox.panel.text.object
    assert page.stage.globe.markers[0]["label"] == "True location"
    assert page.stage.globe.handles[0]["to"] is not None
    page.model.click = "take"
    page.sandbox.clicked(-30.0, 170.0)
    assert page.model.selected == 1


def read(page: view.MvmfView, lat: float, lon: float, **pointed: object) -> str:
    """What the pointer reads at a place."""
    probe = page._map.probe
    serial = probe.at.get("serial", 0) + 1
    probe.at = {"lat": lat, "lon": lon, "value": None, "second": False, **pointed, "serial": serial}
    assert probe.answer["serial"] == serial
    return probe.answer["text"]


def density(rows: list[Component], lat: float, lon: float) -> str:
    of = components(CentreChoice("none", 1, 0, 1.0), [PlacedComponent(-1, centre) for centre in rows])
    return text.per_km2(Mixture(of).per_km2(lat, lon))


HERE, THERE = Component(48.0, 8.0, 400.0, 2.0), Component(-36.0, 175.0, 60.0, 1.0)


def test_the_pointer_reads_the_exact_density(page: view.MvmfView) -> None:
    assert read(page, 48.0, 8.0) == density([HERE, THERE], 48.0, 8.0)
    moved(page, "move", 0, 30.0, 8.0)
    assert read(page, 30.0, 8.0) == density([HERE._replace(lat=30.0), THERE], 30.0, 8.0)
    moved(page, "drop", 0, 0.0, 8.0)
    assert read(page, 0.0, 8.0) == density([HERE._replace(lat=0.0), THERE], 0.0, 8.0)
    moved(page, "delete", 0)
    assert read(page, 0.0, 8.0) == density([THERE], 0.0, 8.0)
    moved(page, "delete", 0)
    assert read(page, 0.0, 8.0) == "–"


def test_right_of_the_divider_the_pointer_reads_the_selected_component(page: view.MvmfView) -> None:
    page.model.param.update(selected=1, show="one")
    # it has a third of the weights; of the other one nothing is felt there, so that the sum is this one's part
    assert read(page, -30.0, 170.0, second=True) == density([HERE, THERE], -30.0, 170.0)
    assert read(page, 48.0, 8.0, second=True) != read(page, 48.0, 8.0)
    assert read(page, 48.0, 8.0, second=True) == density([HERE._replace(lat=-48.0, lon=-172.0), THERE], 48.0, 8.0)
    page.model.show = "density"
    assert read(page, 48.0, 8.0, second=True) == density([HERE, THERE], 48.0, 8.0)


def tile_result(num_tested: int) -> TileResult:
    """An expert's answer about one picture."""
    mixture = Mixture(Components(*(np.array([value]) for value in HERE)))
    errors = MapField(np.array([-45.0, 45.0]), np.array([-90.0, 90.0]), np.array([[812.0, np.nan], [300.0, 2000.0]]))
    case = TilePrediction((), mixture.components, (48.0, 8.0), (47.0, 8.0), 111.0, (), 1.0, 2.0, True)
    return TileResult(
        ExpertChoice("20260101-000000-0000000000"), case, mixture, mixture.map(), errors, 200, 190, num_tested, True
    )


def test_the_pointer_reads_errors_on_their_map(page: view.MvmfView) -> None:
    page.model.mode = "expert"
    page.expert._take(tile_result(512))
    assert read(page, 48.0, 8.0) == density([HERE._replace(weight=1.0)], 48.0, 8.0)
    assert "Error</dt>" in page.stage.readout.object
    assert page.model.has_scale
    assert page.model.has_density
    page.model.quantity = "errors"
    assert page._map.probe.label == "Median error here"
    assert read(page, 48.0, 8.0, value=812.0) == "812 km"
    assert read(page, 48.0, 8.0) == "no picture"
    assert "Error</dt>" not in page.stage.readout.object
    assert "within" not in page.stage.readout.object
    assert not page.model.has_scale
    assert not page.model.has_density
    page.model.quantity = "belief"
    assert page._map.probe.label == text.PER_KM2
    assert "Error</dt>" in page.stage.readout.object


def test_the_number_of_kept_pictures_is_shown(page: view.MvmfView) -> None:
    page.model.mode = "expert"
    page.expert._take(tile_result(512))
    assert "keeps 200 of its 512 test pictures" in page.expert._num_pictures.object
    page.model.quantity = "errors"
    assert "190 <small>of 512 test pictures" in page.stage.readout.object
    page.expert._take(tile_result(200))
    assert "All 200 test pictures" in page.expert._num_pictures.object


def test_the_read_out_is_cleared_when_the_mode_changes(page: view.MvmfView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(page, 48.0, 8.0) != "–"
    page.expert._folder = None
    monkeypatch.setattr(page.expert, "_chosen_folder", lambda: None)  # a run that is not there
    page.model.mode = "expert"
    assert read(page, 48.0, 8.0) == "–"
    page.model.mode = "sandbox"
    assert read(page, 48.0, 8.0) == density([HERE, THERE], 48.0, 8.0)


def test_weight_of_all_is_that_of_a_starts_centres_too(page: view.MvmfView) -> None:
    page.model.param.update(start="fibonacci", count=10)
    page.model.placed = (PlacedComponent(4, HERE), PlacedComponent(-1, THERE))
    page.model.log_kappa = 3.0
    page.model.weight = 5.0
    mixture = page.sandbox._state.mixture
    assert mixture is not None
    assert mixture.components.weight.tolist() == [5.0] * 11
    assert mixture.components.kappa == pytest.approx(np.full(11, 1000.0))
    page.model.placed = (PlacedComponent(4, HERE), PlacedComponent(-1, THERE))
    assert page.sandbox._state.mixture is not None
    assert page.sandbox._state.mixture.components.weight.tolist() == [5.0] * 4 + [2.0] + [5.0] * 5 + [1.0]


def test_a_centre_that_does_not_exist_is_not_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "LatestTask", Immediate)
    messages: list[str] = []
    session = Session()
    session.say = lambda severity, sentence: messages.append(sentence)
    page = view.MvmfView(session, MvmfModel({"c": "48,8,400,2:-36,175,60,1", "sel": "50"}))
    assert page.model.selected == -1
    assert messages == ["Centre 51 does not exist: there are 2 centres. None is selected."]


def test_without_a_distribution_the_text_is_cleared(page: view.MvmfView) -> None:
    page.model.param.update(start="fibonacci", count=1, placed=(), log_kappa=3.0)
    page.model.selected = 0
    assert "50 % of the probability" in page.sandbox.panel.text.object
    page.sandbox.delete()
    assert page.stage._failure.visible
    assert page.sandbox.panel.text.object == f"<p>{text.NO_DISTRIBUTION}</p>"
    assert page.model.selected == -1


def test_a_linear_scale_has_numbers_that_can_be_read(page: view.MvmfView) -> None:
    page.model.scale = "linear"
    bar, globe, mixture = page.stage.bar, page.stage.globe, page.sandbox._state.mixture
    assert mixture is not None
    power = math.floor(math.log10(mixture.map().values.max()))
    assert (bar.label, bar.units) == ("Probability per km²", f"× {text.ten_to(power)}")
    assert 1.0 <= bar.vmax < 10.0
    assert (globe.vmin, globe.vmax) == (bar.vmin, bar.vmax)
    assert globe.vmax * 10.0**power == pytest.approx(mixture.map().values.max())


def test_regions_have_two_colours_and_their_names_below(page: view.MvmfView) -> None:
    page.model.show = "regions"
    bar = page.stage.bar
    colours = np.frombuffer(bar.colormap, np.uint8).reshape(256, 3)
    assert len(np.unique(colours, axis=0)) == 2
    assert (colours[127] == colours[0]).all()
    assert (colours[229] == colours[255]).all()
    assert bar.names == list(text.REGION_NAMES)
    page.model.show = "density"
    assert bar.names == []


def test_no_centre_is_a_message_and_not_an_error(page: view.MvmfView) -> None:
    page.model.placed = ()
    assert text.NO_CENTRES in page.sandbox.panel.text.object
    assert not page.stage.globe.field
    assert read(page, 0.0, 0.0) == "–"
    page.sandbox.clicked(5.0, 5.0)
    assert page.stage.globe.field


def test_zero_weights_are_an_error(page: view.MvmfView) -> None:
    page.model.placed = tuple(
        centre._replace(component=centre.component._replace(weight=0.0)) for centre in page.model.placed
    )
    assert page.stage._failure.visible
    assert "All weights are zero" in page.stage._failure.object


@pytest.mark.parametrize("show", ["density", "mass", "regions", "one"])
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_every_quantity_fills_the_globe(page: view.MvmfView, show: str, scale: str) -> None:
    page.model.param.update(scale=scale, selected=1)
    page.model.show = show
    assert page.stage.globe.field
    assert bool(page.stage.globe.field_b) == (show == "one")
    assert page.stage.globe.blocks == (show in ("mass", "regions"))
    assert page.stage.globe.vmin < page.stage.globe.vmax


def test_a_file_of_centres_replaces_the_start(page: view.MvmfView) -> None:
    page.sandbox.take_file(b"8,48\n175,-36\n100,10\n", "sites.csv")
    assert page.model.start == "file"
    assert "taken as the longitude" in page.sandbox.panel.notes.object
    mixture = page.sandbox._state.mixture
    assert isinstance(mixture, Mixture)
    assert len(mixture.components) == 5
    messages: list[str] = []
    page.sandbox._session.say = lambda severity, sentence: messages.append(sentence)
    page.sandbox.take_file(b"hello", "bad.csv")
    assert "gives no centres" in messages[0]


def test_the_expert_page_offers_to_train_another_when_asked(page: view.MvmfView) -> None:
    page.model.mode = "expert"
    assert page.stage.globe.handles == []
    assert page.expert.run.card.styles["display"] == "none"
    page.expert._ask_to_train()
    assert page.expert.run.card.styles["display"] != "none"
    assert expert_text.INVITATION in page.expert.run._text.object
    page.model.run = "gone"
    assert expert_text.NO_RUN in page.expert.panel.text.object
    page.model.mode = "sandbox"
    assert page.stage.globe.field


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("km2", "expected"),
    [(212_345.0, "212\u202f000 km²"), (1_790_000.0, "1.79 million km²"), (77.0, "77 km²"), (1_234.0, "1\u202f230 km²")],
)
def test_areas_have_three_figures(km2: float, expected: str) -> None:
    assert text.area(km2) == expected


def test_a_region_of_a_few_cells_is_drawn_larger_than_it_is() -> None:
    sentence, caution = text.region_sentence(Region(0.5, np.zeros((1, 1), bool), 3091.0, 1))
    assert sentence.endswith("lies in 3\u202f090 km²; the map draws it larger, in one cell.")
    assert caution
    sentence, caution = text.region_sentence(Region(0.5, np.zeros((1, 1), bool), 212_345.0, 70))
    assert sentence.startswith("50 % of the probability lies in 212\u202f000 km²")
    assert not caution


def test_densities_keep_their_digits() -> None:
    assert text.per_km2(1.2344e-11) == "1.234 × 10⁻¹¹"
    assert text.per_km2(math.exp(-800.0)) == "less than 10⁻³⁰⁰"


def test_numbers_below_a_round_one_are_written_as_it_is() -> None:
    assert text.kappa_sentence(10.0**2.9999999, 53.1234).startswith(
        "κ = 1\u202f000: 50 % of the probability lies within 53.1 km"
    )
    assert text.kappa_sentence(1e-6, 10_000.0).startswith("κ = 1 × 10⁻⁶:")
    assert text.per_km2(9.99999e-8) == "1.000 × 10⁻⁷"


def test_the_recall_figure_names_decades_and_lines() -> None:
    areas = np.geomspace(1e4, 5.1e8, 10)
    plot = hv.render(figures.recall(areas, np.linspace(0.1, 1, 10), np.linspace(0, 1, 10), ("Expert", "Constant")))
    (axis,) = plot.select({"type": LogAxis})
    assert axis.ticker.ticks == [1e4, 1e5, 1e6, 1e7, 1e8]
    assert [axis.major_label_overrides[tick] for tick in axis.ticker.ticks] == ["10⁴", "10⁵", "10⁶", "10⁷", "10⁸"]
    (legend,) = plot.legend
    assert {item.label.value for item in legend.items} == {"Expert", "Constant"}


def test_external_text_is_escaped() -> None:
    assert "<script>" not in text.notes_html(["<script>"])
    assert "<script>" not in expert_text.climate_html([ClimateBar("<script>", "<script>", "#000000", 0.1, 0.2)])


def test_the_dial_goes_the_shorter_way_round_the_year() -> None:
    assert expert_text.date_sentence(360.0, 5.0) == "Predicted date 26 December, true date 5 January: 10 days apart."


def test_fewer_centres_than_requested_are_explained() -> None:
    assert text.count_sentence("land", 400, 400) == []
    assert "there is no space for 400" in text.count_sentence("near-data", 400, 31)[0][0]
    assert text.count_sentence("hierarchy", 400, 384)[0][0].startswith("384 centres: cells of a cube come in")
