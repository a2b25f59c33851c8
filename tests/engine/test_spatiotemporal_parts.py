"""The parts of the spatio-temporal model against slow, readable references."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from engine.models import (
    PRESETS,
    MonthlyConvDecoder,
    SpatialTransformer,
    SpatioTemporalConfig,
    SpatioTemporalModel,
    TemporalAttentionAggregator,
    TemporalPositionalEncoding,
    VideoEncoder,
    build_model,
    count_parameters,
    estimate,
)
from engine.models.spatiotemporal.attention import SelfAttention
from engine.models.spatiotemporal.summary import NUM_SUMMARIES, SEGMENTS, MonthSummary
from tests.support.windows import window_of

CLOSE = {"rtol": 0.0, "atol": 2e-5}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- days to tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch", [(1, 4, 4), (3, 2, 4), (6, 8, 12)])
def test_the_video_encoder_is_a_convolution_with_kernel_equal_to_stride(patch: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    encoder, volume = VideoEncoder(patch, 10), math.prod(patch)
    values, valid = drawn(2, 3, 6, 8, 12), (drawn(2, 3, 6, 8, 12, seed=1) > 0.0).float()
    land = (drawn(2, 8, 12, seed=2) > 0.5).float()
    conv = nn.Conv3d(3, 10, patch, stride=patch)
    with torch.no_grad():
        conv.weight[:, 0] = encoder.proj.weight[:, :volume].reshape(10, *patch)
        conv.weight[:, 1] = encoder.proj.weight[:, volume:].reshape(10, *patch)
        # land stands still: the channel is seen in every day of the patch
        conv.weight[:, 2] = encoder.land.weight.reshape(10, 1, *patch[1:]) / patch[0]
        conv.bias.copy_(encoder.proj.bias)
    standing = land[:, None, None].expand(2, 3, 6, 8, 12)
    seen = conv(torch.stack((values * valid, valid, standing), dim=2).flatten(0, 1))
    expected = encoder.norm(seen.permute(0, 2, 3, 4, 1).unflatten(0, (2, 3)))
    torch.testing.assert_close(encoder(values * valid, valid, land), expected, **CLOSE)


def test_the_summary_is_what_a_loop_counts() -> None:
    valid = (drawn(1, 2, 31, 3, 4, seed=1) > 0.6).float()
    valid[0, 0, :, 0, 0] = 0.0
    valid[0, 0, :, 0, 1] = 0.0
    valid[0, 0, 30, 0, 1] = 1.0
    values = drawn(1, 2, 31, 3, 4) * valid
    land = torch.zeros(1, 3, 4, dtype=torch.bool)
    land[0, 2, 3] = True
    valid[:, :, :, 2, 3] = 0.0
    valid[0, 0, 7:9] = 1.0 - land[0].float()  # two days without a cloud
    values = values * valid
    summary = MonthSummary.of(values, valid, land)
    channels = summary.channels(land)
    assert channels.shape == (1, 2, NUM_SUMMARIES, 3, 4)

    def clear(month: int, day: int, row: int, column: int) -> bool:
        around = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)]
        inside = [(r, c) for r, c in around if 0 <= r < 3 and 0 <= c < 4]
        return all(bool(valid[0, month, day, r, c]) or bool(land[0, r, c]) for r, c in inside)

    for month, row, column in ((m, r, c) for m in range(2) for r in range(3) for c in range(4)):
        days = [day for day in range(31) if valid[0, month, day, row, column]]
        seen = torch.tensor([float(values[0, month, day, row, column]) for day in days], dtype=torch.float64)
        n = len(days)
        mean = float(seen.mean()) if n else 0.0
        spread = float(seen.std(correction=0)) if n > 1 else 0.0
        skew = sum(day / 15.0 - 1.0 for day in days) / n if n else 0.0
        inner = [float(values[0, month, day, row, column]) for day in days if clear(month, day, row, column)]
        inner_mean = sum(inner) / len(inner) - mean if inner else 0.0
        expected = [mean, mean / (1 + n), 1 / (1 + n), n / 31, spread, skew, inner_mean, len(inner) / 31]
        expected.append(float(land[0, row, column]))
        stretches = [
            [day for day in days if round(p * 31 / SEGMENTS) <= day < round((p + 1) * 31 / SEGMENTS)]
            for p in range(SEGMENTS)
        ]
        expected += [
            float(sum(values[0, month, d, row, column] for d in part)) / (len(part) or 1) for part in stretches
        ]
        expected += [len(part) / (1 + len(part)) for part in stretches]
        assert channels[0, month, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)
    assert (channels[0, 0, 7] >= 2 / 31 - 1e-6)[~land[0]].all()


# --- time -----------------------------------------------------------------------------------------------------------


def calendar_phases(month: int, slots: int = 31) -> torch.Tensor:
    phases = torch.zeros(1, 1, slots, 3)
    phases[..., 0] = math.tau * month / 12
    return phases


def test_calendar_rows_are_their_equation_and_depend_on_the_slot_and_the_month_only() -> None:
    encoding = TemporalPositionalEncoding(6, "calendar")
    padded = torch.zeros(1, 1, 31, dtype=torch.bool)
    rows = encoding(calendar_phases(7), padded)
    for slot in (0, 1, 30):
        for i in range(3):
            rate = 10_000.0 ** (-2 * i / 6)
            expected = [f(rate * slot) + f(rate * 7) for f in (math.sin, math.cos)]
            assert rows[0, 0, slot, 2 * i : 2 * i + 2].tolist() == pytest.approx(expected, abs=1e-5)
    shorter = encoding(calendar_phases(7, 10), padded[..., :10])
    torch.testing.assert_close(shorter, rows[:, :, :10], **CLOSE)


def test_a_month_that_begins_late_keeps_its_number() -> None:
    encoding = TemporalPositionalEncoding(6, "calendar")
    phases, padded = calendar_phases(7), torch.zeros(1, 1, 31, dtype=torch.bool)
    whole = encoding(phases, padded)
    padded[..., :12] = True
    phases[:, :, :12] = 0.0
    torch.testing.assert_close(encoding(phases, padded)[:, :, 12:], whole[:, :, 12:], **CLOSE)


def test_cyclic_rows_are_harmonics_of_the_phases_and_repeat_with_them() -> None:
    encoding = TemporalPositionalEncoding(14, "cyclic")  # two harmonics of three phases, and two numbers left
    phases = torch.rand(1, 2, 5, 3, generator=torch.Generator().manual_seed(0)) * math.tau
    padded = torch.zeros(1, 2, 5, dtype=torch.bool)
    rows = encoding(phases, padded)
    angles = [k * float(phases[0, 1, 3, p]) for p in range(3) for k in (1, 2)]
    expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles] + [0.0, 0.0]
    assert rows[0, 1, 3].tolist() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(encoding(phases + math.tau, padded), rows, **CLOSE)


@pytest.mark.parametrize("kind", ["calendar", "cyclic"])
def test_a_token_of_several_days_has_the_mean_of_their_times(kind: str) -> None:
    encoding = TemporalPositionalEncoding(12, kind)
    phases = torch.rand(1, 1, 6, 3, generator=torch.Generator().manual_seed(0)) * math.tau
    padded = torch.tensor([[[False, False, False, False, True, True]]])
    days, tokens = encoding(phases, padded), encoding(phases, padded, 3)
    torch.testing.assert_close(tokens[0, 0, 0], days[0, 0, :3].mean(0), **CLOSE)
    torch.testing.assert_close(tokens[0, 0, 1], days[0, 0, 3], **CLOSE)


# --- days to months -------------------------------------------------------------------------------------------------


def test_the_aggregator_weighs_days_as_a_loop_does() -> None:
    torch.manual_seed(0)
    aggregator = TemporalAttentionAggregator(8, 2, day_layers=1, cross_month=False)
    nn.init.normal_(aggregator.nothing_seen)
    tokens, time = drawn(1, 2, 5, 2, 2, 8), drawn(1, 2, 5, 8, seed=1)
    observed = torch.rand(1, 2, 5, 2, 2, generator=torch.Generator().manual_seed(2))
    observed[:, :, 3:] = 0.0
    observed[0, 1, :, 1, 1] = 0.0
    with torch.no_grad():
        result = aggregator(tokens, time, observed, torch.zeros(1, 2, dtype=torch.bool), None, True)
        for month, row, column in ((m, r, c) for m in range(2) for r in range(2) for c in range(2)):
            total, weights, rows = 0.0, [], []
            for day in range(5):
                token = tokens[0, month, day, row, column] + time[0, month, day]
                token = token + aggregator.day_layers[0](token)
                share = float(observed[0, month, day, row, column])
                weights.append(share * math.exp(float(aggregator.day_scorer(token))))
                total += weights[-1]
                rows.append(token)
            if total == 0.0:
                expected = aggregator.nothing_seen
            else:
                expected = sum(weight / total * token for weight, token in zip(weights, rows, strict=True))
                shares = [weight / total for weight in weights]
                assert result.day_weights[0, month, :, row, column].tolist() == pytest.approx(shares, abs=1e-5)
            torch.testing.assert_close(result.tokens[0, month, row, column], expected, **CLOSE)


def test_day_weights_stand_the_wildest_scores() -> None:
    aggregator = TemporalAttentionAggregator(8, 2, cross_month=False)
    nn.init.constant_(aggregator.day_scorer[-1].weight, 1e6)
    observed = torch.tensor([0.0, 1e-3, 1.0]).reshape(1, 1, 3, 1, 1)
    tokens, time, padded = drawn(1, 1, 3, 1, 1, 8), torch.zeros(1, 1, 3, 8), torch.zeros(1, 1, dtype=torch.bool)
    weights = aggregator(tokens, time, observed, padded, None, False).day_weights.detach()
    assert weights.isfinite().all()
    assert float(weights[0, 0, 0]) == 0.0
    assert float(weights.sum()) == pytest.approx(1.0)


def test_padded_months_are_not_looked_at_and_weigh_nothing_in_the_scene() -> None:
    torch.manual_seed(0)
    aggregator = TemporalAttentionAggregator(8, 2).eval()
    tokens, time, observed = drawn(1, 3, 4, 2, 2, 8), torch.zeros(1, 3, 4, 8), torch.ones(1, 3, 4, 2, 2)
    observed[:, 1] = 0.0
    padded = torch.tensor([[False, True, False]])
    result = aggregator(tokens, time, observed, padded, None, True)
    assert (result.month_attention[..., 1] == 0.0).all()
    assert result.month_scores[0, 1].item() == 0.0
    two = [0, 2]
    alone = aggregator(tokens[:, two], time[:, two], observed[:, two], padded[:, two], None, False)
    torch.testing.assert_close(alone.tokens, result.tokens[:, two], **CLOSE)


# --- attention ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_that_of_torch(dtype: torch.dtype, masked: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = SelfAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.inward.weight,
            "in_proj_bias": ours.inward.bias,
            "out_proj.weight": ours.outward.weight,
            "out_proj.bias": ours.outward.bias,
        }
    )
    rows, hidden = drawn(3, 7, 16), torch.zeros(3, 7, dtype=torch.bool)
    hidden[1, 2:5] = masked
    expected, weights = theirs(rows, rows, rows, key_padding_mask=hidden)
    torch.testing.assert_close(ours.heads(rows).weights(hidden).mean(1), weights, **CLOSE)
    gathered = ours.to(dtype)(rows.to(dtype), hidden if masked else None)
    close = CLOSE if dtype == torch.float32 else {"rtol": 0.0, "atol": 0.02}
    torch.testing.assert_close(gathered.float(), expected, **close)


def test_a_spatial_transformer_of_no_layers_leaves_tokens_as_they_are() -> None:
    tokens = drawn(2, 3, 4, 8)
    assert torch.equal(SpatialTransformer(8, 2, 0)(tokens), tokens)


def test_spatial_layers_are_pre_norm() -> None:
    torch.manual_seed(0)
    ours = SpatialTransformer(8, 2, 1)
    layer = ours.layers[0]
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": layer.attention.inward.weight,
            "self_attn.in_proj_bias": layer.attention.inward.bias,
            "self_attn.out_proj.weight": layer.attention.outward.weight,
            "self_attn.out_proj.bias": layer.attention.outward.bias,
            "linear1.weight": layer.network[1].weight,
            "linear1.bias": layer.network[1].bias,
            "linear2.weight": layer.network[4].weight,
            "linear2.bias": layer.network[4].bias,
            "norm1.weight": layer.norm.weight,
            "norm1.bias": layer.norm.bias,
            "norm2.weight": layer.network[0].weight,
            "norm2.bias": layer.network[0].bias,
        }
    )
    tokens = drawn(2, 3, 4, 8)
    expected = functional.layer_norm(theirs(tokens.flatten(1, 2)), (8,)).unflatten(1, (3, 4))
    torch.testing.assert_close(ours(tokens), expected, **CLOSE)


# --- tokens to maps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patch", "overlap"), [((4, 4), 1), ((2, 5), 2), ((1, 1), 0)])
def test_the_decoder_gives_every_cell_whatever_the_overlap(patch: tuple[int, int], overlap: int) -> None:
    decoder = MonthlyConvDecoder(6, patch, 8, overlap=overlap, num_outputs=2).eval()
    assert decoder(drawn(3, 4, 5, 6)).shape == (3, 2, 4 * patch[0], 5 * patch[1])


def test_scale_and_bias_come_last() -> None:
    torch.manual_seed(0)
    decoder = MonthlyConvDecoder(6, (2, 2), 8).eval()
    before = decoder(drawn(1, 2, 2, 6))
    nn.init.constant_(decoder.scale, 3.0)
    nn.init.constant_(decoder.bias, -1.0)
    torch.testing.assert_close(decoder(drawn(1, 2, 2, 6)), 3.0 * before - 1.0, **CLOSE)


# --- costs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS[:3])
def test_parameters_are_counted_before_building(name: str) -> None:
    config = SpatioTemporalConfig.preset(name)
    count = sum(weight.numel() for weight in SpatioTemporalModel(config).parameters())
    assert count_parameters(config) == estimate(config, (8, 8), 1).num_parameters == count


def kept_bytes(config: SpatioTemporalConfig, bf16: bool, side: int, months: int) -> int:
    """Bytes that autograd really keeps of a forward pass, every storage once, without the parameters."""
    model = build_model(config).train()
    kept = {weight.untyped_storage().data_ptr(): 0 for weight in model.parameters()}
    alive = []  # a storage that is let go could come again under the same address

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    window = window_of(config, months=months, rows=side, columns=side)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        model(**window)
    return sum(kept.values())


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["tiny", "base", "documented", "repository", "unet"])
def test_what_is_kept_is_estimated_within_a_quarter(name: str, bf16: bool) -> None:
    """By what three more months keep; the peak of a process is the benchmark's to measure."""
    config = SpatioTemporalConfig.preset(name)
    few, many = (kept_bytes(config, bf16, 32, months) for months in (1, 4))
    low, high = (estimate(config, (32, 32), months, bf16=bf16) for months in (1, 4))
    assert high.activation_bytes - low.activation_bytes == pytest.approx(many - few, rel=0.25)


def test_a_larger_window_costs_more_and_checkpointing_saves_memory_for_time() -> None:
    config = SpatioTemporalConfig.preset("base")
    small, large = estimate(config, (32, 32), 4), estimate(config, (64, 64), 4)
    assert small.memory_bytes < large.memory_bytes
    assert 0.0 < small.step_seconds < large.step_seconds
    again = estimate(config.model_copy(update={"checkpointing": True}), (64, 64), 4)
    assert again.memory_bytes < large.memory_bytes
    assert again.step_seconds > large.step_seconds
