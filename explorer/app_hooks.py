"""What the server does once: before the first visitor, and when it stops."""

import logging
import sys
from pathlib import Path

from tornado.websocket import WebSocketClosedError

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from engine import queries  # noqa: E402
from explorer import app  # noqa: E402
from explorer.registry import REGISTRY  # noqa: E402


def is_fault(record: logging.LogRecord) -> bool:
    """Whether a record of the event loop speaks of a fault: a browser that left while it was written to is none."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, WebSocketClosedError)


def on_server_loaded(server_context: object) -> None:
    """Compute and build once what every first page needs, so that the first visitor waits no longer than others."""
    logging.getLogger("asyncio").addFilter(is_fault)
    queries.warm_up()
    app.warm_up()
    REGISTRY.start()


def on_server_unloaded(server_context: object) -> None:
    """Let go of the runs; those that work go on without us."""
    REGISTRY.stop()
