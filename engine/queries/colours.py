"""Vectors as colours: the first three principal components as red, green and blue."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.embedding._covariance import principal_axes
from engine.typed import Floats, Singles

_PERCENTILES = (0.02, 0.98)
_GREY = 128


def principal_colours(values: Singles, row_areas: Floats) -> NDArray[np.uint8]:
    """Vectors (Hp, Wp, K) as colours (Hp, Wp, 3), the rows weighted by their area (Hp,).

    The channels are the first three principal components, each scaled from its 2nd to its 98th percentile by area.
    Vectors of NaN are grey. Where two variances are equal to rounding, the axes nearest to the first dimensions are
    taken, so that the colours are the same on every machine; a channel without variance is grey.
    """
    channels, weights, _ = principal_channels(values, row_areas)
    colours = np.full((*values.shape[:2], 3), _GREY, np.uint8)
    for index in range(channels.shape[2]):
        is_known = np.isfinite(channels[:, :, index])
        known = channels[:, :, index][is_known]
        low, high = _quantiles(known, weights[is_known])
        if high > low:
            colours[is_known, index] = np.round(255.0 * np.clip((known - low) / (high - low), 0.0, 1.0))
    return colours


def principal_channels(values: Singles, row_areas: Floats) -> tuple[Floats, Floats, Floats]:
    """The first three principal components (Hp, Wp, 3) of vectors (Hp, Wp, K), or K of them, with the area's share of
    each cell (Hp, Wp), and each component's fraction (3,) of the variance. Vectors of NaN have no weight, and
    components of NaN.
    """
    tokens = torch.as_tensor(values).to(torch.float64)
    is_known = torch.isfinite(tokens[:, :, 0])
    weights = torch.tensor(row_areas)[:, None] * is_known
    weights = weights / weights.sum()
    tokens = torch.where(is_known[:, :, None], tokens, 0.0)
    centred = tokens - torch.einsum("hw,hwk->k", weights, tokens)
    covariance = torch.einsum("hw,hwk,hwj->kj", weights, centred, centred)
    axes = principal_axes(covariance, torch.arange(covariance.shape[0]))[1][:, :3].contiguous()
    shares = (axes * (covariance @ axes)).sum(0) / covariance.trace().clamp_min(1e-300)
    channels = torch.where(is_known[:, :, None], centred @ axes, torch.nan)
    return channels.numpy(), weights.numpy(), shares.numpy()


def _quantiles(values: Floats, weights: Floats) -> Floats:
    """The 2nd and 98th percentile of ``values``, weighted by ``weights``."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2.0
    return np.interp(_PERCENTILES, below, values[order])
