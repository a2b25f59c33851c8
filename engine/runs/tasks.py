"""The tasks a run can do: the name in its configuration and the function that does it, as ``"module:function"``.

A task is a function ``task(settings, run)``; :mod:`engine.runs.context` says what it owes the run. Its module is
imported
when the run starts, so that this package needs nothing of what the tasks need, and a task free of torch starts at once.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from typing import Any

from engine.runs.context import RunContext

Task = Callable[[Any, RunContext], None]

TASKS: dict[str, str] = {
    "land": "engine.training.land:draw_land",
    "basis": "engine.training.basis:fit_basis",
    "table": "engine.training.table:fit_table",
    "sst": "engine.training.sst.task:train_sst",
    "sweep": "engine.training.sweep:sweep",
    "expert": "engine.training.expert.task:train_expert",
    "reconstruct": "engine.training.sst.reconstruct:reconstruct_archive",
}


def load_task(name: str) -> Task:
    """The function of the task ``name``; imports its module."""
    return pkgutil.resolve_name(TASKS[name])
