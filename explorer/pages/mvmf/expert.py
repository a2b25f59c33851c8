"""The expert's part of the page: a trained run, one of its pictures, and its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.queries.mvmf import expert as queries
from engine.queries.mvmf.expert import SHIPPED, Scores, TilePrediction
from engine.queries.mvmf.files import ExpertChoice
from engine.queries.mvmf.sandbox import MapField, Mixture, MixtureSummary
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer.background import Debouncer, LatestTask
from explorer.layout import row
from explorer.pages.mvmf import expert_text
from explorer.pages.mvmf.expert_panels import ExpertPanel
from explorer.pages.mvmf.model import BELIEF, DENSITY, ERRORS, EXPERT, MvmfModel
from explorer.pages.mvmf.probability_map import GUESS_COLOUR, TRUTH_COLOUR, DrawnDensity, ProbabilityMap
from explorer.registry import REGISTRY
from explorer.run_card import Offer, RunCard
from explorer.session import Session
from explorer.stage import Stage
from explorer.task_names import created_text
from explorer.widgets import controls
from explorer.widgets.text import html, paragraph, section, text_pane

_CHOICE = ["run", "tile", "spot", "day", "scene"]
_QUANTITIES = {"Probability": BELIEF, "Test errors": ERRORS}
_STEPS = {"Previous": -1, "Next": 1}
_SCENES = {"One picture": "one", "Scene of 3 × 3": "scene"}


@dataclass(eq=False)
class TileResult:
    """The prediction for a picture; ``errors`` is the map of the run's test errors, ``scores`` those of its test.

    A run keeps the first ``num_pictures`` of its ``num_tested`` test pictures; ``num_mapped`` of them hold enough land
    to be scored.
    """

    choice: ExpertChoice
    case: TilePrediction
    mixture: Mixture
    field: MapField
    errors: MapField
    num_pictures: int
    num_mapped: int
    num_tested: int
    takes_pictures: bool
    scores: Scores | None = None
    summary: MixtureSummary | None = None


class ExpertSide:
    """Active while the mode is the expert."""

    def __init__(
        self, session: Session, model: MvmfModel, stage: Stage, on_globe: ProbabilityMap, work: LatestTask
    ) -> None:
        self.model = model
        self.stage = stage
        self._work = work
        self._map = on_globe
        self._result: TileResult | None = None
        self._folder: Path | None = None
        self.run = RunCard(session, REGISTRY, "The training", "Train an expert", "Stop")
        self.panel = ExpertPanel(model)
        self._runs: Any = None
        self._is_asked = False
        self._num_pictures = html("")
        self._choice = Debouncer(self.predict, 60)
        self._offer = Offer(RunConfig.demo("expert"), "Geographic expert", expert_text.INVITATION)
        REGISTRY.subscribe(lambda _: self._find())
        model.param.watch(lambda *_: self._find(), "run")
        model.param.watch(lambda *_: self._choice.soon(), _CHOICE)
        model.param.watch(lambda *_: model.param.update(spot=None), "tile")
        model.param.watch(lambda *_: self._draw(), ["quantity", "scale", "outline"])
        model.param.watch(lambda *_: stage.clear_failure(), ["quantity", "about"])
        model.param.watch(lambda *_: self._show_panel(), "about")

    def controls(self) -> list[Any]:
        """The expert's controls."""
        model = self.model
        self._runs = controls.select(model.param.run, "Trained run", self._options())
        step = (controls.button(name, on_click=lambda _, by=by: self._step(by)) for name, by in _STEPS.items())
        return [
            section("Expert"),
            self._runs,
            row(controls.button("Train another", on_click=lambda _: self._ask_to_train())),
            section("Picture"),
            text_pane("Click the map for a picture of that place, or step through the test pictures."),
            controls.slider(model.param.tile, "Test picture"),
            row(*step),
            self._num_pictures,
            controls.group(model, ["spot"], lambda: model.spot is not None, self._of_spot),
            section("Map quantity"),
            controls.segments(model.param.quantity, _QUANTITIES),
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
        """Open the selected run, or the latest finished one, or the expert that comes along."""
        if self.model.mode != EXPERT:
            self.run.hide()
            return
        if self._runs is not None:
            controls.offer(self._runs, self._options(), self.model.run)
        before, self._folder = self._folder, self._chosen_folder()
        self._show_training()
        if self._folder is None:
            self._result = None
            self._map.clear()
            self.panel.say_only(expert_text.NO_RUN)
        elif self._folder != before:
            self.predict()

    def _chosen_folder(self) -> Path | None:
        """The folder of the selected expert; None for a run that is not there or not finished."""
        ids = [record.id for record in _experts()]
        run = self.model.run or next(iter(ids), SHIPPED)
        return queries.expert_folder(run) if run in (SHIPPED, *ids) else None

    def _ask_to_train(self) -> None:
        """Offer a training, or open the one that was made."""
        record = self.run.find(self._offer.config)
        if record is not None and record.state == "done":
            self.model.run = record.id
        else:
            self._is_asked = True
            self._show_training()

    def _show_training(self) -> None:
        """The card of a training that runs, or was asked for."""
        record = self.run.find(self._offer.config)
        is_done = record is not None and record.state == "done"
        self._is_asked = self._is_asked and not is_done
        if self._is_asked or (record is not None and record.state in ACTIVE):
            self.run.show(self._offer, record)
        else:
            self.run.hide()

    def _options(self) -> dict[str, str]:
        experts = _experts()
        runs = {f"{record.name or 'Expert'}, {created_text(record, seconds=True)}": record.id for record in experts}
        known = {"Latest run" if experts else "Pretrained": "", **runs}
        if experts or self.model.run == SHIPPED:
            known["Pretrained"] = SHIPPED
        return known if self.model.run in known.values() else {**known, "Unknown run": self.model.run}

    # prediction

    @property
    def choice(self) -> ExpertChoice | None:
        """The prediction on screen."""
        return self._result and self._result.choice

    def start(self) -> None:
        """Take over the globe."""
        self._map.clear()
        self._find()
        self.predict()

    def predict(self) -> None:
        """Predict the place of the selected picture."""
        if self.model.mode != EXPERT or self._folder is None:
            return
        model, folder = self.model, self._folder
        run = SHIPPED if folder == queries.expert_folder(SHIPPED) else folder.name
        spot, day, is_scene, tile = model.spot, model.day, model.scene == "scene", model.tile

        def work(report: Any) -> TileResult:
            if self._result is None:
                report(0.2, "Running the expert")
            case = (
                queries.tile_prediction(folder, tile)
                if spot is None
                else queries.new_prediction(folder, spot[0], spot[1], day, is_scene)
            )
            mixture = Mixture(case.components)
            tests = queries.test_predictions(folder)
            numbers = len(tests), int(tests.is_scored.sum()), queries.settings_of(folder).num_test
            takes_pictures = queries.can_draw_tiles(folder)
            choice = ExpertChoice(run, tile, spot, day, is_scene)
            errors, scores = queries.error_map(folder), _scores(folder)
            return TileResult(choice, case, mixture, mixture.map(), errors, *numbers, takes_pictures, scores)

        self.stage.clear_failure()
        self._work.start(work, self._take)

    def _take(self, result: TileResult) -> None:
        self._turn_to(result)
        self._result = result
        self.model.bound("tile", 0, result.num_pictures - 1)
        self._num_pictures.object = paragraph(expert_text.kept_sentence(result.num_pictures, result.num_tested))
        self._draw()

        def measure(_: object) -> None:
            result.summary = result.mixture.summary()

        self._work.start(measure, lambda _: self._draw())

    def _turn_to(self, result: TileResult) -> None:
        """Turn the globe to the best guess, unless the address holds the view, or a clicked place is in it."""
        is_new = self._result is None or self._result.choice != result.choice
        if is_new and result.choice.place is None and self.model.quantity == BELIEF and not self.model.keeps_camera:
            self.model.camera = (*result.case.guess, self.model.camera[2])

    def fail(self, error: Exception) -> None:
        """A picture without a prediction."""
        self.stage.show_failure("There is no prediction for this picture", error)

    def clicked(self, lat: float, lon: float) -> None:
        """Predict for a picture of the place, or for the nearest test picture where the tiles are files."""
        if self._result is None or self._folder is None:
            return
        if self._result.takes_pictures and self.model.quantity == BELIEF:
            self.model.param.update(spot=(lat, lon), about="picture")
        else:
            tile = queries.nearest_tile(self._folder, lat, lon)
            self.model.param.update(spot=None, tile=tile, quantity=BELIEF, about="picture")

    # showing

    def _draw(self) -> None:
        result, model = self._result, self.model
        if result is None or model.mode != EXPERT:
            return
        case = result.case
        pins: list[dict[str, Any]] = []
        if model.quantity == ERRORS:
            self._map.draw_errors(result.errors)
            self.stage.show_readout(expert_text.error_readout(result.num_mapped, result.num_tested))
        else:
            self._map.draw(DrawnDensity(result.field, result.mixture.per_km2), result.summary, DENSITY)
            self.stage.show_readout(expert_text.case_readout(case, result.summary))
            guess = {"lat": case.guess[0], "lon": case.guess[1], "label": "Prediction", "color": GUESS_COLOUR}
            truth = {"lat": case.truth[0], "lon": case.truth[1], "label": "True location", "color": TRUTH_COLOUR}
            pins = [guess, truth] if case.is_scored else [guess]
        self._map.mark(pins, [])
        self._show_panel()

    def _show_panel(self) -> None:
        if self._result is not None and self._folder is not None and self.model.mode == EXPERT:
            result = self._result
            self.panel.show(result.case, result.summary, result.scores, self._folder)


def _scores(folder: Path) -> Scores | None:
    """The test scores; None where they cannot be read: the tab of the scores says why."""
    try:
        return queries.scores(folder)
    except EngineError:
        return None


def _experts() -> list[RunRecord]:
    """Finished runs of experts, latest first."""
    experts = [record for record in REGISTRY.records.values() if record.task == "expert" and record.state == "done"]
    return sorted(experts, key=lambda record: record.created, reverse=True)
