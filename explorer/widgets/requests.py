"""What a browser may tell our components: the forms of the values, requests in lists, and how often they may come.

A component names in ``from_browser`` the parameters that the browser sets, each with the form of its values. Whatever
else arrives is refused before anything acts on it (``panel_compat.Component``), and trusted afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import panel as pn
import param
from bokeh.document import Document
from pydantic import Field
from typing_extensions import TypedDict

from engine.errors import ChoiceError

MOST_REQUESTS = 16
"""Requests of one message that are answered; ``requestSender`` in ``client/dom.js`` sends no more."""

Latitude = Annotated[float, Field(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Field(ge=-180.0, le=180.0)]
Serial = Annotated[int, Field(ge=0, lt=2**53)]
Line = Annotated[str, Field(max_length=1000)]
Text = Annotated[str, Field(max_length=1_000_000)]


class Place(TypedDict):
    """A place on the map, degrees north and east."""

    lat: Latitude
    lon: Longitude


_Index = Annotated[int, Field(ge=0, lt=2**31)]


class Wish(TypedDict):
    """The cards that a globe lacks, the next one first; those it holds; the number of the last one it received."""

    deck: Line
    cards: Annotated[list[_Index], Field(max_length=100)]
    held: Annotated[list[_Index], Field(max_length=100_000)]
    received: Serial


Request = Mapping[str, Any]


def requests_of(form: Any) -> Any:
    """The form of a list of requests, each of ``form``; a longer one than any that is answered in part is refused."""
    return Annotated[list[form], Field(max_length=1000)]


def on_request(
    component: param.Parameterized, answer: Callable[[Request], None], after: Callable[[], None] = lambda: None
) -> None:
    """Call ``answer`` with each new request in ``component.requests``, in their order, then ``after`` once.

    Of two messages that follow each other within milliseconds the server may see the second only. So ``requests`` holds
    the last few requests, each with a serial number that grows. At most :data:`MOST_REQUESTS` of a message are
    answered, and no more than the session's :class:`Allowance`; the rest are refused in words.
    """
    last = 0

    def handle(event: param.parameterized.Event) -> None:
        nonlocal last
        fresh = [request for request in event.new if request["serial"] > last]
        answered = fresh[:MOST_REQUESTS]
        num_allowed = _allowance().take(len(answered))
        last = max((request["serial"] for request in fresh), default=last)
        serial = 0
        for request in answered[:num_allowed]:
            if request["serial"] > serial:
                serial = request["serial"]
                answer(request)
        if answered:
            after()
        if num_allowed < len(fresh):
            refuse(
                ChoiceError(
                    f"{len(fresh) - num_allowed} of {len(fresh)} requests were left out: too many at once",
                    "this page",
                    "wait a few seconds, then repeat them",
                )
            )

    component.param.watch(handle, "requests")


class Allowance:
    """How often something may happen: ``burst`` times at once, then ``per_second`` times a second."""

    def __init__(self, burst: int, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_second, self._now = burst, per_second, now
        self._left, self._at = float(burst), now()

    def take(self, wanted: int = 1) -> int:
        """How many of the ``wanted`` times are allowed now."""
        at = self._now()
        self._left = min(self._burst, self._left + (at - self._at) * self._per_second)
        self._at = at
        allowed = min(wanted, int(self._left))
        self._left -= allowed
        return allowed


_allowances: WeakKeyDictionary[Document, Allowance] = WeakKeyDictionary()


def _allowance() -> Allowance:
    """The session's, for the requests of all its components: faster than any hand, slow enough for the event loop."""
    doc = pn.state.curdoc
    if doc is None:
        return Allowance(MOST_REQUESTS, 0.0)
    return _allowances.setdefault(doc, Allowance(2 * MOST_REQUESTS, 8.0))


def refuse(error: Exception) -> None:
    """Tell the person of a request that is not carried out: as the session shows errors, without a trace in the log."""
    handler = pn.config.exception_handler
    if handler is None:
        raise error
    handler(error)
