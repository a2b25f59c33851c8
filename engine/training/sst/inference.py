"""From days with gaps to whole months: windows over any extent, put together, and written as CF files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from engine.config.sst import SSTSettings
from engine.data.prepare import Month, available, prepare
from engine.data.source import MonthlyData, SSTSource
from engine.errors import DataError
from engine.models import SpatioTemporalModel
from engine.runs.run_folder import RunFolder, runs_folder
from engine.training.sst.cf import month_dataset, write_months
from engine.training.sst.model_bundle import ModelBundle, pretrained
from engine.training.sst.samples import Batch, ModelInputs
from engine.training.sst.windows import Stitcher

__all__ = ["ModelBundle", "MonthlyEstimate", "estimate_months", "load_model", "pretrained", "reconstruct"]

Progress = Callable[[float, str], None]
Remember = Callable[[str, Callable[[], "MonthlyEstimate"]], "MonthlyEstimate"]

_CELLS_AT_ONCE = 31 * 60 * 120 * 4  # of all days together; what a few windows need stays below half a gigabyte


class MonthlyEstimate(NamedTuple):
    """Reconstructed months (N, H, W) float32, °C, NaN on land, and their standard deviations or None."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32] | None


def estimate_months(
    model: SpatioTemporalModel,
    view: ModelInputs,
    settings: SSTSettings,
    *,
    between: Callable[[], None] | None = None,
    turn: tuple[int, int] = (0, 1),
) -> Iterator[tuple[range, MonthlyEstimate]]:
    """All months of ``view``, a sample's at a time: which ones, and their :class:`MonthlyEstimate` (M, H, W).

    Overlaps are blended (:class:`Stitcher`), windows without sea are left out. When the
    number of months is no multiple of a sample's, the last sample reaches back. ``between`` is called between batches
    and may raise to abandon the work. ``turn`` (r, n): only every n-th sample from the r-th, 0 first.
    """
    num_months = len(view.data.months)
    size = min(settings.months, num_months)
    for first in range(turn[0] * size, num_months, turn[1] * size):
        start = min(first, num_months - size)
        block = range(start, start + size)
        found = _estimate(model, view, block, settings.precision, between)
        fresh = slice(first - start, None)
        yield (
            range(first, block.stop),
            MonthlyEstimate(found.mean[fresh], None if found.std is None else found.std[fresh]),
        )


def _estimate(
    model: SpatioTemporalModel, view: ModelInputs, block: range, precision: str, between: Callable[[], None] | None
) -> MonthlyEstimate:
    place = next(model.parameters()).device
    leading = (len(block),)
    mean = Stitcher(view.windows, leading)
    std = Stitcher(view.windows, leading) if model.config.uncertainty else None
    land = view.data.land
    corners = [corner for corner in view.windows.corners if not view.windows.cut(land, corner).all()]
    height, width = view.windows.size
    at_once = max(1, _CELLS_AT_ONCE // (31 * height * width * len(block)))
    for first in range(0, len(corners), at_once):
        if between is not None:
            between()
        chosen = corners[first : first + at_once]
        batch = Batch.of([view.inputs(block, corner) for corner in chosen], place)
        low = torch.autocast(place.type, torch.bfloat16, enabled=precision == "bfloat16")
        with torch.inference_mode(), low:
            found = model.forward_details(*batch.inputs(), attention=False)
        for stitcher, values in ((mean, found.mean), (std, found.std)):
            if stitcher is not None and values is not None:
                for corner, window in zip(chosen, values.float().cpu().numpy(), strict=True):
                    stitcher.add(corner, window)
    for stitcher in (mean, std):
        if stitcher is not None:
            stitcher.field[:, land] = np.nan
    return MonthlyEstimate(mean.field, None if std is None else std.field)


def load_model(path_or_run: str | Path) -> ModelBundle:
    """A trained model: a run's id, a run's folder, or a model file; ``"pretrained"`` is the one that comes with us.

    Raises:
        StoreError: there is none, or the file is damaged, of another version or architecture.
    """
    if str(path_or_run) == "pretrained":
        return pretrained()
    path = Path(path_or_run)
    if not path.exists() and len(path.parts) == 1:
        path = runs_folder() / path
    return ModelBundle.load(RunFolder(path).model if path.is_dir() else path)


def reconstruct(
    trained: ModelBundle | str | Path,
    source: SSTSource,
    first: tuple[int, int] | None = None,
    last: tuple[int, int] | None = None,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    remember: Remember | None = None,
) -> xr.Dataset:
    """The monthly means of ``source`` as a CF dataset; :func:`engine.training.sst.cf.month_dataset` says what it holds.

    Args:
        trained: a model, or where :func:`load_model` finds one.
        source: daily fields on any grid.
        first, last: (year, month), both included; all of the source's months unless told otherwise.
        out: ``*.nc`` or ``*.zarr``: written month by month, so that never more than one sample is in memory; it appears
            when it is whole, and is opened lazily. Without it everything is held.
        progress: hears how far it is; may raise to abandon the work.
        remember: ``remember(month, compute)`` gives the estimate of a sample by its first month ("2001-03"), which it
            may have kept from an earlier call; the model is asked only when it calls ``compute``.

    Raises:
        ChoiceError: an ``out`` of another kind.
        DataError: no days, or none in these months; a sea the model knows nothing of.
        StoreError: no model, or ``out`` cannot be written.
    """
    model = trained if isinstance(trained, ModelBundle) else load_model(trained)
    span = available(source)
    ends = first or span[0], last or span[1]
    if not span[0] <= ends[0] <= ends[1] <= span[1]:
        raise DataError(
            f"months from {Month(*ends[0])} to {Month(*ends[1])} cannot be reconstructed",
            source.name,
            f"choose months from {span[0]} to {span[1]}",
        )
    months = _reconstructed(model, source, *ends, progress, remember or _compute)
    if out is None:
        return cast(Any, xr).concat(list(months), "time", data_vars="minimal", combine_attrs="override")
    return write_months(out, months)


def _compute(_: str, compute: Callable[[], MonthlyEstimate]) -> MonthlyEstimate:
    return compute()


def _reconstructed(
    model: ModelBundle,
    source: SSTSource,
    first: tuple[int, int],
    last: tuple[int, int],
    progress: Progress | None,
    remember: Remember,
) -> Iterator[xr.Dataset]:
    """The months, one sample of consecutive ones at a time; the last reaches back as in :func:`estimate_months`."""
    numbers, size = range(_number(first), _number(last) + 1), model.settings.months
    for start in range(0, len(numbers), size):
        block = numbers[start : start + size]
        named = str(Month(*_month(block[0])))
        if progress is not None:
            progress(start / len(numbers), named)
        data = prepare(source, _month(block[0]), _month(block[-1]))
        seen = data if len(block) == size else prepare(source, _month(numbers[-size:][0]), _month(block[-1]))
        estimate = remember(named, partial(_sample, model, seen, len(block)))
        yield month_dataset(model, source, data, estimate.mean, estimate.std)


def _sample(model: ModelBundle, data: MonthlyData, count: int) -> MonthlyEstimate:
    """The last ``count`` months of those that are one sample."""
    found = next(estimate_months(model.model, model.view(data), model.settings))[1]
    return MonthlyEstimate(found.mean[-count:], None if found.std is None else found.std[-count:])


def _number(month: tuple[int, int]) -> int:
    return 12 * month[0] + month[1] - 1


def _month(number: int) -> tuple[int, int]:
    return number // 12, number % 12 + 1
