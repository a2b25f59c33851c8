"""The Data page: every state is valid; texts, files and uploads without a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from engine.data.kinds import SST
from engine.errors import DataError, QualityError
from engine.queries.ocean import LAYERS, PointSeries, ReadCost, SourceChoice, SourceSummary, places
from engine.queries.ocean import uploads as ocean_uploads
from engine.sphere import LatLonGrid
from explorer import tabs
from explorer.pages.data import text
from explorer.pages.data import view as data_view
from explorer.pages.data.model import DataModel, nearest
from explorer.session import Session
from explorer.widgets.files import FileBrowser
from explorer.widgets.upload import UploadField
from tests.support.held_tasks import held_tasks

KEYS = [
    *DataModel.KEYS,
    "src",
    "step",
    "seed",
    "years",
    "path",
    "var",
    "quality",
    "day",
    "minus",
    "place",
    "at",
    "unknown",
]
TEXTS = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["demo", "path", "upload", "all", "truth", "withheld", "year", "2001-07-16", "9999-99-99", "0.25",
                     "nan", "clouds", "10,20", "91,0", "1,2,3", "../../etc", "<script>"]),
    st.text(max_size=12),
)  # fmt: skip


def opened_source(choice: SourceChoice | None = None, **changes: Any) -> SourceSummary:
    choice = choice or SourceChoice()
    days = tuple(np.datetime_as_string(np.datetime64("2001-01-01") + np.arange(90), "D").tolist())
    source = SourceSummary(
        choice, "Made up", "key", days, "day", (180, 360), "180 × 360", "standard", 30.0, tuple(LAYERS), ("A note.",),
        (), (-2.0, 32.0), 259_200, 1e8,
    )  # fmt: skip
    return replace(source, **changes)


def assert_valid(model: DataModel) -> None:
    """Everything that the state selects exists."""
    assert model.layer in (model.layers if model.opened else LAYERS)
    for name in ("day", "other", "hidden_percent", "hidden_seed", "seed", "years"):
        low, high = model.param[name].bounds
        assert low <= getattr(model, name) <= high
    assert model.index < len(model.days)
    assert model.other_index < len(model.days)
    assert 0 <= model.span_days.start < model.span_days.stop <= len(model.days)
    assert abs(model.place[0]) <= 90
    assert abs(model.place[1]) <= 180
    SourceChoice(
        **{name: getattr(model.choice, name) for name in ("kind", "step_deg", "seed", "years", "path", "quality")}
    )
    assert model.quality == model.chosen_quality


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS), st.integers(1, 40))
def test_any_address_gives_a_valid_state(query: dict[str, str], num_days: int) -> None:
    model = DataModel(query)
    assert_valid(model)
    model.take(opened_source(model.choice, days=opened_source().days[:num_days], layers=("observed", "gaps", "mean")))
    assert_valid(model)
    assert model.waiting == {}


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_an_address_restores_the_state(query: dict[str, str]) -> None:
    model = DataModel(query)
    model.take(opened_source(model.choice))
    again = DataModel(model.address)
    again.take(opened_source(again.choice))
    assert again.address == model.address
    assert again.notes == []


def test_the_day_of_an_address_waits_for_its_source() -> None:
    model = DataModel({"src": "demo", "seed": "4", "day": "2001-02-03", "layer": "difference", "minus": "2001-01-05"})
    assert model.choice == SourceChoice(seed=4)
    assert (model.address["day"], model.address["minus"]) == ("2001-02-03", "2001-01-05")
    model.take(opened_source(model.choice))
    assert (model.days[model.day], model.days[model.other]) == ("2001-02-03", "2001-01-05")
    assert model.notes == []


def test_a_missing_day_becomes_the_nearest() -> None:
    model = DataModel({"day": "2031-02-03"})
    model.take(opened_source())
    assert model.days[model.day] == "2001-03-31"
    assert "2031-02-03 is no day of this source; 2001-03-31 is shown" in model.notes


def test_another_source_keeps_the_nearest_day() -> None:
    model = DataModel({"day": "2001-02-03"})
    model.take(opened_source())
    model.take(opened_source(days=tuple(opened_source().days[::10])))
    assert model.days[model.day] == "2001-02-10"
    assert model.notes == []


def test_a_missing_layer_becomes_the_observed_one() -> None:
    model = DataModel({"layer": "truth"})
    assert model.layer == "truth"
    model.take(opened_source(layers=("observed", "gaps")))
    assert model.layer == "observed"
    model.restore({"layer": "truth"})
    assert model.layer == "observed"


def test_an_address_of_the_open_source_sets_its_day_at_once() -> None:
    model = DataModel({})
    model.take(opened_source())
    model.restore({"day": "2001-03-01"})
    assert model.days[model.day] == "2001-03-01"
    # of another source the day waits until that is open
    model.restore({"src": "demo", "seed": "5", "day": "2001-01-09"})
    assert model.days[model.day] == "2001-03-01"
    assert model.waiting == {"day": "2001-01-09"}


def test_a_difference_begins_between_two_days() -> None:
    model = DataModel({})
    model.take(opened_source())
    model.layer = "difference"
    assert (model.index, model.other_index) == (0, 30)
    model.layer = "observed"
    model.param.update(day=50, other=50)
    model.layer = "difference"
    assert model.other_index == 20
    # an explicit choice is kept: by hand, by an address
    model.other = 50
    assert model.other_index == 50
    model.restore({"layer": "difference", "day": "2001-02-03", "minus": "2001-02-03"})
    assert model.index == model.other_index == 33
    model = DataModel({"layer": "difference"})
    model.take(opened_source(unit="month"))
    assert (model.index, model.other_index) == (0, 1)
    model.take(opened_source(days=("2001-01-01",)))
    assert (model.index, model.other_index) == (0, 0)


def test_days_wrap_around() -> None:
    model = DataModel({"day": "2001-03-31"})
    model.take(opened_source())
    model.step(1)
    assert model.day == 0
    model.step(-1)
    assert model.day == 89


@pytest.mark.parametrize(
    ("iso", "index"), [("1900-01-01", 0), ("2001-01-02", 1), ("2001-01-02x", 2), ("zzz", 89), ("", 0)]
)
def test_the_nearest_day(iso: str, index: int) -> None:
    assert nearest(opened_source().days, iso) == index


# ---------------------------------------------------------------- quality

FILE = SourceChoice("path", path="sst.nc")
KEPT = "kept quality_level ≥ 4: 67% of observations left out"


def test_only_a_source_with_quality_levels_offers_a_choice() -> None:
    model = DataModel({})
    model.take(opened_source())
    assert model.graded is None
    model.choice = FILE
    model.take(opened_source(FILE, grading=KEPT))
    assert model.graded == FILE
    assert text.grading(model.opened, None) == f"{KEPT[0].upper()}{KEPT[1:]}."


def test_another_quality_is_another_source_and_part_of_the_address() -> None:
    model = DataModel({"src": "path", "path": "sst.nc"})
    model.take(opened_source(FILE, grading=KEPT))
    assert "quality" not in model.address
    model.quality = "all"
    model.choose_quality()
    assert model.choice == replace(FILE, quality="all")
    assert model.address["quality"] == "all"
    assert DataModel(model.address).choice == model.choice
    # a change of mind before it is open selects the open source again
    model.quality = "good"
    model.choose_quality()
    assert model.choice == FILE


def test_another_file_starts_with_the_good_observations() -> None:
    every = replace(FILE, quality="all")
    model = DataModel({"src": "path", "path": "sst.nc", "quality": "all"})
    model.take(opened_source(every, grading="all observations are used"))
    assert model.choose_file("path", "sst.nc") == every
    assert model.choose_file("path", "other.nc").quality == "good"
    assert model.choose_file("upload", "sst.nc").quality == "good"


def test_a_quality_level_of_an_address_is_kept_and_offered() -> None:
    model = DataModel({"src": "path", "path": "sst.nc", "quality": "3"})
    assert (model.choice.quality, model.quality, model.notes) == (3, "level", [])
    model.take(opened_source(model.choice, grading="kept quality_level ≥ 3"))
    assert text.qualities(model.graded) == {"Good only": "good", "All": "all", "Level 3": "level"}
    model.choose_quality()
    assert model.choice.quality == 3
    model.quality = "good"
    model.choose_quality()
    assert model.choice == FILE
    assert text.qualities(FILE) == {"Good only": "good", "All": "all"}


@pytest.mark.parametrize("text", ["fine", "-1", "", "1.5", "<script>", "GOOD"])
def test_an_invalid_quality_in_the_address_is_reported(text: str) -> None:
    model = DataModel({"src": "path", "path": "sst.nc", "quality": text})
    assert model.choice == FILE
    assert model.notes == [f"quality={text} in the address is not a choice here"]
    assert "quality" not in model.address


def test_a_source_refused_for_its_quality_can_be_opened_with_another() -> None:
    model = DataModel({})
    model.take(opened_source())
    model.choice = FILE
    model.refuse(QualityError("every cell is missing", "sst.nc", "choose all observations"))
    assert model.choice == SourceChoice()
    assert model.graded == FILE
    assert "sst.nc" in text.grading(model.opened, model.refused)
    model.quality = "all"
    model.choose_quality()
    assert model.choice == replace(FILE, quality="all")
    assert model.quality == "all"
    model.refuse(DataError("the file is gone", "sst.nc", "open it again"))
    assert (model.choice, model.graded, model.quality) == (SourceChoice(), None, "good")


# ---------------------------------------------------------------- text


def test_texts() -> None:
    assert text.date("2004-07-06") == "6 July 2004"
    assert text.date("2004-07-01", "month") == "July 2004"
    rows = dict(text.source_rows(opened_source()))
    assert rows["Span"] == "1 January 2001 to 31 March 2001"
    assert rows["One day"] == "0.247 MB"
    assert text.cost(ReadCost(31, 2**20, 2**20, 0.2)) == (
        "31 days: 1 MB to read, less than a second, at most 1 MB in memory at once."
    )
    assert "about 1 min 15 s" in text.cost(ReadCost(31, 2**20, 2**20, 75.0))
    nothing = PointSeries(10.5, -30.5, ("2001-01-01",), np.array([np.nan], np.float32), None)
    assert text.series_sentence(nothing, "day", SST).startswith("No observations at 10.5° N 30.5° W")
    observed_once = replace(nothing, observed=np.array([4.0], np.float32))
    assert text.series_sentence(observed_once, "day", SST).startswith("1 of 1 days observed at 10.5° N 30.5° W")


def test_file_names_hold_no_path() -> None:
    choice = SourceChoice("path", path="/data/../x/evil name.nc")
    assert text.file_stem(choice, "observed", "2001-01-01", SST) == "sst-observed-2001-01-01"
    assert text.file_stem(SourceChoice(), "mean", "2001-01", SST) == "demo-1deg-seed0-mean-2001-01"


# ---------------------------------------------------------------- parts


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HARMONIA_UPLOAD_MB", "1")
    (tmp_path / "data" / "more").mkdir(parents=True)
    (tmp_path / "data" / "sst.nc").write_bytes(b"x" * 1234)
    return tmp_path


def recorder() -> tuple[list[Any], Callable[[Any], None]]:
    calls: list[Any] = []
    return calls, calls.append


def test_the_browser_of_files_goes_in_and_up_and_chooses(home: Path) -> None:
    chosen, choose = recorder()
    failed, fail = recorder()
    browser = FileBrowser(choose, fail)
    assert [entry["path"] for entry in browser.entries] == [str(home / "data")]
    assert not browser.can_go_up
    browser.requests = [{"action": "folder", "path": str(home / "data"), "serial": 1}]
    assert [(entry["name"], entry["is_data"], entry["detail"]) for entry in browser.entries] == [
        ("more", False, ""),
        ("sst.nc", True, "0.00123 MB"),
    ]
    browser.requests = [{"action": "folder", "path": str(home / "data" / "more"), "serial": 2}]
    assert browser.entries == []
    assert "nothing to open" in browser.remark
    assert browser.parent_folder == str(home / "data")
    browser.requests = [{"action": "folder", "path": str(home), "serial": 3}]
    assert isinstance(failed.pop(), DataError)
    assert browser.folder == str(home / "data" / "more")
    browser.requests = [{"action": "data", "path": str(home / "data" / "sst.nc"), "serial": 4}]
    assert chosen == [str(home / "data" / "sst.nc")]


def test_without_folders_the_browser_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_DATA", str(home / "none"))
    browser = FileBrowser(print, print)
    assert browser.entries == []
    assert "HARMONIA_DATA" in browser.remark


def send(field: UploadField, content: bytes, name: str = "sst.nc", size: int | None = None, serial: int = 1) -> None:
    for start in range(0, len(content), 5):
        part = content[start : start + 5]
        field.chunk = {
            "serial": serial, "name": name, "size": size or len(content), "offset": start, "content": part,
        }  # fmt: skip


def test_an_upload_arrives_chunk_by_chunk(home: Path) -> None:
    done, take = recorder()
    field = UploadField(take, print)
    assert field.limit_mb == 1
    send(field, b"twelve bytes")
    assert field.reply == {"serial": 1, "received": 12, "is_over": True}
    assert ocean_uploads.uploaded(done[0]).read_bytes() == b"twelve bytes"


def test_a_tab_holds_the_upload_it_looks_at_and_lets_it_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_UPLOADS_KEPT_MB", "0.0000115")  # 11 bytes
    done, take = recorder()
    field = UploadField(take, print)
    send(field, b"first")
    session = Session()
    session.source = SourceChoice("upload", path=done[0])
    send(field, b"second", serial=2)
    assert ocean_uploads.uploaded(done[0])
    session.source = SourceChoice()
    send(field, b"third third", serial=3)
    with pytest.raises(DataError, match="no such upload"):
        ocean_uploads.uploaded(done[0])
    session.source = SourceChoice("upload", path=done[2])
    session.release()
    send(field, b"fourth time", serial=4)
    session.source = SourceChoice("upload", path=done[2])  # gone: whoever opens it says so
    assert [name.split("/")[0] for name in done[3:]] == [entry.name for entry in (home / "home" / "uploads").iterdir()]


def test_an_upload_that_is_too_large_or_stopped_leaves_nothing(home: Path) -> None:
    done, take = recorder()
    failed, fail = recorder()
    field = UploadField(take, fail)
    send(field, b"x" * 4, size=2_000_000)
    assert "the limit is 1" in str(failed[0])
    assert field.reply == {"serial": 1, "is_over": True}
    send(field, b"x" * 9, size=100, serial=2)
    assert field.reply == {"serial": 2, "received": 9, "is_over": False}
    field.chunk = {"serial": 2, "stop": True}
    # a chunk that was on its way when it was stopped
    field.chunk = {"serial": 2, "name": "sst.nc", "size": 100, "offset": 9, "content": b"late"}
    assert done == []
    assert list((home / "home" / "uploads").iterdir()) == []


# --- the pin ----------------------------------------------------------------------------------------------------------


def test_a_click_outside_the_region_leaves_pin_and_text_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sea = np.zeros((4, 6), bool)
    sea[0, 0] = True  # land
    region = SimpleNamespace(grid=LatLonGrid(np.arange(35.0, 39.0), np.arange(-2.0, 4.0)), land=sea)
    monkeypatch.setattr(places, "source", lambda _: region)
    held = held_tasks()
    for module in (data_view, tabs):
        monkeypatch.setattr(module, "LatestTask", held)
    sentences: list[str] = []
    session = Session()
    session.say = lambda severity, sentence: sentences.append(sentence)
    page = data_view.DataView(session, DataModel({}))
    page._take(opened_source(shape=(4, 6)))
    assert page.model.place == (38.0, -2.0), "the sea nearest to the place that a page begins with"
    for globe in (page.stage.globe, page.stage.flat):
        globe.clicked = {"lat": 61.0, "lon": -150.0, "value": None, "serial": 1}
        assert page.model.place == (38.0, -2.0)
        assert page.stage.globe.markers == [{"lat": 38.0, "lon": -2.0}]
    assert sentences == ["This place lies outside the region of the source."] * 2
    page.stage.globe.clicked = {"lat": 36.2, "lon": 1.4, "value": None, "serial": 2}
    assert page.model.place == (36.2, 1.4)


def test_a_failure_leaves_after_a_later_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_view, "LatestTask", held_tasks())
    page = data_view.DataView(Session(), DataModel({}))
    page._show_failure(DataError("the file ends too early", "sst.nc", "fetch it again"))
    assert page.stage._failure.visible
    page.model.place = (10.0, 20.0)
    assert not page.stage._failure.visible


def test_quick_reads_are_finished_while_a_day_is_dragged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day that is read is drawn, and the day on which the drag ends; a failure leads on to it too."""
    held = held_tasks()
    for module in (data_view, tabs):
        monkeypatch.setattr(module, "LatestTask", held)
    page = data_view.DataView(Session(), DataModel({}))
    read: list[int] = []

    def draw(_: SourceSummary, request: data_view.MapRequest, report: object) -> data_view.DrawnMap:
        read.append(request.choice.day)
        coords = {"lat": np.arange(2.0), "lon": np.arange(3.0)}
        field = xr.DataArray(np.zeros((2, 3), np.float32), coords, ("lat", "lon"), "observed", {"units": "°C"})
        return data_view.DrawnMap(field, None, (0.0, 1.0))

    monkeypatch.setattr(data_view, "read_map", draw)
    monkeypatch.setattr(page, "_after_rest", lambda: None)
    page._rest = SimpleNamespace(soon=lambda: None)  # type: ignore[assignment]
    page.model.take(opened_source())
    page._draw()
    for day in range(1, 10):
        page.model.day = day
    assert page._reading.running
    page._reading.finish()
    assert read == [0], "the first read was not dropped"
    assert (page._bar.drawn, page._stem[-10:]) == (0, "2001-01-01"), "the name is that of the day on the map"
    assert not page.stage.is_veiled, "while days are dragged, the bar marks the one on the map"
    page.model.day = 10
    page._reading.finish()
    assert read == [0, 9]
    page.model.day = 20
    page._reading.finish(DataError("this day is damaged", "sst.nc", "fetch it again"))
    page._reading.finish()
    assert read == [0, 9, 20]
    assert not page._reading.running
    # another source does not wait for a day of the one before
    page.model.day = 21
    page.model.take(opened_source(SourceChoice(seed=1), key="other"))
    page._draw()
    page._reading.finish()
    assert page._request_drawn is not None
    assert page._request_drawn.key == "other"
    assert not page._reading.running
    # what is of another layer than the selected one is veiled until that one is there
    page.model.layer = "truth"
    assert page.stage.is_veiled
    page._reading.finish(DataError("this day is damaged", "sst.nc", "fetch it again"))
    assert page.stage.is_veiled
    page.model.layer = "observed"
    assert not page.stage.is_veiled


def test_the_series_of_an_earlier_place_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (data_view, tabs):
        monkeypatch.setattr(module, "LatestTask", held_tasks())
    sentences: list[str] = []
    session = Session()
    session.say = lambda severity, sentence: sentences.append(sentence)
    page = data_view.DataView(session, DataModel({}))
    source = opened_source()
    page.model.take(source)
    offered: list[str] = []
    page.stage.offer = lambda name, make: offered.append(name)  # type: ignore[method-assign]
    monkeypatch.setattr(data_view.ocean, "source", lambda _: SimpleNamespace(variable=SST))
    page.panel.series = page.panel.wanted_series(source), SimpleNamespace(lat=40.5, lon=-60.5)  # type: ignore[assignment]
    page._offer_series()
    assert len(offered) == 1
    page.model.place = (10.0, -30.0)
    page._offer_series()
    assert (len(offered), len(sentences)) == (1, 1)
    assert "Place" in sentences[0]


def test_nothing_is_read_off_the_map_of_the_source_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the first map of another source is drawn, the one on screen lies on another grid."""
    monkeypatch.setattr(data_view, "LatestTask", held_tasks())
    page = data_view.DataView(Session(), DataModel({}))
    page.model.take(opened_source())
    coords = {"lat": np.arange(2.0), "lon": np.arange(3.0)}
    field = xr.DataArray(np.zeros((2, 3), np.float32), coords, ("lat", "lon"), "observed", {"units": "°C"})
    page._map = data_view.DrawnMap(field, None, (0.0, 1.0))
    page._request_drawn = page._request(opened_source())
    shown: list[SourceSummary] = []
    page.panel.show = lambda source, *_: shown.append(source)  # type: ignore[method-assign]
    other = opened_source(SourceChoice(seed=1), key="other")
    page.model.take(other)
    page._after_rest()
    assert shown == []


def test_places_of_a_grid_over_the_date_line(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = LatLonGrid(np.arange(-5.0, 6.0), np.arange(175.0, 186.0))
    monkeypatch.setattr(places, "source", lambda _: SimpleNamespace(grid=grid, land=np.zeros(grid.shape, bool)))
    choice = SourceChoice()
    assert all(
        places.is_covered(choice, place) for place in ((0.0, 179.0), (0.0, -179.0), (5.4, -174.6), (-5.4, 174.6))
    )
    assert not any(places.is_covered(choice, place) for place in ((0.0, 170.0), (0.0, -170.0), (6.0, 180.0)))
    assert places.covered_place(choice, (0.0, -160.0)) == (0.0, -175.0)
    assert places.covered_place(choice, (0.2, -179.3)) == (0.2, -179.3)
