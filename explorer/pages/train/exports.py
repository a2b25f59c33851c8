"""What the Train page exports: the draft or the run on screen, its metrics, scores, report and picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.queries.report import run_report
from engine.queries.run_exports import config_json, metrics_csv, scores_csv, snapshot_origin
from engine.queries.train.script import as_python
from engine.runs import RunConfig
from explorer.pages.train import plan_text
from explorer.pages.train.model import NEW, TrainModel
from explorer.pages.train.new_tab import NewTab
from explorer.pages.train.run_reader import RunReader, RunSnapshot
from explorer.registry import REGISTRY
from explorer.report import report_html
from explorer.session import Session
from explorer.stage import Stage


class RunExports:
    """Files of the draft, or of the run on screen: ``shown_run()`` gives it, or says why there is none."""

    def __init__(
        self,
        session: Session,
        model: TrainModel,
        new_tab: NewTab,
        stage: Stage,
        shown_run: Callable[[], RunSnapshot | None],
        readers: Mapping[str, RunReader],
    ) -> None:
        self._session = session
        self._model = model
        self._new_tab = new_tab
        self._stage = stage
        self._shown_run = shown_run
        self._readers = readers

    def _config(self) -> RunConfig | None:
        """The configuration of the draft or of the run on screen."""
        model = self._model
        if model.tab == NEW:
            if model.learns and model.is_awaited:
                self._session.say("info", plan_text.AWAITED)
                return None
            return self._new_tab.config
        snapshot = self._shown_run()
        return None if snapshot is None else snapshot.config

    def offer_config(self) -> None:
        """The configuration as JSON."""
        config = self._config()
        if config is not None:
            self._stage.offer(f"{config.task}.json", lambda: config_json(config))

    def offer_snippet(self) -> None:
        """The configuration as Python."""
        config = self._config()
        if config is not None:
            self._stage.offer(f"{config.task}.py", lambda: as_python(config).encode())

    def offer_picture(self) -> None:
        """The map on screen as PNG."""
        snapshot = self._shown_run()
        if snapshot is not None:
            run_id = snapshot.record.id
            shown = snapshot.fields
            origin = None if shown is None else snapshot_origin(snapshot.config, run_id, shown.attrs["epoch"])
            self._stage.save_picture(run_id, origin)

    def offer_metrics(self) -> None:
        """The metrics of the run as CSV."""
        snapshot = self._shown_run()
        if snapshot is None:
            return
        columns = self._readers[snapshot.record.id].reader.columns
        if columns:
            self._stage.offer(f"{snapshot.record.id}.csv", lambda: metrics_csv(snapshot.config, columns))
        else:
            self._session.say("info", "There are no metrics yet. Choose a run that has started.")

    def offer_scores(self) -> None:
        """The scores of the run as CSV."""
        snapshot = self._shown_run()
        if snapshot is None:
            return
        config, scores, verdict = snapshot.config, snapshot.scores, snapshot.verdict
        if scores:
            self._stage.offer(f"scores-{snapshot.record.id}.csv", lambda: scores_csv(config, scores, verdict))
        else:
            self._session.say("info", "There are no scores yet. Choose a finished training.")

    def offer_report(self) -> None:
        """The report on the run as HTML."""
        snapshot = self._shown_run()
        if snapshot is not None:
            run = self._readers[snapshot.record.id].run
            self._stage.offer(f"report-{run.id}.html", lambda: report_html(run_report(run, REGISTRY.store)).encode())
