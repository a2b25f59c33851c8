"""Sums of von Mises–Fisher peaks at the points of a grid, each peak only within its reach.

Legend: K peaks, B rows of a band, T tiles of a band, P pairs of a tile and a peak that reaches it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

# Rows of a tile, found by trial: tiles wide enough to be worth a call, narrow enough to leave out what no peak reaches.
_LEAST_ROWS, _MOST_ROWS, _ROWS_OF_ONE = 12, 28, 150.0

LEAST_EXPONENT = -80.0
"""Exponents are held above it: exp takes ten times as long where it underflows, and e^−80 of a peak is nothing."""


class Peaks(NamedTuple):
    """K peaks exp(height − κ (1 − cos)): float64 ``centres`` (K, 3) unit, ``kappa`` (K,), ``height`` (K,)."""

    centres: Tensor
    kappa: Tensor
    height: Tensor

    def where(self, chosen: Tensor) -> Peaks:
        """A subset, by mask or index."""
        return Peaks(*(values[chosen] for values in self))


def reach(kappa: Tensor, drop: Tensor | float) -> Tensor:
    """Radius (K,) in radians beyond which a peak is below e^−drop of its height; π where it never is."""
    return 2.0 * torch.asin(torch.sqrt((drop / (2.0 * kappa)).clamp(max=1.0)))


def band_rows(peaks: Peaks) -> int:
    """Rows of a band of tiles: the fewer peaks, the wider the tiles."""
    return min(_MOST_ROWS, max(_LEAST_ROWS, round(_ROWS_OF_ONE * peaks.kappa.numel() ** -0.25)))


def sum_peaks(lat: Tensor, lon: Tensor, peaks: Peaks, drop: Tensor | float, dtype: torch.dtype) -> Tensor:
    """Σ_k exp(height_k − κ_k (1 − cos)) at every point of ``lat`` (H,) × ``lon`` (W,), radians: (H, W).

    Each peak counts at least where it is above e^−drop_k of its height. The grid is cut into tiles about as wide as
    high; within a tile −κ(1 − cos) = −κ‖x − μ‖²/2 is a product of matrices in coordinates from the tile's middle,
    x = x₀ + dx, μ = x₀ + dμ, which rounds by κ(|dx| + |dμ|)² ε and not by κ ε.
    Longitudes are equally spaced and ascending.
    """
    order = torch.argsort(peaks.centres[:, 2])
    peaks, radius = peaks.where(order), reach(peaks.kappa, drop)[order]
    peak_lat = torch.asin(peaks.centres[:, 2].clamp(-1.0, 1.0)).contiguous()
    widest = float(radius.max())
    total = torch.zeros((lat.numel(), lon.numel()), dtype=dtype, device=lat.device)
    num_rows = band_rows(peaks)
    for first in range(0, lat.numel(), num_rows):
        rows = lat[first : first + num_rows]
        reached = torch.stack((rows.min() - widest, rows.max() + widest))
        start, stop = (int(end) for end in torch.searchsorted(peak_lat, reached))
        if start < stop:
            near = slice(start, stop)
            band = Peaks(*(values[near] for values in peaks))
            _add_band(total[first : first + num_rows], rows, lon, band, radius[near])
    return total


def _add_band(total: Tensor, rows: Tensor, lon: Tensor, peaks: Peaks, radius: Tensor) -> None:
    """Add the peaks to the rows of one band, tile by tile."""
    num_rows, num_columns = total.shape
    wide = _tile_columns(rows, lon)
    middle = (rows.min() + rows.max()) / 2.0
    half = (wide - 1) / 2.0 * (lon[1] - lon[0])
    at = torch.stack((torch.cos(middle), torch.zeros_like(middle), torch.sin(middle)))
    offsets = torch.arange(wide, dtype=torch.float64, device=lon.device) * (lon[1] - lon[0]) - half
    # column by column, so that a narrower last tile is the beginning of a full one
    points = _vectors(rows[None, :], offsets[:, None]).reshape(-1, 3) - at
    size2 = (points**2).sum(-1)
    basis = torch.cat((points, size2[:, None], torch.ones_like(size2)[:, None]), 1).T.to(total.dtype).contiguous()
    span = 2.0 * torch.asin((size2.max().sqrt() / 2.0).clamp(max=1.0))

    tile_lon = lon[::wide] + half
    tile_at = _vectors(middle.expand_as(tile_lon), tile_lon)
    nearest = torch.cos((radius + span).clamp(max=math.pi)) - 1e-6
    tile, peak = torch.nonzero(tile_at.float() @ peaks.centres.T.float() >= nearest.float(), as_tuple=True)
    if not tile.numel():
        return
    factors = _factors(peaks, peak, tile_lon[tile], at).to(total.dtype)
    ends = torch.cumsum(torch.bincount(tile, minlength=tile_lon.numel()), 0).cpu().numpy()
    start = 0
    for column, end in zip(range(0, num_columns, wide), ends, strict=True):
        if end > start:
            columns = min(wide, num_columns - column)
            values = torch.mm(factors[start:end], basis[:, : columns * num_rows]).clamp_min_(LEAST_EXPONENT).exp_()
            total[:, column : column + columns] += values.sum(0).view(columns, num_rows).T
        start = end


def _factors(peaks: Peaks, peak: Tensor, tile_lon: Tensor, at: Tensor) -> Tensor:
    """(P, 5): what a pair multiplies (dx, |dx|², 1) by: κ dμ, −κ/2, height − κ |dμ|²/2."""
    x, y, z = peaks.centres[peak].unbind(-1)
    cos, sin = torch.cos(tile_lon), torch.sin(tile_lon)
    turned = torch.stack((cos * x + sin * y, cos * y - sin * x, z), -1) - at
    kappa = peaks.kappa[peak]
    level = peaks.height[peak] - kappa / 2.0 * (turned**2).sum(-1)
    return torch.cat((kappa[:, None] * turned, (-kappa / 2.0)[:, None], level[:, None]), 1)


def _tile_columns(rows: Tensor, lon: Tensor) -> int:
    """Columns a tile needs to be about as wide as the band is high."""
    high = float(rows.max() - rows.min()) * rows.numel() / max(1, rows.numel() - 1)
    wide = float(lon[1] - lon[0]) * math.cos(float(rows.abs().min()))
    return max(1, min(lon.numel(), round(high / max(wide, 1e-12)))) if high > 0.0 else lon.numel()


def _vectors(lat: Tensor, lon: Tensor) -> Tensor:
    """Unit vectors (..., 3) of angles in radians that broadcast."""
    x, y = torch.cos(lat) * torch.cos(lon), torch.cos(lat) * torch.sin(lon)
    return torch.stack((x, y, torch.sin(lat).expand_as(x)), -1)
