"""Work off the event loop, for one session: the newest request wins, progress is shown, and it can be abandoned."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn

from engine.errors import CancelledError, EngineError

log = logging.getLogger("harmonia")


class Debouncer:
    """Calls ``action`` once, ``delay_ms`` after the last ``soon()``: for what may lag behind a slider."""

    def __init__(self, action: Callable[[], None], delay_ms: int) -> None:
        self._action = action
        self._delay_ms = delay_ms
        self._pending: Any = None

    def soon(self) -> None:
        """Ask for a call; an earlier one that has not happened yet is dropped."""
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            self._action()
            return
        if self._pending is not None:
            doc.remove_timeout_callback(self._pending)
        self._pending = doc.add_timeout_callback(self._run, self._delay_ms)

    def _run(self) -> None:
        self._pending = None
        self._action()


class PeriodicTask:
    """Calls ``action`` again and again, as long as that is wanted."""

    def __init__(self, action: Callable[[], None], period_ms: int = 500) -> None:
        self._action = action
        self._period_ms = period_ms
        self._callback: Any = None

    @property
    def running(self) -> bool:
        """Whether it is wanted at present."""
        return self._callback is not None

    def turn(self, on: bool) -> None:
        """Begin to call, go on, or stop."""
        if on and self._callback is None:
            self._callback = pn.state.add_periodic_callback(self._action, period=self._period_ms)
        elif not on and self._callback is not None:
            self._callback.stop()
            self._callback = None


def unseen(share: float | None, text: str) -> None:
    """Progress that nobody is shown."""
    del share, text


class LatestTask:
    """Runs one piece of work in a thread. Starting another asks the running one to stop, and its answer is dropped.

    ``on_progress(share, text)`` is called on the event loop, at most ten times a second; share is None when idle.
    """

    def __init__(self, on_progress: Callable[[float | None, str], None], on_error: Callable[[Exception], None]) -> None:
        self._on_progress = on_progress
        self._on_error = on_error
        self._current: _Ticket | None = None

    @property
    def running(self) -> bool:
        """Whether work is under way whose answer is still wanted."""
        return self._current is not None

    def start(self, work: Callable[[Callable[[float, str], None]], Any], then: Callable[[Any], object]) -> None:
        """Begin ``work(progress)``; on the event loop, ``then(answer)`` when it is done and still wanted."""
        self.cancel()
        self._current = ticket = _Ticket(pn.state.curdoc, self._show)
        # the loop itself keeps only a weak reference
        ticket.task = asyncio.ensure_future(self._run(ticket, work, then))

    def cancel(self) -> None:
        """Abandon what is under way."""
        if self._current is not None:
            self._current.cancelled = True
            self._current = None
            self._on_progress(None, "")

    def _show(self, ticket: _Ticket, share: float, text: str) -> None:
        if ticket is self._current:
            self._on_progress(share, text)

    async def _run(self, ticket: _Ticket, work: Callable[..., Any], then: Callable[[Any], object]) -> None:
        try:
            answer: Any = await asyncio.to_thread(work, ticket.report)
            failure = None
        except CancelledError:
            return
        except EngineError as error:
            # for the person, who chose what cannot be had; the log need not be alarmed
            answer, failure = None, error
            log.warning("background work was refused: %s", error)
        except Exception as error:
            answer, failure = None, error
            log.exception("background work failed")
        ticket.on_loop(partial(self._finish, ticket, answer, failure, then))

    def _finish(self, ticket: _Ticket, answer: Any, failure: Exception | None, then: Callable[[Any], object]) -> None:
        if ticket is not self._current:
            return
        self._current = None
        self._on_progress(None, "")
        if failure is not None:
            self._on_error(failure)
        else:
            then(answer)


class _Ticket:
    """One piece of work: carries its cancellation in and its progress out."""

    def __init__(self, doc: Any, show: Callable[[_Ticket, float, str], None]) -> None:
        self.cancelled = False
        self.task: asyncio.Future[None] | None = None
        self._doc = doc
        self._show = show
        self._last = 0.0

    def on_loop(self, callback: Callable[[], None]) -> None:
        """Call back on the event loop with the session's document locked; a closed tab is nobody to call."""
        if self._doc.session_context is not None:
            self._doc.add_next_tick_callback(callback)

    def report(self, share: float, text: str) -> None:
        """Called from the thread. Raises when the work has been abandoned."""
        if self.cancelled:
            raise CancelledError("the work was abandoned", text, "start it again")
        now = time.monotonic()
        if now - self._last > 0.1:
            self._last = now
            self.on_loop(partial(self._show, self, share, text))
