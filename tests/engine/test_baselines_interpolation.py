"""Optimal interpolation: against kriging written out, on an ocean whose covariance is known, and on bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch

from engine.errors import ChoiceError, DataError
from engine.models.baselines import Baselines, OptimalInterpolation, optimal_interpolation
from engine.models.baselines.covariance import KNOTS_DEG, TERMS, Covariance, nonnegative_least_squares
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.part_months import NUM_PARTS, PART_WEIGHTS
from engine.sphere import LatLonGrid
from tests.support.gaussian_ocean import COVARIANCE, GRID, NOISE_K, gaussian_months, points

REGION = LatLonGrid(np.arange(21.5, 34.0, 3.0), np.arange(-46.5, -28.0, 3.0))


def drawn(count: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.uniform((-80.0, -180.0, 0.0), (80.0, 180.0, 30.0), (count, 3)))


# --- kriging --------------------------------------------------------------------------------------------------------


def test_it_is_kriging_in_closed_form():
    near = 20.0 + 0.1 * drawn(40)
    targets = 20.0 + 0.1 * drawn(7, 1)
    values, noise = torch.sin(torch.arange(40.0)).double(), 0.1 + 0.01 * torch.arange(40.0).double()
    mean, std = optimal_interpolation(near, values, noise, targets, COVARIANCE)
    inverse = np.linalg.inv(COVARIANCE(near, near).numpy() + np.diag(noise.numpy() ** 2))
    k = COVARIANCE(targets, near).numpy()
    np.testing.assert_allclose(mean, k @ inverse @ values.numpy(), rtol=0, atol=1e-8)
    variance = COVARIANCE(targets, targets).numpy().diagonal() - np.einsum("mi,ij,mj->m", k, inverse, k)
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=0, atol=1e-8)


def test_an_observation_without_noise_is_met_and_far_away_nothing_is_known():
    point = torch.tensor([[10.0, 20.0, 3.0]], dtype=torch.float64)
    far = torch.tensor([[-60.0, -160.0, 3.0]], dtype=torch.float64)
    mean, std = optimal_interpolation(point, torch.tensor([2.0]).double(), 0.0, torch.cat((point, far)), COVARIANCE)
    np.testing.assert_allclose(mean, [2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(std, [0.0, 1.0], atol=1e-6)


def test_the_same_point_twice_without_noise_is_averaged():
    points_twice = torch.tensor([[10.0, 20.0, 3.0]] * 2 + [[12.0, 20.0, 3.0]], dtype=torch.float64)
    mean, std = optimal_interpolation(
        points_twice, torch.tensor([1.0, 3.0, 0.0]).double(), 0.0, points_twice[:1], COVARIANCE
    )
    assert float(mean) == pytest.approx(2.0, abs=1e-6)
    assert float(std) == pytest.approx(0.0, abs=1e-6)


def test_without_observations_the_prior_is_left():
    nothing = torch.zeros((0, 3), dtype=torch.float64)
    mean, std = optimal_interpolation(nothing, torch.zeros(0).double(), 0.1, drawn(3), COVARIANCE)
    assert mean.tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(std, 1.0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"values": torch.zeros(3)}, ChoiceError),
        ({"noise_std": -1.0}, ChoiceError),
        ({"values": torch.tensor([1.0, float("nan")])}, DataError),
        ({"covariance": lambda a, b: -COVARIANCE(a, b)}, DataError),
    ],
)
def test_what_cannot_be_interpolated_is_refused(change, error):
    arguments = {
        "points": drawn(2),
        "values": torch.ones(2),
        "noise_std": 0.1,
        "targets": drawn(1),
        "covariance": COVARIANCE,
    }
    with pytest.raises(error):
        optimal_interpolation(**arguments | change)


# --- the covariance -------------------------------------------------------------------------------------------------


def test_the_covariance_is_positive_definite_whatever_its_weights():
    weights = np.random.default_rng(0).uniform(size=(len(KNOTS_DEG), len(TERMS))) ** 8
    matrix = Covariance(weights, TERMS)(drawn(300), drawn(300)).numpy()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-9 * matrix.max()
    lat = drawn(300)[:, 0].numpy()
    np.testing.assert_allclose(matrix.diagonal(), Covariance(weights, TERMS).variance(lat), rtol=0.2)


def test_the_least_squares_are_those_of_scipy():
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(50, 12)), rng.normal(size=50)
    ours = nonnegative_least_squares(left.T @ left, left.T @ right)
    np.testing.assert_allclose(ours, scipy.optimize.nnls(left, right)[0], atol=1e-5)


def test_a_covariance_and_the_noise_are_recovered_from_gappy_days():
    """By its values where they decide an interpolation: terms that do the same can stand for each other."""
    oi = OptimalInterpolation.fit(gaussian_months(8, 3, clear=0.4), gaussian_months(1, 4))
    place = torch.tensor([[33.5, -28.5, 0.0], [33.5, -25.5, 0.0], [36.5, -28.5, 0.0], [33.5, -28.5, 10.0]]).double()
    variance = float(oi.scale[4, 6]) ** 2
    np.testing.assert_allclose(variance * oi.covariance(place[:1], place), COVARIANCE(place[:1], place), atol=0.15)
    assert oi.noise[1] == pytest.approx(NOISE_K**2, rel=0.02)
    assert oi.noise_scale in (0.5, 1.0, 2.0)


# --- a month on a grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [LatLonGrid(np.arange(-60.0, 61.0, 20.0), np.arange(-180.0, 180.0, 40.0)), REGION])
def test_a_month_on_a_grid_is_the_dense_solution(grid: LatLonGrid):
    """With a neighbourhood that holds all, over the date line and at the edges of a region alike."""
    rng = np.random.default_rng(2)
    shape = (NUM_PARTS, *grid.shape)
    values = np.where(rng.random(shape) < 0.3, rng.normal(size=shape), np.nan)
    noise = rng.uniform(0.05, 0.5, shape)
    everything = Neighbourhood(grid, COVARIANCE, num_nearest=values.size, reach=40, dtype=torch.float64)
    mean, std = everything.estimate(values, noise, np.ones(grid.shape, bool))
    seen, places = np.isfinite(values).ravel(), points(grid)
    cells = places.reshape(NUM_PARTS, -1, 3)

    def covariance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Of points, where a target (day −1) is the mean over the parts of its month."""
        if float(a[0, 2]) >= 0.0:
            return COVARIANCE(a, b) if float(b[0, 2]) >= 0.0 else covariance(b, a).T
        days = a.repeat(NUM_PARTS, 1, 1)
        days[:, :, 2] = cells[:, :1, 2]
        other = [COVARIANCE(day, b) if float(b[0, 2]) >= 0.0 else covariance(b, day).T for day in days]
        return sum(weight * each for weight, each in zip(PART_WEIGHTS.tolist(), other, strict=True))

    targets = cells[0].clone()
    targets[:, 2] = -1.0
    wanted = optimal_interpolation(
        places[seen],
        torch.as_tensor(values.ravel()[seen]),
        torch.as_tensor(noise.ravel()[seen]).sqrt(),
        targets,
        covariance,
    )
    for ours, dense in zip((mean, std), wanted, strict=True):
        np.testing.assert_allclose(ours.ravel(), dense, rtol=0, atol=1e-8)


def test_a_month_without_days_is_the_climatology_and_the_prior():
    values = np.full((NUM_PARTS, *GRID.shape), np.nan, np.float32)
    mean, std = Neighbourhood(GRID, COVARIANCE).estimate(values, np.ones_like(values), np.ones(GRID.shape, bool))
    assert (mean == 0.0).all()
    assert ((std > 0.3) & (std < 1.0)).all()


def test_noise_of_zero_and_equal_values_leave_numbers():
    values = np.ones((NUM_PARTS, *GRID.shape), np.float32)
    mean, std = Neighbourhood(GRID, COVARIANCE).estimate(values, np.zeros_like(values), np.ones(GRID.shape, bool))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


# --- the baseline ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> Baselines:
    return Baselines.fit(
        gaussian_months(4, 0), gaussian_months(1, 1), ["mean_debiased", "climatology_anomaly", "optimal_interpolation"]
    )


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_on_a_gaussian_ocean_it_beats_what_looks_at_no_neighbour(fitted):
    test = gaussian_months(2, 2)
    errors = {name: rms(mean - test.target) for name, mean in fitted.predict(test).items()}
    others = [error for name, error in errors.items() if name != "optimal_interpolation"]
    assert errors["optimal_interpolation"] < 0.85 * min(others)


def test_its_error_map_covers(fitted):
    test = gaussian_months(2, 2)
    mean, std = fitted.predict_with_std(test)["optimal_interpolation"]
    ratio = np.abs(mean - test.target) / std
    # of normal errors 68.3 and 95.4 % lie within one and two standard deviations; 24 months are some 200 patches
    assert np.mean(ratio < 1.0) == pytest.approx(0.683, abs=0.06)
    assert np.mean(ratio < 2.0) == pytest.approx(0.954, abs=0.03)
    few, many = (np.isfinite(test.daily).sum(axis=1) == n for n in (0, 8))
    assert std[few].mean() > std[many].mean()


def test_it_is_fitted_alone_too_and_travels_as_plain_arrays(tmp_path):
    fitted_alone = OptimalInterpolation.fit(gaussian_months(2, 0))
    baselines = Baselines(fitted_alone.climatology, {"optimal_interpolation": fitted_alone})
    np.savez(tmp_path / "baselines.npz", **baselines.state_dict())
    with np.load(tmp_path / "baselines.npz", allow_pickle=False) as arrays:
        again = Baselines.from_state_dict(dict(arrays)).fitted["optimal_interpolation"]
    data = gaussian_months(1, 5)
    for mine, theirs in zip(fitted_alone.predict(data), again.predict(data), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_is_hidden_is_not_used(fitted):
    test = gaussian_months(1, 2)
    scrambled = replace(test, target=np.random.default_rng(0).permuted(test.target))
    for name, mean in fitted.predict(test).items():
        np.testing.assert_array_equal(mean, fitted.predict(scrambled)[name])


def test_without_the_truth_it_is_fitted_to_the_days_alone():
    train, validation = (replace(gaussian_months(years, seed), target=None) for years, seed in ((2, 0), (1, 1)))
    oi = Baselines.fit(train, validation, ["optimal_interpolation"]).fitted["optimal_interpolation"]
    test = gaussian_months(1, 2)
    mean, std = oi.predict(test)
    assert oi.bias is None
    assert rms(mean - test.target) < 0.8 * rms(test.target - 15.0)
    assert np.isfinite(std).all()
