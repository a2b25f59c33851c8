"""Points on the sphere: unit vectors, great circles, evenly spread points.

Latitude is in degrees north, longitude in degrees east. Arguments may be torch tensors, numpy arrays or numbers;
results are float64 torch tensors on the arguments' device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import DataError

EARTH_RADIUS_M = 6_371_000.0
"""Radius of the spherical Earth in metres: the mean radius (2a + b)/3 of WGS 84, rounded to a kilometre."""

Degrees = Tensor | NDArray[np.floating] | float

_GOLDEN_ANGLE_DEG = 180.0 * (3.0 - math.sqrt(5.0))


def as_float64(values: Degrees) -> Tensor:
    """``values`` as a float64 tensor; a tensor stays on its device, anything else is copied to the CPU."""
    if isinstance(values, Tensor):
        return values.to(torch.float64)
    return torch.tensor(np.asarray(values, dtype=np.float64))


def checked_points(lat_deg: Degrees, lon_deg: Degrees) -> tuple[Tensor, Tensor]:
    """Latitudes and longitudes of N points as float64 (N,), any turn of longitude.

    Raises :class:`DataError` for unequal numbers of the two, latitudes beyond a pole, and values that are not finite.
    """
    lat, lon = as_float64(lat_deg).reshape(-1), as_float64(lon_deg).reshape(-1)
    if lat.numel() != lon.numel():
        raise DataError(
            f"{lat.numel()} latitudes and {lon.numel()} longitudes", "points", "give one of each for every point"
        )
    right = (lat.abs() <= 90.0) & lon.isfinite()
    if not bool(right.all()):
        first = int(torch.nonzero(~right)[0])
        raise DataError(
            f"{int((~right).sum())} of {lat.numel()} points are not on the sphere",
            f"first point {first}: latitude {float(lat[first]):g}°, longitude {float(lon[first]):g}°",
            "give latitudes between -90 and 90, and leave missing points out",
        )
    return lat, lon


def sin_cos_latitude(lat_deg: Degrees) -> tuple[Tensor, Tensor]:
    """sin φ and cos φ, with cos φ exactly zero at a pole and accurate close to it.

    The cosine is taken as the sine of the distance to the pole, because cos(π/2) in float64 is 6e-17.
    """
    lat = as_float64(lat_deg)
    return torch.sin(torch.deg2rad(lat)), torch.sin(torch.deg2rad(90.0 - lat.abs()))


def unit_vectors(lat_deg: Degrees, lon_deg: Degrees) -> Tensor:
    """Points as unit vectors (..., 3): x towards (0°, 0°), y towards (0°, 90°E), z towards the north pole."""
    sin_lat, cos_lat = sin_cos_latitude(lat_deg)
    lon = torch.deg2rad(as_float64(lon_deg))
    x, y = cos_lat * torch.cos(lon), cos_lat * torch.sin(lon)
    return torch.stack((x, y, sin_lat.expand_as(x)), dim=-1)


def lat_lon(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude in [-90, 90] and longitude in [-180, 180] of vectors (..., 3) of any length but zero."""
    x, y, z = vectors.to(torch.float64).unbind(dim=-1)
    return torch.rad2deg(torch.atan2(z, torch.hypot(x, y))), torch.rad2deg(torch.atan2(y, x))


def great_circle_km(lat1: Degrees, lon1: Degrees, lat2: Degrees, lon2: Degrees) -> Tensor:
    """Length in km of the shortest path on the sphere between two points; the arguments broadcast.

    tan d = √((cos φ₂ sin Δλ)² + (cos φ₁ sin φ₂ − sin φ₁ cos φ₂ cos Δλ)²) / (sin φ₁ sin φ₂ + cos φ₁ cos φ₂ cos Δλ),
    Vincenty's form for a sphere (1975). Its second term is written sin Δφ + 2 sin φ₁ cos φ₂ sin²(Δλ/2), which keeps
    full relative accuracy for points millimetres apart; antipodal points are right to 1e-8 km.
    """
    sin1, cos1 = sin_cos_latitude(lat1)
    sin2, cos2 = sin_cos_latitude(lat2)
    difference = as_float64(lon2) - as_float64(lon1)
    dlon = torch.deg2rad(difference - 360.0 * torch.round(difference / 360.0))
    dlat = torch.deg2rad(as_float64(lat2) - as_float64(lat1))
    across = cos2 * torch.sin(dlon)
    along = torch.sin(dlat) + 2.0 * sin1 * cos2 * torch.sin(dlon / 2.0) ** 2
    angle = torch.atan2(torch.hypot(across, along), sin1 * sin2 + cos1 * cos2 * torch.cos(dlon))
    return angle * (EARTH_RADIUS_M / 1000.0)


def fibonacci_sphere(n: int) -> tuple[Tensor, Tensor]:
    """``n`` points spread evenly: latitudes (n,) ascending, longitudes (n,) in [-180, 180), in degrees.

    Point i lies at sin φ = (2i + 1)/n − 1 and turns by the golden angle from its neighbour, so that every point has
    the same area 4π/n between its circles of latitude.
    """
    index = torch.arange(n, dtype=torch.float64)
    lat = torch.rad2deg(torch.asin((2.0 * index + 1.0) / n - 1.0))
    lon = torch.remainder(index * _GOLDEN_ANGLE_DEG + 180.0, 360.0) - 180.0
    return lat, lon
