"""The quality of observations in the Train form: good or all; a level of a configuration's file is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runs import RunConfig
from explorer.pages.train import form_fields as fields
from explorer.pages.train.model import NEW, TrainModel

NAME = "source.quality"


def drafted(**source: Any) -> TrainModel:
    model = TrainModel({"face": NEW, "task": "sst"})
    values = {"task": "sst", "source": {"kind": "file", "path": "sst/*.nc", **source}}
    model.take(RunConfig.checked({"settings": values}))
    return model


def offered(model: TrainModel, name: str = NAME) -> tuple[str, dict[str, bool]]:
    """What is chosen, and what may be."""
    row = next(row for row in fields.form_rows(model) if row["name"] == name)
    assert row["kind"] == "choice"
    assert not row["problem"]
    return row["text"], {option["text"]: option["is_legal"] for option in row["options"]}


def test_good_and_all_are_offered_for_files_only() -> None:
    model = TrainModel({"task": "sst"})
    assert not [row for row in fields.form_rows(model) if row["name"] == NAME]
    model = drafted()
    assert offered(model) == ("good", {"good": True, "all": True})
    fields.change(model, NAME, "all")
    assert model.checked().settings.source.quality == "all"  # type: ignore[union-attr]
    assert TrainModel(model.address).values == model.values


def test_a_source_that_was_just_chosen_shows_what_holds() -> None:
    model = TrainModel({"task": "sst"})
    fields.change(model, "source.kind", "file")
    fields.change(model, "source.path", "sst/*.nc")
    assert offered(model) == ("good", {"good": True, "all": True})
    assert model.checked().settings.source.quality == "good"  # type: ignore[union-attr]


@pytest.mark.parametrize("level", [0, 4])
def test_a_level_is_shown_and_stays(level: int) -> None:
    model = drafted(quality=level)
    assert offered(model) == (str(level), {"good": True, "all": True, str(level): True})
    fields.change(model, NAME, str(level))
    fields.change(model, "epochs", "3")
    assert model.checked().settings.source.quality == level  # type: ignore[union-attr]
    again = TrainModel(model.address)
    assert again.checked() == model.checked()
    fields.change(model, NAME, "good")
    assert model.checked().settings.source.quality == "good"  # type: ignore[union-attr]


def test_a_sweep_takes_the_quality_along() -> None:
    model = drafted(quality="all")
    fields.change(model, "task", "sweep")
    assert offered(model, "trial.source.quality") == ("all", {"good": True, "all": True})
    assert model.checked().settings.trial.source.quality == "all"  # type: ignore[union-attr]


def test_a_wrong_quality_of_an_address_is_reported_and_not_offered() -> None:
    model = TrainModel({"task": "sst", "set": '{"source.kind":"file","source.path":"a.nc","source.quality":"best"}'})
    row = next(row for row in fields.form_rows(model) if row["name"] == NAME)
    assert "should be 'good', 'all', or the number of a level" in row["problem"]
    assert [option["text"] for option in row["options"]] == ["good", "all"]
