"""The expert's network: it sees pixels only, begins as its prior, and shares what it learns with the neighbourhood."""

import inspect

import pytest
import torch

from engine.errors import ChoiceError
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import MixtureVMF, decode_date, even_centres

K = 40


def mixture(centres: torch.Tensor | None = None) -> MixtureVMF:
    centres = even_centres(K) if centres is None else centres
    logits = torch.linspace(-1.0, 2.0, len(centres))
    return MixtureVMF(centres.float(), torch.full((len(centres),), 5.0), logits, learn_kappa=True)


def shares() -> torch.Tensor:
    return torch.softmax(torch.linspace(0.0, 3.0, 31), 0)


def network(**choices) -> GeographicExpert:
    defaults = {"bands": 3, "size": 16, "prior": mixture(), "climate_prior": shares(), "width": 16, "head_degree": 6}
    return GeographicExpert(**{**defaults, **choices})


def pictures(count: int = 5, size: int = 16) -> torch.Tensor:
    return torch.randn((count, 3, size, size), generator=torch.Generator().manual_seed(0))


def stirred(model: GeographicExpert) -> GeographicExpert:
    """With heads that are no longer silent."""
    generator = torch.Generator().manual_seed(1)
    for head in (model.place, model.climate, model.date):
        head.weight.data.normal_(0.0, 0.3, generator=generator)
    return model


def test_it_is_given_pixels_and_nothing_else():
    assert list(inspect.signature(GeographicExpert.forward).parameters) == ["self", "pixels"]


@pytest.mark.parametrize("encoder", ["conv", "mixer"])
def test_at_first_it_believes_what_the_prior_does_whatever_the_picture(encoder):
    belief = network(encoder=encoder)(pictures())
    assert [tuple(part.shape) for part in belief] == [(5, K), (5, 31), (5, 2)]
    expected = mixture().log_weights.expand(5, -1)
    torch.testing.assert_close(torch.log_softmax(belief.place_logits, 1), expected)
    torch.testing.assert_close(torch.softmax(belief.climate_logits, 1), shares().expand(5, -1))
    assert torch.isfinite(decode_date(belief.date)).all()


@pytest.mark.parametrize("encoder", ["conv", "mixer"])
def test_each_picture_is_read_by_itself(encoder):
    model = stirred(network(encoder=encoder)).eval()
    images = pictures()
    together, alone = model(images), model(images[2:3])
    for batch, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batch[2:3], single, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together.place_logits[0], together.place_logits[1], atol=1e-3)


def test_what_is_missing_counts_as_the_mean_of_its_band():
    model = stirred(network())
    images = pictures(200)
    images[:, 1] = 20.0 + 5.0 * images[:, 1]
    images[::2, 1, :8] = float("nan")
    model.standardise_by(images)
    assert model.mean[1] == pytest.approx(20.0, abs=0.1)
    assert model.std[1] == pytest.approx(5.0, abs=0.1)
    filled = torch.where(torch.isnan(images), model.mean[:, None, None], images)
    torch.testing.assert_close(model(images).place_logits, model(filled).place_logits)
    nothing = model(torch.full((1, 3, 16, 16), float("nan")))
    assert all(torch.isfinite(part).all() for part in nothing)


def test_a_flat_band_keeps_its_scale():
    model = network()
    images = pictures()
    images[:, 2] = 7.0
    model.standardise_by(images)
    assert (float(model.mean[2]), float(model.std[2])) == (7.0, 1.0)


def test_close_centres_share_what_is_learned_and_far_ones_need_not():
    first = even_centres(K)
    close = torch.nn.functional.normalize(first + 0.01 * first.roll(1, 1), dim=1)
    both = network(prior=mixture(torch.cat((first, close))))
    silent = both(pictures()).place_logits
    gained = stirred(both)(pictures()).place_logits - silent
    apart = (gained[:, :K] - gained[:, K:]).abs().mean()
    assert apart < 0.1 * gained.std()
    assert gained[:, :K].std(1).min() > 0.5 * gained.std()


def test_the_seed_draws_the_weights_and_leaves_torchs_own_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, same, other = network(seed=3), network(seed=3), network(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [model.encoder.stages[0].weight for model in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("encoder", ["conv", "mixer"])
def test_every_parameter_learns(encoder):
    model = stirred(network(encoder=encoder))
    belief = model(pictures())
    points = torch.nn.functional.normalize(torch.randn((5, 3), generator=torch.Generator().manual_seed(2)), dim=1)
    loss = -model.mixture.paired_log_prob(points, belief.place_logits).mean()
    (loss + belief.climate_logits.square().mean() + belief.date.square().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"encoder": "mixer", "size": 18}, "do not divide 18.*choose 16 or 20"),
        ({"size": 4}, "too small"),
        ({"width": 12}, "multiple of 8"),
    ],
)
def test_sizes_that_cannot_work_are_refused(choices, message):
    with pytest.raises(ChoiceError, match=message):
        network(**choices)
