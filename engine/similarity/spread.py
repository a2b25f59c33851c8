"""How tokens fill their space: effective rank, anisotropy, and what their cosines are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import DataError
from engine.similarity.cosine import cosine_matrix, unit_tokens
from engine.typed import eigh

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Spread:
    """How ``num_tokens`` tokens fill their space.

    Attributes:
        quantiles: of the cosines of all pairs of different tokens, at :data:`QUANTILES`; the first is the minimum.
        anisotropy: |Σ u / n| of the unit tokens u, from 0 (all directions alike) to 1 (one direction).
        effective_rank: exp of the entropy of the covariance's eigenvalues as shares, from 1 to the width.
        num_constant: tokens without length, whose cosines are not defined and are left out.
    """

    num_tokens: int
    quantiles: tuple[float, ...]
    anisotropy: float
    effective_rank: float
    num_constant: int

    @property
    def minimum(self) -> float:
        """The smallest cosine of two different tokens."""
        return self.quantiles[0]


def spread_of(tokens: Tensor, centre: bool = False) -> Spread:
    """The :class:`Spread` of ``tokens`` (N, D); with ``centre`` of the tokens less their mean.

    Raises:
        DataError: fewer than two tokens with a length.
    """
    if centre:
        tokens = tokens - tokens.mean(dim=0)
    has_length = tokens.square().sum(dim=1) > 0.0
    kept = tokens[has_length].to(torch.float64)
    if len(kept) < 2:
        raise DataError(
            f"{len(kept)} of {len(tokens)} tokens have a length", "their cosines", "two at least are needed"
        )
    rows, columns = torch.triu_indices(len(kept), len(kept), 1, device=kept.device)
    cosines = cosine_matrix(kept)[rows, columns].sort().values
    at = torch.tensor(QUANTILES, dtype=torch.float64, device=kept.device) * (len(cosines) - 1)
    low, part = at.floor().long(), at - at.floor()
    quantiles = torch.lerp(cosines[low], cosines[(low + 1).clamp(max=len(cosines) - 1)], part)
    return Spread(
        num_tokens=len(kept),
        quantiles=tuple(float(value) for value in quantiles),
        anisotropy=float(unit_tokens(kept).mean(dim=0).square().sum().sqrt()),
        effective_rank=effective_rank(kept),
        num_constant=int((~has_length).sum()),
    )


def effective_rank(tokens: Tensor) -> float:
    """exp(−Σ p ln p) of the covariance's eigenvalues as shares p (Roy and Vetterli 2007), from 1 to the width."""
    centred = (tokens - tokens.mean(dim=0)).to(torch.float64)
    values = eigh(centred.T @ centred)[0].clamp(min=0.0)
    if not float(values.sum()) > 0.0:
        return 1.0
    shares = values[values > 0.0] / values.sum()
    return float(torch.exp(-(shares * shares.log()).sum()))
