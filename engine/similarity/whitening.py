"""Whitening: tokens whose covariance is the identity, with the shrinkage that few tokens need."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.typed import eigh


def ledoit_wolf_shrinkage(tokens: Tensor) -> float:
    """Shrinkage a of the covariance of ``tokens`` (N, D) that minimises the expected error of (1 − a) S + a μ I.

    S = XᵀX / N of the centred tokens and μ = tr S / D. a = min(β, δ) / δ with δ = |S − μI|² / D and
    β = Σₙ |xₙxₙᵀ − S|² / (N² D) (Ledoit and Wolf 2004, J. Multivariate Anal. 88, 365–411). From 0 (many tokens, or
    equal eigenvalues are far) to 1.
    """
    centred = (tokens - tokens.mean(dim=0)).to(torch.float64)
    number, width = centred.shape
    covariance = centred.T @ centred / number
    distance = (covariance.square().sum() - covariance.trace().square() / width) / width
    fourth = centred.square().sum(dim=1).square().sum()
    spread = (fourth / number - covariance.square().sum()) / (number * width)
    return float((spread / distance).clamp(0.0, 1.0)) if float(distance) > 0.0 else 1.0


def whiten(tokens: Tensor, shrinkage: float = 0.0) -> Tensor:
    """Centred ``tokens`` (N, D) times the inverse root of (1 − a) S + a μ I, a = ``shrinkage``, in their own axes.

    With a = 0 the result (N, D) has the identity as covariance; directions without variance are 0.
    """
    centred = (tokens - tokens.mean(dim=0)).to(torch.float64)
    covariance = centred.T @ centred / len(centred)
    values, vectors = eigh(covariance)
    mean = values.clamp(min=0.0).mean()
    shrunk = (1.0 - shrinkage) * values.clamp(min=0.0) + shrinkage * mean
    floor = shrunk.max() * max(centred.shape) * torch.finfo(torch.float64).eps
    scale = torch.where(shrunk > floor, shrunk.clamp(min=1e-300).rsqrt(), 0.0)
    return (centred @ (vectors * scale) @ vectors.T).to(tokens.dtype)
