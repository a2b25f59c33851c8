"""What the server does once: before the first visitor, and when it stops."""

import gc
import logging
import sys
import traceback
from pathlib import Path

from tornado.websocket import WebSocketClosedError

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from engine.queries import basis  # noqa: E402
from explorer import app  # noqa: E402
from explorer.registry import REGISTRY  # noqa: E402


def is_fault(record: logging.LogRecord) -> bool:
    """Whether a record speaks of a fault: a browser that left while it was written to, or spoke, is none."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, WebSocketClosedError) or _has_left(error))


def _has_left(error: BaseException | None) -> bool:
    """Bokeh holds it for certain that whoever speaks, or leaves, has a session; who has just left has none."""
    trace = traceback.extract_tb(error.__traceback__) if isinstance(error, AssertionError) else []
    return bool(trace) and trace[-1].line == "assert self._session is not None"


def tell_faults_only() -> None:
    """Keep out of the log what the libraries below us take for faults."""
    for name in ("asyncio", "bokeh.server.protocol_handler", "tornado.application"):
        logging.getLogger(name).addFilter(is_fault)


def on_server_loaded(server_context: object) -> None:
    """Compute and build once what every first page needs, so that the first visitor waits no longer than others."""
    tell_faults_only()
    basis.warm_up()
    app.warm_up()
    # what is loaded by now stays for good; searching it for garbage again and again would stop the loop for 200 ms
    gc.collect()
    gc.freeze()
    REGISTRY.start()


def on_server_unloaded(server_context: object) -> None:
    """Let go of the runs; those that work go on without us."""
    REGISTRY.stop()
