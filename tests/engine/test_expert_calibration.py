"""What an expert has learned, tempered: as sure as pictures it never learned from bear out."""

import math

import pytest
import torch

from engine.data.climate import GROUP_OF_CLASS, NUM_CLASSES
from engine.models.geographic_expert import GeographicExpert
from engine.mvmf import GeographicLoss, MixtureVMF, even_centres
from engine.sphere import lat_lon
from engine.training.expert.prior import FRACTIONS, temper

NUM = 600
CENTRES = even_centres(12).float()
WEIGHTS = torch.linspace(1.0, 2.0, 12)


def geolocator() -> GeographicExpert:
    mixture = MixtureVMF(CENTRES, torch.full((12,), 6.0), WEIGHTS.log())
    climate = torch.linspace(1.0, 3.0, NUM_CLASSES)
    return GeographicExpert(1, 8, mixture, climate / climate.sum(), width=8, head_degree=2, seed=3)


def trained(times: float) -> GeographicExpert:
    """A network that has learned what ``truth`` draws from, and is ``times`` as sure of it."""
    model = geolocator()
    drawn = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for head, scale in ((model.place, 0.6), (model.climate, 4.0)):
            head.weight.copy_(times * scale * torch.randn(head.weight.shape, generator=drawn))
            head.bias.add_(times * 0.3 * torch.randn(head.bias.shape, generator=drawn))
    return model


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(NUM, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def pay(pixels):
    """The loss where the truth is drawn from the belief of a network that is as sure as it may be."""
    belief = trained(1.0).predict(pixels)
    drawn = torch.Generator().manual_seed(2)
    centre = torch.multinomial(belief.place_logits.softmax(1), 1, generator=drawn)[:, 0]
    mixture = MixtureVMF(CENTRES, torch.full((12,), 6.0), torch.zeros(12))
    near = torch.nn.functional.normalize(CENTRES[centre] + math.exp(-3.0) * torch.randn(NUM, 3, generator=drawn), dim=1)
    lat, lon = lat_lon(near.double())
    climate = torch.multinomial(belief.climate_logits.softmax(1), 1, generator=drawn)[:, 0]
    shares = torch.nn.functional.one_hot(climate, NUM_CLASSES).float()
    loss = GeographicLoss(torch.tensor(GROUP_OF_CLASS), mixture, sea_class=None)
    day = torch.full((NUM,), 100.0)
    return lambda prediction: loss(*prediction, lat_deg=lat, lon_deg=lon, climate_fractions=shares, day_of_year=day)


def shares(model: GeographicExpert, times: float) -> tuple[float, float]:
    """How much is left of what place and climate said, of each the share of the sure network's."""
    start, before = geolocator(), trained(times)
    ratios = [
        float((getattr(model, name).weight / getattr(before, name).weight).mean().detach())
        for name in ("place", "climate")
    ]
    for name in ("place", "climate"):
        kept, learned, first = (getattr(expert, name).bias.detach() for expert in (model, before, start))
        share = ratios[("place", "climate").index(name)]
        torch.testing.assert_close(kept - first, share * (learned - first), atol=1e-5, rtol=1e-4)
    return ratios[0], ratios[1]


@pytest.mark.parametrize("times", [0.7, 1.0, 3.0, 10.0])
def test_a_network_that_is_too_sure_or_not_sure_enough_is_brought_back(pixels, pay, times):
    model = trained(times)
    before = pay(model.predict(pixels))
    temper(model, geolocator(), pixels, pay)
    after = pay(model.predict(pixels))
    for share in shares(model, times):
        assert share * times == pytest.approx(1.0, abs=0.15)
    assert after.coordinates <= before.coordinates + 1e-6
    assert after.climate <= before.climate + 1e-6
    assert after.date == before.date


def test_what_says_nothing_true_is_not_believed(pixels, pay):
    """A network that has learned about other pictures than these is left with hardly more than its prior."""
    model = trained(3.0)
    temper(model, geolocator(), pixels.flip(0), pay)
    start = pay(geolocator().predict(pixels))
    after = pay(model.predict(pixels.flip(0)))
    assert all(0.0 <= share < 0.1 for share in shares(model, 3.0))
    assert after.coordinates <= start.coordinates + 1e-6
    assert after.climate <= start.climate + 1e-6


def test_no_more_trust_than_the_most(pixels, pay):
    model = trained(0.1)
    temper(model, geolocator(), pixels, pay)
    for share in shares(model, 0.1):
        assert share == pytest.approx(max(FRACTIONS), abs=1e-5)
