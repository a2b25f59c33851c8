"""Similarity of pairs of patches: against their distance, and as a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.similarity.cosine import unit_tokens
from engine.sphere.geometry import EARTH_RADIUS_M, great_circle_km

HALF_CIRCUMFERENCE_KM = math.pi * EARTH_RADIUS_M / 1000.0
"""The longest distance on the Earth: half a great circle, 20 015 km."""


@dataclass(frozen=True)
class PairSample:
    """Pairs of patches: distance between centres and cosine (N,), and the latitude (N,) of the reference patch."""

    distance_km: Tensor
    similarity: Tensor
    lat_deg: Tensor


def sample_pairs(tokens_grid: Tensor, lat_bounds: Tensor, lon_bounds: Tensor, num_pairs: int, seed: int) -> PairSample:
    """A random sample of pairs of different patches, even in area and in distance.

    The reference point is drawn uniformly by area, the other at a uniform distance from 0 to 20 015 km in a uniform
    direction; each represents the patch of ``tokens_grid`` (Hp, Wp, D) that holds it. Edges ``lat_bounds``
    (Hp+1,) and ``lon_bounds`` (Wp+1,) in degrees, ascending, cover the whole sphere. Pairs that fall into one patch
    are left out, so fewer than ``num_pairs`` may be returned. Same seed, same pairs on every device.
    """
    drawn = torch.rand((4, num_pairs), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    even, lat_bounds, lon_bounds = (values.to(tokens_grid.device) for values in (drawn, lat_bounds, lon_bounds))
    lat = torch.rad2deg(torch.asin(2.0 * even[0] - 1.0))
    lon = 360.0 * even[1] - 180.0
    first = _patch_at(lat, lon, lat_bounds, lon_bounds)
    second = _patch_at(*_walk(lat, lon, math.pi * even[2], 2.0 * math.pi * even[3]), lat_bounds, lon_bounds)
    apart = first != second
    first, second = first[apart], second[apart]
    columns = lon_bounds.numel() - 1
    lat_centres = (lat_bounds[1:] + lat_bounds[:-1]) / 2.0
    lon_centres = (lon_bounds[1:] + lon_bounds[:-1]) / 2.0
    ends = [(lat_centres[patch // columns], lon_centres[patch % columns]) for patch in (first, second)]
    unit = unit_tokens(tokens_grid.flatten(0, 1))
    cosine = torch.einsum("nd,nd->n", unit[first], unit[second])
    return PairSample(great_circle_km(*ends[0], *ends[1]), cosine, ends[0][0])


def pair_histogram(tokens: Tensor, areas: Tensor, num_bins: int, *, most: int = 3000, seed: int = 0) -> Tensor:
    """Normalised histogram (num_bins,) float64 of the cosines of all pairs of different ``tokens`` (N, D).

    Bins of equal width from -1 to 1; the weight of a pair is the product of its ``areas`` (N,). More than ``most``
    tokens are sampled: ``most`` draws in proportion to area, each token weighted by the number of its draws.
    """
    areas = areas.to(tokens.device)
    if tokens.shape[0] > most:
        generator = torch.Generator().manual_seed(seed)
        draws = torch.multinomial(areas.cpu(), most, replacement=True, generator=generator).to(tokens.device)
        times = torch.bincount(draws, minlength=areas.numel())
        tokens, areas = tokens[times > 0], times[times > 0].to(torch.float64)
    unit = unit_tokens(tokens)
    histogram = torch.zeros(num_bins, dtype=torch.float64, device=tokens.device)
    for row in range(tokens.shape[0] - 1):
        cosine = unit[row + 1 :] @ unit[row]
        bins = ((cosine + 1.0) * (num_bins / 2.0)).long().clamp_(0, num_bins - 1)
        histogram += torch.bincount(bins, weights=areas[row] * areas[row + 1 :], minlength=num_bins)
    return histogram / histogram.sum()


def _walk(lat_deg: Tensor, lon_deg: Tensor, angle: Tensor, bearing: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude and longitude in degrees at ``angle`` radians from a point in the direction ``bearing`` from north."""
    lat = torch.deg2rad(lat_deg)
    sine = torch.sin(lat) * torch.cos(angle) + torch.cos(lat) * torch.sin(angle) * torch.cos(bearing)
    east = torch.sin(bearing) * torch.sin(angle) * torch.cos(lat)
    turn = torch.atan2(east, torch.cos(angle) - torch.sin(lat) * sine)
    return torch.rad2deg(torch.asin(sine.clamp(-1.0, 1.0))), lon_deg + torch.rad2deg(turn)


def _patch_at(lat: Tensor, lon: Tensor, lat_bounds: Tensor, lon_bounds: Tensor) -> Tensor:
    """Flat index (N,) of the patch that holds each point."""
    columns = lon_bounds.numel() - 1
    row = torch.bucketize(lat, lat_bounds[1:-1])
    turned = torch.remainder(lon - lon_bounds[0], 360.0) + lon_bounds[0]
    return row * columns + torch.bucketize(turned, lon_bounds[1:-1])
