"""``python -m tests.faults.watched_server ARGS``: ``panel serve ARGS``, and for each line on standard input one line of
JSON on standard output with the number of living objects and the memory of the server, counted after a collection.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from panel.command import main as panel_main

from tests.support.browser import PATIENCE_MS, end_runs

ROOT = Path(__file__).resolve().parents[2]
SHORT_LIVES = ("--unused-session-lifetime", "500", "--check-unused-sessions", "200")

COUNTED = {"bokeh": ("Document", "ServerSession"), "explorer": ("Shell", "Session", "PageView", "Globe")}


def main() -> None:
    threading.Thread(target=answer, daemon=True).start()
    sys.argv = ["panel", "serve", *sys.argv[1:]]
    panel_main()


def answer() -> None:
    for _ in sys.stdin:
        print(json.dumps(count()), flush=True)


def count() -> dict[str, int]:
    # frozen objects are neither seen nor collected
    gc.unfreeze()
    for _ in range(3):
        gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    num_objects = {name: 0 for names in COUNTED.values() for name in names}
    for kind, number in kinds.items():
        if kind.__name__ in COUNTED.get(str(kind.__module__).partition(".")[0], ()):
            num_objects[kind.__name__] += number
    # what this collection has freed; of what the sessions freed the server has returned its share already
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
    return {**num_objects, "rss": psutil.Process().memory_info().rss}


@dataclass
class WatchedServer:
    """A server in a process of its own."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def count(self) -> dict[str, int]:
        """Its living objects, and ``rss``, its memory in bytes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[WatchedServer]:
    """A server whose sessions end half a second after their tab; its runs live in ``folder / "home"``."""
    log, home = folder / "log.txt", folder / "home"
    command = [sys.executable, "-m", "tests.faults.watched_server", "explorer", "--port", "0", *SHORT_LIVES, *arguments]
    environment = {**os.environ, "HARMONIA_HOME": str(home)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out
        )
    server = WatchedServer("", log, process)
    try:
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not (match := re.search(r"running at: (http://\S+)", server.log_text())):
            assert process.poll() is None, server.log_text()
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.1)
        server.url = match[1]
        yield server
    finally:
        process.kill()
        process.communicate()
        end_runs(home)


if __name__ == "__main__":
    main()
