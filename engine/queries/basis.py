"""Numbers of the Basis page: harmonics, fitted bases, their components, spectra and passports."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from engine.compute import use_thread_policy
from engine.data import DOMAINS as DOMAINS
from engine.data import Domain as Domain
from engine.embedding.basis import HarmonicBasis
from engine.embedding.passport import agreement, cut, plateau
from engine.errors import ChoiceError, StoreError
from engine.queries.cache import CACHE, Progress
from engine.queries.export import netcdf_file
from engine.sphere import (
    HarmonicGrid,
    LatLonGrid,
    harmonics_at,
    nodal_lines,
    wavelength_km,
)
from engine.sphere.harmonics import legendre_rows

Floats = NDArray[np.float64]

#: Degree to which a PCA over part of the sphere answers at once; the eigenproblem has (L+1)² unknowns.
MAX_FIT_DEGREE = 40

#: Degree to which it can be fitted as a background run.
MAX_RUN_DEGREE = 60
MAX_DEGREE = 180


@dataclass(frozen=True)
class BasisConfig:
    """What a basis is fitted to: degree L, K components, a domain, and the step of the fit's grid in degrees."""

    max_degree: int = 10
    num_components: int = 64
    domain: Domain = field(default_factory=Domain)
    step_deg: float = 1.0

    def grid(self) -> LatLonGrid:
        """The grid of the fit."""
        return LatLonGrid.regular(self.step_deg)


@dataclass(frozen=True)
class Factors:
    """A field as ``lat_table (H, R) @ trig (R, W)`` on the grid ``lat (H,)``, ``lon (W,)`` in degrees.

    Row r of ``trig`` is the wave of ``orders[r]`` = m: cos mλ or, for m < 0, sin |m|λ.

    ``limit`` bounds the field's magnitude, ``peak`` is where (lat, lon, degrees) it is reached; ``name`` and ``units``
    say what the field is.
    """

    lat: Floats
    lon: Floats
    lat_table: NDArray[np.float32]
    orders: NDArray[np.int64]
    trig: NDArray[np.float32]
    limit: float
    peak: tuple[float, float]
    name: str
    units: str

    def field(self) -> NDArray[np.float32]:
        """The field itself, ``(H, W)``."""
        return self.lat_table @ self.trig


@cache
def display_grid() -> LatLonGrid:
    """The grid of the screen: 721 × 1440 points, 0.25°, poles included."""
    return LatLonGrid.poles(0.25)


@cache
def _display(max_degree: int) -> HarmonicGrid:
    return HarmonicGrid(display_grid(), max_degree)


def _profiles() -> NDArray[np.float32]:
    """The latitude profiles of all harmonics on the display grid, order |m| of degree l in row l(l+1)/2 + |m|: 47 MB.

    All at once takes little longer than one, because the recursion runs over all orders together.
    """
    table = np.empty(((MAX_DEGREE + 1) * (MAX_DEGREE + 2) // 2, display_grid().shape[0]), np.float32)
    for degree, rows in enumerate(legendre_rows(display_grid().lat, MAX_DEGREE)):
        first = degree * (degree + 1) // 2
        table[first : first + degree + 1] = rows.numpy()
    return table


def _table_bytes(table: NDArray[Any]) -> int:
    return table.nbytes


def harmonic(degree: int, order: int) -> Factors:
    """The real spherical harmonic Y_lm on the display grid, in sr⁻½ (orthonormal on the unit sphere)."""
    grid = display_grid()
    profile = CACHE.get(("profiles", grid.key), _profiles, _table_bytes)[degree * (degree + 1) // 2 + abs(order)]
    wave = _display(MAX_DEGREE).trig[MAX_DEGREE + order].to(torch.float32).numpy()
    return Factors(
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


def pyramid_tiles(max_degree: int, size: int = 40) -> NDArray[np.float32]:
    """Small pictures of all harmonics up to ``max_degree``: ``((L+1)², size, size)`` in [-1, 1], NaN off the disc.

    Each is the globe seen from 25° N, 20° E in an orthographic view, scaled to its own largest value there.
    """
    lat, lon = _orthographic(size, 25.0, 20.0)
    seen = np.isfinite(lat)
    tiles = np.full(((max_degree + 1) ** 2, size, size), np.nan, np.float32)
    values = harmonics_at(lat[seen], lon[seen], max_degree).numpy().T
    tiles[:, seen] = values / np.abs(values).max(axis=1, keepdims=True)
    return tiles


def _orthographic(size: int, lat0_deg: float, lon0_deg: float) -> tuple[Floats, Floats]:
    """Latitude and longitude ``(size, size)`` under the pixels of a globe's disc, NaN beside it."""
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
    """Whether fitting ``config`` takes so long that it must be a background run."""
    return config.domain.kind != "sphere" and config.max_degree > MAX_FIT_DEGREE


def fit_estimate(config: BasisConfig) -> tuple[float, int]:
    """Seconds of one core and bytes of memory that fitting ``config`` takes, roughly.

    Measured at L = 60 on 0.25°: 3 s of covariance and 18 s of eigenvectors on a core with AVX-512; the first grows
    with D² and the rows of the grid, the second with D³. Five D × D matrices of float64 are held at the peak.
    """
    size = (config.max_degree + 1) ** 2
    relative = size / 61**2
    return 3.0 * relative**2 * 0.25 / config.step_deg + 18.0 * relative**3, 5 * 8 * size**2


def take_fit(config: BasisConfig, path: Path) -> HarmonicBasis:
    """The basis of ``config`` from the file that a run left, kept like one that was fitted here.

    Raises :class:`StoreError` when the file is missing, damaged, or holds another basis.
    """

    def load() -> HarmonicBasis:
        basis = HarmonicBasis.load(path)
        if basis.max_degree != config.max_degree or basis.grid != config.grid():
            raise StoreError("this is another basis", str(path), "start the fit again")
        return basis

    return CACHE.get(_fit_key(config), load, _basis_bytes)


def is_fitted(config: BasisConfig) -> bool:
    """Whether the basis is at hand, so that asking for its parts costs next to nothing."""
    return _fit_key(config) in CACHE


def fitted(config: BasisConfig, progress: Progress | None = None) -> HarmonicBasis:
    """The basis of ``config`` with all (L+1)² − 1 components, fitted now if it is not at hand.

    Raises :class:`ChoiceError` when the domain holds no cell, K is not possible, or the fit is one for a run.
    """
    _check(config)
    if needs_run(config) and not is_fitted(config):
        raise ChoiceError(
            "this fit is too large to be made while somebody waits",
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


def _check(config: BasisConfig) -> None:
    most = (config.max_degree + 1) ** 2 - 1
    if not 1 <= config.num_components <= most:
        raise ChoiceError(
            f"K = {config.num_components} components were asked for",
            f"max_degree L = {config.max_degree}",
            f"choose K from 1 to (L+1)² − 1 = {most}",
        )


def component(config: BasisConfig, index: int) -> Factors:
    """Component ``index`` (from 0) on the display grid, standardised: mean 0 and variance 1 over the fit domain."""
    basis, grid = fitted(config), display_grid()

    def factors() -> Factors:
        lat_table = basis.component_factors(grid, index)[0].to(torch.float32).numpy()
        trig = _display(config.max_degree).trig.to(torch.float32).numpy()
        # every fourth row and column is enough to find the largest value to well under a colour step
        size = np.abs(lat_table[::4] @ trig[:, ::4])
        row, column = np.unravel_index(size.argmax(), size.shape)
        peak = float(grid.lat[4 * row]), float(grid.lon[4 * column])
        orders = np.arange(-config.max_degree, config.max_degree + 1)
        return Factors(
            grid.lat, grid.lon, lat_table, orders, trig, float(size.max()), peak, f"Component {index + 1}", "σ"
        )

    return CACHE.get((*_fit_key(config), "component", index), factors, lambda made: made.lat_table.nbytes)


@dataclass(frozen=True)
class HarmonicFacts:
    """What a person asks of one harmonic; the wavelength is None for degree 0."""

    wavelength_km: float | None
    parallels: int
    meridians: int


def harmonic_facts(degree: int, order: int) -> HarmonicFacts:
    """Wavelength, and the circles of latitude and great circles through the poles on which Y_lm is zero."""
    return HarmonicFacts(wavelength_km(degree) if degree else None, *nodal_lines(degree, order))


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues ``(D,)`` of a fitted basis, descending, and what they say about a choice of K.

    ``explained (D-1,)`` is each component's share of the variance; ``mean_degree (D-1,)`` the degree that a component
    is made of on average; ``plateau`` the first and last component (from 0) whose eigenvalues are nearly equal, or
    None; ``plateau_words`` and ``cut_words`` say in a sentence what the plateau means and what K cuts through.
    """

    eigenvalues: Floats
    explained: Floats
    mean_degree: Floats
    smallest_scale_km: float
    plateau: tuple[int, int] | None
    plateau_words: str
    cut_words: str
    cut_clean: bool


def spectrum(config: BasisConfig) -> Spectrum:
    """The spectrum of the basis of ``config``."""
    whole = fitted(config)

    def read() -> Spectrum:
        basis = _kept(whole, config)
        shares: Floats = (whole.components**2).numpy()
        level, cuts = plateau(basis), cut(basis)
        return Spectrum(
            whole.eigenvalues.numpy(),
            whole.explained.numpy(),
            np.sqrt(np.arange(len(shares))).astype(int) @ shares,
            wavelength_km(config.max_degree) / 2,
            None if level["first"] is None else (level["first"], level["last"]),
            level["text"],
            cuts["text"],
            cuts["clean"],
        )

    return CACHE.get(
        (*_fit_key(config), "spectrum", config.num_components), read, lambda made: 3 * made.eigenvalues.nbytes
    )


def _kept(basis: HarmonicBasis, config: BasisConfig) -> HarmonicBasis:
    """The basis with its first K components only."""
    count = config.num_components
    return replace(basis, components=basis.components[:, :count].contiguous(), std=basis.std[:count].contiguous())


def makeup_tiles(config: BasisConfig, index: int) -> NDArray[np.float32]:
    """What component ``index`` mixes: its loading on every harmonic, ``((L+1)², 1, 1)``, scaled to the largest."""
    loading = fitted(config).components[:, index].numpy()
    return (loading / np.abs(loading).max()).astype(np.float32)[:, None, None]


def profile(factors: Factors, lon_deg: float) -> tuple[Floats, Floats, Floats]:
    """Latitude, the field along the meridian nearest to ``lon_deg``, its rms around each parallel: ``(H,)`` each."""
    column = int(np.argmin(np.abs((factors.lon - lon_deg + 180) % 360 - 180)))
    along = factors.lat_table @ factors.trig[:, column]
    # the waves are orthogonal over a full circle, so the mean square is a sum over orders
    power = (factors.trig.astype(np.float64) ** 2).mean(axis=1)
    rms = np.sqrt(factors.lat_table.astype(np.float64) ** 2 @ power)
    return factors.lat, along.astype(np.float64), rms


def domain_mask(domain: Domain) -> tuple[xr.DataArray | None, float]:
    """The domain on the display grid (True = counts; None when all of it does) and its share of the Earth's area."""
    grid = display_grid()

    def draw() -> tuple[xr.DataArray | None, float]:
        mask = domain.mask(grid)
        if mask is None:
            return None, 1.0
        area = grid.cell_area_m2
        share = float(area @ mask.mean(axis=1) / area.sum())
        return xr.DataArray(mask, dims=("lat", "lon"), coords={"lat": grid.lat, "lon": grid.lon}), share

    return CACHE.get(("domain", domain), draw, lambda drawn: 0 if drawn[0] is None else drawn[0].nbytes)


def passport(config: BasisConfig, progress: Progress) -> dict[str, Any]:
    """The basis's passport, with its agreement with the ocean's and the land's (:func:`engine.embedding.passport`)."""
    progress(0.0, "Reading the basis …")
    basis = _kept(fitted(config, progress), config)

    def read() -> dict[str, Any]:
        progress(0.2, "Comparing float32 with float64 …")
        found = basis.passport(config.grid())
        for kind in sorted({"ocean", "land"} - {config.domain.kind}):
            progress(0.6, f"Comparing with the {kind}'s basis …")
            other = replace(config, domain=Domain(kind))
            if needs_run(other) and not is_fitted(other):
                continue
            found["agreement"][kind] = agreement(basis, _kept(fitted(other, progress), other))
        return found

    return CACHE.get(
        (*_fit_key(config), "passport", config.num_components), read, lambda found: 16 * len(found["spectrum"])
    )


def field_netcdf(factors: Factors) -> bytes:
    """The field as a CF NetCDF file."""
    data = xr.DataArray(
        factors.field(),
        dims=("lat", "lon"),
        coords={
            "lat": ("lat", factors.lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", factors.lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
        attrs={"long_name": factors.name, "units": "1", "normalisation": factors.units},
    )
    return netcdf_file(data.to_dataset(name="field"))


def basis_file(config: BasisConfig, progress: Progress | None = None) -> bytes:
    """The basis of ``config`` with its K components, as :meth:`HarmonicBasis.save` writes it."""
    basis = _kept(fitted(config, progress), config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "basis.safetensors"
        basis.save(path)
        return path.read_bytes()


def spectrum_csv(config: BasisConfig, progress: Progress | None = None) -> bytes:
    """The spectrum as a table: component, eigenvalue, share explained, mean degree."""
    fitted(config, progress)
    found = spectrum(config)
    lines = ["component,eigenvalue,explained,mean_degree"]
    rows = zip(found.eigenvalues[:-1], found.explained, found.mean_degree, strict=True)
    lines += [f"{index},{value:.9g},{share:.9g},{degree:.6g}" for index, (value, share, degree) in enumerate(rows, 1)]
    return ("\n".join(lines) + "\n").encode()


def warm_up() -> None:
    """Set the threads and make what every first visitor needs, so that none of them waits for it."""
    use_thread_policy()
    harmonic(6, 3)
    domain_mask(Domain("ocean"))
    pyramid_tiles(8)
