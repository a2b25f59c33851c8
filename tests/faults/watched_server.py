"""``python -m tests.faults.watched_server ARGS``: ``panel serve ARGS``, and for each line on standard input one line of
JSON on standard output with the number of living objects and the memory of the server, counted after a collection.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections import Counter

import psutil
from panel.command import main as panel_main

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
    counts = {name: 0 for names in COUNTED.values() for name in names}
    for kind, number in kinds.items():
        if kind.__name__ in COUNTED.get(str(kind.__module__).partition(".")[0], ()):
            counts[kind.__name__] += number
    return {**counts, "rss": psutil.Process().memory_info().rss}


if __name__ == "__main__":
    main()
