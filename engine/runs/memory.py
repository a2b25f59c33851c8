"""The memory that a run's process may take: ``HARMONIA_WORKER_MEMORY``, in MB."""

from __future__ import annotations

import resource

from engine.environment import whole_number
from engine.runs.record import OUT_OF_MEMORY, Failure

WORKER_MEMORY = "HARMONIA_WORKER_MEMORY"

_MIN_MB = 200  # Python and numpy alone
_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "unable to allocate")


def worker_memory_mb() -> int | None:
    """The memory limit of each run's process in MB, or None without one.

    Raises:
        RunError: the variable is no number, or too small for any run.
    """
    return whole_number(WORKER_MEMORY, 0, _MIN_MB) or None


def limit_memory() -> None:
    """Limit the private memory (``RLIMIT_DATA``) of this process, and of each process that it starts.

    Not the address space: CUDA and memory-mapped files reserve far more of it than they use.

    Raises:
        RunError: as :func:`worker_memory_mb`.
    """
    limit_mb = worker_memory_mb()
    if limit_mb is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = limit_mb * 10**6
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def means_out_of_memory(text: str) -> bool:
    """Whether an error message or the end of a log says that memory could not be had."""
    text = text.lower()
    return any(sign in text for sign in _SIGNS)


def out_of_memory() -> Failure:
    """Why a run ended that needed more memory than there is, or than it may take."""
    limit_mb = worker_memory_mb()
    if limit_mb is None:
        return OUT_OF_MEMORY
    return OUT_OF_MEMORY.model_copy(
        update={
            "problem": f"the run ran out of memory: it may take {limit_mb} MB ({WORKER_MEMORY})",
            "remedy": f"choose a smaller grid, degree or batch, or raise {WORKER_MEMORY}, then resume it",
        }
    )
