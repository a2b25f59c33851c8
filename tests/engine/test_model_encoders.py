"""Every location encoder in a reconstruction model: it trains, survives its file, and is refused in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engine.config.encoders import EncoderOptions
from engine.data.prepare import prepare
from engine.embedding import ENCODERS, TOKEN_ENCODERS, EncoderConfig, build_encoder, encode, scale_features
from engine.embedding.encoders.modules import Siren
from engine.errors import ConfigError
from engine.models import SpatioTemporalConfig, encoder_config
from engine.sphere import LatLonGrid
from engine.training.sst.model_bundle import ModelBundle
from engine.training.sst.positions import PatchPositions
from engine.training.sst.tiled_prediction import estimate_months
from engine.training.sst.windows import Corner, Windows
from tests.support.ocean import small_ocean
from tests.support.trainings import MODEL, SMALL, untrained
from tests.support.windows import model_of, window_of

CODED = [name for name in ENCODERS if name not in TOKEN_ENCODERS]
GRID = LatLonGrid.regular(10.0)


@pytest.mark.parametrize(("name", "net"), list(zip(CODED, 5 * ["linear", "mlp", "siren"], strict=True)))
def test_a_model_learns_with_every_encoder(name: str, net: str) -> None:
    options = EncoderOptions(net=net, net_width=8, num_scales=3 if name in ("dfs", "equal_earth_rff") else None)
    model = model_of(encoder=name, num_components=12, encoder_options=options, spatial_layers=1)
    window = window_of(model.config, rows=8, columns=12)
    places = PatchPositions(model.config, Windows.of(GRID, (8, 12), 0, (4, 4)), None)
    centres, features = places.of(Corner(4, 24))
    window["place"] = tuple(torch.from_numpy(array)[None] for array in (centres, features))
    encoder = model.place.encoder
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.003)
    losses: list[float] = []
    for _ in range(4):
        loss = (model(**window) - 14.0).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(bool((weight.grad != 0.0).any()) for weight in encoder.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses) < losses[0]


def test_a_model_reads_the_encoder_s_numbers_at_the_patch_s_centre_and_its_sizes() -> None:
    config = MODEL.model_copy(update={"encoder": "wrap"})
    places = PatchPositions(config, Windows.of(GRID, (6, 6), 0, (2, 2)), None)
    centres, features = places.of(Corner(0, 0))
    assert features.shape == (9, 14)
    assert encoder_config(config).num_features == 14
    np.testing.assert_allclose(centres[0], [-170.0, -80.0])
    np.testing.assert_allclose(features[:, :4], encode("wrap", centres[:, 1], centres[:, 0]), atol=1e-6)
    difference = features[:, 4:] - scale_features(GRID, (2, 2)).numpy()[:3, :3].reshape(9, 10)
    np.testing.assert_allclose(difference - difference[0], 0.0, atol=1e-5)
    alone = config.model_copy(update={"encoder_options": EncoderOptions(scale_features=False)})
    assert PatchPositions(alone, Windows.of(GRID, (6, 6), 0, (2, 2)), None).of(Corner(0, 0))[1].shape == (9, 4)


def test_a_siren_is_its_equation_with_weights_in_its_bounds() -> None:
    torch.manual_seed(0)
    siren = Siren([12, 40, 30, 5])
    first, second, last = siren.layers
    assert float(first.weight.detach().abs().max()) <= 1 / 12
    assert math.sqrt(6 / 40) * 0.9 < float(second.weight.detach().abs().max()) <= math.sqrt(6 / 40)
    codes = torch.randn(7, 12)
    hidden = torch.sin(30.0 * (codes / math.sqrt(3.0) @ first.weight.T + first.bias))
    expected = torch.sin(hidden @ second.weight.T + second.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(siren(codes), expected)


def test_an_encoder_s_numbers_are_standardised_over_the_sphere_and_a_constant_stays() -> None:
    config = EncoderConfig(kind="harmonics", width=9, parameters={"max_degree": 2}, net="linear", scale_features=False)
    encoder = build_encoder(config)
    points = np.degrees(np.arcsin(np.linspace(-0.999, 0.999, 2001))), np.linspace(-180, 180, 2001) * 37 % 360
    codes = encode("harmonics", *points, max_degree=2)
    standard = (codes - encoder.mean) / encoder.std
    assert bool((standard[:, 0].abs() < 1e-5).all())
    np.testing.assert_allclose(encoder.std[1:], 1 / math.sqrt(4 * math.pi), rtol=5e-3)
    torch.testing.assert_close(encoder(torch.zeros(2001, 2), codes), encoder.net(standard))


@pytest.mark.parametrize("net", ["siren", "mlp"])
def test_a_model_with_satclip_s_encoder_survives_its_file(tmp_path, monkeypatch, net) -> None:
    monkeypatch.setenv("HARMONIA_HOME", str(tmp_path))
    options = EncoderOptions(max_degree=5, net=net)
    model = untrained(model=MODEL.model_copy(update={"encoder": "harmonics", "encoder_options": options}))
    model.save(tmp_path / "model.safetensors")
    again = ModelBundle.load(tmp_path / "model.safetensors")
    assert (again.settings, again.key, again.basis) == (model.settings, model.key, None)
    data = prepare(small_ocean(1), (2001, 2), (2001, 2))
    maps = [next(estimate_months(bundle.model, bundle.model_inputs(data), SMALL))[1].mean for bundle in (model, again)]
    np.testing.assert_allclose(*maps, atol=0.01)  # the climatology is kept in steps


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "sphere2"}, "encoder: there is no encoder 'sphere2'; there are harmonic, harmonics, direct"),
        ({"encoder": "dfs", "encoder_options": {"num_scales": 40}}, "num_scales is 40 with the encoder 'dfs'; choose"),
        ({"encoder": "equal_earth_rff"}, "64 numbers are not a multiple of 6"),
        ({"encoder": "rff", "encoder_options": {"scale": math.nan}}, "encoder_options.scale"),
        ({"encoder": "grid", "encoder_options": {"layers": 2}}, "encoder_options.layers: Extra inputs"),
    ],
)
def test_encoders_that_cannot_be_are_refused_with_their_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SpatioTemporalConfig.preset("tiny", **changes)
    assert message in str(caught.value)


def test_numbers_that_an_encoder_does_not_take_are_ignored_and_files_without_them_still_open() -> None:
    options = EncoderOptions(kappa=3.0, max_degree=4)
    config = encoder_config(SpatioTemporalConfig.preset("tiny", encoder="harmonics", encoder_options=options))
    assert config.taken == {"max_degree": 4}
    assert config.num_features == 35
    old = SpatioTemporalConfig.preset("tiny").model_dump(exclude={"encoder_options"})
    assert SpatioTemporalConfig(**old) == SpatioTemporalConfig.preset("tiny")
