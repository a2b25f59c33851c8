"""What closed sessions have freed goes back to the system, once for many sessions."""

from __future__ import annotations

import threading

import pytest

from explorer import allocator
from explorer.allocator import Releaser


def test_many_closed_sessions_release_once_and_later_ones_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_AFTER_S", 0.05)
    released: list[bool] = []
    ended = threading.Semaphore(0)

    class Counted(Releaser):
        def _release(self) -> None:
            super()._release()
            released.append(True)
            ended.release()

    releaser = Counted()
    for count in (1, 2):
        for _ in range(20):
            releaser.soon()
        assert ended.acquire(timeout=60)
        assert len(released) == count


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.limit_arenas()
    Releaser()._release()
