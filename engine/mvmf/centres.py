"""Where the components of a mixture begin: even, on land or sea, near data, by a hierarchy; or by the name of a kind.

All makers give unit vectors (K, 3) float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ChoiceError
from engine.mvmf.clusters import check_num, check_points, farthest_centres, kmeans_centres, minibatch_kmeans_centres
from engine.mvmf.partition import partition_centres
from engine.sphere import EARTH_RADIUS_M, LatLonGrid, fibonacci_sphere, unit_vectors
from engine.typed import Mask

FOLLOWING = ("near-data", "kmeans", "minibatch", "farthest", "partition")
"""The kinds of centres that follow the density of points."""


def even_centres(num: int) -> Tensor:
    """``num`` centres on a Fibonacci lattice, each with the same area around it."""
    check_num(num)
    return unit_vectors(*fibonacci_sphere(num))


def centres_within(where: Tensor | Mask, grid: LatLonGrid, num: int, seed: int) -> Tensor:
    """``num`` centres drawn evenly in area over the cells ``where`` (H, W) is True: land, or the ocean.

    A point lies anywhere in its cell. Raises :class:`ChoiceError` where no cell is True.
    """
    check_num(num)
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
    check_num(num)
    device, points = points.device, check_points(points).cpu()
    if not 0.0 <= min_separation_km < math.inf:
        raise ChoiceError(f"a separation of {min_separation_km:g} km", "min_separation_km", "choose 0 or more")
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


def hierarchy_centres(num: int) -> Tensor:
    """The centres of 6 · 4^level cells of a cube blown up to the sphere, the deepest level with at most ``num``.

    Every cell has four children on the next level. Along a face's edge cells are cut at tan(π/4 · u), u even, which
    keeps their areas within a factor 1.5 of each other.
    """
    check_num(num, least=6)
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
    """``num`` centres by the name of their kind; those of :data:`FOLLOWING` follow ``points`` (N, 3)."""
    match kind:
        case "fibonacci":
            return even_centres(num)
        case "hierarchy":
            return hierarchy_centres(num)
        case "near-data":
            return centres_near(points(), num, separation_km, seed)
        case "kmeans":
            return kmeans_centres(points(), num, seed)
        case "minibatch":
            return minibatch_kmeans_centres(points(), num, seed)
        case "farthest":
            return farthest_centres(points(), num, seed)
        case "partition":
            return partition_centres(points(), num)
        case _:
            grid, is_land = land()
            return centres_within(is_land if kind == "land" else ~is_land, grid, num, seed)
