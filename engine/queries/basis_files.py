"""Files of the Basis page: the function that is shown, its basis, and the spectrum of that."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from engine.embedding.basis import HarmonicBasis
from engine.provenance import Detail, Provenance
from engine.queries import basis
from engine.queries.basis import BasisConfig, SeparableField
from engine.queries.cache import Progress
from engine.queries.export import csv_file, netcdf_file
from engine.sphere import degree_and_order
from engine.sphere.cf import Variables, cf_grid

_HARMONIC = "real spherical harmonics, orthonormal on the unit sphere, without Condon-Shortley phase"
_NUMBER = {"units": "1"}


def harmonic_netcdf(degree: int, order: int) -> bytes:
    """The harmonic Y_lm on the display grid (lat, lon)."""
    variables = _field(basis.harmonic(degree, order), "orthonormal, per square root of a steradian")
    return netcdf_file(xr.Dataset(variables), harmonic_origin(degree, order))


def harmonic_origin(degree: int, order: int) -> Provenance:
    """The provenance of a harmonic."""
    return Provenance(
        recipe="basis.harmonic",
        choices={"degree": degree, "order": order},
        title=f"Real spherical harmonic of degree {degree} and order {order}",
        source=_HARMONIC,
        details={"degree": degree, "order": order},
    )


def component_netcdf(config: BasisConfig, component: int, progress: Progress | None = None) -> bytes:
    """Component ``component`` (from 1) of a basis on the display grid (lat, lon), standardised over its domain, with
    its ``loading`` (harmonic).
    """
    fit = basis.fitted(config, progress)
    index = component - 1
    variables = {
        **_field(basis.component(config, index), "mean 0 and variance 1 over the domain of the fit"),
        "loading": ("harmonic", fit.components[:, index].numpy(), _named("loading of the component on a harmonic")),
        "mean": ("harmonic", fit.mean.numpy(), _named("mean of a harmonic over the domain of the fit")),
        **_harmonics(config),
    }
    return netcdf_file(xr.Dataset(variables), component_origin(config, component))


def component_origin(config: BasisConfig, component: int) -> Provenance:
    """The provenance of component ``component`` (from 1) of a basis."""
    return _origin(
        config,
        "basis.component",
        f"Component {component} of a harmonic basis",
        {"component": component},
        {"component": component, "eigenvalue": float(basis.fitted(config).eigenvalues[component - 1])},
    )


def basis_netcdf(config: BasisConfig, progress: Progress | None = None) -> bytes:
    """The basis with its K components: ``mean`` (harmonic), ``loading`` (component, harmonic), ``eigenvalue``,
    ``explained`` and ``std`` (component).
    """
    full = basis.fitted(config, progress)
    fit = basis.truncated(full, config)
    count = fit.components.shape[1]  # as many as the domain determines
    origin = _origin(
        config,
        "basis.netcdf",
        "Harmonic basis: area-weighted principal components of harmonics",
        details={"num_components": count},
    )
    variables: Variables = {
        "mean": ("harmonic", fit.mean.numpy(), _named("mean of a harmonic over the domain of the fit")),
        "loading": (("component", "harmonic"), fit.components.numpy().T, _named("loading of a component")),
        "eigenvalue": ("component", fit.eigenvalues[:count].numpy(), _named("variance of a component")),
        "explained": ("component", full.explained[:count].numpy(), _named("fraction of the variance")),
        "std": ("component", fit.std.numpy(), _named("standard deviation over the domain of the fit")),
        "component": ("component", np.arange(1, count + 1), _named("number of the component")),
        **_harmonics(config),
    }
    return netcdf_file(xr.Dataset(variables), origin)


def basis_file(config: BasisConfig, progress: Progress | None = None) -> bytes:
    """The basis with its K components, as :meth:`HarmonicBasis.save` writes it."""
    fit: HarmonicBasis = basis.truncated(basis.fitted(config, progress), config)
    origin = _origin(
        config,
        "basis.safetensors",
        "Harmonic basis: area-weighted principal components of harmonics",
        details={"num_components": fit.components.shape[1]},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "basis.safetensors"
        fit.save(path, origin.attributes())
        return path.read_bytes()


def spectrum_csv(config: BasisConfig, progress: Progress | None = None) -> bytes:
    """The spectrum as CSV: component, eigenvalue, fraction of the variance explained, mean degree."""
    basis.fitted(config, progress)
    values = basis.spectrum(config)
    count = values.mean_degree.size  # as many as the domain determines
    columns = {"eigenvalue": values.eigenvalues[:count], "explained": values.explained[:count]}
    origin = _origin(config, "basis.spectrum", "Spectrum of a harmonic basis")
    return csv_file({"component": np.arange(1, count + 1), **columns, "mean_degree": values.mean_degree}, origin)


def _origin(
    config: BasisConfig,
    recipe: str,
    title: str,
    choices: dict[str, Any] | None = None,
    details: dict[str, Detail] | None = None,
) -> Provenance:
    domain = " ".join(f"{name} {value}" for name, value in config.domain.describe().items())
    known: dict[str, Detail] = {
        "max_degree": config.max_degree,
        "num_components": config.num_components,
        "domain": domain.removeprefix("kind "),
        "step_deg": config.step_deg,
    }
    return Provenance(
        recipe=recipe,
        choices={"config": asdict(config), **(choices or {})},
        title=title,
        source=f"area-weighted principal component analysis of {_HARMONIC}",
        details=known | (details or {}),
    )


def _field(factors: SeparableField, normalisation: str) -> Variables:
    attrs = {"long_name": factors.name, "units": "1", "normalisation": normalisation}
    return {"field": (("lat", "lon"), factors.field(), attrs), **cf_grid(basis.display_grid())}


def _harmonics(config: BasisConfig) -> Variables:
    pairs = np.array([degree_and_order(index) for index in range((config.max_degree + 1) ** 2)], np.int32)
    return {
        "degree": ("harmonic", pairs[:, 0], _named("degree l of a harmonic")),
        "order": ("harmonic", pairs[:, 1], _named("order m of a harmonic; m < 0: sine of |m| times longitude")),
    }


def _named(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, **_NUMBER}
