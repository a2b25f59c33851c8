"""How far a run's process gives way to the rest of the machine: ``HARMONIA_WORKER_NICE``."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

from engine.environment import whole_number

WORKER_NICE = "HARMONIA_WORKER_NICE"

_DEFAULT = 10
_MAX = 19


def worker_nice() -> int:
    """By how much a run's process is nicer than the server, 0 to 19.

    Raises:
        RunError: the variable is no such number.
    """
    return whole_number(WORKER_NICE, _DEFAULT, 0, _MAX)


def give_way() -> None:
    """Let everything else on this machine go first, the pages above all: processor and disk only when they are free.

    Where nothing else works, a run is as fast as before.

    Raises:
        RunError: as :func:`worker_nice`.
    """
    nice = worker_nice()
    if nice == 0:
        return
    with suppress(OSError):  # a limit of the administrator
        os.nice(nice)
    process = psutil.Process()
    if hasattr(psutil, "IOPRIO_CLASS_IDLE"):
        with suppress(OSError, psutil.Error):
            process.ionice(psutil.IOPRIO_CLASS_IDLE)
