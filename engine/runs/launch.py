"""Starting runs through one ``concurrent.futures.Executor``, whose task babysits the process of one run.

On this machine it is a pool of as many threads as there are slots; beyond it, the Dask cluster that
``HARMONIA_SCHEDULER`` names (``tcp://host:8786``). A run's process outlives both. Its state is read from its folder,
never from the future.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RunError, StoreError
from engine.files import load
from engine.runs.process import gpus
from engine.runs.record import Meta
from engine.runs.supervise import supervise

SCHEDULER, SLOTS = "HARMONIA_SCHEDULER", "HARMONIA_SLOTS"

SUPERVISORS: frozenset[str] = frozenset({"sweep"})
"""Tasks that only start other runs and wait for them: they work on this machine and take no slot."""

_CONNECT_S = 5.0
_MAX_SUPERVISORS = 16


def num_slots() -> int:
    """How many runs may work on this machine at once: ``HARMONIA_SLOTS``, else one a GPU, else one."""
    text = os.environ.get(SLOTS, "")
    if not text:
        return max(1, len(gpus()))
    if not (text.isdigit() and 1 <= int(text) <= 64):
        raise RunError(f"{SLOTS} is {text!r}", "environment", "give it a whole number from 1 to 64")
    return int(text)


class Launcher:
    """Hands runs to the executor and remembers which ones are in its hands. Safe to use from several threads.

    The pool of this machine takes, whenever a slot is free, the waiting run that comes first in the queue at that
    moment; a cluster keeps the order in which it was given them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._conductors: Executor | None = None
        self._client: Any = None  # distributed.Client, imported only where a scheduler is named
        self._closing = threading.Event()
        self._given: dict[tuple[Path, int], Future[None]] = {}  # by folder and launch
        self._waiting: set[Path] = set()  # given to the pool of this machine, not begun with

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
            self._executor = (
                self._cluster(address) if address else ThreadPoolExecutor(num_slots(), thread_name_prefix="supervise")
            )
        return self._executor

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
        return self._client.get_executor(pure=False)

    def _disconnect(self) -> None:
        client, self._client, self._executor = self._client, None, None
        self._given.clear()
        with suppress(Exception):  # a scheduler that is gone can fail to say goodbye in many ways
            client.close(timeout=1)

    def submit(self, folder: Path, launch: int, task: str) -> None:
        """Give one launch of a queued run to the executor, unless it is in its hands already.

        Raises:
            RunError: as :meth:`connect`.
        """
        with self._lock:
            executor = self._connect()
            given = self._given.get((folder, launch))
            is_lost = given is not None and given.done()  # by a cluster, or a disk that was full at the wrong moment
            if (given is None or is_lost) and not self._closing.is_set():
                self._given[folder, launch] = self._give(executor, folder, task)

    def _give(self, executor: Executor, folder: Path, task: str) -> Future[None]:
        if task in SUPERVISORS:
            if self._conductors is None:
                self._conductors = ThreadPoolExecutor(_MAX_SUPERVISORS, thread_name_prefix="conduct")
            return self._conductors.submit(supervise, str(folder), 0, self._closing)
        if self._client is not None:
            return executor.submit(supervise, str(folder))
        self._waiting.add(folder)
        return executor.submit(self._supervise_first)

    def _supervise_first(self) -> None:
        with self._lock:
            first = min(self._waiting, key=_place_in_queue, default=None)
            if first is None:  # one was taken back
                return
            self._waiting.discard(first)
        supervise(str(first), num_slots(), self._closing)

    def withdraw(self, folder: Path, launch: int) -> None:
        """Take a launch back that the executor has not begun with."""
        with self._lock:
            given = self._given.pop((folder, launch), None)
            if folder in self._waiting:
                self._waiting.discard(folder)
            elif given is not None:
                given.cancel()

    @property
    def dashboard(self) -> str | None:
        """Address of the Dask dashboard, when a cluster is connected."""
        return None if self._client is None else self._client.dashboard_link

    def close(self) -> None:
        """Let go of everything; processes go on, and queued runs wait for the next server."""
        self._closing.set()
        with self._lock:
            executor, conductors, client = self._executor, self._conductors, self._client
            if client is not None:
                self._disconnect()
        for pool in (conductors, None if client is not None else executor):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)


def _place_in_queue(folder: Path) -> tuple[float, str]:
    with suppress(StoreError):
        meta = load(Meta, folder / "meta.json")
        if meta is not None:
            return meta.order, folder.name
    return 0.0, folder.name  # damaged or gone: babysitting it ends at once
