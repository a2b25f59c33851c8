"""Receptive fields and context of hand-made models, whose fields are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import ChoiceError, DataError
from engine.similarity import context_drop, influence_radius_km, receptive_field
from engine.sphere import great_circle_km

HOWS = ("gradient", "occlusion")
PATCH = 4


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def patches(samples: Tensor) -> Tensor:
    """Values (B, h, w, C·ph·pw) of each patch."""
    batch, channels, height, width = samples.shape
    parts = samples.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(3)


def linear(weights: Tensor):
    """A model whose token p is Σ_q weights[p, q] x_q, of patches x_q with all their values."""

    def model(samples: Tensor) -> Tensor:
        values = patches(samples)
        batch, h, w, _ = values.shape
        return torch.einsum("pq,bqd->bpd", weights, values.flatten(1, 2)).reshape(batch, h, w, -1)

    return model


def equal_energy(sample: Tensor) -> Tensor:
    """The sample with the values of every patch scaled to the same energy."""
    energy = patches(sample[None])[0].square().sum(-1)
    scale = energy.rsqrt().repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
    return sample * scale


def neighbours(samples: Tensor) -> Tensor:
    """Means of the 3 × 3 patches around each, without any beyond the edge."""
    means = functional.avg_pool2d(samples, PATCH)
    return functional.avg_pool2d(functional.pad(means, (1, 1, 1, 1)), 3, 1).permute(0, 2, 3, 1)


@pytest.mark.parametrize("how", HOWS)
def test_a_known_field_is_recovered_exactly(how):
    sample = torch.ones(2, 24, 32, dtype=torch.float64)
    field = receptive_field(neighbours, sample, 2, 3, how)
    expected = torch.zeros(6, 8, dtype=torch.float64)
    expected[1:4, 2:5] = 1 / 9
    torch.testing.assert_close(field, expected, rtol=0.0, atol=1e-15)
    corner = receptive_field(neighbours, sample, 0, 0, how)
    assert (corner > 0).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_gradient_and_occlusion_of_a_linear_model_agree_where_patches_have_equal_energy():
    weights = drawn(24, 24, seed=1)
    sample = equal_energy(drawn(3, 16, 24))
    for row, col in ((0, 0), (2, 5), (3, 1)):
        fields = [receptive_field(linear(weights), sample, row, col, how, batch=5) for how in HOWS]
        expected = weights[row * 6 + col].square()
        for field in fields:
            torch.testing.assert_close(field.flatten(), expected / expected.sum(), rtol=1e-12, atol=0.0)


def test_the_gradient_is_that_of_finite_differences():
    mixing = drawn(6 * PATCH**2, 5, seed=2) * 0.1

    def model(samples: Tensor) -> Tensor:
        tokens = torch.tanh(patches(samples) @ mixing[: 2 * PATCH**2])
        return tokens + tokens.mean(dim=(1, 2), keepdim=True).square()

    sample = drawn(2, 8, 12, seed=3)
    field = receptive_field(model, sample, 1, 2)
    energy = np.zeros((2, 3))
    for row in range(8):
        for col in range(12):
            for channel in range(2):
                ends = [sample.clone(), sample.clone()]
                ends[0][channel, row, col] -= 1e-5
                ends[1][channel, row, col] += 1e-5
                low, high = model(torch.stack(ends))[:, 1, 2]
                energy[row // PATCH, col // PATCH] += float(((high - low) / 2e-5).square().sum())
    np.testing.assert_allclose(field.numpy(), energy / energy.sum(), rtol=1e-6)


@pytest.mark.parametrize("how", HOWS)
def test_a_field_in_smaller_patches_adds_up_to_that_in_larger_ones(how):
    sample = torch.ones(1, 16, 16, dtype=torch.float64)
    fine = receptive_field(neighbours, sample, 1, 1, how, (2, 2))
    coarse = receptive_field(neighbours, sample, 1, 1, how)
    assert fine.shape == (8, 8)
    torch.testing.assert_close(fine.reshape(4, 2, 4, 2).sum((1, 3)), coarse)


def test_occlusion_fills_with_what_is_named():
    sample = torch.ones(2, 8, 8, dtype=torch.float64)
    with pytest.raises(DataError, match="depends on no value"):
        receptive_field(neighbours, sample, 0, 0, "occlusion", fill=torch.tensor([1.0, 1.0]))
    assert float(receptive_field(neighbours, sample, 0, 0, "occlusion", fill=0.5).sum()) == pytest.approx(1.0)


def test_each_step_is_reported_and_can_end_the_work():
    sample, steps = torch.ones(1, 16, 16, dtype=torch.float64), []
    receptive_field(neighbours, sample, 0, 0, "occlusion", batch=5, on_step=lambda *step: steps.append(step))
    assert steps == [(0, 16), (5, 16), (10, 16), (15, 16)]

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        receptive_field(neighbours, sample, 0, 0, on_step=cancel)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"how": "saliency"}, ChoiceError, "choose one of gradient, occlusion"),
        ({"row": 2}, ChoiceError, "a row from 0 to 1"),
        ({"patch": (3, 4)}, ChoiceError, "do not divide"),
        ({"sample": torch.full((1, 8, 8), torch.nan)}, DataError, "not finite"),
        ({"model": lambda samples: torch.ones(len(samples), 2, 2, 3)}, DataError, "depends on no value"),
    ],
)
@pytest.mark.parametrize("how", HOWS)
def test_what_cannot_be_measured_is_refused(how, changes, error, text):
    arguments = {"model": neighbours, "sample": torch.ones(1, 8, 8), "row": 0, "col": 0, "how": how} | changes
    with pytest.raises(error, match=text):
        receptive_field(**arguments)


def test_the_radius_holds_its_share():
    lat, lon = torch.linspace(-40.0, 40.0, 9).double(), torch.linspace(-170.0, 170.0, 18).double()
    field = torch.zeros(9, 18, dtype=torch.float64)
    field[4, 0], field[4, 17], field[4, 1], field[0, 0] = 0.5, 0.3, 0.15, 0.05
    radii = [influence_radius_km(field, lat, lon, 4, 0, share) for share in (0.5, 0.8, 0.9, 1.0)]
    east, west, north = (
        float(great_circle_km(lat[4], lon[0], lat[row], lon[col])) for row, col in ((4, 1), (4, 17), (0, 0))
    )
    assert west == pytest.approx(east)  # the date line is no edge
    assert radii == pytest.approx([0.0, west, east, north])


def test_a_token_of_its_own_patch_alone_drops_nothing_and_one_of_its_surroundings_all():
    sample, others = drawn(1, 8, 8), drawn(6, 1, 8, 8, seed=4)
    own = context_drop(linear(torch.eye(4).double()), sample, 1, 0, others, batch=4)
    torch.testing.assert_close(own, torch.zeros(6, dtype=torch.float64))
    weights = torch.ones(4, 4).double() - torch.eye(4).double()  # tokens that see the other patches only
    sees_others = linear(weights)
    drop = context_drop(sees_others, sample, 1, 0, others)
    for got, other in zip(drop, others, strict=True):
        before, after = (sees_others(values[None])[0, 1, 0] for values in (sample, other))
        assert float(got) == pytest.approx(1.0 - float(before @ after / before.norm() / after.norm()))
    assert float(drop.min()) > 0.1


def test_surroundings_of_another_shape_are_refused():
    for others in (torch.ones(3, 1, 8, 12), torch.ones(0, 1, 8, 8)):
        with pytest.raises(DataError, match="do not suit"):
            context_drop(neighbours, torch.ones(1, 8, 8), 0, 0, others)
    with pytest.raises(ChoiceError, match="a row from 0 to 1"):
        context_drop(neighbours, torch.ones(1, 8, 8), 5, 0, torch.ones(1, 1, 8, 8))
    assert math.isnan(float(context_drop(neighbours, torch.zeros(1, 8, 8), 0, 0, torch.ones(1, 1, 8, 8))))
