"""The panel beside the globe: all harmonics or the mix of a component, latitude profile, spectrum, accuracy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.queries import basis
from engine.queries.basis import BasisConfig, SeparableField
from explorer.layout import fill
from explorer.pages.basis import text
from explorer.pages.basis.model import HARMONIC, PANELS, BasisModel
from explorer.plots import basis as figures
from explorer.tabs import TabbedPanel
from explorer.widgets import controls
from explorer.widgets.globe import colormap_bytes
from explorer.widgets.pyramid import Pyramid, pack_tiles
from explorer.widgets.text import html, table


class BasisPanel(TabbedPanel):
    """Figures of the function on the globe and of its basis; ``meridian_deg`` is that of the profile.

    Without ``meridian_deg`` (degrees east) the profile runs through the function's peak.
    """

    def __init__(self, model: BasisModel, on_error: Callable[[Exception], None]) -> None:
        tabs = {
            "pyramid": ("All harmonics", self._show_harmonics),
            "profile": ("Profile", self._show_profile),
            "spectrum": ("Spectrum", self._show_spectrum),
            "passport": ("Accuracy and limits", self._show_accuracy),
        }
        super().__init__(model, tabs, on_error, on_progress=self._show_progress)
        self.body.sizing_mode = "stretch_both"
        self.model = model
        self.meridian_deg: float | None = None
        self._shown: tuple[SeparableField, BasisConfig | None] | None = None
        self._tiles = Pyramid(colormap=colormap_bytes("balance"), margin=0, sizing_mode="stretch_width")
        self._tiles.param.watch(self._pick, "selected")
        self._rows = controls.slider(model.param.pyramid_degree, "Rows to degree")
        self._table = html("")
        self._drawn_tiles: object = None
        model.param.watch(lambda _: self._offer_tabs(), "show")
        model.param.watch(lambda *_: self._shown and self.show(*self._shown), ["panel", "pyramid_degree"])
        self._offer_tabs()

    def _offer_tabs(self) -> None:
        labels = {key: label for key, (label, _) in self._tabs.items()}
        if self.model.show != HARMONIC:
            labels["pyramid"] = "Coefficients"
        self.segments.options = {labels[key]: key for key in self.model.panels}

    def show(self, *content: Any) -> None:
        """Fill the open tab for ``(shown, config)``: the function on the globe, and its basis if it is a component."""
        shown, config = content
        self._shown = shown, config
        if config is not None or self.model.panel in PANELS[:2]:  # a harmonic has no spectrum
            super().show(shown, config)

    def _pick(self, event: Any) -> None:
        if event.new and event.new != [self.model.degree, self.model.order]:
            self.model.pick(*event.new)

    def _show_harmonics(self, _: SeparableField, config: BasisConfig | None) -> None:
        model = self.model
        if config is not None:
            self.say(text.MAKEUP_SENTENCE)
            self._draw_tiles((config, min(model.component, config.num_components) - 1), basis.loading_tiles)
            self._tiles.selected = []
            fill(self.body, self._tiles)
            return
        degree = min(model.max_degree, model.pyramid_degree)
        self.say(text.harmonics_sentence(degree, model.max_degree))
        self._draw_tiles((degree,), basis.harmonic_tiles)
        self._tiles.selected = [model.degree, model.order]
        fill(self.body, self._tiles, self._rows)

    def _draw_tiles(self, choice: tuple[Any, ...], query: Callable[..., Any]) -> None:
        if choice != self._drawn_tiles:
            self._drawn_tiles = choice
            self._tiles.tiles = pack_tiles(query(*choice))

    def _show_profile(self, shown: SeparableField, _: BasisConfig | None) -> None:
        meridian = shown.peak[1] if self.meridian_deg is None else self.meridian_deg
        lat, value, spread = basis.profile(shown, meridian)
        self.say(text.profile_sentence(meridian))
        fill(self.body, self.figures.pane("profile", figures.profile, lat, value, spread, shown.limit))

    def _show_spectrum(self, _: SeparableField, config: BasisConfig) -> None:
        spectrum = basis.spectrum(config)
        self.say(*text.spectrum_sentences(config, spectrum), *basis.probe_sentences(config))
        data = spectrum.eigenvalues, spectrum.plateau, config.num_components, self.model.component
        fill(
            self.body,
            self.figures.pane("spectrum", figures.spectrum, *data),
            self.figures.pane("explained", figures.explained, spectrum.explained, config.num_components),
        )

    def _show_accuracy(self, _: SeparableField, config: BasisConfig) -> None:
        fill(self.body, self._table)
        self.task.start(partial(basis.accuracy, config), self._draw_accuracy)

    def _show_progress(self, fraction: float | None, message: str) -> None:
        if fraction is not None:
            self.say(message)

    def _draw_accuracy(self, passport: Any) -> None:
        self.say(*text.accuracy_sentences(passport))
        self._table.object = table(text.accuracy_rows(passport))
