"""The Basis page's view: binds the view-model to globe, map, figures and files."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from engine import queries
from engine.queries import DOMAINS, Factors
from explorer.background import Later, Newest
from explorer.pages.basis import words
from explorer.pages.basis.model import COMPONENT, HARMONIC, STEPS, BasisModel
from explorer.pages.basis.panels import Panels
from explorer.session import Query, Session, View
from explorer.widgets import controls
from explorer.widgets.download import Download
from explorer.widgets.globe import Axes, Globe, colormap_bytes, pack_factors, pack_mask
from explorer.widgets.readout import ColorScale, HoverReadout
from explorer.widgets.text import facts, html, paragraphs, progress, section

_PROJECTIONS = {"Globe": "globe", "Equal Earth": "equal_earth", "Flat": "plate_carree"}
_GROUP = "basis"
_OVERLAY = {"position": "absolute", "left": "24px", "right": "24px", "bottom": "16px", "gap": "16px", "zIndex": 5}
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
        self._rest = Later(self._after_rest, 90)
        self._fit = Newest(self._show_progress, self._show_failure)
        self._player: Any = None
        self._download = Download()
        self.panels = Panels(model, self._show_failure)
        self._make_stage()
        self._make_read()
        plots = [self.flat, *self.panels.parts]
        self.view = View(self._drawer(), self._stage, plots, self._read, self._actions(), model)
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
            **common,
        )
        self.flat = Globe(
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
        self._waiting = pmui.Row(self._progress, cancel, visible=False, margin=0, sx=_OVERLAY)
        self._failure = pmui.Alert(severity="error", variant="outlined", visible=False, margin=(8, 12))
        self._stage = [self._failure, self.globe, self._waiting, self._download]

    def _make_read(self) -> None:
        self._bar = ColorScale(group=_GROUP, colormap=colormap_bytes("balance"), margin=0, width=200, height=52)
        self._facts = html("")
        self._hover = HoverReadout(group=_GROUP, margin=0, height=44, width=230)
        self._read = [self._bar, self._hover, self._facts]

    def _drawer(self) -> list[Any]:
        model = self.model
        harmonic = pmui.Column(
            controls.slider(model.param.degree, "Degree l"),
            controls.slider(model.param.order, "Order m"),
            margin=0,
        )
        self._domain_words = html("")
        box = pmui.Column(
            controls.range_slider(model.param.lat_range, "Latitudes, °", step=1.0),
            controls.slider(model.param.west, "Western edge, °", step=1.0),
            controls.slider(model.param.width, "Width eastwards, °", step=1.0),
            margin=0,
        )
        component = pmui.Column(
            controls.slider(model.param.component, "Component k"),
            controls.slider(model.param.num_components, "Components kept K"),
            controls.select(model.param.domain, "Domain", {label: kind for kind, label in DOMAINS.items()}),
            box,
            controls.select(model.param.step_deg, "Grid of the fit", {f"{step:g}°": step for step in STEPS}),
            controls.switch(model.param.follow, "Turn to where it is largest"),
            self._domain_words,
            margin=0,
        )

        def choose() -> None:
            harmonic.visible = model.show == HARMONIC
            component.visible = model.show == COMPONENT
            box.visible = model.domain == "box"

        model.param.watch(lambda *_: choose(), ["show", "domain"])
        choose()
        return [
            section("Function"),
            controls.segments(model.param.show, {"One harmonic": HARMONIC, "PCA component": COMPONENT}),
            controls.slider(model.param.max_degree, "Maximum degree L"),
            harmonic,
            component,
            self._stepper(),
            section("Map"),
            controls.segments(model.param.projection, _PROJECTIONS),
            pmui.Row(
                controls.switch(self.globe.param.coast, "Coastlines"),
                controls.switch(self.globe.param.graticule, "Graticule"),
                margin=0,
                sx={"gap": "16px"},
            ),
        ]

    def _stepper(self) -> pmui.Row:
        self._play = controls.button("Play", on_click=lambda _: self._toggle_play())
        return pmui.Row(
            controls.button("Previous", on_click=lambda _: self.model.step(-1)),
            self._play,
            controls.button("Next", on_click=lambda _: self.model.step(1)),
            margin=(8, 0, 16, 0),
            sx={"gap": "8px"},
        )

    def _actions(self) -> list[Any]:
        copy = controls.button("Copy link")
        copy.js_on_click(code="navigator.clipboard && navigator.clipboard.writeText(location.href)")
        copy.on_click(lambda _: self.session.say("success", "The address of this view is on the clipboard."))
        files = {
            "Picture, PNG": self._offer_picture,
            "Field, NetCDF": self._offer_field,
            "Basis, safetensors": self._offer_basis,
            "Spectrum, CSV": self._offer_spectrum,
        }
        export = pmui.MenuButton(
            label="Export",
            items=[{"label": label} for label in files],
            size="small",
            variant="contained",
            margin=0,
        )
        export.on_click(lambda item: files[item["label"]]())  # pyright: ignore[reportIndexIssue]
        return [copy, export]

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
        model = self.model
        if model.show == HARMONIC:
            self._fit.cancel()
            self._draw(queries.harmonic(model.degree, model.order))
        elif queries.is_fitted(model.config):
            self._fit.cancel()
            factors = queries.component(model.config, model.component - 1)
            seen = self._shown.peak if self._shown else None
            if model.follow and factors.peak != seen and not (seen is None and model.view_given):
                model.camera = (*factors.peak, model.camera[2])
            self._draw(factors)
        else:
            config = model.config
            self._fit.start(partial(queries.fitted, config), lambda _: self._show_function())

    def _draw(self, factors: Factors) -> None:
        self._shown = factors
        self.globe.use_range(-factors.limit, factors.limit)
        axes = Axes.of(factors.lat, factors.lon)
        self.globe.field = pack_factors(factors.lat_table, factors.trig, axes, self._file_stem())
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
        self._waiting.visible = share is not None
        if share is not None:
            self._progress.object = progress(share, text)

    def _abandon(self) -> None:
        self._fit.cancel()
        self.session.say("info", "The fit was abandoned. Change any choice to start another.")

    def _show_failure(self, error: Exception) -> None:
        self._failure.param.update(title="This basis cannot be fitted", object=str(error), visible=True)

    def _toggle_play(self) -> None:
        if self._player is None:
            self._player = pn.state.add_periodic_callback(lambda: self.model.step(1), period=900)
        else:
            self._player.stop()
            self._player = None
        self._play.label = "Stop" if self._player else "Play"

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
