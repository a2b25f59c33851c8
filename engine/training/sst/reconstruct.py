"""From days with gaps to whole months of a source, streamed to a file; the task ``reconstruct``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from pydantic import TypeAdapter

from engine.compute import use_thread_policy
from engine.config.baselines import baseline_title
from engine.config.months import Month
from engine.config.reconstruct import ReconstructSettings
from engine.config.sst import DailySource, DemoSource, FileSource
from engine.data.cf import reconstructed_title
from engine.data.prepare import available, prepare
from engine.data.resample import resampled
from engine.data.source import MonthlyData, SSTSource
from engine.errors import ChoiceError, DataError
from engine.formats.npz import read_npz
from engine.models.baselines import Baselines
from engine.provenance import Provenance
from engine.runs.context import RunContext
from engine.training.sst.cf import month_dataset, origin_of, write_months
from engine.training.sst.data_module import open_source
from engine.training.sst.model_bundle import ModelBundle, baselines_on_grid, load_model
from engine.training.sst.tiled_prediction import MonthlyEstimate, estimate_months

Progress = Callable[[float, str], None]
Remember = Callable[[str, Callable[[], MonthlyEstimate]], MonthlyEstimate]
_SAME = 1e-6  # an estimate this near to the climatology is the climatology
_SOURCE: TypeAdapter[DemoSource | FileSource] = TypeAdapter(DailySource)


def reconstruct(
    model: ModelBundle | str | Path,
    source: SSTSource,
    first: tuple[int, int] | None = None,
    last: tuple[int, int] | None = None,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
    remember: Remember | None = None,
    choices: Mapping[str, Any] | None = None,
    baseline: str | None = None,
) -> xr.Dataset:
    """The monthly means of ``source`` as a CF dataset; :func:`engine.training.sst.cf.month_dataset` says what it holds.

    Args:
        model: a model, or the argument of :func:`engine.training.sst.model_bundle.load_model`.
        source: daily fields on any grid.
        first, last: (year, month), both included; all of the source's months by default.
        out: ``*.nc`` or ``*.zarr``: written month by month, so that never more than one sample is in memory; it appears
            when it is whole, and is opened lazily. Without it everything is held.
        progress: called with the fraction that is done and the month; may raise to abandon the work.
        remember: ``remember(month, compute)`` gives the estimate of a sample by its first month ("2001-03"), which it
            may have kept from an earlier call; the model is run only when it calls ``compute``.
        choices: written into the file, so that ``harmonia remake`` can open model and source again: :func:`choices_of`.
        baseline: of those that were fitted beside the model, by its name in :data:`engine.config.baselines`: it
            reconstructs in place of the model.

    Raises:
        ChoiceError: an ``out`` of another kind; a source of another kind of variable than the model; a ``baseline``
            that the model does not have.
        DataError: no days, or none in these months; a sea that the model has no climatology of.
        StoreError: no model, or ``out`` cannot be written.
    """
    bundle = model if isinstance(model, ModelBundle) else load_model(model)
    bundle.check_variable(source.variable)
    estimate = _estimate if baseline is None else _estimate_by(bundle, baseline, source)
    span = available(source)
    ends = first or span[0], last or span[1]
    if not span[0] <= ends[0] <= ends[1] <= span[1]:
        raise DataError(
            f"months from {Month(*ends[0])} to {Month(*ends[1])} cannot be reconstructed",
            source.name,
            f"choose months from {span[0]} to {span[1]}",
        )
    origin = origin_of(
        bundle,
        source,
        title=reconstructed_title(source.variable),
        recipe="reconstruct.archive" if choices else "",
        choices=choices or {},
        details={"month": f"{Month(*ends[0])} to {Month(*ends[1])}", "withheld_percent": 0}
        | ({} if baseline is None else {"baseline": baseline_title(baseline)}),
    )
    months = _reconstructed(bundle, source, *ends, progress, remember or _compute, origin, estimate)
    if out is None:
        return cast(Any, xr).concat(list(months), "time", data_vars="minimal", combine_attrs="override")
    return write_months(out, months)


def _compute(_: str, compute: Callable[[], MonthlyEstimate]) -> MonthlyEstimate:
    """A :data:`Remember` that remembers nothing."""
    return compute()


def choices_of(
    model: str,
    source: DemoSource | FileSource,
    first: str | None = None,
    last: str | None = None,
    resample: bool = False,
    baseline: str | None = None,
) -> dict[str, Any]:
    """What is needed to call :func:`reconstruct` again, as JSON holds it; months as ``2001-03``."""
    chosen = {"model": model, "source": source.model_dump(), "first": first, "last": last, "resample": resample}
    return chosen if baseline is None else chosen | {"baseline": baseline}


def reconstruct_chosen(
    choices: Mapping[str, Any],
    out: Path,
    *,
    progress: Progress | None = None,
    remember: Callable[[str], Remember] | None = None,
) -> xr.Dataset:
    """:func:`reconstruct` as :func:`choices_of` describes it. ``remember(key)`` is for the model and source ``key``.

    Raises as :func:`reconstruct`, and what the source's opening raises.
    """
    bundle = load_model(choices["model"])
    source = open_source(_SOURCE.validate_python(choices["source"]))
    if progress is not None and source.grading:
        progress(0.0, source.grading)
    if choices["resample"]:
        source = resampled(source, bundle.climatology.grid)
    return reconstruct(
        bundle,
        source,
        _month(choices["first"]),
        _month(choices["last"]),
        out=out,
        progress=progress,
        remember=None if remember is None else remember(f"{bundle.key} {source.key}"),
        choices=choices,
        baseline=choices.get("baseline"),
    )


def _reconstructed(
    bundle: ModelBundle,
    source: SSTSource,
    first: tuple[int, int],
    last: tuple[int, int],
    progress: Progress | None,
    remember: Remember,
    origin: Provenance,
    estimate_sample: Callable[[ModelBundle, MonthlyData, int], MonthlyEstimate],
) -> Iterator[xr.Dataset]:
    """The months, one sample of consecutive ones at a time; the last reaches back as in :func:`estimate_months`."""
    numbers = range(12 * first[0] + first[1] - 1, 12 * last[0] + last[1])
    months, size = [Month(number // 12, number % 12 + 1) for number in numbers], bundle.settings.months
    for start in range(0, len(months), size):
        block = months[start : start + size]
        if progress is not None:
            progress(start / len(months), str(block[0]))
        data = prepare(source, block[0], block[-1])
        sample = data if len(block) == size else prepare(source, months[-size:][0], block[-1])
        estimate = remember(str(block[0]), partial(estimate_sample, bundle, sample, len(block)))
        yield month_dataset(data, estimate.mean, estimate.std, estimate.is_climatology, origin)


def _estimate(bundle: ModelBundle, sample: MonthlyData, count: int) -> MonthlyEstimate:
    """The last ``count`` months of a sample."""
    _, estimate = next(estimate_months(bundle.model, bundle.model_inputs(sample), bundle.settings))
    return estimate.months(slice(-count, None))


def _estimate_by(
    bundle: ModelBundle, name: str, source: SSTSource
) -> Callable[[ModelBundle, MonthlyData, int], MonthlyEstimate]:
    """As :func:`_estimate`, by a baseline that was fitted beside the model."""
    fitted = Baselines.from_state_dict(bundle.baselines) if bundle.baselines else None
    if fitted is None or name not in fitted.fitted:
        known = "none" if fitted is None else ", ".join(fitted.fitted)
        raise ChoiceError(f"the model has no baseline {name!r}", "baseline", f"choose of those it has: {known}")
    there = baselines_on_grid(
        Baselines(fitted.climatology, {name: fitted.fitted[name]}), source.grid, np.asarray(source.land)
    )

    def estimate(_: ModelBundle, sample: MonthlyData, count: int) -> MonthlyEstimate:
        mean, std = (np.asarray(each, np.float32) for each in there.predict_with_std(sample)[name])
        climatology = sample.variable.bounded(there.climatology.at(sample.months))
        may_be = np.isnan(sample.daily).all(axis=1) | (name == "climatology")
        is_climatology = ~sample.land & may_be & (np.abs(mean - climatology) < _SAME)
        return MonthlyEstimate(mean, std, is_climatology).months(slice(-count, None))

    return estimate


def reconstruct_archive(settings: ReconstructSettings, run: RunContext) -> None:
    """Reconstruct what :class:`engine.config.reconstruct.ReconstructSettings` names.

    Metrics: ``percent`` of the months that are done. Result: ``reconstruction.nc``, which appears when it is whole;
    :func:`engine.training.sst.cf.month_dataset` says what it holds. Until then every sample of months that is
    reconstructed is kept as ``parts/YYYY-MM.npz``: a run that was stopped writes those again without running the model,
    as long as model and source are the same.

    Raises:
        DataError, ChoiceError: the archive cannot be read or does not go with the model. StoreError: no such model.
    """
    use_thread_policy()
    run.report({"percent": 0.0}, 0.0)

    def progress(fraction: float, _: str) -> None:
        run.stop_if_asked()
        run.report({"percent": 100.0 * fraction}, fraction)

    choices = choices_of(settings.model, settings.source, settings.first, settings.last, settings.resample)
    with run.repeating():
        run.files.reconstruction_parts.mkdir(exist_ok=True)
        remember = partial(partial, _remember, run)
        reconstruct_chosen(choices, run.files.reconstruction, progress=progress, remember=remember).close()
        shutil.rmtree(run.files.reconstruction_parts)
    run.report({"percent": 100.0}, 1.0)


def _remember(run: RunContext, key: str, month: str, compute: Callable[[], MonthlyEstimate]) -> MonthlyEstimate:
    """The sample that begins with ``month``, from its file in the run's folder if that has the same ``key``."""
    path = run.files.reconstruction_parts / f"{month}.npz"
    if path.exists():
        with suppress(DataError, KeyError):  # a damaged part is computed again
            kept = read_npz(path)
            if str(kept["key"]) == key:
                return MonthlyEstimate(kept["mean"], kept.get("std"), kept["is_climatology"])
    estimate = compute()
    std = {} if estimate.std is None else {"std": estimate.std}
    run.save(path, key=np.array(key), mean=estimate.mean, is_climatology=estimate.is_climatology, **std)
    return estimate


def _month(text: str | None) -> tuple[int, int] | None:
    return None if text is None else (int(text[:4]), int(text[5:7]))
