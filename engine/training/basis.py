"""The task ``basis``: a harmonic basis fitted over part of the sphere, too large to be fitted while a page waits."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.compute import use_thread_policy
from engine.config import BasisSettings
from engine.data import Domain
from engine.embedding import HarmonicBasis, Moments
from engine.runs.context import RunContext
from engine.sphere import LatLonGrid


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
            mean, covariance = (torch.tensor(kept.arrays[name]) for name in ("mean", "covariance"))
            return Moments(mean, covariance, kept.metadata["fraction"])
        moments = compute()
        arrays = {"mean": moments.mean.numpy(), "covariance": moments.covariance.numpy()}
        run.checkpoint(arrays, {"fraction": moments.fraction, "done": done})
        return moments

    kept = run.restore()
    if kept is not None:
        done = kept.metadata["done"]
    progress(done, "starting")
    use_thread_policy()
    grid, domain = LatLonGrid.regular(settings.step_deg), _domain(settings)
    with run.repeating():
        basis = HarmonicBasis.fit(
            grid,
            settings.max_degree,
            settings.num_components,
            where=domain.mask(grid),
            progress=progress,
            domain=domain.describe(),
            remember=remember,
        )
    run.report({"percent": 100.0, "explained_percent": 100.0 * float(basis.explained.sum())}, 1.0)
    basis.save(run.files.basis)


def _domain(settings: BasisSettings) -> Domain:
    """The cells that the fit is over."""
    if settings.box is None:
        return Domain(settings.domain)
    south, north, west, east = settings.box
    return Domain("box", south, north, west, east)
