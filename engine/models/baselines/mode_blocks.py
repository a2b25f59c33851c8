"""The modes of small blocks of cells, and the interpolation of a month by them.

Anomalies of the sea are correlated over a few hundred kilometres, and a few years have far fewer independent months
than the globe has such patches: the modes of the whole globe say nothing of a cell that is not observed, those of a
block of about twelve by twelve cells do. Four tilings, each moved by half a block, cover the sea; the estimates are
blended with weights that fall to the edges of a block. Legend: B blocks, T times, n cells of a block, K modes, P parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.baselines.part_months import NUM_PARTS
from engine.sphere import LatLonGrid
from engine.typed import Floats, Mask, Singles, cholesky, eigh, orthonormal

BLOCK_ROWS = 12
"""Rows of a block; as many columns at the equator, up to twice as many towards the poles."""

SHIFTS = tuple(product((0.0, 0.5), (0.0, 0.5)))
"""The tilings: by how much of a block each is moved in latitude and longitude."""

_WIDEST = 2.0
_TOGETHER = 48  # blocks at once
_LEAST_WEIGHT = 1e-3
_START_STEPS = 3


class Blocks(NamedTuple):
    """Some blocks of one tiling, of about the same number of cells; padded to the largest."""

    tiling: int
    """Index among :data:`SHIFTS`."""
    cells: Tensor
    """(B, n) index of each cell among the H·W of the grid; 0 where padded."""
    is_cell: Tensor
    """(B, n), False where padded."""
    weight: Tensor
    """(B, n) share in the estimate; 0 where padded."""

    @property
    def num_cells(self) -> Tensor:
        """(B,)"""
        return self.is_cell.sum(dim=1)


def block_size_deg(grid: LatLonGrid) -> float:
    """The height of a block on a grid."""
    steps = np.abs(np.diff(grid.lat))
    return BLOCK_ROWS * float(steps.max() if steps.size else grid.lon_step)


def blocks_of(
    grid: LatLonGrid, sea: Mask, size_deg: float, device: torch.device, tilings: Sequence[int] = range(len(SHIFTS))
) -> Iterator[Blocks]:
    """The blocks of the sea; they lie at the same latitudes and longitudes whatever the grid."""
    rows, columns = np.nonzero(sea)
    flat = np.flatnonzero(sea)
    for tiling in tilings:
        down, across = SHIFTS[tiling]
        north = (grid.lat[rows] + 90.0) / size_deg + down
        band = np.floor(north)
        middle = np.cos(np.deg2rad(np.clip((band + 0.5 - down) * size_deg - 90.0, -89.0, 89.0)))
        in_band = np.maximum(1.0, np.round(360.0 / size_deg * np.maximum(middle, 1.0 / _WIDEST)))
        east = (grid.lon[columns] + 180.0) % 360.0 / 360.0 * in_band + across
        label = band * 1e5 + np.floor(east) % in_band
        tent = (1.0 - np.abs(2.0 * (north % 1.0) - 1.0)) * (1.0 - np.abs(2.0 * (east % 1.0) - 1.0))
        weight = np.maximum(tent, _LEAST_WEIGHT).astype(np.float32)
        order = np.argsort(label, kind="stable")
        firsts = np.flatnonzero(np.diff(label[order])) + 1
        members = sorted(np.split(order, firsts), key=len)
        for start in range(0, len(members), _TOGETHER):
            yield _padded(tiling, members[start : start + _TOGETHER], flat, weight, device)


def _padded(
    tiling: int, members: Sequence[NDArray[np.intp]], flat: NDArray[np.intp], weight: Singles, device: torch.device
) -> Blocks:
    shape = len(members), max(map(len, members))
    cells, is_cell, weights = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, np.float32)
    for n, own in enumerate(members):
        cells[n, : len(own)], is_cell[n, : len(own)], weights[n, : len(own)] = flat[own], True, weight[own]
    return Blocks(tiling, *(torch.as_tensor(array, device=device) for array in (cells, is_cell, weights)))


def fill(
    values: Tensor, num_cells: Tensor, num_modes: int, noise: float, tolerance: float, max_steps: int
) -> tuple[Tensor, Tensor]:
    """The gaps of blocks filled as :func:`engine.models.baselines.dineof.dineof` fills those of one matrix.

    One step of subspace iteration takes the place of the eigenvectors in every round: both stand still together.

    Args:
        values: (B, T, n), NaN = missing or padded.
        num_cells: (B,) cells that are not padded.
        num_modes: K.
        noise: the variance of what the modes do not hold.
        tolerance: the filling ends when it moves by this share of the values' size.
        max_steps: it ends then at the latest.

    Returns:
        (B, K, n) the modes, the leading one first: orthogonal patterns, the mean square of whose coefficients is 1; 0
        where they do not rise above the noise; K is n at most. And the filled values (B, T, n).
    """
    known = ~values.isnan()
    filled = values.nan_to_num()
    size = filled.square().sum() / known.sum().clamp(min=1)
    times = values.shape[1]
    beyond = noise * num_cells.clamp(min=times)[:, None].to(filled)
    patterns = _leading(filled, min(num_modes, values.shape[2]))
    squares = beyond
    for _ in range(max_steps):
        patterns = orthonormal(filled.transpose(1, 2) @ (filled @ patterns))
        coefficients = filled @ patterns
        # in float64: the equal eigenvalues of blocks that were hardly observed fail to converge in float32
        squares, turn = (each.to(filled) for each in eigh((coefficients.transpose(1, 2) @ coefficients).double()))
        patterns, coefficients = patterns @ turn, coefficients @ turn
        shrunk = 1.0 - beyond / squares.clamp(min=1e-12)
        estimate = (coefficients * shrunk.clamp(min=0.0)[:, None]) @ patterns.transpose(1, 2)
        moved = (estimate - filled).square()[~known].mean() if not bool(known.all()) else squares.new_zeros(())
        filled = torch.where(known, filled, estimate)
        if bool(moved <= tolerance**2 * size):
            break
    scale = ((squares - beyond).clamp(min=0.0) / times).sqrt()
    return (patterns * scale[:, None]).transpose(1, 2).flip(1), filled


def _leading(values: Tensor, num_modes: int) -> Tensor:
    """(B, n, K) about the leading right singular vectors, by a few steps from a random start."""
    random = np.random.default_rng(0).normal(size=(values.shape[2], num_modes))
    patterns = torch.as_tensor(random).to(values).expand(len(values), -1, -1)
    for _ in range(_START_STEPS):
        patterns = orthonormal(values.transpose(1, 2) @ (values @ patterns))
    return patterns


def persistence_factor(persistence: Tensor) -> Tensor:
    """(K, P, P) L with L Lᵀ = ρ_k^|p − q|, for ρ (K,): the prior of a mode's coefficients in the parts of a month."""
    lag = torch.arange(NUM_PARTS, device=persistence.device)
    power = persistence[:, None, None] ** (lag[:, None] - lag).clamp(min=0)
    power[:, :, 1:] *= (1.0 - persistence.square()).sqrt()[:, None, None]
    return power.tril()


def interpolate(modes: Tensor, values: Tensor, noise: float, factor: Tensor) -> Tensor:
    """The best linear estimate (B, P, n) of a month by modes of known variance and persistence.

    With coefficients a of prior covariance C = L Lᵀ, a = L (1 + Lᵀ V R⁻¹ Vᵀ L)⁻¹ Lᵀ V R⁻¹ y: regular whatever is
    observed, and zero where nothing is.

    Args:
        modes: (B, K, n) V, zero where padded.
        values: (B, P, n) y, NaN = missing.
        noise: R, the error variance of a value.
        factor: (K, P, P) L, :func:`persistence_factor`.

    Source: Kaplan, Kushnir, Cane & Blumenthal (1997), J. Geophys. Res. 102; with the modes of DINEOF: Beckers, Barth &
    Alvera-Azcárate (2006), Ocean Sci. 2, 183–199.
    """
    inverse = (~values.isnan()).to(modes) / noise
    right = torch.einsum("bkn,bpn->bpk", modes, inverse * values.nan_to_num())
    gram = torch.stack([(modes * inverse[:, p, None]) @ modes.transpose(1, 2) for p in range(values.shape[1])], dim=1)
    half = torch.einsum("bpkl,lpj->bpklj", gram, factor)
    matrix = torch.einsum("kpi,bpklj->bkilj", factor, half)
    size = modes.shape[1] * values.shape[1]
    matrix = matrix.reshape(-1, size, size)
    matrix.diagonal(dim1=1, dim2=2).add_(1.0)
    projected = torch.einsum("kpi,bpk->bki", factor, right).reshape(-1, size, 1)
    solution = torch.cholesky_solve(projected, cholesky(matrix)[0]).reshape(len(modes), -1, values.shape[1])
    return torch.einsum("kpi,bki->bpk", factor, solution) @ modes


def gathered(field: Tensor, blocks: Blocks) -> Tensor:
    """(B, T, n) the cells of blocks of fields (T, H·W); NaN where padded."""
    return torch.where(blocks.is_cell[:, None], field[:, blocks.cells].transpose(0, 1), torch.nan)


def persistence_of(modes: Tensor, values: Tensor, noise: float) -> tuple[Floats, Floats]:
    """Sums (K,) of the products of a mode's coefficients in neighbouring parts of a month, and of their squares.

    ``values`` (B, T, n) as in :func:`fill`; the coefficients are those of each time alone.
    """
    inverse = (~values.isnan()).to(modes) / noise
    right = torch.einsum("bkn,btn->btk", modes, inverse * values.nan_to_num())
    gram = torch.einsum("bkn,btn,bln->btkl", modes, inverse, modes)
    gram.diagonal(dim1=2, dim2=3).add_(1.0)
    coefficients = torch.cholesky_solve(right[..., None], cholesky(gram)[0])[..., 0]
    parts = coefficients.reshape(len(modes), -1, NUM_PARTS, modes.shape[1])
    both = (parts[:, :, 1:] * parts[:, :, :-1]).sum(dim=(0, 1, 2))
    squares = (parts[:, :, 1:].square() + parts[:, :, :-1].square()).sum(dim=(0, 1, 2)) / 2.0
    return both.double().cpu().numpy(), squares.double().cpu().numpy()
