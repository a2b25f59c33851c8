"""Centres that follow the density of points: k-means, k-means by mini-batches, and farthest points.

All makers take unit vectors (N, 3) and give unit vectors (K, 3) float64 on the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ChoiceError, DataError
from engine.typed import nearest

MOST_CENTRES = 2**17

_KMEANS_STEPS = 30
_PAIRS_AT_ONCE = 2**21
_BATCHES, _LEAST_BATCH, _MOST_BATCH = 16, 2**10, 2**16
_PASSES = 5
_ONE_BY_ONE = 1024
_SAMPLE_PER_CENTRE, _LEAST_SAMPLE = 4, 2**14


def kmeans_centres(points: Tensor, num: int, seed: int) -> Tensor:
    """``num`` centres of groups of ``points`` (N, 3) by spherical k-means: normalised means, nearest by great circle.

    Begins with k-means++ (Arthur & Vassilvitskii 2007). A group that loses all its points keeps its centre.
    Raises :class:`ChoiceError` for more groups than points, :class:`DataError` for no points.
    """
    points = _checked(points, num, "k-means")
    centres = _spread_out(points, num, torch.Generator().manual_seed(seed))
    groups = None
    for _ in range(_KMEANS_STEPS):
        last, groups = groups, _nearest(points, centres)
        if last is not None and torch.equal(last, groups):
            break
        centres = _means(torch.zeros_like(centres).index_add_(0, groups, points), centres)
    return centres


def minibatch_kmeans_centres(points: Tensor, num: int, seed: int, passes: int = _PASSES) -> Tensor:
    """As :func:`kmeans_centres`, for very many points: centres move after every batch (Sculley 2010).

    A batch is a sixteenth of the points, at most 65 536 of them.
    A centre is the normalised mean of what it was nearest to in this pass, where it stood at the beginning of the pass
    counting as one point. Begins with k-means++ on a sample of four points a centre. A million points and 2¹⁵ centres
    take seconds.

    Raises :class:`ChoiceError` for more groups than points, :class:`DataError` for no points.
    """
    points = _checked(points, num, "mini-batch k-means")
    generator = torch.Generator().manual_seed(seed)

    def shuffled() -> Tensor:
        return torch.randperm(points.shape[0], generator=generator).to(points.device)

    batch_size = min(max(points.shape[0] // _BATCHES, _LEAST_BATCH), _MOST_BATCH)
    sample = points[shuffled()[: max(_SAMPLE_PER_CENTRE * num, _LEAST_SAMPLE)]]
    centres = _spread_out(sample, num, generator)
    for _ in range(passes):
        sums = centres.clone()
        for chosen in torch.split(shuffled(), batch_size):
            batch = points[chosen]
            sums.index_add_(0, _nearest(batch, centres), batch)
            centres = _means(sums, centres)
    return centres


def farthest_centres(points: Tensor, num: int, seed: int) -> Tensor:
    """``num`` of ``points`` (N, 3), each the farthest from those before it (Gonzalez 1985); the first is drawn.

    The largest distance from any point to its centre is at most twice the least possible one. Points that stand twice
    are taken once: fewer come back where fewer differ. Raises :class:`ChoiceError` for more centres than points,
    :class:`DataError` for no points.
    """
    points = _checked(points, num, "farthest points")
    taken = [int(torch.randint(points.shape[0], (1,), generator=torch.Generator().manual_seed(seed)))]
    squares = _squares(points, points[taken])
    while len(taken) < num and float(squares.max()) > 1e-24:
        taken.append(int(squares.argmax()))
        squares = torch.minimum(squares, _squares(points, points[taken[-1:]]))
    return points[taken]


def check_num(num: int, least: int = 1) -> None:
    """Raises :class:`ChoiceError` for a number of centres that cannot be."""
    if not least <= num <= MOST_CENTRES:
        raise ChoiceError(f"{num} centres", "number of centres", f"choose {least} to {MOST_CENTRES}")


def check_points(points: Tensor) -> Tensor:
    """The points (N, 3) as unit vectors in float64.

    Raises :class:`DataError` for no points, another shape, and points that are not finite.
    """
    if points.ndim != 2 or points.shape[1:] != (3,) or not points.shape[0]:
        raise DataError(f"points of shape {tuple(points.shape)}", "centres", "give at least one, as (N, 3)")
    if not bool(torch.isfinite(points).all()):
        raise DataError("some points are not finite", "centres", "leave missing points out")
    return functional.normalize(points.double(), dim=1)


def _checked(points: Tensor, num: int, method: str) -> Tensor:
    check_num(num)
    points = check_points(points)
    if num > points.shape[0]:
        raise ChoiceError(f"{num} groups of {points.shape[0]} points", method, "choose no more groups than points")
    return points


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The index (N,) of the nearest centre: by a k-d tree, or on a GPU by all products."""
    if points.device.type == "cpu":
        return torch.as_tensor(nearest(centres.numpy(), points.numpy()))
    size = max(1, _PAIRS_AT_ONCE // centres.shape[0])
    return torch.cat([torch.argmax(chunk @ centres.T, dim=1) for chunk in torch.split(points, size)])


def _means(sums: Tensor, centres: Tensor) -> Tensor:
    """Sums as unit vectors; a centre without points stays."""
    return torch.where((sums**2).sum(1, keepdim=True) > 1e-24, functional.normalize(sums, dim=1), centres)


def _squares(points: Tensor, centres: Tensor) -> Tensor:
    """The squared chord (N,) from each point to the nearest of ``centres`` (K, 3)."""
    closest = centres if centres.shape[0] == 1 else centres[_nearest(points, centres)]
    return ((points - closest) ** 2).sum(1)


def _spread_out(points: Tensor, num: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next one drawn in proportion to the squared distance from those already drawn.

    Beyond the first :data:`_ONE_BY_ONE` a quarter more at a time, as k-means|| does it (Bahmani et al. 2012).
    """
    first = torch.randint(points.shape[0], (1,), generator=generator).to(points.device)
    drawn, squares = first, _squares(points, points[first])
    while len(drawn) < num:
        more = 1 if len(drawn) < _ONE_BY_ONE else min(len(drawn) // 4, num - len(drawn))
        # where every point is a centre already, any of them
        new = _draw(squares.clamp_min(1e-30), more, generator)
        squares = torch.minimum(squares, _squares(points, points[new]))
        drawn = torch.cat((drawn, new))
    return points[drawn]


def _draw(weights: Tensor, num: int, generator: torch.Generator) -> Tensor:
    """The indices of ``num`` different ones, drawn in proportion to ``weights`` (N,)."""
    if num > 1:
        return torch.multinomial(weights.cpu(), num, generator=generator).to(weights.device)
    cumulative = torch.cumsum(weights, 0)
    at = torch.rand(1, generator=generator, dtype=torch.float64).to(weights.device) * cumulative[-1]
    return torch.searchsorted(cumulative, at, right=True).clamp(max=len(weights) - 1)
