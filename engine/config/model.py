"""Settings of the spatio-temporal model, without torch; :mod:`engine.models` exports them."""

from __future__ import annotations

import json
import warnings
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from engine.config.encoders import EncoderName, EncoderOptions, encoder_problem
from engine.config.fields import Checked
from engine.config.legacy import current_preset
from engine.errors import ConfigError

Architecture = Literal["spatiotemporal", "documented", "repository", "unet"]
"""``spatiotemporal`` is ours; ``documented`` and ``repository`` are the two published forms of it; ``unet`` is the
convolutional model that they are compared with."""

Preset = Literal["tiny", "small", "base", "large", "documented", "repository", "unet"]

PRESETS: tuple[Preset, ...] = get_args(Preset)
"""The named models: ours, smallest first, then the published ones and the U-Net."""

Side = Annotated[int, Field(ge=1, le=64)]
Days = Annotated[int, Field(ge=1, le=31)]
Dilation = Annotated[int, Field(ge=1, le=16)]


class SpatioTemporalConfig(Checked):
    """Architecture of :class:`engine.models.SpatioTemporalModel`; the defaults are the preset ``base``.

    Choices that cannot work together raise: :class:`ConfigError` with every problem from :meth:`preset`, pydantic's
    ``ValidationError`` from the constructor.
    """

    patch: tuple[Days, Side, Side] = Field(
        default=(1, 4, 4), description="days, rows and columns of the patch that becomes one token (Pt, Ph, Pw)"
    )
    width: int = Field(default=128, ge=4, le=2048, description="channels of a token, C; even, a multiple of heads")
    heads: int = Field(default=4, ge=1, le=64, description="heads of every attention layer")
    day_layers: int = Field(default=0, ge=0, le=8, description="feed-forward layers on each day's token")
    time: Literal["calendar", "cyclic"] = Field(
        default="cyclic", description="date encoding: number of day and month, or their phases"
    )
    cross_month: bool = Field(default=True, description="attention between the months of a sample")
    num_components: int = Field(default=96, ge=1, le=3720, description="components K of the position embedding")
    encoder_options: EncoderOptions = Field(
        default=EncoderOptions(), description="what the encoder takes, and the network on its numbers"
    )
    encoder: EncoderName | Annotated[str, Field(max_length=64)] = Field(
        default="harmonic",
        description="position encoding: a location encoder of ours or of an installed package, or none",
    )
    manifold: tuple[Annotated[int, Field(ge=1, le=1440)], Annotated[int, Field(ge=1, le=720)]] = Field(
        default=(63, 32), description="columns and rows of the learned table (encoder 'table')"
    )
    spatial_layers: int = Field(default=2, ge=0, le=48, description="layers of attention between patches")
    local_mixing: bool = Field(default=False, description="a 3×3 convolution over tokens in every spatial layer")
    summaries: bool = Field(default=False, description="mean, number and spread of observed days as inputs")
    decoder_width: int = Field(default=256, ge=2, le=2048, description="channels of the decoder; even")
    overlap: int = Field(default=1, ge=0, le=16, description="cells by which decoded patches overlap")
    refinement: tuple[Dilation, ...] = Field(
        default=(1, 1), max_length=16, description="dilations of the 3×3 convolutions on cells, one each"
    )
    refinement_skips: bool = Field(default=False, description="residual connections around the convolutions on cells")
    norm: Literal["batch", "group"] = Field(default="batch", description="normalisation between those convolutions")
    uncertainty: bool = Field(default=False, description="also predict a standard deviation for each cell and month")
    residual: bool = Field(default=True, description="predict the difference from the mean of observed days")
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="fraction of activations dropped in training")
    offset_celsius: float = Field(
        default=15.0, ge=-50.0, le=60.0, description="°C subtracted from values without a baseline"
    )
    scale_kelvin: float = Field(default=10.0, gt=0.0, le=100.0, description="kelvin that correspond to 1 in the model")
    checkpointing: bool = Field(default=False, description="gradient checkpointing: less memory, a third more time")
    mixed_axes: bool = Field(
        default=False,
        description="as in the published code, days are weighted after a reshape that mixes days, months and places",
    )
    place_per_window: bool = Field(
        default=False, description="as in the published code, all patches of a window have their mean place"
    )
    levels: int = Field(default=4, ge=1, le=8, description="resolutions of the U-Net, each half as fine (only 'unet')")
    architecture: Architecture = Field(
        default="spatiotemporal",
        description="'spatiotemporal' is ours; 'documented' and 'repository' are the published models exactly; "
        "'unet' is a U-Net",
    )

    def scaled(self, scale: float) -> Self:
        """The same for values whose ordinary differences are ``scale`` times those of a sea-surface temperature."""
        return self if scale == 1.0 else self.model_copy(update={"scale_kelvin": scale * self.scale_kelvin})

    @field_validator("width", "decoder_width")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"must be even; {value - 1} and {value + 1} are")
        return value

    @field_validator("heads")
    @classmethod
    def _divides_width(cls, value: int, info: ValidationInfo) -> int:
        width = info.data.get("width")
        if width is not None and width % value:
            raise ValueError(f"{value} heads do not divide width {width}; {divisors_near(width, value)}")
        return value

    @field_validator("encoder")
    @classmethod
    def _is_possible(cls, value: str, info: ValidationInfo) -> str:
        width, options = info.data.get("width"), info.data.get("encoder_options")
        if problem := encoder_problem(value, options or EncoderOptions(), info.data.get("num_components", 96)):
            raise ValueError(problem)
        if value == "sinusoidal" and width is not None and width % 4:
            raise ValueError(f"'sinusoidal' needs a width that is a multiple of 4; width is {width}")
        return value

    @field_validator("overlap")
    @classmethod
    def _within_the_patch(cls, value: int, info: ValidationInfo) -> int:
        patch = info.data.get("patch")
        if patch is not None and value > min(patch[1:]):
            raise ValueError(f"reaches beyond the next patch of {patch[1]} × {patch[2]}; at most {min(patch[1:])}")
        return value

    @field_validator("architecture")
    @classmethod
    def _has_its_own_parts(cls, value: Architecture, info: ValidationInfo) -> Architecture:
        width = info.data.get("width")
        if value == "repository" and width is not None and width % 8:
            raise ValueError(f"'repository' needs a width that is a multiple of 8; width is {width}")
        wrong = [name for name, needed in _NEEDED[value].items() if info.data.get(name, needed) != needed]
        if wrong:
            needed = ", ".join(f"{name} = {json.dumps(_NEEDED[value][name])}" for name in wrong)
            raise ValueError(f"{value!r} has {needed}; choose that, or another architecture")
        return value

    @classmethod
    def preset(cls, name: Preset, **changes: Any) -> Self:
        """The model called ``name`` with ``changes`` to its fields. Raises :class:`ConfigError`.

        - ``tiny``: for the two cores of a laptop; patches of one day and 4 × 4 cells, the decoder sees every cell.
        - ``small``: the same architecture, wider and deeper.
        - ``base``: our architecture at the published sizes, without summaries and local mixing.
        - ``large``: for a GPU.
        - ``documented``, ``repository``: the published models exactly, as their text describes them and as their code
          stands, which :mod:`engine.models.spatiotemporal.published` states; 0.85 and 2.19 million parameters.

        - ``unet``: a U-Net with Gaussian likelihood (:mod:`engine.models.unet`), 1.9 million parameters; train it with
          the loss ``gaussian``.

        ``published``, the name of ``base`` in earlier versions, is still read.
        """
        if (current := current_preset(name)) != name:
            warnings.warn(f"the preset {name!r} is called {current!r} now", DeprecationWarning, stacklevel=2)
            return cls.preset(cast(Preset, current), **changes)
        if name not in PRESETS:
            raise ConfigError([f"preset: there is no {name!r}"], "the model", f"choose {', '.join(PRESETS)}")
        try:
            return cls(**(_PRESETS[name] | changes))
        except ValidationError as error:
            problems = [f"{_field(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
            raise ConfigError(problems, f"a model after the preset '{name}'") from error

    @property
    def reach(self) -> int:
        """Radius in cells around a patch that its values influence without attention and local mixing.

        The overlap and the convolutions' radii. With ``summaries`` the mask of missing values reaches one patch
        further: a cell's inputs include whether it lies at the edge of a cloud.
        """
        return self.overlap + sum(self.refinement)


def divisors_near(size: int, wrong: int) -> str:
    """The divisors of ``size`` below and above ``wrong`` as text: ``"5 and 8 do"``."""
    divisors = [value for value in range(1, size + 1) if size % value == 0]
    below = [value for value in divisors if value < wrong][-1:]
    above = [value for value in divisors if value > wrong][:1]
    near = below + above
    return f"{' and '.join(map(str, near))} {'do' if len(near) > 1 else 'does'}"


def _field(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path) or "the model"


_NOT_PUBLISHED: dict[str, Any] = {
    "day_layers": 0,
    "cross_month": True,
    "local_mixing": False,
    "summaries": False,
    "refinement": (1, 1),
    "refinement_skips": False,
    "uncertainty": False,
}
_NEEDED: dict[Architecture, dict[str, Any]] = {
    "spatiotemporal": {"mixed_axes": False, "place_per_window": False},
    "documented": _NOT_PUBLISHED
    | {
        "time": "calendar",
        "encoder": "sinusoidal",
        "norm": "batch",
        "mixed_axes": False,
        "place_per_window": False,
    },
    "unet": {
        "patch": (1, 1, 1),
        "day_layers": 0,
        "cross_month": False,
        "encoder": "none",
        "spatial_layers": 0,
        "local_mixing": False,
        "summaries": False,
        "overlap": 0,
        "refinement": (),
        "refinement_skips": False,
        "norm": "group",
        "uncertainty": True,
        "residual": False,
        "mixed_axes": False,
        "place_per_window": False,
    },
    "repository": _NOT_PUBLISHED | {"time": "cyclic", "encoder": "harmonic", "norm": "group"},
}
"""Values of fields that an architecture does not have, or has one way only."""

_OURS: dict[str, Any] = {
    "local_mixing": True,
    "summaries": True,
    "refinement_skips": True,
    "norm": "group",
    "num_components": 64,
    "scale_kelvin": 1.0,
}

_PRESETS: dict[Preset, dict[str, Any]] = {
    "tiny": _OURS
    | {
        "width": 64,
        "day_layers": 1,
        "spatial_layers": 3,
        "decoder_width": 64,
        "refinement": (1, 2, 4, 1),
    },
    "small": _OURS
    | {
        "width": 96,
        "day_layers": 1,
        "spatial_layers": 4,
        "decoder_width": 96,
        "refinement": (1, 2, 4, 2, 1),
    },
    "base": {},
    "large": _OURS
    | {
        "width": 256,
        "heads": 8,
        "day_layers": 2,
        "spatial_layers": 8,
        "num_components": 256,
        "decoder_width": 256,
        "refinement": (1, 2, 4, 8, 4, 2, 1),
    },
    "documented": _NEEDED["documented"]
    | {"architecture": "documented", "decoder_width": 128, "offset_celsius": 0.0, "scale_kelvin": 1.0},
    "repository": _NEEDED["repository"]
    | {
        "architecture": "repository",
        "mixed_axes": True,
        "place_per_window": True,
        "offset_celsius": 0.0,
        "scale_kelvin": 1.0,
    },
    "unet": _NEEDED["unet"] | {"architecture": "unet", "width": 32, "scale_kelvin": 1.0},
}
