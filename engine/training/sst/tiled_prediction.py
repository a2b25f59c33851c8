"""A model over any extent: it predicts window by window, and overlapping windows are blended into whole months.

Legend as in :mod:`engine.training.sst.windows`; M months, T = 31 day slots, t tokens of Pt days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from engine.config.sst import SSTSettings
from engine.data.source import MonthlyData
from engine.evaluation.uncertainty import month_classes, scaled_std
from engine.models import ReconstructionModel
from engine.models.baselines.observed import ICE_FRACTION
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.samples import Batch, ModelInputs
from engine.training.sst.windows import Corner, Stitcher
from engine.typed import Floats, Mask, Singles

_WINDOW_CELLS = 31 * 60 * 120  # of all days together; a few windows of so many stay below half a gigabyte
_WINDOWS_AT_ONCE = 4
_WINDOWS_AT_ONCE_ON_A_PAGE = 2  # so few that the work can be abandoned within a moment


class MonthlyEstimate(NamedTuple):
    """Reconstructed months (N, H, W).

    Attributes:
        mean: float32, in model space, within the bounds of the kind of variable (°C, not below the freezing point);
            NaN on land.
        std: standard deviation, float32, in model space (K), or None.
        is_climatology: True = no window over the cell had an observation in the month, so the mean is the climatology,
            which is closer to the truth than a model without a day to read (0.647 against 0.689 K).
    """

    mean: Singles
    std: Singles | None
    is_climatology: Mask

    def months(self, months: slice) -> MonthlyEstimate:
        """Some of the months."""
        std = None if self.std is None else self.std[months]
        return MonthlyEstimate(self.mean[months], std, self.is_climatology[months])


class WindowPrediction(NamedTuple):
    """Of one window: mean and standard deviation (M, h, w), weights (M, t, h/Ph, w/Pw) of the tokens, and whether the
    mean of a month (M,) is the climatology because nothing was observed in it."""

    mean: Singles
    std: Singles | None
    day_weights: Singles
    is_climatology: Mask


def predict_windows(
    model: ReconstructionModel,
    inputs: ModelInputs,
    months: range,
    corners: Sequence[Corner],
    *,
    precision: str,
    windows_at_once: int = _WINDOWS_AT_ONCE,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[Corner, WindowPrediction]]:
    """Predict the windows at ``corners``, some at a time.

    ``windows_at_once`` is their number for windows of 60 × 120 cells and one month; of larger ones fewer are taken.
    ``progress`` is called before each batch with the fraction that is done, and may raise to abandon the work.
    """
    device = next(model.parameters()).device
    height, width = inputs.windows.size
    batch_size = max(1, windows_at_once * _WINDOW_CELLS // (31 * height * width * len(months)))
    for first in range(0, len(corners), batch_size):
        if progress is not None:
            progress(first / len(corners))
        chosen = corners[first : first + batch_size]
        windows = [inputs.window(months, corner) for corner in chosen]
        batch = Batch.of(windows, device)
        low = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
        with torch.inference_mode(), low:
            output = model.forward_details(*batch.inputs(), attention=False, check=False)
        unseen: list[Mask] = [np.all(window["missing"][0], axis=(1, 2, 3)) for window in windows]
        numbers = inputs.data.months[months.start : months.stop] - 1
        means = [
            inputs.data.variable.bounded(
                np.where(empty[:, None, None], inputs.windows.cut(inputs.fallback, corner)[numbers], mean)
            )
            for empty, corner, mean in zip(unseen, chosen, _array(output.mean), strict=True)
        ]
        stds = [None] * len(chosen) if output.std is None else list(_array(output.std))
        yield from zip(chosen, map(WindowPrediction, means, stds, _array(output.day_weights), unseen), strict=True)


def stitch(inputs: ModelInputs, months: range, windows: Iterable[tuple[Corner, WindowPrediction]]) -> MonthlyEstimate:
    """Whole months of predicted windows; overlaps are blended (:class:`Stitcher`).

    The standard deviation is multiplied by the factor of each cell's class, ``inputs.std_factors``.
    """
    num_months = len(months)
    mean, std = (Stitcher(inputs.windows, (num_months,)) for _ in range(2))
    has_std = False
    seen = np.zeros((num_months, *inputs.data.grid.shape), bool)
    for corner, window in windows:
        mean.add(corner, window.mean)
        mean.mark(corner, seen, ~window.is_climatology)
        if window.std is not None:
            has_std = True
            std.add(corner, window.std)
    for stitcher in (mean, std):
        stitcher.field[:, inputs.data.land] = np.nan
    if not has_std:
        return MonthlyEstimate(mean.field, None, ~seen & ~inputs.data.land)
    scaled = std.field
    if inputs.std_factors:
        classes = np.stack([month_classes(inputs.data, n) for n in months])
        scaled = scaled_std(scaled, classes, inputs.std_factors)
    return MonthlyEstimate(mean.field, scaled, ~seen & ~inputs.data.land)


def estimate_months(
    model: ReconstructionModel,
    inputs: ModelInputs,
    settings: SSTSettings,
    *,
    progress: Callable[[float], None] | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[tuple[range, MonthlyEstimate]]:
    """All months of ``inputs``, a sample's at a time: which ones, and their :class:`MonthlyEstimate` (M, H, W).

    When the number of months is no multiple of a sample's, the last sample reaches back. ``progress`` is as in
    :func:`predict_windows`, for each sample. Of several processes each takes every ``world_size``-th sample.
    """
    num_months = len(inputs.data.months)
    size = min(settings.months, num_months)
    for first in range(rank * size, num_months, world_size * size):
        block = range(min(first, num_months - size), min(first, num_months - size) + size)
        windows = predict_windows(
            model, inputs, block, inputs.sea_corners, precision=settings.precision, progress=progress
        )
        yield range(first, block.stop), stitch(inputs, block, windows).months(slice(first - block.start, None))


def estimate_all(
    bundle: ModelBundle, data: MonthlyData, progress: Callable[[float], None] | None = None
) -> MonthlyEstimate:
    """All months of ``data``, as :func:`estimate_months` gives them, in one piece."""
    inputs = bundle.model_inputs(data)
    blocks = [block for _, block in estimate_months(bundle.model, inputs, bundle.settings, progress=progress)]
    stds = [block.std for block in blocks if block.std is not None]
    return MonthlyEstimate(
        np.concatenate([block.mean for block in blocks]),
        np.concatenate(stds) if stds else None,
        np.concatenate([block.is_climatology for block in blocks]),
    )


@dataclass(frozen=True, eq=False)
class TiledPrediction:
    """The months of ``inputs`` as ``bundle`` reconstructs them, kept window by window, so that a change of the days is
    predicted only where it is; make it by :func:`predict`."""

    bundle: ModelBundle
    inputs: ModelInputs
    windows: Mapping[Corner, WindowPrediction]

    @cached_property
    def estimate(self) -> MonthlyEstimate:
        """All months, as :func:`estimate_months` puts them together."""
        return stitch(self.inputs, range(len(self.inputs.data.months)), self.windows.items())

    def day_weights(self, month: int, row: int, column: int) -> Singles:
        """The weight of each day slot (31,) for the patch that holds a cell: sum 1, 0 on days without observations.

        All 0 where the patch has no observation in the month. Where windows overlap, their mean by the taper; the
        weight of a token of several days goes to its days by how much of the patch each of them shows.
        """
        total = np.zeros(self.inputs.data.daily.shape[1])
        height, width = self.inputs.windows.size
        for corner, window in self.windows.items():
            y = row - corner.row
            x = (column - corner.column) % self.inputs.data.grid.shape[1]
            if 0 <= y < height and x < width:
                total += self.inputs.windows.taper[y, x] * self._in_window(corner, window, month, y, x)
        return (total / total.sum() if total.any() else total).astype(np.float32)

    def _in_window(self, corner: Corner, window: WindowPrediction, month: int, y: int, x: int) -> Floats:
        days, high, wide = self.bundle.settings.model.patch
        top, left = y // high * high, x // wide * wide
        daily = self.inputs.windows.cut(self.inputs.data.daily[month], corner)[:, top : top + high, left : left + wide]
        observed = np.isfinite(daily).sum(axis=(1, 2)).astype(np.float64)
        tokens = window.day_weights[month, :, y // high, x // wide]
        owner = np.repeat(np.arange(tokens.size), days)[: observed.size]  # the token of each day
        return tokens[owner] * observed / np.maximum(np.bincount(owner, observed, tokens.size), 1.0)[owner]


def predict(
    bundle: ModelBundle,
    data: MonthlyData,
    *,
    known: TiledPrediction | None = None,
    changed: Mask | None = None,
    progress: Callable[[float], None] | None = None,
) -> TiledPrediction:
    """Reconstruct the months of ``data``, not more than a sample of ``bundle`` has.

    Args:
        bundle: the model.
        data: the months.
        known: the prediction of the same months before their days were ``changed``.
        changed: (H, W) bool, True = a day of the cell is another; windows without such a cell are not predicted again.
        progress: called between batches with the fraction that is done; may raise to abandon the work.

    Raises:
        DataError: a sea that the model has no climatology of. ChoiceError: a grid smaller than a patch.
    """
    inputs = bundle.model_inputs(data) if known is None else replace(known.inputs, data=data)
    kept: dict[Corner, WindowPrediction] = {}
    if known is not None and changed is not None:
        kept = {at: window for at, window in known.windows.items() if not inputs.windows.cut(changed, at).any()}
    predicted = predict_windows(
        bundle.model,
        inputs,
        range(len(data.months)),
        [corner for corner in inputs.sea_corners if corner not in kept],
        precision=bundle.settings.precision,
        windows_at_once=_WINDOWS_AT_ONCE_ON_A_PAGE,
        progress=progress,
    )
    windows = kept | dict(predicted)
    # in the order of the corners, so that overlaps are blended as when all are predicted at once
    return TiledPrediction(bundle, inputs, {corner: windows[corner] for corner in inputs.sea_corners})


def ice_mask(data: MonthlyData, mean: Singles) -> Mask:
    """(N, H, W), True = ice: where the source says so for more than 15 % of the month's days, and where the
    reconstruction stands at the freezing point. A temperature there is that of the water below. Variables other than
    the sea-surface temperature have no ice of their own."""
    if not data.variable.has_ice or data.variable.least is None:
        return data.ice > ICE_FRACTION
    return (data.ice > ICE_FRACTION) | (mean <= np.float32(data.variable.least))


def _array(values: Any) -> Singles:
    return values.float().cpu().numpy()
