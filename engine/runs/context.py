"""What a task sees of its run: where to report, to keep checkpoints, and to learn that it should stop.

A task is a function ``task(settings, run)``: it goes on from ``run.restore()`` when there is something, reports at
least once a second, and returns when it is done. It must give the same result whether or not it was interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from engine.config.run_config import RunConfig
from engine.errors import CancelledError, StoreError
from engine.files import write_atomic
from engine.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from engine.runs.heartbeat import Heartbeat
from engine.runs.metrics import MetricsWriter

_REPEAT_S = 0.5


class RunContext:
    """A run from the inside. All methods belong to the task's own thread."""

    def __init__(
        self, folder: Path, config: RunConfig, pulse: Heartbeat, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.config = config
        self._pulse = pulse
        self._monotonic = monotonic
        for name in ("checkpoints", "snapshots"):
            (folder / name).mkdir(exist_ok=True)
        self._kept = read_checkpoint(folder / "checkpoints" / "last.safetensors")
        book: dict[str, Any] = self._kept.metadata["run"] if self._kept else {}
        self._step: int = book.get("step", 0)
        self._progress: float = book.get("progress", 0.0)
        self._metrics = MetricsWriter(folder / "metrics.jsonl", keep_bytes=book.get("metrics_bytes", 0))
        self._began = monotonic()
        self._first_progress = self._progress
        self._last_metrics: Mapping[str, float | int | None] = {}
        self._last_report = self._began
        self._reporting = threading.Lock()
        pulse.update(progress=self._progress)

    @property
    def seed(self) -> int:
        """Seed of everything random in the task."""
        return self.config.seed

    def report(
        self,
        metrics: Mapping[str, float | int | None],
        progress: float,
        *,
        epoch: int | None = None,
        num_epochs: int | None = None,
        best: float | None = None,
    ) -> None:
        """Append a line of metrics and say how far the run is, ``progress`` from 0 to 1.

        Raises:
            StoreError: the line cannot be written (the disk is full).
        """
        with self._reporting:
            self._progress = min(max(0.0, progress), 1.0)  # what is not a number counts as 0
            self._last_metrics = metrics
            self._append()
        self._pulse.update(
            progress=self._progress, seconds_left=self._seconds_left(), epoch=epoch, num_epochs=num_epochs, best=best
        )

    def _append(self) -> None:
        self._step += 1
        self._last_report = self._monotonic()
        self._metrics.append({"step": self._step, "time": round(self._pulse.seconds, 3), **self._last_metrics})

    @contextmanager
    def repeating(self) -> Generator[None]:
        """While the block is in a calculation that cannot report, repeat the last line of metrics twice a second."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(_REPEAT_S / 4):
                with self._reporting, suppress(StoreError):  # what cannot be written is told by the next report
                    if self._monotonic() - self._last_report > _REPEAT_S:
                        self._append()

        thread = threading.Thread(target=repeat, name="repeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _seconds_left(self) -> float | None:
        gained = self._progress - self._first_progress
        if gained <= 0:
            return None
        return (self._monotonic() - self._began) * (1.0 - self._progress) / gained

    def checkpoint(self, arrays: Mapping[str, ArrayLike], metadata: Mapping[str, Any], *, name: str = "last") -> None:
        """Keep what is needed to go on from here: ``arrays`` and plain ``metadata``. Ends the run if it was asked to.

        ``name="best"`` keeps a second one beside the last; only the last is gone on from.

        Raises:
            CancelledError: somebody asked the run to stop; the checkpoint is kept.
            StoreError: the disk is full; the checkpoint before is kept.
        """
        with self._reporting:
            book = {"step": self._step, "progress": self._progress, "metrics_bytes": self._metrics.sync()}
        with self._pulse.writing():
            write_checkpoint(
                self.folder / "checkpoints" / f"{name}.safetensors", arrays, {"task": dict(metadata), "run": book}
            )
        if name == "last":
            self.stop_if_asked()

    def restore(self, name: str = "last") -> Checkpoint | None:
        """What the last checkpoint kept, or None at the very start.

        Raises:
            StoreError: the checkpoint is damaged or newer than this Harmonia.
        """
        kept = self._kept if name == "last" else read_checkpoint(self.folder / "checkpoints" / f"{name}.safetensors")
        return Checkpoint(kept.arrays, kept.metadata["task"]) if kept else None

    def snapshot(self, epoch: int, **arrays: ArrayLike) -> None:
        """Keep arrays for the page that watches the run: ``snapshots/epoch-NNNN.npz``."""
        self.save(f"snapshots/epoch-{epoch:04d}.npz", **arrays)

    def save(self, name: str, **arrays: ArrayLike) -> None:
        """Write arrays as a compressed ``.npz`` at ``name`` inside the run's folder, whole or not at all."""
        content = BytesIO()
        held: dict[str, Any] = {key: np.asarray(array) for key, array in arrays.items()}
        np.savez_compressed(content, allow_pickle=False, **held)
        with self._pulse.writing():
            write_atomic(self.folder / name, content.getvalue())

    def path(self, name: str) -> Path:
        """A place inside the run's folder for a result that the task writes itself (whole or not at all)."""
        return self.folder / name

    def should_stop(self) -> bool:
        """Whether somebody asked the run to stop: a good moment to call :meth:`checkpoint`."""
        return self._pulse.stop_wanted.is_set()

    def stop_if_asked(self) -> None:
        """Leave the task when somebody asked for it; what came after the last checkpoint is lost.

        Raises:
            CancelledError: somebody did.
        """
        if self.should_stop():
            raise CancelledError("the run was asked to stop", f"run {self.folder.name}", "resume it to go on")

    def close(self) -> None:
        """Close the metrics file."""
        self._metrics.close()
