"""The runs as this server sees them: one thread looks for all sessions, and calls only when something has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import panel as pn

from engine.errors import EngineError
from engine.runs import ACTIVE, Change, RunRecord, RunStore, changes

log = logging.getLogger("harmonia")

_BUSY_S, _IDLE_S, _ADOPT_S = 0.4, 1.0, 10.0

#: Called with what changed since the last call.
Listener = Callable[[list[Change]], None]


class Registry:
    """One store a server. Sessions read ``records`` and ``problem`` and are told of changes on their own event loop."""

    def __init__(self, open_store: Callable[[], RunStore] = RunStore) -> None:
        self._open_store = open_store
        self._store: RunStore | None = None
        self._listeners: dict[object, Callable[[list[Change]], None]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.records: Mapping[str, RunRecord] = {}
        self.problem = ""
        """Why there are no runs to be had, as a sentence; empty when all is well."""

    @property
    def store(self) -> RunStore:
        """The store of the home folder; raises :class:`StoreError` when the home cannot be one."""
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def start(self) -> None:
        """Begin to look, and take over queued runs that a server before us left."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._look_on, name="registry", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let go; runs that work go on."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def look_now(self) -> None:
        """Look again at once, because something was just done."""
        self._wake.set()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` on this session's event loop after each change, until the session ends."""
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            return

        def tell(changed: list[Change]) -> None:
            if doc.session_context is not None:
                doc.add_next_tick_callback(lambda: listener(changed))

        def forget(_: object) -> None:
            self._listeners.pop(listener, None)

        self._listeners[listener] = tell
        pn.state.on_session_destroyed(forget)

    def _look_on(self) -> None:
        adopted = -_ADOPT_S
        while not self._stopping.is_set():
            try:
                if time.monotonic() - adopted > _ADOPT_S:
                    adopted = time.monotonic()
                    self.store.adopt()
                self._publish(self.store.records(), "")
            except EngineError as error:
                self._publish({}, str(error))
            except Exception as error:
                log.exception("the runs could not be read")
                self._publish(self.records, f"The runs could not be read ({type(error).__name__}).")
            working = any(record.state in ACTIVE for record in self.records.values())
            self._wake.wait(_BUSY_S if working else _IDLE_S)
            self._wake.clear()

    def _publish(self, records: Mapping[str, RunRecord], problem: str) -> None:
        before, self.records = self.records, records
        said, self.problem = self.problem, problem
        if records != before or problem != said:
            changed = changes(before, records)
            for tell in list(self._listeners.values()):
                tell(changed)


REGISTRY = Registry()


def store_call(action: Callable[[RunStore], Any]) -> Any:
    """Do something with this server's store and look at the result at once."""
    try:
        return action(REGISTRY.store)
    finally:
        REGISTRY.look_now()
