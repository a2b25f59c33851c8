"""The runs panel: what it says of the runs, and that one thread's look reaches it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError
from engine.queries.text import duration
from engine.runs import Change, LandSettings, RunConfig, RunRecord, RunStore
from explorer import runs_panel
from explorer.registry import Registry
from explorer.runs_panel import RunsPanel, row, title
from explorer.session import Session
from tests.support.held_tasks import held_tasks

NAME = "<b>bold</b>"


def record(state: str, **known: Any) -> RunRecord:
    return RunRecord(id="20261120-101500-0123456789", state=state, task="basis", **known)


def messages_of(panel: RunsPanel, session: Session) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    session.say = lambda severity, sentence: messages.append((severity, sentence))
    return messages


def test_a_run_is_called_by_its_name_or_by_task_and_time() -> None:
    assert title(record("done", name="Monday")) == "Monday"
    assert title(record("done")) == "Harmonic basis"
    assert title(record("done", created=1796067505.2)) == "Harmonic basis, 30 Nov 2026, 19:38 UTC"


@pytest.mark.parametrize(
    ("state", "can_cancel", "can_resume"),
    [("queued", True, False), ("running", True, False), ("done", False, False), ("failed", False, True),
     ("cancelled", False, True), ("interrupted", False, True), ("unreadable", False, False)],
)  # fmt: skip
def test_only_what_is_possible_is_offered(state: str, can_cancel: bool, can_resume: bool) -> None:
    shown = row(record(state))
    assert ("cancel" in shown["can"], "resume" in shown["can"]) == (can_cancel, can_resume)


def test_a_row_says_how_far_and_how_long() -> None:
    shown = row(record("running", started=1.0, progress=0.42, seconds_left=75.0))
    assert shown["share"] == 0.42
    assert "42 %" in shown["detail"]
    assert "1 min 15 s left" in shown["detail"]


@pytest.mark.parametrize(("seconds", "expected"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min")])
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [("running", "done", "success"), ("running", "failed", "error"), ("queued", "cancelled", "info"),
     ("running", "interrupted", "warning"), (None, "done", None), ("queued", "running", None)],
)  # fmt: skip
def test_a_message_when_a_run_ends_and_only_then(before: str | None, after: str, severity: str | None) -> None:
    session = Session()
    panel = RunsPanel(session, Registry())
    messages = messages_of(panel, session)
    panel._changed([Change(record(after, name=NAME, failure="no room"), before)])
    assert [kind for kind, _ in messages] == ([severity] if severity else [])
    assert all(NAME in sentence for _, sentence in messages)


def test_the_registry_sees_what_others_do(tmp_path: Path) -> None:
    registry = Registry(lambda: RunStore(tmp_path))
    changes: list[list[Change]] = []
    arrived = threading.Event()
    registry._listeners["test"] = lambda changed: (changes.append(changed), arrived.set())
    registry.start()
    try:
        with RunStore(tmp_path) as other:
            run = other.create(RunConfig(settings=LandSettings(step_deg=10.0)), name="made elsewhere")
        registry.refresh()
        assert arrived.wait(120)
        assert changes[-1][-1].run.id == run.id
        assert registry.records[run.id].state == "created"
    finally:
        registry.stop()


def test_a_home_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    registry = Registry(lambda: RunStore(home))
    registry.start()
    try:
        deadline = time.monotonic() + 120
        while not registry.problem and time.monotonic() < deadline:
            registry.refresh()
            time.sleep(0.01)
        assert "the home folder is a file" in registry.problem
        session = Session()
        panel = RunsPanel(session, registry)
        panel.is_open = True
        assert "the home folder is a file" in panel.list.problem
    finally:
        registry.stop()
    with pytest.raises(StoreError):
        _ = registry.store


def test_the_log_of_a_run_that_ends_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_panel, "LatestTask", held_tasks())
    with RunStore(tmp_path) as store:
        run = store.create(RunConfig(settings=LandSettings()))
        registry = Registry(lambda: store)
        monkeypatch.setattr(registry, "_store", store)
        monkeypatch.setattr(registry, "records", dict(store.records()))
        panel = RunsPanel(Session(), registry)
        panel._do({"action": "open", "id": run.id, "serial": 1})
        registry.records[run.id] = replace(registry.records[run.id], state="done")
        panel._show()
        panel._reading.finish()
        (run.folder / "log.txt").write_text("The last line")
        panel._reading.finish()
        assert panel.list.log == "The last line"
        assert not panel._reading.running
