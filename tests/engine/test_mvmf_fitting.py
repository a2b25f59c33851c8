"""Fits of a mixture to points: what was sampled is found again."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import vonmises_fisher

from engine.errors import DataError
from engine.mvmf import MAX_KAPPA, Fit, MixtureVMF, concentration, even_centres, fit_em, fit_gradient, kmeans_centres
from engine.sphere import unit_vectors
from tests.support.mixtures import directions, f64, single

TRUTH = MixtureVMF(
    unit_vectors(f64([50.0, -20.0, 5.0]), f64([10.0, 179.5, 40.0])),
    f64([200.0, 30.0, 8.0]).log(),
    f64([0.5, 0.2, 0.3]).log(),
)
POINTS = TRUTH.sample(4000, seed=7)


def start() -> MixtureVMF:
    return MixtureVMF(kmeans_centres(POINTS, 3, seed=0), f64([10.0] * 3).log(), f64([0.0] * 3))


def assert_recovered(fit: Fit) -> None:
    mixture = fit.mixture
    match = torch.argmax(TRUTH.centres @ mixture.centres.double().T, 1)
    assert sorted(match.tolist()) == [0, 1, 2]
    assert torch.allclose(mixture.kappa.double()[match], TRUTH.kappa, rtol=0.1)
    assert torch.allclose(mixture.log_weights.double().exp()[match], f64([0.5, 0.2, 0.3]), atol=0.02)
    cosines = (TRUTH.centres * mixture.centres.double()[match]).sum(1)
    assert float(torch.rad2deg(torch.acos(cosines.clamp(max=1.0))).max()) < 1.5
    # the truth is never better on its own sample than the best fit
    assert fit.log_likelihood[-1] > float(TRUTH.log_prob(POINTS).mean())


def test_em_recovers_a_mixture_and_never_steps_back() -> None:
    fit = fit_em(POINTS, start())
    assert_recovered(fit)
    assert (np.diff(fit.log_likelihood) > -1e-12).all()
    assert fit.log_likelihood[-1] == pytest.approx(float(fit.mixture.log_prob(POINTS).mean()), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradient_steps_recover_a_mixture(dtype: torch.dtype) -> None:
    fit = fit_gradient(POINTS.to(dtype), start().to(dtype), steps=150, learning_rate=0.1)
    assert_recovered(fit)
    assert not any(values.requires_grad for values in fit.mixture.parameters())


def test_one_component_is_scipys_fit() -> None:
    points = single(unit_vectors(70.0, -120.0), 55.0).sample(2000, 0)
    centre, kappa = vonmises_fisher.fit(points.numpy())
    mixture = fit_em(points, single(directions(1)[0], 1.0)).mixture
    assert torch.allclose(mixture.centres[0], torch.tensor(centre), atol=1e-9)
    assert float(mixture.kappa) == pytest.approx(kappa, rel=1e-6)


def test_concentration_inverts_its_definition() -> None:
    kappa = torch.logspace(-6, 7, 400, dtype=torch.float64)
    resultant = torch.where(kappa < 1e-3, kappa / 3.0, 1.0 / torch.tanh(kappa) - 1.0 / kappa)
    # 1 − R̄ = 1/κ has lost κ ε of itself
    assert ((concentration(resultant) / kappa - 1.0).abs() < 1e-9 + 1e-14 * kappa + 1e-14 / kappa**2).all()
    assert concentration(f64([0.0, 1.0])).tolist() == [0.0, math.inf]


def test_a_component_without_points_keeps_its_place() -> None:
    far = MixtureVMF(
        torch.cat((TRUTH.centres, -TRUTH.centres[:1])), torch.cat((TRUTH.log_kappa, f64([13.0]))), f64([0.0] * 4)
    )
    mixture = fit_em(TRUTH.sample(500, 0), far).mixture
    assert float(mixture.log_weights[3].exp()) < 1e-6
    assert torch.isfinite(mixture.log_prob(directions(50))).all()


def test_points_all_in_one_place_meet_the_limit() -> None:
    point = directions(1).repeat(20, 1)
    mixture = fit_em(point, single(directions(1, 3)[0], 10.0)).mixture
    assert float(mixture.kappa) == pytest.approx(MAX_KAPPA)
    assert float(fit_em(point, single(directions(1, 3)[0], 10.0), max_kappa=500.0).mixture.kappa) == pytest.approx(
        500.0
    )


def test_doubled_and_antipodal_starts_are_no_harm() -> None:
    doubled = MixtureVMF(even_centres(2).repeat(2, 1), f64([1.0] * 4), f64([0.0] * 4))
    for fit in (fit_em(POINTS, doubled, max_steps=20), fit_gradient(POINTS, doubled, steps=20)):
        assert all(math.isfinite(value) for value in fit.log_likelihood)
        assert fit.log_likelihood[-1] > fit.log_likelihood[0]


@pytest.mark.parametrize("points", [torch.zeros(0, 3), torch.zeros(5, 2), directions(5) * math.nan])
@pytest.mark.parametrize("fit", [fit_em, fit_gradient])
def test_points_that_are_none_are_refused(fit: object, points: torch.Tensor) -> None:
    with pytest.raises(DataError):
        fit(points, start())
