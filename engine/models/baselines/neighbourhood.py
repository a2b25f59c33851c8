"""Optimal interpolation of a month on a grid, each cell from the super-observations that say most about it.

Between two rows the covariance of the cells depends on the difference of their longitudes and on their lag only, so
it is computed once for each row of targets and looked up for every pair. Legend: W targets of a row, A rows of the
neighbourhood, D differences of columns, P parts of the month, C = A·D·P candidates, n chosen ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.models.baselines.covariance import Covariance
from engine.models.baselines.part_months import DAYS_APART, NUM_PARTS, PART_WEIGHTS
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles, cholesky

NUM_NEAREST = 72
"""Super-observations that a cell is estimated from."""

REACH = 6
"""Rows to either side that are searched; as many columns, and towards the poles up to three times as many."""

_WIDEST = 3.0
_TARGETS = 64  # cells at once: their matrices stay in the cache of a processor


class _Row(NamedTuple):
    """What all targets of one row share."""

    rows: Tensor
    """(A,) the rows that are searched"""
    steps: Tensor
    """(D,) the columns, from the target's own"""
    table: Tensor
    """(A, A, 2·reach, P) covariances of two rows, by columns and parts apart"""
    with_target: Tensor
    """(A, D, P) covariances with the mean of the target's month"""
    prior: Tensor
    """variance of that mean"""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The interpolation of months on one grid.

    Attributes:
        grid: the cells.
        covariance: of the values that are interpolated; their mean is zero.
        num_nearest: observations that each cell is estimated from: those with the largest k²/(c + noise), the share of
            the cell's variance that each would explain alone.
        reach: rows to either side that are searched.
        device, dtype: what it is computed on and in.
    """

    grid: LatLonGrid
    covariance: Covariance
    num_nearest: int = NUM_NEAREST
    reach: int = REACH
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (a constant)
    dtype: torch.dtype = torch.float32
    _rows: dict[int, _Row] = field(default_factory=dict[int, "_Row"], repr=False)

    def estimate(self, values: Singles, noise: Singles, where: Mask) -> tuple[Floats, Floats]:
        """Mean of the month and its standard deviation (H, W), in the unit of ``values``; NaN where not ``where``.

        Row by row; what a row's targets share is kept for the next month, some 60 MB at 1°.

        Args:
            values: (P, H, W) super-observations, NaN = missing.
            noise: (P, H, W) their error variances.
            where: (H, W), True = a cell to be estimated.
        """
        mean, std = np.full(self.grid.shape, np.nan), np.full(self.grid.shape, np.nan)
        observed, error = (torch.as_tensor(array, dtype=self.dtype, device=self.device) for array in (values, noise))
        for row in np.flatnonzero(where.any(axis=1)):
            columns = np.flatnonzero(where[row])
            if row not in self._rows:
                self._rows[int(row)] = self._row(int(row))
            place = self._rows[int(row)]
            for some in np.array_split(columns, -(-len(columns) // _TARGETS)):
                at = torch.as_tensor(some, device=self.device)
                some_mean, some_std = self._estimate(place, at, observed, error)
                mean[row, some], std[row, some] = some_mean.cpu().numpy(), some_std.cpu().numpy()
        return mean, std

    def _row(self, row: int) -> _Row:
        rows = torch.arange(max(0, row - self.reach), min(self.grid.shape[0], row + self.reach + 1), device=self.device)
        half = self._half_width(row)
        table = self._table(rows, 2 * half)
        weights = torch.as_tensor(PART_WEIGHTS, dtype=self.dtype, device=self.device)
        part = torch.arange(NUM_PARTS, device=self.device)
        lag = (part[:, None] - part).abs()
        steps = torch.arange(-half, half + 1, device=self.device)
        own = row - max(0, row - self.reach)
        with_target = (table[own][:, steps.abs()][..., lag] * weights).sum(dim=-1)
        return _Row(rows, steps, table, with_target, weights @ table[own, own, 0][lag] @ weights)

    def _estimate(self, row: _Row, columns: Tensor, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (W,) of some columns of a row."""
        rows, steps, table, with_target, prior = row
        candidates, error = (self._candidates(array, rows, columns, steps) for array in (values, noise))  # (W, C)
        k = with_target.reshape(-1)
        variance = table.diagonal()[0, 0].expand(len(steps), NUM_PARTS, -1).permute(2, 0, 1).reshape(-1)
        explained = torch.where(torch.isfinite(candidates), k.square() / (variance + error), -1.0)
        score, chosen = explained.topk(min(self.num_nearest, explained.shape[1]), dim=1)  # (W, n)
        is_used = score >= 0.0
        place = chosen // (len(steps) * NUM_PARTS), chosen // NUM_PARTS % len(steps), chosen % NUM_PARTS
        a, step, p = (each[:, :, None].int() for each in place)
        b, other, q = (each.transpose(1, 2) for each in (a, step, p))
        index = ((a * len(rows) + b) * table.shape[2] + (step - other).abs_()) * NUM_PARTS + (p - q).abs_()
        pairs = is_used[:, :, None] & is_used[:, None, :]
        matrix = table.reshape(-1)[index.long()] * pairs
        added = torch.where(is_used, error.gather(1, chosen), 1.0)
        matrix.diagonal(dim1=1, dim2=2).add_(added)
        right = torch.where(is_used, k[chosen], 0.0)
        solved = _solved(matrix, right)
        known = torch.where(is_used, candidates.gather(1, chosen), 0.0)
        spread = (prior - (solved * right).sum(dim=1)).clamp(min=0.0).sqrt()
        return (solved * known).sum(dim=1), spread

    def _half_width(self, row: int) -> int:
        """Columns to either side that are searched: the row's reach in km, as far as the grid goes."""
        widened = min(_WIDEST, 1.0 / max(float(np.cos(np.deg2rad(self.grid.lat[row]))), 1e-6))
        width = self.grid.shape[1]
        return min(round(self.reach * widened), (width - 1) // 2 if self.grid.is_periodic else width - 1)

    def _table(self, rows: Tensor, widest: int) -> Tensor:
        """(A, A, D, P) covariances of rows, by columns and parts apart."""
        lat = torch.tensor(self.grid.lat, device=self.device)[rows]
        apart = torch.arange(widest + 1, device=self.device, dtype=torch.float64) * self.grid.lon_step
        spatial = self.covariance.spatial(lat[:, None, None], lat[None, :, None], apart[None, None])
        lags = torch.arange(NUM_PARTS, device=self.device, dtype=torch.float64) * DAYS_APART
        return (spatial @ self.covariance.temporal(lags).T).to(self.dtype)

    def _candidates(self, values: Tensor, rows: Tensor, columns: Tensor, steps: Tensor) -> Tensor:
        """(W, C) the values around each target; NaN beyond the edge of a region."""
        width = values.shape[2]
        around = columns[:, None] + steps
        near = values[:, rows][:, :, around % width]  # (P, A, W, D)
        if not self.grid.is_periodic:
            near = torch.where((around >= 0) & (around < width), near, torch.nan)
        return near.permute(2, 1, 3, 0).reshape(len(columns), -1)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """K⁻¹ k of many cells (W, n, n), (W, n). Where rounding leaves no Cholesky factor, K gets a little more noise."""
    factor, failed_at = cholesky(matrix)
    extra = torch.finfo(matrix.dtype).eps * matrix.shape[-1]
    while bool((failed_at > 0).any()):
        more = extra * matrix.diagonal(dim1=1, dim2=2).amax(dim=1)
        matrix = matrix + torch.where(failed_at > 0, more, 0.0)[:, None, None] * torch.eye(
            matrix.shape[-1], dtype=matrix.dtype, device=matrix.device
        )
        factor, failed_at = cholesky(matrix)
        extra *= 10.0
    return torch.cholesky_solve(right[..., None], factor)[..., 0]
