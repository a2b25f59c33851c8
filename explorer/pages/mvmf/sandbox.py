"""The sandbox: a belief that is built by hand, drawn while a hand moves it, and measured when it rests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.queries.mvmf import centres as queries
from engine.queries.mvmf.centres import CentreChoice, Component, PlacedComponent
from engine.queries.mvmf.sandbox import LiveMap, LossGradient, MapField, Mixture, MixtureSummary
from explorer.background import Debouncer, LatestTask
from explorer.pages.mvmf import text
from explorer.pages.mvmf.belief_map import TRUTH_COLOUR, BeliefMap, Drawn
from explorer.pages.mvmf.model import DENSITY, PAIR, PLACE, SANDBOX, TRUTH, MvmfModel
from explorer.pages.mvmf.panels import SandboxPanels
from explorer.session import Session
from explorer.stage import Stage

_MANY = 1000  # centres from which a draft is drawn first, and progress is shown
_HANDLES = 60  # centres that can all be seen and taken hold of; of more only the chosen one
_CHOICE = ["start", "count", "seed", "separation_km", "log_kappa", "weight", "placed", "points"]
_SHOWN = ["show", "scale", "outline", "selected"]

Wanted = tuple[CentreChoice, tuple[PlacedComponent, ...]]


@dataclass(eq=False)
class Made:
    """What is known so far of a choice: the belief, its map, and how large its regions are."""

    wanted: Wanted
    belief: Mixture
    field: MapField | None = None
    live: LiveMap | None = None
    summary: MixtureSummary | None = None


class Sandbox:
    """Follows the model while its mode is the sandbox."""

    def __init__(self, session: Session, model: MvmfModel, stage: Stage, on_globe: BeliefMap, work: LatestTask) -> None:
        self._session = session
        self.model = model
        self.stage = stage
        self._map = on_globe
        self._work = work
        self._made: Made | None = None
        self._lesson: LossGradient | None = None
        self._choice = Debouncer(self.make, 40)
        self._rest = Debouncer(self._after_rest, 120)
        self.panels = SandboxPanels(model)
        model.param.watch(lambda *_: self._choice.soon(), _CHOICE)
        model.param.watch(lambda *_: self._when_active(self._draw), _SHOWN)
        model.param.watch(lambda *_: self._rest.soon(), ["panel", "truth"])
        model.param.watch(lambda *_: self._show_own(), "selected")
        model.param.watch(lambda *_: self._take_own(), ["own_log_kappa", "own_weight"])
        stage.globe.param.watch(lambda event: self._when_active(lambda: self._moved(event.new)), "moved")

    def _when_active(self, act: Callable[[], object]) -> None:
        if self.model.mode == SANDBOX:
            act()

    @property
    def belief(self) -> Mixture | None:
        """The belief on screen."""
        return self._made and self._made.belief

    def start(self) -> None:
        """Come on screen."""
        self._map.clear()
        self.make()

    # making

    def make(self) -> None:
        """Make what is chosen: at once a map, then its measures. A newer choice takes the place of an older one."""
        if self.model.mode != SANDBOX:
            return
        wanted = self.model.beginning, self.model.placed
        if self._made is not None and self._made.wanted == wanted:
            self._draw()
            self._measure(self._made)
            return
        is_slow = self.model.counts("count") and self.model.count > _MANY

        def work(report: Any) -> Made:
            if is_slow:
                report(0.1, "Placing the centres")
            belief = Mixture(queries.components(*wanted))
            if len(belief.components) > _MANY:
                return Made(wanted, belief, belief.coarse_map())
            live = belief.live_map()
            return Made(wanted, belief, live.field(), live)

        self._work.start(work, self._take)

    def _take(self, made: Made) -> None:
        self._made = made
        self.stage.clear_failure()
        self._choose_one_of(len(made.belief.components))
        self.panels.say_count(self.model, len(made.belief.components))
        self._show_own()
        self._draw()
        self._measure(made)

    def _choose_one_of(self, count: int) -> None:
        """An address may choose a centre that is not there."""
        if self.model.selected >= count:
            self._session.say("warning", text.no_such_centre(self.model.selected, count))
            self.model.selected = -1

    def _measure(self, made: Made) -> None:
        """The sharp map if there is only a draft, then regions and entropy."""

        def sharpen(report: Any) -> None:
            report(0.4, "Drawing the map")
            made.live = made.belief.live_map()
            made.field = made.live.field()

        def measure(report: Any) -> None:
            if len(made.belief.components) > _MANY:
                report(0.8, "Measuring its regions")
            made.summary = made.belief.summary()

        def then(_: object) -> None:
            self._draw()
            if made.summary is None:
                self._work.start(measure, lambda _: self._draw())

        if made.live is None:
            self._work.start(sharpen, then)
        elif made.summary is None:
            self._work.start(measure, lambda _: self._draw())

    def fail(self, error: Exception) -> None:
        """A choice that is no belief leaves an empty globe and a sentence."""
        self._made = None
        self._map.clear()
        self.model.selected = -1
        if not self.model.placed and not self.model.counts("count"):
            self.panels.say_nothing(text.NO_CENTRES)
        else:
            self.panels.say_nothing(text.NO_BELIEF)
            self.stage.show_failure("This is no belief", error)

    # drawing

    def _draw(self) -> None:
        made, model = self._made, self.model
        if made is None or made.field is None or model.mode != SANDBOX:
            return
        alone = None
        if model.show == PAIR and self._has_selected:
            index = model.selected
            alone = Drawn(made.belief.component_map(index), partial(made.belief.component_per_km2, index))
        self._map.draw(Drawn(made.field, made.belief.per_km2), made.summary, model.show, alone)
        if made.summary is not None:
            self.stage.say_facts(text.belief_facts(made.summary))
        self._rest.soon()

    def _after_rest(self) -> None:
        """What may lag behind: handles, the lesson of the truth, words and figures."""
        made, model = self._made, self.model
        if made is None or model.mode != SANDBOX:
            return
        self._lesson = None if model.truth is None else made.belief.loss_gradient(*model.truth)
        self._show_marks()
        self.panels.show(made.belief, made.summary, self._lesson)

    def _show_marks(self) -> None:
        assert self._made is not None
        of, model, lesson = self._made.belief.components, self.model, self._lesson
        shown = range(len(of)) if len(of) <= _HANDLES else [model.selected] if self._has_selected else []
        handles: list[dict[str, Any]] = []
        for index in shown:
            one = of.component(index)
            if one.weight > 0.0:
                to = lesson and {"lat": float(lesson.end_lat[index]), "lon": float(lesson.end_lon[index])}
                label = text.centre_label(index, one)
                handle = {"id": index, "lat": one.lat, "lon": one.lon, "label": label, "to": to}
                handles.append({**handle, "pressed": index == model.selected})
        truth = [] if model.truth is None else [("Truth", *model.truth)]
        pins = [{"lat": lat, "lon": lon, "label": name, "color": TRUTH_COLOUR} for name, lat, lon in truth]
        self._map.mark(pins, handles)

    # hands

    @property
    def _has_selected(self) -> bool:
        return self._made is not None and 0 <= self.model.selected < len(self._made.belief.components)

    def clicked(self, lat: float, lon: float) -> None:
        """What a click on the map does."""
        model = self.model
        if model.click == TRUTH:
            model.param.update(truth=(lat, lon), panel="truth")
        elif model.click == PLACE:
            count = 0 if self._made is None else len(self._made.belief.components)
            weight = model.own_weight if self._has_selected and model.own_weight else model.weight
            kappa = model.own_log_kappa if self._has_selected else model.log_kappa
            if self._try(lambda: model.add(Component(lat, lon, 10.0**kappa, weight))):
                model.selected = count
        elif self._made is not None:
            index = queries.nearest(self._made.belief.components, lat, lon)
            model.param.update(selected=index, panel="centre")

    def _moved(self, moved: dict[str, Any]) -> None:
        made, index = self._made, int(moved["id"])
        if made is None or index >= len(made.belief.components):
            return
        component = made.belief.components.component(index)
        match moved["what"]:
            case "move":
                self._follow_hand(made, index, component._replace(lat=moved["lat"], lon=moved["lon"]))
            case "drop":
                self._set(index, component._replace(lat=moved["lat"], lon=moved["lon"]))
                self.model.selected = index
            case "delete":
                self.delete(index)
            case _:
                self.model.param.update(selected=index, panel="centre")

    def _follow_hand(self, made: Made, index: int, component: Component) -> None:
        """Only the part of the moved centre is computed again, and of the page only the map follows."""
        if made.live is None or self.model.show not in (DENSITY, PAIR):
            return
        self._work.cancel()
        # made only when the pointer asks, for many maps pass by
        held = cache(lambda: made.belief.with_component(index, component))
        self._map.draw(
            Drawn(made.live.move(index, component), lambda lat, lon: held().per_km2(lat, lon)), None, DENSITY
        )

    def delete(self, index: int | None = None) -> None:
        """Take a centre away, the chosen one if none is named."""
        index = self.model.selected if index is None else index
        if self._made is not None and 0 <= index < len(self._made.belief.components):
            component = self._made.belief.components.component(index)
            self._try(lambda: self.model.delete(index, component, self._base_count))

    @property
    def _base_count(self) -> int:
        """How many of the components the start gave."""
        assert self._made is not None
        added = sum(one.start_index < 0 for one in self._made.wanted[1])
        return len(self._made.belief.components) - added

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
        """The sliders of the chosen centre follow it."""
        if self._made is not None and self._has_selected:
            one = self._made.belief.components.component(self.model.selected)
            weight = min(one.weight, self.model.param.own_weight.bounds[1])
            self.model.param.update(own_log_kappa=float(np.log10(one.kappa)), own_weight=weight)

    def _take_own(self) -> None:
        """The chosen centre follows its sliders."""
        if self._made is None or not self._has_selected:
            return
        index, model = self.model.selected, self.model
        one = self._made.belief.components.component(index)
        if abs(np.log10(one.kappa) - model.own_log_kappa) > 1e-9 or abs(one.weight - model.own_weight) > 1e-9:
            self._set(index, one._replace(kappa=10.0**model.own_log_kappa, weight=model.own_weight))

    # files

    def take_file(self, content: bytes, name: str) -> None:
        """Centres from a file or pasted text; what was understood is said."""
        try:
            points, notes = queries.points_of_text(content, name)
        except EngineError as error:
            self._session.say("error", str(error))
            return
        self.panels.say_notes(notes)
        self.model.param.update(start="file", points=points)
