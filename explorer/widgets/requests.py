"""Requests of the browser to a component, each handled once and none lost.

Of two messages that follow each other within milliseconds the server may see the second only. So a component's
``requests`` holds the last few requests, each with a serial number that grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import param

Request = Mapping[str, Any]


def on_request(component: param.Parameterized, answer: Callable[[Request], None]) -> None:
    """Call ``answer`` with each new request in ``component.requests``, in their order."""
    last = 0

    def handle(event: param.parameterized.Event) -> None:
        nonlocal last
        for request in event.new:
            if request["serial"] > last:
                last = request["serial"]
                answer(request)

    component.param.watch(handle, "requests")
