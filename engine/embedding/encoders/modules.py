"""Location encoders by name: modules that map the position and the size of a patch to a vector added to its token.

All take ``lonlat`` (..., 2), the patches' centres in degrees (longitude first), and ``features`` (..., P) or None, and
give (..., N). See :data:`TOKEN_ENCODERS` for their inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine.embedding.encoders.formulas import sinusoidal
from engine.embedding.encoders.registry import ENCODERS, encode, encoder_width
from engine.embedding.scale import SCALE_FEATURES
from engine.embedding.table import Embedding2d, Topology
from engine.errors import ChoiceError, check_choice
from engine.sphere.geometry import fibonacci_sphere

TOKEN_ENCODERS = {
    "harmonic": "Harmonic components of the place and the ten sizes of the patch, mixed by a small learned network.",
    "sinusoidal": "Fixed sines and cosines of latitude and longitude in degrees; knows neither date line nor poles.",
    "table": "A learned vector for every cell of a table laid over the sphere; all zeros before training.",
    "none": "Nothing is added: the model has no location input.",
}
"""Encoders that a model has its own way of reading, and what each adds to a token. Any other of
:data:`engine.embedding.ENCODERS` adds its numbers at the patch's centre, read by a small learned network.
"""

_MOMENT_POINTS = 4096  # points, even over the sphere, over which an encoder's numbers are standardised
_FIRST_FREQUENCY = 30.0  # ω₀ of a SIREN's first layer: Sitzmann et al. (2020), section 3.2


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Which encoder, and how large. Raises :class:`ChoiceError` for choices that cannot work."""

    kind: str = "harmonic"
    """One of :data:`TOKEN_ENCODERS` or :data:`engine.embedding.ENCODERS`."""
    width: int = 64
    """N, the output width: that of the tokens it is added to. A multiple of 4 for ``sinusoidal``."""
    num_components: int = 64
    """K of the position embedding that ``harmonic`` reads."""
    manifold: tuple[int, int] = (63, 32)
    """Cells (W, H) of the ``table``."""
    topology: Topology = "sphere"
    """How the ``table`` closes: ``sphere``, ``torus`` or ``clamp``."""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Numbers for the encoder; what it does not take is ignored."""
    net: Literal["linear", "mlp", "siren"] = "mlp"
    """The network on the numbers of an encoder that is none of :data:`TOKEN_ENCODERS`."""
    net_width: int = 64
    """Channels of its hidden layers."""
    net_layers: int = 1
    """Its hidden layers, for ``mlp`` and ``siren``."""
    scale_features: bool = True
    """Whether it also reads the ten scale features of the patch."""

    def __post_init__(self) -> None:
        check_choice(
            "encoder", self.kind, (*TOKEN_ENCODERS, *(name for name in ENCODERS if name not in TOKEN_ENCODERS))
        )
        if self.width < 1:
            raise ChoiceError(f"an output of width {self.width} holds nothing", "encoder width", "choose 1 or more")
        if self.kind == "sinusoidal":
            check_sinusoidal(self.width)
        if self.kind == "harmonic" and self.num_components < 1:
            raise ChoiceError(f"K = {self.num_components} components", "encoder 'harmonic'", "choose 1 or more")

    @property
    def is_coded(self) -> bool:
        """Whether a network reads the numbers of a formula, which :func:`patch_codes` computes."""
        return self.kind not in TOKEN_ENCODERS

    @property
    def taken(self) -> dict[str, Any]:
        """Those of ``parameters`` that the encoder takes."""
        known = ENCODERS[self.kind].parameters
        return {name: value for name, value in self.parameters.items() if name in known}

    @property
    def num_features(self) -> int:
        """P: how many features the encoder reads beside the coordinates: K + 10 for ``harmonic``, D or D + 10 for an
        encoder of D numbers, else 0."""
        if self.is_coded:
            return encoder_width(self.kind, **self.taken) + self.scale_features * len(SCALE_FEATURES)
        return self.num_components + len(SCALE_FEATURES) if self.kind == "harmonic" else 0


def build_encoder(config: EncoderConfig) -> nn.Module:
    """The encoder of ``config``: a module ``(lonlat (..., 2), features (..., P) | None) -> (..., N)``.

    ``features`` are the position embedding (K), or an encoder's numbers at the patch's centre (D), followed by the
    scale features (10) where they are read.
    """
    if config.is_coded:
        return _Coded(config)
    if config.kind == "harmonic":
        return _Harmonic(config)
    if config.kind == "sinusoidal":
        return _Sinusoidal(config.width)
    return _Table(config) if config.kind == "table" else _Zero(config.width)


class GeoPositionScale(nn.Module):
    """Position and scale of a patch as one vector to add to its token.

    MLP(LayerNorm([g_p · position, g_s · scale])) with learnable gains g_p and g_s, 1 at first, and one hidden layer of
    twice the wider end, so wider than both: (..., ``sh_dim``) and (..., ``scale_dim``) to (..., ``embed_dim``).
    """

    def __init__(self, sh_dim: int, scale_dim: int, embed_dim: int) -> None:
        super().__init__()
        width = sh_dim + scale_dim
        hidden = 2 * max(width, embed_dim)
        self.position_gain = nn.Parameter(torch.ones(()))
        self.scale_gain = nn.Parameter(torch.ones(()))
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, embed_dim))

    def forward(self, position: Tensor, scale: Tensor) -> Tensor:
        """Position (..., sh_dim) and scale features (..., scale_dim) to (..., embed_dim)."""
        return self.mlp(self.norm(torch.cat((self.position_gain * position, self.scale_gain * scale), dim=-1)))


def sinusoidal_embedding(lonlat: Tensor, width: int) -> Tensor:
    """Fixed two-dimensional sines and cosines of a place: (..., 2) in degrees, longitude first, to (..., N = width).

    The formula of :func:`engine.embedding.encoders.formulas.sinusoidal`, computed in float64, in the dtype of
    ``lonlat``: a row depends on its place only, not on the window it is seen in.
    """
    check_sinusoidal(width)
    lon, lat = lonlat.to(torch.float64).unbind(dim=-1)
    return sinusoidal(lat, lon, width=width).to(lonlat.dtype)


def check_sinusoidal(width: int) -> None:
    """:class:`ChoiceError` where ``width`` is not a multiple of 4: a sine and a cosine for each of two coordinates."""
    if width < 4 or width % 4:
        below, above = width // 4 * 4, width // 4 * 4 + 4
        raise ChoiceError(
            f"a sinusoidal encoding of width {width} would cut a sine from its cosine",
            "encoder 'sinusoidal'",
            f"choose a multiple of 4: {f'{below} or {above}' if below else above}",
        )


class _Harmonic(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.num_components = config.num_components
        self.mix = GeoPositionScale(config.num_components, len(SCALE_FEATURES), config.width)

    def forward(self, lonlat: Tensor, features: Tensor) -> Tensor:
        return self.mix(features[..., : self.num_components], features[..., self.num_components :])


class _Coded(nn.Module):
    """A network on the numbers of an encoder, each with mean 0 and variance 1 over the sphere, and on the scale."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        mean, std = code_moments(config.kind, tuple(sorted(config.taken.items())))
        self.register_buffer("mean", mean.to(torch.get_default_device()))
        self.register_buffer("std", std.to(torch.get_default_device()))
        self.num_codes = mean.numel()
        hidden = [] if config.net == "linear" else [config.net_width] * config.net_layers
        widths = [config.num_features, *hidden, config.width]
        self.net = Siren(widths) if config.net == "siren" else _perceptron(widths)

    def forward(self, lonlat: Tensor, features: Tensor) -> Tensor:
        codes = (features[..., : self.num_codes] - self.mean) / self.std
        return self.net(torch.cat((codes, features[..., self.num_codes :]), dim=-1))


@lru_cache(maxsize=32)
def code_moments(kind: str, parameters: tuple[tuple[str, Any], ...]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) of an encoder's numbers over the sphere, float32; 1 for a constant one."""
    with torch.device("cpu"):
        codes = encode(kind, *fibonacci_sphere(_MOMENT_POINTS), dtype=torch.float64, **dict(parameters))
        std = codes.std(dim=0, correction=0)
        return codes.mean(dim=0).float(), torch.where(std > 1e-9, std, 1.0).float()


def _perceptron(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inward, out in pairwise(widths):
        layers += [nn.Linear(inward, out), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class Siren(nn.Module):
    """Layers x ← sin(ω(Wx + b)) and a linear one at the end: (..., D) to (..., N).

    ω = 30 in the first layer, whose weights are uniform within ±1/n for n inputs; ω = 1 in the others, uniform within
    ±√(6/n). Inputs of variance 1 are divided by √3, to the variance of the inputs in ±1 that this is made for. With the
    encoder ``harmonics`` it is the location encoder of SatCLIP: Rußwurm et al. (2024); Sitzmann et al. (2020).
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inward, out) for inward, out in pairwise(widths))
        for index, (layer, inward) in enumerate(zip(self.layers, widths, strict=False)):
            bound = 1.0 / inward if index == 0 else math.sqrt(6.0 / inward)
            for weight in layer.parameters():
                nn.init.uniform_(weight, -bound, bound)

    def forward(self, codes: Tensor) -> Tensor:
        """``codes`` (..., D) of about unit variance to (..., N)."""
        values = codes / math.sqrt(3.0)
        for index, layer in enumerate(self.layers[:-1]):
            values = torch.sin((_FIRST_FREQUENCY if index == 0 else 1.0) * layer(values))
        return self.layers[-1](values)


class _Sinusoidal(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, lonlat: Tensor, features: Tensor | None = None) -> Tensor:
        return sinusoidal_embedding(lonlat, self.width)


class _Table(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.table = Embedding2d(
            manifold=(*config.manifold, config.width),
            exterior=(-180.0, -90.0, 360.0, 180.0),
            padding=(0, 0),
            topology=config.topology,
        )

    def forward(self, lonlat: Tensor, features: Tensor | None = None) -> Tensor:
        # the model has checked its places; a check here would make every forward wait for the device
        return self.table(lonlat, check=False)[..., 0, 0, :]


class _Zero(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, lonlat: Tensor, features: Tensor | None = None) -> Tensor:
        return lonlat.new_zeros((*lonlat.shape[:-1], self.width))
