"""``/health``: the state of the server as JSON, for whoever watches it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from engine.files import home_folder
from explorer.guard import is_loopback, refuse
from explorer.registry import REGISTRY
from explorer.switches import HEALTH, READ_ONLY, is_on

_PERIOD_S = 0.5
_LATENCIES: deque[float] = deque(maxlen=120)
_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


async def watch_loop() -> None:
    """Measure, for the last minute, by how much the event loop wakes up too late."""
    while True:
        begin = time.monotonic()
        await asyncio.sleep(_PERIOD_S)
        _LATENCIES.append(time.monotonic() - begin - _PERIOD_S)


def is_from_this_machine(request: HTTPServerRequest) -> bool:
    """Whether a request was sent on this machine, and by no proxy on behalf of another."""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return not is_forwarded and is_loopback(str(request.remote_ip or "unknown"))


class Health(RequestHandler):
    """Answers this machine, and others where ``HARMONIA_HEALTH`` is set."""

    def get(self) -> None:
        """Answer with the state."""
        if not (is_from_this_machine(self.request) or is_on(HEALTH)):
            refuse(self, f"Only this machine is answered here. Remedy: set {HEALTH}=1 when you start the server.")
            return
        self.set_header("Cache-Control", "no-store")
        self.finish(health(self.application))


def health(app: Any) -> dict[str, Any]:
    """The state of the server process of a Bokeh Tornado application; None for what cannot be read."""
    return {
        "process": os.getpid(),
        "sessions": sum(len(list(context.sessions)) for context in app.applications.values()),
        "loop_latency_ms": round(1000 * max(_LATENCIES, default=0.0), 1),
        "runs": dict(Counter(record.state for record in REGISTRY.records.values())),
        "runs_problem": REGISTRY.problem,
        "memory_bytes": psutil.Process().memory_info().rss,
        "memory_free_bytes": psutil.virtual_memory().available,
        "disk_free_bytes": _disk_free_bytes(home_folder()),
        "read_only": is_on(READ_ONLY),
    }


def _disk_free_bytes(home: Path) -> int | None:
    for folder in (home, *home.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None
