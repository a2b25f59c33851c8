"""Reconstruct a file of daily fields by a trained model: what ``harmonia reconstruct`` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from engine.compute import use_thread_policy
from engine.data.sst import open_sst
from engine.training.inference import load_model, reconstruct


def reconstruct_file(
    model: str,
    source: str,
    out: Path,
    *,
    variable: str | None = None,
    first: tuple[int, int] | None = None,
    last: tuple[int, int] | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> xr.Dataset:
    """Write the monthly means of ``source`` to ``out``; see :func:`engine.training.inference.reconstruct`.

    Args:
        model: a run's id or folder, a model file, or ``"pretrained"``.
        source: what :func:`engine.data.sst.open_sst` opens.
        out: ``*.nc`` or ``*.zarr``.
        variable: of ``source``, where there are several.
        first, last: (year, month); all months unless told otherwise.
        progress: hears how far it is; may raise to abandon the work.

    Raises:
        DataError, StoreError, ChoiceError: as the parts say.
    """
    use_thread_policy()
    return reconstruct(load_model(model), open_sst(source, variable), first, last, out=out, progress=progress)
