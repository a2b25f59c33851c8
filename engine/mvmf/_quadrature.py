"""Integrals over grid cells of peaks too sharp for any level: Gauss–Legendre where the peak is, cell by cell.

Legend: K peaks, R rows and C columns of cells that a peak can reach, Q nodes in each direction of a cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.mvmf._tiles import LEAST_EXPONENT, Peaks, reach
from engine.sphere import LatLonGrid, lat_lon

_VALUES_AT_ONCE = 2**20
_PEAKS_AT_ONCE = 256
_NODES_PER_DEVIATION = 1.2
_LEAST_NODES = 3


class _Placed(NamedTuple):
    """Peaks (K,) with what their integrals need, all in radians: ``east`` counts from the grid's western edge."""

    kappa: Tensor
    height: Tensor
    lat: Tensor
    east: Tensor
    radius: Tensor
    spread: Tensor
    """How far east and west of the peak a point within ``radius`` can lie; π where that circle holds a pole."""

    def where(self, chosen: Tensor) -> _Placed:
        return _Placed(*(values[chosen] for values in self))


@dataclass(frozen=True)
class _Pieces:
    """The rows (K, R) or columns (K, C) a peak can reach, and the part of each within its reach.

    ``begin`` and ``end`` are angles from the peak in radians; rows and columns outside the grid are empty.
    """

    index: Tensor
    begin: Tensor
    end: Tensor


def sharp_cell_integrals(peaks: Peaks, grid: LatLonGrid, drop: float) -> Tensor:
    """Σ_k ∫ exp(height_k − κ_k (1 − cos)) dΩ over every cell: float64 (H, W), steradians.

    In every cell the integral runs over what lies within e^−drop of the peak, so that the nodes stand where the peak
    is: on a corner of four cells, beside a pole, or within a single cell many times its size.
    """
    total = torch.zeros(grid.shape, dtype=torch.float64, device=peaks.kappa.device)
    placed = _placed(peaks, grid, drop)
    # peaks of like κ need about as many rows, those of like latitude as many columns
    alike = torch.argsort(torch.floor(torch.log2(placed.kappa)) * math.pi + placed.lat.abs())
    for first in range(0, alike.numel(), _PEAKS_AT_ONCE):
        _add(total, placed.where(alike[first : first + _PEAKS_AT_ONCE]), grid)
    return total


def _placed(peaks: Peaks, grid: LatLonGrid, drop: float) -> _Placed:
    """The peaks relative to the grid, one copy for each turn of longitude in which they reach it."""
    radius = reach(peaks.kappa, drop)
    lat, lon = (torch.deg2rad(angle) for angle in lat_lon(peaks.centres))
    spread = torch.asin((torch.sin(radius) / torch.cos(lat)).clamp(max=1.0))
    spread = torch.where(lat.abs() + radius >= math.pi / 2.0, math.pi, spread)
    edges = np.deg2rad(grid.lon_bounds)
    east = torch.remainder(lon - float(edges[0]), 2.0 * math.pi)
    once = _Placed(peaks.kappa, peaks.height, lat, east, radius, spread)
    turns = [once._replace(east=east + turn) for turn in (-2.0 * math.pi, 0.0, 2.0 * math.pi)]
    every = _Placed(*(torch.cat(values) for values in zip(*turns, strict=True)))
    width = float(edges[-1] - edges[0])
    return every.where((every.east + every.spread > 0.0) & (every.east - every.spread < width))


def _add(total: Tensor, peaks: _Placed, grid: LatLonGrid) -> None:
    """Add peaks of like latitude, in halves while their nodes would not fit into memory."""
    rows, columns = _rows(peaks, grid), _columns(peaks, grid)
    sharpness = peaks.kappa.sqrt()[:, None]
    # a column is widest where the peak comes furthest from its pole
    parallel = (torch.cos(peaks.lat) + peaks.radius).clamp(max=1.0)[:, None]
    num_north = _num_nodes((rows.end - rows.begin) * sharpness)
    num_east = _num_nodes((columns.end - columns.begin) * sharpness * parallel)
    if rows.index.numel() * num_north * columns.index.shape[1] * num_east > _VALUES_AT_ONCE and len(peaks.lat) > 1:
        for half in torch.arange(len(peaks.lat), device=total.device).chunk(2):
            _add(total, peaks.where(half), grid)
        return
    north, row_weights = _nodes(rows, num_north)
    east, column_weights = _nodes(columns, num_east)
    cos_lat = torch.cos(peaks.lat[:, None, None] + north)
    kappa, height = peaks.kappa[:, None, None], peaks.height[:, None, None]
    # −κ(1 − cos) = −2κ sin²(Δφ/2) − 2κ cos φ cos φ₀ sin²(Δλ/2): by now of the order of 10, and good in float32
    along = (height - 2.0 * kappa * torch.sin(north / 2.0) ** 2).float()
    bend = (-2.0 * kappa * torch.cos(peaks.lat)[:, None, None] * cos_lat).float()
    across = (torch.sin(east / 2.0) ** 2).float()
    values = torch.addcmul(along[..., None, None], bend[..., None, None], across[:, None, None])
    values = values.clamp_min_(LEAST_EXPONENT).exp_()
    over_columns = values.mul_(column_weights.float()[:, None, None]).sum(3)
    masses = over_columns.mul_((row_weights * cos_lat).float()[..., None]).sum(1)
    cells = rows.index[:, :, None] * grid.shape[1] + columns.index[:, None, :]
    total.view(-1).index_add_(0, cells.flatten(), masses.flatten().double())


def _rows(peaks: _Placed, grid: LatLonGrid) -> _Pieces:
    num_rows = grid.shape[0]
    edges = torch.deg2rad(torch.tensor(np.sort(grid.lat_bounds), device=peaks.lat.device))
    first = torch.searchsorted(edges, peaks.lat - peaks.radius, right=True) - 1
    last = torch.searchsorted(edges, peaks.lat + peaks.radius) - 1
    index, inside = _run(first, last, num_rows)
    pieces = _clipped(index, inside, edges[index], edges[index + 1], peaks.lat, peaks.radius)
    descending = grid.lat_bounds[0] > grid.lat_bounds[-1]
    return replace(pieces, index=num_rows - 1 - index) if descending else pieces


def _columns(peaks: _Placed, grid: LatLonGrid) -> _Pieces:
    step = math.radians(grid.lon_step)
    first = torch.floor((peaks.east - peaks.spread) / step).to(torch.int64)
    last = torch.floor((peaks.east + peaks.spread) / step).to(torch.int64)
    index, inside = _run(first, last, grid.shape[1])
    west = index.to(torch.float64) * step
    return _clipped(index, inside, west, west + step, peaks.east, peaks.spread)


def _run(first: Tensor, last: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Ints first … last (K, longest run), held within 0 … count − 1, and which of them needed no holding."""
    first, last = first.clamp(0, count - 1), last.clamp(0, count - 1)
    index = first[:, None] + torch.arange(int((last - first).max()) + 1, device=first.device)
    return index.clamp(max=count - 1), index <= last[:, None]


def _clipped(index: Tensor, inside: Tensor, low: Tensor, high: Tensor, middle: Tensor, half: Tensor) -> _Pieces:
    """Cells from ``low`` to ``high``, cut to middle ± half and counted from the middle; empty where not ``inside``."""
    begin = torch.maximum(low - middle[:, None], -half[:, None])
    end = torch.minimum(high - middle[:, None], half[:, None])
    return _Pieces(index, begin, torch.where(inside, torch.maximum(begin, end), begin))


def _num_nodes(width: Tensor) -> int:
    """Nodes for an interval of ``width`` standard deviations at most: the error is below 1e-6 of the peak's mass."""
    return math.ceil(_NODES_PER_DEVIATION * float(width.max())) + _LEAST_NODES


def _nodes(pieces: _Pieces, num: int) -> tuple[Tensor, Tensor]:
    """Nodes (K, Q, R), angles from the peak, and their weights. Nodes come before cells, which makes fast sums."""
    at, weight = (torch.tensor(v, device=pieces.begin.device)[:, None] for v in np.polynomial.legendre.leggauss(num))
    middle, half = ((pieces.end + pieces.begin) / 2.0)[:, None], ((pieces.end - pieces.begin) / 2.0)[:, None]
    return middle + half * at, half * weight
