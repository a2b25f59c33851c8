"""Reconstruct a file of daily fields by a trained model: what ``harmonia reconstruct`` does."""

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
        quality: which observations count where ``source`` grades them; as the model learned unless told otherwise.
        first, last: (year, month); all months unless told otherwise.
        progress: hears how far it is; may raise to abandon the work.

    Raises:
        DataError, StoreError, ChoiceError: as the parts say.
    """
    use_thread_policy()
    trained = load_model(model)
    learned = trained.settings.source
    if quality is None:
        quality = learned.quality if isinstance(learned, FileSource) else "good"
    ocean = open_sst(source, variable, quality)
    if progress is not None and ocean.grading:
        progress(0.0, ocean.grading)
    return reconstruct(trained, ocean, first, last, out=out, progress=progress)
