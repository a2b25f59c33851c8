"""Encoders by name: what goes in, what comes out, what they look at, and what is refused."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.embedding import TOKEN_ENCODERS, EncoderConfig, GeoPositionScale, build_encoder, sinusoidal_embedding
from engine.errors import ChoiceError

LONLAT = torch.tensor([[-180.0, -90.0], [-12.5, 40.0], [0.0, 0.0], [179.5, 90.0]])


@pytest.mark.parametrize("kind", list(TOKEN_ENCODERS))
def test_every_encoder_gives_its_width_for_any_batch(kind: str) -> None:
    config = EncoderConfig(kind=kind, width=12, num_components=7)
    assert config.num_features == (17 if kind == "harmonic" else 0)
    encoder = build_encoder(config)
    lonlat = LONLAT.expand(3, 4, 2)
    features = torch.randn(3, 4, config.num_features) if config.num_features else None
    rows = encoder(lonlat, features)
    assert rows.shape == (3, 4, 12)
    assert torch.isfinite(rows).all()


def test_the_table_and_nothing_add_nothing_before_training() -> None:
    for kind in ("table", "none"):
        assert (build_encoder(EncoderConfig(kind=kind, width=8))(LONLAT, None) == 0.0).all()


def test_the_table_learns_and_nothing_has_nothing_to_learn() -> None:
    table = build_encoder(EncoderConfig(kind="table", width=8))
    table(LONLAT, None).sum().backward()
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in table.parameters())
    for kind in ("none", "sinusoidal"):
        assert not list(build_encoder(EncoderConfig(kind=kind, width=8)).parameters())


# --- harmonic -------------------------------------------------------------------------------------------------------


def test_the_harmonic_encoder_reads_position_first_then_scale() -> None:
    encoder = build_encoder(EncoderConfig(width=6, num_components=5))
    mix = next(module for module in encoder.modules() if isinstance(module, GeoPositionScale))
    features = torch.randn(2, 15)
    expected = mix(features[:, :5], features[:, 5:])
    assert torch.equal(encoder(LONLAT[:2], features), expected)


@pytest.mark.parametrize(("sh_dim", "scale_dim", "embed_dim"), [(64, 10, 32), (3, 2, 50), (1, 1, 1)])
def test_the_mix_is_its_equation(sh_dim: int, scale_dim: int, embed_dim: int) -> None:
    torch.manual_seed(0)
    mix = GeoPositionScale(sh_dim, scale_dim, embed_dim)
    nn.init.constant_(mix.position_gain, 1.7)
    nn.init.constant_(mix.scale_gain, -0.4)
    nn.init.normal_(mix.norm.weight)
    position, scale = torch.randn(5, sh_dim), torch.randn(5, scale_dim)
    joined = torch.cat((1.7 * position, -0.4 * scale), dim=-1)
    centred = joined - joined.mean(dim=-1, keepdim=True)
    normed = centred / (centred.square().mean(dim=-1, keepdim=True) + mix.norm.eps).sqrt() * mix.norm.weight
    first, last = mix.mlp[0], mix.mlp[2]
    hidden = normed @ first.weight.T + first.bias
    hidden = 0.5 * hidden * (1.0 + torch.erf(hidden / math.sqrt(2.0)))
    torch.testing.assert_close(mix(position, scale), hidden @ last.weight.T + last.bias, rtol=1e-4, atol=1e-5)
    assert first.out_features > max(sh_dim + scale_dim, embed_dim)


def test_gains_and_weights_learn() -> None:
    mix = GeoPositionScale(6, 10, 4)
    mix(torch.randn(8, 6), torch.randn(8, 10)).square().sum().backward()
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in mix.parameters())


# --- sinusoidal -----------------------------------------------------------------------------------------------------


def test_the_sinusoidal_rows_are_their_equation() -> None:
    rows = sinusoidal_embedding(LONLAT.double(), 8)
    for (lon, lat), row in zip(LONLAT.tolist(), rows.tolist(), strict=True):
        expected = [f(rate * x) for x in (lon, lat) for f in (math.sin, math.cos) for rate in (1.0, 0.01)]
        assert row == pytest.approx(expected, abs=1e-12)


@given(st.floats(-180.0, 179.0), st.floats(-90.0, 90.0), st.integers(0, 3), st.sampled_from([-360.0, 360.0]))
def test_a_row_depends_on_its_place_only(lon: float, lat: float, where: int, turn: float) -> None:
    place = torch.tensor([lon, lat], dtype=torch.float64)
    alone = sinusoidal_embedding(place, 16)
    among = LONLAT.double().clone()
    among[where] = place
    assert torch.equal(sinusoidal_embedding(among, 16)[where], alone)
    turned = place + torch.tensor([turn, 0.0], dtype=torch.float64)
    torch.testing.assert_close(sinusoidal_embedding(turned, 16), alone, rtol=0.0, atol=1e-9)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kind": "fourier"}, "choose one of harmonic, sinusoidal, table, none"),
        ({"width": 0}, "choose 1 or more"),
        ({"kind": "sinusoidal", "width": 62}, "choose a multiple of 4: 60 or 64"),
        ({"kind": "sinusoidal", "width": 3}, "choose a multiple of 4: 4"),
        ({"num_components": 0}, "choose 1 or more"),
    ],
)
def test_choices_that_cannot_work_are_refused(choices: dict, message: str) -> None:
    with pytest.raises(ChoiceError, match=message):
        EncoderConfig(**choices)


def test_a_table_that_cannot_be_is_refused_when_it_is_built() -> None:
    with pytest.raises(ChoiceError):
        build_encoder(EncoderConfig(kind="table", manifold=(0, 4)))
