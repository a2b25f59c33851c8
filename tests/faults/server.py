"""``python -m tests.faults.server HOME``: launches the runs named on standard input until it is stopped.

Each launch is answered with a line, so that whoever asked knows that no launch is still on its way.
"""

import signal
import sys
import threading
from contextlib import suppress

from engine.errors import RunError
from engine.runs import RunStore


def main() -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with RunStore(sys.argv[1]) as store:
        store.adopt()
        print("ready", flush=True)
        threading.Thread(target=listen, args=(store,), daemon=True).start()
        while not stopped.wait(0.1):
            store.adopt()


def listen(store: RunStore) -> None:
    for line in sys.stdin:
        with suppress(RunError):  # it got done in the meantime
            store.launch(store.get(line.strip()))
        print("launched", flush=True)


if __name__ == "__main__":
    main()
