"""Aggregation of days to months: time encoding, weighted mean of days, attention between months."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.spatiotemporal.attention import SelfAttention, feed_forward, scorer

_LONGEST = 10_000.0
_DAYS = 31
_MONTHS = 12


class TemporalPositionalEncoding(nn.Module):
    """Fixed sine and cosine encoding of time, without parameters.

    ``calendar``: row(slot in the month, 0…) + row(month of the year, 0–11), row(t)[2i], row(t)[2i+1] = sin, cos of
    t · 10000^(−2i/C): row t depends on t only. The month is read from the phases of its first day that is not padded.

    ``cyclic``: sin k·p and cos k·p, k = 1 … C // 6, of the three phases p in radians (month in the year, day in the
    year, hour in the day); the rest of C is 0.
    """

    def __init__(self, width: int, kind: str = "cyclic") -> None:
        super().__init__()
        self.width = width
        self.kind = kind

    def forward(self, phases: Tensor, padded: Tensor, days: int = 1) -> Tensor:
        """For ``phases`` (B, M, T, 3) in radians and ``padded`` (B, M, T), True = no such day.

        A token of more ``days``, a divisor of T, gets their mean, padded days left out: (B, M, T / days, C).
        """
        rows = self._cycles(phases) if self.kind == "cyclic" else self._numbers(phases, padded)
        return mean_of_days(rows, padded, days)

    def rows(self, positions: Tensor) -> Tensor:
        """The rows (..., C) of whole or broken ``positions`` (...)."""
        rates = _LONGEST ** (-torch.arange(0, self.width, 2, device=positions.device) / self.width)
        angles = positions[..., None] * rates
        return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)

    def _numbers(self, phases: Tensor, padded: Tensor) -> Tensor:
        first = padded.to(torch.uint8).argmin(dim=2, keepdim=True)
        month = torch.round(phases[..., 0].gather(2, first) * (_MONTHS / math.tau)) % _MONTHS
        slots = torch.arange(phases.shape[2], dtype=phases.dtype, device=phases.device)
        return self.rows(slots) + self.rows(month)

    def _cycles(self, phases: Tensor) -> Tensor:
        harmonics = torch.arange(1, self.width // 6 + 1, dtype=phases.dtype, device=phases.device)
        angles = (phases[..., None] * harmonics).flatten(-2)
        rows = torch.cat((angles.sin(), angles.cos()), dim=-1)
        return functional.pad(rows, (0, self.width - rows.shape[-1]))


def mean_of_days(rows: Tensor, padded: Tensor, days: int) -> Tensor:
    """Mean of ``rows`` (B, M, T, C) over each token's ``days``, ``padded`` (B, M, T) ones left out: (B, M, t, C)."""
    B, M, T = padded.shape
    present = (~padded).to(rows.dtype).reshape(B, M, T // days, days, 1)
    total = (rows.reshape(B, M, T // days, days, -1) * present).sum(dim=3)
    return total / present.sum(dim=3).clamp(min=1.0)


@dataclass(frozen=True)
class Aggregate:
    """Result of the aggregation, and its weights."""

    tokens: Tensor
    """(B, M, h, w, C)"""
    day_weights: Tensor
    """(B, M, t, h, w), each month's sum to 1 over t, or to 0 where nothing was observed in the patch."""
    month_scores: Tensor | None
    """(B, M), sum to 1: weights of the months in the summary. None without ``cross_month``."""
    scene: Tensor | None
    """(B, C), the summary token of the scene. None without ``cross_month``."""
    month_attention: Tensor | None
    """(B, h, w, M, M): attention of a month (last axis but one) to each month. None unless requested."""


class TemporalAttentionAggregator(nn.Module):
    """Day tokens (B, M, t, h, w, C) to month tokens (B, M, h, w, C), with all weights.

    1. Each day's token, with its time added, passes ``day_layers`` residual networks (ours).
    2. Days are weighted: w_t = n_t e^(s_t) / Σ n e^s, s the score of the token (LayerNorm → Linear → GELU → Linear)
       and n_t the observed fraction of the patch on that day. Padded days and days without observations have weight
       0; where all days are such, the weighted sum is 0 and a learned token is added, so the result is defined.
    3. Months attend to each other at each place (wholly padded months are masked), followed by a network.
    4. The final scoring pools the months into one summary token of the scene: the mean over locations, weighted
       over months by the softmax of their scores. It is added to all tokens, so that it is trained by the maps.

    3 and 4 are left out without ``cross_month``. After the published TemporalAttentionAggregator, whose day weights
    depend on the calendar only.
    """

    def __init__(self, width: int, heads: int, *, day_layers: int = 0, cross_month: bool = True, dropout: float = 0.0):
        super().__init__()
        self.day_layers = nn.ModuleList(feed_forward(width, 2, dropout) for _ in range(day_layers))
        self.day_scorer = scorer(width, dropout)
        self.nothing_seen = nn.Parameter(torch.zeros(width))
        self.cross_month = cross_month
        if cross_month:
            self.month_norm = nn.LayerNorm(width)
            self.month_attention = SelfAttention(width, heads, dropout)
            self.month_network = feed_forward(width, 4, dropout)
            self.month_scorer = scorer(width, dropout)

    def forward(
        self, tokens: Tensor, time: Tensor, observed: Tensor, padded: Tensor, extra: Tensor | None, details: bool
    ) -> Aggregate:
        """From day tokens to month tokens.

        ``time`` (B, M, t, C) is added to the tokens; ``observed`` (B, M, t, h, w), the observed fraction of each
        patch, 0 on padded days; ``padded`` (B, M), True = the whole month is padded; ``extra`` (B, M, h, w, C) or
        None is added to the month's tokens; ``details`` also returns ``month_attention``.
        """
        tokens = tokens + time[:, :, :, None, None].to(tokens.dtype)
        for layer in self.day_layers:
            tokens = tokens + layer(tokens)
        weights = _day_weights(self.day_scorer(tokens).squeeze(-1), observed)
        months = (tokens * weights[..., None].to(tokens.dtype)).sum(dim=2)
        unseen = ~(observed > 0.0).any(dim=2)
        months = months + unseen[..., None] * self.nothing_seen
        if extra is not None:
            months = months + extra
        if not self.cross_month:
            return Aggregate(months, weights, None, None, None)
        months, attention = self._between_months(months, padded, details)
        scores = self._month_scores(months, padded)
        scene = torch.einsum("bm,bmc->bc", scores, months.float().mean(dim=(2, 3)))
        return Aggregate(months + scene[:, None, None, None], weights, scores, scene, attention)

    def _between_months(self, months: Tensor, padded: Tensor, details: bool) -> tuple[Tensor, Tensor | None]:
        B, M, h, w, C = months.shape
        rows = months.permute(0, 2, 3, 1, 4).flatten(0, 2)
        hidden = at_least_one_visible(padded)[:, None].expand(B, h * w, M).flatten(0, 1)
        normed = self.month_norm(rows)
        rows = rows + self.month_attention(normed, hidden)
        rows = rows + self.month_network(rows)
        attention = None
        if details:
            weights = self.month_attention.heads(normed).weights(hidden).mean(dim=1)
            attention = weights.reshape(B, h, w, M, M)
        return rows.reshape(B, h, w, M, C).permute(0, 3, 1, 2, 4), attention

    def _month_scores(self, months: Tensor, padded: Tensor) -> Tensor:
        scores = self.month_scorer(months.mean(dim=(2, 3))).squeeze(-1).float()
        return scores.masked_fill(at_least_one_visible(padded), float("-inf")).softmax(dim=1)


def _day_weights(scores: Tensor, observed: Tensor) -> Tensor:
    """n e^s / Σ n e^s over the days (axis 2), all 0 where every n is."""
    scores = scores.float()
    # subtract the largest score of observed days, so that exponentials neither overflow nor all underflow
    is_observed = observed > 0.0
    highest = scores.detach().masked_fill(~is_observed, float("-inf")).amax(dim=2, keepdim=True)
    highest = highest.masked_fill(highest == float("-inf"), 0.0)
    terms = observed * (scores - highest).masked_fill(~is_observed, 0.0).exp()
    return terms / terms.sum(dim=2, keepdim=True).clamp(min=torch.finfo(terms.dtype).tiny)


def at_least_one_visible(padded: Tensor) -> Tensor:
    """``padded`` (..., N), all False where every one of the N is padded: a softmax needs one that is not."""
    return padded & ~padded.all(dim=-1, keepdim=True)
