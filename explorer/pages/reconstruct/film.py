"""The training itself, epoch by epoch: the newest snapshot is followed while it works, and all play as a film."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.queries import reconstruct
from engine.queries.reconstruct import Snapshot
from engine.runs import ACTIVE
from explorer.background import LatestTask, PeriodicTask, unseen
from explorer.pages.reconstruct import text
from explorer.pages.reconstruct.maps import Maps
from explorer.pages.reconstruct.model import ERROR, SWIPE, TEMPERATURE, ReconstructModel
from explorer.registry import REGISTRY
from explorer.widgets.days import DayBar


class Film:
    """Draws the snapshots of the model's run while ``model.film`` holds; ``say(html)`` is told what they are.

    ``finished()`` is called once when a run that was followed has ended.
    """

    def __init__(
        self, model: ReconstructModel, maps: Maps, say: Callable[[str], None], finished: Callable[[], None]
    ) -> None:
        self.model = model
        self.maps = maps
        self._say = say
        self._finished = finished
        self._epochs: tuple[int, ...] = ()
        self._reading = LatestTask(unseen, self._fail)
        self._poll = PeriodicTask(self._look)
        self.bar = DayBar(unit="epoch", margin=0, sizing_mode="stretch_width", height=38, pace_ms=400)
        self.bar.link(model, day="epoch", bidirectional=True)
        model.param.watch(lambda *_: self._start(), ["film", "run"])
        model.param.watch(lambda *_: model.film and self._read(), ["epoch", "kind", "panes", "left", "right"])

    @property
    def is_live(self) -> bool:
        """Whether the run waits or works."""
        record = REGISTRY.records.get(self.model.run)
        return record is not None and record.state in ACTIVE

    def _start(self) -> None:
        """Begin with the newest epoch, or stop."""
        wanted = self.model.film
        self._epochs = ()
        self._reading.cancel()
        self._poll.turn(wanted)
        if wanted:
            self._look()

    def _look(self) -> None:
        """Take up new epochs; whoever looks at the newest one sees the next."""
        epochs = reconstruct.snapshot_epochs(self.model.run)
        if epochs == self._epochs and not self.is_live:
            self._poll.turn(False)
            self._finished()
        if not epochs:
            self._epochs = ()
            self._say(text.WAITING if self.is_live else text.GONE)
        if not epochs or epochs == self._epochs:
            return
        model = self.model
        was_newest = not self._epochs or model.epoch >= len(self._epochs) - 1
        self._epochs = epochs
        self.bar.days = [str(epoch) for epoch in epochs]
        model.bound("epoch", 0, max(1, len(epochs) - 1))
        if was_newest and epochs and model.epoch != len(epochs) - 1:
            model.epoch = len(epochs) - 1
        else:
            self._read()

    def _read(self) -> None:
        if not self._epochs:
            return
        run, index = self.model.run, min(self.model.epoch, len(self._epochs) - 1)
        self._reading.start(lambda _: reconstruct.snapshot(run, self._epochs[index]), partial(self._show, index))

    def _show(self, index: int, seen: Snapshot) -> None:
        if not self.model.film:
            return
        fields, captions = _maps(seen, self.model)
        key = (self.model.run, seen.epoch, self.model.panes, *captions)
        self.maps.draw(fields, captions, seen.lat, seen.lon, key, None)
        self.bar.drawn = index
        self._say(text.epoch(seen, self._epochs[-1], self.is_live))

    def _fail(self, error: Exception) -> None:
        """A snapshot that is gone or half-written: what is on screen stays, the next one comes."""
        self._say(text.failure(error))


def _maps(seen: Snapshot, model: ReconstructModel) -> tuple[list[np.ndarray], list[str]]:
    """The snapshot's maps of the kind that is shown."""
    if model.kind == TEMPERATURE:
        found = {
            text.LAYERS["observed"]: seen.observed,
            f"Reconstruction, epoch {seen.epoch}": seen.reconstruction,
            text.LAYERS["truth"]: seen.truth,
        }
    elif model.kind == ERROR:
        found = {
            text.LAYERS["error_mean"]: seen.observed - seen.truth,
            f"Error, epoch {seen.epoch}": seen.reconstruction - seen.truth,
        }
    else:
        size = np.abs(seen.reconstruction - seen.truth)
        found = {text.LAYERS["size"]: size} | ({} if seen.std is None else {text.LAYERS["std"]: seen.std})
    count = 2 if model.panes == SWIPE else len(found)
    return list(found.values())[:count], list(found)[:count]
