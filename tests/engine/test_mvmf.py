"""The distribution itself: against SciPy, its gradient, samples, entropy, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import vonmises_fisher

from engine.errors import ChoiceError, DataError
from engine.mvmf import MAX_KAPPA, MIN_KAPPA, MixtureVMF, even_centres, log_normaliser
from engine.mvmf._likelihood import log_mixture
from engine.sphere import LatLonGrid, unit_vectors
from tests.support.mixtures import as_numpy, directions, f64, single, some_mixture
from tests.support.reference_mvmf import mixture_log_density

KAPPAS = [1e-6, 1e-3, 9.999e-3, 1.0001e-2, 0.3, 1.0, 30.0, 1e3, 1e4, 1e5]


@pytest.mark.parametrize("kappa", KAPPAS)
def test_one_component_is_scipys(kappa: float) -> None:
    centre = directions(1, 3)[0]
    mixture = single(centre, kappa)
    points = torch.cat((directions(200), mixture.sample(200, seed=0), centre[None]))
    expected = vonmises_fisher(centre.numpy(), kappa).logpdf(points.numpy())
    assert np.abs(mixture.log_prob(points).numpy() - expected).max() < 1e-10


def test_at_the_largest_kappa_rounding_is_all_that_is_left() -> None:
    # at κ = 1e6 the exponent reaches −2e6, of which 1e-16 is 2e-10; where a sample falls it is of the order of 1
    centre = directions(1, 3)[0]
    mixture = single(centre, 1e6)
    far = directions(200)
    expected = vonmises_fisher(centre.numpy(), 1e6).logpdf(far.numpy())
    assert np.abs(mixture.log_prob(far).numpy() / expected - 1.0).max() < 1e-13
    # near the centre SciPy's κ μ·x has lost ten digits of sixteen
    near = mixture.sample(200, seed=0)
    squares = ((near - centre) ** 2).sum(1)
    assert torch.allclose(mixture.log_prob(near), math.log(1e6 / (2 * math.pi)) - 5e5 * squares, rtol=0, atol=1e-9)


def test_the_normaliser_has_no_step_and_knows_its_limits() -> None:
    kappa = torch.logspace(-6, 6, 2001, dtype=torch.float64)
    import mpmath

    with mpmath.workdps(40):
        exact = [
            float(mpmath.log(k / (2 * mpmath.pi * (1 - mpmath.exp(-2 * k))))) for k in map(mpmath.mpf, kappa.tolist())
        ]
    assert (log_normaliser(kappa) - f64(exact)).abs().max() < 1e-14
    assert math.exp(log_normaliser(f64(1e-6))) == pytest.approx(1.0 / (4.0 * math.pi), rel=1e-5)
    small = torch.tensor([1e-6, 9e-3, 1e-2, 11e-3, 1e3], dtype=torch.float64, requires_grad=True)
    log_normaliser(small).sum().backward()
    # d/dκ ln C = 1/κ + 1 − coth κ, with C the factor of e^(κ (cos − 1))
    slope = 1.0 / small.detach() + 1.0 - 1.0 / torch.tanh(small.detach())
    assert torch.allclose(small.grad, slope, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
def test_a_mixture_is_the_sum_of_its_components(dtype: torch.dtype, tolerance: float) -> None:
    mixture = some_mixture(40, low=-5.0, high=9.0)
    points = torch.cat((directions(100, 5), mixture.sample(100, seed=2)))
    expected = mixture_log_density(points.numpy(), *as_numpy(mixture))
    values = mixture.to(dtype).log_prob(points.to(dtype))
    assert values.dtype == dtype
    error = np.abs(values.double().numpy() - expected) / np.maximum(1.0, np.abs(expected))
    assert error.max() < tolerance


@pytest.mark.parametrize("kappa", [*KAPPAS, 1e6])
def test_float32_is_as_close_as_its_vectors_are(kappa: float) -> None:
    mixture = single(directions(1, 3)[0], kappa)
    short = single(directions(1, 3)[0], kappa).float()
    far, near = directions(500), mixture.sample(5000, seed=0)
    exact = mixture.log_prob(far)
    error = (short.log_prob(far.float()).double() - exact).abs()
    assert float((error / exact.abs().clamp_min(1.0)).max()) < 1e-5
    error = (short.log_prob(near.float()).double() - mixture.log_prob(near)).abs()
    assert float(error.max()) < max(1e-5, 3e-7 * math.sqrt(kappa))


def test_many_mixtures_of_the_same_components() -> None:
    parts, points = some_mixture(9), directions(5, 4)
    logits = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = MixtureVMF(parts.centres, parts.log_kappa, logits)
    every = batch.log_prob(points)
    assert every.shape == (5, 5)
    assert torch.allclose(every[2], batch.select(2).log_prob(points), rtol=0, atol=1e-14)
    assert torch.allclose(batch.paired_log_prob(points), every.diagonal(), rtol=0, atol=1e-12)
    assert torch.allclose(parts.paired_log_prob(points, logits), every.diagonal(), rtol=0, atol=1e-12)
    mean = torch.logsumexp(every, 0) - math.log(5.0)
    assert torch.allclose(batch.average().log_prob(points), mean, rtol=0, atol=1e-12)
    grid = LatLonGrid.regular(20.0)
    assert batch.log_prob_map(grid).shape == batch.cell_mass(grid).shape == (5, 9, 18)
    for wrong in (lambda: batch.sample(3, 0), batch.entropy, batch.peaks):
        with pytest.raises(ChoiceError, match="5 mixtures"):
            wrong()


@pytest.mark.parametrize("shared", [True, False])
def test_the_gradient_is_the_derivative(shared: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    kappa = torch.rand(7, dtype=torch.float64, generator=generator) * 5.0 + 0.5
    logits = torch.randn((7,) if shared else (4, 7), dtype=torch.float64, generator=generator)
    norm = torch.randn(7, dtype=torch.float64, generator=generator)
    given_tensors = [directions(4), directions(7, 1), kappa, norm, logits]
    assert torch.autograd.gradcheck(log_mixture, [tensor.requires_grad_() for tensor in given_tensors])


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[torch.Tensor]:
        mixture = some_mixture(30)
        learned = MixtureVMF(
            mixture.centres_raw, mixture.log_kappa, mixture.logits, learn_centres=True, learn_kappa=True
        )
        learned.logits.requires_grad_()
        learned.log_prob(directions(50, 9)).sum().backward()
        return [learned.centres_raw.grad, learned.log_kappa.grad, learned.logits.grad]

    whole = run()
    monkeypatch.setattr("engine.mvmf._likelihood._PAIRS_AT_ONCE", 70)
    for gradient, chunked_gradient in zip(whole, run(), strict=True):
        assert torch.allclose(gradient, chunked_gradient, rtol=1e-11, atol=1e-11)


def test_logits_a_thousand_times_too_large_are_no_harm() -> None:
    parts = some_mixture(50)
    logits = 1000.0 * torch.randn(20, 50, generator=torch.Generator().manual_seed(3))
    logits.requires_grad_()
    mixture = MixtureVMF(parts.centres_raw.float(), parts.log_kappa.float(), torch.zeros(50), learn_centres=True)
    loss = -mixture.paired_log_prob(directions(20).float(), logits).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(mixture.centres_raw.grad).all()


def test_which_parts_learn_is_a_choice_and_centres_stay_on_the_sphere() -> None:
    given_parts = some_mixture()
    fixed = MixtureVMF(given_parts.centres_raw, given_parts.log_kappa, given_parts.logits)
    assert not list(fixed.parameters())
    assert set(fixed.state_dict()) == {"centres_raw", "log_kappa", "logits"}
    learned = MixtureVMF(3.0 * given_parts.centres_raw, given_parts.log_kappa, given_parts.logits, learn_centres=True)
    assert [name for name, _ in learned.named_parameters()] == ["centres_raw"]
    points = directions(100, 8)
    before = float(learned.log_prob(points).detach().mean())
    assert before == pytest.approx(float(fixed.log_prob(points).mean()), abs=1e-12)
    optimiser = torch.optim.SGD(learned.parameters(), lr=0.5)
    (-learned.log_prob(points).mean()).backward()
    optimiser.step()
    assert float(learned.log_prob(points).detach().mean()) > before
    assert torch.allclose((learned.centres.detach() ** 2).sum(1), torch.ones(7).double(), atol=1e-14)


def test_kappa_that_training_carries_off_counts_as_the_limit() -> None:
    mixture = MixtureVMF(directions(2), torch.zeros(2).double(), torch.zeros(2).double(), learn_kappa=True)
    mixture.log_kappa.data = f64([-900.0, 900.0])
    assert mixture.kappa.tolist() == pytest.approx([MIN_KAPPA, MAX_KAPPA])
    assert torch.isfinite(mixture.log_prob(directions(20))).all()


def test_doubled_antipodal_and_polar_centres_are_centres() -> None:
    pole = f64([0.0, 0.0, 1.0])
    centres = torch.stack((pole, pole, -pole, unit_vectors(90.0, 77.0)))
    mixture = MixtureVMF(centres, f64([5.0] * 4), torch.zeros(4).double())
    three = MixtureVMF(torch.stack((pole, -pole)), f64([5.0] * 2), f64([3.0, 1.0]).log())
    points = directions(50)
    assert torch.allclose(mixture.log_prob(points), three.log_prob(points), rtol=0, atol=1e-12)
    assert float(mixture.cell_mass(LatLonGrid.regular(5.0)).sum()) == pytest.approx(1.0, abs=1e-5)
    assert torch.isfinite(mixture.sample(100, 0)).all()


@pytest.mark.parametrize("kappa", [1e-6, 0.5, 20.0, 1e4, 1e6])
@pytest.mark.parametrize("centre", [[0.0, 0.0, -1.0], [0.6, -0.8, 0.0], [1.0, 0.0, 0.0]])
def test_samples_follow_their_density(kappa: float, centre: list[float]) -> None:
    count = 4000
    at = f64(centre)
    points = single(at, kappa).sample(count, seed=11)
    assert torch.allclose((points**2).sum(1), torch.ones(count).double(), atol=1e-14)
    drop = ((points - at) ** 2).sum(1) / 2.0
    quantiles = torch.sort(torch.expm1(-kappa * drop) / math.expm1(-2.0 * kappa)).values
    # Kolmogorov–Smirnov at 1e-4: 2.2 / √n
    even = (torch.arange(count).double() + 0.5) / count
    assert float((quantiles - even).abs().max()) < 2.2 / math.sqrt(count)
    # and evenly around the centre
    offsets = torch.nn.functional.normalize(points - at, dim=1)
    assert float((offsets - (offsets @ at)[:, None] * at).mean(0).abs().max()) < 4.0 / math.sqrt(count)


def test_samples_repeat_with_their_seed_and_share_out_by_weight() -> None:
    mixture = MixtureVMF(even_centres(3), f64([math.log(1e4)] * 3), f64([0.5, 0.5 - 1e-9, 1e-9]).log())
    assert torch.equal(mixture.sample(500, 1), mixture.sample(500, 1))
    assert not torch.equal(mixture.sample(500, 1), mixture.sample(500, 2))
    nearest = torch.argmax(mixture.sample(4000, 3) @ mixture.centres.T, 1)
    num_nearest = torch.bincount(nearest, minlength=3)
    assert num_nearest[2] == 0
    assert abs(int(num_nearest[0]) - 2000) < 150


@settings(max_examples=25)
@given(st.floats(math.log(1e-6), math.log(1e6)), st.integers(0, 100))
def test_entropy_of_one_component(log_kappa: float, seed: int) -> None:
    kappa = math.exp(log_kappa)
    # −∫ p ln p = −ln C + κ (1 − E cos), E cos = coth κ − 1/κ; by series where that cancels
    spread = kappa - kappa**2 / 3.0 if kappa < 1e-3 else kappa * (1.0 - 1.0 / math.tanh(kappa)) + 1.0
    expected = spread - float(log_normaliser(f64(kappa)))
    assert float(single(directions(1, seed)[0], kappa).entropy()) == pytest.approx(expected, abs=1e-3)


def test_entropy_of_a_mixture() -> None:
    # far apart and sharp: that of one component and ln 2 of the choice
    poles = f64([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    two = MixtureVMF(poles, f64([math.log(1e3)] * 2), torch.zeros(2).double())
    assert float(two.entropy()) == pytest.approx(float(single(poles[0], 1e3).entropy()) + math.log(2.0), abs=1e-3)
    # sixteen times as many quantiles say so; a quarter as many are off by 1.8e-3 and 5.5e-3
    for crowd, expected in ((some_mixture(30, 3), 1.35736), (some_mixture(200, 4, 2.0, 8.0), 1.64282)):
        assert float(crowd.entropy()) == pytest.approx(expected, abs=1e-3)
    mixture = some_mixture(30)
    points = mixture.sample(60_000, 0)
    by_chance = -mixture.log_prob(points)
    assert float(mixture.entropy()) == pytest.approx(float(by_chance.mean()), abs=4.0 * float(by_chance.std()) / 245.0)


def test_bad_input_is_refused_with_a_remedy() -> None:
    at, zero = directions(3), torch.zeros(3).double()
    nan, inf = math.nan, math.inf
    cases = [
        (ChoiceError, "κ = 0", (at, torch.tensor([0.0, -inf, 0.0]), zero)),
        (ChoiceError, "κ = 4.6", (at, torch.tensor([0.0, 0.0, 690.0]), zero)),
        (ChoiceError, "out of range", (at, torch.tensor([0.0, nan, 0.0]), zero)),
        (DataError, "all weights are zero", (at, zero, torch.full((3,), -inf))),
        (DataError, "all weights are zero", (at, zero, torch.stack((zero, torch.full((3,), -inf))))),
        (DataError, "no weight", (at, zero, torch.tensor([0.0, nan, 0.0]))),
        (DataError, "no weight", (at, zero, torch.tensor([0.0, inf, 0.0]))),
        (ChoiceError, "at least one", (torch.zeros(0, 3), torch.zeros(0), torch.zeros(0))),
        (ChoiceError, "at least one", (torch.zeros(3, 2), zero, zero)),
        (ChoiceError, "centres of torch.int64", (torch.eye(3, dtype=torch.int64), zero, zero)),
        (ChoiceError, "3 centres", (at, zero[:2], zero)),
        (ChoiceError, "3 centres", (at, zero, torch.zeros(2, 4))),
        (DataError, "1 of 3 components have no direction", (at * torch.tensor([[1.0], [nan], [1.0]]), zero, zero)),
        (DataError, "no direction", (at * torch.tensor([[1.0], [0.0], [1.0]]), zero, zero)),
    ]
    for kind, message, parts in cases:
        with pytest.raises(kind, match=message) as refusal:
            MixtureVMF(*parts)
        assert refusal.value.remedy
    good = MixtureVMF(at, zero, zero)
    later = [
        (DataError, r"points of shape \(4, 2\)", lambda: good.log_prob(torch.zeros(4, 2))),
        (DataError, r"points of shape \(3,\)", lambda: good.log_prob(at[0])),
        (DataError, r"points of shape \(3,\)", lambda: good.paired_log_prob(at[0])),
        (DataError, "for 3 points", lambda: good.paired_log_prob(at, torch.zeros(2, 3))),
        (DataError, "for 3 points", lambda: good.paired_log_prob(at, torch.zeros(3, 4))),
        (ChoiceError, "-1 points", lambda: good.sample(-1, 0)),
    ]
    for kind, message, call in later:
        with pytest.raises(kind, match=message) as refusal:
            call()
        assert refusal.value.remedy
    assert good.log_prob(at[:0]).shape == (0,)
    assert good.sample(0, 0).shape == (0, 3)
    # a weight of zero beside others is none of these
    zeroed = MixtureVMF(at, zero, f64([0.0, -inf, 0.0]))
    assert torch.isfinite(zeroed.log_prob(at)).all()
    assert torch.isfinite(zeroed.cell_mass(LatLonGrid.regular(30.0))).all()
