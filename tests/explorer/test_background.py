"""Work off the event loop: the newest request wins, an abandoned one stops, a failure is told once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.errors import CancelledError, ChoiceError
from explorer import background
from explorer.background import LatestTask


class Document:
    """As much of a Bokeh document as the work needs: calls back on the running loop."""

    session_context = object()

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    def add_next_tick_callback(self, callback: Callable[[], None]) -> None:
        self.loop.call_soon_threadsafe(callback)


class Recorder:
    """The progress, results and errors that the page receives."""

    def __init__(self) -> None:
        self.progress: list[tuple[float | None, str]] = []
        self.errors: list[Exception] = []
        self.answers: list[Any] = []
        self.done = asyncio.Event()

    def newest(self) -> LatestTask:
        return LatestTask(lambda share, text: self.progress.append((share, text)), self.failed)

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.done.set()

    def answered(self, answer: Any) -> None:
        self.answers.append(answer)
        self.done.set()


@pytest.fixture
def in_session(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(scene: Callable[[Recorder, LatestTask], Any]) -> None:
        async def play() -> None:
            class State:
                curdoc = Document()

            monkeypatch.setattr(background.pn, "state", State)
            recorder = Recorder()
            await asyncio.wait_for(scene(recorder, recorder.newest()), timeout=120)

        # a thread of its own: where browser tests ran before, this one already has a loop
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, play()).result()

    return run


def test_an_answer_arrives_with_its_progress_before_it(in_session: Callable[..., None]) -> None:
    async def scene(recorder: Recorder, work: LatestTask) -> None:
        def job(report: Callable[[float, str], None]) -> int:
            report(0.5, "half way")
            return 42

        work.start(job, recorder.answered)
        await recorder.done.wait()
        assert recorder.answers == [42]
        assert recorder.progress == [(0.5, "half way"), (None, "")]
        assert not work.running

    in_session(scene)


def test_a_newer_request_stops_the_older_and_only_it_answers(in_session: Callable[..., None]) -> None:
    async def scene(recorder: Recorder, work: LatestTask) -> None:
        started, stopped, go = threading.Event(), threading.Event(), threading.Event()

        def old(report: Callable[[float, str], None]) -> str:
            started.set()
            go.wait(120)
            try:
                report(0.1, "still at it")
            except CancelledError:
                stopped.set()
                raise
            return "old"

        work.start(old, recorder.answered)
        await asyncio.to_thread(started.wait, 120)
        work.start(lambda report: "new", recorder.answered)
        go.set()
        await recorder.done.wait()
        assert await asyncio.to_thread(stopped.wait, 120)
        assert recorder.answers == ["new"]
        assert not recorder.errors

    in_session(scene)


def test_work_of_a_closed_tab_stops(in_session: Callable[..., None]) -> None:
    async def scene(recorder: Recorder, newest: LatestTask) -> None:
        begun, closed, ended = threading.Event(), threading.Event(), threading.Event()

        def work(report: Callable[[float, str], None]) -> None:
            begun.set()
            closed.wait(60)
            try:
                report(0.5, "half")
            except CancelledError:
                ended.set()
                raise

        newest.start(work, recorder.answered)
        await asyncio.to_thread(begun.wait, 60)
        background.pn.state.curdoc.session_context = None
        closed.set()
        assert await asyncio.to_thread(ended.wait, 60)
        assert (recorder.answers, recorder.errors) == ([], [])

    in_session(scene)


def test_work_starts_from_a_thread_without_a_loop(in_session: Callable[..., None]) -> None:
    async def scene(recorder: Recorder, work: LatestTask) -> None:
        await asyncio.to_thread(work.start, lambda report: 42, recorder.answered)
        await recorder.done.wait()
        assert recorder.answers == [42]
        assert not work.running

    in_session(scene)


def test_a_failure_is_reported_and_the_next_task_runs(in_session: Callable[..., None]) -> None:
    async def scene(recorder: Recorder, work: LatestTask) -> None:
        def fails(report: Callable[[float, str], None]) -> None:
            raise ChoiceError("no cell counts", "box", "make it larger")

        work.start(fails, recorder.answered)
        await recorder.done.wait()
        assert [str(error) for error in recorder.errors] == ["no cell counts (box). Remedy: make it larger."]
        recorder.done.clear()
        work.start(lambda report: "fine", recorder.answered)
        await recorder.done.wait()
        assert recorder.answers == ["fine"]

    in_session(scene)
