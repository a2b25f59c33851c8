"""What every page with a globe has: the globe and its flat map, one camera with the address, the read-out, the progress
of work that can be abandoned, a place for failures, and files to hand over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import panel_material_ui as pmui

from explorer import layout
from explorer.layout import box, show
from explorer.page_model import PageModel
from explorer.session import Session
from explorer.widgets import controls
from explorer.widgets.captions import caption_pane, captions_html
from explorer.widgets.download import Download
from explorer.widgets.globe import Globe
from explorer.widgets.readout import ColorScale, HoverReadout
from explorer.widgets.text import facts, html, progress, sentence

_ONE_LINE = "p { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 12px }"


class Stage:
    """The parts stand ready in ``parts`` (the stage), ``flat`` (for the plots) and ``read`` (the read-out).

    ``what`` says what is shown, for a screen reader. ``cancel`` is called when the person abandons the work whose
    progress is shown. ``cards`` stand in a row of their own below the globe, which gives way to those that are there.
    """

    def __init__(
        self,
        session: Session,
        model: PageModel,
        what: str,
        cancel: Callable[[], None],
        cards: tuple[Any, ...] = (),
        **globe: Any,
    ) -> None:
        self._session = session
        self._model = model
        group = type(model).__name__
        common: dict[str, Any] = {"group": group, "dark": session.dark, "margin": 0, **globe}
        self.globe = Globe(
            label=f"Globe with {what}", sizing_mode="stretch_both", styles={"grid-area": "1 / 1"}, **common
        )
        self.flat = Globe(
            label=f"Flat map with {what}",
            leader=group,
            projection="equal_earth",
            sizing_mode="stretch_width",
            height=150,
            css_classes=["flat", "drawing"],
            **common,
        )
        self.bar = ColorScale(group=group, margin=0, width=200, height=52, visible=False)
        self.hover = HoverReadout(group=group, margin=0, height=44, width=230)
        self.captions = caption_pane()
        self.facts = html("")
        self.download = Download()
        self._failure = pmui.Alert(severity="error", variant="outlined", closeable=True, visible=False, margin=(8, 12))
        self._failure.param.watch(lambda event: event.new and self.clear_failure(), "closed")
        self._progress = html("", _ONE_LINE)
        button = controls.button("Cancel", on_click=lambda _: cancel())
        self._waiting = box(self._progress, button, css=layout.PASSING, styles={"display": "none"})
        self.parts = [self._failure, self.globe, self.captions, self._waiting, *cards, self.download]
        self.read = [self.bar, self.hover, self.facts]
        self._link()

    def _link(self) -> None:
        for globe in (self.globe, self.flat):
            self._session.param.watch(partial(_follow, globe, "dark"), "dark")
        self._model.param.watch(partial(_follow, self.globe, "projection"), "projection")
        self._model.param.watch(lambda _: self._turn(), "camera")
        self.globe.param.watch(lambda *_: self._note_camera(), ["center_lat", "center_lon", "zoom"])
        self.globe.projection = self._model.projection  # pyright: ignore[reportAttributeAccessIssue]
        self._turn()

    def _turn(self) -> None:
        lat, lon, zoom = self._model.camera
        self.globe.param.update(center_lat=lat, center_lon=lon, zoom=zoom)

    def _note_camera(self) -> None:
        self._model.camera = (self.globe.center_lat, self.globe.center_lon, self.globe.zoom)

    def on_click(self, pick: Callable[[float, float], None]) -> None:
        """Call ``pick(lat, lon)`` after a click on globe or map."""
        for globe in (self.globe, self.flat):
            globe.param.watch(lambda event: pick(event.new["lat"], event.new["lon"]), "clicked")

    def scale(self, colormap: bytes, low: float, high: float, label: str, units: str) -> None:
        """What the colours mean, in the read-out."""
        self.bar.param.update(colormap=colormap, vmin=low, vmax=high, label=label, units=units, visible=True)
        self.hover.param.update(span=high - low, units=units)

    def save_picture(self, stem: str, title: str = "") -> None:
        """Let the person save the globe as it is under ``stem``; without a ``title``, what the colours show is one."""
        bar = self.bar
        self.globe.save_png(f"{stem}.png", f"{title or bar.label} — Harmonia", bar.label, bar.units, names=bar.names)

    def caption(self, *said: str) -> None:
        """What lies left and right of the globe's divider; nothing where there is none."""
        self.captions.object = captions_html(*said)

    def say_facts(self, pairs: list[tuple[str, str, str]]) -> None:
        """Labelled values at the end of the read-out."""
        self.facts.object = facts(pairs)

    def show_progress(self, share: float | None, text: str) -> None:
        """How far the work is; None when there is none."""
        self._session.busy = share is not None
        show(self._waiting, share is not None)
        if share is not None:
            self._progress.object = progress(share, text)

    def show_failure(self, title: str, error: Exception | str) -> None:
        """A sentence over the globe: what, where, remedy. The person may close it."""
        # as HTML it is taken as it is; as Markdown the name of a file would become a link
        said = f"<div>{escape(sentence(str(error)))}</div>"
        self._failure.param.update(title=title, object=said, closed=False, visible=True)

    def clear_failure(self) -> None:
        """Take the sentence away."""
        self._failure.visible = False


def _follow(target: Any, name: str, event: Any) -> None:
    target.param.update(**{name: event.new})
