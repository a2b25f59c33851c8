"""What the server does once: before the first visitor, and when it stops."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from engine import queries  # noqa: E402
from explorer import app  # noqa: E402
from explorer.registry import REGISTRY  # noqa: E402


def on_server_loaded(server_context: object) -> None:
    """Compute and build once what every first page needs, so that the first visitor waits no longer than others."""
    queries.warm_up()
    app.warm_up()
    REGISTRY.start()


def on_server_unloaded(server_context: object) -> None:
    """Let go of the runs; those that work go on without us."""
    REGISTRY.stop()
