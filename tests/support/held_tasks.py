"""Work off the event loop that is held until a test lets it finish, late, or fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import EngineError


class HeldTask:
    """Takes the place of :class:`explorer.background.LatestTask`; ``running_in(tasks)`` are those with work to finish.

    Like there, a start cancels the earlier work of the same task, and what was cancelled never reports.
    """

    created: list[HeldTask]

    def __init__(self, on_progress: Callable[[float | None, str], None], on_error: Callable[[Exception], None]) -> None:
        self._on_progress = on_progress
        self._on_error = on_error
        self._work: tuple[Callable[..., Any], Callable[[Any], object]] | None = None
        self.created.append(self)

    @property
    def running(self) -> bool:
        return self._work is not None

    def start(self, work: Callable[..., Any], then: Callable[[Any], object]) -> None:
        self.cancel()
        self._work = work, then

    def cancel(self) -> None:
        if self._work is not None:
            self._work = None
            self._on_progress(None, "")

    def finish(self, failure: Exception | None = None) -> None:
        """Let the work end: with its result, its own error, or ``failure``."""
        assert self._work is not None
        work, then = self._work
        result: Any = None
        if failure is None:
            try:
                result = work(lambda fraction, text: self._on_progress(fraction, text))
            except EngineError as error:
                failure = error
        self._work = None
        self._on_progress(None, "")
        if failure is None:
            then(result)
        else:
            self._on_error(failure)


def held_tasks() -> type[HeldTask]:
    """A class of held tasks of its own, with an empty list."""
    return type("HeldTask", (HeldTask,), {"created": []})


class StillTimer:
    """Takes the place of :class:`explorer.background.PeriodicTask`, and never fires."""

    def __init__(self, action: Callable[[], None], period_ms: int = 500) -> None:
        self.action = action
        self.running = False

    def turn(self, on: bool) -> None:
        self.running = on
