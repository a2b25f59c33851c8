"""Launching of runs through one ``concurrent.futures.Executor``, whose tasks supervise one run's process each.

On this machine it is a pool with as many threads as there are slots; beyond it, the Dask cluster that
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

from engine.environment import whole_number
from engine.errors import RunError, StoreError
from engine.files import load
from engine.runs.process import gpus
from engine.runs.record import Meta
from engine.runs.run_folder import RunFolder
from engine.runs.supervise import supervise

SCHEDULER, SLOTS = "HARMONIA_SCHEDULER", "HARMONIA_SLOTS"

SLOTLESS_TASKS: frozenset[str] = frozenset({"sweep"})
"""Tasks that only start other runs and wait for them: they run on this machine and take no slot."""

_CONNECT_S = 5.0
_MAX_SLOTLESS = 16


def num_slots() -> int:
    """How many runs may work on this machine at once: ``HARMONIA_SLOTS``, else one a GPU, else one."""
    return whole_number(SLOTS, 0, 1, 64) or max(1, len(gpus()))


class Launcher:
    """Submits runs to the executor and keeps their futures. Safe to use from several threads.

    When a slot of this machine is free, the pool takes the waiting run that is first in the queue at that moment; a
    cluster keeps the order of submission.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._slotless: Executor | None = None
        self._client: Any = None  # distributed.Client, imported only where a scheduler is named
        self._closing = threading.Event()
        self._futures: dict[tuple[Path, int], Future[None]] = {}  # by folder and launch
        self._waiting: set[Path] = set()  # submitted to the pool of this machine and not begun

    def connect(self) -> None:
        """Make the executor if there is none yet, or if the connection to the cluster's scheduler is lost.

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
        self._futures.clear()
        with suppress(Exception):  # closing the connection to a scheduler that is gone can fail in many ways
            client.close(timeout=1)

    def submit(self, folder: Path, launch: int, task: str) -> None:
        """Submit one launch of a queued run to the executor, unless it is submitted already.

        Raises:
            RunError: as :meth:`connect`.
        """
        with self._lock:
            executor = self._connect()
            future = self._futures.get((folder, launch))
            is_lost = future is not None and future.done()  # by a cluster, or because the disk was full
            if (future is None or is_lost) and not self._closing.is_set():
                self._futures[folder, launch] = self._submit(executor, folder, task)

    def _submit(self, executor: Executor, folder: Path, task: str) -> Future[None]:
        if task in SLOTLESS_TASKS:
            if self._slotless is None:
                self._slotless = ThreadPoolExecutor(_MAX_SLOTLESS, thread_name_prefix="supervise-slotless")
            return self._slotless.submit(supervise, str(folder), 0, self._closing)
        if self._client is not None:
            return executor.submit(supervise, str(folder))
        self._waiting.add(folder)
        return executor.submit(self._supervise_first)

    def _supervise_first(self) -> None:
        with self._lock:
            first = min(self._waiting, key=_queue_order, default=None)
            if first is None:  # a run was withdrawn
                return
            self._waiting.discard(first)
        supervise(str(first), num_slots(), self._closing)

    def withdraw(self, folder: Path, launch: int) -> None:
        """Withdraw a launch that the executor has not begun."""
        with self._lock:
            future = self._futures.pop((folder, launch), None)
            if folder in self._waiting:
                self._waiting.discard(folder)
            elif future is not None:
                future.cancel()

    @property
    def dashboard(self) -> str | None:
        """Address of the Dask dashboard, when a cluster is connected."""
        return None if self._client is None else self._client.dashboard_link

    def close(self) -> None:
        """Stop supervising; processes continue, and queued runs wait for the next server."""
        self._closing.set()
        with self._lock:
            pools = [self._slotless, self._executor if self._client is None else None]
            if self._client is not None:
                self._disconnect()
        for pool in pools:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)


def _queue_order(folder: Path) -> tuple[float, str]:
    with suppress(StoreError):
        meta = load(Meta, RunFolder(folder).meta)
        if meta is not None:
            return meta.order, folder.name
    return 0.0, folder.name  # damaged or gone: its supervision ends at once
