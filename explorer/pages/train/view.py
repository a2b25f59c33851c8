"""The Train page's view: three tabs, and the runs they need, read off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import EngineError
from engine.queries.leaderboard import Leaderboard, leaderboards
from engine.queries.ocean import SourceChoice
from engine.queries.train.curves import SweepTrial
from engine.runs import RunRecord
from explorer.background import Debouncer, LatestTask, PeriodicTask, unseen
from explorer.layout import box, fill, show
from explorer.pages.train import text
from explorer.pages.train.comparisons import INVITATION, Compared, CompareTab, SweepPanel, read_compared
from explorer.pages.train.exports import RunExports
from explorer.pages.train.model import COMPARE, NEW, RUNS, SCORES, TrainModel
from explorer.pages.train.new_tab import NewTab
from explorer.pages.train.run_reader import CurveOptions, RunReader, RunSnapshot
from explorer.pages.train.runs_tab import CurveControls, RunTab, TrainingRuns
from explorer.pages.train.scores_tab import ScoresTab
from explorer.pages.train.uses import RunUses
from explorer.registry import REGISTRY
from explorer.session import PageView, Query, Session
from explorer.stage import Stage
from explorer.widgets import controls
from explorer.widgets.veil import VEIL, veil

_PAGE = "train"
_TABS = {"New": NEW, "Runs": RUNS, "Compare": COMPARE, "Scores": SCORES}
_CURVE_OPTIONS = ["metric", "axis", "scale", "smoothing", "layer", "epoch"]
# a pane that is taller than the panel, the scores, keeps its height, so that the next one does not cover it
_SIDE = """
:host { display: flex; flex-flow: column nowrap; gap: 8px; max-height: none }
:host > * { flex: none; max-height: none }
"""


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it; by default at the latest run."""
    model = TrainModel(query, choice=session.source)
    tasks = ("sst", "sweep")
    runs = (run.id for run in REGISTRY.records.values() if run.task in tasks and not text.is_trial(run))
    latest = next(runs, "")
    if latest and not set(query) & {"face", "task", "run"}:
        model.param.update(tab=RUNS, run=latest)
    return TrainView(session, model).view


class TrainView:
    """Reads one run, or several to compare; running ones are read again twice a second.

    What is shown of an earlier selection is veiled until the selected runs are read, and is not exported.
    """

    def __init__(self, session: Session, model: TrainModel) -> None:
        self.session = session
        self.model = model
        self._readers: dict[str, RunReader] = {}
        self._snapshot: RunSnapshot | None = None
        self._shown_selection: tuple[str, ...] = ()
        """What is on screen without a veil."""
        self._is_cancelled = False
        """Nothing is read until a run is chosen."""
        self._is_waiting = False
        """Whether progress is on screen."""
        self._updates = PeriodicTask(self._read)
        self._reading = LatestTask(unseen, self._show_failure)
        self._again = Debouncer(self._read, 40)
        self.new_tab = NewTab(session, model)
        self.compare_tab = CompareTab(model, curves := CurveControls(model))
        self.sweep = SweepPanel(self._use_trial, self._watch_trial)
        self.scores_tab = ScoresTab(model)
        self.runs = TrainingRuns(session, model, self.new_tab.take, self._open_again)
        bodies = (self.new_tab.body, self.compare_tab.body, self.sweep.body, self.scores_tab.body, self.new_tab.line)
        uses = RunUses(session, model, self._shown_run, lambda: self.exports.offer_report())
        self.run_tab = RunTab(model, curves, uses)
        over = (self.run_tab.bar, self.run_tab.note, *bodies)
        self.stage = Stage(session, model, "a snapshot of the run", self._abandon, over, blocks=True, covered="land")
        self.new_tab.draw_on(self.stage)
        self._side = box(css=_SIDE)
        self._veiled = [self._side, self.stage.globe, self.run_tab.bar, self.compare_tab.body, self.sweep.body]
        for part in self._veiled:
            if VEIL not in part.stylesheets:
                part.stylesheets = [*part.stylesheets, VEIL]
        self._forms = box(self.new_tab.form)
        self._runs = box(self.runs.part)
        tabs = controls.segments(model.param.tab, _TABS)
        drawer = [tabs, self._forms, self._runs]
        self.exports = RunExports(session, model, self.new_tab, self.stage, self._shown_run, self._readers)
        files = {
            "Configuration, JSON": self.exports.offer_config,
            "Python": self.exports.offer_snippet,
            "Metrics, CSV": self.exports.offer_metrics,
            "Scores, CSV": self.exports.offer_scores,
            "Leaderboard, CSV": lambda: self.scores_tab.offer(self.stage, session),
            "Report, HTML": self.exports.offer_report,
            "Picture, PNG": self.exports.offer_picture,
        }
        self.view = self.stage.page_view(drawer, [self._side], files)
        model.param.watch(lambda *_: self._turn(), ["tab", "run", "compared"])
        model.param.watch(lambda *_: self._cover(), ["main", "task"])
        model.param.watch(lambda *_: self._lead(), "choice")
        session.param.watch(lambda event: self._follow(event.new), "source")
        self._lead()
        model.param.watch(lambda *_: self._again.soon(), _CURVE_OPTIONS)
        REGISTRY.subscribe(lambda _: self._changed())
        session.param.watch(lambda event: event.new == _PAGE and self._changed(), "page")
        self._turn()

    # what is on screen

    def _turn(self) -> None:
        """Show the open tab, and read what is selected there."""
        tab = self.model.tab
        # an earlier selection's reading neither ends nor fails under this one
        self._reading.cancel()
        self._is_cancelled = False
        show(self._forms, tab == NEW)
        show(self._runs, tab != NEW)
        side = {NEW: self.new_tab.side, RUNS: self.run_tab.side, COMPARE: self.compare_tab.side}.get(
            tab, self.scores_tab.side
        )
        fill(self._side, *side)
        self.stage.clear_failure()
        if tab != NEW:
            self.new_tab.leave()
        self._cover()
        self._mark_stale()
        self._changed()
        if tab == NEW:  # last, because its progress stands where that of a reading stood
            self.new_tab.open()

    def _lead(self) -> None:
        """The source of an address or a configuration becomes the session's."""
        if self.model.choice != self.session.source:  # param counts an equal one as a change
            self.session.source = self.model.choice

    def _follow(self, choice: SourceChoice) -> None:
        """Draft a training on a source that was chosen elsewhere."""
        if choice != self.model.choice:
            self.model.choice = choice
            self.new_tab.propose()

    def _open_again(self) -> None:
        """Read the selected run anew: its row was chosen a second time."""
        self._shown_selection = ()
        self._turn()

    @property
    def _is_stale(self) -> bool:
        """Whether the selection has not been read yet."""
        return self.model.tab != NEW and self._shown_selection != (self.model.tab, *self._selected_runs())

    def _mark_stale(self) -> None:
        """Veil what is on screen of another selection, and remove what a person could act on."""
        if self._is_stale:
            self._snapshot = None
            self.sweep.clear()
        for part in self._veiled:
            veil(part, self._is_stale)

    def _show_selection(self) -> None:
        """The selected runs are on screen, or the reason why not."""
        self._shown_selection = (self.model.tab, *self._selected_runs())
        self._mark_waiting()
        self._mark_stale()

    def _mark_waiting(self) -> None:
        """Show progress while the selection is read for the first time.

        Only a change is passed on, because the session's pages share the mark that something is under way.
        """
        waits = self._is_stale and self._reading.running
        if waits != self._is_waiting:
            self._is_waiting = waits
            self.stage.show_progress(0.0 if waits else None, text.READING if waits else "")

    def _abandon(self) -> None:
        """Stop reading, also from time to time, until a run is chosen; stop planning."""
        if self.model.tab == NEW:
            self.new_tab.abandon()
            return
        self._is_cancelled = True
        self._updates.turn(False)
        self._reading.cancel()
        self._show_reason(text.COMPARISON_CANCELLED if self.model.tab == COMPARE else text.CANCELLED)

    def _show_reason(self, reason: str) -> None:
        """Show why the selected runs are not on screen."""
        self._snapshot = None
        self.sweep.clear()
        if self.model.tab == COMPARE:
            self.compare_tab.clear(reason)
        else:
            self.run_tab.clear(self.stage, reason)
        self._show_selection()

    def _cover(self) -> None:
        """Cover the globe with the body of the tab, if it has one."""
        tab, run = self.model.tab, REGISTRY.records.get(self.model.run)
        is_sweep = tab == RUNS and run is not None and run.task == "sweep"
        shows_plan = tab == NEW and self.new_tab.has_map
        self.new_tab.cover()
        show(self.compare_tab.body, tab == COMPARE)
        show(self.scores_tab.body, tab == SCORES)
        show(self.sweep.body, is_sweep)
        is_map = tab == RUNS and not is_sweep
        self.stage.globe.visible = self.stage.hover.visible = is_map or shows_plan
        if not is_map:
            self.run_tab.leave_globe(self.stage)
        if not shows_plan:
            self.stage.globe.outlines = []

    def _changed(self) -> None:
        """Update after a change of the runs or of the selection."""
        is_new = self.model.tab == NEW
        if not is_new:
            self._cover()
            self.runs.show()
        is_active = any(REGISTRY.is_active(run_id) for run_id in self._selected_runs())
        self._updates.turn(is_active and not is_new and not self._is_cancelled)
        self._read()
        self._mark_waiting()

    def _selected_runs(self) -> list[str]:
        if self.model.tab == SCORES:
            return []
        return list(self.model.compared) if self.model.tab == COMPARE else [self.model.run]

    # reading

    def _reader(self, run_id: str) -> RunReader | None:
        """The reader of a run; None when the run does not exist, or cannot be read, which is shown."""
        if run_id not in REGISTRY.records:
            self._readers.pop(run_id, None)
            return None
        if run_id not in self._readers:
            try:
                self._readers[run_id] = RunReader(REGISTRY.store.get(run_id))
            except EngineError as error:
                self._show_failure(error)
                return None
        return self._readers[run_id]

    def _read(self) -> None:
        """Read the selected runs, unless that is under way or was cancelled, or the page is hidden."""
        if self._is_cancelled or self._reading.running or self.session.page not in ("", _PAGE):
            return
        if self.model.tab == RUNS:
            self._read_run()
        elif self.model.tab == COMPARE:
            self._read_compared()
        elif self.model.tab == SCORES:
            self._read_scores()

    def _read_run(self) -> None:
        run = self._reader(self.model.run)
        if run is None:
            self._show_reason(self._why_no_run())
            return
        record, selection = REGISTRY.records[run.run.id], self._selection()
        options, epoch = CurveOptions.of(self.model), self.model.epoch

        def then(snapshot: RunSnapshot) -> None:
            if selection != self._selection():
                self._read()
                self._mark_waiting()
                return
            self.stage.clear_failure()
            self._snapshot = snapshot
            self.run_tab.show(self.stage, snapshot)
            self.sweep.show(snapshot)
            self._show_selection()
            self._read_again([record])

        self._reading.start(lambda _: run.read(record, options, epoch), then)

    def _read_again(self, records: Sequence[RunRecord]) -> None:
        """Read again what has ended while it was read: nothing is read after the end of a run."""
        now = REGISTRY.records
        if any(record.id in now and now[record.id].state != record.state for record in records):
            self._read()

    def _why_no_run(self) -> str:
        """Why the tab "Runs" has nothing to read."""
        if self.model.run in REGISTRY.records:
            return text.NOT_READ
        if self.model.run:
            return "This run does not exist. Choose another."
        return "Choose a run in the list." if REGISTRY.records else "No run yet. Start one in the tab New."

    def _read_compared(self) -> None:
        readers = {run_id: self._reader(run_id) for run_id in self.model.compared}
        runs = [run for run in readers.values() if run is not None]
        is_damaged = any(run is None and run_id in REGISTRY.records for run_id, run in readers.items())
        if len(runs) < 2:
            self._show_reason(text.NOT_READ if is_damaged else INVITATION)
            return
        records, selection, options = dict(REGISTRY.records), self._selection(), CurveOptions.of(self.model)

        def then(compared: Compared) -> None:
            if selection != self._selection():
                self._read()
                self._mark_waiting()
                return
            if not is_damaged:  # else the failure tells why a selected run is not among them
                self.stage.clear_failure()
            self.compare_tab.show(compared)
            self._show_selection()
            self._read_again([records[run.run.id] for run in runs])

        self._reading.start(lambda _: read_compared(runs, records, options), then)

    def _read_scores(self) -> None:
        def then(boards: list[Leaderboard]) -> None:
            self.scores_tab.show(boards)
            self._show_selection()

        self._reading.start(lambda _: leaderboards(REGISTRY.store), then)

    def _selection(self) -> tuple[Any, ...]:
        model = self.model
        return (model.tab, model.run, list(model.compared), model.epoch, CurveOptions.of(model))

    def _show_failure(self, error: Exception) -> None:
        self.stage.show_failure("This run cannot be read", error)
        if self._is_stale:
            self._show_reason(text.NOT_READ)

    # trials of a sweep

    def _use_trial(self, trial: SweepTrial) -> None:
        try:
            config = REGISTRY.store.get(str(trial.run)).config
        except EngineError as error:
            self.session.say("error", str(error))
            return
        self.new_tab.take(config, f"Like trial {trial.number}")
        self.session.say("success", f"Trial {trial.number} is in the form.")

    def _watch_trial(self, trial: SweepTrial) -> None:
        self.model.param.update(run=str(trial.run), epoch=-1)

    def _shown_run(self) -> RunSnapshot | None:
        """The run on screen, the only one that is exported; None, and a message, when there is none."""
        if self.model.tab == RUNS and not self._is_stale and self._snapshot is not None:
            return self._snapshot
        self.session.say("info", text.READING if self._is_stale else text.NO_RUN_SHOWN)
        return None
