"""The tasks a run can do, by the name in its configuration.

A task is a function ``task(settings, run)``; see :mod:`engine.runs.context` for what it owes the run. What a task needs
is imported when it starts, so that one that is free of torch starts at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.config import BasisSettings, LandSettings, TableSettings
from engine.runs.context import RunContext
from engine.runs.expert_settings import ExpertSettings
from engine.runs.reconstruct_settings import ReconstructSettings
from engine.runs.sst_settings import SSTSettings
from engine.runs.sweep_settings import SweepSettings

if TYPE_CHECKING:
    from engine.data import Domain
    from engine.embedding import HarmonicBasis, Moments
    from engine.runs.checkpoints import Checkpoint


def draw_land(settings: LandSettings, run: RunContext) -> None:
    """Draw the land mask of a global grid from the coastline, band by band, with a checkpoint after each.

    Rows go from south to north, columns from −180° east, cell centres as ``LatLonGrid.regular``. The result is
    ``land.npz``: ``bits`` (H, W/8 rounded up) uint8, one bit a cell (``numpy.unpackbits`` along axis 1, ``count`` = W),
    ``shape`` (2,) = (H, W), ``step_deg``, and ``crc32`` of the bits. Metrics: ``land_percent`` of the area so far.
    """
    from engine.data.land import draw_rows

    rows = round(180.0 / settings.step_deg)
    step = 180.0 / rows
    lat = step * (np.arange(rows, dtype=np.float64) + 0.5) - 90.0
    lon = step * (np.arange(2 * rows, dtype=np.float64) + 0.5) - 180.0
    weight = np.cos(np.radians(lat))

    bands: list[bytes] = []  # deflated, so that a checkpoint is hundreds of times smaller than the mask
    drawn, land_area = 0, 0.0
    if kept := run.restore():
        drawn, land_area = kept.facts["rows"], kept.facts["land_area"]
        bands = _split(kept.arrays["bands"].tobytes(), kept.arrays["lengths"])

    while drawn < rows:
        band = slice(drawn, min(drawn + settings.rows_per_band, rows))
        mask = draw_rows(lat[band], lon, settings.resolution)
        bands.append(zlib.compress(np.packbits(mask, axis=1).tobytes(), level=1))
        drawn = band.stop
        land_area += float(weight[band] @ mask.mean(axis=1))
        run.report({"land_percent": 100.0 * land_area / float(weight[:drawn].sum())}, drawn / rows)
        lengths = np.array([len(part) for part in bands], np.int64)
        arrays = {"bands": np.frombuffer(b"".join(bands), np.uint8), "lengths": lengths}
        run.checkpoint(arrays, {"rows": drawn, "land_area": land_area})

    bits = b"".join(zlib.decompress(part) for part in bands)
    run.save(
        "land.npz",
        bits=np.frombuffer(bits, np.uint8).reshape(rows, -1),
        shape=np.array([rows, 2 * rows]),
        step_deg=step,
        crc32=zlib.crc32(bits),
    )


def _split(joined: bytes, lengths: NDArray[np.int64]) -> list[bytes]:
    ends = np.cumsum(lengths)
    return [joined[start:end] for start, end in zip(ends - lengths, ends, strict=True)]


def fit_basis(settings: BasisSettings, run: RunContext) -> None:
    """Fit a harmonic basis over part of the sphere; the result is ``basis.safetensors``.

    Metrics: ``percent`` of the work done and, at the end, ``explained_percent`` of the variance by all K components.
    Checkpoint: the moments of the harmonics, before the eigenvectors, which are one step.
    """
    done = 0.0

    def progress(fraction: float, _: str) -> None:
        nonlocal done
        done = max(done, fraction)
        run.stop_if_asked()
        run.report({"percent": 100.0 * done}, done)

    def remember(compute: Callable[[], Moments]) -> Moments:
        if kept is not None:
            return _moments(kept)
        found = compute()
        arrays = {"mean": found.mean.numpy(), "covariance": found.covariance.numpy()}
        run.checkpoint(arrays, {"fraction": found.fraction, "done": done})
        return found

    kept = run.restore()
    if kept is not None:
        done = kept.facts["done"]
    progress(done, "starting")
    with run.repeating():
        basis = _fit(settings, progress, remember)
    run.report({"percent": 100.0, "explained_percent": 100.0 * float(basis.explained.sum())}, 1.0)
    basis.save(run.path("basis.safetensors"))


def _moments(kept: Checkpoint) -> Moments:
    import torch

    from engine.embedding import Moments

    mean, covariance = (torch.tensor(kept.arrays[name]) for name in ("mean", "covariance"))
    return Moments(mean, covariance, kept.facts["fraction"])


def _fit(
    settings: BasisSettings,
    progress: Callable[[float, str], None],
    remember: Callable[[Callable[[], Moments]], Moments],
) -> HarmonicBasis:
    from engine.compute import use_thread_policy
    from engine.embedding import HarmonicBasis
    from engine.sphere import LatLonGrid

    use_thread_policy()
    grid, domain = LatLonGrid.regular(settings.step_deg), _domain(settings)
    return HarmonicBasis.fit(
        grid,
        settings.max_degree,
        settings.num_components,
        where=domain.mask(grid),
        progress=progress,
        domain=domain.describe(),
        remember=remember,
    )


def _domain(settings: BasisSettings) -> Domain:
    """The part of the Earth that the fit counts."""
    from engine.data import Domain

    if settings.box is None:
        return Domain(settings.domain)
    south, north, west, east = settings.box
    return Domain("box", south, north, west, east)


def fit_table(settings: TableSettings, run: RunContext) -> None:
    """Learn a field with a spatial table; see :func:`engine.training.table_task.fit_table`."""
    from engine.training import table_task

    table_task.fit_table(settings, run)


def sweep(settings: SweepSettings, run: RunContext) -> None:
    """Find good choices for a training; see :func:`engine.training.sweep.sweep`."""
    from engine.training import sweep as conductor

    conductor.sweep(settings, run)


def learn_sst(settings: SSTSettings, run: RunContext) -> None:
    """Learn to reconstruct months from days with gaps; see :func:`engine.training.sst_task.learn_sst`."""
    from engine.training import sst_task

    sst_task.learn_sst(settings, run)


def learn_expert(settings: ExpertSettings, run: RunContext) -> None:
    """Learn to tell where a picture was taken; see :func:`engine.training.expert_task.learn_expert`."""
    from engine.training import expert_task

    expert_task.learn_expert(settings, run)


def reconstruct_archive(settings: ReconstructSettings, run: RunContext) -> None:
    """Reconstruct a whole archive; see :func:`engine.training.reconstruct_task.reconstruct_archive`."""
    from engine.training import reconstruct_task

    reconstruct_task.reconstruct_archive(settings, run)


TASKS: dict[str, Callable[[Any, RunContext], None]] = {
    "land": draw_land,
    "basis": fit_basis,
    "table": fit_table,
    "sst": learn_sst,
    "sweep": sweep,
    "expert": learn_expert,
    "reconstruct": reconstruct_archive,
}
