"""“Understood as” on the page Data: what the file offers, decisions, and the buttons that mend a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.queries import ocean
from engine.queries.ocean import SourceChoice
from explorer.pages.data import text
from explorer.pages.data.model import DataModel
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
    assert [text.mend(name, value) for name, values in model.mends.items() for value in values] == [
        "The unit is kelvin"
    ]
    model.choice = ocean.decided(model.subject, "unit", "kelvin")
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
    assert "By the file: kelvin, converted to °C" in text.point_choices("unit", points, opened, choice)


def test_an_address_of_nonsense_is_said() -> None:
    model = DataModel({"src": "path", "path": "a.nc", "read": "step=weeks"})
    assert model.choice.overrules == ocean.Overrules()
    assert model.notes == ["read=step=weeks in the address is not a choice here"]
