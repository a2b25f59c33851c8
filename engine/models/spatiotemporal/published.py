"""The published models exactly: the parts of :class:`SpatioTemporalModel` for ``documented`` and ``repository``.

Each stands in the place of one of ours and is called as that is. Two forms of the model are published: the written
description, and the code as it stood in August 2026 (its modules and figures: the project's notes on the published
models). Common to both: Conv3d tokens without a land channel, day weights by a softmax that padded days are left out
of, post-norm attention between the patches of a month, a transposed convolution, a head of one channel, 0 on land.

What neither states, and what ours does:

- The second scorer of ``documented`` gives one score per month of each patch. Ours multiplies the attention's output
  of that month by M · softmax over the months, so that equal scores leave it as it is and every month keeps a map of
  its own; of a single month the score says nothing.
- Position numbers of ``documented``: the first C/2 channels for the patch's row, the others for its column, even sin,
  odd cos, 10000^(−4i/C); rows and columns count from the window's corner.
- The one place of a window of ``repository``: the mean of its patches' features, before the learned network.
- Where every day or every month is padded, the published softmax is NaN; here such a month's days weigh nothing, and
  padded months are not looked at.
- The values that go in: differences from the climatology where one is given, else °C as they are. Land is not observed
  (the published preparation of data gave it as observed zeros).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.config.model import SpatioTemporalConfig
from engine.embedding import SCALE_FEATURES
from engine.models.spatiotemporal.attention import SelfAttention, feed_forward
from engine.models.spatiotemporal.spatial import Place, SpatialPositionalEncoding2D
from engine.models.spatiotemporal.temporal import (
    Aggregate,
    TemporalPositionalEncoding,
    at_least_one_visible,
    mean_of_days,
)
from engine.models.spatiotemporal.video import patches_of

# Shape suffixes as in engine.models.spatiotemporal.video.

_LONGEST = 10_000.0
_MONTH_FREQUENCIES = 6
_FIRST_GAIN = 0.1
_GROUPS = 8


class Parts(NamedTuple):
    """The modules of a :class:`SpatioTemporalModel`, in the order in which they are called."""

    encoder: nn.Module
    time: nn.Module
    temporal: nn.Module
    summary: nn.Module | None
    place: SpatialPositionalEncoding2D | PatchSinusoids | GainedPlace
    spatial: nn.Module
    decoder: nn.Module


def documented_parts(config: SpatioTemporalConfig) -> Parts:
    """The parts of the written description."""
    width, patch, dropout = config.width, config.patch, config.dropout
    return Parts(
        encoder=PublishedEncoder(patch, width, dropout),
        time=TemporalPositionalEncoding(width, "calendar"),
        temporal=DocumentedAggregator(width, config.heads, dropout),
        summary=None,
        place=PatchSinusoids(width),
        spatial=PostNormTransformer(width, config.heads, config.spatial_layers, dropout),
        decoder=DocumentedDecoder(width, patch[1:], config.decoder_width, config.overlap),
    )


def repository_parts(config: SpatioTemporalConfig) -> Parts:
    """The parts of the code as it stood."""
    width, patch, dropout = config.width, config.patch, config.dropout
    return Parts(
        encoder=PublishedEncoder(patch, width, 0.0),
        time=PhaseEncoding(width),
        temporal=RepositoryAggregator(width, config.heads, dropout, mixed_axes=config.mixed_axes),
        summary=None,
        place=GainedPlace(config.num_components, width, per_window=config.place_per_window),
        spatial=PostNormTransformer(width, config.heads, config.spatial_layers, dropout),
        decoder=RepositoryDecoder(width, patch[1:], config.decoder_width, config.overlap, dropout),
    )


class PublishedEncoder(nn.Module):
    """Tokens of days: Dropout(LayerNorm(W·[x, v] + b)) over each patch, x the values, 0 where missing, v 1 where
    observed: a Conv3d with kernel = stride = patch over two channels, as one matrix product."""

    def __init__(self, patch: tuple[int, int, int], width: int, dropout: float) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Linear(2 * math.prod(patch), width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, valid: Tensor, land: Tensor) -> Tensor:
        """``values`` and ``valid`` (B, M, T, H, W) to (B, M, t, h, w, C); ``land`` is not read."""
        inputs = torch.cat((patches_of(values, self.patch), patches_of(valid, self.patch)), dim=-1)
        return self.drop(self.norm(self.proj(inputs)))


class PhaseEncoding(nn.Module):
    """Time of ``repository``: fixed waves of the day, and learned combinations of fixed waves of the month.

    sin k·p and cos k·p, k = 1 … C/8, of p = day-of-year phase, hour phase, their sum and difference, plus W·[sin k·m,
    cos k·m], k = 1 … 6, of the month's phase m.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.months = nn.Linear(2 * _MONTH_FREQUENCIES, width, bias=False)

    def forward(self, phases: Tensor, padded: Tensor, days: int = 1) -> Tensor:
        """As :meth:`TemporalPositionalEncoding.forward`."""
        month, day, hour = phases.unbind(dim=-1)
        four = torch.stack((day, hour, day + hour, day - hour), dim=-1)
        rows = _waves(four, self.width // 8).flatten(-2) + self.months(_waves(month, _MONTH_FREQUENCIES))
        return mean_of_days(rows, padded, days)


def _waves(phases: Tensor, count: int) -> Tensor:
    """sin k·p for k = 1 … ``count``, then cos k·p, of phases (...): (..., 2 · count)."""
    angles = phases[..., None] * torch.arange(1, count + 1, dtype=phases.dtype, device=phases.device)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


class DocumentedAggregator(nn.Module):
    """Day tokens to month tokens by the written description; see the module for what the second score weighs."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.day_scorer = _scorer(width, 0.0)
        self.month_attention = SelfAttention(width, heads, dropout)
        self.month_scorer = _scorer(width, 0.0)

    def forward(
        self, tokens: Tensor, time: Tensor, observed: Tensor, padded: Tensor, extra: None, details: bool
    ) -> Aggregate:
        """As :meth:`TemporalAttentionAggregator.forward`, but ``padded`` (B, M, t), True = the token's days are."""
        tokens = tokens + time[:, :, :, None, None].to(tokens.dtype)
        weights_BMthw = _day_weights(self.day_scorer(tokens).squeeze(-1), padded[..., None, None].expand_as(observed))
        months = (tokens * weights_BMthw[..., None].to(tokens.dtype)).sum(dim=2)
        no_days = padded.all(dim=2)
        months, attention = _across_months(self.month_attention, months, no_days, details)
        scores_BMhw = self.month_scorer(months).squeeze(-1)
        hidden = at_least_one_visible(no_days)[..., None, None]
        weights = scores_BMhw.masked_fill(hidden, float("-inf")).softmax(dim=1)
        weighted = months.shape[1] * weights[..., None].to(months.dtype) * months
        return Aggregate(weighted, weights_BMthw, weights.mean(dim=(2, 3)), None, attention)


class RepositoryAggregator(nn.Module):
    """Day tokens to month tokens as the code has it.

    Days are weighted by a score of their time alone; the month's token is Σ w·token + Σ w·time; then, z its LayerNorm,
    z + attention(z) + network(z), attention between the months of a patch and the network beside it.

    ``mixed_axes``: the published reshape, which reads the tokens (B, M, t, h, w, C) as (B, h, w, M, t, C) without
    moving them, so that a "day" of a patch is a token of another place, month and day. False: the axes as they are.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, mixed_axes: bool) -> None:
        super().__init__()
        self.mixed_axes = mixed_axes
        self.day_scorer = _scorer(width, dropout)
        self.month_norm = nn.LayerNorm(width)
        self.month_attention = SelfAttention(width, heads, dropout)
        self.month_network = feed_forward(width, 4, dropout)

    def forward(
        self, tokens: Tensor, time: Tensor, observed: Tensor, padded: Tensor, extra: None, details: bool
    ) -> Aggregate:
        """As :meth:`TemporalAttentionAggregator.forward`, but ``padded`` (B, M, t), True = the token's days are."""
        B, M, t, h, w, C = tokens.shape
        if self.mixed_axes:
            tokens = tokens.reshape(B, h, w, M, t, C).permute(0, 3, 4, 1, 2, 5)
        time = time.to(tokens.dtype)
        weights_BMt = _day_weights(self.day_scorer(time).squeeze(-1), padded)
        weighing = weights_BMt.to(tokens.dtype)
        months = torch.einsum("bmthwc,bmt->bmhwc", tokens, weighing)
        months = self.month_norm(months + torch.einsum("bmtc,bmt->bmc", time, weighing)[:, :, None, None])
        attended, attention = _across_months(self.month_attention, months, padded.all(dim=2), details)
        months = months + attended + self.month_network(months)
        return Aggregate(months, weights_BMt[..., None, None].expand_as(observed), None, None, attention)


def _scorer(width: int, dropout: float) -> nn.Sequential:
    """LayerNorm → Linear → GELU → Linear: one score for each token; a shift of all scores changes no softmax."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1)
    )


def _day_weights(scores: Tensor, padded: Tensor) -> Tensor:
    """Softmax of ``scores`` (B, M, t, ...) over the days that are not ``padded``; 0 on those that are."""
    hidden = at_least_one_visible(padded.movedim(2, -1)).movedim(-1, 2)
    return scores.masked_fill(hidden, float("-inf")).softmax(dim=2).masked_fill(padded, 0.0)


def _across_months(
    attention: SelfAttention, months: Tensor, padded: Tensor, details: bool
) -> tuple[Tensor, Tensor | None]:
    """Attention between the months of each patch: ``months`` (B, M, h, w, C), ``padded`` (B, M) ones are not looked at.

    With ``details`` also its weights (B, h, w, M, M), the mean over the heads.
    """
    B, M, h, w, C = months.shape
    rows = months.permute(0, 2, 3, 1, 4).flatten(0, 2)
    hidden = at_least_one_visible(padded)[:, None].expand(B, h * w, M).flatten(0, 1)
    weights = attention.heads(rows).weights(hidden).mean(dim=1).reshape(B, h, w, M, M) if details else None
    return attention(rows, hidden).reshape(B, h, w, M, C).permute(0, 3, 1, 2, 4), weights


class PatchSinusoids(nn.Module):
    """Fixed sines and cosines of the row and the column of a patch in its window; no place is read."""

    needs_place = False
    num_features = 0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, place: Place | None, shape: tuple[int, int], device: torch.device) -> Tensor:
        """(1, h·w, C) for a window of ``shape`` = (h, w) patches, row by row."""
        h, w = shape
        rows, columns = (self._half(torch.arange(length, device=device)) for length in shape)
        both = (rows[:, None].expand(h, w, -1), columns[None].expand(h, w, -1))
        return torch.cat(both, dim=-1).flatten(0, 1)[None]

    def _half(self, positions: Tensor) -> Tensor:
        rates = _LONGEST ** (-2.0 * torch.arange(0, self.width // 2, 2, device=positions.device) / self.width)
        angles = positions[:, None] * rates
        return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


class GainedPlace(nn.Module):
    """Place of ``repository``: W₂·GELU(W₁·LN[g_p · position, g_s · LN(scale)]), gains g of one number a feature.

    ``per_window``: of the mean of a window's patches, the same for all of them, as published. False: of each patch.
    """

    needs_place = True

    def __init__(self, num_components: int, width: int, *, per_window: bool) -> None:
        super().__init__()
        self.num_components = num_components
        self.num_features = num_components + len(SCALE_FEATURES)
        self.per_window = per_window
        self.position_gain = nn.Parameter(torch.full((num_components,), _FIRST_GAIN))
        self.scale_gain = nn.Parameter(torch.full((len(SCALE_FEATURES),), _FIRST_GAIN))
        self.scale_norm = nn.LayerNorm(len(SCALE_FEATURES))
        self.mlp = nn.Sequential(
            nn.LayerNorm(self.num_features),
            nn.Linear(self.num_features, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )

    def forward(self, place: Place, shape: tuple[int, int], device: torch.device) -> Tensor:
        """(B, h·w, C); ``place`` holds features (B, h·w, K + 10)."""
        features = place[1]
        assert features is not None
        num_places = features.shape[1]
        if self.per_window:
            features = features.mean(dim=1, keepdim=True)
        position, scale = features[..., : self.num_components], features[..., self.num_components :]
        gained = torch.cat((self.position_gain * position, self.scale_gain * self.scale_norm(scale)), dim=-1)
        return self.mlp(gained).expand(-1, num_places, -1)


class PostNormTransformer(nn.Module):
    """Post-norm encoder layers over the places of each month: x ← LN(x + Attention x), x ← LN(x + MLP x), no LayerNorm
    after the last; (S, h, w, C) to (S, h, w, C), S months of all samples."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_PostNormLayer(width, heads, dropout) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """``tokens`` (S, h, w, C) after attention."""
        rows = tokens.flatten(1, 2)
        for layer in self.layers:
            rows = layer(rows)
        return rows.reshape(tokens.shape)


class _PostNormLayer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.network_norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.attention_norm(rows + self.drop(self.attention(rows)))
        return self.network_norm(rows + self.drop(self.network(rows)))


class DocumentedDecoder(nn.Module):
    """Tokens (S, h, w, C) to maps (S, 1, H, W) by the written description: BatchNorm, a learned scale and bias."""

    def __init__(self, width: int, patch: tuple[int, int], hidden: int, overlap: int) -> None:
        super().__init__()
        channels = hidden // 2
        self.upsample = _upsample(width, patch, hidden, overlap)
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.GELU(),
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Conv2d(channels, 1, 1)
        self.scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor, cells: None = None) -> Tensor:
        """``cells`` is for decoders that read summaries."""
        field = self.head(self.refine(self.upsample(tokens.permute(0, 3, 1, 2))))
        return _at_least_float32(field) * self.scale + self.bias


class RepositoryDecoder(nn.Module):
    """Tokens (S, h, w, C) to maps (S, 1, H, W) as the code has it: GroupNorm, and no scale or bias after the head."""

    def __init__(self, width: int, patch: tuple[int, int], hidden: int, overlap: int, dropout: float) -> None:
        super().__init__()
        channels = hidden // 2
        groups = math.gcd(_GROUPS, channels)
        self.upsample = _upsample(width, patch, hidden, overlap)
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(groups, channels), nn.GELU(),
            nn.Dropout2d(dropout),
            nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(groups, channels), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, tokens: Tensor, cells: None = None) -> Tensor:
        """``cells`` is for decoders that read summaries."""
        return _at_least_float32(self.head(self.refine(self.upsample(tokens.permute(0, 3, 1, 2)))))


def _upsample(width: int, patch: tuple[int, int], hidden: int, overlap: int) -> nn.Sequential:
    """1×1 convolution, then a transposed one by which neighbouring patches reach ``overlap`` cells into each other."""
    kernel = (patch[0] + 2 * overlap, patch[1] + 2 * overlap)
    return nn.Sequential(
        nn.Conv2d(width, hidden, 1), nn.ConvTranspose2d(hidden, hidden // 2, kernel, stride=patch, padding=overlap)
    )


def _at_least_float32(field: Tensor) -> Tensor:
    """Out of autocast's bfloat16; float64 stays."""
    return field.to(torch.promote_types(field.dtype, torch.float32))
