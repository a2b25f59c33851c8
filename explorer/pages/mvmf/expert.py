"""The expert's side of the page: a trained run, one of its pictures, and what it believes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.queries.mvmf import expert as queries
from engine.queries.mvmf.expert import TilePrediction
from engine.queries.mvmf.sandbox import MapField, Mixture, MixtureSummary
from engine.runs import RunConfig, RunRecord
from explorer.background import Debouncer, LatestTask
from explorer.layout import row
from explorer.pages.mvmf import expert_text
from explorer.pages.mvmf.belief_map import GUESS_COLOUR, TRUTH_COLOUR, BeliefMap, Drawn
from explorer.pages.mvmf.expert_panels import ExpertPanels
from explorer.pages.mvmf.model import BELIEF, DENSITY, ERRORS, EXPERT, MvmfModel
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import Session
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, section, text_pane

_ASKED = ["run", "tile", "spot", "day", "scene"]
_LOOKS = {"Its belief": BELIEF, "Errors of its test": ERRORS}
_STEPS = {"Previous": -1, "Next": 1}
_SCENES = {"One picture": "one", "Scene of 3 × 3": "scene"}


@dataclass(eq=False)
class Asked:
    """What was found out about a picture; ``errors`` is the map of the run's test.

    Of the test's ``num_tested`` pictures a run keeps the first ``num_pictures``; of these ``num_mapped`` lie on land
    enough to be asked for.
    """

    case: TilePrediction
    belief: Mixture
    field: MapField
    errors: MapField
    num_pictures: int
    num_mapped: int
    num_tested: int
    takes_pictures: bool
    summary: MixtureSummary | None = None


class ExpertSide:
    """Follows the model while its mode is the expert."""

    def __init__(self, session: Session, model: MvmfModel, stage: Stage, on_globe: BeliefMap, work: LatestTask) -> None:
        self.model = model
        self.stage = stage
        self._work = work
        self._map = on_globe
        self._asked: Asked | None = None
        self._folder: Path | None = None
        self.run = RunCard(session, REGISTRY, "The training", "Train an expert", "Stop")
        self.panels = ExpertPanels(model)
        self._runs: Any = None
        self._kept = html("")
        self._choice = Debouncer(self.ask, 60)
        REGISTRY.subscribe(lambda _: self._find())
        model.param.watch(lambda *_: self._find(), "run")
        model.param.watch(lambda *_: self._choice.soon(), _ASKED)
        model.param.watch(lambda *_: model.param.update(spot=None), "tile")
        model.param.watch(lambda *_: self._draw(), ["look", "scale", "outline"])
        model.param.watch(lambda *_: stage.clear_failure(), ["look", "about"])
        model.param.watch(lambda *_: self._show_panel(), "about")

    def controls(self) -> list[Any]:
        """The expert's part of the drawer."""
        model = self.model
        self._runs = controls.select(model.param.run, "Trained run", self._options())
        step = (controls.button(name, on_click=lambda _, by=by: self._step(by)) for name, by in _STEPS.items())
        return [
            section("Expert"),
            self._runs,
            section("Picture"),
            text_pane("Click the map for a picture of that place, or step through the test that no training has seen."),
            controls.slider(model.param.tile, "Test picture"),
            row(*step),
            self._kept,
            controls.group(model, ["spot"], lambda: model.spot is not None, self._of_spot),
            section("Shown"),
            controls.segments(model.param.look, _LOOKS),
        ]

    def _of_spot(self) -> list[Any]:
        return [
            controls.slider(self.model.param.day, "Day of the year"),
            controls.segments(self.model.param.scene, _SCENES),
        ]

    def _step(self, by: int) -> None:
        low, high = self.model.param.tile.bounds
        self.model.param.update(spot=None, tile=min(max(self.model.tile + by, low), high))

    # the run

    def _find(self) -> None:
        """The run that was chosen, else the newest that is finished; where there is none, the card offers one."""
        if self.model.mode != EXPERT:
            self.run.hide()
            return
        if self._runs is not None:
            self._runs.param.update(options=self._options(), value=self.model.run)
        records = _experts()
        record = next((one for one in records if one.id == self.model.run), None)
        if not self.model.run:
            record = next(iter(records), None)
        offer = Offer(RunConfig.demo("expert"), "Geographic expert", expert_text.INVITATION)
        before = self._folder
        self._folder = None if record is None else REGISTRY.store.folder(record.id)
        if record is None:
            self.run.show(offer, self.run.find(offer.config))
            self._asked = None
            self._map.clear()
            self.panels.say([(expert_text.NO_RUN if self.model.run else expert_text.NO_EXPERT, False)])
        else:
            self.run.hide()
            if self._folder != before:
                self.ask()

    def _options(self) -> dict[str, str]:
        found = {f"{one.name or 'Expert'}, {one.id[:13]}": one.id for one in _experts()}
        unknown = {} if not self.model.run or self.model.run in found.values() else {"Not here": self.model.run}
        return {"The newest": "", **found, **unknown}

    # asking

    @property
    def belief(self) -> Mixture | None:
        """The belief on screen."""
        return self._asked and self._asked.belief

    def start(self) -> None:
        """Come on screen."""
        self._map.clear()
        self._find()
        self.ask()

    def ask(self) -> None:
        """Ask the expert about the picture that is chosen."""
        if self.model.mode != EXPERT or self._folder is None:
            return
        model, folder = self.model, self._folder
        spot, day, is_scene, tile = model.spot, model.day, model.scene == "scene", model.tile

        def work(report: Any) -> Asked:
            if self._asked is None:
                report(0.2, "Asking the expert")
            case = (
                queries.tile_prediction(folder, tile)
                if spot is None
                else queries.new_prediction(folder, spot[0], spot[1], day, is_scene)
            )
            belief = Mixture(case.components)
            known = queries.test_predictions(folder)
            counts = len(known), int(known.is_scored.sum()), queries.settings_of(folder).num_test
            takes = queries.can_draw_tiles(folder)
            return Asked(case, belief, belief.map(), queries.error_map(folder), *counts, takes)

        self.stage.clear_failure()
        self._work.start(work, self._take)

    def _take(self, asked: Asked) -> None:
        self._asked = asked
        self.model.bound("tile", 0, asked.num_pictures - 1)
        self._kept.object = paragraph(expert_text.kept_sentence(asked.num_pictures, asked.num_tested))
        self._draw()

        def measure(_: object) -> None:
            asked.summary = asked.belief.summary()

        self._work.start(measure, lambda _: self._draw())

    def fail(self, error: Exception) -> None:
        """A picture that cannot be had."""
        self.stage.show_failure("The expert cannot be asked this", error)

    def clicked(self, lat: float, lon: float) -> None:
        """A picture of the place, or the test's nearest one where none can be taken or its errors are shown."""
        if self._asked is None or self._folder is None:
            return
        if self._asked.takes_pictures and self.model.look == BELIEF:
            self.model.param.update(spot=(lat, lon), about="picture")
        else:
            tile = queries.nearest_tile(self._folder, lat, lon)
            self.model.param.update(spot=None, tile=tile, look=BELIEF, about="picture")

    # showing

    def _draw(self) -> None:
        asked, model = self._asked, self.model
        if asked is None or model.mode != EXPERT:
            return
        case = asked.case
        pins: list[dict[str, Any]] = []
        if model.look == ERRORS:
            self._map.draw_errors(asked.errors)
            self.stage.say_facts(expert_text.error_facts(asked.num_mapped, asked.num_tested))
        else:
            self._map.draw(Drawn(asked.field, asked.belief.per_km2), asked.summary, DENSITY)
            self.stage.say_facts(expert_text.case_facts(case, asked.summary))
            guess = {"lat": case.guess[0], "lon": case.guess[1], "label": "Best guess", "color": GUESS_COLOUR}
            truth = {"lat": case.truth[0], "lon": case.truth[1], "label": "Truth", "color": TRUTH_COLOUR}
            pins = [guess, truth] if case.is_scored else [guess]
        self._map.mark(pins, [])
        self._show_panel()

    def _show_panel(self) -> None:
        if self._asked is not None and self._folder is not None and self.model.mode == EXPERT:
            asked = self._asked
            self.panels.show(asked.case, asked.summary, self._folder)


def _experts() -> list[RunRecord]:
    """Finished runs of experts, newest first."""
    found = [one for one in REGISTRY.records.values() if one.task == "expert" and one.state == "done"]
    return sorted(found, key=lambda one: one.created, reverse=True)
