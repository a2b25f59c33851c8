"""Position embedding: harmonic components standardised, softly clipped and averaged, in one pass over the grid.

Mean, standard deviation and clip are folded into a table per latitude, so that every value costs one short sum over
orders and one tanh; a few rows at a time are held, never (H·W, (L+1)²) and, for patches, never (H·W, K).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.embedding.basis import HarmonicBasis
from engine.embedding.patches import Patches
from engine.errors import ChoiceError
from engine.sphere.grid import LatLonGrid
from engine.sphere.harmonics import legendre_rows, trig_table

Progress = Callable[[float, str], object]
Standardise = Literal["domain", "pixels"]

# Bytes of a table of latitudes, and of the values made from it at once. On a CPU they stay in its cache; a GPU wants
# enough to fill it.
_TABLE_BYTES = {"cpu": 2**24}
_CHUNK_BYTES = {"cpu": 2**22}
_LARGE_BYTES = 2**28

# Cells summed in the precision of the values; longer sums continue in float64.
_FEW = 8

_PUBLISHED_EPSILON = 1e-5


def position_field(
    basis: HarmonicBasis,
    grid: LatLonGrid,
    clip_sigma: float | None = 3.0,
    *,
    num_components: int | None = None,
    standardise: Standardise = "domain",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Standardised and softly clipped components at every cell of ``grid``: (H, W, K).

    c · tanh(x / c) with x = (Y − mean) · component / std and c = ``clip_sigma`` > 0 in standard deviations (None: x
    itself), so values lie within ±c. The first ``num_components`` are computed (None: all of the basis).

    ``standardise="domain"``: mean and std of the basis's fit domain, area-weighted, the same on every grid.
    ``"pixels"``: the published convention: x is standardised again over the cells of ``grid``, each counted once
    whatever its area, by (z − mean z) / (std z + 1e-5) with ddof 1.

    Tables are float64, values of ``dtype``, on ``device`` (None: that of the basis). ``progress(fraction, text)`` may
    raise to abandon the work. Raises :class:`ChoiceError` for a clip or a K out of range.
    """
    plan = _Plan.of(basis, grid, clip_sigma, num_components, standardise, dtype, device)
    field = torch.empty((*grid.shape, plan.num_components), dtype=dtype, device=plan.device)
    for rows, values in plan.chunks(progress):
        field[rows] = plan.squashed(values).transpose(0, 1)
    return field.mul_(plan.unit)


def position_embedding(
    basis: HarmonicBasis,
    grid: LatLonGrid,
    patch: tuple[int, int],
    clip_sigma: float | None = 3.0,
    *,
    num_components: int | None = None,
    standardise: Standardise = "domain",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The mean of :func:`position_field` over each patch of (ph, pw) cells, weighted by area: (Hp, Wp, K).

    Every cell of a patch counts, inside the fit domain or not. The field itself is never held.
    Raises :class:`ChoiceError` as :func:`position_field` does and for patches that do not fill the grid.
    """
    patches = Patches(grid, patch)
    plan = _Plan.of(basis, grid, clip_sigma, num_components, standardise, dtype, device)
    num_rows, num_columns = patches.shape
    precise = torch.float64 if max(patch) > _FEW else dtype
    row_weights = torch.tensor(patches.row_weights / patch[1], dtype=precise, device=plan.device)
    few = max(size for size in range(1, _FEW + 1) if patch[1] % size == 0)
    embedding = torch.zeros((num_rows, num_columns, plan.num_components), dtype=dtype, device=plan.device)
    for rows, values in plan.chunks(progress):
        sums = plan.squashed(values).view(num_columns, -1, few, *values.shape[1:]).sum(dim=2)
        columns = sums.to(precise).sum(dim=1)
        touched = slice(rows.start // patch[0], (rows.stop - 1) // patch[0] + 1)
        embedding[touched] += torch.einsum("pr,wrk->pwk", row_weights[touched, rows], columns)
    return embedding.mul_(plan.unit)


def clipped_fraction(
    basis: HarmonicBasis,
    grid: LatLonGrid,
    clip_sigma: float,
    *,
    num_components: int | None = None,
    standardise: Standardise = "domain",
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Fraction (K,) of the area of ``grid`` with |x| > ``clip_sigma``, where the clip reduces by more than 24 %.

    float64, from 0 to 1; arguments as in :func:`position_field`.
    """
    plan = _Plan.of(basis, grid, clip_sigma, num_components, standardise, torch.float32, device)
    areas = torch.tensor(grid.cell_area_m2 / (grid.cell_area_m2.sum() * grid.shape[1]), device=plan.device)
    fraction = torch.zeros(plan.num_components, dtype=torch.float64, device=plan.device)
    for rows, values in plan.chunks(progress):
        fraction += areas[rows] @ (values.abs() > 1.0).sum(dim=0).to(torch.float64)
    return fraction


@dataclass(frozen=True)
class _Plan:
    """Tables of a pass over the grid; values are in units of ``unit``, the clip (1 without one)."""

    grid: LatLonGrid
    max_degree: int
    loadings: Tensor
    """(2L+1, L+1, K): by order and degree, divided by the standard deviations and the unit."""
    offset: Tensor
    """(K,) taken off the constant."""
    unit: float
    clips: bool
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(
        cls,
        basis: HarmonicBasis,
        grid: LatLonGrid,
        clip_sigma: float | None,
        num_components: int | None,
        standardise: Standardise,
        dtype: torch.dtype,
        device: torch.device | str | None,
    ) -> _Plan:
        _check(basis, clip_sigma, num_components)
        target = basis.mean.device if device is None else torch.device(device)
        std = basis.std[:num_components].to(target)
        scaled = basis.components[:, :num_components].to(target) / std
        offset = basis.mean.to(target) @ scaled
        loadings = _by_order(scaled, basis.max_degree)
        plan = cls(grid, basis.max_degree, loadings, offset, 1.0, False, dtype, target)
        if standardise == "pixels":
            shift, spread = plan.pixel_moments()
            gain = std / (spread * std + _PUBLISHED_EPSILON)
            loadings, offset = loadings * gain, (offset + shift) * gain
        unit = clip_sigma or 1.0
        return cls(grid, basis.max_degree, loadings / unit, offset / unit, unit, clip_sigma is not None, dtype, target)

    @property
    def num_components(self) -> int:
        return self.offset.numel()

    def squashed(self, values: Tensor) -> Tensor:
        """tanh(values), in place, where the plan clips."""
        if not self.clips:
            return values
        if values.device.type != "cpu":
            return values.tanh_()
        # numpy's vector code is eight times as fast as torch's on a CPU, and exact to one unit in the last place
        np.tanh(values.numpy(), out=values.numpy())
        return values

    def chunks(self, progress: Progress | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Rows of the grid and their values (W, rows, K); the tensor is filled again for the next rows."""
        waves = trig_table(torch.tensor(self.grid.lon, device=self.device), self.max_degree).T.to(self.dtype)
        waves = waves.contiguous()
        width, num_components = waves.shape[0], self.num_components
        step = _rows_within(_CHUNK_BYTES, self.device, width * num_components * self.dtype.itemsize)
        buffer = torch.empty(width * step * num_components, dtype=self.dtype, device=self.device)
        for first, table in self.tables(progress):
            table = table.to(self.dtype)
            for row in range(0, table.shape[1], step):
                chunk = table[:, row : row + step].flatten(1)
                values = buffer[: width * chunk.shape[1]].view(width, chunk.shape[1])
                torch.mm(waves, chunk, out=values)
                rows = slice(first + row, first + row + chunk.shape[1] // num_components)
                yield rows, values.view(width, -1, num_components)

    def tables(self, progress: Progress | None = None) -> Iterator[tuple[int, Tensor]]:
        """First row of a block of latitudes, and T (2L+1, rows, K): the field is Σ_m trig_m(λ) T_m. float64."""
        lat = torch.tensor(self.grid.lat, device=self.device)
        orders, degrees, num_components = self.loadings.shape
        step = _rows_within(_TABLE_BYTES, self.device, 8 * orders * max(degrees, num_components))
        for first in range(0, lat.numel(), step):
            table = torch.bmm(_profiles(lat[first : first + step], self.max_degree), self.loadings)
            table[self.max_degree] -= self.offset
            yield first, table
            if progress is not None:
                progress(min(1.0, (first + step) / lat.numel()), "position embedding")

    def pixel_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (ddof 1), each (K,), over the cells of the grid, each counted once.

        Sums over longitude are those of the waves and of their products, so no field is made.
        """
        waves = trig_table(torch.tensor(self.grid.lon, device=self.device), self.max_degree)
        sums, products = waves.sum(dim=1), waves @ waves.T
        first, second = torch.zeros_like(self.offset), torch.zeros_like(self.offset)
        for _, table in self.tables():
            first += torch.einsum("m,mhk->k", sums, table)
            second += (table * (products @ table.flatten(1)).view_as(table)).sum(dim=(0, 1))
        count = self.grid.shape[0] * self.grid.shape[1]
        variance = (second - first**2 / count) / (count - 1)
        return first / count, variance.clamp_min(0.0).sqrt()


def _by_order(loadings: Tensor, max_degree: int) -> Tensor:
    """Loadings (D, K) by flat index as (2L+1, L+1, K) by order and degree, zero where |m| > l."""
    table = loadings.new_zeros((2 * max_degree + 1, max_degree + 1, loadings.shape[1]))
    for degree in range(max_degree + 1):
        table[max_degree - degree : max_degree + degree + 1, degree] = loadings[degree**2 : (degree + 1) ** 2]
    return table


def _profiles(lat: Tensor, max_degree: int) -> Tensor:
    """Q_l|m| as (2L+1, H, L+1) by order, latitude and degree, float64, zero where |m| > l."""
    table = lat.new_zeros((max_degree + 1, max_degree + 1, lat.numel()))
    for degree, rows in enumerate(legendre_rows(lat, max_degree)):
        table[: degree + 1, degree] = rows
    return torch.cat((table[1:].flip(0), table)).transpose(1, 2)


def _rows_within(budget: dict[str, int], device: torch.device, row_bytes: int) -> int:
    return max(1, budget.get(device.type, _LARGE_BYTES) // row_bytes)


def _check(basis: HarmonicBasis, clip_sigma: float | None, num_components: int | None) -> None:
    if clip_sigma is not None and not clip_sigma > 0.0:
        raise ChoiceError(f"the clip is at {clip_sigma:g} σ", "clip_sigma", "choose more than 0, 3 is usual")
    if num_components is not None and not 1 <= num_components <= basis.num_components:
        raise ChoiceError(
            f"K = {num_components} components were asked for",
            f"a basis with {basis.num_components}",
            f"choose K from 1 to {basis.num_components}",
        )
