"""The Basis page's view: binds the view-model to globe, map, figures and files."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel_material_ui as pmui

from engine import queries
from engine.queries import BasisConfig, Factors
from explorer import layout
from explorer.background import Later, Newest
from explorer.layout import box, show
from explorer.pages.basis import words
from explorer.pages.basis.drawer import drawer
from explorer.pages.basis.fits import Fits
from explorer.pages.basis.model import COMPONENT, HARMONIC, BasisModel
from explorer.pages.basis.panels import Panels
from explorer.registry import REGISTRY
from explorer.session import Query, Session, View
from explorer.widgets import controls
from explorer.widgets.download import Download
from explorer.widgets.globe import Axes, Globe, colormap_bytes, pack_harmonics, pack_mask
from explorer.widgets.readout import ColorScale, HoverReadout
from explorer.widgets.text import facts, html, paragraphs, progress

_GROUP = "basis"
_DOMAIN_PARTS = ["domain", "lat_range", "west", "width", "step_deg"]
_FUNCTION_PARTS = ["show", "max_degree", "degree", "order", "num_components", "component"]


def build(session: Session, query: Query) -> View:
    """The page for one session, as its address describes it."""
    model = BasisModel(query)
    if model.notes:
        session.say("warning", f"Changed in this address: {'; '.join(model.notes)}.")
    return BasisView(session, model).view


class BasisView:
    """The globe follows every movement of a slider; figures follow when the hand rests; fits run off the loop."""

    def __init__(self, session: Session, model: BasisModel) -> None:
        self.session = session
        self.model = model
        self._shown: Factors | None = None
        self._rest = Later(self._after_rest, 180)
        self._fit = Newest(self._show_progress, self._show_failure)
        self._download = Download()
        self.fits = Fits(session, REGISTRY)
        REGISTRY.subscribe(lambda _: self._runs_changed())
        self.panels = Panels(model, self._show_failure)
        self._make_stage()
        self._make_read()
        plots = [self.flat, *self.panels.parts]
        self._domain_words = html("")
        self.view = View(
            drawer(model, self.globe, self._domain_words), self._stage, plots, self._read, self._actions(), model
        )
        model.param.watch(lambda *_: self._show_function(), _FUNCTION_PARTS + _DOMAIN_PARTS)
        model.param.watch(lambda *_: self._show_domain(), ["show", "max_degree", *_DOMAIN_PARTS])
        self._show_domain()
        self._show_function()

    # parts of the screen

    def _make_stage(self) -> None:
        common: dict[str, Any] = {"dark": self.session.dark, "margin": 0}
        self.globe = Globe(
            group=_GROUP,
            colormap=colormap_bytes("balance"),
            projection=self.model.projection,
            label="Globe with the chosen basis function",
            sizing_mode="stretch_both",
            styles={"grid-area": "1 / 1"},
            **common,
        )
        self.flat = Globe(
            group=_GROUP,
            leader=_GROUP,
            projection="equal_earth",
            label="Flat map of the same function",
            sizing_mode="stretch_width",
            height=150,
            **common,
        )
        for globe in (self.globe, self.flat):
            self.session.param.watch(partial(_follow, globe, "dark"), "dark")
            globe.param.watch(lambda event: self._pick_place(event.new), "clicked")
        self.model.param.watch(partial(_follow, self.globe, "projection"), "projection")
        self.model.param.watch(lambda _: self._turn_globe(), "camera")
        self.globe.param.watch(lambda *_: self._note_camera(), ["center_lat", "center_lon", "zoom"])
        self._turn_globe()
        self._progress = html("")
        cancel = controls.button("Cancel", on_click=lambda _: self._abandon())
        self._waiting = box(self._progress, cancel, css=layout.OVERLAY, styles={"display": "none"})
        self._failure = pmui.Alert(severity="error", variant="outlined", visible=False, margin=(8, 12))
        self._stage = [self._failure, self.globe, self._waiting, self.fits.card, self._download]

    def _make_read(self) -> None:
        self._bar = ColorScale(group=_GROUP, colormap=colormap_bytes("balance"), margin=0, width=200, height=52)
        self._facts = html("")
        self._hover = HoverReadout(group=_GROUP, margin=0, height=44, width=230)
        self._read = [self._bar, self._hover, self._facts]

    def _actions(self) -> list[Any]:
        files = {
            "Picture, PNG": self._offer_picture,
            "Field, NetCDF": self._offer_field,
            "Basis, safetensors": self._offer_basis,
            "Spectrum, CSV": self._offer_spectrum,
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # what is shown

    def _show_domain(self) -> None:
        if self.model.show == HARMONIC:
            self.globe.domain = b""
            return
        mask, share = queries.domain_mask(self.model.config.domain)
        self.globe.domain = b"" if mask is None else pack_mask(mask.values, Axes.of(mask.lat.values, mask.lon.values))
        said = [(words.domain_sentence(self.model.config, share), False)]
        if self.model.max_degree == self.model.degree_limit:
            said.append((words.limit_sentence(self.model.degree_limit), False))
        self._domain_words.object = paragraphs(said)

    def _show_function(self) -> None:
        self._failure.visible = False
        self.fits.hide()
        model = self.model
        if model.show == HARMONIC:
            self._fit.cancel()
            self._draw(queries.harmonic(model.degree, model.order))
        elif queries.is_fitted(model.config):
            self._fit.cancel()
            factors = queries.component(model.config, model.component - 1)
            seen = self._shown.peak if self._shown else None
            turn = model.follow and factors.peak != seen and not (seen is None and model.view_given)
            self._draw(factors, turn)
        else:
            self._fit_first(model.config)

    def _fit_first(self, config: BasisConfig) -> None:
        """Fit the basis here, or look for the run that fits it."""
        if not queries.needs_run(config):
            self._fit.start(partial(queries.fitted, config), lambda _: self._show_function())
            return
        self._fit.cancel()
        record = self.fits.find(config)
        if record is not None and record.state == "done":
            self._fit.start(
                lambda report: queries.take_fit(config, self.fits.result(record)), lambda _: self._show_function()
            )
        else:
            self.fits.offer(config, record)

    def _runs_changed(self) -> None:
        """A run began, moved or ended: perhaps the one that is waited for."""
        config = self.model.config
        if self.model.show == COMPONENT and queries.needs_run(config) and not queries.is_fitted(config):
            self._fit_first(config)

    def _draw(self, factors: Factors, turn: bool = False) -> None:
        """Put the function on the globe, in one message; ``turn`` brings its peak to the middle."""
        self._shown = factors
        axes = Axes.of(factors.lat, factors.lon)
        field = pack_harmonics(factors.lat_table, factors.orders, len(factors.lon), axes, self._file_stem())
        lat, lon = factors.peak if turn else self.model.camera[:2]
        self.globe.param.update(field=field, vmin=-factors.limit, vmax=factors.limit, center_lat=lat, center_lon=lon)
        self._bar.param.update(label=factors.name, units=factors.units, vmin=-factors.limit, vmax=factors.limit)
        self._hover.param.update(span=2 * factors.limit, units=factors.units)
        self._rest.soon()

    def _after_rest(self) -> None:
        model = self.model
        if self._shown is None:
            return
        if model.show == HARMONIC:
            pairs = words.harmonic_facts(queries.harmonic_facts(model.degree, model.order))
        elif queries.is_fitted(model.config):
            pairs = words.component_facts(model.config, model.component - 1, queries.spectrum(model.config))
        else:
            return
        self._facts.object = facts(pairs)
        self.panels.show(self._shown)

    def _turn_globe(self) -> None:
        lat, lon, zoom = self.model.camera
        self.globe.param.update(center_lat=lat, center_lon=lon, zoom=zoom)

    def _note_camera(self) -> None:
        self.model.camera = (self.globe.center_lat, self.globe.center_lon, self.globe.zoom)

    def _pick_place(self, place: dict[str, Any]) -> None:
        self.globe.markers = [{"lat": place["lat"], "lon": place["lon"]}]
        self.panels.meridian = place["lon"]
        self._rest.soon()

    # long work

    def _show_progress(self, share: float | None, text: str) -> None:
        self.session.busy = share is not None
        show(self._waiting, share is not None)
        if share is not None:
            self._progress.object = progress(share, text)

    def _abandon(self) -> None:
        self._fit.cancel()
        self.session.say("info", "The fit was abandoned. Change any choice to start another.")

    def _show_failure(self, error: Exception) -> None:
        self._failure.param.update(title="This basis cannot be fitted", object=str(error), visible=True)

    # files

    def _file_stem(self) -> str:
        model = self.model
        if model.show == HARMONIC:
            return f"harmonic-l{model.degree}-m{model.order}"
        return f"basis-{model.domain}-L{model.max_degree}-k{model.component}"

    def _offer_picture(self) -> None:
        if self._shown is not None:
            title = f"{self._shown.name} — Harmonia"
            self.globe.save_png(f"{self._file_stem()}.png", title, self._shown.name, self._shown.units)

    def _offer_field(self) -> None:
        if self._shown is not None:
            self._download.offer(f"{self._file_stem()}.nc", queries.field_netcdf(self._shown))

    def _offer_basis(self) -> None:
        config = self.model.config
        self._fit.start(
            lambda report: queries.basis_file(config, report),
            lambda content: self._download.offer(
                f"basis-{config.domain.kind}-L{config.max_degree}.safetensors", content
            ),
        )

    def _offer_spectrum(self) -> None:
        config = self.model.config
        self._fit.start(
            lambda report: queries.spectrum_csv(config, report),
            lambda content: self._download.offer(f"spectrum-{config.domain.kind}-L{config.max_degree}.csv", content),
        )


def _follow(target: Any, name: str, event: Any) -> None:
    target.param.update(**{name: event.new})
