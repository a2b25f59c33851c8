"""Target fields for interpolation from sampled points: two synthetic ones, and one month of real SST."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.data.august import august_sst
from engine.errors import ChoiceError, check_choice
from engine.sphere import unit_vectors
from engine.typed import Floats, Mask

# The guide's grid has steps of 0.1 rad in both angles.
_STEP_RAD = 0.1

_POINTS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Target:
    """A field on the points ``lat`` (H,) × ``lon`` (W,), degrees: ``values`` (H, W, N), NaN = missing.

    ``names`` (N,) of the components, their ``units`` ("1" for none), and the ``title`` of the field.
    """

    lat: Floats
    lon: Floats
    values: Floats
    names: tuple[str, ...]
    units: str
    title: str

    @property
    def observed(self) -> Mask:
        """(H, W), True = every component has a value."""
        return np.asarray(np.isfinite(self.values).all(axis=-1))

    def points(self) -> Floats:
        """(H, W, 2): longitude and latitude of every point, in degrees."""
        lon, lat = np.meshgrid(self.lon, self.lat)
        return np.stack((lon, lat), axis=-1)

    def sampled(self, fraction: float, seed: int) -> Mask:
        """(H, W), True = drawn: a ``fraction`` of the observed points, all equally likely, reproducible by ``seed``.

        Raises :class:`ChoiceError` when no point is inside or none outside the sample.
        """
        observed = np.flatnonzero(self.observed)
        count = round(fraction * observed.size)
        if not 0 < count < observed.size:
            raise ChoiceError(
                f"a fraction of {fraction:g} draws {count} of {observed.size} points",
                "sample",
                "choose one between 0 and 1",
            )
        drawn = np.zeros(self.observed.size, dtype=bool)
        drawn[np.random.default_rng(seed).permutation(observed)[:count]] = True
        return drawn.reshape(self.observed.shape)

    def nearest(self, sampled: Mask) -> Floats:
        """Nearest-neighbour interpolation (H, W, N): the value of the nearest sampled point, NaN where not observed.

        Nearest on the sphere by the largest cosine in float32; points within 1e-7 are ties.
        """
        rest = self.observed & ~sampled
        points = self.points()
        sampled_points = unit_vectors(points[sampled][:, 1], points[sampled][:, 0]).to(torch.float32).T.contiguous()
        queries = unit_vectors(points[rest][:, 1], points[rest][:, 0]).to(torch.float32)
        starts = range(0, len(queries), _POINTS_AT_ONCE)
        nearest = torch.cat(
            [torch.argmax(queries[start : start + _POINTS_AT_ONCE] @ sampled_points, dim=1) for start in starts]
        )
        filled = np.where(sampled[..., None], self.values, np.nan)
        filled[rest] = self.values[sampled][nearest.numpy()]
        return filled


def force(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """The vector field U = cos 2λ, V = sin 2φ at points in degrees: (..., 2), dimensionless.

    After the guide "Spatial Embedding" of torch-geopooling (Y. Bubnov, 2024). V has a kink at the poles: along a
    meridian it passes through zero and comes back, where on a torus, whose north edge is its south edge, it goes on.
    """
    u, v = np.cos(2.0 * np.deg2rad(lon_deg)), np.sin(2.0 * np.deg2rad(lat_deg))
    return np.stack(np.broadcast_arrays(u, v), axis=-1)


def smooth(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """U = cos φ cos λ and V = sin φ, the x and z of a point in degrees: (..., 2), dimensionless.

    Both are smooth everywhere on the sphere; on a torus U has a kink at the poles and V a step from 1 to −1.
    """
    lat, lon = np.deg2rad(lat_deg), np.deg2rad(lon_deg)
    return np.stack(np.broadcast_arrays(np.cos(lat) * np.cos(lon), np.sin(lat)), axis=-1)


def force_field() -> Target:
    """:func:`force` on the guide's points."""
    return _synthetic(force, "Vector field (synthetic), U = cos 2λ, V = sin 2φ")


def smooth_field() -> Target:
    """:func:`smooth` on the guide's points."""
    return _synthetic(smooth, "Smooth field (synthetic), U = cos φ cos λ, V = sin φ")


def _synthetic(function: Callable[[Floats, Floats], Floats], title: str) -> Target:
    """A function on the guide's 32 × 63 points: from 180° W and 90° S in steps of 0.1 rad."""
    lat = np.rad2deg(-math.pi / 2.0 + _STEP_RAD * np.arange(32))
    lon = np.rad2deg(-math.pi + _STEP_RAD * np.arange(63))
    return Target(lat, lon, function(lat[:, None], lon), ("u", "v"), "1", title)


def august_field() -> Target:
    """The sea-surface temperature of August 2012 in °C, 180 × 360 points, NaN = missing."""
    sst = august_sst()
    values = sst.values.astype(np.float64)[..., None]
    return Target(
        sst["lat"].values, sst["lon"].values, values, ("value",), "°C", "Sea-surface temperature, August 2012"
    )


def target(name: str) -> Target:
    """The field called ``name``, one of :data:`TARGETS`."""
    check_choice("field", name, TARGETS, "target")
    return TARGETS[name]()


SYNTHETIC = {"force": force, "smooth": smooth}
"""Fields known at every point, by name."""

TARGETS = {"force": force_field, "smooth": smooth_field, "august": august_field}
