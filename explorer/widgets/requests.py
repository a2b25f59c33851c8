"""What the browser asks of a component, each request once and none lost.

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
    answered = 0

    def look(event: param.parameterized.Event) -> None:
        nonlocal answered
        for request in event.new:
            if request["serial"] > answered:
                answered = request["serial"]
                answer(request)

    component.param.watch(look, "requests")
