"""The one door for the explorer's numbers: config in, numpy and xarray out, cached by content."""

from engine.compute import describe_device, use_thread_policy
from engine.data import DOMAINS, Domain
from engine.queries.basis import (
    MAX_DEGREE,
    MAX_FIT_DEGREE,
    MAX_RUN_DEGREE,
    BasisConfig,
    Factors,
    HarmonicFacts,
    Spectrum,
    basis_file,
    component,
    domain_mask,
    field_netcdf,
    fit_estimate,
    fitted,
    harmonic,
    harmonic_facts,
    is_fitted,
    makeup_tiles,
    needs_run,
    passport,
    profile,
    pyramid_tiles,
    spectrum,
    spectrum_csv,
    take_fit,
)

__all__ = [
    "DOMAINS",
    "MAX_DEGREE",
    "MAX_FIT_DEGREE",
    "MAX_RUN_DEGREE",
    "BasisConfig",
    "Domain",
    "Factors",
    "HarmonicFacts",
    "Spectrum",
    "basis_file",
    "component",
    "describe_device",
    "domain_mask",
    "field_netcdf",
    "fit_estimate",
    "fitted",
    "harmonic",
    "harmonic_facts",
    "is_fitted",
    "makeup_tiles",
    "needs_run",
    "passport",
    "profile",
    "pyramid_tiles",
    "spectrum",
    "spectrum_csv",
    "take_fit",
    "warm_up",
]


def warm_up() -> None:
    """Set the threads and make what every first visitor needs, so that none of them waits for it."""
    use_thread_policy()
    harmonic(6, 3)
    domain_mask(Domain("ocean"))
    pyramid_tiles(8)
