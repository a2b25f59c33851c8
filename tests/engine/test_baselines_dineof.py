"""DINEOF: fields of known rank, its own references, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config.baselines import BASELINE_KINDS
from engine.errors import ChoiceError, DataError
from engine.models.baselines import BASELINES, DINEOF, Baselines, dineof
from engine.models.baselines.dineof import _truncated, _withheld
from tests.support.gaussian_ocean import gaussian_months
from tests.support.months import months_of


def field_of_rank(rank: int, times: int = 60, places: int = 400, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    sizes = 2.0 ** -np.arange(rank)
    return torch.as_tensor((rng.normal(size=(times, rank)) * sizes) @ rng.normal(size=(rank, places)))


def with_gaps(field: torch.Tensor, fraction: float, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.where(torch.as_tensor(rng.random(field.shape) < fraction), torch.nan, field)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_field_of_rank_three_is_recovered_from_forty_percent_of_it(transposed: bool):
    field = field_of_rank(3)
    gappy = with_gaps(field, 0.6)
    if transposed:
        field, gappy = field.T, gappy.T
    filled, modes = dineof(gappy)
    assert modes == 3
    known = ~gappy.isnan()
    assert torch.equal(filled[known], gappy[known])
    assert float((filled - field).square().mean().sqrt()) < 1e-3 * float(field.square().mean().sqrt())


def test_noise_stops_the_modes():
    """More modes fit the noise: the withheld clouds show it."""
    field = field_of_rank(3)
    noise = torch.as_tensor(np.random.default_rng(5).normal(size=field.shape))
    filled, modes = dineof(with_gaps(field + 0.1 * noise, 0.5))
    assert modes == 3
    assert float((filled - field).square().mean().sqrt()) < 0.15


def test_the_truncation_is_that_of_the_singular_value_decomposition():
    values = field_of_rank(8, 30, 50)
    left, singular, right = np.linalg.svd(values.numpy(), full_matrices=False)
    wanted = (left[:, :4] * singular[:4]) @ right[:4]
    np.testing.assert_allclose(_truncated(values, 4), wanted, atol=1e-10)
    np.testing.assert_allclose(_truncated(values.T, 4), wanted.T, atol=1e-10)


def test_the_fill_stands_still():
    gappy = with_gaps(field_of_rank(6), 0.5)
    filled, modes = dineof(gappy, num_modes=2)
    assert modes == 2
    missing = gappy.isnan()
    torch.testing.assert_close(_truncated(filled, 2)[missing], filled[missing], atol=1e-4, rtol=0.0)


def test_the_same_seed_withholds_the_same_clouds_and_only_what_is_known():
    known = ~with_gaps(field_of_rank(2), 0.3).isnan()
    first, again, other = (_withheld(known, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not bool((first & ~known).any())
    assert 0.02 < float(first.sum() / known.sum()) < 0.12


def test_float32_stays_float32():
    filled, _ = dineof(with_gaps(field_of_rank(2), 0.3).float(), num_modes=2)
    assert filled.dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "modes", "error"),
    [
        (torch.zeros(4), None, ChoiceError),
        (torch.zeros(4, 5), 5, ChoiceError),
        (torch.zeros(4, 5), 0, ChoiceError),
        (torch.full((4, 5), torch.nan), None, DataError),
        (torch.full((4, 5), torch.inf), None, DataError),
    ],
)
def test_what_cannot_be_filled_is_refused(values, modes, error):
    with pytest.raises(error):
        dineof(values, modes)


def test_a_constant_field_a_lost_day_and_a_lost_place():
    field = torch.full((10, 20), 2.0, dtype=torch.float64)
    field[3], field[:, 7] = torch.nan, torch.nan
    field[0, 0] = torch.nan
    filled, modes = dineof(field)
    assert modes == 1
    assert float(filled[0, 0]) == pytest.approx(2.0, abs=1e-3)
    # nothing is known about these: the prior mean of an anomaly
    np.testing.assert_allclose(filled[3], 0.0, atol=1e-6)
    np.testing.assert_allclose(filled[:, 7], 0.0, atol=1e-6)
    whole, _ = dineof(torch.ones(3, 4))
    assert torch.equal(whole, torch.ones(3, 4))
    empty, _ = dineof(torch.zeros(3, 4))
    assert torch.equal(empty, torch.zeros(3, 4))


# --- the baseline ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> Baselines:
    return Baselines.fit(gaussian_months(3, 0), gaussian_months(1, 1), ["climatology", "climatology_anomaly", "dineof"])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_as_a_baseline_it_uses_its_neighbours(fitted):
    test = gaussian_months(1, 2)
    errors = {name: rms(mean - test.target) for name, mean in fitted.predict(test).items()}
    assert errors["dineof"] < 0.9 * errors["climatology"]
    unseen = np.isfinite(test.daily).sum(axis=1) == 0
    estimates = fitted.predict(test)
    assert rms((estimates["dineof"] - test.target)[unseen]) < 0.95 * rms(
        (estimates["climatology"] - test.target)[unseen]
    )


def test_it_travels_as_plain_arrays(fitted, tmp_path):
    np.savez(tmp_path / "baselines.npz", **fitted.state_dict())
    with np.load(tmp_path / "baselines.npz", allow_pickle=False) as arrays:
        again = Baselines.from_state_dict(dict(arrays))
    data = gaussian_months(1, 3)
    for mine, theirs in zip(
        fitted.predict_with_std(data)["dineof"], again.predict_with_std(data)["dineof"], strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_fewer_days_than_modes_and_a_month_without_a_day():
    train, validation = months_of(1), months_of(1, 1)
    validation.daily[5] = np.nan
    estimate = DINEOF.fit(train, validation).predict(validation)
    sea = np.broadcast_to(~validation.land, estimate.mean.shape)
    assert np.isfinite(estimate.mean[sea]).all()
    assert np.isnan(estimate.mean[~sea]).all()


def test_every_baseline_stands_in_the_one_list():
    assert set(BASELINES) <= set(BASELINE_KINDS)
    assert all(baseline.title() == BASELINE_KINDS[name].title for name, baseline in BASELINES.items())
    colours = [kind.colour for kind in BASELINE_KINDS.values()]
    assert len(set(colours)) == len(colours)
    assert 0 not in colours  # the model's own
