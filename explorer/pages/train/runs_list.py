"""The list of runs in the drawer: what it shows of each, and what is done when a button is pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.compute import describe_device
from engine.errors import EngineError, StoreError
from engine.queries.train.run_files import final_scores, latest_metrics
from engine.runs import ACTIVE, RunConfig, RunRecord
from explorer.pages.train import text
from explorer.pages.train.model import MOST_COMPARED, RUNS, TrainModel
from explorer.registry import REGISTRY, store_call
from explorer.runs_panel import title
from explorer.session import Session
from explorer.widgets.requests import Request
from explorer.widgets.trainings import TrainingList

_MOST_ROWS = 300


class RunsList:
    """``part`` stands in the drawer. ``use(config, title)`` makes a run's configuration the draft."""

    def __init__(self, session: Session, model: TrainModel, use: Callable[[RunConfig, str], None]) -> None:
        self._session = session
        self._model = model
        self._use = use
        self.part = TrainingList(self._do, margin=0)

    def show(self) -> None:
        """Bring the rows in line with the runs as this server knows them."""
        shown = list(REGISTRY.records.values())[:_MOST_ROWS]
        self.part.param.update(
            rows=[self._row(record) for record in shown],
            deleted=[{"id": one.id, "title": title(one)} for one in _bin()],
            chosen=self._model.run if self._model.face == RUNS else "",
            problem=REGISTRY.problem,
        )

    def _row(self, record: RunRecord) -> dict[str, Any]:
        said, verdict = _badge(record)
        can = {
            "cancel": record.can_cancel,
            "resume": record.can_resume,
            "delete": record.state not in ACTIVE,
            "move": record.state == "queued",
        }
        return {
            "id": record.id,
            "title": title(record),
            "name": record.name,
            "note": record.note,
            "tags": list(record.tags),
            "state": record.state,
            "label": "stopping" if record.is_stopping else record.state,
            "detail": text.details(record, describe_device()),
            "share": record.progress if record.state in ("running", "interrupted", "cancelled") else None,
            "failure": record.failure or "",
            "badge": said,
            "verdict": verdict,
            "score": record.best,
            "created": record.created,
            "is_trial": text.is_trial(record),
            "is_compared": record.id in self._model.compared,
            "can": [name for name, holds in can.items() if holds],
        }

    def _do(self, asked: Request) -> None:
        what, run_id = str(asked["what"]), str(asked["id"])
        if what == "open":
            self._model.param.update(run=run_id, epoch=-1, face=RUNS)
            return
        if what == "compare" and not self._model.toggle(run_id):
            self._session.say("info", f"At most {MOST_COMPARED} runs can be compared. Take one away first.")
        elif what != "compare":
            try:
                self._act(what, run_id, asked)
            except EngineError as error:
                self._session.say("error", str(error))
        self.show()
        self.part.answered = int(asked["serial"])

    def _act(self, what: str, run_id: str, asked: Request) -> None:
        if what == "restore":
            store_call(lambda store: store.restore(run_id))
        elif what == "empty":
            store_call(lambda store: store.empty_bin())
        else:
            run = REGISTRY.store.get(run_id)
            actions: dict[str, Callable[[Any], Any]] = {
                "cancel": lambda store: store.cancel(run),
                "resume": lambda store: store.resume(run),
                "delete": lambda store: store.delete(run),
                "earlier": lambda store: store.move(run, -1),
                "later": lambda store: store.move(run, 1),
                "duplicate": lambda store: store.launch(store.duplicate(run)),
                "annotate": lambda store: store.annotate(
                    run, name=str(asked["name"]), note=str(asked["note"]), tags=[str(tag) for tag in asked["tags"]]
                ),
                "use": lambda _: self._use(run.config, run.record.name),
            }
            store_call(actions[what])
            if what == "delete" and run_id == self._model.run:
                self._model.run = ""


def _badge(record: RunRecord) -> tuple[str, str]:
    if record.task != "sst":
        return "", ""
    folder = REGISTRY.store.folder(record.id)
    try:
        scores = final_scores(folder)
    except StoreError:  # who opens the run is told
        scores = {}
    return text.badge(latest_metrics(folder), scores)


def _bin() -> list[RunRecord]:
    try:
        return list(REGISTRY.store.deleted().values())
    except EngineError:
        return []
