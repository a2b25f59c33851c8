"""A script for `panel serve --setup`: scoring is held while a file :data:`HOLD` lies in the server's home."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from engine.queries import reconstruct

HOLD = "hold-scoring"


def held(score: Callable[..., Any], hold: Path) -> Callable[..., Any]:
    """``score``, which does not begin while the file ``hold`` is there."""

    @wraps(score)
    def wait_and_score(*args: Any, **options: Any) -> Any:
        while hold.exists():
            time.sleep(0.02)
        return score(*args, **options)

    return wait_and_score


if "HARMONIA_HOME" in os.environ:
    reconstruct.score_months = held(reconstruct.score_months, Path(os.environ["HARMONIA_HOME"]) / HOLD)
