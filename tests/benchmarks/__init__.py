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
from dataclasses import dataclass

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
    the kernel's (ru_maxrss), so every allocator counts; an earlier, higher peak could only make the figure larger.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (work, args, warm))


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak(work: Callable[..., object], args: tuple[object, ...], warm: Callable[[], object]) -> float:
    warm()
    before = psutil.Process().memory_info().rss / 1e6
    work(*args)
    return max_rss_mb() - before


def max_rss_mb() -> float:
    """The largest amount of memory in MB that this process ever held."""
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
