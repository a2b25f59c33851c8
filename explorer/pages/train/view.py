"""The Train page's view: three faces of one page, and the runs they look at, read off the event loop."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError
from engine.queries.export import csv_file
from engine.queries.train import forms
from engine.queries.train.curves import SweepTrial
from engine.runs import ACTIVE
from explorer.background import Debouncer, LatestTask, PeriodicTask, unseen
from explorer.layout import box, fill, show
from explorer.pages.train import text
from explorer.pages.train.compare import INVITATION, Compare, Compared, read_compared
from explorer.pages.train.draft import Draft
from explorer.pages.train.follow import CurveOptions, RunReader, RunSnapshot
from explorer.pages.train.live import CurveControls, Live
from explorer.pages.train.model import COMPARE, NEW, RUNS, TrainModel
from explorer.pages.train.runs_list import TrainRuns
from explorer.pages.train.sweep import Sweep
from explorer.registry import REGISTRY
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets import controls

_PAGE = "train"
_FACES = {"New": NEW, "Runs": RUNS, "Compare": COMPARE}
_LOOK = ["metric", "axis", "scale", "smoothing", "layer", "epoch"]
_SIDE = ":host { display: flex; flex-flow: column nowrap; gap: 8px } :host > * { flex: none }"


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it; without one, at the newest run."""
    model = TrainModel(query)
    session.say_changed(model.notes)
    made = [one for one in REGISTRY.records.values() if one.task in ("sst", "sweep") and not text.is_trial(one)]
    newest = next((one.id for one in made), "")
    if newest and not set(query) & {"face", "task", "run"}:
        model.param.update(face=RUNS, run=newest)
    return TrainView(session, model).view


class TrainView:
    """One run is read at a time, or several to compare; what works is read again twice a second."""

    def __init__(self, session: Session, model: TrainModel) -> None:
        self.session = session
        self.model = model
        self._followed: dict[str, RunReader] = {}
        self._seen: RunSnapshot | None = None
        self._poll = PeriodicTask(self._read)
        self._reading = LatestTask(unseen, self._show_failure)
        self._again = Debouncer(self._read, 40)
        self.draft = Draft(session, model)
        self.compare = Compare(model, curves := CurveControls(model))
        self.sweep = Sweep(self._use_trial, self._watch_trial)
        self.list = TrainRuns(session, model, self.draft.take)
        bodies = (self.draft.body, self.compare.body, self.sweep.body)
        self.live = Live(model, curves)
        over = (self.live.bar, self.live.note, *bodies)
        self.stage = Stage(
            session, model, "a snapshot of the run", self._reading.cancel, over, blocks=True, land_shade=True
        )
        self._side = box(css=_SIDE)
        self._forms = box(self.draft.form)
        self._runs = box(self.list.part)
        faces = controls.segments(model.param.face, _FACES)
        drawer = [faces, self._forms, self._runs]
        self.view = PageView(drawer, self.stage.parts, [self._side], self.stage.read, self._actions(), model)
        model.param.watch(lambda *_: self._turn(), ["face", "run", "compared"])
        model.param.watch(lambda *_: self._again.soon(), _LOOK)
        REGISTRY.subscribe(lambda _: self._changed())
        session.param.watch(lambda event: event.new == _PAGE and self._changed(), "page")
        self._turn()

    def _actions(self) -> list[Any]:
        files = {
            "Configuration, JSON": self._offer_config,
            "Python": self._offer_snippet,
            "Metrics, CSV": self._offer_metrics,
            "Picture, PNG": lambda: self.stage.save_picture(self.model.run or "train"),
        }
        return [controls.copy_link(self.session.say), controls.export_menu(files)]

    # what is on screen

    def _turn(self) -> None:
        """Show the open face."""
        face = self.model.face
        show(self._forms, face == NEW)
        show(self._runs, face != NEW)
        side = {NEW: self.draft.side, RUNS: self.live.side, COMPARE: self.compare.side}[face]
        fill(self._side, *side)
        self.stage.clear_failure()
        self._cover()
        if face == NEW:
            self.draft.show()
        self._changed()

    def _cover(self) -> None:
        """Lay over the globe what takes its place."""
        face, run = self.model.face, REGISTRY.records.get(self.model.run)
        is_sweep = face == RUNS and run is not None and run.task == "sweep"
        show(self.draft.body, face == NEW)
        show(self.compare.body, face == COMPARE)
        show(self.sweep.body, is_sweep)
        is_map = face == RUNS and not is_sweep
        self.stage.globe.visible = self.stage.hover.visible = is_map
        if not is_map:
            self.live.leave_globe(self.stage)

    def _changed(self) -> None:
        """The runs, or which of them are looked at, have changed."""
        if self.model.face == NEW:
            self._poll.turn(False)
            return
        self._cover()
        self.list.show()
        looked_at = [REGISTRY.records.get(one) for one in self._looked_at()]
        self._poll.turn(any(record is not None and record.state in ACTIVE for record in looked_at))
        self._read()

    def _looked_at(self) -> list[str]:
        return list(self.model.compared) if self.model.face == COMPARE else [self.model.run]

    # reading

    def _follow(self, run_id: str) -> RunReader | None:
        """The run as it is followed; None when it is not there (any more)."""
        if run_id not in REGISTRY.records:
            self._followed.pop(run_id, None)
            return None
        if run_id not in self._followed:
            try:
                self._followed[run_id] = RunReader(REGISTRY.store.get(run_id))
            except EngineError as error:
                self._show_failure(error)
                return None
        return self._followed[run_id]

    def _read(self) -> None:
        """Read on, unless that is under way or nobody looks."""
        if self._reading.running or self.session.page not in ("", _PAGE):
            return
        if self.model.face == RUNS:
            self._read_run()
        elif self.model.face == COMPARE:
            self._read_compared()

    def _read_run(self) -> None:
        run = self._follow(self.model.run)
        if run is None:
            self._seen = None
            offer = "Choose a run in the list." if REGISTRY.records else "No run yet. Start one under New."
            gone = "This run is not there any more. Choose another."
            self.live.clear(self.stage, gone if self.model.run else offer)
            return
        record, asked = REGISTRY.records[run.run.id], self._asked()
        look, epoch = CurveOptions.of(self.model), self.model.epoch

        def then(seen: RunSnapshot) -> None:
            if asked != self._asked():
                self._read()
                return
            self._seen = seen
            self.live.show(self.stage, seen)
            self.sweep.show(seen)

        self._reading.start(lambda _: run.read(record, look, epoch), then)

    def _read_compared(self) -> None:
        runs = [run for run in map(self._follow, self.model.compared) if run is not None]
        if len(runs) < 2:
            self.compare.clear(INVITATION)
            return
        records, asked, look = dict(REGISTRY.records), self._asked(), CurveOptions.of(self.model)

        def then(found: Compared) -> None:
            if asked == self._asked():
                self.compare.show(found)
            else:
                self._read()

        self._reading.start(lambda _: read_compared(runs, records, look), then)

    def _asked(self) -> tuple[Any, ...]:
        model = self.model
        return (model.face, model.run, list(model.compared), model.epoch, CurveOptions.of(model))

    def _show_failure(self, error: Exception) -> None:
        self.stage.show_failure("This run cannot be shown", error)

    # trials of a sweep

    def _use_trial(self, trial: SweepTrial) -> None:
        try:
            config = REGISTRY.store.get(str(trial.run)).config
        except EngineError as error:
            self.session.say("error", str(error))
            return
        self.draft.take(config, f"Like trial {trial.number}")
        self.session.say("success", f"Trial {trial.number} is in the form.")

    def _watch_trial(self, trial: SweepTrial) -> None:
        self.model.param.update(run=str(trial.run), epoch=-1)

    # files

    def _config(self) -> Any:
        """Of the draft, or of the run that is looked at."""
        if self.model.face == NEW:
            return self.draft.config
        if self._seen is None:
            self.session.say("info", "Choose a run first.")
        return None if self._seen is None else self._seen.config

    def _offer_config(self) -> None:
        config = self._config()
        if config is not None:
            self.stage.download.offer(f"{config.task}.json", config.to_json())

    def _offer_snippet(self) -> None:
        config = self._config()
        if config is not None:
            self.stage.download.offer(f"{config.task}.py", forms.config_snippet(config).encode())

    def _offer_metrics(self) -> None:
        run = self._followed.get(self.model.run)
        columns = {} if run is None else run.reader.columns
        if not columns:
            self.session.say("info", "There are no metrics yet. Choose a run that has begun.")
            return
        self.stage.download.offer(f"{self.model.run}.csv", csv_file(columns))
