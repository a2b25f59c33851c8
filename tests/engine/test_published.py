"""The published models against plain transcriptions in torch.nn's own layers, and their faults as switches.

The transcriptions are written from the project's notes on the published models, not from ours: Conv3d,
MultiheadAttention and TransformerEncoder in place of our matrix products. Weights are copied over by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.errors import ConfigError
from engine.models import SpatioTemporalConfig, SpatioTemporalModel, count_parameters
from tests.support.windows import window_of

C, HEADS, K = 16, 4, 5
PATCH = (1, 4, 2)
SMALLEST: dict[str, Any] = {"width": C, "num_components": K, "patch": PATCH, "decoder_width": 32}
EXACT = {"rtol": 0.0, "atol": 1e-5}


def scorer() -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(C), nn.Linear(C, C), nn.GELU(), nn.Linear(C, 1))


def transformer(depth: int = 2) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(C, HEADS, 4 * C, 0.0, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


def sinusoid_row(position: int, width: int) -> Tensor:
    """One row of the fixed encoding, entry by entry: even sin, odd cos of position · 10000^(−2i/width)."""
    row = []
    for i in range(width // 2):
        angle = position * 10000.0 ** (-2.0 * i / width)
        row += [math.sin(angle), math.cos(angle)]
    return torch.tensor(row, dtype=torch.float64)


class Transcription(nn.Module):
    """What both forms share: tokens of days by Conv3d; the map, mean of the observed days + decoder, 0 on land."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, C, PATCH, PATCH)
        self.norm = nn.LayerNorm(C)
        self.spatial = transformer()

    def day_tokens(self, daily: Tensor, valid: Tensor) -> Tensor:
        """(B, M, T, h, w, C)"""
        B, M = daily.shape[:2]
        video = torch.stack((daily * valid, valid), dim=2).flatten(0, 1)  # (B·M, 2, T, H, W)
        return self.norm(self.conv(video).permute(0, 2, 3, 4, 1)).unflatten(0, (B, M))

    def forward(self, daily, missing, land, padded, phases, place) -> Tensor:
        valid = (~missing[:, 0] & ~land[:, None, None] & ~padded[..., None, None]).double()
        values = torch.where(valid > 0, daily[:, 0], 0.0)
        months = self.months(self.day_tokens(values, valid), padded, phases)  # (B, M, h, w, C)
        B, M, h, w, _ = months.shape
        tokens = self.spatial((months + self.where(place, h, w)).reshape(B * M, h * w, C))
        field = self.decoded(tokens.reshape(B * M, h, w, C).permute(0, 3, 1, 2)).reshape(B, M, *land.shape[1:])
        count = valid.sum(2)
        mean = values.sum(2) / count.clamp(min=1.0)
        return torch.where(land[:, None], 0.0, mean + field)


class Documented(Transcription):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        half = hidden // 2
        self.day_scorer, self.month_scorer = scorer(), scorer()
        self.attention = nn.MultiheadAttention(C, HEADS, batch_first=True)
        self.proj = nn.Conv2d(C, hidden, 1)
        self.deconv = nn.ConvTranspose2d(hidden, half, (PATCH[1] + 2, PATCH[2] + 2), PATCH[1:], padding=1)
        self.refine = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1), nn.BatchNorm2d(half), nn.GELU(),
            nn.Conv2d(half, half, 1), nn.BatchNorm2d(half), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Conv2d(half, 1, 1)
        self.scale, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def months(self, tokens: Tensor, padded: Tensor, phases: Tensor) -> Tensor:
        B, M, T, h, w, _ = tokens.shape
        months = torch.empty(B, M, h, w, C, dtype=tokens.dtype)
        for b in range(B):
            for m in range(M):
                number = round(float(phases[b, m, 0, 0]) * 12 / math.tau) % 12
                time = torch.stack([sinusoid_row(day, C) + sinusoid_row(number, C) for day in range(T)])
                timed = tokens[b, m] + time[:, None, None]
                scores = self.day_scorer(timed)[..., 0]
                scores = torch.where(padded[b, m, :, None, None], -torch.inf, scores)
                months[b, m] = (timed * scores.softmax(0)[..., None]).sum(0)
        rows = months.permute(0, 2, 3, 1, 4).reshape(-1, M, C)
        attended = self.attention(rows, rows, rows)[0]
        share = self.month_scorer(attended).softmax(1)
        return (M * share * attended).reshape(B, h, w, M, C).permute(0, 3, 1, 2, 4)

    def where(self, place: Any, h: int, w: int) -> Tensor:
        return torch.stack(
            [
                torch.stack(
                    [torch.cat((sinusoid_row(row, C // 2), sinusoid_row(column, C // 2))) for column in range(w)]
                )
                for row in range(h)
            ]
        )

    def decoded(self, tokens: Tensor) -> Tensor:
        return self.head(self.refine(self.deconv(self.proj(tokens)))) * self.scale + self.bias


class Repository(Transcription):
    def __init__(self, hidden: int = 32, *, mixed_axes: bool = True, place_per_window: bool = True) -> None:
        super().__init__()
        half = hidden // 2
        self.mixed_axes, self.place_per_window = mixed_axes, place_per_window
        self.month_phase = nn.Linear(12, C, bias=False)
        self.day_scorer = scorer()
        self.month_norm = nn.LayerNorm(C)
        self.attention = nn.MultiheadAttention(C, HEADS, batch_first=True)
        self.network = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))
        self.position_gain, self.scale_gain = nn.Parameter(torch.ones(K)), nn.Parameter(torch.ones(10))
        self.scale_norm = nn.LayerNorm(10)
        self.mlp = nn.Sequential(nn.LayerNorm(K + 10), nn.Linear(K + 10, 2 * C), nn.GELU(), nn.Linear(2 * C, C))
        self.proj = nn.Conv2d(C, hidden, 1)
        self.deconv = nn.ConvTranspose2d(hidden, half, (PATCH[1] + 2, PATCH[2] + 2), PATCH[1:], padding=1)
        self.refine = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1), nn.GroupNorm(8, half), nn.GELU(),
            nn.Conv2d(half, half, 3, padding=1), nn.GroupNorm(8, half), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Conv2d(half, 1, 1)

    def months(self, tokens: Tensor, padded: Tensor, phases: Tensor) -> Tensor:
        B, M, T, h, w, _ = tokens.shape
        if self.mixed_axes:
            tokens = tokens.contiguous().view(B, h, w, M, T, C).permute(0, 3, 4, 1, 2, 5)
        month, day, hour = phases[..., 0], phases[..., 1], phases[..., 2]
        fixed = [
            wave(k * phase)
            for phase in (day, hour, day + hour, day - hour)
            for wave in (torch.sin, torch.cos)
            for k in range(1, C // 8 + 1)
        ]
        of_month = [wave(k * month) for wave in (torch.sin, torch.cos) for k in range(1, 7)]
        time = torch.stack(fixed, -1) + self.month_phase(torch.stack(of_month, -1))  # (B, M, T, C)
        share = torch.where(padded, -torch.inf, self.day_scorer(time)[..., 0]).softmax(2)
        months = (tokens * share[..., None, None, None]).sum(2)
        months = months + (time * share[..., None]).sum(2)[:, :, None, None]
        z = self.month_norm(months).permute(0, 2, 3, 1, 4).reshape(-1, M, C)
        z = z + self.attention(z, z, z)[0] + self.network(z)
        return z.reshape(B, h, w, M, C).permute(0, 3, 1, 2, 4)

    def where(self, place: Any, h: int, w: int) -> Tensor:
        features = place[1].mean(1, keepdim=True).expand_as(place[1]) if self.place_per_window else place[1]
        position, scale = features[..., :K], features[..., K:]
        both = torch.cat((self.position_gain * position, self.scale_gain * self.scale_norm(scale)), -1)
        return self.mlp(both).reshape(-1, 1, h, w, C)

    def decoded(self, tokens: Tensor) -> Tensor:
        return self.head(self.refine(self.deconv(self.proj(tokens))))


COMMON = {
    "conv": "encoder.proj",
    "norm": "encoder.norm",
    "spatial.layers.N.self_attn.in_proj": "spatial.layers.N.attention.inward",
    "spatial.layers.N.self_attn.out_proj": "spatial.layers.N.attention.outward",
    "spatial.layers.N.linear1": "spatial.layers.N.network.0",
    "spatial.layers.N.linear2": "spatial.layers.N.network.3",
    "spatial.layers.N.norm1": "spatial.layers.N.attention_norm",
    "spatial.layers.N.norm2": "spatial.layers.N.network_norm",
    "day_scorer.0": "temporal.day_scorer.0",
    "day_scorer.1": "temporal.day_scorer.1",
    "day_scorer.3": "temporal.day_scorer.4",
    "attention.in_proj": "temporal.month_attention.inward",
    "attention.out_proj": "temporal.month_attention.outward",
    "proj": "decoder.upsample.0",
    "deconv": "decoder.upsample.1",
    "refine.0": "decoder.refine.0",
    "refine.1": "decoder.refine.1",
    "head": "decoder.head",
}
OWN = {
    Documented: {
        "month_scorer.0": "temporal.month_scorer.0",
        "month_scorer.1": "temporal.month_scorer.1",
        "month_scorer.3": "temporal.month_scorer.4",
        "refine.3": "decoder.refine.3",
        "refine.4": "decoder.refine.4",
        "scale": "decoder.scale",
        "bias": "decoder.bias",
    },
    Repository: {
        "month_phase": "time.months",
        "month_norm": "temporal.month_norm",
        "network.0": "temporal.month_network.0",
        "network.1": "temporal.month_network.1",
        "network.3": "temporal.month_network.4",
        "position_gain": "place.position_gain",
        "scale_gain": "place.scale_gain",
        "scale_norm": "place.scale_norm",
        "mlp": "place.mlp",
        "refine.3": "decoder.refine.4",
        "refine.4": "decoder.refine.5",
    },
}
"""Names of the transcription's parameters and of ours, both without what follows."""


def pairs(plain: Transcription) -> Iterator[tuple[str, str]]:
    """The name of each parameter and buffer of the transcription, and of the same of our model."""
    names = COMMON | OWN[type(plain)]
    for name in plain.state_dict():
        number = name.split(".")[2] if name.startswith("spatial") else ""
        general = name.replace(f"layers.{number}.", "layers.N.") if number else name
        start = max((start for start in names if general.startswith(start)), key=len)
        ours = names[start].replace("N", number) + general.removeprefix(start).replace("_weight", ".weight")
        yield name, ours.replace("_bias", ".bias")


def drawn(preset: str, **changes: Any) -> tuple[SpatioTemporalModel, Transcription, dict[str, Any]]:
    """A small model with random weights, its transcription with the same, and a window, all float64."""
    torch.manual_seed(0)
    config = SpatioTemporalConfig.preset(preset, **SMALLEST, **changes)
    model = SpatioTemporalModel(config).double().eval()
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not name.endswith("running_var"):
            value.copy_(0.5 * torch.randn_like(value))
    plain = (Documented() if preset == "documented" else Repository(**changes)).double().eval()
    own = model.state_dict()
    plain.load_state_dict({name: own[ours].reshape(plain.state_dict()[name].shape) for name, ours in pairs(plain)})
    window = window_of(config, samples=2, months=3)
    window["phases"][..., 0] = math.tau / 12 * torch.tensor([0.0, 4.0, 11.0])[:, None]
    window = {
        key: value.double() if torch.is_tensor(value) and value.is_floating_point() else value
        for key, value in window.items()
    }
    lonlat, features = window["place"]
    window["place"] = (lonlat.double(), None if features is None else features.double())
    window.pop("baseline")
    return model, plain, window


CASES = [
    ("documented", {}),
    ("repository", {}),
    ("repository", {"mixed_axes": False}),
    ("repository", {"place_per_window": False}),
]


@pytest.mark.parametrize(("preset", "changes"), CASES)
def test_a_published_model_is_its_transcription_forward_and_backward(preset: str, changes: dict[str, Any]) -> None:
    model, plain, window = drawn(preset, **changes)
    ours, theirs = model(**window), plain(**window)
    assert float(theirs.detach().std()) > 1.0
    torch.testing.assert_close(ours, theirs, **EXACT)
    weight = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for output in (ours, theirs):
        (weight * output).sum().backward()
    gradients = dict(model.named_parameters())
    for name, own in pairs(plain):
        value = dict(plain.named_parameters()).get(name)
        if value is not None:
            torch.testing.assert_close(gradients[own].grad.reshape(value.shape), value.grad, rtol=1e-5, atol=1e-5)


def test_every_weight_of_ours_has_one_of_the_transcription() -> None:
    for preset in ("documented", "repository"):
        model, plain, _ = drawn(preset)
        assert sorted(ours for _, ours in pairs(plain)) == sorted(model.state_dict())


def test_the_published_models_have_their_numbers_of_parameters() -> None:
    """Counted by hand at C = 128, patch (1, 4, 4), two layers; ``repository``: hidden 256, K = 96."""
    linear = lambda inward, outward: inward * outward + outward  # noqa: E731
    encoder = linear(2 * 16, 128) + 2 * 128
    scored = 2 * 128 + linear(128, 128) + linear(128, 1)
    attention = linear(128, 3 * 128) + linear(128, 128)
    network = linear(128, 512) + linear(512, 128)
    layer = attention + network + 2 * 2 * 128
    documented = encoder + 2 * scored + attention + 2 * layer
    documented += linear(128, 128) + linear(128 * 36, 64)
    documented += linear(9 * 64, 64) + linear(64, 64) + 2 * 2 * 64 + linear(64, 1) + 2
    assert count_parameters(SpatioTemporalConfig.preset("documented")) == documented == 853_765
    repository = encoder + 12 * 128 + scored + 2 * 128 + attention + 2 * 128 + network
    repository += 106 + 2 * 10 + 2 * 106 + linear(106, 256) + linear(256, 128)
    repository += 2 * layer
    repository += linear(128, 256) + linear(256 * 36, 128) + 2 * (linear(9 * 128, 128) + 2 * 128) + linear(128, 1)
    assert count_parameters(SpatioTemporalConfig.preset("repository")) == repository == 2_186_964


@pytest.mark.parametrize("fault", ["mixed_axes", "place_per_window"])
def test_a_repaired_fault_changes_the_map_and_what_it_depends_on(fault: str) -> None:
    published, _, window = drawn("repository")
    repaired, _, _ = drawn("repository", **{fault: False})
    repaired.load_state_dict(published.state_dict())
    assert (published(**window) - repaired(**window)).abs().max() > 1e-3


def test_the_published_reshape_hands_a_days_values_to_another_month() -> None:
    """What reaches the first patch of the first month without attention: its own days, or those of other patches."""
    model, _, _ = drawn("repository")
    tokens = (
        torch.arange(2 * 3 * 5 * 2 * 2, dtype=torch.float64).reshape(2, 3, 5, 2, 2, 1).expand(-1, -1, -1, -1, -1, C)
    )
    aggregator = model.temporal
    reached = {}
    for mixed in (True, False):
        aggregator.mixed_axes = mixed
        free = tokens.clone().requires_grad_()
        time, observed = torch.zeros(2, 3, 5, C, dtype=torch.float64), torch.ones(2, 3, 5, 2, 2, dtype=torch.float64)
        padded = torch.zeros(2, 3, 5, dtype=torch.bool)
        aggregator.month_attention.outward.weight.data.zero_()
        weighed = aggregator(free, time, observed, padded, None, False).tokens
        weighed[0, 0, 0, 0, 0].backward()
        reached[mixed] = free.grad.abs().sum(-1)[0] > 0
    assert not reached[False][1:].any()
    assert not reached[False][:, :, 0, 1].any()
    assert reached[True][:, :, 0, 1].any()


def test_day_weights_of_the_repository_ignore_the_data_and_those_of_the_document_do_not() -> None:
    for preset, depends in (("repository", False), ("documented", True)):
        model, _, window = drawn(preset)
        before = model.forward_details(**window).day_weights
        window["daily"] = window["daily"] + torch.randn_like(window["daily"])
        after = model.forward_details(**window).day_weights
        assert bool((before != after).any()) == depends


@pytest.mark.parametrize("preset", ["documented", "repository"])
def test_the_weights_of_days_and_months_are_known(preset: str) -> None:
    model, _, window = drawn(preset)
    with torch.no_grad():
        result = model.forward_details(**window)
    h, w = 8 // PATCH[1], 12 // PATCH[2]
    assert result.tokens.shape == (2, 3, h, w, C)
    assert result.day_weights.shape == (2, 3, 31, h, w)
    torch.testing.assert_close(result.day_weights.sum(2), torch.ones(2, 3, h, w, dtype=torch.float64))
    assert (result.day_weights[window["padded"]] == 0.0).all()
    assert result.month_attention is not None
    torch.testing.assert_close(result.month_attention.sum(-1), torch.ones(2, h, w, 3, dtype=torch.float64))
    assert (result.month_scores is None) == (preset == "repository")
    assert result.scene is result.std is None


@pytest.mark.parametrize("preset", ["documented", "repository"])
def test_a_month_that_is_wholly_padded_or_without_observations_gives_numbers(preset: str) -> None:
    model, _, window = drawn(preset)
    window["padded"][0, 1] = True
    window["missing"][1, :, 2] = True
    output = model(**window)
    output.sum().backward()
    assert output.isfinite().all()
    assert all(bool(value.grad.isfinite().all()) for value in model.parameters() if value.grad is not None)


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("documented", {"summaries": True}, "'documented' has summaries = false"),
        ("documented", {"encoder": "harmonic", "norm": "group"}, 'encoder = "sinusoidal", norm = "batch"'),
        ("repository", {"uncertainty": True}, "'repository' has uncertainty = false"),
        ("repository", {"width": 36}, "a width that is a multiple of 8; width is 36"),
        ("tiny", {"mixed_axes": True}, "'spatiotemporal' has mixed_axes = false"),
    ],
)
def test_what_a_published_model_does_not_have_is_refused(preset: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SpatioTemporalConfig.preset(preset, **changes)
    assert message in str(caught.value)


def test_the_old_name_of_the_base_preset_is_read_with_a_note() -> None:
    with pytest.warns(DeprecationWarning, match="the preset 'published' is called 'base' now"):
        assert SpatioTemporalConfig.preset("published", width=32) == SpatioTemporalConfig.preset("base", width=32)
