"""Stories: a few steps, each a view of the app with words, in a small JSON file that anybody can write."""

from __future__ import annotations

from functools import cache
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from engine.assets import asset
from engine.errors import DataError

MOST_STEPS = 50
Paragraph = Annotated[str, StringConstraints(max_length=2000)]


class Step(BaseModel):
    """One view: its address in this app, what is to be seen there, one thing to try, and notes for the speaker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    text: Paragraph = ""
    task: Paragraph = ""
    note: Paragraph = ""
    address: Annotated[str, StringConstraints(pattern=r"^\?page=[a-z]+(&|$)", max_length=4000)]

    @property
    def query(self) -> dict[str, str]:
        """The keys of the address."""
        return dict(parse_qsl(self.address.removeprefix("?")))


class Story(BaseModel):
    """Steps in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MOST_STEPS)]


def read_story(text: str) -> Story:
    """The story in a file.

    Raises:
        DataError: it is none, with the first thing that is wrong.
    """
    try:
        return Story.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = " → ".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        raise DataError(
            f"this file is no story: {first['msg'][:1].lower()}{first['msg'][1:]}",
            where or "its beginning",
            "save a story from the app, and change that one",
        ) from error


@cache
def tour() -> Story:
    """The story that comes along."""
    return read_story(asset("stories/tour.json").read_text(encoding="utf-8"))
