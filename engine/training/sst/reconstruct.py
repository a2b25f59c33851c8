"""The task ``reconstruct``: all months of an archive, one after another, streamed to a NetCDF file."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np

from engine.compute import use_thread_policy
from engine.config.reconstruct import ReconstructSettings
from engine.data.resample import resampled
from engine.runs.context import RunContext
from engine.training.sst.data_module import open_source
from engine.training.sst.inference import MonthlyEstimate, load_model, reconstruct

"""The file of a run."""


def reconstruct_archive(settings: ReconstructSettings, run: RunContext) -> None:
    """Reconstruct what :class:`engine.config.reconstruct.ReconstructSettings` names.

    Metrics: ``percent`` of the months that are done. Result: ``reconstruction.nc``, which appears when it is whole;
    :func:`engine.training.sst.cf.month_dataset` says what it holds. Until then every sample of months that the model
    has
    answered is kept as ``parts/YYYY-MM.npz``: a run that was stopped writes those again without asking the model, as
    long as model and source are the same.

    Raises:
        DataError, ChoiceError: the archive cannot be read or does not go with the model. StoreError: no such model.
    """
    use_thread_policy()
    run.report({"percent": 0.0}, 0.0)

    def progress(share: float, _: str) -> None:
        run.stop_if_asked()
        run.report({"percent": 100.0 * share}, share)

    with run.repeating():
        trained = load_model(settings.model)
        source = open_source(settings.source)
        if settings.resample:
            source = resampled(source, trained.climatology.grid)
        months = (_month(settings.first), _month(settings.last))
        parts = _Parts(run, f"{trained.key} {source.key}")
        reconstruct(
            trained, source, *months, out=run.files.reconstruction, progress=progress, remember=parts.remember
        ).close()
        parts.remove()
    run.report({"percent": 100.0}, 1.0)


class _Parts:
    """Estimates of samples as files of the run, each whole or not there; those of another ``key`` are made anew."""

    def __init__(self, run: RunContext, key: str) -> None:
        self._run = run
        self._key = key
        run.files.reconstruction_parts.mkdir(exist_ok=True)

    def remember(self, month: str, compute: Callable[[], MonthlyEstimate]) -> MonthlyEstimate:
        """The sample that begins with ``month``."""
        path = self._run.files.reconstruction_parts / f"{month}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["key"]) == self._key:
                    return MonthlyEstimate(kept["mean"], kept.get("std"))
        found = compute()
        std = {} if found.std is None else {"std": found.std}
        self._run.save(path, key=np.array(self._key), mean=found.mean, **std)
        return found

    def remove(self) -> None:
        """The result is whole."""
        shutil.rmtree(self._run.files.reconstruction_parts)


def _month(text: str | None) -> tuple[int, int] | None:
    return None if text is None else (int(text[:4]), int(text[5:7]))
