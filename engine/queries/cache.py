"""Results kept by key: bounded in bytes, shared by all sessions, computed once even when two ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from cachetools import LRUCache

from engine.environment import whole_number

Result = TypeVar("Result")

Progress = Callable[[float, str], None]
"""``progress(fraction, text)``: called by long work with the fraction done (0…1); may raise to cancel the work."""


class Cache:
    """A least-recently-used cache with a budget in bytes.

    Two threads that request the same key at once wait for one computation; different keys do not wait for each other.
    A result larger than the whole budget is returned but not kept. A computation that fails or is cancelled keeps
    nothing, and the next request starts it again.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._results: LRUCache[Hashable, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])
        self._lock = threading.Lock()
        self._computing: dict[Hashable, threading.Lock] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._results

    @property
    def used_bytes(self) -> int:
        """The bytes of all results."""
        return int(self._results.currsize)

    def get(self, key: Hashable, compute: Callable[[], Result], size: Callable[[Result], int]) -> Result:
        """The result kept under ``key``, computed now if there is none; ``size`` gives its bytes."""
        with self._lock:
            if key in self._results:
                return self._results[key][0]
            computing = self._computing.setdefault(key, threading.Lock())
        with computing:
            with self._lock:
                if key in self._results:
                    return self._results[key][0]
            try:
                result = compute()
                num_bytes = size(result)
                if num_bytes <= self.max_bytes:
                    with self._lock:
                        self._results[key] = (result, num_bytes)
            finally:
                with self._lock:
                    self._computing.pop(key, None)
        return result


def no_progress(fraction: float, text: str) -> None:
    """A :data:`Progress` that reports nothing."""
    del fraction, text


def sub_progress(progress: Progress, start: float, end: float) -> Progress:
    """A :data:`Progress` for one step of the work, which goes from fraction ``start`` to ``end`` of the whole."""
    return lambda fraction, text: progress(start + (end - start) * fraction, text)


#: The cache of this process. HARMONIA_CACHE_MB sets its budget.
CACHE = Cache(whole_number("HARMONIA_CACHE_MB", 512) * 2**20)
