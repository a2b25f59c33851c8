"""Starting runs through one ``concurrent.futures.Executor``, whose task babysits the process of one run.

On this machine it is a pool of as many threads as there are slots; beyond it, the Dask cluster that
``HARMONIA_SCHEDULER`` names (``tcp://host:8786``). A run's process outlives both. Its state is read from its folder,
never from the future.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.runs.babysit import babysit
from engine.runs.process import gpus

SCHEDULER, SLOTS = "HARMONIA_SCHEDULER", "HARMONIA_SLOTS"

_CONNECT_S = 5.0


def num_slots() -> int:
    """How many runs may work on this machine at once: ``HARMONIA_SLOTS``, else one a GPU, else one."""
    text = os.environ.get(SLOTS, "")
    if not text:
        return max(1, len(gpus()))
    if not (text.isdigit() and 1 <= int(text) <= 64):
        raise RunError(f"{SLOTS} is {text!r}", "environment", "give it a whole number from 1 to 64")
    return int(text)


class Launcher:
    """Hands runs to the executor and remembers which ones are in its hands. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._client: Any = None  # distributed.Client, imported only where a scheduler is named
        self._babysit: Callable[[str], None] = babysit
        self._closing = threading.Event()
        self._futures: dict[tuple[Path, int], Future[None]] = {}  # by folder and launch

    def connect(self) -> None:
        """Make the executor if there is none yet (or the cluster's scheduler went away).

        Raises:
            RunError: the scheduler does not answer, or Dask is not installed.
        """
        with self._lock:
            self._connect()

    def _connect(self) -> Executor:
        if self._client is not None and self._client.status != "running":
            self._disconnect()
        if self._executor is None:
            address = os.environ.get(SCHEDULER)
            self._executor = self._cluster(address) if address else self._pool()
        return self._executor

    def _pool(self) -> Executor:
        slots, closing = num_slots(), self._closing
        self._babysit = lambda folder: babysit(folder, slots, closing)
        return ThreadPoolExecutor(slots, thread_name_prefix="babysit")

    def _cluster(self, address: str) -> Executor:
        try:
            from distributed import Client
        except ImportError as error:
            raise RunError(
                f"{SCHEDULER} is set but Dask is missing", address, "install harmonia-explorer[dask]"
            ) from error
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError("the Dask scheduler does not answer", address, f"start it, or unset {SCHEDULER}") from error
        self._babysit = babysit
        return self._client.get_executor(pure=False)

    def _disconnect(self) -> None:
        client, self._client, self._executor = self._client, None, None
        self._futures.clear()
        with suppress(Exception):  # a scheduler that is gone can fail to say goodbye in many ways
            client.close(timeout=1)

    def submit(self, folder: Path, launch: int) -> None:
        """Give one launch of a queued run to the executor, unless it is there already.

        Raises:
            RunError: as :meth:`connect`.
        """
        with self._lock:
            executor = self._connect()
            given = self._futures.get((folder, launch))
            is_lost = given is not None and self._client is not None and given.done()  # a cluster can lose its work
            if (given is None or is_lost) and not self._closing.is_set():
                self._futures[folder, launch] = executor.submit(self._babysit, str(folder))

    def withdraw(self, folder: Path, launch: int) -> None:
        """Take a launch back that the executor has not begun with."""
        with self._lock:
            future = self._futures.pop((folder, launch), None)
        if future is not None:
            future.cancel()

    @property
    def dashboard(self) -> str | None:
        """Address of the Dask dashboard, when a cluster is connected."""
        return None if self._client is None else self._client.dashboard_link

    def close(self) -> None:
        """Let go of everything; processes go on, and queued runs wait for the next server."""
        self._closing.set()
        with self._lock:
            if self._client is not None:
                self._disconnect()
            elif self._executor is not None:
                self._executor.shutdown(wait=True, cancel_futures=True)
