"""The geographic expert: a compact network that predicts location, climate and date of an image.

Legend: B batch, C bands, h = w pixels a side, D features, K centres of the mixture, L degree of the head, P patches.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ChoiceError
from engine.mvmf import MixtureVMF
from engine.sphere import harmonics_at, lat_lon

Encoder = Literal["conv", "mixer"]

_PATCH = 4  # pixels a side of the mixer's patches
_MIXER_LAYERS = 4
_GROUPS = 8
_LEAST_FRACTION = 1e-4  # of a class that is absent in the prior
_BATCH_SIZE = 128


class Prediction(NamedTuple):
    """The output of the expert for B images.

    ``place_logits`` (B, K) of the mixture's weights; ``climate_logits`` (B, 31) of the class fractions; ``date`` (B,
    2): a code of :func:`engine.mvmf.encode_date`.
    """

    place_logits: Tensor
    climate_logits: Tensor
    date: Tensor


class GeographicExpert(nn.Module):
    """Images (B, C, h, w) → :class:`Prediction`. Pixels are the only input: no coordinates, climate or date.

    Each band is standardised by ``mean`` and ``std`` (C,), set with :meth:`standardise_by`; missing pixels (NaN) are 0.
    The encoder, "conv" (strided residual convolutions) or "mixer" (an MLP-Mixer), gives D features f. The logits of the
    weights are a field on the sphere, evaluated at the centres:

        place_k = log prior_k + Σ_lm (W f + b)_lm Y_lm(centre_k),  l ≤ L,

    so that training at one place generalises to its neighbourhood, also where there are no training tiles. The heads of
    climate and date are linear. The initial prediction is the prior for every image.

    Args:
        bands: number of channels C.
        size: pixels a side; a multiple of 4 for the mixer, at least 8 for the convolutions.
        prior: the mixture components of all predictions, with the prior's weights (K,); stored as ``mixture``.
        climate_prior: (31,) class fractions of the prior.
        encoder: "conv" or "mixer".
        width: features of the first layer, a multiple of 8; D is four times as many.
        head_degree: L.
        seed: draws the initial weights.

    Raises :class:`ChoiceError` for sizes out of range.
    """

    mean: Tensor
    std: Tensor
    harmonics: Tensor

    def __init__(
        self,
        bands: int,
        size: int,
        prior: MixtureVMF,
        climate_prior: Tensor,
        *,
        encoder: Encoder = "conv",
        width: int = 32,
        head_degree: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check(encoder, size, width)
        features = 4 * width
        self.mixture = prior
        with _seeded(seed):
            self.encoder = ConvEncoder(bands, width) if encoder == "conv" else MixerEncoder(bands, size, features)
            self.place = _zero_linear(features, (head_degree + 1) ** 2)
            self.climate = _zero_linear(features, len(climate_prior))
            self.date = _zero_linear(features, 2)
        with torch.no_grad():
            self.climate.bias.copy_(climate_prior.clamp_min(_LEAST_FRACTION).log())
            self.date.bias.fill_(0.5)  # the centre of the circle, which is no day
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        # √4π makes the mean square of every harmonic 1
        harmonics = math.sqrt(4.0 * math.pi) * harmonics_at(*lat_lon(prior.centres.detach()), head_degree)
        self.register_buffer("harmonics", harmonics.float())

    def standardise_by(self, pixels: Tensor) -> None:
        """Set ``mean`` and ``std`` from the observed pixels of a sample (N, C, h, w); a constant band keeps std 1."""
        values = pixels.transpose(0, 1).flatten(1)
        for band, row in enumerate(values):
            observed = row[torch.isfinite(row)]
            if observed.numel():
                self.mean[band] = observed.mean()
                self.std[band] = spread if (spread := observed.std(correction=0)) > 1e-6 else 1.0

    def forward(self, pixels: Tensor) -> Prediction:
        """Predictions for images (B, C, h, w)."""
        standard = (pixels - self.mean[:, None, None]) / self.std[:, None, None]
        features = self.encoder(torch.nan_to_num(standard, nan=0.0, posinf=0.0, neginf=0.0))
        place = self.mixture.log_weights + self.place(features) @ self.harmonics.T
        return Prediction(place, self.climate(features), self.date(features))

    @torch.no_grad()
    def predict(self, pixels: Tensor) -> Prediction:
        """Predictions for any number of images (N, C, h, w) on any device, in batches and without gradients."""
        batches = [self(batch.to(self.mean.device)) for batch in torch.split(pixels, _BATCH_SIZE)]
        return Prediction(*(torch.cat(values) for values in zip(*batches, strict=True)))


class ConvEncoder(nn.Module):
    """Images (B, C, h, w) → features (B, 4·width): three strided stages with a residual block each, then the mean."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = bands
        for after in (width, 2 * width, 4 * width):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), _Residual(after)]
            before = after
        self.stages = nn.Sequential(*stages, nn.GroupNorm(_GROUPS, before), nn.GELU())

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w) → (B, 4·width)."""
        return self.stages(pixels).mean(dim=(2, 3))


class _Residual(nn.Module):
    """x + conv(GELU(norm(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(functional.gelu(self.norm(x)))


class MixerEncoder(nn.Module):
    """Images (B, C, h, w) → features (B, D): an MLP-Mixer on patches of 4 × 4 pixels.

    After Tolstikhin et al. 2021 (arXiv:2105.01601).
    """

    def __init__(self, bands: int, size: int, features: int) -> None:
        super().__init__()
        patches = (size // _PATCH) ** 2
        self.embed = nn.Conv2d(bands, features, _PATCH, stride=_PATCH)
        self.layers = nn.Sequential(*(_Mixer(patches, features) for _ in range(_MIXER_LAYERS)))
        self.norm = nn.LayerNorm(features)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w) → (B, D)."""
        tokens_BPD = self.embed(pixels).flatten(2).transpose(1, 2)
        return self.norm(self.layers(tokens_BPD)).mean(dim=1)


class _Mixer(nn.Module):
    """One layer: an MLP across the patches, then one across the features, each added to its input."""

    def __init__(self, patches: int, features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(features), nn.LayerNorm(features)])
        self.across_patches = _mlp(patches)
        self.across_features = _mlp(features)

    def forward(self, tokens_BPD: Tensor) -> Tensor:
        mixed = self.across_patches(self.norms[0](tokens_BPD).transpose(1, 2)).transpose(1, 2)
        tokens_BPD = tokens_BPD + mixed
        return tokens_BPD + self.across_features(self.norms[1](tokens_BPD))


def _zero_linear(features: int, outputs: int) -> nn.Linear:
    """A linear layer initialised with zeros."""
    layer = nn.Linear(features, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@contextmanager
def _seeded(seed: int) -> Generator[None]:
    """Seed torch's CPU generator inside the block and restore it afterwards."""
    before = torch.get_rng_state()
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    try:
        yield
    finally:
        torch.set_rng_state(before)


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def _check(encoder: str, size: int, width: int) -> None:
    if encoder == "mixer" and size % _PATCH:
        near = size // _PATCH * _PATCH
        raise ChoiceError(
            f"patches of {_PATCH} pixels do not divide {size}", "encoder mixer", f"choose {near} or {near + _PATCH}"
        )
    if encoder == "conv" and size < 8:
        raise ChoiceError(f"tiles of {size} pixels are too small", "encoder conv", "choose at least 8")
    if width < _GROUPS or width % _GROUPS:
        raise ChoiceError(f"a width of {width} is not possible", "geographic expert", f"choose a multiple of {_GROUPS}")
