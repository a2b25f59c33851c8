"""The spatio-temporal model whole: what comes out, what may move what, and what is refused."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.windows import model_of, window_of

ALONE: dict[str, Any] = {"cross_month": False, "spatial_layers": 0}
"""Attention switched off."""

VARIANTS: list[dict[str, Any]] = [
    {"name": "base"},
    {"name": "tiny"},
    {"name": "tiny", "time": "calendar", "encoder": "sinusoidal", "uncertainty": True},
    {"name": "tiny", "encoder": "table", "patch": (2, 4, 2), "residual": False},
    {"name": "tiny", "encoder": "none", "patch": (5, 2, 4), "day_layers": 0, **ALONE},
    {"name": "base", "norm": "group", "dropout": 0.3, "overlap": 0, "refinement": ()},
]


def changed(window: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in window.items()} | values


def moved(before: Tensor, after: Tensor) -> Tensor:
    return (before != after).flatten(0, 1).any(0)


# --- what comes out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_maps_and_all_that_led_to_them(variant: dict[str, Any]) -> None:
    model = model_of(**variant)
    config = model.config
    window = window_of(config, samples=2, months=3)
    with torch.no_grad():
        result = model.forward_details(**window)
        assert torch.equal(model(**window), result.mean)
    h, w = 8 // config.patch[1], 12 // config.patch[2]
    assert result.mean.shape == result.base.shape == result.count.shape == (2, 3, 8, 12)
    assert result.mean.isfinite().all()
    assert (result.mean[window["land"][:, None].expand(2, 3, 8, 12)] == 0.0).all()
    assert result.tokens.shape == (2, 3, h, w, config.width)
    assert result.day_weights.shape == (2, 3, math.ceil(31 / config.patch[0]), h, w)
    torch.testing.assert_close(result.day_weights.sum(2), torch.ones(2, 3, h, w))
    assert (result.std is not None) == config.uncertainty
    if result.std is not None:
        assert (result.std > 0.0).all()
    if not config.cross_month:
        assert result.month_attention is result.month_scores is result.scene is None
        return
    assert result.month_attention.shape == (2, h, w, 3, 3)
    torch.testing.assert_close(result.month_attention.sum(-1), torch.ones(2, h, w, 3))
    torch.testing.assert_close(result.month_scores.sum(1), torch.ones(2))
    assert result.scene.shape == (2, config.width)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_parameter(variant: dict[str, Any]) -> None:
    model = model_of(**variant).train()
    window = window_of(model.config, samples=2)
    window["missing"][:, :, :, :, :4, :4] = True  # "nothing seen" has something to say
    result = model.forward_details(**window)
    loss = result.mean.square().mean() + (0.0 if result.std is None else result.std.mean())
    loss.backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum()]
    assert still == []
    assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)


def test_without_a_word_from_the_network_the_map_is_the_mean_of_the_valid_days() -> None:
    model = model_of()
    torch.nn.init.zeros_(model.decoder.head.weight)
    torch.nn.init.zeros_(model.decoder.head.bias)
    window = window_of(model.config)
    with torch.no_grad():
        result = model.forward_details(**window)
    daily, missing = window["daily"][:, 0], window["missing"][:, 0]
    for month, row, column in ((0, 0, 0), (1, 3, 5), (1, 7, 11)):
        days = [
            daily[0, month, day, row, column]
            for day in range(31)
            if not missing[0, month, day, row, column] and not window["padded"][0, month, day]
        ]
        land = window["land"][0, row, column]
        expected = 0.0 if land else (sum(days) / len(days) if days else window["baseline"][0, month, row, column])
        assert float(result.mean[0, month, row, column]) == pytest.approx(float(expected), abs=1e-4)
        assert float(result.count[0, month, row, column]) == (0.0 if land else len(days))


def test_cells_without_a_valid_day_start_from_the_baseline_or_else_the_constant() -> None:
    model = model_of()
    window = window_of(model.config)
    window["missing"][..., 2, 3] = True
    window["land"][:] = False
    with_baseline = model.forward_details(**window).base[..., 2, 3]
    torch.testing.assert_close(with_baseline, window["baseline"][..., 2, 3])
    without = model.forward_details(**changed(window, baseline=None)).base[..., 2, 3]
    assert (without == model.config.offset_celsius).all()


def test_a_model_without_the_residual_adds_to_the_baseline() -> None:
    window = window_of((model := model_of(residual=False)).config)
    base = model.forward_details(**window).base
    torch.testing.assert_close(base, window["baseline"].masked_fill(window["land"][:, None], 0.0))


def test_shifting_baseline_and_days_together_shifts_the_map() -> None:
    model = model_of()
    window = window_of(model.config)
    window["land"][:] = False
    shifted = changed(window, daily=window["daily"] + 3.0, baseline=window["baseline"] + 3.0)
    torch.testing.assert_close(model(**shifted), model(**window) + 3.0, rtol=0.0, atol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS[:2])
def test_bfloat16_stays_near_float32(variant: dict[str, Any]) -> None:
    model = model_of(**variant)
    window = window_of(model.config)
    exact = model(**window)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(**window)
    assert rounded.dtype == torch.float32
    off = (rounded - exact).detach().abs().max() / model.config.scale_kelvin
    assert 0.0 < float(off) < 0.05


def test_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        model = model_of(checkpointing=checkpointing).train()
        model(**window_of(model.config)).sum().backward()
        gradients.append([weight.grad for weight in model.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, plain, rtol=1e-4, atol=1e-5)


# --- nothing to go by -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("nothing", ["month padded", "all padded", "month missing", "all missing", "all land"])
def test_where_nothing_is_known_the_result_is_defined(variant: dict[str, Any], nothing: str) -> None:
    model = model_of(**variant).train()
    window = window_of(model.config, samples=2)
    match nothing:
        case "month padded":
            window["padded"][0, 1] = True
        case "all padded":
            window["padded"][0] = True
        case "month missing":
            window["missing"][0, :, 1] = True
        case "all missing":
            window["missing"][0] = True
        case _:
            window["land"][0] = True
    result = model.forward_details(**window)
    for tensor in (result.mean, result.base, result.tokens, result.day_weights, result.scene, result.month_attention):
        assert tensor is None or bool(tensor.isfinite().all())
    result.mean.square().mean().backward()
    assert all(weight.grad is None or bool(weight.grad.isfinite().all()) for weight in model.parameters())


def test_what_stands_under_a_mask_is_not_looked_at() -> None:
    model = model_of()
    window = window_of(model.config)
    expected = model(**window)
    other = changed(window)
    other["daily"][window["missing"]] = math.nan
    other["daily"][:, :, 1, 28:] = math.inf  # padded
    other["daily"].masked_fill_(window["land"][:, None, None, None], -math.inf)
    other["baseline"].masked_fill_(window["land"][:, None], math.nan)
    assert torch.equal(model(**other), expected)


def test_land_is_neither_missing_water_nor_water_at_zero() -> None:
    model = model_of(**ALONE)
    window = window_of(model.config)
    window["land"][:] = False
    window["missing"][..., 1, 1] = True
    unseen = model(**window)
    zero = changed(window)
    zero["daily"][..., 1, 1] = zero["baseline"][:, None, :, None, 1, 1]
    zero["missing"][..., 1, 1] = False
    land = changed(window)
    land["land"][:, 1, 1] = True
    maps = [unseen, model(**zero), model(**land)]
    for first in range(3):
        for second in range(first):
            assert moved(maps[first], maps[second])[0, 0]


# --- what may move what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("summaries", [False, True])
def test_a_patch_moves_only_what_decoder_overlap_and_refinement_reach(summaries: bool) -> None:
    model = model_of(summaries=summaries, refinement=(1, 2), norm="batch", **ALONE)
    window = window_of(model.config, rows=24, columns=24)
    window["land"][:] = False
    before = model(**window)
    other = changed(window)
    other["daily"][..., 8:12, 12:16] += 1.0
    cells = moved(before, model(**other))
    reach = model.config.reach
    assert reach == 1 + 1 + 2
    touched = torch.zeros(24, 24, dtype=torch.bool)
    touched[8 - reach : 12 + reach, 12 - reach : 16 + reach] = True
    assert not cells[~touched].any()
    assert cells[8:12, 12:16].all()
    assert cells[8 - reach, 12:16].any()
    assert cells[8:12, 15 + reach].any()


@pytest.mark.parametrize("summaries", [False, True])
def test_what_is_missing_in_a_patch_moves_at_most_one_patch_more(summaries: bool) -> None:
    model = model_of(summaries=summaries, refinement=(1, 2), norm="batch", **ALONE)
    window = window_of(model.config, rows=24, columns=24)
    other = changed(window)
    other["missing"][..., 8:12, 12:16] ^= True
    cells = moved(model(**window), model(**other))
    reach = model.config.reach + 4 * summaries
    touched = torch.zeros(24, 24, dtype=torch.bool)
    touched[8 - reach : 12 + reach, 12 - reach : 16 + reach] = True
    assert not cells[~touched].any()
    assert cells[8:12, 12:16].any()


def test_a_month_moves_only_itself_without_attention() -> None:
    model = model_of(**ALONE)
    window = window_of(model.config, months=3)
    other = changed(window)
    other["daily"][:, :, 1] += 1.0
    before, after = model(**window), model(**other)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert (before[:, 1] != after[:, 1]).any()


def test_cross_month_attention_carries_a_month_to_the_others_and_spatial_attention_a_patch_to_all() -> None:
    for changes, months, everywhere in (({"spatial_layers": 0}, True, True), ({"cross_month": False}, False, True)):
        model = model_of(**changes)
        window = window_of(model.config, months=3)
        window["land"][:] = False
        other = changed(window)
        other["daily"][:, :, 1, :, :4, :4] += 1.0
        change = model(**window) != model(**other)
        assert change[:, 0].any() == months
        assert change[:, 1, 4:, 8:].any() == everywhere


def test_a_sample_moves_only_itself_and_shuffled_windows_give_shuffled_maps() -> None:
    model = model_of()
    window = window_of(model.config, samples=4)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = {key: value[order] if isinstance(value, Tensor) else value for key, value in window.items()}
    shuffled["place"] = tuple(part[order] for part in window["place"])
    torch.testing.assert_close(model(**shuffled), model(**window)[order], rtol=0.0, atol=1e-4)
    other = changed(window)
    other["daily"][1] += 1.0
    assert torch.equal(model(**window)[[0, 2, 3]], model(**other)[[0, 2, 3]])


def test_days_in_another_order_with_their_times_give_the_same_tokens() -> None:
    """No row of the sequence but its time tells a day from another (the skew of the summary would)."""
    model = model_of(summaries=False)
    window = window_of(model.config)
    order = torch.randperm(31, generator=torch.Generator().manual_seed(1))
    shuffled = changed(window)
    for key, axis in (("daily", 3), ("missing", 3), ("padded", 2), ("phases", 2)):
        shuffled[key] = window[key].index_select(axis, order)
    torch.testing.assert_close(model(**shuffled), model(**window), rtol=0.0, atol=1e-4)


def test_a_place_moves_its_own_token() -> None:
    model = model_of(**ALONE)
    window = window_of(model.config)
    window["land"][:] = False
    lonlat, features = window["place"]
    features = features.clone()
    features[:, 0] *= -1.0
    result, other = model.forward_details(**window), model.forward_details(**changed(window, place=(lonlat, features)))
    cells = (result.tokens != other.tokens).any(-1)
    assert cells[..., 0, 0].all()
    assert int(cells.sum()) == 2  # the first patch of two months
    assert (result.mean != other.mean).any()


def test_without_a_place_the_published_encoding_counts_rows_and_columns() -> None:
    model = model_of(encoder="sinusoidal")
    window = window_of(model.config)
    rows, columns = torch.meshgrid(torch.arange(0.0, 8.0, 4.0), torch.arange(0.0, 12.0, 4.0), indexing="ij")
    counted = torch.stack((columns, rows), -1).reshape(1, 6, 2)
    assert torch.equal(model(**changed(window, place=None)), model(**changed(window, place=(counted, None))))


def test_slots_beyond_the_patches_days_are_padded() -> None:
    """31 days in patches of 4 are 32 with one padded: given as such, the same map."""
    model = model_of(patch=(4, 4, 4), summaries=False)
    window = window_of(model.config)
    longer = changed(window)
    for key, axis in (("daily", 3), ("missing", 3), ("padded", 2), ("phases", 2)):
        longer[key] = torch.cat((window[key], window[key].narrow(axis, 0, 1)), axis)
    longer["padded"][..., 31] = True
    assert torch.equal(model(**longer), model(**window))
