"""Benchmarks: each module prints figures beside their naive reference, measured in one run.

A module of this package offers ``rows() -> Iterable[Row]``; ``python -m tests.benchmarks [module …]`` prints them all.
They print and never fail: tests hold what must be right, benchmarks show how fast it is here and now.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MEASURED_FOR_S = 0.5
MOST_REPEATS = 15


@dataclass(frozen=True)
class Row:
    """One line of the table. ``target`` is a limit on ``ratio`` (at least) or on ``figure`` (at most)."""

    label: str
    figure: float
    unit: str
    naive: float | None = None
    target_ratio: float | None = None
    target_figure: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.naive is None else self.naive / self.figure

    @property
    def target(self) -> str:
        if self.target_ratio is not None:
            return f"≥ {self.target_ratio:g} ×"
        return "" if self.target_figure is None else f"≤ {self.target_figure:g} {self.unit}"

    @property
    def verdict(self) -> str:
        if self.target_ratio is not None:
            return "met" if (self.ratio or 0.0) >= self.target_ratio else "NOT MET"
        if self.target_figure is not None:
            return "met" if self.figure <= self.target_figure else "NOT MET"
        return ""


def seconds(work: Callable[[], object]) -> float:
    """Median wall time of several calls after one that warms up; a slow ``work`` is timed by that one call."""
    times = [_once(work)]
    if times[0] < 4.0 * MEASURED_FOR_S:
        times = []
        while len(times) < 3 or (sum(times) < MEASURED_FOR_S and len(times) < MOST_REPEATS):
            times.append(_once(work))
    return statistics.median(times)


def peak_mb_above_base(work: Callable[..., object], *args: object, warm: Callable[[], object]) -> float:
    """Memory in MB that ``work(*args)`` needs at its peak in a fresh process, above what that process held before.

    ``warm`` runs first, so that libraries and their threads count as base; both are module-level functions. The peak is
    the kernel's, so every allocator counts.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (work, args, warm))


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak(work: Callable[..., object], args: tuple[object, ...], warm: Callable[[], object]) -> float:
    warm()
    clear_peak()
    before = psutil.Process().memory_info().rss / 1e6
    work(*args)
    return peak_mb() - before


def clear_peak() -> None:
    """Forget the most memory that this process has held: from now on :func:`peak_mb` is that of what follows.

    The peak of getrusage survives fork and exec, so a fresh process begins with its parent's; only Linux's VmHWM can be
    cleared. Elsewhere, and where the kernel refuses, nothing happens.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory in MB that this process held since :func:`clear_peak`; ever, where that cannot be cleared."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024.0 / 1e6
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
