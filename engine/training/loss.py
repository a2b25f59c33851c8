"""What a reconstruction is judged by while it learns: errors weighted by area, over the cells that have a target."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Loss = Literal["l1", "l2", "gaussian"]


def weighted_loss(
    kind: Loss, mean: Tensor, std: Tensor | None, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum Σ w·e over all cells and the sum Σ w of their weights; the loss is the one over the other.

    e is |x − y| (``l1``), (x − y)² (``l2``), or −log N(y; x, σ²) = ½((x − y)/σ)² + log σ + ½ log 2π (``gaussian``).
    Where w = 0 the target may be anything, NaN too: it reaches neither the value nor a gradient.

    Args:
        kind: which error.
        mean: (B, M, H, W), what was reconstructed, °C.
        std: (B, M, H, W), its predicted standard deviation in °C; ``gaussian`` only.
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
        spread = std.float()
        values = 0.5 * (error / spread).square() + spread.log() + 0.5 * math.log(2.0 * math.pi)
    return torch.where(counts, values * weight, 0.0).sum(), weight.sum()
