"""Work off the event loop, for one session: the latest request wins, progress is shown, and it can be cancelled."""

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


def on_loop(doc: Any, action: Callable[[], object]) -> None:
    """Call ``action`` on the event loop: at once, or next where a thread of Panel's pool (``--num-threads``) asks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        doc.add_next_tick_callback(action)
    else:
        action()


class Debouncer:
    """Calls ``action`` once, ``delay_ms`` after the last ``soon()``: for updates that may lag behind a slider."""

    def __init__(self, action: Callable[[], None], delay_ms: int) -> None:
        self._action = action
        self._delay_ms = delay_ms
        self._pending: Any = None

    def soon(self) -> None:
        """Schedule a call; an earlier one that is still pending is dropped."""
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            self._action()
            return
        on_loop(doc, lambda: self._postpone(doc))

    def _postpone(self, doc: Any) -> None:
        if self._pending is not None:
            doc.remove_timeout_callback(self._pending)
        self._pending = doc.add_timeout_callback(self._run, self._delay_ms)

    def _run(self) -> None:
        self._pending = None
        self._action()


class PeriodicTask:
    """Calls ``action`` every ``period_ms`` while it is turned on."""

    def __init__(self, action: Callable[[], None], period_ms: int = 500) -> None:
        self._action = action
        self._period_ms = period_ms
        self._callback: Any = None

    @property
    def running(self) -> bool:
        """Whether it is turned on."""
        return self._callback is not None

    def turn(self, on: bool) -> None:
        """Turn it on or off."""
        if on and self._callback is None:
            self._callback = pn.state.add_periodic_callback(self._action, period=self._period_ms)
        elif not on and self._callback is not None:
            self._callback.stop()
            self._callback = None


def unseen(share: float | None, text: str) -> None:
    """A progress callback that shows nothing."""
    del share, text


class LatestTask:
    """Runs one piece of work in a thread. Starting another cancels the running one and drops its result.

    ``on_progress(share, text)`` is called on the event loop, at most ten times a second; share is None when idle.
    """

    def __init__(self, on_progress: Callable[[float | None, str], None], on_error: Callable[[Exception], None]) -> None:
        self._on_progress = on_progress
        self._on_error = on_error
        self._current: _Ticket | None = None

    @property
    def running(self) -> bool:
        """Whether work is running that has not been cancelled."""
        return self._current is not None

    def start(self, work: Callable[[Callable[[float, str], None]], Any], then: Callable[[Any], object]) -> None:
        """Start ``work(progress)``; call ``then(result)`` on the event loop when it is done and not cancelled."""
        self.cancel()
        self._current = ticket = _Ticket(pn.state.curdoc, self._show)

        def begin() -> None:
            # the loop itself keeps only a weak reference
            ticket.task = asyncio.ensure_future(self._run(ticket, work, then))

        on_loop(pn.state.curdoc, begin)

    def cancel(self) -> None:
        """Cancel the running work."""
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
            # an impossible choice of the user: shown on screen, not an error in the log
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
    """One piece of work: its cancellation flag and its progress."""

    def __init__(self, doc: Any, show: Callable[[_Ticket, float, str], None]) -> None:
        self.cancelled = False
        self.task: asyncio.Future[None] | None = None
        self._doc = doc
        self._show = show
        self._last = 0.0

    def on_loop(self, callback: Callable[[], None]) -> None:
        """Call back on the event loop with the session's document locked, unless the tab is closed."""
        if self._doc.session_context is not None:
            self._doc.add_next_tick_callback(callback)

    def report(self, share: float, text: str) -> None:
        """Called from the thread. Raises when the work has been cancelled, or its tab closed."""
        if self.cancelled or self._doc.session_context is None:
            raise CancelledError("the work was cancelled", text, "start it again")
        now = time.monotonic()
        if now - self._last > 0.1:
            self._last = now
            self.on_loop(partial(self._show, self, share, text))
