"""What a reconstruction is judged by while it learns: errors weighted by area, over the cells that have a target."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Loss = Literal["l1", "l2", "gaussian"]
_SPREAD_SHARE = 0.1  # of the spread's gradient beside an error in kelvin: the features serve the mean first


def weighted_loss(
    kind: Loss, mean: Tensor, std: Tensor | None, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum Σ w·e over all cells and the sum Σ w of their weights; the loss is the one over the other.

    e is |x − y| (``l1``), (x − y)² (``l2``), or −log N(y; x, σ²) = ½((x − y)/σ)² + log σ + ½ log 2π (``gaussian``).
    A σ beside ``l1`` or ``l2`` learns from the same likelihood with x − y held constant and a tenth of its weight, so
    that the mean is not excused where σ is large (Seitzer et al. 2022, arXiv:2203.09168); features before the head
    serve both. The value of the loss stays that of the mean's error.

    Where w = 0 the target may be anything, NaN too: it reaches neither the value nor a gradient.

    Args:
        kind: which error.
        mean: (B, M, H, W), what was reconstructed, °C.
        std: (B, M, H, W), its predicted standard deviation in °C, or None; ``gaussian`` needs it.
        target: (B, M, H, W), °C.
        weight: (B, M, H, W), area where a target counts, else 0.

    Returns:
        Both sums, float32 scalars. They are apart so that several processes can add theirs up before dividing.
    """
    counts = weight > 0
    error = mean.float() - torch.where(counts, target, mean.detach())
    if kind == "l1":
        values = error.abs()
    elif kind == "l2":
        values = error.square()
    else:
        assert std is not None
        values = _surprise(error, std)
    if kind != "gaussian" and std is not None:
        surprise = _surprise(error.detach(), std)
        values = values + _SPREAD_SHARE * (surprise - surprise.detach())
    return torch.where(counts, values * weight, 0.0).sum(), weight.sum()


def _surprise(error: Tensor, std: Tensor) -> Tensor:
    """−log N(error; 0, σ²)."""
    spread = std.float()
    return 0.5 * (error / spread).square() + spread.log() + 0.5 * math.log(2.0 * math.pi)
