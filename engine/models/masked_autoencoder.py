"""A small masked autoencoder of pictures (He et al. 2022, arXiv:2111.06377), with a class token.

Legend: B pictures, N windows of h × h, K visible windows, V values of a window, C width of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.errors import ChoiceError
from engine.models.spatiotemporal.attention import SelfAttention, feed_forward
from engine.typed import seeded

HEADS = 4
_DECODER_LAYERS = 1
_NUM_PLACE = 5  # the unit vector of a place, cosine and sine of the day


class MaskedAutoencoder(nn.Module):
    """The decoder learns the values of hidden windows from the tokens of the visible ones.

    ``encode(values, visible, place)`` gives the tokens (B, K, C) of the windows numbered ``visible`` (B, K), None: all
    N, and the class token (B, C). A window's values go through two linear layers with a GELU, and get a learned vector
    for their position; ``place`` (B, 5), unit vector and day, is added to all tokens of a picture where
    ``place_and_time`` is on, and not read otherwise.

    Values are standardised by ``mean`` and ``std`` (V,), which :meth:`standardise_by` sets.

    Raises:
        ChoiceError: a width that the heads do not divide.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, num_windows: int, num_values: int, width: int, layers: int, *, place_and_time: bool, seed: int = 0
    ) -> None:
        super().__init__()
        if width % HEADS:
            raise ChoiceError(f"a width of {width}", f"{HEADS} heads", f"choose a multiple of {HEADS}")
        self.num_windows = num_windows
        self.register_buffer("mean", torch.full((num_values,), 0.5))
        self.register_buffer("std", torch.full((num_values,), 0.25))
        with seeded(seed):
            self.embed = nn.Sequential(nn.Linear(num_values, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            self.class_token = nn.Parameter(0.02 * torch.randn(width))
            self.mask_token = nn.Parameter(0.02 * torch.randn(width))
            self.position = nn.Parameter(0.5 * torch.randn(num_windows, width))
            self.place_and_time = nn.Linear(_NUM_PLACE, width) if place_and_time else None
            self.decoder_position = nn.Parameter(0.5 * torch.randn(num_windows, width))
            self.blocks = nn.ModuleList(_Block(width) for _ in range(layers))
            self.norm = nn.LayerNorm(width)
            self.decoder = nn.ModuleList(_Block(width) for _ in range(_DECODER_LAYERS))
            self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, num_values))

    def standardise_by(self, values: Tensor) -> None:
        """Take mean and standard deviation from some pictures (B, N, V)."""
        self.mean.copy_(values.mean(dim=(0, 1)))
        self.std.copy_(values.std(dim=(0, 1)).clamp_min(1e-3))

    def encode(
        self, values: Tensor, visible: Tensor | None = None, place: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, N or K, C) and class token (B, C)."""
        position = self.position
        if visible is not None:
            values, position = _chosen(values, visible), position[visible]
        tokens = self.embed((values - self.mean) / self.std) + position
        tokens = torch.cat((self.class_token.expand(len(tokens), 1, -1), tokens), dim=1)
        if self.place_and_time is not None and place is not None:
            tokens = tokens + self.place_and_time(place)[:, None]
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return tokens[:, 1:], tokens[:, 0]

    def forward(self, values: Tensor, visible: Tensor, place: Tensor | None = None) -> Tensor:
        """All windows (B, N, V), in the units of the values, from those numbered ``visible`` (B, K)."""
        return self._decoded(values, visible, place) * self.std + self.mean

    def loss(self, values: Tensor, visible: Tensor, place: Tensor | None = None) -> Tensor:
        """Mean squared error of the hidden windows, standardised."""
        error = (self._decoded(values, visible, place) - (values - self.mean) / self.std).square().mean(dim=-1)
        hidden = torch.ones_like(error).scatter(1, visible, 0.0)
        return (error * hidden).sum() / hidden.sum()

    def _decoded(self, values: Tensor, visible: Tensor, place: Tensor | None) -> Tensor:
        tokens, summary = self.encode(values, visible, place)
        whole = self.mask_token.expand(len(tokens), self.num_windows, -1)
        whole = whole.scatter(1, visible[..., None].expand_as(tokens), tokens) + self.decoder_position
        whole = torch.cat((summary[:, None], whole), dim=1)
        for block in self.decoder:
            whole = block(whole)
        return self.head(whole[:, 1:])


class _Block(nn.Module):
    """Attention and a network of two layers, each added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, HEADS)
        self.network = feed_forward(width, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, K, C) to (B, K, C)."""
        tokens = tokens + self.attention(self.norm(tokens))
        return tokens + self.network(tokens)


def _chosen(values: Tensor, visible: Tensor) -> Tensor:
    return values.gather(1, visible[..., None].expand(*visible.shape, values.shape[-1]))


def visible_windows(number: int, num_windows: int, hidden: float, seed: int) -> Tensor:
    """Numbers (``number``, K), ascending, of the windows that are seen when the share ``hidden`` is not; K ≥ 1."""
    kept = max(1, round(num_windows * (1.0 - hidden)))
    order = torch.rand((number, num_windows), generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    return order[:, :kept].sort(dim=1).values
