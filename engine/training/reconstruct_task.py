"""The task ``reconstruct``: all months of an archive, one after another, streamed to a NetCDF file."""

from __future__ import annotations

from engine.compute import use_thread_policy
from engine.data.resample import resampled
from engine.runs.context import RunContext
from engine.runs.reconstruct_settings import ReconstructSettings
from engine.training.inference import load_model, reconstruct
from engine.training.lesson import open_source

RESULT = "reconstruction.nc"
"""The file of a run."""


def reconstruct_archive(settings: ReconstructSettings, run: RunContext) -> None:
    """Reconstruct what :class:`engine.runs.reconstruct_settings.ReconstructSettings` names.

    Metrics: ``percent`` of the months that are done. Result: ``reconstruction.nc``, which appears when it is whole;
    :func:`engine.training.cf.month_dataset` says what it holds. A run that was stopped begins the file anew; days that
    were read once stay prepared, so it is soon where it was.

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
        reconstruct(trained, source, *months, out=run.path(RESULT), progress=progress).close()
    run.report({"percent": 100.0}, 1.0)


def _month(text: str | None) -> tuple[int, int] | None:
    return None if text is None else (int(text[:4]), int(text[5:7]))
