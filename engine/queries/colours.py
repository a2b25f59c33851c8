"""Vectors as colours: the first three principal components as red, green and blue."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.embedding._covariance import tie_groups, with_signs
from engine.typed import eigh

_PERCENTILES = (0.02, 0.98)
_GREY = 128


def principal_colours(values: NDArray[np.float32], row_areas: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Vectors (Hp, Wp, K) as colours (Hp, Wp, 3), the rows weighted by their area (Hp,).

    The channels are the first three principal components, each scaled from its 2nd to its 98th percentile by area.
    Where two variances are equal to rounding, the axes nearest to the first dimensions are taken, so that the colours
    are the same on every machine; a channel without variance is grey.
    """
    tokens = torch.as_tensor(values).to(torch.float64)
    weights = torch.tensor(row_areas / (row_areas.sum() * values.shape[1]))[:, None].expand(values.shape[:2])
    centred = tokens - torch.einsum("hw,hwk->k", weights, tokens)
    axes = _leading_axes(torch.einsum("hw,hwk,hwj->kj", weights, centred, centred))
    channels = (centred @ axes).numpy()
    colours = np.full((*values.shape[:2], 3), _GREY, np.uint8)
    for index in range(channels.shape[2]):
        low, high = _quantiles(channels[:, :, index].ravel(), weights.reshape(-1).numpy())
        if high > low:
            scaled = np.clip((channels[:, :, index] - low) / (high - low), 0.0, 1.0)
            colours[:, :, index] = np.round(255.0 * scaled)
    return colours


def _leading_axes(covariance: torch.Tensor) -> torch.Tensor:
    """The first three axes (K, ≤ 3); inside a tie U those that diagonalise Uᵀ diag(0 … K−1) U, ascending."""
    values, axes = eigh(covariance)
    values, axes = values.flip(0), axes.flip(1).contiguous()
    rank = torch.arange(values.numel(), dtype=axes.dtype)
    for first, last in tie_groups(values):
        group = axes[:, first : last + 1]
        axes[:, first : last + 1] = group @ eigh(group.T @ (rank[:, None] * group))[1]
    return with_signs(axes[:, :3])


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 2nd and 98th percentile of ``values``, weighted by ``weights``."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2.0
    return np.interp(_PERCENTILES, below, values[order])
