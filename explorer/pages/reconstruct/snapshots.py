"""The snapshots of a training: the newest is followed while the training runs, and all can be played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from engine.queries import reconstruct
from engine.queries.reconstruct import Snapshot
from explorer.background import LatestTask, PeriodicTask, unseen
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ReconstructModel
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
        model.param.watch(lambda *_: model.film and self._read(), ["epoch", "kind", "panes", "left", "right", "third"])

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
        layers = snapshot_layers(snapshot, self.model.shown)
        captions = [_caption(name, snapshot.epoch) for name in layers]
        key = (self.model.run, snapshot.epoch, self.model.panes, *layers)
        self.maps.draw(layers, captions, snapshot.lat, snapshot.lon, key, None, snapshot.variable)
        self.bar.drawn = index
        self._say(text.epoch(snapshot, self._epochs[-1], self.is_live))

    def _fail(self, error: Exception) -> None:
        """A snapshot that cannot be read: the map stays until the next one."""
        self._say(text.failure(error))


_INSTEAD = {"day": "observed", "error_best": "error_mean", "error_usual": "error_mean", "std": "size"}
"""What a snapshot shows for layers that it does not hold."""


def snapshot_layers(snapshot: Snapshot, shown: Sequence[str]) -> dict[str, np.ndarray]:
    """The snapshot's maps (H, W) of the layers on screen, each once; the nearest in meaning where it lacks one."""
    error = snapshot.reconstruction - snapshot.truth
    held = {
        "observed": snapshot.observed,
        "reconstruction": snapshot.reconstruction,
        "truth": snapshot.truth,
        "difference": snapshot.reconstruction - snapshot.observed,
        "error": error,
        "error_mean": snapshot.observed - snapshot.truth,
        "size": np.abs(error),
    } | ({} if snapshot.std is None else {"std": snapshot.std})
    names = dict.fromkeys(name if name in held else _INSTEAD[name] for name in shown)
    return {name: held[name] for name in names}


def _caption(name: str, epoch: int) -> str:
    is_models = name in ("reconstruction", "difference", "error", "size", "std")
    # a snapshot does not say whether its target is the truth or the mean of the withheld days
    title = "Reference" if name == "truth" else text.LAYERS[name]
    return f"{title}, epoch {epoch}" if is_models else title
