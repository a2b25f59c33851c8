"""Optimal interpolation of a month on a grid, each cell from the super-observations that say most about it.

Between two rows the covariance of the cells depends on the difference of their longitudes and on their lag only, so
it is computed once for each row of targets and looked up for every pair. Neighbouring targets of a row share their
observations, and so their matrix. Legend: G groups of g targets of a row, A rows of the neighbourhood, D differences of
columns, P parts of the month, C = A·D·P candidates, n chosen ones.
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
from engine.typed import Floats, Ints, Mask, Singles, cholesky

NUM_NEAREST = 80
"""Super-observations that a group of cells is estimated from."""

NUM_TOGETHER = 3
"""Neighbouring cells of a row that are estimated from the same observations."""

REACH = 6
"""Rows to either side that are searched; as many columns, and towards the poles up to three times as many."""

_WIDEST = 3.0
_GROUPS = 64  # at once: their matrices stay in the cache of a processor
_UNUSED = 1e12  # the error variance of an observation that there is not: its weight is nothing beside rounding


class _Row(NamedTuple):
    """What all groups of one row share."""

    rows: Tensor
    """(A,) the rows that are searched"""
    steps: Tensor
    """(D,) the columns, from the group's first"""
    table: Tensor
    """(A, A, 2·reach, P) covariances of two rows, by columns and parts apart"""
    with_targets: Tensor
    """(g, C) covariances with the mean of the month of each target"""
    prior: Tensor
    """variance of that mean"""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The interpolation of months on one grid.

    Attributes:
        grid: the cells.
        covariance: of the values that are interpolated; their mean is zero.
        num_nearest: observations that a group of cells is estimated from: those with the largest k²/(c + noise), the
            share of the variance of one of its cells that each would explain alone.
        reach: rows to either side that are searched.
        num_together: cells of a group.
        device, dtype: what it is computed on and in.
    """

    grid: LatLonGrid
    covariance: Covariance
    num_nearest: int = NUM_NEAREST
    reach: int = REACH
    num_together: int = NUM_TOGETHER
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
            if row not in self._rows:
                self._rows[int(row)] = self._row(int(row))
            place = self._rows[int(row)]
            firsts = self._groups(where[row])
            for some in np.array_split(firsts, -(-len(firsts) // _GROUPS)):
                at = torch.as_tensor(some, device=self.device)
                columns = (some[:, None] + np.arange(self._together)) % self.grid.shape[1]
                some_mean, some_std = self._estimate(place, at, observed, error)
                mean[row, columns], std[row, columns] = some_mean.cpu().numpy(), some_std.cpu().numpy()
        return np.where(where, mean, np.nan), np.where(where, std, np.nan)

    def _groups(self, wanted: Mask) -> Ints:
        """(G,) first columns of the groups that cover the columns ``wanted`` (W,); on a region none goes beyond it."""
        firsts = list[int]()
        for column in np.flatnonzero(wanted):
            if not firsts or column >= firsts[-1] + self._together:
                firsts.append(int(column))
        return np.array(firsts) if self.grid.is_periodic else np.minimum(firsts, len(wanted) - self._together)

    @property
    def _together(self) -> int:
        return min(self.num_together, self.grid.shape[1])

    def _row(self, row: int) -> _Row:
        rows = torch.arange(max(0, row - self.reach), min(self.grid.shape[0], row + self.reach + 1), device=self.device)
        half = self._half_width(row)
        table = self._table(rows, 2 * half + self._together)
        weights = torch.as_tensor(PART_WEIGHTS, dtype=self.dtype, device=self.device)
        part = torch.arange(NUM_PARTS, device=self.device)
        lag = (part[:, None] - part).abs()
        middle = (self._together - 1) // 2
        steps = torch.arange(middle - half, middle + half + 1, device=self.device)
        own = row - max(0, row - self.reach)
        targets = torch.arange(self._together, device=self.device)
        apart = (steps - targets[:, None]).abs()  # (g, D)
        with_targets = (table[own][:, apart][..., lag] * weights).sum(dim=-1)  # (A, g, D, P)
        prior = weights @ table[own, own, 0][lag] @ weights
        return _Row(rows, steps, table, with_targets.transpose(0, 1).flatten(1), prior)

    def _estimate(self, row: _Row, firsts: Tensor, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations (G, g) of some groups of a row."""
        rows, steps, table, with_targets, prior = row
        candidates, error = (self._candidates(array, rows, firsts, steps) for array in (values, noise))  # (G, C)
        variance = table.diagonal()[0, 0].expand(len(steps), NUM_PARTS, -1).permute(2, 0, 1).reshape(-1)
        known = with_targets.square().amax(dim=0) / (variance + error)
        explained = torch.where(torch.isfinite(candidates), known, -1.0)
        score, chosen = explained.topk(min(self.num_nearest, explained.shape[1]), dim=1)  # (G, n)
        is_used = score >= 0.0
        place = chosen // (len(steps) * NUM_PARTS), chosen // NUM_PARTS % len(steps), chosen % NUM_PARTS
        a, step, p = (each[:, :, None] for each in place)
        b, other, q = (each.transpose(1, 2) for each in (a, step, p))
        index = (step - other).abs_().mul_(NUM_PARTS).add_((p - q).abs_())
        index += (a * len(rows) + b) * (table.shape[2] * NUM_PARTS)
        matrix = table.reshape(-1)[index]
        matrix.diagonal(dim1=1, dim2=2).add_(torch.where(is_used, error.gather(1, chosen), _UNUSED))
        right = with_targets[:, chosen].permute(1, 2, 0)  # (G, n, g)
        weights = _solved(matrix, right)
        used = torch.where(is_used, candidates.gather(1, chosen), 0.0)
        spread = (prior - (weights * right).sum(dim=1)).clamp(min=0.0).sqrt()
        return (weights * used[:, :, None]).sum(dim=1), spread

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

    def _candidates(self, values: Tensor, rows: Tensor, firsts: Tensor, steps: Tensor) -> Tensor:
        """(G, C) the values around each group; NaN beyond the edge of a region."""
        width = values.shape[2]
        around = firsts[:, None] + steps
        near = values[:, rows][:, :, around % width]  # (P, A, G, D)
        if not self.grid.is_periodic:
            near = torch.where((around >= 0) & (around < width), near, torch.nan)
        return near.permute(2, 1, 3, 0).reshape(len(firsts), -1)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """K⁻¹ k of groups (G, n, n), (G, n, g). Where rounding leaves no Cholesky factor, K gets a little more noise."""
    factor, failed_at = cholesky(matrix)
    rounding = torch.finfo(matrix.dtype).eps
    extra = rounding * matrix.shape[-1]
    while bool((failed_at > 0).any()):
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        diagonal.add_(torch.where(failed_at > 0, extra, 0.0)[:, None] * diagonal.clamp(min=rounding))
        factor, failed_at = cholesky(matrix)
        extra *= 10.0
    return torch.cholesky_solve(right, factor)
