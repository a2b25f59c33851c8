"""The location encoders that come with Harmonia."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config.encoders import PARAMETERS, scales_problem
from engine.embedding.encoders import formulas, kernels
from engine.embedding.encoders.encoder import Encoder

_SPACE2VEC = "Mai et al. (2020), Multi-scale representation learning for spatial feature distributions using grid cells"
_SPHERE2VEC = (
    "Mai et al. (2023), Sphere2Vec: a general-purpose location representation learning over a spherical surface"
)


def _harmonic_problem(values: Mapping[str, Any]) -> str:
    most = (values["max_degree"] + 1) ** 2 - 1
    if "basis" in values or values["num_components"] <= most:
        return ""
    return f"K = {values['num_components']} components from degree L = {values['max_degree']}, which has {most}"


def _harmonic_width(values: Mapping[str, Any]) -> int:
    return values["basis"].num_components if "basis" in values else values["num_components"]


def _needlet_width(values: Mapping[str, Any]) -> int:
    return 1 + sum(2 ** (level + 1) * (2 ** (level + 2) - 1) for level in range(values["max_level"] + 1))


BUILT_IN: dict[str, Encoder] = {
    "harmonic": Encoder(
        title="Harmonic basis",
        formula="c tanh(z/c), z = (Y(x) − mean) · component / standard deviation",
        source="Harmonia: area-weighted principal components of the spherical harmonics over a domain",
        function=kernels.harmonic,
        width=_harmonic_width,
        is_periodic=True,
        parameters=PARAMETERS["harmonic"],
        others=("basis",),
        problem=_harmonic_problem,
    ),
    "harmonics": Encoder(
        title="Spherical harmonics",
        formula="Y_lm(φ, λ), l = 0 … L, m = −l … l",
        source="Rußwurm et al. (2024), Geographic location encoding with spherical harmonics and sinusoidal "
        "representation networks",
        function=kernels.harmonics,
        width=lambda values: (values["max_degree"] + 1) ** 2,
        is_periodic=True,
        parameters=PARAMETERS["harmonics"],
    ),
    "direct": Encoder(
        title="Longitude and latitude",
        formula="(λ, φ)",
        source="the coordinates themselves",
        function=formulas.direct,
        width=lambda _: 2,
        is_periodic=False,
    ),
    "cartesian3d": Encoder(
        title="Cartesian",
        formula="(cos φ cos λ, cos φ sin λ, sin φ)",
        source="Tseng et al. (2022), TIML: task-informed meta-learning for agriculture",
        function=formulas.cartesian3d,
        width=lambda _: 3,
        is_periodic=True,
    ),
    "wrap": Encoder(
        title="Wrap",
        formula="(sin λ, cos λ, sin 2φ, cos 2φ)",
        source="Mac Aodha, Cole and Perona (2019), Presence-only geographical priors for image classification",
        function=formulas.wrap,
        width=lambda _: 4,
        is_periodic=True,
    ),
    "sinusoidal": Encoder(
        title="Sinusoidal",
        formula="sin ω_i λ, cos ω_i λ, sin ω_i φ, cos ω_i φ, ω_i = 10000^(−4i/N) per degree",
        source="Vaswani et al. (2017), Attention is all you need, in two dimensions",
        function=formulas.sinusoidal,
        width=lambda values: values["width"],
        is_periodic=False,
        parameters=PARAMETERS["sinusoidal"],
        problem=lambda values: f"width {values['width']} is no multiple of 4" if values["width"] % 4 else "",
    ),
    "grid": Encoder(
        title="Space2Vec grid",
        formula="cos λ_s, sin λ_s, cos φ_s, sin φ_s, s = 1 … S",
        source=_SPACE2VEC,
        function=formulas.grid,
        width=lambda values: 4 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["grid"],
    ),
    "theory": Encoder(
        title="Space2Vec theory",
        formula="cos ⟨x, a_j⟩/α_s, sin ⟨x, a_j⟩/α_s, x = (λ, φ), a_j at 0°, 120°, 240°",
        source=_SPACE2VEC,
        function=formulas.theory,
        width=lambda values: 6 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["theory"],
    ),
    "spherec": Encoder(
        title="Sphere2Vec C",
        formula="sin φ_s, cos φ_s cos λ_s, cos φ_s sin λ_s",
        source=_SPHERE2VEC,
        function=formulas.spherec,
        width=lambda values: 3 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["spherec"],
    ),
    "spherecplus": Encoder(
        title="Sphere2Vec C+",
        formula="Sphere2Vec C and Space2Vec grid side by side",
        source=_SPHERE2VEC,
        function=formulas.spherecplus,
        width=lambda values: 7 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["spherecplus"],
    ),
    "spherem": Encoder(
        title="Sphere2Vec M",
        formula="sin φ_s, cos φ_s cos λ, cos φ cos λ_s, cos φ_s sin λ, cos φ sin λ_s",
        source=_SPHERE2VEC,
        function=formulas.spherem,
        width=lambda values: 5 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["spherem"],
    ),
    "spheremplus": Encoder(
        title="Sphere2Vec M+",
        formula="Sphere2Vec M and Space2Vec grid side by side",
        source=_SPHERE2VEC,
        function=formulas.spheremplus,
        width=lambda values: 9 * values["num_scales"],
        is_periodic=False,
        parameters=PARAMETERS["spheremplus"],
    ),
    "dfs": Encoder(
        title="Double Fourier sphere",
        formula="waves in φ_n, waves in λ_m, and the products of the two",
        source=_SPHERE2VEC + ", after Orszag (1974), Fourier series on spheres",
        function=formulas.dfs,
        width=lambda values: 4 * values["num_scales"] * (1 + values["num_scales"]),
        is_periodic=False,
        parameters=PARAMETERS["dfs"],
    ),
    "rff": Encoder(
        title="Random Fourier features",
        formula="√(2/D) cos(ω_d · x + b_d), x on the unit sphere, ω_d ~ N(0, scale² I)",
        source="Rahimi and Recht (2007), Random features for large-scale kernel machines",
        function=formulas.rff,
        width=lambda values: values["num_components"],
        is_periodic=True,
        parameters=PARAMETERS["rff"],
    ),
    "equal_earth_rff": Encoder(
        title="Equal Earth random features",
        formula="cos 2π b·v, sin 2π b·v, v the Equal Earth coordinates, b ~ N(0, σ² I)",
        source="Vivanco Cepeda, Nayak and Shah (2023), GeoCLIP: Clip-inspired alignment between locations and images",
        function=formulas.equal_earth_rff,
        width=lambda values: values["num_components"],
        is_periodic=False,
        parameters=PARAMETERS["equal_earth_rff"],
        problem=scales_problem,
    ),
    "rbf": Encoder(
        title="Spherical Gaussians",
        formula="exp(κ(x · c_d − 1)), c_d a Fibonacci sphere",
        source="Broomhead and Lowe (1988), Radial basis functions; on the sphere as Fisher (1953)",
        function=kernels.rbf,
        width=lambda values: values["num_components"],
        is_periodic=True,
        parameters=PARAMETERS["rbf"],
    ),
    "needlets": Encoder(
        title="Spherical wavelets",
        formula="√w_jk Σ_l b(l/2^j) (2l+1)/4π P_l(x · ξ_jk)",
        source="Narcowich, Petrushev and Ward (2006), Localized tight frames on spheres",
        function=kernels.needlets,
        width=_needlet_width,
        is_periodic=True,
        parameters=PARAMETERS["needlets"],
    ),
    "table": Encoder(
        title="Learned table",
        formula="weights[column(λ), row(φ)]",
        source="Harmonia: Embedding2d, after torch-geopooling (Bubnov, 2024)",
        function=kernels.table,
        width=None,
        is_periodic=True,
        others=("weights", "topology"),
    ),
}
