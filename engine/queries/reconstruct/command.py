"""The command ``harmonia reconstruct``: monthly means of a file of daily fields by a trained model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from engine.compute import use_thread_policy
from engine.config.months import Month
from engine.config.sst import FileSource
from engine.data.source import Quality
from engine.training.sst.model_bundle import load_model
from engine.training.sst.reconstruct import choices_of, reconstruct_chosen


def reconstruct_file(
    model: str,
    source: str,
    out: Path,
    *,
    variable: str | None = None,
    quality: Quality | None = None,
    first: tuple[int, int] | None = None,
    last: tuple[int, int] | None = None,
    progress: Callable[[float, str], None] | None = None,
    baseline: str | None = None,
) -> xr.Dataset:
    """Write the monthly means of ``source`` to ``out``; see :func:`engine.training.sst.reconstruct.reconstruct`.

    Args:
        model: a run's id or folder, a model file, or ``"pretrained"``.
        source: what :func:`engine.data.sst.open_sst` opens.
        out: ``*.nc`` or ``*.zarr``.
        variable: of ``source``, where there are several.
        quality: the observations to use where ``source`` has quality flags; by default as in the training of the model.
        first, last: (year, month); by default all months.
        progress: receives the fraction done; may raise to cancel the work.
        baseline: of those fitted beside the model, to reconstruct in its place.

    Raises:
        DataError, StoreError, ChoiceError: see the functions called.
    """
    use_thread_policy()
    learned = load_model(model).settings.source
    path = os.path.abspath(source)  # so that the file's provenance holds in another folder
    if isinstance(learned, FileSource) and learned.path == path:  # what the training decided on these files holds
        changes = {"variable": variable or learned.variable, "quality": learned.quality if quality is None else quality}
        settings = learned.model_copy(update=changes)
    else:
        default = learned.quality if isinstance(learned, FileSource) else "good"
        settings = FileSource(path=path, variable=variable, quality=default if quality is None else quality)
    ends = [None if month is None else str(Month(*month)) for month in (first, last)]
    choices = choices_of(_absolute_model(model), settings, ends[0], ends[1], baseline=baseline)
    return reconstruct_chosen(choices, out, progress=progress)


def _absolute_model(model: str) -> str:
    """A model file by its absolute path; other names as they are."""
    return str(Path(model).absolute()) if model != "pretrained" and Path(model).exists() else model
