"""One run of a store, read from its files at each access."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.config.run_config import RunConfig
from engine.errors import StoreError
from engine.files import open_file
from engine.runs.metrics import MetricsReader
from engine.runs.record import RunRecord
from engine.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from engine.runs.store import RunStore

_TAIL_BYTES = 65536


class Run:
    """One run of a store; every property is read from its files at each access."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store = store
        self.id = run_id
        self.files = RunFolder.of(run_id, store.home)
        self.folder = self.files.path

    def __repr__(self) -> str:
        return f"Run({self.id})"

    @property
    def record(self) -> RunRecord:
        """Its state and everything else that is listed."""
        return self._store.record(self.id)

    @property
    def state(self) -> str:
        """Its current state."""
        return self.record.state

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return self.files.read_config()

    def tagged(self, tag: str) -> list[Run]:
        """The runs of its store with this tag, oldest first."""
        return [
            Run(self._store, record.id) for record in reversed(self._store.records().values()) if tag in record.tags
        ]

    def cancel(self) -> None:
        """As :meth:`RunStore.cancel`."""
        self._store.cancel(self)

    def resume(self) -> None:
        """As :meth:`RunStore.resume`."""
        self._store.resume(self)

    def metrics(self) -> MetricsReader:
        """A new reader of its metrics; ``poll`` it for new lines."""
        return MetricsReader(self.files.metrics)

    def log_tail(self, num_lines: int = 50) -> list[str]:
        """The last lines of its log."""
        with suppress(OSError, StoreError), open_file(self.files.log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace").splitlines()[-num_lines:]
        return []
