"""The card of a story over the page: words, one thing to try, back and next; and the editor of its steps."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import param
from pydantic import Field

from explorer.widgets.component import Component, code_beside


class StoryCard(Component):
    """A link to ``#story`` starts or resumes it; PageDown and PageUp, as a presenter's remote sends, go on and back.

    Where one is, and a story of one's own, stay in the browser. ``prepare`` asks the server to build the next step's
    page ahead, ``opened`` is the text of a file, which the server checks before ``story`` holds it.
    """

    story = param.Dict(default={}, doc="title and steps, as explorer.story has them")
    prepare = param.String(doc="set by the browser: the query of the next step")
    opened = param.String(doc="set by the browser: the text of a file of a story")

    from_browser: ClassVar[dict[str, Any]] = {
        "prepare": Annotated[str, Field(max_length=4000)],
        "opened": Annotated[str, Field(max_length=500_000)],
    }

    _esm = code_beside(__file__)
