"""Stories: the built-in one opens as it is written, and a bad file is refused in a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import DataError
from explorer.app import Shell
from explorer.pages.basis.model import BasisModel
from explorer.pages.data.model import DataModel
from explorer.pages.embeddings.model import EmbeddingsModel
from explorer.pages.reconstruct.model import ReconstructModel
from explorer.session import Session
from explorer.story import read_story, tour

MODELS: dict[str, Any] = {
    "basis": BasisModel, "data": DataModel, "embeddings": EmbeddingsModel, "reconstruct": ReconstructModel,
}  # fmt: skip
STEP = {"title": "A", "address": "?page=basis&l=3"}


@pytest.mark.parametrize("step", tour().steps, ids=lambda step: step.title)
def test_each_step_opens_as_it_is_written(step: Any) -> None:
    query = step.query
    model = MODELS[query.pop("page")](query)
    assert model.notes == []
    waiting = {"day", "month"}  # of the address until the source is open
    assert {key: model.address.get(key) for key in query if key not in waiting} == {
        key: value for key, value in query.items() if key not in waiting
    }
    assert step.text
    assert step.task


def test_the_built_in_story_has_eight_steps() -> None:
    assert len(tour().steps) == 8


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "no story"),
        ({"title": "T", "steps": []}, "steps"),
        ({"title": "T", "steps": [{**STEP, "address": "https://elsewhere"}]}, "steps → 1 → address"),
        ({"title": "T", "steps": [STEP, {**STEP, "colour": "red"}]}, "steps → 2 → colour"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(content: Any, part: str) -> None:
    with pytest.raises(DataError, match=part):
        read_story(content if isinstance(content, str) else json.dumps(content))


def test_a_page_is_built_ahead_behind_the_one_on_screen() -> None:
    shell = Shell(Session())
    shell.go("home", {})
    shell.prepare("?page=basis&l=4&m=2")
    assert shell._frames["basis"].styles["display"] == "none"
    assert shell._frames["home"].styles["display"] == ""
    assert shell.session.page == "home"
    built = shell._views["basis"]
    assert built.model.degree == 4
    shell.prepare("?page=basis&l=5")
    shell.prepare("?page=nowhere")
    assert shell._views["basis"] is built
    assert built.model.degree == 4
    shell.visit({"page": "basis", "l": "4", "m": "2"})
    assert shell._frames["basis"].styles["display"] == ""


def test_a_file_replaces_the_story() -> None:
    shell = Shell(Session())
    shell._story.opened = json.dumps({"title": "Mine", "steps": [STEP]})
    assert shell._story.story["title"] == "Mine"
    with pytest.raises(DataError):
        shell._story.opened = "[]"
    assert shell._story.story["title"] == "Mine"
