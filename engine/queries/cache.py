"""Results kept by key: bounded in bytes, shared by all sessions, computed once even when two ask at the same time."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")

Progress = Callable[[float, str], None]
"""``progress(fraction, text)``: called by long work with the fraction done (0…1); may raise to abandon the work."""


class Cache:
    """A least-recently-used store with a budget in bytes.

    Two threads that ask for the same key at once wait for one computation, not two; different keys do not wait for
    each other. An answer larger than the whole budget is handed out but not kept. A computation that fails (or is
    abandoned) keeps nothing, and the next one who asks starts it afresh.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._running: dict[Hashable, threading.Lock] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    def get(self, key: Hashable, compute: Callable[[], Answer], size: Callable[[Answer], int]) -> Answer:
        """The answer kept under ``key``, computed now if there is none; ``size`` tells its bytes."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
            turn = self._running.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._entries:
                    return self._entries[key][0]
            try:
                answer = compute()
                self._keep(key, answer, size(answer))
            finally:
                with self._lock:
                    self._running.pop(key, None)
        return answer

    def _keep(self, key: Hashable, answer: Any, nbytes: int) -> None:
        if nbytes > self.max_bytes:
            return
        with self._lock:
            self._entries[key] = (answer, nbytes)
            self.used_bytes += nbytes
            while self.used_bytes > self.max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self.used_bytes -= freed


#: The one cache of this process. HARMONIA_CACHE_MB sets its budget.
CACHE = Cache(int(os.environ.get("HARMONIA_CACHE_MB", "512")) * 2**20)
