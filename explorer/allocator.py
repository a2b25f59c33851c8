"""The C library's memory: what closed sessions have freed goes back to the system.

glibc gives threads arenas of their own, up to eight a core, and keeps what is freed in each. A session's objects are
made by several threads, so that without a limit a server of 200 closed sessions holds 200 MB that nobody uses.
"""

from __future__ import annotations

import ctypes
import threading

_ARENA_MAX = -8  # mallopt's M_ARENA_MAX
_NUM_ARENAS = 2
_AFTER_S = 2.0


def limit_arenas() -> None:
    """Let all threads share two arenas; for the start of a process. Other C libraries than glibc have none."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_ARENA_MAX, _NUM_ARENAS)


class Releaser:
    """Gives freed memory back to the system in a thread, soon after it was asked for; once for many sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def soon(self) -> None:
        """Release what is free in some seconds, when the last threads of a session have ended."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(_AFTER_S, self._release)
                self._timer.daemon = True
                self._timer.start()

    def _release(self) -> None:
        with self._lock:
            self._timer = None
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)


RELEASER = Releaser()
