"""Cells that are small where points are dense: split until each holds at most n points, as photo-geolocation does it.

The cells are those of :func:`engine.mvmf.hierarchy_centres`: six faces of a cube blown up to the sphere, each cut into
four again and again. Weyand, Kostrikov and Philbin, "PlaNet — Photo Geolocation with Convolutional Neural Networks",
ECCV 2016.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ChoiceError
from engine.mvmf.clusters import check_num, check_points
from engine.typed import Ints

DEEPEST_LEVEL = 20
"""Cells of this level measure about 10 m: points that are closer, or stand twice, may share one whatever n is."""


class Partition(NamedTuple):
    """Cells with points in them: mean direction of the points (C, 3), their number (C,), level (C,), cell_of (N,)."""

    centres: Tensor
    num_points: Tensor
    levels: Tensor
    cell_of: Tensor


def adaptive_partition(points: Tensor, most_points: int) -> Partition:
    """Split cells that hold more than ``most_points`` of ``points`` (N, 3) until none does; empty cells are left out.

    Raises :class:`ChoiceError` for fewer than one point a cell, :class:`DataError` for no points.
    """
    if most_points < 1:
        raise ChoiceError(f"cells of at most {most_points} points", "most_points", "choose 1 or more")
    points = check_points(points)
    order, codes = _sorted_codes(points)
    return _partition(points, order, codes, most_points)


def partition_centres(points: Tensor, num: int) -> Tensor:
    """The centres of an :func:`adaptive_partition` of ``points`` (N, 3) with the least n that gives at most ``num``.

    Raises :class:`ChoiceError` for fewer than 6 centres, :class:`DataError` for no points.
    """
    check_num(num, least=6)
    points = check_points(points)
    order, codes = _sorted_codes(points)
    low, high = math.ceil(len(codes) / num), len(codes)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(_leaves(codes, middle)[0]) <= num else (middle + 1, high)
    return _partition(points, order, codes, low).centres


def _partition(points: Tensor, order: Ints, codes: Ints, most_points: int) -> Partition:
    starts, levels = _leaves(codes, most_points)
    num_points = np.diff(starts, append=len(codes))
    cell_of = np.empty(len(codes), np.int64)
    cell_of[order] = np.repeat(np.arange(len(starts)), num_points)
    labels = torch.as_tensor(cell_of, device=points.device)
    sums = torch.zeros((len(starts), 3), dtype=torch.float64, device=points.device).index_add_(0, labels, points)
    device = points.device
    return Partition(
        functional.normalize(sums, dim=1),
        torch.as_tensor(num_points, device=device),
        torch.as_tensor(levels, device=device),
        labels,
    )


def _leaves(codes: Ints, most_points: int) -> tuple[Ints, Ints]:
    """Where each cell begins in the sorted ``codes``, and its level: both (C,)."""
    starts: list[Ints] = []
    levels: list[Ints] = []
    where = np.arange(len(codes))
    for level in range(DEEPEST_LEVEL + 1):
        cells = codes[where] >> (2 * (DEEPEST_LEVEL - level))
        first = np.flatnonzero(np.diff(cells, prepend=-1))
        num_points = np.diff(first, append=len(cells))
        is_split = (num_points > most_points) & (level < DEEPEST_LEVEL)
        starts.append(where[first[~is_split]])
        levels.append(np.full(int((~is_split).sum()), level))
        where = where[np.repeat(is_split, num_points)]
    begin = np.concatenate(starts)
    order = np.argsort(begin)
    return begin[order], np.concatenate(levels)[order]


def _sorted_codes(points: Tensor) -> tuple[Ints, Ints]:
    """The order of the points along the cells of the deepest level, and their codes in it: face, then its quarters."""
    xyz = points.cpu().numpy()
    axis = np.abs(xyz).argmax(axis=1)
    rows = np.arange(len(xyz))
    along = xyz[rows, axis]
    code = 2 * axis + (along < 0.0)
    across = [xyz[rows, (axis + step) % 3] / np.abs(along) for step in (1, 2)]
    side = 2**DEEPEST_LEVEL
    # the inverse of tan(π/4 · u), which keeps the cells' areas near each other
    i, j = (np.clip(((np.arctan(u) * 4.0 / np.pi + 1.0) * side / 2.0).astype(np.int64), 0, side - 1) for u in across)
    for bit in reversed(range(DEEPEST_LEVEL)):
        code = (code << 2) | (((i >> bit) & 1) << 1) | ((j >> bit) & 1)
    order = np.argsort(code, kind="stable")
    return order, code[order]
