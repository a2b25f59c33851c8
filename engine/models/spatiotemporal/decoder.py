"""Decoder from tokens to cells."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_GROUPS = 8
_FIRST_HEAD = 0.01


class MonthlyConvDecoder(nn.Module):
    """Tokens (S, h, w, C) to maps (S, outputs, H, W), S months of all samples.

    A 1×1 convolution on patches; a transposed convolution with kernel patch + 2·overlap, stride patch and padding
    overlap, so neighbouring patches reach ``overlap`` cells into each other; 3×3 convolutions on cells, each followed
    by a norm and GELU; a 1×1 head; a learned scale and bias, the same for all months. ``num_inputs`` further channels
    of cells (0 for none) join before the convolutions on cells.

    After the published MonthlyConvDecoder, which has one scale and bias for each month position of the sample.
    """

    def __init__(
        self,
        width: int,
        patch: tuple[int, int],
        hidden: int,
        *,
        overlap: int = 1,
        refinement: tuple[int, ...] = (1, 1),
        skips: bool = False,
        norm: str = "batch",
        num_inputs: int = 0,
        num_outputs: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = hidden // 2
        high, wide = patch
        self.proj = nn.Conv2d(width, hidden, 1)
        self.deconv = nn.ConvTranspose2d(
            hidden, channels, (high + 2 * overlap, wide + 2 * overlap), stride=patch, padding=overlap
        )
        self.inputs = nn.Conv2d(num_inputs, channels, 1, bias=False) if num_inputs else None
        self.refine = nn.Sequential(*(_Refinement(channels, step, skips, norm, dropout) for step in refinement))
        self.head = nn.Conv2d(channels, num_outputs, 1)
        # small initial weights: the initial output is close to the base
        for weight in self.head.parameters():
            nn.init.normal_(weight, std=_FIRST_HEAD)
        self.scale = nn.Parameter(torch.ones(num_outputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(num_outputs, 1, 1))

    def forward(self, tokens: Tensor, cells: Tensor | None = None) -> Tensor:
        """``cells`` (S, num_inputs, H, W) if ``num_inputs`` > 0, else None."""
        field = self.deconv(self.proj(tokens.permute(0, 3, 1, 2)))
        if self.inputs is not None and cells is not None:
            field = field + self.inputs(cells)
        return self.head(self.refine(field)).float() * self.scale + self.bias


class _Refinement(nn.Module):
    def __init__(self, channels: int, dilation: int, skips: bool, norm: str, dropout: float) -> None:
        super().__init__()
        # batch norm removes a bias
        self.conv = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=norm != "batch")
        groups = math.gcd(_GROUPS, channels)
        self.norm = nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(groups, channels)
        self.activation = nn.GELU()
        self.drop = nn.Dropout2d(dropout)
        self.skips = skips

    def forward(self, field: Tensor) -> Tensor:
        refined = self.drop(self.activation(self.norm(self.conv(field))))
        return field + refined if self.skips else refined
