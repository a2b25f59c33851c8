"""Linear readers in closed form, from sums over the points of each fold.

Legend: N points, F folds, D numbers of an embedding, C targets or classes. A reader of any folds follows from the sum
of their matrices, so that one pass over the points serves all folds, all strengths of regularisation, and all tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.typed import eigh

STRENGTHS = (1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Regularisation λ, in units of the eigenvalues of a correlation matrix, whose mean is 1."""

_FEW_STRENGTHS = (1e-8, 1e-4, 1e-2, 1e-1, 1.0)
_VALIDATED = 2000  # points on which the strength of a discriminant is chosen
_POINTS_AT_ONCE = 16_384
CONSTANT = 1e-6
"""A column whose standard deviation is a smaller fraction of its root mean square is constant: what is left of it is
the rounding of a difference of sums."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted sums by fold, float64: ``gram`` (F, D+1, D+1) of (1, x) with itself, ``cross`` (F, D+1, C) of (1, x)
    with the targets, ``squares`` (F, C) of the targets with themselves.
    """

    gram: Tensor
    cross: Tensor
    squares: Tensor

    @classmethod
    def of(cls, embedding: Tensor, targets: Tensor, weights: Tensor, folds: Tensor) -> Moments:
        """The sums over N points: embedding (N, D), targets (N, C), and the weight and the fold (N,) of each."""
        num, width, out = int(folds.max()) + 1, embedding.shape[1], targets.shape[1]
        gram = torch.zeros((num, width + 1, width + 1), dtype=torch.float64, device=embedding.device)
        cross = gram.new_zeros((num, width + 1, out))
        squares = gram.new_zeros((num, out))
        for fold in range(num):
            members = torch.nonzero(folds == fold)[:, 0]
            for first in range(0, members.numel(), _POINTS_AT_ONCE):
                rows = members[first : first + _POINTS_AT_ONCE]
                x = torch.nn.functional.pad(embedding[rows].to(torch.float64), (1, 0), value=1.0)
                y = targets[rows].to(torch.float64)
                weighted = weights[rows, None] * x
                gram[fold] += weighted.T @ x
                cross[fold] += weighted.T @ y
                squares[fold] += weights[rows] @ y**2
        return cls(gram, cross, squares)

    def without(self, folds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The sums of the other folds: (D+1, D+1) and (D+1, C)."""
        kept = [fold for fold in range(len(self.gram)) if fold not in folds]
        return self.gram[kept].sum(dim=0), self.cross[kept].sum(dim=0)

    def squared_error(self, weights: Tensor, fold: int) -> Tensor:
        """(C,) the weighted squared error in one fold of the linear map ``weights`` (D+1, C)."""
        products = (weights * (self.gram[fold] @ weights)).sum(dim=0)
        return self.squares[fold] - 2.0 * (weights * self.cross[fold]).sum(dim=0) + products


def ridge(moments: Moments, fold: int) -> Tensor:
    """The ridge regression (D+1, C) learned without ``fold``, one strength for each target, chosen on the next fold."""
    held = (fold + 1) % len(moments.gram)
    candidates = _ridges(*moments.without((fold, held)))
    errors = torch.stack([moments.squared_error(weights, held) for weights in candidates])
    best = errors.argmin(dim=0)
    final = torch.stack(_ridges(*moments.without((fold,))))
    return final[best, :, torch.arange(final.shape[2])].T


def discriminant(
    moments: Moments, fold: int, embedding: Tensor, labels: Tensor, folds: Tensor
) -> tuple[Tensor, Tensor]:
    """The linear discriminant learned without ``fold``: weights (D, C) and offsets (C,) of its logits.

    log p(c | x) = x · S⁻¹μ_c − ½ μ_c · S⁻¹μ_c + log π_c + const, S the covariance within classes, regularised with the
    strength of the smallest log loss on the next fold; targets of ``moments`` are the classes, one hot. Fisher (1936).
    """
    held = (fold + 1) % len(moments.gram)
    rows = torch.nonzero(folds == held)[:, 0]
    rows = rows[:: max(1, len(rows) // _VALIDATED)]
    x, known = embedding[rows].to(torch.float64), labels[rows]
    losses = [
        float(torch.nn.functional.cross_entropy(x @ weights + offsets, known))
        for weights, offsets in _discriminants(*moments.without((fold, held)))
    ]
    return _discriminants(*moments.without((fold,)))[losses.index(min(losses))]


def _ridges(gram: Tensor, cross: Tensor) -> list[Tensor]:
    """(D+1, C) for each of :data:`STRENGTHS`."""
    total = gram[0, 0]
    mean, spread = _scales(gram)
    target_mean = cross[0] / total
    covariance = (cross[1:] / total - torch.outer(mean, target_mean)) * spread[:, None]
    values, vectors = eigh(_correlation(gram, mean, spread))
    inner = vectors.T @ covariance
    solutions: list[Tensor] = []
    for strength in STRENGTHS:
        slopes = spread[:, None] * (vectors @ (inner / (values.clamp_min(0.0) + strength)[:, None]))
        solutions.append(torch.cat(((target_mean - mean @ slopes)[None], slopes)))
    return solutions


def _discriminants(gram: Tensor, cross: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weights (D, C) and offsets (C,) for each of the strengths of a discriminant."""
    total, class_area = gram[0, 0], cross[0]
    mean, spread = _scales(gram)
    present = class_area > 0.0
    centres = (cross[1:] / class_area.clamp_min(1e-300) - mean[:, None]) * spread[:, None] * present
    between = (centres * class_area) @ centres.T / total
    values, vectors = eigh(_correlation(gram, mean, spread) - between)
    rotated = vectors.T @ centres
    prior = torch.log((class_area / total).clamp_min(1e-9))
    solutions: list[tuple[Tensor, Tensor]] = []
    for strength in _FEW_STRENGTHS:
        weights = vectors @ (rotated / (values.clamp_min(0.0) + strength)[:, None])
        offsets = prior - 0.5 * (centres * weights).sum(dim=0)
        slopes = spread[:, None] * weights
        solutions.append((slopes, offsets - mean @ slopes))
    return solutions


def _scales(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,), and one over the standard deviation, 0 for a constant column."""
    mean, power = gram[0, 1:] / gram[0, 0], gram.diagonal()[1:] / gram[0, 0]
    std = (power - mean**2).clamp_min(0.0).sqrt()
    return mean, torch.where(std > CONSTANT * power.sqrt().clamp_min(1e-150), 1.0 / std, 0.0)


def _correlation(gram: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    covariance = gram[1:, 1:] / gram[0, 0] - torch.outer(mean, mean)
    return covariance * torch.outer(spread, spread)
