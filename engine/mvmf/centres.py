"""Where the components of a mixture begin: even, on land or sea, near data, by k-means, by a hierarchy, from a file.

All makers give unit vectors (K, 3) float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ChoiceError, DataError
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, fibonacci_sphere, unit_vectors
from engine.typed import Mask

MOST_CENTRES = 2**17

_KMEANS_STEPS = 30
_PAIRS_AT_ONCE = 2**21


def even_centres(num: int) -> Tensor:
    """``num`` centres on a Fibonacci lattice, each with the same area around it."""
    _check_num(num)
    return unit_vectors(*fibonacci_sphere(num))


def centres_within(where: Tensor | Mask, grid: LatLonGrid, num: int, seed: int) -> Tensor:
    """``num`` centres drawn evenly in area over the cells ``where`` (H, W) is True: land, or the ocean.

    A point lies anywhere in its cell. Raises :class:`ChoiceError` where no cell is True.
    """
    _check_num(num)
    chosen = np.flatnonzero(np.asarray(where, dtype=bool))
    if np.shape(where) != grid.shape or not chosen.size:
        raise ChoiceError("the mask counts no cell", f"grid {grid.shape}", "give a mask with cells that are True")
    row, column = np.unravel_index(chosen, grid.shape)
    generator = np.random.default_rng(seed)
    areas = grid.cell_area_m2[row]
    picked = generator.choice(chosen.size, size=num, p=areas / areas.sum())
    row, column = row[picked], column[picked]
    north, east = generator.random(num), generator.random(num)
    sines = np.sin(np.deg2rad(grid.lat_bounds))
    lat = np.rad2deg(np.arcsin(sines[row] + north * (sines[row + 1] - sines[row])))
    return unit_vectors(lat, grid.lon_bounds[column] + east * grid.lon_step)


def centres_near(points: Tensor, num: int, min_separation_km: float, seed: int) -> Tensor:
    """At most ``num`` of ``points`` (N, 3), in random order, no two closer than ``min_separation_km``.

    Fewer come back when there is no more room. Raises :class:`DataError` for no points.
    """
    _check_num(num)
    _check_points(points)
    if not 0.0 <= min_separation_km < math.inf:
        raise ChoiceError(f"a separation of {min_separation_km:g} km", "min_separation_km", "choose 0 or more")
    device, points = points.device, functional.normalize(points.double(), dim=1).cpu()
    order = np.random.default_rng(seed).permutation(points.shape[0])
    apart = 2.0 * math.sin(min(min_separation_km * 1e3 / EARTH_RADIUS_M, math.pi) / 2.0)
    free = torch.ones(points.shape[0], dtype=torch.bool)
    kept: list[int] = []
    for index in map(int, order):
        if len(kept) == num:
            break
        if free[index]:
            kept.append(index)
            if apart > 0.0:
                free &= ((points - points[index]) ** 2).sum(1) >= apart**2
    return points[kept].to(device)


def kmeans_centres(points: Tensor, num: int, seed: int) -> Tensor:
    """``num`` centres of groups of ``points`` (N, 3) by spherical k-means: normalised means, nearest by great circle.

    Begins with k-means++ (Arthur & Vassilvitskii 2007). A group that loses all its points keeps its centre.
    Raises :class:`ChoiceError` for more groups than points, :class:`DataError` for no points.
    """
    _check_num(num)
    _check_points(points)
    if num > points.shape[0]:
        raise ChoiceError(f"{num} groups of {points.shape[0]} points", "k-means", "choose no more groups than points")
    points = functional.normalize(points.double(), dim=1)
    centres = _spread_out(points, num, torch.Generator().manual_seed(seed))
    groups, size = None, max(1, _PAIRS_AT_ONCE // num)
    for _ in range(_KMEANS_STEPS):
        starts = range(0, points.shape[0], size)
        nearest = torch.cat([torch.argmax(points[start : start + size] @ centres.T, dim=1) for start in starts])
        if groups is not None and torch.equal(nearest, groups):
            break
        groups = nearest
        sums = torch.zeros_like(centres).index_add_(0, groups, points)
        centres = torch.where((sums**2).sum(1, keepdim=True) > 1e-24, functional.normalize(sums, dim=1), centres)
    return centres


def hierarchy_centres(num: int) -> Tensor:
    """The centres of 6 · 4^level cells of a cube blown up to the sphere, the deepest level with at most ``num``.

    Every cell has four children on the next level. Along a face's edge cells are cut at tan(π/4 · u), u even, which
    keeps their areas within a factor 1.5 of each other.
    """
    _check_num(num, least=6)
    side = 2 ** int(math.log2(num / 6) / 2.0 + 1e-9)
    u = torch.tan(math.pi / 4.0 * ((2.0 * torch.arange(side, dtype=torch.float64) + 1.0) / side - 1.0))
    a, b = (v.flatten() for v in torch.meshgrid(u, u, indexing="ij"))
    first_face = torch.stack((torch.ones_like(a), a, b), 1)
    faces = [sign * first_face.roll(axis, 1) for axis in range(3) for sign in (1.0, -1.0)]
    return functional.normalize(torch.cat(faces), dim=1)


def centres_of_kind(
    kind: str,
    num: int,
    points: Callable[[], Tensor],
    land: Callable[[], tuple[LatLonGrid, Mask]],
    separation_km: float,
    seed: int,
) -> Tensor:
    """``num`` centres by the name of their kind; "near-data" and "kmeans" are near ``points`` (N, 3)."""
    match kind:
        case "fibonacci":
            return even_centres(num)
        case "hierarchy":
            return hierarchy_centres(num)
        case "near-data":
            return centres_near(points(), num, separation_km, seed)
        case "kmeans":
            return kmeans_centres(points(), num, seed)
        case _:
            grid, is_land = land()
            return centres_within(is_land if kind == "land" else ~is_land, grid, num, seed)


def _spread_out(points: Tensor, num: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next one drawn in proportion to the squared distance from those already drawn."""
    first = int(torch.randint(points.shape[0], (1,), generator=generator))
    drawn, squares = [first], ((points - points[first]) ** 2).sum(1)
    for _ in range(num - 1):
        weights = squares if bool((squares > 0.0).any()) else torch.ones_like(squares)
        drawn.append(int(torch.multinomial(weights.cpu(), 1, generator=generator)))
        squares = torch.minimum(squares, ((points - points[drawn[-1]]) ** 2).sum(1))
    return points[drawn]


def _check_num(num: int, least: int = 1) -> None:
    if not least <= num <= MOST_CENTRES:
        raise ChoiceError(f"{num} centres", "number of centres", f"choose {least} to {MOST_CENTRES}")


def _check_points(points: Tensor) -> None:
    if points.ndim != 2 or points.shape[1:] != (3,) or not points.shape[0]:
        raise DataError(f"points of shape {tuple(points.shape)}", "centres", "give at least one, as (N, 3)")
    if not bool(torch.isfinite(points).all()):
        raise DataError("some points are not finite", "centres", "leave missing points out")
