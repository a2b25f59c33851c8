"""The command ``harmonia reconstruct``: monthly means of a file of daily fields by a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from engine.compute import use_thread_policy
from engine.config.sst import FileSource
from engine.data.source import Quality
from engine.data.sst import open_sst
from engine.training.sst.model_bundle import load_model
from engine.training.sst.reconstruct import reconstruct


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

    Raises:
        DataError, StoreError, ChoiceError: see the functions called.
    """
    use_thread_policy()
    bundle = load_model(model)
    if quality is None:
        quality = bundle.settings.source.quality if isinstance(bundle.settings.source, FileSource) else "good"
    ocean = open_sst(source, variable, quality)
    if progress is not None and ocean.grading:
        progress(0.0, ocean.grading)
    return reconstruct(bundle, ocean, first, last, out=out, progress=progress)
