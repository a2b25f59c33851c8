"""The fixed formulas of location encoders: latitude and longitude in degrees to float64 numbers.

Each function takes ``lat_deg`` (N,) and ``lon_deg`` (N,), float64 and finite, and gives (N, D) float64 on their device.
φ is the latitude and λ the longitude in radians, λ reduced to [−π, π) first: a place has one code, however its
longitude is written. Where a formula is not periodic in λ, its code jumps at the date line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.sphere.geometry import unit_vectors

_THEORY_ANGLES = (0.0, 2.0 * math.pi / 3.0, 4.0 * math.pi / 3.0)


def direct(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """(λ, φ): the coordinates themselves."""
    lat, lon = _radians(lat_deg, lon_deg)
    return torch.stack((lon, lat), dim=1)


def cartesian3d(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """(cos φ cos λ, cos φ sin λ, sin φ): the point on the unit sphere."""
    return unit_vectors(lat_deg, lon_deg)


def wrap(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """(sin πx, cos πx, sin πy, cos πy) with x = λ/180° and y = φ/90°: both poles get the same code.

    Mac Aodha, Cole and Perona (2019), equation 6 and the text below it.
    """
    x, y = math.pi * _within_turn(lon_deg) / 180.0, math.pi * lat_deg / 90.0
    return torch.stack((x.sin(), x.cos(), y.sin(), y.cos()), dim=1)


def sinusoidal(lat_deg: Tensor, lon_deg: Tensor, *, width: int = 64) -> Tensor:
    """sin ω_i λ, cos ω_i λ, sin ω_i φ, cos ω_i φ with ω_i = 10000^(−4i/N) per degree, i = 0 … N/4 − 1.

    On a 1° grid the usual image-transformer encoding. Coordinates (...) give (..., N).
    """
    rates = 10_000.0 ** (-4.0 * torch.arange(width // 4, dtype=torch.float64, device=lat_deg.device) / width)
    east, north = _within_turn(lon_deg)[..., None] * rates, lat_deg[..., None] * rates
    return torch.cat((east.sin(), east.cos(), north.sin(), north.cos()), dim=-1)


def grid(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """(cos λ/α_s, sin λ/α_s, cos φ/α_s, sin φ/α_s) for each scale s; see :func:`scales`.

    Space2Vec's ``grid``: Mai et al. (2020), equation 5.
    """
    lat, lon = _scaled(lat_deg, lon_deg, num_scales, min_radius)
    return _by_scale(lon.cos(), lon.sin(), lat.cos(), lat.sin())


def theory(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """(cos ⟨x, a_j⟩/α_s, sin ⟨x, a_j⟩/α_s), x = (λ, φ), for three directions a_j at 0°, 120° and 240° and each scale s.

    Space2Vec's ``theory``: Mai et al. (2020), equation 3, after the code of grid cells of Gao et al. (2019).
    """
    lat, lon = _scaled(lat_deg, lon_deg, num_scales, min_radius)
    along = [lon * math.cos(angle) + lat * math.sin(angle) for angle in _THEORY_ANGLES]
    return _by_scale(*(wave for phase in along for wave in (phase.cos(), phase.sin())))


def spherec(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """(sin φ_s, cos φ_s cos λ_s, cos φ_s sin λ_s) with φ_s = φ/α_s, λ_s = λ/α_s.

    Sphere2Vec's ``sphereC``: Mai et al. (2023), equation 6.
    """
    return _by_scale(*_spherec(*_scaled(lat_deg, lon_deg, num_scales, min_radius)))


def spherecplus(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """``spherec`` and ``grid`` side by side: Sphere2Vec's ``sphereC+``, equation 8."""
    sphere = spherec(lat_deg, lon_deg, num_scales=num_scales, min_radius=min_radius)
    return torch.cat((sphere, grid(lat_deg, lon_deg, num_scales=num_scales, min_radius=min_radius)), dim=1)


def spherem(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """(sin φ_s, cos φ_s cos λ, cos φ cos λ_s, cos φ_s sin λ, cos φ sin λ_s) for each scale s.

    Sphere2Vec's ``sphereM``: Mai et al. (2023), equation 7.
    """
    lat, lon = (values[:, None] for values in _radians(lat_deg, lon_deg))
    lat_s, lon_s = _scaled(lat_deg, lon_deg, num_scales, min_radius)
    return _by_scale(
        lat_s.sin(),
        lat_s.cos() * lon.cos(),
        lat.cos() * lon_s.cos(),
        lat_s.cos() * lon.sin(),
        lat.cos() * lon_s.sin(),
    )


def spheremplus(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 16, min_radius: float = 0.01) -> Tensor:
    """``spherem`` and ``grid`` side by side: Sphere2Vec's ``sphereM+``, equation 9."""
    sphere = spherem(lat_deg, lon_deg, num_scales=num_scales, min_radius=min_radius)
    return torch.cat((sphere, grid(lat_deg, lon_deg, num_scales=num_scales, min_radius=min_radius)), dim=1)


def dfs(lat_deg: Tensor, lon_deg: Tensor, *, num_scales: int = 8, min_radius: float = 0.01) -> Tensor:
    """The double Fourier sphere: waves in φ_n, waves in λ_m, and all products of the two.

    sin φ_n, cos φ_n; sin λ_m, cos λ_m; cos φ_n cos λ_m, cos φ_n sin λ_m, sin φ_n cos λ_m, sin φ_n sin λ_m for all
    scales n and m: 4S + 4S² numbers. Sphere2Vec's ``dfs``: Mai et al. (2023), equation 4, after Orszag (1974).
    """
    lat, lon = _scaled(lat_deg, lon_deg, num_scales, min_radius)
    alone = torch.cat((lat.sin(), lat.cos(), lon.sin(), lon.cos()), dim=1)
    pairs = [(a[:, :, None] * b[:, None, :]).flatten(1) for a in (lat.cos(), lat.sin()) for b in (lon.cos(), lon.sin())]
    return torch.cat((alone, *pairs), dim=1)


def scales(num_scales: int, min_radius: float) -> Tensor:
    """α_s = r^(1 − s/(S−1)), s = 0 … S − 1: from the least radius r to 1, evenly in the logarithm; α = 1 for S = 1."""
    steps = torch.arange(num_scales, dtype=torch.float64) / max(1, num_scales - 1)
    return min_radius ** (1.0 - steps) if num_scales > 1 else torch.ones(1, dtype=torch.float64)


def rff(lat_deg: Tensor, lon_deg: Tensor, *, num_components: int = 64, scale: float = 4.0, seed: int = 0) -> Tensor:
    """√(2/D) cos(ω_d · x + b_d) at the point x of the unit sphere, ω_d ~ N(0, scale² I₃), b_d ~ U(0, 2π).

    Random Fourier features: the scalar product of two codes tends to exp(−scale² |x − y|²/2) as D grows. Rahimi and
    Recht (2007), equation 2; in three dimensions they know no date line.
    """
    generator = torch.Generator().manual_seed(seed)
    rates = scale * torch.randn((3, num_components), dtype=torch.float64, generator=generator)
    phases = 2.0 * math.pi * torch.rand(num_components, dtype=torch.float64, generator=generator)
    points = unit_vectors(lat_deg, lon_deg)
    return math.sqrt(2.0 / num_components) * (points @ rates.to(points) + phases.to(points)).cos()


_EQUAL_EARTH = (1.340264, -0.081106, 0.000893, 0.003796)
_GEOCLIP_SCALE = 66.50336 / 180.0


def equal_earth(lat_deg: Tensor, lon_deg: Tensor) -> Tensor:
    """The Equal Earth projection (N, 2), scaled as GeoCLIP does (66.50336/180 of the projection of the unit sphere).

    θ = arcsin(√3/2 sin φ); x = 2√3 λ cos θ / (3 (A₁ + 3A₂θ² + θ⁶(7A₃ + 9A₄θ²))), y = θ (A₁ + A₂θ² + θ⁶(A₃ + A₄θ²)).
    Šavrič, Patterson and Jenny (2019), equations 1 to 3.
    """
    a1, a2, a3, a4 = _EQUAL_EARTH
    lat, lon = _radians(lat_deg, lon_deg)
    theta = torch.asin(math.sqrt(3.0) / 2.0 * lat.sin())
    squared, sixth = theta**2, theta**6
    slope = a1 + 3.0 * a2 * squared + sixth * (7.0 * a3 + 9.0 * a4 * squared)
    x = 2.0 * math.sqrt(3.0) * lon * theta.cos() / (3.0 * slope)
    y = theta * (a1 + a2 * squared + sixth * (a3 + a4 * squared))
    return _GEOCLIP_SCALE * torch.stack((x, y), dim=1)


def equal_earth_rff(
    lat_deg: Tensor,
    lon_deg: Tensor,
    *,
    num_components: int = 96,
    min_scale: float = 1.0,
    max_scale: float = 256.0,
    num_scales: int = 3,
    seed: int = 0,
) -> Tensor:
    """cos 2π b·v and sin 2π b·v of the Equal Earth coordinates v, b ~ N(0, σ² I₂), for each σ of a row of scales.

    σ goes from ``min_scale`` to ``max_scale`` evenly in the logarithm; the defaults are GeoCLIP's 1, 16 and 256.
    D = ``num_components``, shared evenly among the scales: a multiple of twice their number. Vivanco Cepeda, Nayak and
    Shah (2023), equations 3 and 4, after Tancik et al. (2020).
    """
    points = equal_earth(lat_deg, lon_deg)
    generator = torch.Generator().manual_seed(seed)
    codes: list[Tensor] = []
    for step in range(num_scales):
        sigma = min_scale * (max_scale / min_scale) ** (step / max(1, num_scales - 1))
        rates = sigma * torch.randn((2, num_components // (2 * num_scales)), dtype=torch.float64, generator=generator)
        phase = 2.0 * math.pi * points @ rates.to(points)
        codes += [phase.cos(), phase.sin()]
    return torch.cat(codes, dim=1)


def _within_turn(lon_deg: Tensor) -> Tensor:
    return torch.remainder(lon_deg + 180.0, 360.0) - 180.0


def _radians(lat_deg: Tensor, lon_deg: Tensor) -> tuple[Tensor, Tensor]:
    return torch.deg2rad(lat_deg), torch.deg2rad(_within_turn(lon_deg))


def _scaled(lat_deg: Tensor, lon_deg: Tensor, num_scales: int, min_radius: float) -> tuple[Tensor, Tensor]:
    """φ/α_s and λ/α_s (N, S)."""
    radii = scales(num_scales, min_radius).to(lat_deg.device)
    lat, lon = _radians(lat_deg, lon_deg)
    return lat[:, None] / radii, lon[:, None] / radii


def _spherec(lat: Tensor, lon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return lat.sin(), lat.cos() * lon.cos(), lat.cos() * lon.sin()


def _by_scale(*waves: Tensor) -> Tensor:
    """Waves (N, S) each as (N, S · number of waves): all waves of the first scale, then those of the next."""
    return torch.stack(waves, dim=2).flatten(1)
