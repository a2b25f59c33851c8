"""What a linear reader reads from tokens on data that it has not learned from, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import DataError
from engine.evaluation.probing.moments import Moments, discriminant, ridge


def held_out_r2(tokens: Tensor, targets: Tensor, weights: Tensor, folds: Tensor) -> Tensor:
    """R² (C,) of ``targets`` (N, C) by ridge regression from ``tokens`` (N, D), each fold read without it.

    1 − Σ w e² / Σ w (y − ȳ)² over all folds; ``weights`` (N,), ``folds`` (N,) from 0. NaN for a constant target.

    Raises:
        DataError: fewer than three folds.
    """
    _check_folds(folds)
    moments = Moments.of(tokens, targets, weights, folds)
    errors = torch.stack([moments.squared_error(ridge(moments, n), n) for n in range(len(moments.gram))]).sum(dim=0)
    total = weights.to(torch.float64) @ targets.to(torch.float64) / weights.sum()
    spread = weights.to(torch.float64) @ (targets.to(torch.float64) - total) ** 2
    return torch.where(spread > 0.0, 1.0 - errors / spread, torch.nan)


def held_out_accuracy(tokens: Tensor, labels: Tensor, folds: Tensor) -> float:
    """Share of the ``labels`` (N,), classes from 0, that the linear discriminant of ``tokens`` (N, D) recognises, each
    fold read without it.

    Raises:
        DataError: fewer than three folds.
    """
    _check_folds(folds)
    classes = torch.nn.functional.one_hot(labels, int(labels.max()) + 1).to(torch.float64)
    weights = torch.ones(len(labels), dtype=torch.float64, device=tokens.device)
    moments = Moments.of(tokens, classes, weights, folds)
    right = 0
    for fold in range(len(moments.gram)):
        slopes, offsets = discriminant(moments, fold, tokens, labels, folds)
        rows = folds == fold
        answers = (tokens[rows].to(torch.float64) @ slopes + offsets).argmax(dim=1)
        right += int((answers == labels[rows]).sum())
    return right / len(labels)


def _check_folds(folds: Tensor) -> None:
    if int(folds.max()) < 2:
        raise DataError(
            f"{int(folds.max()) + 1} months or groups cannot be held out in turn", "the probe", "give three at least"
        )
