"""The sandbox: a mixture built by hand, drawn while a centre is dragged, and measured afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.queries.mvmf import centres as queries
from engine.queries.mvmf.centres import Component
from engine.queries.mvmf.files import SandboxChoice
from engine.queries.mvmf.sandbox import LiveMap, LossGradient, MapField, Mixture, MixtureSummary
from explorer.background import Debouncer, LatestTask
from explorer.pages.mvmf import text
from explorer.pages.mvmf.model import ADD, DENSITY, PAIR, SANDBOX, TRUTH, MvmfModel
from explorer.pages.mvmf.panels import SandboxPanel
from explorer.pages.mvmf.probability_map import TRUTH_COLOUR, DrawnDensity, ProbabilityMap
from explorer.session import Session
from explorer.stage import Stage
from explorer.widgets.veil import veil

_MANY = 1000  # from this number of centres on, a draft is drawn first and progress is shown
_HANDLES = 60  # of more centres, only the selected one has a handle
_CHOICE = ["start", "data", "count", "seed", "separation_km", "log_kappa", "weight", "placed", "points"]
_SHOWN = ["show", "scale", "outline", "selected"]


@dataclass(eq=False)
class MixtureState:
    """A choice with the results so far: the mixture, its map and its credible regions."""

    choice: SandboxChoice
    mixture: Mixture
    field: MapField | None = None
    live: LiveMap | None = None
    summary: MixtureSummary | None = None


class Sandbox:
    """Active while the mode is the sandbox."""

    def __init__(
        self, session: Session, model: MvmfModel, stage: Stage, on_globe: ProbabilityMap, work: LatestTask
    ) -> None:
        self._session = session
        self.model = model
        self.stage = stage
        self._map = on_globe
        self._work = work
        self._state: MixtureState | None = None
        self._gradient: LossGradient | None = None
        self._choice = Debouncer(self.compute, 40)
        self._rest = Debouncer(self._after_rest, 120)
        self.panel = SandboxPanel(session, model, stage)
        model.param.watch(lambda *_: self._choice.soon(), _CHOICE)
        model.param.watch(lambda *_: self._when_active(self._draw), _SHOWN)
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "truth", "data"])
        model.param.watch(lambda *_: self._show_own(), "selected")
        model.param.watch(lambda *_: self._take_own(), ["own_log_kappa", "own_weight"])
        stage.globe.param.watch(lambda event: self._when_active(lambda: self._moved(event.new)), "moved")

    def _when_active(self, act: Callable[[], object]) -> None:
        if self.model.mode == SANDBOX:
            act()

    @property
    def choice(self) -> SandboxChoice | None:
        """The choice on screen."""
        return self._state and self._state.choice

    def start(self) -> None:
        """Take over the globe."""
        self._map.clear()
        self.compute()

    # computing

    def compute(self) -> None:
        """Compute the selected mixture: its map first, then its regions. A newer choice replaces an older one."""
        if self.model.mode != SANDBOX:
            return
        choice = SandboxChoice(self.model.beginning, self.model.placed)
        if self._state is not None and self._state.choice == choice:
            self._draw()
            self._measure(self._state)
            return
        is_slow = self.model.is_enabled("count") and self.model.count > _MANY

        def work(report: Any) -> MixtureState:
            if is_slow:
                report(0.1, "Placing the centres")
            mixture = Mixture(queries.components(choice.initial, choice.placed))
            if len(mixture.components) > _MANY:
                return MixtureState(choice, mixture, mixture.coarse_map())
            live = mixture.live_map()
            return MixtureState(choice, mixture, live.field(), live)

        self._work.start(work, self._take)

    def _take(self, state: MixtureState) -> None:
        self._state = state
        self.stage.clear_failure()
        self._check_selected(len(state.mixture.components))
        self.panel.show_count(len(state.mixture.components))
        self._show_own()
        self._draw()
        self._measure(state)

    def _check_selected(self, count: int) -> None:
        """An address may select a centre that does not exist."""
        if self.model.selected >= count:
            self._session.say("warning", text.no_such_centre(self.model.selected, count))
            self.model.selected = -1

    def _measure(self, state: MixtureState) -> None:
        """The full map if there is only a draft, then regions and entropy."""

        def sharpen(report: Any) -> None:
            report(0.4, "Drawing the map")
            state.live = state.mixture.live_map()
            state.field = state.live.field()

        def measure(report: Any) -> None:
            if len(state.mixture.components) > _MANY:
                report(0.8, "Computing its regions")
            state.summary = state.mixture.summary()

        def then(_: object) -> None:
            self._draw()
            if state.summary is None:
                self._work.start(measure, lambda _: self._draw())

        if state.live is None:
            self._work.start(sharpen, then)
        elif state.summary is None:
            self._work.start(measure, lambda _: self._draw())

    def fail(self, error: Exception) -> None:
        """A choice without a distribution leaves an empty globe and a message."""
        self._state = None
        self._map.clear()
        self.model.selected = -1
        if not self.model.placed and not self.model.is_enabled("count"):
            self.panel.clear(text.NO_CENTRES)
        else:
            self.panel.clear(text.NO_DISTRIBUTION)
            self.stage.show_failure("This is no distribution", error)

    # drawing

    def _draw(self) -> None:
        state, model = self._state, self.model
        if state is None or state.field is None or model.mode != SANDBOX:
            return
        alone = None
        if model.show == PAIR and self._has_selected:
            index = model.selected
            alone = DrawnDensity(state.mixture.component_map(index), partial(state.mixture.component_per_km2, index))
        self._map.draw(DrawnDensity(state.field, state.mixture.per_km2), state.summary, model.show, alone)
        if state.summary is not None:
            self.stage.show_readout(text.region_readout(state.summary))
        veil(self.stage.readout, state.summary is None)
        self._rest.soon()

    def _after_rest(self) -> None:
        """Handles, the loss gradient, text and figures."""
        state, model = self._state, self.model
        if state is None or model.mode != SANDBOX:
            return
        self._gradient = None if model.truth is None else state.mixture.loss_gradient(*model.truth)
        self._show_marks()
        self.panel.show(state.mixture, state.summary, self._gradient)

    def _show_marks(self) -> None:
        assert self._state is not None
        of, model, gradient = self._state.mixture.components, self.model, self._gradient
        shown = range(len(of)) if len(of) <= _HANDLES else [model.selected] if self._has_selected else []
        handles: list[dict[str, Any]] = []
        for index in shown:
            component = of.component(index)
            if component.weight > 0.0:
                to = gradient and {"lat": float(gradient.end_lat[index]), "lon": float(gradient.end_lon[index])}
                label = text.centre_label(index, component)
                handle = {"id": index, "lat": component.lat, "lon": component.lon, "label": label, "to": to}
                handles.append({**handle, "pressed": index == model.selected})
        truth = [] if model.truth is None else [("True location", *model.truth)]
        pins = [{"lat": lat, "lon": lon, "label": name, "color": TRUTH_COLOUR} for name, lat, lon in truth]
        self._map.mark(pins, handles)

    # clicks and drags

    @property
    def _has_selected(self) -> bool:
        return self._state is not None and 0 <= self.model.selected < len(self._state.mixture.components)

    def clicked(self, lat: float, lon: float) -> None:
        """A click on the map."""
        model = self.model
        if model.click == TRUTH:
            model.param.update(truth=(lat, lon), panel="truth")
        elif model.click == ADD:
            count = 0 if self._state is None else len(self._state.mixture.components)
            weight = model.own_weight if self._has_selected and model.own_weight else model.weight
            kappa = model.own_log_kappa if self._has_selected else model.log_kappa
            if self._try(lambda: model.add(Component(lat, lon, 10.0**kappa, weight))):
                model.selected = count
        elif self._state is not None:
            index = queries.nearest(self._state.mixture.components, lat, lon)
            model.param.update(selected=index, panel="centre")

    def _moved(self, moved: dict[str, Any]) -> None:
        state, index = self._state, int(moved["id"])
        if state is None or index >= len(state.mixture.components):
            return
        component = state.mixture.components.component(index)
        match moved["action"]:
            case "move":
                self._follow_hand(state, index, component._replace(lat=moved["lat"], lon=moved["lon"]))
            case "drop":
                self._set(index, component._replace(lat=moved["lat"], lon=moved["lon"]))
                self.model.selected = index
            case "delete":
                self.delete(index)
            case _:
                self.model.param.update(selected=index, panel="centre")

    def _follow_hand(self, state: MixtureState, index: int, component: Component) -> None:
        """Recompute only the moved component, and redraw only the map."""
        if state.live is None or self.model.show not in (DENSITY, PAIR):
            return
        self._work.cancel()
        # built only when the pointer reads it: a drag draws many maps
        held = cache(lambda: state.mixture.with_component(index, component))
        self._map.draw(
            DrawnDensity(state.live.move(index, component), lambda lat, lon: held().per_km2(lat, lon)), None, DENSITY
        )

    def delete(self, index: int | None = None) -> None:
        """Delete a centre, by default the selected one."""
        index = self.model.selected if index is None else index
        if self._state is not None and 0 <= index < len(self._state.mixture.components):
            component = self._state.mixture.components.component(index)
            self._try(lambda: self.model.delete(index, component, self._base_count))

    @property
    def _base_count(self) -> int:
        """The number of components that the start gives."""
        assert self._state is not None
        added = sum(placed.start_index < 0 for placed in self._state.choice.placed)
        return len(self._state.mixture.components) - added

    def _set(self, index: int, component: Component) -> None:
        self._try(lambda: self.model.set_component(index, component, self._base_count))

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OverflowError as error:
            self._session.say("warning", str(error))
            return False
        return True

    def _show_own(self) -> None:
        """Update the sliders of the selected centre."""
        if self._state is not None and self._has_selected:
            component = self._state.mixture.components.component(self.model.selected)
            weight = min(component.weight, self.model.param.own_weight.bounds[1])
            self.model.param.update(own_log_kappa=float(np.log10(component.kappa)), own_weight=weight)

    def _take_own(self) -> None:
        """Update the selected centre from its sliders."""
        if self._state is None or not self._has_selected:
            return
        index, model = self.model.selected, self.model
        component = self._state.mixture.components.component(index)
        if (
            abs(np.log10(component.kappa) - model.own_log_kappa) > 1e-9
            or abs(component.weight - model.own_weight) > 1e-9
        ):
            self._set(index, component._replace(kappa=10.0**model.own_log_kappa, weight=model.own_weight))

    # files

    def take_file(self, content: bytes, name: str) -> None:
        """Centres from a file or pasted text, with notes on how it was read."""
        try:
            points, notes = queries.points_of_text(content, name)
        except EngineError as error:
            self._session.say("error", str(error))
            return
        self.panel.notes.object = text.notes_html(notes)
        is_followed = self.model.needs_file and self.model.start != "file"
        self.model.param.update(points=points, **({} if is_followed else {"start": "file"}))
