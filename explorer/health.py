"""``/health``: the state of the server as JSON, for whoever watches it."""

from __future__ import annotations

import asyncio
import mmap
import os
import shutil
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tornado.process
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import PeriodicCallback
from tornado.web import RequestHandler

from engine.files import home_folder
from explorer.guard import is_loopback, refuse
from explorer.registry import REGISTRY
from explorer.switches import HEALTH, READ_ONLY, is_on

_PERIOD_S = 0.5
_LATENCIES: deque[float] = deque(maxlen=120)
SHARED = "harmonia_shared_figures"
"""Setting of the Tornado application that holds the figures of all processes."""

_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


_FIGURES = ("process", "sessions", "loop_latency_ms", "memory_bytes")


class SharedFigures:
    """What each process of a server writes about itself, in memory that all of them see: make it before they fork."""

    def __init__(self, num_processes: int) -> None:
        self._table = np.frombuffer(mmap.mmap(-1, 8 * len(_FIGURES) * num_processes), np.float64).reshape(
            num_processes, len(_FIGURES)
        )

    def publish(self, app: Any) -> None:
        """Write the figures of this process now and every half second; call it after the fork, on the event loop."""

        def write() -> None:
            figures = _figures(app)
            self._table[tornado.process.task_id() or 0] = [figures[name] for name in _FIGURES]

        write()
        PeriodicCallback(write, 1000 * _PERIOD_S).start()

    def all(self) -> list[dict[str, Any]]:
        """The figures of every process that has written any and lives."""
        rows = [dict(zip(_FIGURES, row, strict=True)) for row in self._table.tolist() if row[0]]
        whole = [{name: value if name.endswith("_ms") else int(value) for name, value in row.items()} for row in rows]
        return [row for row in whole if psutil.pid_exists(int(row["process"]))]


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
        self.finish(health(self.application, self.settings.get(SHARED)))


def health(app: Any, shared: SharedFigures | None = None) -> dict[str, Any]:
    """The state of a server; None for what cannot be read.

    Sessions and memory are those of all its processes together, the latency is that of the slowest; each process stands
    below ``processes``.
    """
    own = _figures(app)
    others = [row for row in shared.all() if row["process"] != own["process"]] if shared is not None else []
    processes = [own, *others]
    return {
        "processes": processes,
        "sessions": sum(row["sessions"] for row in processes),
        "loop_latency_ms": max(row["loop_latency_ms"] for row in processes),
        "runs": dict(Counter(record.state for record in REGISTRY.records.values())),
        "runs_problem": REGISTRY.problem,
        "memory_bytes": sum(row["memory_bytes"] for row in processes),
        "memory_free_bytes": psutil.virtual_memory().available,
        "disk_free_bytes": _disk_free_bytes(home_folder()),
        "read_only": is_on(READ_ONLY),
    }


def _figures(app: Any) -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "sessions": sum(len(list(context.sessions)) for context in app.applications.values()),
        "loop_latency_ms": round(1000 * max(_LATENCIES, default=0.0), 1),
        "memory_bytes": psutil.Process().memory_info().rss,
    }


def _disk_free_bytes(home: Path) -> int | None:
    for folder in (home, *home.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None
