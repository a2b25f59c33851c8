"""The Basis page's view: binds the view-model to globe, map, figures and files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.errors import ChoiceError
from engine.provenance import Provenance
from engine.queries import basis, basis_files
from engine.queries.basis import BasisConfig, SeparableField
from explorer.background import Debouncer, LatestTask
from explorer.pages.basis import fits, text
from explorer.pages.basis.drawer import drawer
from explorer.pages.basis.model import COMPONENT, HARMONIC, BasisModel
from explorer.pages.basis.panels import BasisPanel
from explorer.registry import REGISTRY
from explorer.run_card import RunCard
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets.legend import Scale
from explorer.widgets.packets import Axes, pack_harmonics, pack_mask, pack_synthesis
from explorer.widgets.text import html, paragraphs

_DOMAIN_PARTS = ["domain", "lat_range", "west", "width", "step_deg"]
_FUNCTION_PARTS = ["show", "max_degree", "degree", "order", "num_components", "component"]


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return BasisView(session, BasisModel(query)).view


class BasisView:
    """The globe follows every movement of a slider; figures follow when it rests; fits run off the event loop."""

    def __init__(self, session: Session, model: BasisModel) -> None:
        self.session = session
        self.model = model
        self._shown: SeparableField | None = None
        self._stem = ""
        self._origin: Callable[[], Provenance] | None = None
        self._field_file: Callable[[], bytes] = bytes
        self._shown_config: BasisConfig | None = None
        self._offered: object = None
        """The function that the browser can draw by itself: ``HARMONIC``, or the basis of components."""
        self._is_stale = False
        """Whether what is on screen is of an earlier choice, under a veil."""
        self._rest = Debouncer(self._after_rest, 180)
        self.run = RunCard(session, REGISTRY, "The fit", "Start the fit", "Cancel")
        REGISTRY.subscribe(lambda _: self._runs_changed())
        self.stage = Stage(session, model, "the chosen basis function", self._cancel, (self.run.card,))
        self.stage.on_click(self._pick_place)
        self._fit = LatestTask(self.stage.show_progress, self._show_failure)
        self.panel = BasisPanel(model, self._show_failure)
        self._domain_text = html("")
        files = {
            "Picture, PNG": self._offer_picture,
            "Field, NetCDF": self._offer_field,
            "Basis, NetCDF": lambda: self._offer("basis", "nc", basis_files.basis_netcdf),
            "Basis, safetensors": lambda: self._offer("basis", "safetensors", basis_files.basis_file),
            "Spectrum, CSV": lambda: self._offer("spectrum", "csv", basis_files.spectrum_csv),
        }
        controls = drawer(model, self.stage.globe, self._domain_text)
        self.view = self.stage.page_view(controls, [self.stage.flat, *self.panel.parts], files)
        model.param.watch(lambda *_: self._show_function(), _FUNCTION_PARTS + _DOMAIN_PARTS)
        model.param.watch(lambda *_: self._show_domain(), ["show", "max_degree", *_DOMAIN_PARTS])
        self._show_domain()
        self._show_function()

    # what is shown

    def _show_domain(self) -> None:
        if self.model.show == HARMONIC:
            self.stage.globe.domain = b""
            return
        mask, fraction = basis.domain_mask(self.model.config.domain)
        packed = b"" if mask is None else pack_mask(mask.values, Axes.of(mask.lat.values, mask.lon.values))
        self.stage.globe.domain = packed
        sentences = [(text.domain_sentence(self.model.config, fraction), False)]
        if self.model.max_degree == self.model.degree_limit:
            sentences.append((text.limit_sentence(self.model.degree_limit), False))
        self._domain_text.object = paragraphs(sentences)

    def _show_function(self) -> None:
        self.stage.clear_failure()
        self.run.hide()
        model = self.model
        if model.show == HARMONIC:
            self._fit.cancel()
            chosen = model.degree, model.order
            self._origin = partial(basis_files.harmonic_origin, *chosen)
            self._field_file = partial(basis_files.harmonic_netcdf, *chosen)
            self._draw(basis.harmonic(*chosen), None)
        elif basis.is_fitted(model.config):
            self._fit.cancel()
            try:
                factors = basis.component(model.config, model.component - 1)
            except ChoiceError as error:  # the domain does not determine it
                self._veil(True)
                self._show_failure(error)
                return
            peak = self._shown.peak if self._shown else None
            turn = model.follow and factors.peak != peak and not (peak is None and model.has_camera_in_address)
            self._origin = partial(basis_files.component_origin, model.config, model.component)
            self._field_file = partial(basis_files.component_netcdf, model.config, model.component)
            self._draw(factors, model.config, turn)
        else:
            self._fit_first(model.config)

    def _veil(self, wanted: bool) -> None:
        """Veil the function on screen, which is of an earlier choice, or remove the veil."""
        self._is_stale = wanted
        self.stage.veil(wanted)
        self.panel.veil(wanted)

    def _fit_first(self, config: BasisConfig) -> None:
        """Fit the basis here, or find the run that fits it."""
        self._veil(True)
        if not basis.needs_run(config):
            self._fit.start(partial(basis.fitted, config), lambda _: self._show_function())
            return
        self._fit.cancel()
        record = self.run.find(fits.run_config(config))
        if record is not None and record.state == "done":
            result = REGISTRY.store.get(record.id).files.basis
            self._fit.start(lambda report: basis.load_fit(config, result), lambda _: self._show_function())
        else:
            self.run.show(fits.offer(config), record)

    def _runs_changed(self) -> None:
        """Draw the basis if its run has ended."""
        config = self.model.config
        if self.model.show == COMPONENT and basis.needs_run(config) and not basis.is_fitted(config):
            self._fit_first(config)

    def _draw(self, factors: SeparableField, config: BasisConfig | None, turn: bool = False) -> None:
        """Draw a function of the basis of ``config``, or a harmonic, in one message; ``turn`` centres its peak."""
        self._shown, self._shown_config, self._stem = factors, config, self._file_stem()
        self._veil(False)
        axes = Axes.of(factors.lat, factors.lon)
        model = self.model
        at = {"degree": model.degree, "order": model.order} if config is None else {"component": model.component}
        field = pack_harmonics(factors.lat_table, factors.orders, len(factors.lon), axes, self._stem, at)
        if self._offered != (HARMONIC if config is None else config):
            self.stage.globe.synthesis = b""
            self._offered = None
        lat, lon = factors.peak if turn else self.model.camera[:2]
        scale = Scale("function", "balance", -factors.limit, factors.limit, factors.name, factors.units)
        self.stage.globe.param.update(field=field, center_lat=lat, center_lon=lon, **self.stage.scale(scale))
        self._rest.soon()

    def _after_rest(self) -> None:
        model = self.model
        if self._shown is None or self._is_stale:
            return
        config = self._shown_config
        if config is None:
            pairs = text.harmonic_readout(basis.harmonic_properties(model.degree, model.order))
        else:
            pairs = text.component_readout(config, model.component - 1, basis.spectrum(config))
        self.stage.show_readout(pairs)
        self.panel.show(self._shown, config)
        self._offer_synthesis(self._shown, config)

    def _offer_synthesis(self, factors: SeparableField, config: BasisConfig | None) -> None:
        """Let the browser draw the next functions by itself, of a basis from its coefficients (354 kB at L = 20)."""
        wanted = HARMONIC if config is None else config
        if self._offered == wanted:
            return
        self._offered = wanted
        axes, shape = Axes.of(factors.lat, factors.lon), (len(factors.lat), len(factors.lon))
        if config is None:
            self.stage.globe.synthesis = pack_synthesis(axes, shape, "harmonic-l{degree}-m{order}")
        else:
            name = self._stem.replace(f"-k{self.model.component}", "-k{component}")
            self.stage.globe.synthesis = pack_synthesis(axes, shape, name, basis.coefficients(config))

    def _pick_place(self, lat: float, lon: float) -> None:
        self.stage.globe.markers = [{"lat": lat, "lon": lon}]
        self.panel.meridian_deg = lon
        self._rest.soon()

    # long work

    def _cancel(self) -> None:
        self._fit.cancel()
        self.session.say("info", "The fit was cancelled. Change a choice to start another.")

    def _show_failure(self, error: Exception) -> None:
        self.stage.show_failure("This basis cannot be fitted", error)

    # files: of the function that is drawn, also while another is being fitted

    def _file_stem(self) -> str:
        model = self.model
        if model.show == HARMONIC:
            return f"harmonic-l{model.degree}-m{model.order}"
        stem = f"basis-{model.domain}-L{model.max_degree}-k{model.component}"
        options = [f"step{model.step_deg:g}"] if model.step_deg != model.param.step_deg.default else []
        if model.domain == "box":
            options.append("_".join(f"{value:g}" for value in (*model.lat_range, model.west, model.width)))
        return "-".join([stem, *options])

    def _offer_picture(self) -> None:
        if self._origin is not None:
            self.stage.save_picture(self._stem, self._origin())

    def _offer_field(self) -> None:
        if self._shown is not None:
            self.stage.offer(f"{self._stem}.nc", self._field_file)

    def _offer(self, stem: str, ending: str, content: Callable[..., bytes]) -> None:
        config = self._shown_config
        if config is None:
            self.session.say("info", "A single harmonic has no fitted basis. Show a component to export one.")
            return
        name = f"{stem}-{config.domain.kind}-L{config.max_degree}-K{config.num_components}.{ending}"
        self.stage.offer(name, lambda: content(config))
