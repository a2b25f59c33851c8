"""Optimal interpolation of scattered observations: the dense solution, a reference for everything faster."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.typed import cholesky, eigh

PointCovariance = Callable[[Tensor, Tensor], Tensor]
"""The prior covariance (len a, len b) of points a and b (n, 3): latitude, longitude in degrees, day."""


def optimal_interpolation(
    points: Tensor, values: Tensor, noise_std: Tensor | float, targets: Tensor, covariance: PointCovariance
) -> tuple[Tensor, Tensor]:
    """The best linear estimate of a field of mean zero from noisy observations (simple kriging).

    With K = C(points, points) + diag(noise²) and k = C(targets, points)::

        mean = k K⁻¹ values        std² = C(t, t) − k K⁻¹ kᵀ

    Computed in float64 with one Cholesky factor, O(n³). Where K is singular (the same point observed twice without
    noise), its pseudo-inverse takes the place of K⁻¹: observations that contradict each other are averaged.

    Args:
        points: (n, 3) latitude and longitude in degrees, day; n may be 0.
        values: (n,) anomalies, in any unit.
        noise_std: (n,) or one number, standard deviation of the observations' errors, in the unit of ``values``.
        targets: (m, 3), as ``points``.
        covariance: of the field, in the squared unit.

    Returns:
        mean (m,) and std (m,) of the field at the targets, in the dtype of ``values``.

    Raises:
        ChoiceError: shapes do not go together, or a noise is negative.
        DataError: an observation is not finite, or the covariance is not positive semi-definite.

    Source: Bretherton, Davis & Fandry (1976), Deep-Sea Research 23, 559–582.
    """
    _check(points, values, targets)
    noise = torch.as_tensor(noise_std, dtype=torch.float64, device=values.device).expand(len(values))
    if not bool((noise >= 0.0).all()):
        raise ChoiceError("a standard deviation is negative or not a number", "noise_std", "give values of 0 or more")
    places, goals = points.double(), targets.double()
    prior = torch.stack([covariance(goal[None], goal[None])[0, 0].double() for goal in goals]) if len(goals) else None
    if prior is None or not len(values):
        spread = torch.zeros(0) if prior is None else prior.clamp(min=0.0).sqrt()
        return torch.zeros(len(goals)).to(values), spread.to(values)
    cross = covariance(goals, places).double()
    weights = _solve(covariance(places, places).double() + torch.diag(noise.square()), cross.T).T
    mean = weights @ values.double()
    variance = (prior - (weights * cross).sum(dim=1)).clamp(min=0.0)
    return mean.to(values.dtype), variance.sqrt().to(values.dtype)


def _check(points: Tensor, values: Tensor, targets: Tensor) -> None:
    if values.ndim != 1 or points.shape != (len(values), 3) or targets.ndim != 2 or targets.shape[1] != 3:
        raise ChoiceError(
            f"points {tuple(points.shape)}, values {tuple(values.shape)} and targets {tuple(targets.shape)}",
            "optimal_interpolation",
            "give (n, 3), (n,) and (m, 3)",
        )
    if not all(bool(torch.isfinite(each).all()) for each in (points, values, targets)):
        raise DataError("an observation or a target is not finite", "optimal_interpolation", "leave out missing values")


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """K⁻¹ right, by Cholesky, or by the pseudo-inverse where K is singular."""
    factor, failed_at = cholesky(matrix)
    # a pivot that is nothing but rounding is as good as zero
    pivots = factor.diagonal().square()
    rounding = len(matrix) * torch.finfo(matrix.dtype).eps * matrix.diagonal().max()
    if int(failed_at) == 0 and bool((pivots > rounding).all()):
        return torch.cholesky_solve(right, factor)
    eigenvalues, vectors = eigh(matrix)
    least = 1e-10 * eigenvalues[-1].clamp(min=torch.finfo(matrix.dtype).tiny)
    if bool(eigenvalues[0] < -1e3 * least):
        raise DataError(
            "the covariance has a negative eigenvalue", "optimal_interpolation", "choose one that is positive definite"
        )
    inverse = torch.where(eigenvalues > least, 1.0 / eigenvalues, 0.0)
    return vectors @ (inverse[:, None] * (vectors.T @ right))
