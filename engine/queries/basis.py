"""Data of the Basis page: harmonics, fitted bases, their components, spectra, accuracy and limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from engine.compute import use_thread_policy
from engine.data import DOMAINS as DOMAINS
from engine.data import Domain as Domain
from engine.embedding.basis import HarmonicBasis, check_sizes
from engine.embedding.passport import agreement, cut, plateau
from engine.errors import ChoiceError, StoreError
from engine.queries.cache import CACHE, Progress
from engine.sphere import HarmonicGrid, LatLonGrid, harmonics_at, nodal_lines, wavelength_km
from engine.sphere.harmonics import legendre_rows
from engine.typed import Floats, Ints, Singles

#: Degree up to which a PCA over part of the sphere is fitted in the session; the eigenproblem has (L+1)² unknowns.
MAX_FIT_DEGREE = 40

#: Degree up to which it can be fitted as a background run.
MAX_RUN_DEGREE = 60
MAX_DEGREE = 180


@dataclass(frozen=True)
class BasisConfig:
    """Settings of a fit: max. degree L, K components, a domain, and the step of the grid of the fit in degrees."""

    max_degree: int = 10
    num_components: int = 64
    domain: Domain = field(default_factory=Domain)
    step_deg: float = 1.0

    def grid(self) -> LatLonGrid:
        """The grid of the fit."""
        return LatLonGrid.regular(self.step_deg)


@dataclass(frozen=True)
class SeparableField:
    """A field as ``lat_table (H, R) @ trig (R, W)`` on the grid ``lat (H,)``, ``lon (W,)`` in degrees.

    Row r of ``trig`` is the wave of ``orders[r]`` = m: cos mλ or, for m < 0, sin |m|λ.

    ``limit`` bounds the field's magnitude, ``peak`` is where (lat, lon, degrees) it is reached; ``name`` and ``units``
    say what the field is.
    """

    lat: Floats
    lon: Floats
    lat_table: Singles
    orders: Ints
    trig: Singles
    limit: float
    peak: tuple[float, float]
    name: str
    units: str

    def field(self) -> Singles:
        """The field itself, ``(H, W)``."""
        return self.lat_table @ self.trig


@cache
def display_grid() -> LatLonGrid:
    """The grid of the screen: 721 × 1440 points, 0.25°, poles included."""
    return LatLonGrid.poles(0.25)


@cache
def _display(max_degree: int) -> HarmonicGrid:
    return HarmonicGrid(display_grid(), max_degree)


def _profiles() -> Singles:
    """The latitude profiles of all harmonics on the display grid, order |m| of degree l in row l(l+1)/2 + |m|: 47 MB.

    The recursion runs over all orders together, so computing all takes little longer than computing one.
    """
    table = np.empty(((MAX_DEGREE + 1) * (MAX_DEGREE + 2) // 2, display_grid().shape[0]), np.float32)
    for degree, rows in enumerate(legendre_rows(display_grid().lat, MAX_DEGREE)):
        first = degree * (degree + 1) // 2
        table[first : first + degree + 1] = rows.numpy()
    return table


def harmonic(degree: int, order: int) -> SeparableField:
    """The real spherical harmonic Y_lm on the display grid, in sr⁻½ (orthonormal on the unit sphere)."""
    grid = display_grid()
    profile = CACHE.get(("profiles", grid.key), _profiles, lambda table: table.nbytes)[
        degree * (degree + 1) // 2 + abs(order)
    ]
    wave = _display(MAX_DEGREE).trig[MAX_DEGREE + order].to(torch.float32).numpy()
    return SeparableField(
        grid.lat,
        grid.lon,
        profile[:, None],
        np.array([order]),
        wave[None, :],
        float(np.abs(profile).max() * np.abs(wave).max()),
        (float(grid.lat[np.abs(profile).argmax()]), float(grid.lon[np.abs(wave).argmax()])),
        f"Y degree {degree}, order {order}".replace("-", "−"),
        "sr⁻½",
    )


def harmonic_tiles(max_degree: int, size: int = 40) -> Singles:
    """Thumbnails of all harmonics up to ``max_degree``: ``((L+1)², size, size)`` in [-1, 1], NaN outside the disc.

    Each is an orthographic view of the globe centred on 25° N, 20° E, divided by its largest magnitude.
    """
    lat, lon = _orthographic(size, 25.0, 20.0)
    visible = np.isfinite(lat)
    tiles = np.full(((max_degree + 1) ** 2, size, size), np.nan, np.float32)
    values = harmonics_at(lat[visible], lon[visible], max_degree).numpy().T
    tiles[:, visible] = values / np.abs(values).max(axis=1, keepdims=True)
    return tiles


def _orthographic(size: int, lat0_deg: float, lon0_deg: float) -> tuple[Floats, Floats]:
    """Latitude and longitude ``(size, size)`` of the pixels of an orthographic view, NaN outside the disc."""
    line = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(line, -line)
    depth = np.sqrt(np.where(x**2 + y**2 <= 1, 1 - x**2 - y**2, np.nan))
    tilt = np.radians(lat0_deg)
    up = y * np.cos(tilt) + depth * np.sin(tilt)
    out = depth * np.cos(tilt) - y * np.sin(tilt)
    return np.degrees(np.arcsin(up)), lon0_deg + np.degrees(np.arctan2(x, out))


def _fit_key(config: BasisConfig) -> tuple[object, ...]:
    # All components are kept, so K only says how many of them are used.
    return ("basis", config.max_degree, config.domain, config.step_deg)


def needs_run(config: BasisConfig) -> bool:
    """Whether fitting ``config`` takes so long that it has to be a background run."""
    return config.domain.kind != "sphere" and config.max_degree > MAX_FIT_DEGREE


def fit_estimate(config: BasisConfig) -> tuple[float, int]:
    """Estimated seconds on one core and bytes of memory for fitting ``config``.

    Measured at L = 60 on 0.25°: 3 s of covariance and 18 s of eigenvectors on a core with AVX-512; the first grows
    with D² and the rows of the grid, the second with D³. At the peak five D × D matrices of float64 are in memory.
    """
    size = (config.max_degree + 1) ** 2
    relative = size / 61**2
    return 3.0 * relative**2 * 0.25 / config.step_deg + 18.0 * relative**3, 5 * 8 * size**2


def load_fit(config: BasisConfig, path: Path) -> HarmonicBasis:
    """The basis of ``config`` from the file of a run, cached like one that was fitted here.

    Raises :class:`StoreError` when the file is missing, damaged, or holds another basis.
    """

    def load() -> HarmonicBasis:
        basis = HarmonicBasis.load(path)
        if basis.max_degree != config.max_degree or basis.grid != config.grid():
            raise StoreError("this is another basis", str(path), "start the fit again")
        return basis

    return CACHE.get(_fit_key(config), load, _basis_bytes)


def is_fitted(config: BasisConfig) -> bool:
    """Whether the basis is in the cache."""
    return _fit_key(config) in CACHE


def fitted(config: BasisConfig, progress: Progress | None = None, *, in_session: bool = True) -> HarmonicBasis:
    """The basis of ``config`` with all components that its domain determines, fitted now unless it is in the cache.

    Raises :class:`ChoiceError` when the domain contains no cell, K is not possible, or, ``in_session``,
    :func:`needs_run`.
    """
    check_sizes(config.max_degree, config.num_components)
    if in_session and needs_run(config) and not is_fitted(config):
        raise ChoiceError(
            "this fit is too large to run in the session",
            f"max_degree L = {config.max_degree}",
            f"start it as a background run, or choose L ≤ {MAX_FIT_DEGREE}",
        )

    def fit() -> HarmonicBasis:
        grid = config.grid()
        return HarmonicBasis.fit(
            grid,
            config.max_degree,
            (config.max_degree + 1) ** 2 - 1,
            where=config.domain.mask(grid),
            progress=progress,
            domain=config.domain.describe(),
        )

    return CACHE.get(_fit_key(config), fit, _basis_bytes)


def _basis_bytes(basis: HarmonicBasis) -> int:
    return 8 * (basis.components.numel() + 4 * basis.mean.numel())


def component(config: BasisConfig, index: int) -> SeparableField:
    """Component ``index`` (from 0) on the display grid, standardised: mean 0 and variance 1 over the fit domain.

    Raises :class:`ChoiceError` for one that the domain does not determine.
    """
    basis, grid = fitted(config), display_grid()
    if index >= basis.num_components:
        raise ChoiceError(
            f"component {index + 1} is no more than rounding",
            f"the domain determines {basis.num_components} of {basis.eigenvalues.numel() - 1} components",
            f"choose component 1 to {basis.num_components}, a larger domain or a smaller L",
        )

    def factors() -> SeparableField:
        lat_table = basis.component_factors(grid, index)[0].to(torch.float32).numpy()
        trig = _display(config.max_degree).trig.to(torch.float32).numpy()
        # every fourth row and column is enough: the largest value is off by much less than a colour step
        size = np.abs(lat_table[::4] @ trig[:, ::4])
        row, column = np.unravel_index(size.argmax(), size.shape)
        peak = float(grid.lat[4 * row]), float(grid.lon[4 * column])
        orders = np.arange(-config.max_degree, config.max_degree + 1)
        return SeparableField(
            grid.lat, grid.lon, lat_table, orders, trig, float(size.max()), peak, f"Component {index + 1}", "σ"
        )

    return CACHE.get((*_fit_key(config), "component", index), factors, lambda field: field.lat_table.nbytes)


def coefficients(config: BasisConfig, max_bytes: int = 4_000_000) -> Singles:
    """Coefficients (K, (L+1)²) of the standardised components, as :func:`component` draws them: fewer than K where they
    would exceed ``max_bytes``.

    The constant that centres a component is part of its first coefficient: c Y₀₀ √(4π) = c.
    """
    basis = fitted(config)
    count = min(config.num_components, basis.num_components, max_bytes // (4 * basis.mean.numel()))
    coeffs = basis.components[:, :count] / basis.std[:count]
    coeffs[0] -= basis.mean @ coeffs * (4.0 * torch.pi) ** 0.5
    return coeffs.T.to(torch.float32).cpu().numpy()


@dataclass(frozen=True)
class HarmonicProperties:
    """Wavelength (None for degree 0) and numbers of nodal parallels and meridians of a harmonic."""

    wavelength_km: float | None
    parallels: int
    meridians: int


def harmonic_properties(degree: int, order: int) -> HarmonicProperties:
    """Wavelength, and the circles of latitude and great circles through the poles on which Y_lm is zero."""
    return HarmonicProperties(wavelength_km(degree) if degree else None, *nodal_lines(degree, order))


@dataclass(frozen=True)
class EigenvalueSpectrum:
    """The eigenvalues ``(D,)`` of a fitted basis, descending, with their plateau and the degree that K splits.

    ``explained (D-1,)`` is the fraction of the variance of each component; ``mean_degree (rank,)`` the mean degree of
    its harmonics, weighted by squared loading, of those that the domain determines; ``plateau`` the first and last
    component (from 0) whose eigenvalues are nearly equal, or None; ``plateau_text`` and ``cut_text`` are sentences on
    the plateau and on the degree K splits; ``rank_text`` on components that the domain does not determine, or None.
    """

    eigenvalues: Floats
    explained: Floats
    mean_degree: Floats
    smallest_scale_km: float
    plateau: tuple[int, int] | None
    plateau_text: str
    cut_text: str
    is_cut_clean: bool
    rank_text: str | None


def spectrum(config: BasisConfig) -> EigenvalueSpectrum:
    """The spectrum of the basis of ``config``."""
    full = fitted(config)

    def compute() -> EigenvalueSpectrum:
        basis = truncated(full, config)
        squared_loadings: Floats = (full.components**2).numpy()
        plateau_info, cut_info = plateau(basis), cut(basis)
        return EigenvalueSpectrum(
            full.eigenvalues.numpy(),
            (full.eigenvalues[:-1] / full.eigenvalues.sum()).numpy(),
            np.sqrt(np.arange(len(squared_loadings))).astype(int) @ squared_loadings,
            wavelength_km(config.max_degree) / 2,
            None if plateau_info["first"] is None else (plateau_info["first"], plateau_info["last"]),
            plateau_info["text"],
            cut_info["text"],
            cut_info["clean"],
            full.rank_text,
        )

    key = (*_fit_key(config), "spectrum", config.num_components)
    return CACHE.get(key, compute, lambda spectrum: 3 * spectrum.eigenvalues.nbytes)


def truncated(basis: HarmonicBasis, config: BasisConfig) -> HarmonicBasis:
    """The basis with its first K components only."""
    count = config.num_components
    return replace(basis, components=basis.components[:, :count].contiguous(), std=basis.std[:count].contiguous())


def loading_tiles(config: BasisConfig, index: int) -> Singles:
    """Loading of component ``index`` on every harmonic, ``((L+1)², 1, 1)``, divided by the largest magnitude."""
    loading = fitted(config).components[:, index].numpy()
    return (loading / np.abs(loading).max()).astype(np.float32)[:, None, None]


def profile(factors: SeparableField, lon_deg: float) -> tuple[Floats, Floats, Floats]:
    """Latitude, the field along the meridian nearest to ``lon_deg``, its rms around each parallel: ``(H,)`` each."""
    column = int(np.argmin(np.abs((factors.lon - lon_deg + 180) % 360 - 180)))
    along = factors.lat_table @ factors.trig[:, column]
    # the waves are orthogonal over a full circle: the mean square is a sum over orders
    power = (factors.trig.astype(np.float64) ** 2).mean(axis=1)
    rms = np.sqrt(factors.lat_table.astype(np.float64) ** 2 @ power)
    return factors.lat, along.astype(np.float64), rms


def domain_mask(domain: Domain) -> tuple[xr.DataArray | None, float]:
    """The domain on the display grid (True = inside; None for the sphere) and its fraction of the Earth's area."""
    grid = display_grid()

    def compute() -> tuple[xr.DataArray | None, float]:
        mask = domain.mask(grid)
        if mask is None:
            return None, 1.0
        area = grid.cell_area_m2
        fraction = float(area @ mask.mean(axis=1) / area.sum())
        return xr.DataArray(mask, dims=("lat", "lon"), coords={"lat": grid.lat, "lon": grid.lon}), fraction

    return CACHE.get(("domain", domain), compute, lambda result: 0 if result[0] is None else result[0].nbytes)


def accuracy(config: BasisConfig, progress: Progress) -> dict[str, Any]:
    """Accuracy and limits of the basis (:meth:`HarmonicBasis.passport`), with its agreement with ocean and land."""
    progress(0.0, "Reading the basis …")
    basis = truncated(fitted(config, progress), config)

    def compute() -> dict[str, Any]:
        progress(0.2, "Comparing float32 with float64 …")
        passport = basis.passport(config.grid())
        for kind in sorted({"ocean", "land"} - {config.domain.kind}):
            progress(0.6, f"Comparing with the {kind}'s basis …")
            other = replace(config, domain=Domain(kind))
            if needs_run(other) and not is_fitted(other):
                continue
            passport["agreement"][kind] = agreement(basis, truncated(fitted(other, progress), other))
        return passport

    key = (*_fit_key(config), "passport", config.num_components)
    return CACHE.get(key, compute, lambda passport: 16 * len(passport["spectrum"]))


def warm_up() -> None:
    """Set the number of threads and compute what the first page draws, before the first visitor opens it."""
    use_thread_policy()
    harmonic(6, 3)
    domain_mask(Domain("ocean"))
    harmonic_tiles(8)


def probe_sentences(config: BasisConfig) -> list[str]:
    """What the probe that comes along measured nearest to this choice; none for a domain that was not probed.

    Over the whole sphere the components are the harmonics themselves.
    """
    # imported when needed: the first page opens without it
    from engine.queries.embeddings.probe_results import advice, shipped_probe

    encoder = {"sphere": "harmonics", "ocean": "harmonic"}.get(config.domain.kind)
    sentence = "" if encoder is None else advice(shipped_probe(), encoder, config.max_degree, config.num_components)
    return [sentence] if sentence else []
