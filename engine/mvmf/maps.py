"""A mixture of von Mises–Fisher peaks on a grid: density at its points, probability of its cells.

A direct sum costs K·H·W exponentials. Here each peak is summed on a *level*: a grid just fine enough for it, of the
order of √κ rows, so that every peak takes about a thousand exponentials whatever its κ (:mod:`engine.mvmf._tiles`).
A field on its level is a band-limited function, known everywhere: it is carried over to the points, or integrated
over the cells, by harmonic synthesis (:mod:`engine.mvmf._fourier`). Peaks sharper than the grid can carry are summed
at its points one by one, or integrated inside each cell (:mod:`engine.mvmf._quadrature`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from engine.mvmf._fourier import carry, level_angles
from engine.mvmf._quadrature import sharp_cell_integrals
from engine.mvmf._tiles import Peaks, band_rows, sum_peaks
from engine.sphere import LatLonGrid, lat_lon

TOLERANCE = 1e-6
"""What a peak may leave out, as a share of its height and of its mass. Errors stay below 1e-5 of a map's maximum."""

LEVEL_ROWS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

# Work, in exponentials, below which peaks of one level join the next finer one that is in use.
_JOIN_BELOW = 3e6

# Multiplications of a matrix product that take as long as an exponential.
_PRODUCTS_PER_EXPONENTIAL = 40.0

# A peak whose height is this much above anything the grid's points show is summed at the points, not on a level.
_HIDDEN_LOG = math.log(10.0)

_PAIRS_AT_ONCE = 2**20

# κ × (height of a band)² below which float32 keeps 1e-6 in a tile.
_FLOAT32_CURVATURE = 100.0


def density(peaks: Peaks, grid: LatLonGrid, tolerance: float = TOLERANCE) -> tuple[Tensor, float]:
    """Σ_k exp(height_k − κ_k (1 − cos)) at the points of ``grid``, as a field (H, W) and a factor's logarithm.

    The sum is ``field * exp(log_factor)``; the field's maximum is of the order of 1, also where no point comes close
    to a peak and the sum itself would underflow. Its error is below ten times ``tolerance`` of its maximum. float32
    where that is enough, else float64.
    """
    drop = -math.log(tolerance)
    highest = _highest_log(peaks, grid)
    peaks = peaks._replace(height=peaks.height - highest)
    finest = max(rows for rows in LEVEL_ROWS if rows <= max(LEVEL_ROWS[0], grid.max_resolved_degree + 1))
    at_points = (_rows_needed(peaks, drop) > finest) | (peaks.height > _HIDDEN_LOG)
    at_points |= _few(peaks.where(~at_points), grid, drop)
    fields: list[Tensor] = []
    if not bool(at_points.all()):
        fields.append(carry(_levels(peaks.where(~at_points), drop), grid, "point"))
    if bool(at_points.any()):
        fields.append(_at_points(peaks.where(at_points), grid, drop))
    return _total(fields), highest


def cell_integrals(peaks: Peaks, grid: LatLonGrid, tolerance: float = TOLERANCE) -> Tensor:
    """Σ_k ∫ exp(height_k − κ_k (1 − cos)) dΩ over the cells of ``grid``: (H, W) float64.

    Errors are a few times ``tolerance`` of the sum over the sphere, however small a peak is beside a cell.
    """
    drop = -math.log(tolerance)
    is_sharp = _rows_needed(peaks, drop) > LEVEL_ROWS[-1]
    # a common factor, so that heights beyond float32 do no harm
    top = float(peaks.height.max())
    peaks = peaks._replace(height=peaks.height - top)
    fields: list[Tensor] = []
    if not bool(is_sharp.all()):
        fields.append(carry(_levels(peaks.where(~is_sharp), drop), grid, "cell"))
    if bool(is_sharp.any()):
        fields.append(sharp_cell_integrals(peaks.where(is_sharp), grid, drop))
    return _total(fields).double().mul_(math.exp(top))


def _total(fields: list[Tensor]) -> Tensor:
    """Their sum without the rounding below zero."""
    return (fields[0] if len(fields) == 1 else fields[0] + fields[1]).clamp_min_(0.0)


def _rows_needed(peaks: Peaks, drop: float) -> Tensor:
    """(K,): the degree beyond which a peak's harmonics add up to less than e^−drop of its height, √(2κ·drop)."""
    return torch.sqrt(2.0 * drop * peaks.kappa)


def _levels(peaks: Peaks, drop: float) -> Iterator[Tensor]:
    """The peaks' sum as fields (N, 2N) float32 on levels, finest first."""
    sizes = torch.tensor(LEVEL_ROWS, dtype=torch.float64, device=peaks.kappa.device)
    level = torch.searchsorted(sizes, _rows_needed(peaks, drop)).clamp(max=len(LEVEL_ROWS) - 1)
    finer = None
    for index in range(len(LEVEL_ROWS) - 1, -1, -1):
        members = level == index
        if not bool(members.any()):
            continue
        if finer is not None and _work(peaks.kappa[members], 2 * finer**2, drop) < _JOIN_BELOW:
            level[members] = LEVEL_ROWS.index(finer)
            continue
        finer = LEVEL_ROWS[index]
    for index in range(len(LEVEL_ROWS) - 1, -1, -1):
        members = level == index
        if bool(members.any()):
            angles = level_angles(LEVEL_ROWS[index], peaks.kappa.device)
            yield sum_peaks(*angles, peaks.where(members), drop, torch.float32)


def _few(peaks: Peaks, grid: LatLonGrid, drop: float) -> bool:
    """Whether summing the peaks at the grid's points is less work than carrying the finest of their levels over."""
    if not peaks.kappa.numel():
        return False
    num_rows, (height, width) = float(_rows_needed(peaks, drop).max()), grid.shape
    products = num_rows * height * (num_rows + width)
    return _work(peaks.kappa, height * width, drop) < products / _PRODUCTS_PER_EXPONENTIAL


def _work(kappa: Tensor, num_points: int, drop: float) -> float:
    """Exponentials that peaks take on a grid: the share of the sphere they reach times its points."""
    return float((drop / (2.0 * kappa)).clamp(max=1.0).sum()) * num_points


def _at_points(peaks: Peaks, grid: LatLonGrid, drop: float) -> Tensor:
    """The sum at the grid's points (H, W). A peak that stands above what they show counts as far as they see it."""
    lat, lon = (torch.deg2rad(torch.tensor(v, device=peaks.kappa.device)) for v in (grid.lat, grid.lon))
    band = math.radians(float(np.abs(np.diff(grid.lat)).max())) * band_rows(peaks)
    is_flat = float(peaks.kappa.max()) * band**2 < _FLOAT32_CURVATURE and float(peaks.height.max()) < _HIDDEN_LOG
    dtype = torch.float32 if is_flat else torch.float64
    return sum_peaks(lat, lon, peaks, drop + peaks.height.clamp_min(0.0), dtype)


def _highest_log(peaks: Peaks, grid: LatLonGrid) -> float:
    """The largest logarithm of a single peak at any grid point, to within 2: a lower bound of the map's maximum.

    A peak's nearest point stands in its nearest column, whatever the row. The nearest row will do where the peak is
    seen well from there; a sharp one, or one far from a box, is compared with all rows.
    """
    device = peaks.kappa.device
    peak_lat, peak_lon = (torch.deg2rad(angle) for angle in lat_lon(peaks.centres))
    lat, lon = (torch.deg2rad(torch.tensor(angle, device=device)) for angle in (np.sort(grid.lat), grid.lon))
    middle = (lon[0] + lon[-1]) / 2.0
    east = torch.remainder(peak_lon - middle + math.pi, 2.0 * math.pi) - math.pi
    turn = east - (lon - middle)[torch.searchsorted((lon[1:] + lon[:-1]) / 2.0 - middle, east)]

    def values(row_lat: Tensor, subset: slice | Tensor) -> Tensor:
        """ln of the peaks ``some`` at latitudes that broadcast with them, in their nearest columns."""
        across = torch.cos(peak_lat[subset]) * torch.sin(turn[subset] / 2.0) ** 2
        away = torch.sin((row_lat - peak_lat[subset]) / 2.0) ** 2 + torch.cos(row_lat) * across
        return peaks.height[subset] - 2.0 * peaks.kappa[subset] * away

    beside = values(lat[torch.searchsorted((lat[1:] + lat[:-1]) / 2.0, peak_lat)], slice(None))
    highest = float(beside.max())
    hidden = torch.nonzero(peaks.height - beside > 2.0)[:, 0]
    size = max(1, _PAIRS_AT_ONCE // lat.numel())
    for first in range(0, hidden.numel(), size):
        highest = max(highest, float(values(lat[:, None], hidden[first : first + size]).max()))
    return highest
