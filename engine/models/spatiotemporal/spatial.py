"""Location encoding of tokens, and attention between all tokens of a month."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.embedding.encoders import EncoderConfig, build_encoder
from engine.models.spatiotemporal.attention import SelfAttention, feed_forward

Place = tuple[Tensor, Tensor | None]
"""``lonlat`` (B, N, 2), the patches' centres in degrees, and ``features`` (B, N, P) or None."""


class SpatialPositionalEncoding2D(nn.Module):
    """Location vectors (B or 1, N, C) of N = h·w tokens, by an encoder of ``engine.embedding``.

    Without a place, ``sinusoidal`` uses cell indices from the first row and column of the window, as the published
    encoding does, and ``none`` adds nothing; the others need one.
    """

    def __init__(self, config: EncoderConfig, patch: tuple[int, int]) -> None:
        super().__init__()
        self.patch = patch
        self.needs_place = config.kind not in ("sinusoidal", "none")
        self.num_features = config.num_features
        self.encoder = build_encoder(config)

    def forward(self, place: Place | None, shape: tuple[int, int], device: torch.device) -> Tensor:
        """Vectors for a window of ``shape`` = (h, w) patches, row by row."""
        lonlat, features = (self._cells(shape, device), None) if place is None else place
        return self.encoder(lonlat, features)

    def _cells(self, shape: tuple[int, int], device: torch.device) -> Tensor:
        rows, columns = (torch.arange(n, device=device) * side for n, side in zip(shape, self.patch, strict=True))
        row, column = torch.meshgrid(rows.float(), columns.float(), indexing="ij")
        return torch.stack((column, row), dim=-1).flatten(0, 1)[None]


class SpatialTransformer(nn.Module):
    """Pre-norm encoder layers over the places of each month: (S, h, w, C) to (S, h, w, C), S months of all samples.

    x + Attention(LayerNorm x), with ``local_mixing`` then x + Conv3×3(LayerNorm x) over neighbouring tokens (ours:
    attention alone has to learn neighbourhood from absolute locations), then x + MLP(LayerNorm x); a LayerNorm at the
    end. Without layers, tokens pass as they are.
    """

    def __init__(self, width: int, heads: int, layers: int, *, local_mixing: bool = False, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.ModuleList(_SpatialLayer(width, heads, local_mixing, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width) if layers else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """``tokens`` (S, h, w, C) after attention."""
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens)


class _SpatialLayer(nn.Module):
    def __init__(self, width: int, heads: int, local_mixing: bool, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.local = _LocalMixing(width) if local_mixing else None
        self.network = feed_forward(width, 4, dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        h, w = tokens.shape[1:3]
        attended = self.attention(self.norm(tokens).flatten(1, 2)).unflatten(1, (h, w))
        tokens = tokens + self.drop(attended)
        if self.local is not None:
            tokens = tokens + self.local(tokens)
        return tokens + self.drop(self.network(tokens))


class _LocalMixing(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.conv(self.norm(tokens).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
