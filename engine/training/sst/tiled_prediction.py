"""What a model says of a few months, kept window by window, so that a change in one place is answered there only.

Legend as in :mod:`engine.training.sst.windows`; M months, T = 31 day slots, t tokens of Pt days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.source import MonthlyData
from engine.training.sst.inference import MonthlyEstimate
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.samples import Batch, ModelInputs
from engine.training.sst.windows import Corner, Stitcher

Floats = NDArray[np.float32]

_CELLS_AT_ONCE = 31 * 60 * 120 * 2  # of all days together; so few that the work can be abandoned within a moment


class _Window(NamedTuple):
    """What was said of one window: mean and standard deviation (M, h, w), and weights (M, t, h/Ph, w/Pw) of tokens."""

    mean: Floats
    std: Floats | None
    weights: Floats


@dataclass(frozen=True, eq=False)
class TiledPrediction:
    """The months of ``view`` as ``trained`` reconstructs them; make it by :func:`answer`."""

    trained: ModelBundle
    view: ModelInputs
    windows: Mapping[Corner, _Window]

    @cached_property
    def estimate(self) -> MonthlyEstimate:
        """All months, as :func:`engine.training.sst.inference.estimate_months` puts them together."""
        fields: list[Floats | None] = []
        for part in (0, 1):
            stitcher = Stitcher(self.view.windows, (len(self.view.data.months),))
            for corner, window in self.windows.items():
                values = window[part]
                if values is None:
                    break
                stitcher.add(corner, values)
            else:
                stitcher.field[:, self.view.data.land] = np.nan
                fields.append(stitcher.field)
                continue
            fields.append(None)
        mean, std = fields
        assert mean is not None
        return MonthlyEstimate(mean, std)

    def day_weights(self, month: int, row: int, column: int) -> Floats:
        """How much each day slot (31,) counted for the patch that holds a cell: sum 1, 0 on days it was not seen.

        All 0 where the patch was not seen in the month. Where windows overlap, the mean of theirs by the taper; the
        weight of a token of several days goes to its days by how much of the patch each of them shows.
        """
        total = np.zeros(self.view.data.daily.shape[1])
        height, width = self.view.windows.size
        for corner, window in self.windows.items():
            y = row - corner.row
            x = (column - corner.column) % self.view.data.grid.shape[1]
            if 0 <= y < height and x < width:
                total += self.view.windows.taper[y, x] * self._in_window(corner, window, month, y, x)
        return (total / total.sum() if total.any() else total).astype(np.float32)

    def _in_window(self, corner: Corner, window: _Window, month: int, y: int, x: int) -> NDArray[np.float64]:
        days, high, wide = self.trained.settings.model.patch
        top, left = y // high * high, x // wide * wide
        daily = self.view.windows.cut(self.view.data.daily[month], corner)[:, top : top + high, left : left + wide]
        seen = np.isfinite(daily).sum(axis=(1, 2)).astype(np.float64)
        tokens = window.weights[month, :, y // high, x // wide]
        owner = np.repeat(np.arange(tokens.size), days)[: seen.size]  # the token of each day
        return tokens[owner] * seen / np.maximum(np.bincount(owner, seen, tokens.size), 1.0)[owner]


def answer(
    trained: ModelBundle,
    data: MonthlyData,
    *,
    known: TiledPrediction | None = None,
    changed: NDArray[np.bool_] | None = None,
    progress: Callable[[float], None] | None = None,
) -> TiledPrediction:
    """Reconstruct the months of ``data``, not more than a sample of ``trained`` has.

    Args:
        trained: the model.
        data: the months.
        known: what was said of the same months before their days were ``changed``.
        changed: (H, W) bool, True = a day of the cell is another; windows without such a cell are not asked again.
        progress: hears the share that is done between batches; may raise to abandon the work.

    Raises:
        DataError: a sea that the model knows nothing of. ChoiceError: a grid smaller than a patch.
    """
    view = trained.view(data) if known is None else replace(known.view, data=data)
    cut = view.windows.cut
    corners = [corner for corner in view.windows.corners if not cut(data.land, corner).all()]
    kept: dict[Corner, _Window] = {}
    if known is not None and changed is not None:
        kept = {corner: known.windows[corner] for corner in corners if not cut(changed, corner).any()}
    wanted = [corner for corner in corners if corner not in kept]
    height, width = view.windows.size
    at_once = max(1, _CELLS_AT_ONCE // (31 * height * width * len(data.months)))
    found: dict[Corner, _Window] = {}
    for first in range(0, len(wanted), at_once):
        if progress is not None:
            progress(first / len(wanted))
        chosen = wanted[first : first + at_once]
        found |= dict(zip(chosen, _ask(trained, view, chosen), strict=True))
    # in the order of the corners, so that overlaps are blended as when all are asked at once
    everything = kept | found
    return TiledPrediction(trained, view, {corner: everything[corner] for corner in corners})


def _ask(trained: ModelBundle, view: ModelInputs, corners: list[Corner]) -> list[_Window]:
    place = next(trained.model.parameters()).device
    block = range(len(view.data.months))
    batch = Batch.of([view.inputs(block, corner) for corner in corners], place)
    low = torch.autocast(place.type, torch.bfloat16, enabled=trained.settings.precision == "bfloat16")
    with torch.inference_mode(), low:
        said = trained.model.forward_details(*batch.inputs(), attention=False)
    means, weights = _array(said.mean), _array(said.day_weights)
    stds = [None] * len(corners) if said.std is None else list(_array(said.std))
    return [_Window(*window) for window in zip(means, stds, weights, strict=True)]


def _array(values: Any) -> Floats:
    return values.float().cpu().numpy()
