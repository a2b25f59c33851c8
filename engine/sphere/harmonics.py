"""Real spherical harmonics, orthonormal on the unit sphere, without the Condon–Shortley phase.

Y_lm(φ, λ) = Q_l|m|(sin φ) · trig_m(λ), with trig_m = cos mλ for m ≥ 0 and sin |m|λ for m < 0, and
Q_lm = √(2 − δ_m0) · √((2l+1)/(4π) · (l−m)!/(l+m)!) · P_lm, so that ∫ Y_lm Y_l'm' dΩ = δ_ll' δ_mm'.
The harmonic of degree l and order m stands at flat index l² + l + m; up to degree L there are (L+1)².

On a latitude–longitude grid every harmonic is an outer product of a profile (H,) and a wave (W,), and everything here
keeps it so: nothing of the size (H·W, (L+1)²) is ever held. Profiles and waves are computed in float64; ``dtype``
casts results only.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from engine.errors import ChoiceError
from engine.sphere.geometry import EARTH_RADIUS_M, Degrees, as_float64, checked_points, sin_cos_latitude
from engine.sphere.grid import LatLonGrid
from engine.typed import numbers

# A column whose first value is below e^-600 starts from 1e-280 instead and is scaled back at the end: in float64
# cos^m φ underflows near the poles, where later members of the column need not (Holmes & Featherstone 2002).
_SMALLEST_LOG = -600.0
_LOG_START = -280.0 * math.log(10.0)

_POINTS_AT_ONCE = 2048


def flat_index(degree: int, order: int) -> int:
    """Flat index of the harmonic (l, m): l² + l + m."""
    _check_order(degree, order)
    return degree * degree + degree + order


def degree_and_order(index: int) -> tuple[int, int]:
    """The (l, m) of a flat index; the inverse of :func:`flat_index`."""
    degree = math.isqrt(index)
    return degree, index - degree * degree - degree


def wavelength_km(degree: int) -> float:
    """The wavelength of degree l on the Earth, 2πR/√(l(l+1)) in km (Jeans); half of it is the smallest feature."""
    if degree < 1:
        raise ChoiceError(f"degree {degree} has no wavelength", "wavelength_km", "ask for degree 1 or more")
    return 2.0 * math.pi * EARTH_RADIUS_M / 1000.0 / math.sqrt(degree * (degree + 1))


def nodal_lines(degree: int, order: int) -> tuple[int, int]:
    """How many circles of latitude and how many great circles through the poles Y_lm is zero on: (l − |m|, |m|)."""
    _check_order(degree, order)
    return degree - abs(order), abs(order)


def resolution_note(grid: LatLonGrid, max_degree: int) -> str | None:
    """A sentence where ``max_degree`` is above the resolution of ``grid``, else None."""
    if max_degree <= grid.max_resolved_degree:
        return None
    return (
        f"degree {max_degree} is finer than this grid of {grid.shape[0]} × {grid.shape[1]} cells can show; "
        f"above degree {grid.max_resolved_degree} the pattern you see is an alias"
    )


def legendre_rows(lat_deg: Degrees, max_degree: int, orders: Tensor | None = None) -> Iterator[Tensor]:
    """Profiles of degree 0, 1, …, L: each a float64 tensor (M, N) of Q_lm(sin φ) over orders m and N latitudes.

    ``orders`` (M,) are ascending and ≥ 0, all of 0..L when None; each yield holds those with m ≤ l, so M grows with l.
    A yielded tensor is overwritten later: use it before the next but one is asked for.

    Recursion in degree from Q_mm, all orders at once, in float64 (Holmes & Featherstone 2002, eq. 11):
    Q_lm = a (sin φ Q_{l−1,m} − b Q_{l−2,m}), a² = (4l²−1)/(l²−m²), b² = ((l−1)²−m²)/(4(l−1)²−1).
    Right to 1e-9 up to degree 1000, poles included.
    """
    sin_lat, cos_lat = sin_cos_latitude(lat_deg)
    device = sin_lat.device
    if orders is None:
        orders = torch.arange(max_degree + 1)
    whole: list[int] = numbers(orders)
    orders = orders.to(device)
    start, scale = _seeds(orders, whole[-1], cos_lat)
    squares = orders.to(torch.float64)[:, None] ** 2
    older, old, new = (torch.zeros_like(start) for _ in range(3))
    for degree in range(max_degree + 1):
        active, running = bisect_right(whole, degree), bisect_left(whole, degree)
        if running:
            m2 = squares[:running]
            a = torch.sqrt((4.0 * degree**2 - 1.0) / (degree**2 - m2))
            b = torch.sqrt(((degree - 1) ** 2 - m2).clamp_min(0.0) / abs(4.0 * (degree - 1) ** 2 - 1.0))
            torch.mul(old[:running], sin_lat, out=new[:running])
            new[:running].addcmul_(older[:running], b, value=-1.0).mul_(a)
        new[running:active] = start[running:active]
        yield new[:active] if scale is None else new[:active] * scale[:active]
        older, old, new = old, new, older


def harmonics_at(lat_deg: Degrees, lon_deg: Degrees, max_degree: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """All harmonics up to ``max_degree`` at N points: (N, (L+1)²), on the device of the points.

    ``lat_deg`` (N,) in [-90, 90] and ``lon_deg`` (N,) in degrees, any turn. Values are of the order of √((2l+1)/4π).
    Raises :class:`DataError` for latitudes beyond a pole and coordinates that are not finite.
    """
    _check_degree(max_degree)
    lat, lon = checked_points(lat_deg, lon_deg)
    # one harmonic after the other in memory: the order of computation, equally fast in a matrix product
    result = torch.empty(((max_degree + 1) ** 2, lat.numel()), dtype=dtype, device=lat.device)
    for first in range(0, lat.numel(), _POINTS_AT_ONCE):
        chunk = slice(first, first + _POINTS_AT_ONCE)
        waves = trig_table(lon[chunk], max_degree)
        for degree, rows in enumerate(legendre_rows(lat[chunk], max_degree)):
            both_signs = torch.cat((rows[1:].flip(0), rows))
            both_signs *= waves[max_degree - degree : max_degree + degree + 1]
            result[degree**2 : (degree + 1) ** 2, chunk] = both_signs
    return result.T


def trig_table(lon_deg: Degrees, max_degree: int) -> Tensor:
    """The waves trig_m(λ) for m = −L … L: float64 (2L+1, N); sin |m|λ first, then 1, then cos mλ.

    The angle is reduced to one turn in degrees, where whole and half degrees are exact.
    """
    lon = as_float64(lon_deg)
    orders = torch.arange(1, max_degree + 1, dtype=torch.float64, device=lon.device)
    angles = torch.deg2rad(torch.fmod(orders[:, None] * lon, 360.0))
    return torch.cat((torch.sin(angles).flip(0), torch.ones_like(lon)[None], torch.cos(angles)))


class HarmonicGrid:
    """The harmonics up to ``max_degree`` L on a grid (H, W), as profiles and waves.

    ``dtype`` and ``device`` are those of the fields it returns; profiles and waves are float64 on the same device.

    >>> grid = LatLonGrid.regular(1.0)
    >>> HarmonicGrid(grid, 10).field(3, -2).shape
    torch.Size([180, 360])
    """

    def __init__(
        self,
        grid: LatLonGrid,
        max_degree: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        _check_degree(max_degree)
        self.grid = grid
        self.max_degree = max_degree
        self.dtype = dtype
        self.device = torch.device(device)
        self._lat = torch.tensor(grid.lat, device=self.device)
        self._lon = torch.tensor(grid.lon, device=self.device)

    @property
    def num_harmonics(self) -> int:
        """D = (L+1)²."""
        return (self.max_degree + 1) ** 2

    @cached_property
    def trig(self) -> Tensor:
        """The waves (2L+1, W) of orders −L … L, float64: row L + m is trig_m(λ)."""
        return trig_table(self._lon, self.max_degree)

    def legendre(self, order: int) -> Tensor:
        """The profiles Q_l|m| (L+1−|m|, H) of one order, degrees |m| … L, float64."""
        _check_order(self.max_degree, order)
        rows = legendre_rows(self._lat, self.max_degree, torch.tensor([abs(order)]))
        return torch.cat([row.clone() for row in rows if row.numel()])

    def field(self, degree: int, order: int) -> Tensor:
        """One harmonic Y_lm on the grid, (H, W)."""
        _check_order(degree, order)
        _check_order(self.max_degree, degree)
        rows = legendre_rows(self._lat, degree, torch.tensor([abs(order)]))
        profile = [row for row in rows if row.numel()][-1][0]
        return torch.outer(profile.to(self.dtype), self.trig[self.max_degree + order].to(self.dtype))

    def fields(self) -> Iterator[tuple[int, int, Tensor]]:
        """All harmonics (l, m, field (H, W)), degree by degree and −l … l, one at a time.

        The field is one buffer that is filled again for the next harmonic: use it at once, or clone it.
        """
        waves = self.trig.to(self.dtype)
        buffer = torch.empty(self.grid.shape, dtype=self.dtype, device=self.device)
        for degree, rows in enumerate(legendre_rows(self._lat, self.max_degree)):
            profiles = rows.to(self.dtype)[:, :, None]
            for order in range(-degree, degree + 1):
                torch.mul(profiles[abs(order)], waves[self.max_degree + order], out=buffer)
                yield degree, order, buffer

    def lat_tables(self, coeffs: Tensor) -> Tensor:
        """The first half of a synthesis: T_m(φ) = Σ_l c_lm Q_l|m|(sin φ), float64 (..., H, 2L+1), orders −L … L.

        With it the field is ``lat_tables(coeffs) @ trig``: the separable form of any sum of harmonics.
        """
        coeffs = self._checked(coeffs)
        top = self.max_degree
        tables = coeffs.new_zeros((*coeffs.shape[:-1], 2 * top + 1, self.grid.shape[0]))
        for degree, rows in enumerate(legendre_rows(self._lat, top)):
            block = coeffs[..., degree**2 : (degree + 1) ** 2, None]
            tables[..., top : top + degree + 1, :].addcmul_(block[..., degree:, :], rows)
            tables[..., top - degree : top, :].addcmul_(block[..., :degree, :], rows[1:].flip(0))
        return tables.transpose(-1, -2)

    def synthesise(self, coeffs: Tensor) -> Tensor:
        """The field Σ c_lm Y_lm on the grid: coefficients (..., D) to fields (..., H, W)."""
        return (self.lat_tables(coeffs).to(self.dtype)) @ self.trig.to(self.dtype)

    def analyse(self, field: Tensor, row_weights: Tensor | None = None) -> Tensor:
        """The sums Σ_ij w_i Y_lm(i, j) f(i, j): fields (..., H, W) to coefficients (..., D), float64.

        With the default weights, the cells' areas on the unit sphere, this is the midpoint rule for ∫ Y_lm f dΩ;
        with Gauss–Legendre weights times 2π/W on Gaussian latitudes it is exact below the grid's resolution.
        With weights 1 it is the adjoint of :meth:`synthesise`.
        """
        if row_weights is None:
            row_weights = torch.tensor(self.grid.cell_area_m2 / EARTH_RADIUS_M**2)
        field = field.to(self.device, torch.float64)
        weights = row_weights.to(self.device, torch.float64)
        waves = (field @ self.trig.T).transpose(-1, -2) * weights
        top = self.max_degree
        coeffs = field.new_empty((*field.shape[:-2], self.num_harmonics))
        for degree, rows in enumerate(legendre_rows(self._lat, top)):
            profiles = torch.cat((rows[1:].flip(0), rows))
            block = waves[..., top - degree : top + degree + 1, :]
            coeffs[..., degree**2 : (degree + 1) ** 2] = (block * profiles).sum(-1)
        return coeffs

    def _checked(self, coeffs: Tensor) -> Tensor:
        if coeffs.shape[-1] != self.num_harmonics:
            raise ChoiceError(
                f"{coeffs.shape[-1]} coefficients were given",
                f"max_degree L = {self.max_degree}",
                f"give (L+1)² = {self.num_harmonics}",
            )
        return coeffs.to(self.device, torch.float64)


def _seeds(orders: Tensor, highest: int, cos_lat: Tensor) -> tuple[Tensor, Tensor | None]:
    """First values Q_mm (M, N) of the columns, and by what to multiply the columns in the end (None: nothing).

    Q_mm² = (2 − δ_m0) (2m+1)/(4π) · Π_{k=1..m} (2k−1)/(2k) · cos^2m φ
    """
    steps = torch.arange(1, highest + 1, dtype=torch.float64, device=orders.device)
    products = torch.cat((steps.new_zeros(1), torch.cumsum(torch.log1p(-0.5 / steps), 0)))
    m = orders.to(torch.float64)
    norms = torch.log((2.0 * m + 1.0) / (4.0 * math.pi)) + products[orders]
    norms = 0.5 * torch.where(m > 0, norms + math.log(2.0), norms)
    # order 0 has no power of the cosine; at the poles 0 · log 0 would be NaN
    powers = torch.where(m[:, None] > 0, m[:, None] * torch.log(cos_lat), 0.0)
    log_first = norms[:, None] + powers
    tiny = log_first < _SMALLEST_LOG
    if cos_lat.device.type == "cpu" and not bool(tiny.any()):  # to ask would make an accelerator wait
        return torch.exp(log_first), None
    start = torch.where(tiny, math.exp(_LOG_START), torch.exp(log_first))
    return start, torch.where(tiny, torch.exp(log_first - _LOG_START), 1.0)


def _check_degree(max_degree: int) -> None:
    if max_degree < 0:
        raise ChoiceError(f"the maximum degree is {max_degree}", "max_degree", "choose 0 or more")


def _check_order(degree: int, order: int) -> None:
    if not 0 <= abs(order) <= degree:
        raise ChoiceError(
            f"there is no order {order}", f"degree {degree}", f"choose an order from {-degree} to {degree}"
        )
