"""The panel beside the globe: a row of tabs, a text, and the figures and tables of the open tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from explorer.background import LatestTask, unseen
from explorer.layout import box, fill, tiles
from explorer.page_model import PageModel
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.text import html, paragraphs
from explorer.widgets.veil import VEIL, veil

_MAX_ROW = 36  # characters of labels that fit in a row at the smallest width

#: The key of a tab, its label, and the function that fills the panel when the tab is open.
Tabs = Mapping[str, tuple[str, Callable[..., None]]]


class TabbedPanel:
    """One tab at a time. ``parts`` go beside the globe; ``figures`` keeps the tabs' figures; ``task`` is their work
    off the event loop, which a newer call of :meth:`show` cancels.

    ``parameter`` names the model's parameter that holds the key of the open tab; ``css`` styles the body.
    """

    def __init__(
        self,
        model: PageModel,
        tabs: Tabs,
        on_error: Callable[[Exception], None],
        *,
        parameter: str = "panel",
        on_progress: Callable[[float | None, str], None] = unseen,
        css: str = "",
    ) -> None:
        self._page = model
        self._tabs = tabs
        self._parameter = parameter
        self.figures = Figures()
        self.task = LatestTask(on_progress, on_error)
        self.text = html("", VEIL)
        self.body = box(css=f"{css} {VEIL}")
        labels = {label: key for key, (label, _) in tabs.items()}
        options = {"sx": tiles()} if sum(map(len, labels)) > _MAX_ROW else {}
        self.segments = controls.segments(model.param[parameter], labels, **options)
        self.parts: tuple[Any, ...] = (self.segments, self.text, self.body)

    def show(self, *content: Any) -> None:
        """Fill the open tab with ``content``, the arguments of the tab's function."""
        self.task.cancel()
        self._tabs[getattr(self._page, self._parameter)][1](*content)

    def veil(self, wanted: bool) -> None:
        """Veil text and body, which are of an earlier choice, or remove the veil."""
        for part in (self.text, self.body):
            veil(part, wanted)

    def say(self, *sentences: str | tuple[str, bool]) -> None:
        """The text above the body: sentences, or pairs of a sentence and whether it is a caution."""
        self.text.object = paragraphs((item, False) if isinstance(item, str) else item for item in sentences)

    def say_only(self, *sentences: str | tuple[str, bool]) -> None:
        """A text, and nothing below it."""
        self.say(*sentences)
        fill(self.body)
