"""“Understood as” on the page Data: what the file offers, decisions, and the buttons that mend a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError
from engine.queries import ocean
from engine.queries.ocean import SourceChoice
from explorer.pages.data import points as points_panel
from explorer.pages.data import text
from explorer.pages.data.model import DataModel
from explorer.pages.data.points import PointsPanel
from tests.support.held_tasks import held_tasks
from tests.support.people_files import sea, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARMONIA_DATA", str(tmp_path))
    return tmp_path


def test_a_refused_file_can_be_mended(folder: Path) -> None:
    write(folder / "a.nc", sea(3) + 273.15, [0.0, 1.0, 2.0], "degC")
    model = DataModel({"src": "path", "path": "a.nc"})
    assert model.subject is None
    with pytest.raises(EngineError) as error:
        ocean.open_source(model.choice)
    model.refuse(error.value)
    assert model.choice == SourceChoice()
    assert model.subject == SourceChoice("path", path="a.nc")
    assert [ocean.decision_text(name, value) for name, values in model.mends.items() for value in values] == [
        "The unit is kelvin"
    ]
    model.take(ocean.open_source(model.choice))  # the demo ocean, in place of it
    assert model.subject == SourceChoice("path", path="a.nc")
    model.choice = ocean.decided(SourceChoice("path", path="a.nc"), "unit", "kelvin")
    model.take(ocean.open_source(model.choice))
    assert (model.unread, model.mends) == (None, {})
    assert model.address["read"] == "unit=kelvin"
    assert DataModel(model.address).choice == model.choice
    # the same file again keeps what was decided
    assert model.choose_file("path", "a.nc").overrules == model.choice.overrules
    assert model.choose_file("path", "b.nc").overrules == ocean.Overrules()


def test_the_choices_begin_with_what_the_file_says(folder: Path) -> None:
    write(folder / "a.nc", sea(3) + 273.15, [0.0, 1.0, 2.0], "K")
    choice = SourceChoice("path", path="a.nc")
    opened, points = ocean.open_source(choice), ocean.file_points(choice)
    for name in text.POINTS:
        if name != "fill":
            choices = text.point_choices(name, points, opened, choice)
            first = next(iter(choices))
            assert first.startswith("By the file: ")
            assert choices[first] == ""
            assert all(len(label) <= 60 for label in choices)
            assert len(choices) > 1
    assert next(iter(text.point_choices("kind", points, opened, choice))) == "By the file: Sea-surface temperature"
    assert "By the file: kelvin, converted to °C" in text.point_choices("unit", points, opened, choice)


def test_an_address_of_nonsense_is_said() -> None:
    model = DataModel({"src": "path", "path": "a.nc", "read": "step=weeks"})
    assert model.choice.overrules == ocean.Overrules()
    assert model.notes == ["read=step=weeks in the address is not a choice here"]


def test_the_controls_follow_the_file_and_decide(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controls as they are built, with choices that come after them, and then change with the file."""
    write(folder / "a.nc", sea(3) + 273.15, [0.0, 1.0, 2.0], "degC")
    model = DataModel({"src": "path", "path": "a.nc"})
    chosen: list[SourceChoice] = []

    def read_at_once(panel: PointsPanel) -> None:  # without the event loop of a session
        if panel.model.subject is not None:
            panel._take(ocean.file_points(panel.model.subject))  # pyright: ignore

    monkeypatch.setattr(PointsPanel, "_read", read_at_once)
    panel = PointsPanel(model, chosen.append)
    with pytest.raises(EngineError) as error:
        ocean.open_source(model.choice)
    model.refuse(error.value)
    assert panel.part.visible
    subject = SourceChoice("path", path="a.nc")
    points = panel.part[2 : 2 + len(text.POINTS)]
    assert [control.label for control in points] == list(text.POINTS.values())
    # the browser holds the label of what is chosen, which may change while the choice stays
    calendar, fill = (points[list(text.POINTS).index(name)] for name in ("calendar", "fill"))
    shown = calendar.get_root()
    assert shown.data.value == "By the file"
    assert [button.label for button in panel.part[1]] == ["The unit is kelvin"]
    panel.part[1][0].clicks += 1
    assert chosen == [ocean.decided(subject, "unit", "kelvin")]
    unit = panel.part[2 + list(text.POINTS).index("unit")]
    unit.value = "fahrenheit"
    assert chosen[-1] == ocean.decided(subject, "unit", "fahrenheit")
    model.choice = chosen[0]
    model.take(ocean.open_source(chosen[0]))
    assert unit.value == "kelvin"
    assert len(chosen) == 2
    assert next(iter(calendar.options)) == "By the file: standard"
    assert shown.data.value == "By the file: standard"
    assert fill.helper_text.startswith("By the file: ")
    unit.value = ""
    assert chosen[-1] == subject


def test_a_file_that_is_no_data_has_nothing_to_decide_and_is_not_mistaken_for_the_source_in_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points_panel, "LatestTask", held_tasks())
    (folder / "notes.nc").write_text("no data")
    model = DataModel({})
    model.take(ocean.open_source(model.choice))
    assert (model.why_not_used, model.why_not_trained) == ("", "")
    model.choice = SourceChoice("path", path="notes.nc")
    panel = PointsPanel(model, lambda _: None)
    with pytest.raises(EngineError) as error:
        ocean.open_source(model.choice)
    model.refuse(error.value)
    reading: Any = panel._reading
    reading.finish()  # it fails
    assert not panel.part.visible
    assert "not open" in model.why_not_used
    assert "Demo ocean" in model.why_not_used
    model.param.update(unread=None)
    assert model.why_not_used == ""
