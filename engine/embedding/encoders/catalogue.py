"""The location encoders that come with Harmonia."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.embedding.encoders import formulas, kernels
from engine.embedding.encoders.encoder import Encoder, Parameter

_SEED = Parameter(default=0, low=0, high=2**31 - 1, description="seed of the random numbers")
_SCALES = {
    "num_scales": Parameter(default=16, low=1, high=64, description="number of scales S"),
    "min_radius": Parameter(default=0.01, low=1e-6, high=1.0, description="least scale r, radians", is_whole=False),
}
_FEW_SCALES = _SCALES | {"num_scales": Parameter(default=8, low=1, high=32, description="number of scales S")}
_COMPONENTS = Parameter(default=64, low=1, high=4096, description="numbers D")
_DEGREE = Parameter(default=10, low=1, high=80, description="maximum degree L")
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


def _not_shared_evenly(values: Mapping[str, Any]) -> str:
    if values["max_scale"] < values["min_scale"]:
        return f"max_scale {values['max_scale']:g} is smaller than min_scale {values['min_scale']:g}"
    each = 2 * values["num_scales"]
    rest = values["num_components"] % each
    return (
        f"{values['num_components']} numbers are not a multiple of {each}, a cosine and a sine a scale" if rest else ""
    )


BUILT_IN: dict[str, Encoder] = {
    "harmonic": Encoder(
        title="Harmonic basis",
        formula="c tanh(z/c), z = (Y(x) − mean) · component / standard deviation",
        source="Harmonia: area-weighted principal components of the spherical harmonics over a domain",
        function=kernels.harmonic,
        width=_harmonic_width,
        is_periodic=True,
        parameters={
            "max_degree": _DEGREE,
            "num_components": Parameter(default=64, low=1, high=6560, description="components K"),
            "clip_sigma": Parameter(
                default=3.0, low=0.5, high=1e6, description="soft limit c, standard deviations", is_whole=False
            ),
        },
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
        parameters={"max_degree": _DEGREE},
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
        parameters={"width": Parameter(default=64, low=4, high=4096, description="numbers N, a multiple of 4")},
        problem=lambda values: f"width {values['width']} is no multiple of 4" if values["width"] % 4 else "",
    ),
    "grid": Encoder(
        title="Space2Vec grid",
        formula="cos λ_s, sin λ_s, cos φ_s, sin φ_s, s = 1 … S",
        source=_SPACE2VEC,
        function=formulas.grid,
        width=lambda values: 4 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "theory": Encoder(
        title="Space2Vec theory",
        formula="cos ⟨x, a_j⟩/α_s, sin ⟨x, a_j⟩/α_s, x = (λ, φ), a_j at 0°, 120°, 240°",
        source=_SPACE2VEC,
        function=formulas.theory,
        width=lambda values: 6 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "spherec": Encoder(
        title="Sphere2Vec C",
        formula="sin φ_s, cos φ_s cos λ_s, cos φ_s sin λ_s",
        source=_SPHERE2VEC,
        function=formulas.spherec,
        width=lambda values: 3 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "spherecplus": Encoder(
        title="Sphere2Vec C+",
        formula="Sphere2Vec C and Space2Vec grid side by side",
        source=_SPHERE2VEC,
        function=formulas.spherecplus,
        width=lambda values: 7 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "spherem": Encoder(
        title="Sphere2Vec M",
        formula="sin φ_s, cos φ_s cos λ, cos φ cos λ_s, cos φ_s sin λ, cos φ sin λ_s",
        source=_SPHERE2VEC,
        function=formulas.spherem,
        width=lambda values: 5 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "spheremplus": Encoder(
        title="Sphere2Vec M+",
        formula="Sphere2Vec M and Space2Vec grid side by side",
        source=_SPHERE2VEC,
        function=formulas.spheremplus,
        width=lambda values: 9 * values["num_scales"],
        is_periodic=False,
        parameters=_SCALES,
    ),
    "dfs": Encoder(
        title="Double Fourier sphere",
        formula="waves in φ_n, waves in λ_m, and the products of the two",
        source=_SPHERE2VEC + ", after Orszag (1974), Fourier series on spheres",
        function=formulas.dfs,
        width=lambda values: 4 * values["num_scales"] * (1 + values["num_scales"]),
        is_periodic=False,
        parameters=_FEW_SCALES,
    ),
    "rff": Encoder(
        title="Random Fourier features",
        formula="√(2/D) cos(ω_d · x + b_d), x on the unit sphere, ω_d ~ N(0, scale² I)",
        source="Rahimi and Recht (2007), Random features for large-scale kernel machines",
        function=formulas.rff,
        width=lambda values: values["num_components"],
        is_periodic=True,
        parameters={
            "num_components": _COMPONENTS,
            "scale": Parameter(
                default=4.0, low=0.01, high=1e4, description="standard deviation of ω, per radian", is_whole=False
            ),
            "seed": _SEED,
        },
    ),
    "equal_earth_rff": Encoder(
        title="Equal Earth random features",
        formula="cos 2π b·v, sin 2π b·v, v the Equal Earth coordinates, b ~ N(0, σ² I)",
        source="Vivanco Cepeda, Nayak and Shah (2023), GeoCLIP: Clip-inspired alignment between locations and images",
        function=formulas.equal_earth_rff,
        width=lambda values: values["num_components"],
        is_periodic=False,
        parameters={
            "num_components": Parameter(default=96, low=2, high=4096, description="numbers D"),
            "min_scale": Parameter(default=1.0, low=0.01, high=1e4, description="smallest σ", is_whole=False),
            "max_scale": Parameter(default=256.0, low=0.01, high=1e4, description="largest σ", is_whole=False),
            "num_scales": Parameter(default=3, low=1, high=16, description="number of σ"),
            "seed": _SEED,
        },
        problem=_not_shared_evenly,
    ),
    "rbf": Encoder(
        title="Spherical Gaussians",
        formula="exp(κ(x · c_d − 1)), c_d a Fibonacci sphere",
        source="Broomhead and Lowe (1988), Radial basis functions; on the sphere as Fisher (1953)",
        function=kernels.rbf,
        width=lambda values: values["num_components"],
        is_periodic=True,
        parameters={
            "num_components": _COMPONENTS,
            "kappa": Parameter(
                default=0.0,
                low=0.0,
                high=1e6,
                description="concentration κ; 0: half the number of centres",
                is_whole=False,
            ),
        },
    ),
    "needlets": Encoder(
        title="Spherical wavelets",
        formula="√w_jk Σ_l b(l/2^j) (2l+1)/4π P_l(x · ξ_jk)",
        source="Narcowich, Petrushev and Ward (2006), Localized tight frames on spheres",
        function=kernels.needlets,
        width=_needlet_width,
        is_periodic=True,
        parameters={"max_level": Parameter(default=2, low=0, high=5, description="finest level J")},
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
