"""The runs panel, open from every page: the list of runs and the actions of its buttons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import param

from engine.errors import EngineError
from engine.queries.text import duration
from engine.runs import ACTIVE, Change, MetricsReader, RunRecord
from explorer.background import LatestTask, unseen
from explorer.registry import Registry, store_call
from explorer.session import Session
from explorer.switches import READ_ONLY, is_on
from explorer.task_names import created_text, task_name
from explorer.widgets.requests import Request
from explorer.widgets.run_list import RunList
from explorer.widgets.text import error_text

_PAGE = 50
_LOG_LINES = 40

_ENDED = {
    "done": ("success", "{title} is done."),
    "failed": ("error", "{title} failed: {failure}"),
    "cancelled": ("info", "{title} was cancelled. It can be resumed."),
    "pruned": ("info", "{title} was pruned."),
    "interrupted": ("warning", "{title} was interrupted. It can be resumed."),
}


class RunsPanel(param.Parameterized):
    """One session's list of runs: their number for the rail, rows for the panel, a message when a run ends."""

    is_open = param.Boolean(default=False)
    count = param.Integer(default=0, doc="number of queued and running runs")

    def __init__(self, session: Session, registry: Registry) -> None:
        super().__init__()
        self._session = session
        self._registry = registry
        self._limit = _PAGE
        self._metrics: MetricsReader | None = None
        self._reading = LatestTask(unseen, lambda error: session.say("error", error_text(error)))
        self.list = RunList(self._do, self._show_answers, is_panel=True, margin=0, sizing_mode="stretch_both")
        self.param.watch(lambda _: self._open_or_close(), "is_open")
        registry.subscribe(self._changed)
        self.count = self._active()

    def _active(self) -> int:
        return sum(record.state in ACTIVE for record in self._registry.records.values())

    def _changed(self, changed: list[Change]) -> None:
        self.count = self._active()
        for change in changed:
            if change.before in ACTIVE and change.run.state in _ENDED:
                severity, sentence = _ENDED[change.run.state]
                self._session.say(severity, sentence.format(title=title(change.run), failure=change.run.failure))
        if self.is_open:
            self._show()

    def _open_or_close(self) -> None:
        if self.is_open:
            self._show()
            self._show_machine()

    def _show(self) -> None:
        records = list(self._registry.records.values())
        shown = records[: self._limit]
        self.list.param.update(
            rows=[row(record) for record in shown],
            num_older=len(records) - len(shown),
            problem=self._registry.problem,
        )
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Read the open run's log and metrics off the event loop: a long run has a million lines."""
        chosen = self.list.chosen
        if chosen not in self._registry.records or self._reading.running:
            return
        run, state = self._registry.store.get(chosen), self._registry.records[chosen].state
        metrics = self._metrics = self._metrics or run.metrics()

        def read(_: object) -> tuple[str, list[tuple[str, str]]]:
            metrics.poll()
            return "\n".join(run.log_tail(_LOG_LINES)), [("id", chosen), *figures(metrics)]

        def then(content: tuple[str, list[tuple[str, str]]]) -> None:
            self.list.param.update(log=content[0], figures=content[1])
            now = self._registry.records.get(chosen)
            if now is not None and now.state != state:  # it ended while it was read
                self._show_chosen()

        self._reading.start(read, then)

    def _show_machine(self) -> None:
        try:
            card = self._registry.store.machine_card()
        except EngineError as error:
            self.list.problem = str(error)
            return
        self.list.param.update(machine=machine(card), dashboard=card["dashboard"] or "")

    def _do(self, request: Request) -> None:
        action, run_id = request["action"], request["id"]
        if action == "close":
            self.is_open = False
        elif action == "more":
            self._limit = min(self._limit, len(self._registry.records)) + _PAGE
        elif action == "open":
            self._reading.cancel()
            self._metrics = None
            self.list.param.update(log="", figures=[])
            self.list.chosen = "" if self.list.chosen == run_id else run_id
            self._show_chosen()
        elif action in ("cancel", "resume"):
            self._act(action, run_id)

    def _show_answers(self) -> None:
        """Draw once after all requests of a message."""
        if self.is_open:
            self._show()

    def _act(self, action: str, run_id: str) -> None:
        try:
            run = self._registry.store.get(run_id)
            store_call(lambda _: run.cancel() if action == "cancel" else run.resume(), self._registry)
        except EngineError as error:
            self._session.say("error", str(error))


def title(record: RunRecord) -> str:
    """The title of a run: its name, else its task and the time it was created."""
    return record.name or f"{task_name(record.task)}, {created_text(record)}".removesuffix(", ")


def row(record: RunRecord) -> dict[str, Any]:
    """The row of a run in the list."""
    known = record.state in ACTIVE or record.state in ("cancelled", "interrupted", "failed")
    return {
        "id": record.id,
        "title": title(record),
        "state": record.state,
        "label": "stopping" if record.is_stopping else record.state,
        "detail": " · ".join(part for part in (task_name(record.task), *progress_texts(record)) if part),
        "share": record.progress if known and record.started else None,
        "failure": record.failure or "",
        "can": [] if is_on(READ_ONLY) else ["cancel"] * record.can_cancel + ["resume"] * record.can_resume,
    }


def progress_texts(record: RunRecord) -> tuple[str, str, str]:
    """The progress, the time left and the run time, each empty where it is unknown."""
    percent = f"{100 * record.progress:.0f} %" if record.state == "running" else ""
    left = f"{duration(record.seconds_left)} left" if record.seconds_left is not None else ""
    took = f"ran {duration(record.seconds)}" if record.seconds and record.state not in ACTIVE else ""
    return percent, left, took


def figures(metrics: MetricsReader) -> list[tuple[str, str]]:
    """The latest value of every metric."""
    return [(name.replace("_", " "), f"{value:.4g}") for name, value in metrics.columns.last.items()]


def machine(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The resources of the machine."""
    where = card["scheduler"] or f"this machine, {card['slots']} at a time"
    return [
        ("Runs go to", where),
        ("Device", str(card["device"])),
        ("Memory free", f"{card['memory_free_bytes'] / 2**30:.1f} of {card['memory_bytes'] / 2**30:.1f} GiB"),
        ("Disk free", f"{card['disk_free_bytes'] / 2**30:.1f} GiB"),
        ("Home", card["home"]),
    ]
