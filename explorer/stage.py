"""The parts of every page with a globe: globe and flat map, read-out, progress with a cancel button, errors, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import panel_material_ui as pmui

from engine.provenance import Provenance
from explorer import layout
from explorer.background import LatestTask
from explorer.layout import box, show
from explorer.page_model import PageModel
from explorer.session import PageView, Session
from explorer.widgets import controls
from explorer.widgets.captions import caption_pane, captions_html
from explorer.widgets.download import Download
from explorer.widgets.globe import Globe
from explorer.widgets.legend import LegendControl, Scale, ScaleControl
from explorer.widgets.readout import HoverReadout
from explorer.widgets.text import error_text, html, progress, readout_html, sentence
from explorer.widgets.veil import VEIL, veil

CHANGED = "The map changed meanwhile. Export the picture again."
_FILING = "Writing the file"
_ONE_LINE = "p { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 12px }"


def covered_of(masked: str) -> str:
    """What a globe covers where a kind of variable has no values (:attr:`VariableKind.masked`)."""
    return "none" if masked == "neither" else masked


class Stage:
    """The parts for the page: ``parts`` (the stage), ``flat`` (beside the globe) and ``read`` (the read-out).

    ``content`` names what is drawn, for a screen reader. ``cancel`` is called by the button beside the progress bar of
    a result; that of a file, which is shown while no result is computed, ends the file.
    ``cards`` are placed in a row of their own below the globe. Changes to the keys of the address are reported.
    """

    def __init__(
        self,
        session: Session,
        model: PageModel,
        content: str,
        cancel: Callable[[], None],
        cards: tuple[Any, ...] = (),
        **globe: Any,
    ) -> None:
        self._session = session
        self._model = model
        session.say_changed(model.notes)
        group = type(model).__name__
        common: dict[str, Any] = {
            "group": group,
            "dark": session.param.dark,
            "margin": 0,
            "stylesheets": [VEIL],
            **globe,
        }
        self.globe = Globe(
            label=f"Globe with {content}",
            projection=model.param.projection,
            fly=not model.keeps_camera,
            sizing_mode="stretch_both",
            styles={"grid-area": "1 / 1"},
            **common,
        )
        self.flat = Globe(
            label=f"Flat map with {content}",
            leader=group,
            projection="equal_earth",
            sizing_mode="stretch_width",
            height=150,
            css_classes=["flat", "drawing"],
            **common,
        )
        self.bar = ScaleControl(group=group, margin=0, width=200, height=52, visible=False)
        self.colours = LegendControl(model, self.bar, session.say, self._recolour)
        self.hover = HoverReadout(group=group, margin=0, height=44, width=230)
        self.captions = caption_pane()
        self._captions: Sequence[str] = ()
        self.readout = html("", VEIL)
        self.is_veiled = False
        self.download = Download()
        self._failure = pmui.Alert(severity="error", variant="outlined", closeable=True, visible=False, margin=(8, 12))
        self._failure.param.watch(lambda event: event.new and self.clear_failure(), "closed")
        self._progress = html("", _ONE_LINE)
        self._cancel = cancel
        self._progress_of_result: tuple[float, str] | None = None
        self._progress_of_file: tuple[float, str] | None = None
        self.filing = LatestTask(self._show_filing, lambda error: session.say("error", error_text(error)))
        """Makes the files to export."""
        button = controls.button("Cancel", on_click=lambda _: self._abandon())
        self._waiting = box(self._progress, button, css=layout.PASSING, styles={"display": "none"})
        self.parts = [self._failure, self.globe, self.captions, self._waiting, *cards, self.download]
        self.read = [self.bar, self.hover, self.readout]
        model.param.watch(lambda _: self._turn(), "camera")
        model.param.watch(lambda event: self.globe.param.update(fly=not event.new), "keeps_camera")
        self.globe.param.watch(lambda *_: self._note_camera(), ["center_lat", "center_lon", "zoom"])
        self._turn()

    def page_view(
        self,
        drawer: list[Any],
        plots: list[Any],
        files: Mapping[str, Callable[[], None]],
        *,
        parts: list[Any] | None = None,
        read: list[Any] | None = None,
    ) -> PageView:
        """The page: its controls, what goes beside the globe, the files to export (``{label: action}``).

        ``parts`` and ``read`` replace the stage's own.
        """
        actions = [controls.copy_link(self._session.say), controls.export_menu(files)]
        return PageView(drawer, parts or self.parts, plots, read or self.read, actions, self._model)

    def offer(self, name: str, make: Callable[[], bytes]) -> None:
        """Make a file off the event loop, and offer it."""
        self.prepare(make, partial(self.download.offer, name))

    def prepare(self, make: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Make off the event loop what a file needs, then call ``then`` with it; a later file ends an earlier one."""
        self.filing.start(lambda _: make(), then)
        self._show_filing(0.0, _FILING)

    def _turn(self) -> None:
        lat, lon, zoom = self._model.camera
        self.globe.param.update(center_lat=lat, center_lon=lon, zoom=zoom)

    def _note_camera(self) -> None:
        self._model.camera = (self.globe.center_lat, self.globe.center_lon, self.globe.zoom)

    def on_click(self, pick: Callable[[float, float], object]) -> None:
        """Call ``pick(lat, lon)`` after a click on globe or map."""
        for globe in (self.globe, self.flat):
            globe.param.watch(lambda event: pick(event.new["lat"], event.new["lon"]), "clicked")

    def scale(self, scale: Scale) -> dict[str, Any]:
        """Show a colour scale in the read-out; returns ``vmin``, ``vmax`` and ``colormap`` for the globe, which are
        those of the page or those that the person chose on the legend.
        """
        drawn = self.colours.show(scale)
        span = drawn["vmax"] - drawn["vmin"]
        self.hover.param.update(span=span, units=scale.units, logarithmic=scale.logarithmic)
        return drawn

    def veil(self, wanted: bool) -> None:
        """Veil globe, map and read-out, which are of an earlier choice, or remove the veil."""
        self.is_veiled = wanted
        for part in (self.globe, self.flat, self.readout):
            veil(part, wanted)

    def cover(self, masked: str) -> None:
        """Cover the ``land`` or the ``sea`` on globe and map up to the coast, or ``neither``."""
        for globe in (self.globe, self.flat):
            globe.covered = covered_of(masked)

    def _recolour(self, drawn: dict[str, Any]) -> None:
        self.hover.span = drawn["vmax"] - drawn["vmin"]
        self.globe.param.update(**drawn)

    def save_picture(
        self, stem: str, origin: Provenance | None, title: str = "", key: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Offer a picture of the globe as a file, with the ``origin`` of what it shows; the default ``title`` is the
        label of the colour bar. ``key`` is the meaning of the colours, where they are a few classes.
        """
        bar = self.bar
        self.globe.save_png(
            f"{stem}.png",
            f"{title or bar.label} — Harmonia",
            bar.label,
            bar.units,
            [self._captions] if self._captions else (),
            names=bar.names,
            key=key,
            origin=origin,
            colours=self.colours.note,
            logarithmic=bar.logarithmic,
        )

    def caption(self, *captions: str) -> None:
        """The captions left and right of the globe's divider; none without a divider."""
        self._captions = captions
        self.captions.object = captions_html(*captions)

    def show_readout(self, pairs: list[tuple[str, str, str]]) -> None:
        """Labelled values at the end of the read-out."""
        self.readout.object = readout_html(pairs)

    def show_progress(self, fraction: float | None, text: str) -> None:
        """The fraction of the work on a result that is done; None when idle."""
        self._progress_of_result = None if fraction is None else (fraction, text)
        self._renew_progress()

    def _show_filing(self, fraction: float | None, text: str) -> None:
        self._progress_of_file = None if fraction is None else (fraction, text)
        self._renew_progress()

    def _renew_progress(self) -> None:
        shown = self._progress_of_result or self._progress_of_file
        self._session.busy = shown is not None
        show(self._waiting, shown is not None)
        if shown is not None:
            self._progress.object = progress(*shown)

    def _abandon(self) -> None:
        if self._progress_of_result is None:
            self.filing.cancel()
        else:
            self._cancel()

    def show_failure(self, title: str, error: Exception | str) -> None:
        """An error over the globe, which can be closed."""
        # HTML, because Markdown would turn the name of a file into a link
        message = f"<div>{escape(sentence(error if isinstance(error, str) else error_text(error)))}</div>"
        self._failure.param.update(title=title, object=message, closed=False, visible=True)

    def clear_failure(self) -> None:
        """Remove the error."""
        self._failure.visible = False
