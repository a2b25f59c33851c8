"""The snapshots of a training: the newest is followed while the training runs, and all can be played."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.queries import reconstruct
from engine.queries.reconstruct import Snapshot
from explorer.background import LatestTask, PeriodicTask, unseen
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ERROR, SWIPE, TEMPERATURE, ReconstructModel
from explorer.registry import REGISTRY
from explorer.widgets.days import DayBar


class SnapshotPlayer:
    """Draws the snapshots of the model's run while ``model.film`` is set; ``say(html)`` shows their epoch and error.

    ``finished()`` is called once when a followed run has ended.
    """

    def __init__(
        self, model: ReconstructModel, maps: Maps, say: Callable[[str], None], finished: Callable[[], None]
    ) -> None:
        self.model = model
        self.maps = maps
        self._say = say
        self._finished = finished
        self._epochs: tuple[int, ...] = ()
        self.shown: int | None = None
        """The epoch on screen."""
        self._reading = LatestTask(unseen, self._fail)
        self._updates = PeriodicTask(self._update)
        self.bar = DayBar(unit="epoch", margin=0, sizing_mode="stretch_width", height=38, pace_ms=400)
        self.bar.link(model, day="epoch", bidirectional=True)
        model.param.watch(lambda *_: self._start(), ["film", "run"])
        model.param.watch(lambda *_: model.film and self._read(), ["epoch", "kind", "panes", "left", "right"])

    @property
    def is_live(self) -> bool:
        """Whether the run is queued or running."""
        return REGISTRY.is_active(self.model.run)

    @property
    def is_available(self) -> bool:
        """Whether the run has snapshots, or may get some."""
        return self.is_live or bool(reconstruct.snapshot_epochs(self.model.run))

    def _start(self) -> None:
        """Start at the newest epoch, or stop."""
        wanted = self.model.film
        self._epochs, self.shown = (), None
        self._reading.cancel()
        self._updates.turn(wanted)
        if wanted:
            self.maps.veil(True)
            self._update()

    def _update(self) -> None:
        """Read new epochs; a view of the newest one follows."""
        epochs = reconstruct.snapshot_epochs(self.model.run)
        if epochs == self._epochs and not self.is_live:
            self._updates.turn(False)
            self._finished()
        if not epochs:
            self._epochs = ()
            self.maps.blank()
            self._say(text.WAITING if self.is_live else text.GONE)
        if not epochs or epochs == self._epochs:
            return
        model = self.model
        at_latest = not self._epochs or model.epoch >= len(self._epochs) - 1
        self._epochs = epochs
        self.bar.days = [str(epoch) for epoch in epochs]
        model.bound("epoch", 0, max(1, len(epochs) - 1))
        if at_latest and epochs and model.epoch != len(epochs) - 1:
            model.epoch = len(epochs) - 1
        else:
            self._read()

    def _read(self) -> None:
        if not self._epochs:
            return
        run, index = self.model.run, min(self.model.epoch, len(self._epochs) - 1)
        self._reading.start(lambda _: reconstruct.snapshot(run, self._epochs[index]), partial(self._show, index))

    def _show(self, index: int, snapshot: Snapshot) -> None:
        if not self.model.film:
            return
        self.shown = snapshot.epoch
        fields, captions = _maps(snapshot, self.model)
        key = (self.model.run, snapshot.epoch, self.model.panes, *captions)
        self.maps.draw(fields, captions, snapshot.lat, snapshot.lon, key, None, snapshot.variable)
        self.bar.drawn = index
        self._say(text.epoch(snapshot, self._epochs[-1], self.is_live))

    def _fail(self, error: Exception) -> None:
        """A snapshot that cannot be read: the map stays until the next one."""
        self._say(text.failure(error))


def _maps(snapshot: Snapshot, model: ReconstructModel) -> tuple[list[np.ndarray], list[str]]:
    """The snapshot's maps of the kind on screen, with their captions."""
    if model.kind == TEMPERATURE:
        fields = {
            text.LAYERS["observed"]: snapshot.observed,
            f"Reconstruction, epoch {snapshot.epoch}": snapshot.reconstruction,
            text.LAYERS["truth"]: snapshot.truth,
        }
    elif model.kind == ERROR:
        fields = {
            text.LAYERS["error_mean"]: snapshot.observed - snapshot.truth,
            f"Error, epoch {snapshot.epoch}": snapshot.reconstruction - snapshot.truth,
        }
    else:
        size = np.abs(snapshot.reconstruction - snapshot.truth)
        fields = {text.LAYERS["size"]: size} | ({} if snapshot.std is None else {text.LAYERS["std"]: snapshot.std})
    count = 2 if model.panes == SWIPE else len(fields)
    return list(fields.values())[:count], list(fields)[:count]
