"""Log-likelihood of points under a mixture, and its gradient, without ever holding all pairs.

Legend: N points, K components, R points at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from engine.mvmf._tiles import LEAST_EXPONENT
from engine.typed import apply

# Pairs at once: few enough to stay in the processor's cache, where the passes over them cost least.
_PAIRS_AT_ONCE = 2**17


def log_mixture(points: Tensor, centres: Tensor, kappa: Tensor, log_norm: Tensor, logits: Tensor) -> Tensor:
    """ln Σ_k softmax(logits)_k exp(log_norm_k − κ_k ‖x_n − μ_k‖²/2) for every point: (N,).

    ``points`` (N, 3) and ``centres`` (K, 3) are unit vectors, ``kappa`` and ``log_norm`` (K,); ``logits`` are (K,),
    or (N, K) with a mixture of its own for every point. Differentiable in all five; the gradient takes memory for
    itself and little more, and comes from the same chunks, computed once more.
    """
    return apply(_LogMixture, points, centres, kappa, log_norm, logits)


def _chunks(points: Tensor, logits: Tensor) -> Iterator[slice]:
    size = max(1, _PAIRS_AT_ONCE // logits.shape[-1])
    return (slice(first, first + size) for first in range(0, points.shape[0], size))


def half_squares(points: Tensor, columns: tuple[Tensor, ...]) -> Tensor:
    """‖x − μ‖²/2 of R points with all centres: (R, K), from differences, which keep their digits in float32."""
    total = (points[:, 0, None] - columns[0]).square_()
    for axis, column in enumerate(columns[1:], start=1):
        apart = points[:, axis, None] - column
        total.addcmul_(apart, apart)
    return total.mul_(0.5)


def _joint(half: Tensor, kappa: Tensor, log_norm: Tensor, logits: Tensor) -> Tensor:
    """logits + ln p_k(x): (R, K)."""
    return torch.addcmul(log_norm, half, kappa, value=-1.0).add_(logits)


def _exp(exponents: Tensor) -> Tensor:
    return exponents.clamp_min_(LEAST_EXPONENT).exp_()


def _log_sum(terms: Tensor) -> Tensor:
    """ln Σ_k exp of (R, K), in place: (R,)."""
    top = terms.amax(1, keepdim=True)
    return _exp(terms.sub_(top)).sum(1).log_().add_(top[:, 0])


class _LogMixture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, centres: Tensor, kappa: Tensor, log_norm: Tensor, logits: Tensor) -> Tensor:
        columns = centres.T.contiguous().unbind(0)
        joint = points.new_empty(points.shape[0])
        prior = torch.empty_like(joint)
        for chunk in _chunks(points, logits):
            half = half_squares(points[chunk], columns)
            rows = _rows(logits, chunk)
            joint[chunk] = _log_sum(_joint(half, kappa, log_norm, rows))
            prior[chunk] = _log_sum(rows.clone())
        ctx.save_for_backward(points, centres, kappa, log_norm, logits, joint, prior)
        return joint - prior

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        (grad,) = grads
        points, centres, kappa, log_norm, logits, joint, prior = ctx.saved_tensors
        columns = centres.T.contiguous().unbind(0)
        wants_points, wants_centres, *_ = ctx.needs_input_grad
        d_logits = torch.zeros_like(logits)
        d_points = torch.zeros_like(points)
        d_kappa, d_norm, weighted_sum = torch.zeros_like(kappa), torch.zeros_like(kappa), torch.zeros_like(centres)
        for chunk in _chunks(points, logits):
            half = half_squares(points[chunk], columns)
            rows = _rows(logits, chunk)
            weights = _joint(half, kappa, log_norm, rows).sub_(joint[chunk, None])
            weights = _exp(weights).mul_(grad[chunk, None])
            prior_weights = _exp(rows - prior[chunk, None]).mul_(grad[chunk, None])
            if logits.ndim == 1:
                d_logits += weights.sum(0) - prior_weights.sum(0)
            else:
                torch.sub(weights, prior_weights, out=d_logits[chunk])
            d_norm += weights.sum(0)
            d_kappa -= half.mul_(weights).sum(0)
            if wants_centres:
                weighted_sum += weights.T @ points[chunk]
            if wants_points:
                drawn = weights.mul_(kappa)
                d_points[chunk] = drawn @ centres - drawn.sum(1, keepdim=True) * points[chunk]
        d_centres = kappa[:, None] * (weighted_sum - d_norm[:, None] * centres)
        return d_points, d_centres, d_kappa, d_norm, d_logits


def _rows(logits: Tensor, chunk: slice) -> Tensor:
    """The logits of some points: (R, K), or (1, K) where all share them."""
    return logits[None] if logits.ndim == 1 else logits[chunk]
