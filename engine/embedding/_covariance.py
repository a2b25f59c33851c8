"""Moments of the spherical harmonics over a region of the sphere, and their principal axes.

Sums are accumulated per latitude: the product of two waves is a sum of two waves, so the longitude sums of the mask
times trig_k, k ≤ 2L, suffice, and no array of the size (H·W, D) is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.sphere.geometry import EARTH_RADIUS_M
from engine.sphere.grid import LatLonGrid
from engine.sphere.harmonics import legendre_rows, trig_table
from engine.typed import eigh, numbers

Progress = Callable[[float, str], object]

# Eigenvalues closer than this fraction of the largest are equal in float64 arithmetic on such a matrix.
TIE_TOLERANCE = 1e-8

# A loading this close to the largest may exceed it by rounding alone.
_SIGN_TOLERANCE = 0.999


@dataclass(frozen=True)
class Moments:
    """Area-weighted moments of the D = (L+1)² harmonics over a domain."""

    mean: Tensor
    """(D,)"""
    covariance: Tensor
    """(D, D), about the mean; the constant's row and column are exactly zero."""
    fraction: float
    """The domain's fraction of the sphere's area."""


def moments(
    grid: LatLonGrid,
    where: Tensor,
    max_degree: int,
    *,
    dtype: torch.dtype = torch.float64,
    progress: Progress | None = None,
) -> Moments:
    """Mean and covariance of Y_lm over the cells ``where`` (H, W) is True, each weighted by its area.

    C(m, m') = A_mᵀ diag(w · G(m, m')) A_m' with A_m the profiles (H, L+1−|m|) of one order, w (H,) the cells' areas
    over the domain's area and G(m, m') (H,) the sums of trig_m · trig_m' over the cells of a row inside.
    ``dtype`` is that of every table and sum; float32 serves the comparison of precision only.
    """
    device = where.device
    rows = where.any(dim=1)
    areas = torch.tensor(grid.cell_area_m2 / EARTH_RADIUS_M**2, device=device)[rows]
    lat, lon = torch.tensor(grid.lat, device=device)[rows], torch.tensor(grid.lon, device=device)
    mask = where[rows].to(dtype)
    total = float((areas * mask.sum(dim=1, dtype=torch.float64)).sum())
    weights = (areas / total).to(dtype)
    sums = trig_table(lon, 2 * max_degree).to(dtype) @ mask.T

    degrees, orders = _by_order(max_degree)
    flat = (degrees * degrees + degrees + orders).to(device)
    profiles = _profiles(lat, max_degree, flat, dtype)
    row_sums = sums[max_degree : 3 * max_degree + 1] * weights
    mean = (profiles * row_sums[(orders + max_degree).to(device)]).sum(dim=1)

    second = profiles.new_empty((flat.numel(), flat.numel()))
    first = 0
    for order in range(-max_degree, max_degree + 1):
        last = first + max_degree + 1 - abs(order)
        column_orders = (orders[first:] + max_degree).to(device)
        right = (_wave_products(sums, order, max_degree) * weights)[column_orders] * profiles[first:]
        block = profiles[first:last] @ right.T
        second[first:last, first:] = block
        second[first:, first:last] = block.T
        first = last
        if progress is not None:
            progress((order + max_degree + 1) / (2 * max_degree + 1), f"covariance, order {order}")

    inverse = torch.argsort(flat)
    mean = mean[inverse]
    covariance = second[inverse][:, inverse] - torch.outer(mean, mean)
    covariance[0], covariance[:, 0] = 0.0, 0.0
    return Moments(mean, covariance, total / (4.0 * torch.pi))


def principal_axes(covariance: Tensor, rank: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues (D,) descending and axes (D, D) in columns, made unique where the matrix leaves a choice.

    Neighbouring eigenvalues within ``TIE_TOLERANCE`` of the largest form a group; inside a group U any rotation is as
    good, and the one taken diagonalises Uᵀ diag(rank) U, ascending (``rank`` (D,): by default the place in
    the canonical order). Signs by :func:`with_signs`.
    """
    values, axes = eigh(covariance)
    values, axes = values.flip(0), axes.flip(1).contiguous()
    if rank is None:
        rank = torch.argsort(canonical_order(round(covariance.shape[0] ** 0.5) - 1))
    rank = rank.to(axes)
    for first, last in tie_groups(values):
        group = axes[:, first : last + 1]
        axes[:, first : last + 1] = group @ eigh(group.T @ (rank[:, None] * group))[1]
    return values, with_signs(axes)


def tie_groups(values: Tensor) -> list[tuple[int, int]]:
    """First and last index of every run of descending ``values`` whose neighbours are tied; runs of one left out."""
    apart = values[:-1] - values[1:] > TIE_TOLERANCE * values[0]
    lasts = [*numbers(torch.nonzero(apart)[:, 0]), values.numel() - 1]
    firsts = [0, *(last + 1 for last in lasts[:-1])]
    return [(first, last) for first, last in zip(firsts, lasts, strict=True) if last > first]


def rank_of(values: Tensor) -> int:
    """How many of the descending eigenvalues are not tied to the last one, which is that of the constant: zero.

    In a group that is tied to zero variances differ by orders of magnitude below rounding, and the axes taken in it are
    correlated over the domain, up to 0.998.
    """
    groups, last = tie_groups(values), values.numel() - 1
    return groups[-1][0] if groups and groups[-1][1] == last else last


def with_signs(axes: Tensor) -> Tensor:
    """``axes`` (D, K) with the first loading within 0.999 of a column's largest made positive."""
    size = axes.abs()
    first = (size >= _SIGN_TOLERANCE * size.max(dim=0).values).to(torch.uint8).argmax(dim=0)
    leading = axes.gather(0, first[None])
    return axes * torch.where(leading < 0, -1.0, 1.0).to(axes.dtype)


def canonical_order(max_degree: int) -> Tensor:
    """Flat indices (D,) by degree, then order 0, −1, 1, −2, 2, …; the constant last."""
    indices = [
        degree * degree + degree + order
        for degree in range(1, max_degree + 1)
        for order in sorted(range(-degree, degree + 1), key=lambda m: (abs(m), m))
    ]
    return torch.tensor([*indices, 0])


def _by_order(max_degree: int) -> tuple[Tensor, Tensor]:
    """Degrees and orders (D,) of all harmonics, sorted by order, then degree."""
    orders = range(-max_degree, max_degree + 1)
    pairs = [(degree, order) for order in orders for degree in range(abs(order), max_degree + 1)]
    table = torch.tensor(pairs)
    return table[:, 0], table[:, 1]


def _profiles(lat: Tensor, max_degree: int, flat: Tensor, dtype: torch.dtype) -> Tensor:
    """Q_l|m| (D, H) for the harmonics at flat indices ``flat``."""
    table = torch.empty((flat.numel(), lat.numel()), dtype=dtype, device=lat.device)
    for degree, rows in enumerate(legendre_rows(lat, max_degree)):
        table[degree**2 : (degree + 1) ** 2] = torch.cat((rows[1:].flip(0), rows)).to(dtype)
    return table[flat]


def _wave_products(sums: Tensor, order: int, max_degree: int) -> Tensor:
    """Row sums G (2L+1, H) of trig_m · trig_m' over the cells inside, m fixed, m' = −L … L.

    cos a cos b = ½[cos(a−b) + cos(a+b)], sin a sin b = ½[cos(a−b) − cos(a+b)], sin a cos b = ½[sin(a+b) + sin(a−b)].
    """
    centre = 2 * max_degree
    size = abs(order)
    other_orders = torch.arange(max_degree + 1, device=sums.device)
    differ, add = size - other_orders, size + other_orders
    cos_differ, cos_add = sums[centre + differ.abs()], sums[centre + add]
    sin_differ = sums[centre - differ.abs()] * torch.sign(differ)[:, None]
    sin_add = sums[centre - add] * torch.sign(add)[:, None]
    if order >= 0:
        with_cos, with_sin = cos_differ + cos_add, sin_add - sin_differ
    else:
        with_cos, with_sin = sin_add + sin_differ, cos_differ - cos_add
    return 0.5 * torch.cat((with_sin[1:].flip(0), with_cos))
