"""The tasks of runs: the name in a configuration → the function, as ``"module:function"``.

A task is a function ``task(settings, run)`` (see :mod:`engine.runs.context`). Its module is imported when the run
starts, so that this package does not depend on the tasks, and a task without torch starts at once.
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
    "probe": "engine.training.probe:run_probe",
    "centres": "engine.training.centres:compare_centres",
    "mae": "engine.training.mae:train_mae",
    "reconstruct": "engine.training.sst.reconstruct:reconstruct_archive",
}


def load_task(name: str) -> Task:
    """The function of the task ``name``; imports its module."""
    return pkgutil.resolve_name(TASKS[name])
