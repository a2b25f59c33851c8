"""The quality of a training's observations: chosen with the source on Data, kept by Train's form, never lost."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runs import RunConfig
from explorer.pages.train import form_fields as fields
from explorer.pages.train.model import NEW, TrainModel


def drafted(**source: Any) -> TrainModel:
    model = TrainModel({"face": NEW, "task": "sst"})
    values = {"task": "sst", "source": {"kind": "file", "path": "sst/*.nc", **source}}
    model.take(RunConfig.checked({"settings": values}))
    return model


@pytest.mark.parametrize("task", ["sst", "sweep"])
def test_the_form_has_no_row_for_what_the_source_brings_along(task: str) -> None:
    model = drafted(quality="all")
    model.set_task(task)
    names = [row["name"].removeprefix("trial.") for row in fields.form_rows(model)]
    assert not [name for name in names if name.startswith("source.")]


@pytest.mark.parametrize("quality", ["good", "all", 0, 4])
def test_the_quality_of_a_configuration_stays_through_changes_and_the_address(quality: str | int) -> None:
    model = drafted(quality=quality)
    fields.change(model, "epochs", "3")
    assert model.checked().settings.source.quality == quality  # type: ignore[union-attr]
    again = TrainModel(model.address)
    assert again.checked() == model.checked()


def test_a_sweep_takes_the_quality_along() -> None:
    model = drafted(quality="all")
    model.set_task("sweep")
    assert model.checked().settings.trial.source.quality == "all"  # type: ignore[union-attr]


def test_a_wrong_quality_of_an_address_is_reported() -> None:
    model = TrainModel({"task": "sst", "set": '{"source.kind":"file","source.path":"a.nc","source.quality":"best"}'})
    assert "should be 'good', 'all', or the number of a level" in model.problems()["source.quality"]
