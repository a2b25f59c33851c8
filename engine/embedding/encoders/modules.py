"""Location encoders by name: modules that map the position and the size of a patch to a vector added to its token.

All take ``lonlat`` (..., 2), the patches' centres in degrees (longitude first), and ``features`` (..., P) or None, and
give (..., N). See :data:`TOKEN_ENCODERS` for their inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.embedding.encoders.formulas import sinusoidal
from engine.embedding.scale import SCALE_FEATURES
from engine.embedding.table import Embedding2d, Topology
from engine.errors import ChoiceError, check_choice

TOKEN_ENCODERS = {
    "harmonic": "Harmonic components of the place and the ten sizes of the patch, mixed by a small learned network.",
    "sinusoidal": "Fixed sines and cosines of latitude and longitude in degrees; knows neither date line nor poles.",
    "table": "A learned vector for every cell of a table laid over the sphere; all zeros before training.",
    "none": "Nothing is added: the model has no location input.",
}
"""The encoders' names, and what each adds to a token."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Which encoder, and how large. Raises :class:`ChoiceError` for choices that cannot work."""

    kind: str = "harmonic"
    """One of :data:`TOKEN_ENCODERS`."""
    width: int = 64
    """N, the output width: that of the tokens it is added to. A multiple of 4 for ``sinusoidal``."""
    num_components: int = 64
    """K of the position embedding that ``harmonic`` reads."""
    manifold: tuple[int, int] = (63, 32)
    """Cells (W, H) of the ``table``."""
    topology: Topology = "sphere"
    """How the ``table`` closes: ``sphere``, ``torus`` or ``clamp``."""

    def __post_init__(self) -> None:
        check_choice("encoder", self.kind, TOKEN_ENCODERS)
        if self.width < 1:
            raise ChoiceError(f"an output of width {self.width} holds nothing", "encoder width", "choose 1 or more")
        if self.kind == "sinusoidal":
            check_sinusoidal(self.width)
        if self.kind == "harmonic" and self.num_components < 1:
            raise ChoiceError(f"K = {self.num_components} components", "encoder 'harmonic'", "choose 1 or more")

    @property
    def num_features(self) -> int:
        """P: how many features the encoder reads beside the coordinates: K + 10 for ``harmonic``, else 0."""
        return self.num_components + len(SCALE_FEATURES) if self.kind == "harmonic" else 0


def build_encoder(config: EncoderConfig) -> nn.Module:
    """The encoder of ``config``: a module ``(lonlat (..., 2), features (..., P) | None) -> (..., N)``.

    ``features`` are the position embedding (K) followed by the scale features (10); only ``harmonic`` reads them.
    """
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
