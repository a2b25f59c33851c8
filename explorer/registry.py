"""The runs of this server: one thread polls the store for all sessions and notifies them of changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn

from engine.errors import EngineError, RunError
from engine.queries.server_files import with_checked_paths
from engine.runs import ACTIVE, Change, Run, RunConfig, RunRecord, RunStore, changes
from engine.runs.audit import acting
from explorer.switches import READ_ONLY, is_on
from explorer.visitor import visitor

log = logging.getLogger("harmonia")

_BUSY_S, _IDLE_S, _ADOPT_S = 0.4, 1.0, 10.0

#: Called with what changed since the last call.
Listener = Callable[[list[Change]], None]


class ServerStore(RunStore):
    """The store as sessions use it. What a browser asks for is checked before a run is made of it."""

    def create(self, config: RunConfig, name: str = "", note: str = "", tags: Sequence[str] = ()) -> Run:
        """As :meth:`RunStore.create`, for a configuration from a browser; a duplicate is one too.

        Raises:
            DataError: it names a file outside the folders that may be used.
        """
        return super().create(with_checked_paths(config), name, note, tags)


class ReadOnlyStore(RunStore):
    """A store for demonstrations: every call that would change a run is refused, whichever button it comes from."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise RunError("this server shows runs and changes none", READ_ONLY, "use a server that is not read-only")

    create = launch = resume = cancel = annotate = move = duplicate = delete = restore = empty_trash = _refuse

    def adopt(self) -> list[str]:
        """Submit nothing: queued runs wait for another server."""
        return []


def open_store() -> RunStore:
    """The store of the home folder, as ``HARMONIA_READ_ONLY`` allows."""
    return ReadOnlyStore() if is_on(READ_ONLY) else ServerStore()


class Registry:
    """One store per server. Sessions read ``records`` and ``problem``; changes are notified on their own event loop."""

    def __init__(self, open_store: Callable[[], RunStore] = open_store) -> None:
        self._open_store = open_store
        self._store: RunStore | None = None
        self._listeners: dict[object, Callable[[list[Change]], None]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.records: Mapping[str, RunRecord] = {}
        self.problem = ""
        """Why the runs cannot be read, as a sentence; empty when they can."""

    @property
    def store(self) -> RunStore:
        """The store of the home folder; raises :class:`StoreError` when the home cannot be one."""
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def is_active(self, run_id: str) -> bool:
        """Whether the run is queued or running."""
        record = self.records.get(run_id)
        return record is not None and record.state in ACTIVE

    def start(self) -> None:
        """Start polling, and supervise queued runs that an earlier server left."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._poll, name="registry", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop polling and close the store; running runs continue."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def refresh(self) -> None:
        """Poll at once, because the store was changed."""
        self._wake.set()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` on this session's event loop after each change, until the session ends."""
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            return

        def notify(changed: list[Change]) -> None:
            if doc.session_context is not None:
                doc.add_next_tick_callback(lambda: listener(changed))

        def unsubscribe(_: object) -> None:
            self._listeners.pop(listener, None)

        self._listeners[listener] = notify
        pn.state.on_session_destroyed(unsubscribe)

    def _poll(self) -> None:
        adopted, problem = -_ADOPT_S, ""
        while not self._stopping.is_set():
            try:
                if time.monotonic() - adopted > _ADOPT_S:
                    adopted = time.monotonic()
                    problem = self._adopt()
                self._publish(self.store.records(), problem)
            except EngineError as error:
                self._publish({}, str(error))
            except Exception as error:
                log.exception("the runs could not be read")
                self._publish(self.records, f"The runs could not be read ({type(error).__name__}).")
            working = any(record.state in ACTIVE for record in self.records.values())
            self._wake.wait(_BUSY_S if working else _IDLE_S)
            self._wake.clear()

    def _adopt(self) -> str:
        """Supervise queued runs; returns why that fails, which hides none of the runs: a scheduler may be down."""
        try:
            self.store.adopt()
        except RunError as error:
            return str(error)
        return ""

    def _publish(self, records: Mapping[str, RunRecord], problem: str) -> None:
        before, self.records = self.records, records
        previous, self.problem = self.problem, problem
        if records != before or problem != previous:
            changed = changes(before, records)
            for notify in list(self._listeners.values()):
                notify(changed)


REGISTRY = Registry()


def store_call(action: Callable[[RunStore], Any], registry: Registry = REGISTRY) -> Any:
    """Call ``action`` with this server's store, as the person at the browser, and poll at once."""
    try:
        with acting(**visitor()):
            return action(registry.store)
    finally:
        registry.refresh()
