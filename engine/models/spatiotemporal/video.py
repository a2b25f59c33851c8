"""Tokens of days on a grid: one for every patch of Pt days and Ph × Pw cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Shape suffixes: B samples, M months, T day slots, H W cells; t day tokens, h w patch rows and columns, N = h·w
# patches, C token width, V = Pt·Ph·Pw values of a patch.


def patches_of(days_BMTHW: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """The values of each patch in a row: (B, M, t, h, w, V), V = day, row and column within the patch."""
    B, M, T, H, W = days_BMTHW.shape
    num_days, high, wide = patch
    cut = days_BMTHW.reshape(B, M, T // num_days, num_days, H // high, high, W // wide, wide)
    return cut.permute(0, 1, 2, 4, 6, 3, 5, 7).flatten(5)


class VideoEncoder(nn.Module):
    """Tokens of the days: LayerNorm(W_x·x + W_v·v + W_l·land + b) over each patch of Pt × Ph × Pw values.

    x are the values with 0 where missing, v = 1 where observed, land = 1 on land: a convolution in three dimensions
    with kernel = stride = patch over three channels, as two matrix products. Land does not change with the day, so its
    term is computed once a patch. A land cell is missing *and* land: it differs from a missing sea cell, and both from
    sea at 0.

    After the published VideoEncoder, which has no land channel.
    """

    def __init__(self, patch: tuple[int, int, int], width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.patch = patch
        volume = patch[0] * patch[1] * patch[2]
        self.proj = nn.Linear(2 * volume, width)
        self.land = nn.Linear(patch[1] * patch[2], width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, valid: Tensor, land: Tensor) -> Tensor:
        """``values`` and ``valid`` (B, M, T, H, W), T a multiple of Pt; ``land`` (B, H, W), 0 or 1 → (B,M,t,h,w,C)."""
        inputs = torch.cat((patches_of(values, self.patch), patches_of(valid, self.patch)), dim=-1)
        below = patches_of(land[:, None, None], (1, *self.patch[1:]))
        return self.drop(self.norm(self.proj(inputs) + self.land(below)))
