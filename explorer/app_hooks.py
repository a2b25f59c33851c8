"""What the server does once: at its start, before the first visitor, and at its end."""

import asyncio
import gc
import sys
import threading
from pathlib import Path

import numpy as np
from tornado.httputil import HTTPServerRequest

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from engine.queries import basis  # noqa: E402
from explorer import allocator, app, serving, visitor  # noqa: E402
from explorer.health import watch_loop  # noqa: E402
from explorer.panel_compat import log_errors_only, start_busy_cleanup  # noqa: E402
from explorer.registry import REGISTRY  # noqa: E402

allocator.limit_arenas()
# Bokeh reads this file before it builds the server, and before it forks
serving.install()

_tasks: set[asyncio.Task[None]] = set()


def process_request(request: HTTPServerRequest) -> dict[str, visitor.Visitor]:
    """What each session keeps of the request that opens it."""
    return visitor.of_request(request)


def on_server_loaded(server_context: object) -> None:
    """Compute and build once what every first page needs, so that the first visitor waits no longer than others."""
    log_errors_only()
    start_busy_cleanup()
    basis.warm_up()
    app.warm_up()
    # what is loaded by now stays; collecting it again and again would hold the event loop for 200 ms
    gc.collect()
    gc.freeze()
    REGISTRY.start()
    # the loop itself keeps only a weak reference
    _tasks.add(asyncio.get_running_loop().create_task(watch_loop()))
    threading.Thread(target=_compile_plots, daemon=True).start()


def _compile_plots() -> None:
    """Import and compile what draws densities, which takes 1.2 to 3.9 s, before somebody waits for it."""
    from explorer.plots.embeddings import pair_density

    pair_density(np.zeros(1), np.zeros(1))


def on_server_unloaded(server_context: object) -> None:
    """Stop watching the runs; running ones continue in their own processes."""
    REGISTRY.stop()
    for task in _tasks:
        task.cancel()
