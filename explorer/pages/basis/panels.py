"""The figures beside the globe: pyramid or mix, latitude profile, spectrum, passport. Only the open one is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.queries import basis
from engine.queries.basis import SeparableField
from explorer.background import LatestTask
from explorer.layout import box, fill
from explorer.pages.basis import text
from explorer.pages.basis.model import HARMONIC, BasisModel
from explorer.plots import basis as figures
from explorer.plots.live import Figures
from explorer.widgets import controls
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.pyramid import Pyramid, pack_tiles
from explorer.widgets.text import html, paragraph, paragraphs, table

_LABELS = {"pyramid": "Pyramid", "profile": "Profile", "spectrum": "Spectrum", "passport": "Passport"}


class Panels:
    """One of four figures at a time, for the function on the globe and the basis it belongs to."""

    def __init__(self, model: BasisModel, on_error: Callable[[Exception], None]) -> None:
        self.model = model
        self.meridian: float | None = None
        """Where the profile runs, degrees east; None: through the function's peak."""
        self._shown: SeparableField | None = None
        self._inspect = LatestTask(self._show_waiting, on_error)
        self._words = html("")
        self._body = box(sizing_mode="stretch_both")
        self._tabs = controls.segments(model.param.panel, _labels(model))
        self.parts = (self._tabs, self._words, self._body)
        self._pyramid = Pyramid(colormap=colormap_bytes("balance"), margin=0, sizing_mode="stretch_width")
        self._pyramid.param.watch(self._pick, "selected")
        self._rows = controls.slider(model.param.pyramid_degree, "Rows to degree")
        self._passport = html("")
        self._figures = Figures()
        self._drawn_pyramid: object = None
        model.param.watch(self._offer, "show")
        model.param.watch(lambda *_: self._shown and self.show(self._shown), ["panel", "pyramid_degree"])

    def _offer(self, _: object) -> None:
        self._tabs.options = _labels(self.model)

    def show(self, shown: SeparableField) -> None:
        """Draw the open panel for this function."""
        self._shown = shown
        name = self.model.panel
        self._inspect.cancel()
        getattr(self, f"_show_{name}")(shown)

    def _pick(self, event: Any) -> None:
        if event.new and event.new != [self.model.degree, self.model.order]:
            self.model.pick(*event.new)

    def _show_pyramid(self, shown: SeparableField) -> None:
        model = self.model
        if model.show == HARMONIC:
            degree = min(model.max_degree, model.pyramid_degree)
            wanted: object = degree
            self._words.object = paragraph(text.pyramid_sentence(degree, model.max_degree))
        else:
            wanted = (model.config, model.component)
            self._words.object = paragraph(text.MAKEUP_SENTENCE)
        if wanted != self._drawn_pyramid:
            self._drawn_pyramid = wanted
            if model.show == HARMONIC:
                self._pyramid.tiles = pack_tiles(basis.harmonic_tiles(degree))
            else:
                self._pyramid.tiles = pack_tiles(basis.loading_tiles(model.config, model.component - 1))
        self._pyramid.selected = [model.degree, model.order] if model.show == HARMONIC else []
        fill(self._body, self._pyramid, *([self._rows] if model.show == HARMONIC else []))

    def _show_profile(self, shown: SeparableField) -> None:
        meridian = shown.peak[1] if self.meridian is None else self.meridian
        lat, value, spread = basis.profile(shown, meridian)
        self._words.object = paragraph(text.profile_sentence(meridian))
        fill(self._body, self._figures.pane("profile", figures.profile, lat, value, spread, shown.limit))

    def _show_spectrum(self, shown: SeparableField) -> None:
        config = self.model.config
        spectrum = basis.spectrum(config)
        self._words.object = paragraphs(text.spectrum_sentences(config, spectrum))
        shown_spectrum = spectrum.eigenvalues, spectrum.plateau, config.num_components, self.model.component
        fill(
            self._body,
            self._figures.pane("spectrum", figures.spectrum, *shown_spectrum),
            self._figures.pane("explained", figures.explained, spectrum.explained, config.num_components),
        )

    def _show_passport(self, shown: SeparableField) -> None:
        config = self.model.config
        fill(self._body, self._passport)
        self._inspect.start(partial(basis.accuracy, config), self._show_answers)

    def _show_waiting(self, share: float | None, text: str) -> None:
        if share is not None:
            self._words.object = paragraph(text)

    def _show_answers(self, passport: Any) -> None:
        self._words.object = paragraphs(text.passport_sentences(passport))
        self._passport.object = table(text.passport_rows(passport))


def _labels(model: BasisModel) -> dict[str, str]:
    return {_LABELS[name] if name != "pyramid" or model.show == HARMONIC else "Mix": name for name in model.panels}
