"""The Data page's rules: whatever is asked, what stands can be shown; and its parts that need no browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataError, QualityError
from engine.queries.ocean import LAYERS, PointSeries, ReadCost, SourceChoice, SourceSummary
from engine.queries.ocean import uploads as ocean_uploads
from explorer.pages.data import text
from explorer.pages.data.model import DataModel, nearest
from explorer.session import Session
from explorer.widgets.files import FileBrowser
from explorer.widgets.upload import UploadField

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


def found(choice: SourceChoice | None = None, **changes: Any) -> SourceSummary:
    choice = choice or SourceChoice()
    days = tuple(np.datetime_as_string(np.datetime64("2001-01-01") + np.arange(90), "D").tolist())
    opened = SourceSummary(
        choice, "Made up", "key", days, "day", (180, 360), "180 × 360", "standard", 30.0, tuple(LAYERS), ("A note.",),
        (), (-2.0, 32.0), 259_200, 1e8,
    )  # fmt: skip
    return replace(opened, **changes)


def assert_legal(model: DataModel) -> None:
    """What the state describes exists."""
    assert model.layer in (model.layers if model.found else LAYERS)
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
    assert model.quality == model.asked_quality


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS), st.integers(1, 40))
def test_any_address_leaves_a_legal_state(query: dict[str, str], num_days: int) -> None:
    model = DataModel(query)
    assert_legal(model)
    model.take(found(model.choice, days=found().days[:num_days], layers=("observed", "gaps", "mean")))
    assert_legal(model)
    assert model.waiting == {}


@given(st.dictionaries(st.sampled_from(KEYS), TEXTS))
def test_an_address_that_was_written_leads_back(query: dict[str, str]) -> None:
    model = DataModel(query)
    model.take(found(model.choice))
    again = DataModel(model.address)
    again.take(found(again.choice))
    assert again.address == model.address
    assert again.notes == []


def test_the_day_of_an_address_waits_for_its_source() -> None:
    model = DataModel({"src": "demo", "seed": "4", "day": "2001-02-03", "layer": "difference", "minus": "2001-01-05"})
    assert model.choice == SourceChoice(seed=4)
    assert (model.address["day"], model.address["minus"]) == ("2001-02-03", "2001-01-05")
    model.take(found(model.choice))
    assert (model.days[model.day], model.days[model.other]) == ("2001-02-03", "2001-01-05")
    assert model.notes == []


def test_a_day_that_is_not_there_becomes_the_nearest_and_is_said() -> None:
    model = DataModel({"day": "2031-02-03"})
    model.take(found())
    assert model.days[model.day] == "2001-03-31"
    assert "2031-02-03 is no day of this source, 2001-03-31 is shown" in model.notes


def test_another_source_keeps_the_day_as_near_as_it_can() -> None:
    model = DataModel({"day": "2001-02-03"})
    model.take(found())
    model.take(found(days=tuple(found().days[::10])))
    assert model.days[model.day] == "2001-02-10"
    assert model.notes == []


def test_a_layer_that_the_source_lacks_is_left() -> None:
    model = DataModel({"layer": "truth"})
    assert model.layer == "truth"
    model.take(found(layers=("observed", "gaps")))
    assert model.layer == "observed"
    model.restore({"layer": "truth"})
    assert model.layer == "observed"


def test_back_to_the_same_source_takes_its_day_at_once() -> None:
    model = DataModel({})
    model.take(found())
    model.restore({"day": "2001-03-01"})
    assert model.days[model.day] == "2001-03-01"
    # of another source the day waits until that is open
    model.restore({"src": "demo", "seed": "5", "day": "2001-01-09"})
    assert model.days[model.day] == "2001-03-01"
    assert model.waiting == {"day": "2001-01-09"}


def test_a_difference_begins_between_two_days() -> None:
    model = DataModel({})
    model.take(found())
    model.layer = "difference"
    assert (model.index, model.other_index) == (0, 30)
    model.layer = "observed"
    model.param.update(day=50, other=50)
    model.layer = "difference"
    assert model.other_index == 20
    # what is asked for is done: by hand, by an address
    model.other = 50
    assert model.other_index == 50
    model.restore({"layer": "difference", "day": "2001-02-03", "minus": "2001-02-03"})
    assert model.index == model.other_index == 33
    model = DataModel({"layer": "difference"})
    model.take(found(unit="month"))
    assert (model.index, model.other_index) == (0, 1)
    model.take(found(days=("2001-01-01",)))
    assert (model.index, model.other_index) == (0, 0)


def test_days_go_round() -> None:
    model = DataModel({"day": "2001-03-31"})
    model.take(found())
    model.step(1)
    assert model.day == 0
    model.step(-1)
    assert model.day == 89


@pytest.mark.parametrize(
    ("iso", "index"), [("1900-01-01", 0), ("2001-01-02", 1), ("2001-01-02x", 2), ("zzz", 89), ("", 0)]
)
def test_the_nearest_day(iso: str, index: int) -> None:
    assert nearest(found().days, iso) == index


# ---------------------------------------------------------------- quality

FILE = SourceChoice("path", path="sst.nc")
KEPT = "kept quality_level ≥ 4: 67% of observations left out"


def test_only_a_source_that_grades_its_observations_offers_a_choice() -> None:
    model = DataModel({})
    model.take(found())
    assert model.graded is None
    model.choice = FILE
    model.take(found(FILE, grading=KEPT))
    assert model.graded == FILE
    assert text.grading(model.found, None) == f"{KEPT[0].upper()}{KEPT[1:]}."


def test_another_quality_is_another_source_and_travels_in_the_address() -> None:
    model = DataModel({"src": "path", "path": "sst.nc"})
    model.take(found(FILE, grading=KEPT))
    assert "quality" not in model.address
    model.quality = "all"
    model.choose_quality()
    assert model.choice == replace(FILE, quality="all")
    assert model.address["quality"] == "all"
    assert DataModel(model.address).choice == model.choice
    # before it is open another thought: the one that is open is asked for again
    model.quality = "good"
    model.choose_quality()
    assert model.choice == FILE


def test_the_same_file_keeps_its_quality_and_another_begins_with_the_good_observations() -> None:
    every = replace(FILE, quality="all")
    model = DataModel({"src": "path", "path": "sst.nc", "quality": "all"})
    model.take(found(every, grading="all observations count"))
    assert model.choose_file("path", "sst.nc") == every
    assert model.choose_file("path", "other.nc").quality == "good"
    assert model.choose_file("upload", "sst.nc").quality == "good"


def test_a_level_is_kept_and_offered_where_it_was_asked_for() -> None:
    model = DataModel({"src": "path", "path": "sst.nc", "quality": "3"})
    assert (model.choice.quality, model.quality, model.notes) == (3, "level", [])
    model.take(found(model.choice, grading="kept quality_level ≥ 3"))
    assert text.qualities(model.graded) == {"Good only": "good", "All": "all", "Level 3": "level"}
    model.choose_quality()
    assert model.choice.quality == 3
    model.quality = "good"
    model.choose_quality()
    assert model.choice == FILE
    assert text.qualities(FILE) == {"Good only": "good", "All": "all"}


@pytest.mark.parametrize("text", ["fine", "-1", "", "1.5", "<script>", "GOOD"])
def test_a_wrong_quality_in_the_address_is_said_and_left(text: str) -> None:
    model = DataModel({"src": "path", "path": "sst.nc", "quality": text})
    assert model.choice == FILE
    assert model.notes == [f"quality={text} in the address is not a choice here"]
    assert "quality" not in model.address


def test_what_was_refused_for_its_quality_can_be_asked_for_with_another() -> None:
    model = DataModel({})
    model.take(found())
    model.choice = FILE
    model.refuse(QualityError("every cell is missing", "sst.nc", "choose all observations"))
    assert model.choice == SourceChoice()
    assert model.graded == FILE
    assert "sst.nc" in text.grading(model.found, model.refused)
    model.quality = "all"
    model.choose_quality()
    assert model.choice == replace(FILE, quality="all")
    assert model.quality == "all"
    model.refuse(DataError("the file is gone", "sst.nc", "open it again"))
    assert (model.choice, model.graded, model.quality) == (SourceChoice(), None, "good")


# ---------------------------------------------------------------- words


def test_words() -> None:
    assert text.date("2004-07-06") == "6 July 2004"
    assert text.date("2004-07-01", "month") == "July 2004"
    rows = dict(text.source_rows(found()))
    assert rows["Span"] == "1 January 2001 to 31 March 2001"
    assert rows["One day"] == "0.247 MB"
    assert text.cost(ReadCost(31, 2**20, 2**20, 0.2)) == (
        "31 days: 1 MB to read, less than a second, at most 1 MB in memory at once."
    )
    assert "about 1 min 15 s" in text.cost(ReadCost(31, 2**20, 2**20, 75.0))
    nothing = PointSeries(10.5, -30.5, ("2001-01-01",), np.array([np.nan], np.float32), None)
    assert text.series_sentence(nothing, "day").startswith("Nothing was seen at 10.5° N 30.5° W")
    seen = replace(nothing, observed=np.array([4.0], np.float32))
    assert text.series_sentence(seen, "day").startswith("1 of 1 days seen at 10.5° N 30.5° W")


def test_file_names_hold_no_path() -> None:
    choice = SourceChoice("path", path="/data/../x/evil name.nc")
    assert text.file_stem(choice, "observed", "2001-01-01") == "sst-observed-2001-01-01"
    assert text.file_stem(SourceChoice(), "mean", "2001-01") == "demo-1deg-seed0-mean-2001-01"


# ---------------------------------------------------------------- parts


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HARMONIA_UPLOAD_MB", "1")
    (tmp_path / "data" / "more").mkdir(parents=True)
    (tmp_path / "data" / "sst.nc").write_bytes(b"x" * 1234)
    return tmp_path


def recorded() -> tuple[list[Any], Callable[[Any], None]]:
    calls: list[Any] = []
    return calls, calls.append


def test_the_browser_of_files_goes_in_and_up_and_chooses(home: Path) -> None:
    chosen, choose = recorded()
    failed, fail = recorded()
    browser = FileBrowser(choose, fail)
    assert [one["path"] for one in browser.entries] == [str(home / "data")]
    assert not browser.can_go_up
    browser.asked = [{"what": "folder", "path": str(home / "data"), "serial": 1}]
    assert [(one["name"], one["is_data"], one["detail"]) for one in browser.entries] == [
        ("more", False, ""),
        ("sst.nc", True, "0.00123 MB"),
    ]
    browser.asked = [{"what": "folder", "path": str(home / "data" / "more"), "serial": 2}]
    assert browser.entries == []
    assert "nothing to open" in browser.remark
    assert browser.parent_folder == str(home / "data")
    browser.asked = [{"what": "folder", "path": str(home), "serial": 3}]
    assert isinstance(failed.pop(), DataError)
    assert browser.folder == str(home / "data" / "more")
    browser.asked = [{"what": "data", "path": str(home / "data" / "sst.nc"), "serial": 4}]
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
    done, take = recorded()
    field = UploadField(take, print)
    assert field.limit_mb == 1
    send(field, b"twelve bytes")
    assert field.reply == {"serial": 1, "received": 12, "is_over": True}
    assert ocean_uploads.uploaded(done[0]).read_bytes() == b"twelve bytes"


def test_a_tab_holds_the_upload_it_looks_at_and_lets_it_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMONIA_UPLOADS_KEPT_MB", "0")
    done, take = recorded()
    field = UploadField(take, print)
    send(field, b"first")
    session = Session()
    session.source = SourceChoice("upload", path=done[0])
    send(field, b"second", serial=2)
    assert ocean_uploads.uploaded(done[0])
    session.source = SourceChoice()
    send(field, b"third", serial=3)
    with pytest.raises(DataError, match="no such upload"):
        ocean_uploads.uploaded(done[0])
    session.source = SourceChoice("upload", path=done[2])
    session.release()
    send(field, b"fourth", serial=4)
    session.source = SourceChoice("upload", path=done[2])  # gone: whoever opens it says so
    assert [name.split("/")[0] for name in done[3:]] == [one.name for one in (home / "home" / "uploads").iterdir()]


def test_an_upload_that_is_too_large_or_stopped_leaves_nothing(home: Path) -> None:
    done, take = recorded()
    failed, fail = recorded()
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
