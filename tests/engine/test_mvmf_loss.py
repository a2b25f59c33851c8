"""The geographic loss: codes, climate classes that add up, the sea rule, and what must stay finite."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ChoiceError
from engine.mvmf import (
    GeographicLoss,
    LossTerms,
    MixtureVMF,
    coarse_log_probabilities,
    decode_coordinates,
    decode_date,
    encode_coordinates,
    encode_date,
    even_centres,
)
from engine.sphere import great_circle_km, unit_vectors
from tests.support.mixtures import f64

COARSE = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5])
SEA = 0
NUM_FINE = len(COARSE)


def batch(count: int = 6, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(count, NUM_FINE, generator=generator)
    return {
        "lat_deg": 180.0 * torch.rand(count, generator=generator) - 90.0,
        "lon_deg": 360.0 * torch.rand(count, generator=generator) - 180.0,
        "climate_fractions": shares / shares.sum(1, keepdim=True),
        "day_of_year": 365.0 * torch.rand(count, generator=generator),
    }


def answers(count: int = 6, width: int = 3, scale: float = 1.0, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (width, NUM_FINE, 2)
    return [(scale * torch.randn(count, size, generator=generator)).requires_grad_() for size in sizes]


def mixture(count: int = 20) -> MixtureVMF:
    return MixtureVMF(even_centres(count).float(), torch.full((count,), 3.0), torch.zeros(count), learn_kappa=True)


def at_sea(truth: dict[str, torch.Tensor], rows: slice) -> dict[str, torch.Tensor]:
    shares = truth["climate_fractions"].clone()
    shares[rows] = torch.nn.functional.one_hot(torch.tensor(SEA), NUM_FINE).float()
    return truth | {"climate_fractions": shares}


@given(st.floats(-90.0, 90.0), st.floats(-720.0, 720.0))
def test_coordinates_come_back(lat: float, lon: float) -> None:
    code = encode_coordinates(f64(lat), f64(lon))
    assert float(code.min()) >= 0.0
    assert float(code.max()) <= 1.0
    back = decode_coordinates(code)
    assert float(great_circle_km(lat, lon, *back)) < 1e-3


@given(st.floats(0.001, 365.0))
def test_dates_come_back(day: float) -> None:
    assert float(decode_date(encode_date(f64(day)))) == pytest.approx(day, abs=1e-9)


def test_codes_are_the_published_ones() -> None:
    code = encode_coordinates(f64([90.0, 0.0, -90.0]), f64([0.0, 90.0, 180.0]))
    assert np.allclose(code, [[0.0, 0.5, 1.0], [0.5, 1.0, 0.5], [1.0, 0.5, 0.0]])
    # a quarter of a year on
    assert np.allclose(encode_date(f64([91.25, 365.0])), [[1.0, 0.5], [0.5, 1.0]])
    # a code off the circle is the nearest direction, and a latitude beyond a pole the pole
    lat, lon = decode_coordinates(f64([-0.2, 0.9, 0.9]))
    assert (float(lat), float(lon)) == pytest.approx((90.0, 45.0))


def test_coarse_probabilities_are_sums_of_fine_ones() -> None:
    logits = 5.0 * torch.randn(9, NUM_FINE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fine = torch.softmax(logits, 1)
    expected = torch.stack([fine[:, coarse == COARSE].sum(1) for coarse in range(6)], 1)
    coarse_probabilities = coarse_log_probabilities(logits, COARSE, 6).exp()
    assert torch.allclose(coarse_probabilities, expected, rtol=1e-12, atol=0)
    assert torch.allclose(coarse_probabilities.sum(1), torch.ones(9, dtype=torch.float64), atol=1e-12)


def test_the_parts_are_what_they_say() -> None:
    truth, (place, climate, date) = batch(), answers()
    parts = GeographicLoss(COARSE, sea_class=None)(place, climate, date, **truth)
    lat, lon = np.deg2rad(truth["lat_deg"].numpy()), np.deg2rad(truth["lon_deg"].numpy())
    target = np.stack((0.5 - lat / math.pi, (np.sin(lon) + 1) / 2, (np.cos(lon) + 1) / 2), 1)
    assert float(parts.coordinates.detach()) == pytest.approx(((place.detach().numpy() - target) ** 2).mean(), rel=1e-5)
    angle = 2 * math.pi * truth["day_of_year"].numpy() / 365
    circle = (np.stack((np.sin(angle), np.cos(angle)), 1) + 1) / 2
    assert float(parts.date.detach()) == pytest.approx(((date.detach().numpy() - circle) ** 2).mean(), rel=1e-5)
    shares = truth["climate_fractions"].numpy()
    belief = torch.softmax(climate.detach().double(), 1).numpy()
    fine = -(shares * np.log(belief)).sum(1)
    sums = [np.stack([v[:, COARSE.numpy() == c].sum(1) for c in range(6)], 1) for v in (shares, belief)]
    coarse = -(sums[0] * np.log(sums[1])).sum(1)
    assert float(parts.climate.detach()) == pytest.approx(float((fine + coarse).mean() / 2), rel=1e-5)
    weighted = parts.coordinates + 5.0 * parts.climate + 8.0 * parts.date
    assert float(parts.total.detach()) == pytest.approx(float(weighted.detach()), rel=1e-6)


def test_with_a_mixture_the_place_is_its_likelihood() -> None:
    truth, (place, climate, date) = batch(), answers(width=20)
    components = mixture()
    parts = GeographicLoss(COARSE, components, sea_class=None)(place, climate, date, **truth)
    points = unit_vectors(truth["lat_deg"], truth["lon_deg"]).float()
    expected = [
        MixtureVMF(components.centres.detach(), components.log_kappa.detach(), row).log_prob(points[i : i + 1])
        for i, row in enumerate(place.detach())
    ]
    assert float(parts.coordinates.detach()) == pytest.approx(-float(torch.cat(expected).mean()), rel=1e-5)
    parts.total.backward()
    assert torch.isfinite(place.grad).all()
    assert float(components.log_kappa.grad.abs().max()) > 0.0


def test_the_sea_is_left_out_of_place_and_date_only() -> None:
    truth, given_answers = at_sea(batch(), slice(0, 2)), answers()
    ruled = GeographicLoss(COARSE, sea_class=SEA)(*given_answers, **truth)
    rest = {name: values[2:] for name, values in truth.items()}
    expected = GeographicLoss(COARSE, sea_class=None)(*(v[2:] for v in given_answers), **rest)
    torch.testing.assert_close(ruled.coordinates, expected.coordinates)
    torch.testing.assert_close(ruled.date, expected.date)
    everything = GeographicLoss(COARSE, sea_class=None)(*given_answers, **truth)
    assert torch.equal(ruled.climate, everything.climate)
    assert not torch.equal(ruled.coordinates, everything.coordinates)
    ruled.total.backward()
    assert (given_answers[0].grad[:2] == 0).all()
    assert (given_answers[1].grad[:2] != 0).any()


@pytest.mark.parametrize("components", [None, mixture()])
def test_a_batch_of_sea_is_a_finite_loss(components: MixtureVMF | None) -> None:
    truth, given_answers = at_sea(batch(), slice(None)), answers(width=3 if components is None else 20)
    truth["lat_deg"] = truth["lat_deg"] * math.nan  # a scene of open sea may come without coordinates
    parts: LossTerms = GeographicLoss(COARSE, components, sea_class=SEA)(*given_answers, **truth)
    parts.total.backward()
    assert float(parts.coordinates.detach()) == float(parts.date.detach()) == 0.0
    assert float(parts.total.detach()) == pytest.approx(5.0 * float(parts.climate.detach()))
    assert (given_answers[0].grad == 0).all()
    assert torch.isfinite(given_answers[1].grad).all()


@pytest.mark.parametrize("components", [None, mixture()])
@pytest.mark.parametrize("sea_class", [None, SEA])
def test_an_empty_batch_is_a_loss_of_zero(components: MixtureVMF | None, sea_class: int | None) -> None:
    given_answers = answers(0, width=3 if components is None else 20)
    parts = GeographicLoss(COARSE, components, sea_class=sea_class)(*given_answers, **batch(0))
    parts.total.backward()
    assert [float(part.detach()) for part in parts] == [0.0] * 4
    assert all(values.grad is not None for values in given_answers)


@pytest.mark.parametrize("components", [None, mixture()])
def test_answers_a_thousand_times_too_large_stay_finite(components: MixtureVMF | None) -> None:
    given_answers = answers(width=3 if components is None else 20, scale=1000.0)
    parts = GeographicLoss(COARSE, components, sea_class=SEA)(*given_answers, **batch())
    parts.total.backward()
    assert all(torch.isfinite(part) for part in parts)
    assert all(torch.isfinite(values.grad).all() for values in given_answers)


def test_classes_and_weights_that_cannot_be_are_refused() -> None:
    for wrong in (
        lambda: GeographicLoss(torch.tensor([0, 2]), sea_class=None),
        lambda: GeographicLoss(torch.tensor([], dtype=torch.int64), sea_class=None),
        lambda: GeographicLoss(COARSE, sea_class=NUM_FINE),
        lambda: GeographicLoss(COARSE, sea_class=-1),
        lambda: GeographicLoss(COARSE, sea_class=None, weights=(1.0, -5.0, 8.0)),
        lambda: GeographicLoss(COARSE, sea_class=None, weights=(1.0, math.nan, 8.0)),
    ):
        with pytest.raises(ChoiceError) as refusal:
            wrong()
        assert refusal.value.remedy
