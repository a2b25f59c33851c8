"""The run as its task sees it: where to report and to keep checkpoints, and whether the run should stop.

A task is a function ``task(settings, run)``: it resumes from ``run.restore()`` when there is a checkpoint, reports at
least once a second, and returns when it is done. Its result must not depend on whether it was interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from pydantic import BaseModel, Field, ValidationError

from engine.config.run_config import RunConfig
from engine.errors import CancelledError, StoreError
from engine.runs.checkpoints import Checkpoint, damaged_checkpoint, read_checkpoint, write_checkpoint
from engine.runs.heartbeat import Heartbeat
from engine.runs.metrics import MetricsWriter
from engine.runs.run_folder import RunFolder, write_arrays

_REPEAT_S = 0.5


class _Reached(BaseModel):
    """How far the run was at its last checkpoint."""

    step: int = Field(default=0, ge=0)
    progress: float = Field(default=0.0, ge=0.0, le=1.0)
    metrics_bytes: int = Field(default=0, ge=0)


class RunContext:
    """The run inside its process. All methods are called from the task's own thread."""

    def __init__(
        self, folder: Path, config: RunConfig, heartbeat: Heartbeat, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.config = config
        self._heartbeat = heartbeat
        self._monotonic = monotonic
        for subfolder in (self.files.checkpoints, self.files.snapshots):
            subfolder.mkdir(exist_ok=True)
        self._kept = read_checkpoint(self.files.checkpoint())
        reached = self._reached()
        self._step = reached.step
        self._progress = reached.progress
        self._metrics = MetricsWriter(self.files.metrics, keep_bytes=reached.metrics_bytes)
        self._began = monotonic()
        self._first_progress = self._progress
        self._last_metrics: Mapping[str, float | int | None] = {}
        self._last_report = self._began
        self._reporting = threading.Lock()
        heartbeat.update(progress=self._progress)

    def _reached(self) -> _Reached:
        if self._kept is None:
            return _Reached()
        try:
            return _Reached.model_validate(self._kept.metadata["run"])
        except (ValidationError, KeyError) as error:
            raise damaged_checkpoint(self.files.checkpoint()) from error

    @property
    def files(self) -> RunFolder:
        """The files in the run's folder; a task writes its results there, each atomically."""
        return RunFolder(self.folder)

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
        """Append a line of metrics and set the run's ``progress``, 0 to 1.

        Raises:
            StoreError: the line cannot be written (the disk is full).
        """
        with self._reporting:
            self._progress = min(max(0.0, progress), 1.0)  # NaN becomes 0
            self._last_metrics = metrics
            self._append()
        self._heartbeat.update(
            progress=self._progress, seconds_left=self._seconds_left(), epoch=epoch, num_epochs=num_epochs, best=best
        )

    def _append(self) -> None:
        self._step += 1
        self._last_report = self._monotonic()
        self._metrics.append({"step": self._step, "time": round(self._heartbeat.seconds, 3), **self._last_metrics})

    @contextmanager
    def repeating(self) -> Generator[None]:
        """Repeat the last line of metrics twice a second while the block runs, for a calculation that cannot report."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(_REPEAT_S / 4):
                with self._reporting, suppress(StoreError):  # the next report raises it
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
        """Write what is needed to resume: ``arrays`` and plain ``metadata``. Ends the run if a stop is requested.

        ``name="best"`` writes a second checkpoint; a run resumes from ``"last"`` only.

        Raises:
            CancelledError: a stop is requested; the checkpoint is written.
            StoreError: the disk is full, and the checkpoint before is kept; or the run's folder is gone.
        """
        self._heartbeat.require_folder()
        with self._reporting:
            reached = _Reached(step=self._step, progress=self._progress, metrics_bytes=self._metrics.sync())
        with self._heartbeat.writing():
            write_checkpoint(self.files.checkpoint(name), arrays, {"task": dict(metadata), "run": reached.model_dump()})
        if name == "last":
            self.stop_if_asked()

    def restore(self, name: str = "last") -> Checkpoint | None:
        """What the task put in a checkpoint, or None if there is none.

        Raises:
            StoreError: the checkpoint is damaged or newer than this Harmonia.
        """
        kept = self._kept if name == "last" else read_checkpoint(self.files.checkpoint(name))
        return Checkpoint(kept.arrays, kept.metadata["task"]) if kept else None

    def snapshot(self, epoch: int, **arrays: ArrayLike) -> None:
        """Write arrays for the page that shows the run: ``snapshots/epoch-NNNN.npz``."""
        self.save(self.files.snapshot(epoch), **arrays)

    def save(self, path: Path, **arrays: ArrayLike) -> None:
        """Write arrays as a compressed ``.npz``, atomically."""
        self._heartbeat.require_folder()
        with self._heartbeat.writing():
            write_arrays(path, arrays)

    def should_stop(self) -> bool:
        """Whether a stop is requested: a good moment to call :meth:`checkpoint`."""
        return self._heartbeat.stop_requested.is_set()

    def stop_if_asked(self) -> None:
        """Leave the task when a stop is requested; work since the last checkpoint is lost.

        Raises:
            CancelledError: a stop is requested.
        """
        if self.should_stop():
            raise CancelledError("the run was asked to stop", f"run {self.folder.name}", "resume it to continue")

    def close(self) -> None:
        """Close the metrics file."""
        self._metrics.close()
