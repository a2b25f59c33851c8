"""Large fits of the Basis page: the background run of a basis, and the text before it starts."""

from __future__ import annotations

from engine.queries.basis import DOMAINS, BasisConfig, fit_estimate
from engine.runs import BasisSettings, RunConfig
from explorer.run_card import Offer


def run_config(config: BasisConfig) -> RunConfig:
    """The run that fits this basis: all components, so that K can change without another run."""
    domain = config.domain
    edges = (domain.south, domain.north, domain.west, domain.west + ((domain.east - domain.west) % 360.0 or 360.0))
    settings = BasisSettings.model_validate(
        {
            "step_deg": config.step_deg,
            "max_degree": config.max_degree,
            "num_components": (config.max_degree + 1) ** 2 - 1,
            "domain": domain.kind,
            "box": edges if domain.kind == "box" else None,
        }
    )
    return RunConfig(settings=settings)


def offer(config: BasisConfig) -> Offer:
    """The fit for the card."""
    seconds, nbytes = fit_estimate(config)
    invitation = (
        f"L = {config.max_degree} is a large fit: {(config.max_degree + 1) ** 2} unknowns, about {seconds:.0f} s of "
        f"one core and {nbytes / 2**20:.0f} MB. It runs in the background and continues after you close the browser."
    )
    name = f"Basis, {DOMAINS[config.domain.kind].lower()}, L = {config.max_degree}"
    return Offer(run_config(config), name, invitation)
