"""Device and thread policy.

torch is imported inside the functions, so that modules which must stay light (the run store, the command line) can
read the thread policy without importing it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def cores() -> int:
    """Processor cores this process may use (affinity respected, not only what the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def cpu_threads() -> int:
    """Threads of numeric work: all cores but one, at least one.

    One core is left to the event loop: beside a browser, one thread made 1.5-1.8 times more training steps than two
    on a two-core machine.
    """
    return max(1, cores() - 1)


def use_thread_policy() -> None:
    """Give torch the number of threads of :func:`cpu_threads`. Called once when a server or a worker starts."""
    import torch

    torch.set_num_threads(cpu_threads())


def device() -> torch.device:
    """The device numeric work runs on by default: the first CUDA device, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device() -> str:
    """The device as a short text: ``"NVIDIA H200"`` or ``"CPU, 1 of 2 threads"``."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {torch.get_num_threads()} of {cores()} threads"
