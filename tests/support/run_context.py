"""A run's context without a worker: tasks run in the test's own process."""

from __future__ import annotations

from engine.runs import RunConfig
from engine.runs.context import RunContext
from engine.runs.heartbeat import Heartbeat
from engine.runs.process import ProcessId
from engine.runs.record import Status


def context(folder, settings, stop_after: int | None = None) -> RunContext:
    """A run from the inside; asked to stop at its ``stop_after``-th report."""
    status = Status(launch=1, state="running", process=ProcessId.own(), started=0.0)
    run = RunContext(folder, RunConfig(settings=settings), Heartbeat(folder, status))
    report, count = run.report, iter(range(1, 10**6))

    def counted(*arguments, **keywords):
        report(*arguments, **keywords)
        if next(count) == stop_after:
            run._heartbeat.stop_requested.set()

    run.report = counted
    return run
