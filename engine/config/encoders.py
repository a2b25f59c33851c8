"""Location encoders as settings: their names, the numbers that each takes, and what a model reads them with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, get_args

from pydantic import Field

from engine.config.fields import Checked
from engine.errors import ChoiceError

ENTRY_POINTS = "harmonia.encoders"
"""Group of entry points under which other packages offer encoders."""

EncoderName = Literal[
    "harmonic",
    "harmonics",
    "direct",
    "cartesian3d",
    "wrap",
    "sinusoidal",
    "grid",
    "theory",
    "spherec",
    "spherecplus",
    "spherem",
    "spheremplus",
    "dfs",
    "rff",
    "equal_earth_rff",
    "rbf",
    "needlets",
    "table",
    "none",
]
"""The location encoders of a model that come with Harmonia."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number that an encoder takes: its default, and the range in which it is legal, both ends included."""

    default: float
    low: float
    high: float
    description: str
    is_whole: bool = True

    def check(self, name: str, value: object, where: str) -> None:
        """Raise :class:`ChoiceError` for a value of another type or beyond the range."""
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not self.low <= number <= self.high or (self.is_whole and number != int(number)):
            wanted = "a whole number" if self.is_whole else "a number"
            raise ChoiceError(f"{name} is {value!r}", where, f"choose {wanted} from {self.low:g} to {self.high:g}")


_SEED = Parameter(default=0, low=0, high=2**31 - 1, description="seed of the random numbers")
_SCALES = {
    "num_scales": Parameter(default=16, low=1, high=64, description="number of scales S"),
    "min_radius": Parameter(default=0.01, low=1e-6, high=1.0, description="least scale r, radians", is_whole=False),
}
_FEW_SCALES = _SCALES | {"num_scales": Parameter(default=8, low=1, high=32, description="number of scales S")}
_COMPONENTS = Parameter(default=64, low=1, high=4096, description="numbers D")
_DEGREE = Parameter(default=10, low=1, high=80, description="maximum degree L")
_CLIP = Parameter(default=3.0, low=0.5, high=1e6, description="soft limit c, standard deviations", is_whole=False)
_SCALE = Parameter(default=4.0, low=0.01, high=1e4, description="standard deviation of ω, per radian", is_whole=False)
_KAPPA = Parameter(
    default=0.0, low=0.0, high=1e6, description="concentration κ; 0: half the number of centres", is_whole=False
)

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "harmonic": {
        "max_degree": _DEGREE,
        "num_components": Parameter(default=64, low=1, high=6560, description="components K"),
        "clip_sigma": _CLIP,
    },
    "harmonics": {"max_degree": _DEGREE},
    "sinusoidal": {"width": Parameter(default=64, low=4, high=4096, description="numbers N, a multiple of 4")},
    "grid": _SCALES,
    "theory": _SCALES,
    "spherec": _SCALES,
    "spherecplus": _SCALES,
    "spherem": _SCALES,
    "spheremplus": _SCALES,
    "dfs": _FEW_SCALES,
    "rff": {"num_components": _COMPONENTS, "scale": _SCALE, "seed": _SEED},
    "equal_earth_rff": {
        "num_components": Parameter(default=96, low=2, high=4096, description="numbers D"),
        "min_scale": Parameter(default=1.0, low=0.01, high=1e4, description="smallest σ", is_whole=False),
        "max_scale": Parameter(default=256.0, low=0.01, high=1e4, description="largest σ", is_whole=False),
        "num_scales": Parameter(default=3, low=1, high=16, description="number of σ"),
        "seed": _SEED,
    },
    "rbf": {"num_components": _COMPONENTS, "kappa": _KAPPA},
    "needlets": {"max_level": Parameter(default=2, low=0, high=5, description="finest level J")},
}
"""The numbers that our encoders take, by the encoder's name; those not named take none."""


def scales_problem(values: Mapping[str, Any]) -> str:
    """A sentence where the numbers of ``equal_earth_rff`` do not go together, else empty."""
    if values["max_scale"] < values["min_scale"]:
        return f"max_scale {values['max_scale']:g} is smaller than min_scale {values['min_scale']:g}"
    each = 2 * values["num_scales"]
    rest = values["num_components"] % each
    return (
        f"{values['num_components']} numbers are not a multiple of {each}, a cosine and a sine a scale" if rest else ""
    )


def _takers(name: str) -> dict[str, Any]:
    """For the form: the encoders for which the option ``name`` exists."""
    return {
        "only_if": {"encoder": [encoder for encoder, taken in PARAMETERS.items() if name in taken and _coded(encoder)]}
    }


def _coded(encoder: str) -> bool:
    return encoder not in ("harmonic", "sinusoidal", "table", "none")


_CODED: dict[str, Any] = {"only_if": {"encoder": [name for name in get_args(EncoderName) if _coded(name)]}}


class EncoderOptions(Checked):
    """What an encoder with a fixed formula takes in a model, and the network that reads its numbers.

    A parameter that is None has the encoder's default; those that the encoder does not take are ignored, and so are all
    for the encoders ``harmonic``, ``sinusoidal``, ``table`` and ``none``. Encoders that have a number of components
    take the model's ``num_components``.
    """

    net: Literal["linear", "mlp", "siren"] = Field(
        default="mlp",
        description="network on the encoder's numbers: one linear map, layers with GELU, or with sines (SIREN)",
        json_schema_extra=_CODED,
    )
    net_width: int = Field(
        default=64, ge=4, le=2048, description="channels of its hidden layers", json_schema_extra=_CODED
    )
    net_layers: int = Field(
        default=1, ge=1, le=8, description="hidden layers of 'mlp' and 'siren'", json_schema_extra=_CODED
    )
    scale_features: bool = Field(
        default=True, description="also read the ten sizes of the patch", json_schema_extra=_CODED
    )
    max_degree: int | None = Field(
        default=None, ge=1, le=80, description="maximum degree of 'harmonics'", json_schema_extra=_takers("max_degree")
    )
    num_scales: int | None = Field(
        default=None, ge=1, le=64, description="number of scales", json_schema_extra=_takers("num_scales")
    )
    min_radius: float | None = Field(
        default=None, ge=1e-6, le=1.0, description="least scale, radians", json_schema_extra=_takers("min_radius")
    )
    scale: float | None = Field(
        default=None, ge=0.01, le=1e4, description="standard deviation of 'rff'", json_schema_extra=_takers("scale")
    )
    min_scale: float | None = Field(
        default=None, ge=0.01, le=1e4, description="smallest scale σ", json_schema_extra=_takers("min_scale")
    )
    max_scale: float | None = Field(
        default=None, ge=0.01, le=1e4, description="largest scale σ", json_schema_extra=_takers("max_scale")
    )
    kappa: float | None = Field(
        default=None,
        ge=0.0,
        le=1e6,
        description="concentration κ of 'rbf'; 0: half the number of centres",
        json_schema_extra=_takers("kappa"),
    )
    max_level: int | None = Field(
        default=None, ge=0, le=5, description="finest level of 'needlets'", json_schema_extra=_takers("max_level")
    )
    seed: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="seed of random features", json_schema_extra=_takers("seed")
    )

    def parameters(self, num_components: int) -> dict[str, float]:
        """The numbers that are set, and the number of components; an encoder takes those that it knows."""
        options = self.model_dump(exclude={"net", "net_width", "net_layers", "scale_features"}, exclude_none=True)
        return {"num_components": num_components, **options}


def encoder_problem(name: str, options: EncoderOptions, num_components: int) -> str:
    """A sentence where an encoder is not known or cannot have these options, else empty.

    Those of other packages check their own numbers when they are used.
    """
    if name not in get_args(EncoderName):
        known = [*get_args(EncoderName), *sorted(entry_points(group=ENTRY_POINTS).names)]
        return "" if name in known else f"there is no encoder {name!r}; there are {', '.join(known)}"
    if not _coded(name):
        return ""
    taken = PARAMETERS.get(name, {})
    chosen = {key: value for key, value in options.parameters(num_components).items() if key in taken}
    try:
        for key, value in chosen.items():
            taken[key].check(key, value, name)
    except ChoiceError as error:
        return f"{error.problem} with the encoder {name!r}; {error.remedy}"
    complete = {key: parameter.default for key, parameter in taken.items()} | chosen
    return scales_problem(complete) if name == "equal_earth_rff" else ""
