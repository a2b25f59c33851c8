"""Maximum-likelihood fits of a mixture to points: expectation–maximisation, with fixed centres too, and gradient steps.

Legend: N points, K components.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine import typed
from engine.errors import DataError
from engine.mvmf._likelihood import half_squares
from engine.mvmf.mixture import MAX_KAPPA, MIN_KAPPA, MixtureVMF, log_normaliser

MAX_LOG_KAPPA, MIN_LOG_KAPPA = 9.0, 2.0
"""Range of log κ in :func:`fit_weights`: peaks of 70 to 2300 km."""

_PAIRS_AT_ONCE = 2**20
_MOST_PAIRS, _LEAST_POINTS = 2**23, 256  # points × centres held at once


@dataclass(frozen=True)
class Fit:
    """A fitted mixture, and the mean log-likelihood per point before every step and after the last."""

    mixture: MixtureVMF
    log_likelihood: tuple[float, ...]


def fit_em(
    points: Tensor, start: MixtureVMF, *, max_steps: int = 200, tolerance: float = 1e-7, max_kappa: float = MAX_KAPPA
) -> Fit:
    """Expectation–maximisation (Banerjee et al. 2005) from ``start`` on unit vectors ``points`` (N, 3), in float64.

    The E step computes the posterior of the components for every point, the M step the mean direction and κ of each
    component: coth κ − 1/κ = R̄, solved to rounding. No step lowers the likelihood. Ends when a step gains less than
    ``tolerance`` per point. A component without points keeps its centre with weight zero; ``max_kappa`` bounds one that
    collapses on a single point.

    Raises :class:`DataError` for no points and for ones that are not finite.
    """
    _check(points)
    points = points.double()
    peaks = start.peaks()
    centres, kappa, log_norm = peaks.centres, peaks.kappa, log_normaliser(peaks.kappa)
    log_weights = start.log_weights.detach().double()
    history: list[float] = []
    for step in range(max_steps + 1):
        weights, resultants, likelihood = _expectation(points, centres, kappa, log_norm, log_weights)
        history.append(likelihood)
        if step == max_steps or (step and history[-1] - history[-2] < tolerance):
            break
        length = (resultants**2).sum(1).sqrt()
        has_points = weights > 1e-12
        centres = torch.where((length > 1e-300)[:, None], functional.normalize(resultants, dim=1, eps=1e-300), centres)
        new_kappa = concentration(length / weights.clamp_min(1e-300)).clamp(MIN_KAPPA, max_kappa)
        kappa = torch.where(has_points, new_kappa, kappa)
        log_norm = log_normaliser(kappa)
        log_weights = torch.log(weights / weights.sum())
    return Fit(MixtureVMF(centres, torch.log(kappa), log_weights), tuple(history))


def fit_weights(
    centres: Tensor,
    train: Tensor,
    validation: Tensor,
    start_log_kappas: Sequence[float] = (4.0, 5.0, 6.0, 7.0),
    max_rounds: int = 60,
) -> tuple[Tensor, Tensor]:
    """Log-weights and log κ (K,) of components at fixed ``centres`` (K, 3) that are likeliest for ``train`` (N, 3).

    Expectation–maximisation from each of ``start_log_kappas``, for as many rounds as raise the likelihood of
    ``validation`` (M, 3); the best start and round for it are returned, in float64. Every centre counts one point more
    than it has, as far away as its first width: none is ruled out, none collapses. log κ stays from
    :data:`MIN_LOG_KAPPA` to :data:`MAX_LOG_KAPPA`. With many centres only the first points are used, 2²³ / K of them.

    Raises :class:`DataError` for no points and for ones that are not finite.
    """
    for points in (train, validation):
        _check(points)
    most = max(_LEAST_POINTS, _MOST_PAIRS // len(centres))
    drops, checked = (_drops(centres.double(), points[:most].double()) for points in (train, validation))
    fits = [_fit_from(drops, checked, start, max_rounds) for start in start_log_kappas]
    _, log_weights, log_kappa = max(fits, key=lambda fit: fit[0])
    return log_weights, log_kappa


def _fit_from(drops: Tensor, checked: Tensor, start: float, max_rounds: int) -> tuple[float, Tensor, Tensor]:
    """Mean log-likelihood of ``checked`` (M, K), log-weights and log κ (K,) of the best round."""
    count = drops.shape[1]
    log_weights = torch.full_like(drops[0], -math.log(count))
    log_kappa = torch.full_like(drops[0], start)
    best = -math.inf, log_weights, log_kappa
    for _ in range(max_rounds):
        likelihood = float(torch.logsumexp(_joint(checked, log_weights, log_kappa), 1).mean())
        if likelihood < best[0]:
            break
        best = likelihood, log_weights, log_kappa
        responsibility = torch.softmax(_joint(drops, log_weights, log_kappa), 1)
        total = responsibility.sum(0)
        spread = ((responsibility * drops).sum(0) + math.exp(-start)) / (total + 1.0)
        log_weights = torch.log_softmax(torch.log(total + 1.0), 0)
        log_kappa = -spread.log().clamp(-MAX_LOG_KAPPA, -MIN_LOG_KAPPA)  # the likeliest κ above 10: 1 / mean(1 − cos)
    return best


def _drops(centres: Tensor, points: Tensor) -> Tensor:
    """1 − cos of the angle between points (N, 3) and centres (K, 3): (N, K), by the chord, exact for small angles."""
    return torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist") ** 2 / 2.0


def _joint(drops: Tensor, log_weights: Tensor, log_kappa: Tensor) -> Tensor:
    """log (weight × density) of every point under every component, (N, K)."""
    kappa = log_kappa.exp()
    return log_weights + log_normaliser(kappa) - kappa * drops


def fit_gradient(points: Tensor, start: MixtureVMF, *, steps: int = 300, learning_rate: float = 0.05) -> Fit:
    """Adam on the mean negative log-likelihood of ``points`` (N, 3), from ``start``, all three of whose parameters are
    fitted.

    Centres move as unit vectors, κ as ln κ, weights as logits; the learning rate decays to 0 along a half cosine.

    Raises :class:`DataError` for no points and for ones that are not finite.
    """
    _check(points)
    mixture = MixtureVMF(
        start.centres.detach(),
        start.log_kappa.detach(),
        start.log_weights.detach(),
        learn_centres=True,
        learn_kappa=True,
        learn_logits=True,
    )
    optimiser = torch.optim.Adam(mixture.parameters(), lr=learning_rate)
    history: list[float] = []
    for step in range(steps + 1):
        loss = -mixture.log_prob(points).mean()
        history.append(-float(loss.detach()))
        if step < steps:
            optimiser.param_groups[0]["lr"] = learning_rate * (1.0 + math.cos(math.pi * step / steps)) / 2.0
            optimiser.zero_grad()
            typed.backward(loss)
            typed.step(optimiser)
    return Fit(mixture.requires_grad_(False), tuple(history))


def concentration(resultant: Tensor) -> Tensor:
    """κ from the length R̄ in [0, 1) of the mean of unit vectors: coth κ − 1/κ = R̄; ``inf`` at 1, float64.

    Newton's steps from Banerjee's κ ≈ R̄ (3 − R̄²) / (1 − R̄²), which is within 20 %.
    """
    length = resultant.double().clamp(0.0, 1.0)
    kappa = length * (3.0 - length**2) / (1.0 - length**2)
    for _ in range(6):
        is_small = kappa < 1e-3
        safe = torch.where(is_small, 1.0, kappa)
        mean = torch.where(is_small, kappa / 3.0, 1.0 / torch.tanh(safe) - 1.0 / safe)
        slope = torch.where(is_small, 1.0 / 3.0, 1.0 / safe**2 - 1.0 / torch.sinh(safe.clamp(max=300.0)) ** 2)
        kappa = torch.where(torch.isinf(kappa), kappa, (kappa + (length - mean) / slope).clamp_min(0.0))
    return kappa


def _expectation(
    points: Tensor, centres: Tensor, kappa: Tensor, log_norm: Tensor, log_weights: Tensor
) -> tuple[Tensor, Tensor, float]:
    """Posterior weight (K,) and weighted sum of points (K, 3) of each component, and the mean log-likelihood."""
    columns = centres.T.contiguous().unbind(0)
    weights, resultants, likelihood = torch.zeros_like(kappa), torch.zeros_like(centres), 0.0
    size = max(1, _PAIRS_AT_ONCE // kappa.numel())
    for first in range(0, points.shape[0], size):
        chunk = points[first : first + size]
        terms = torch.addcmul(log_norm + log_weights, half_squares(chunk, columns), kappa, value=-1.0)
        total = torch.logsumexp(terms, 1)
        posterior = torch.exp(terms - total[:, None])
        weights += posterior.sum(0)
        resultants += posterior.T @ chunk
        likelihood += float(total.sum())
    return weights, resultants, likelihood / points.shape[0]


def _check(points: Tensor) -> None:
    if points.ndim != 2 or points.shape[1:] != (3,) or not points.shape[0]:
        raise DataError(f"points of shape {tuple(points.shape)}", "fit", "give at least one unit vector, as (N, 3)")
    if not bool(torch.isfinite(points).all()):
        raise DataError("some points are not finite", "fit", "leave missing points out")
