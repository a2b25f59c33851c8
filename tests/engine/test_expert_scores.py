"""The expert's scores and its baseline: against sampling, brute force and beliefs whose scores are known."""

import math

import numpy as np
import pytest
import torch

from engine.data.climate import NUM_CLASSES
from engine.data.tiles import Tiles
from engine.evaluation.expert_scores import (
    LEVELS,
    RADII_KM,
    RECALL_AREAS_KM2,
    Beliefs,
    Truth,
    _regions,
    belief_within,
    best_guess,
    day_distance,
    score,
)
from engine.mvmf import MixtureVMF, credible_region, even_centres
from engine.sphere import LatLonGrid, great_circle_km, lat_lon, unit_vectors
from engine.training.expert.prior import fit_prior

K = 60
RNG = np.random.default_rng(0)


def mixture(log_kappa: float = 4.0) -> MixtureVMF:
    return MixtureVMF(even_centres(K), torch.linspace(log_kappa, log_kappa + 1.0, K).double(), torch.zeros(K).double())


def logits(count: int, spread: float = 4.0) -> torch.Tensor:
    drawn = torch.randn((count, K), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return torch.log_softmax(spread * drawn, 1)


def belief(mix: MixtureVMF, log_weights: torch.Tensor) -> MixtureVMF:
    return MixtureVMF(mix.centres, mix.log_kappa, log_weights)


def truth_at(lat: np.ndarray, lon: np.ndarray, day: np.ndarray | None = None) -> Truth:
    count = len(lat)
    climate = np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(count) % NUM_CLASSES]
    return Truth(lat, lon, np.full(count, 100.0) if day is None else day, climate, np.ones(count, bool))


def beliefs_about(truth: Truth, log_weights: torch.Tensor) -> Beliefs:
    return Beliefs(log_weights, torch.tensor(truth.climate), truth.day)


# --- parts of the score ---------------------------------------------------------------------------------------------


def test_mass_in_caps_is_what_sampling_finds():
    mix, weights = mixture(), logits(3)
    points = unit_vectors(*(RNG.uniform(-60, 60, 3) for _ in range(2)))
    mass = belief_within(mix, weights, points)
    for row in range(3):
        drawn = belief(mix, weights[row]).sample(200_000, seed=1)
        angle = 2.0 * torch.asin((drawn - points[row]).norm(dim=1) / 2.0)
        for column, radius in ((2, 200.0), (3, 750.0), (4, 2500.0)):
            share = float((angle < radius / 6371.0).double().mean())
            assert float(mass[row, column]) == pytest.approx(share, abs=4.0 * math.sqrt((share + 1e-4) / 200_000))
    # tiny caps: density at the point times area
    density = torch.stack([belief(mix, weights[row]).log_prob(points[row : row + 1])[0] for row in range(3)]).exp()
    torch.testing.assert_close(mass[:, 0], density * math.pi * (1.0 / 6371.0) ** 2, rtol=1e-3, atol=0)
    assert RADII_KM == (1.0, 25.0, 200.0, 750.0, 2500.0)


@pytest.mark.parametrize("log_kappa", [1.0, 8.5])
def test_caps_around_a_component_hold_their_closed_form(log_kappa):
    """Around the centre: P(angle < r) = (1 − e^(−κ(1 − cos r))) / (1 − e^(−2κ))."""
    centre, kappa = torch.tensor([[0.0, 0.6, 0.8]]).double(), math.exp(log_kappa)
    component = MixtureVMF(centre, torch.tensor([log_kappa]).double(), torch.zeros(1).double())
    mass = belief_within(component, torch.zeros(1, 1).double(), centre)[0]
    expected = [math.expm1(-2 * kappa * math.sin(r / 6371.0 / 2) ** 2) / math.expm1(-2 * kappa) for r in RADII_KM]
    np.testing.assert_allclose(mass, expected, rtol=1e-9)


def test_regions_are_those_of_a_fine_grid():
    mix, weights = mixture(), logits(6, spread=2.0)
    grid = LatLonGrid.regular(1.0)
    lat, lon = np.floor(RNG.uniform(-60, 60, 6)) + 0.5, np.floor(RNG.uniform(-179, 179, 6)) + 0.5
    regions = _regions(mix, weights, unit_vectors(lat, lon))
    for row in range(6):
        mass = belief(mix, weights[row]).cell_mass(grid)
        for level in LEVELS:
            assert regions.areas[level][row] == pytest.approx(credible_region(mass, grid, level)[1], rel=0.12)
        density = mass / torch.tensor(grid.cell_area_m2)[:, None]
        likelier = density > density[int(lat[row] + 90.0), int(lon[row] + 180.0)]
        assert regions.mass_before[row] == pytest.approx(float(mass[likelier].sum()), abs=0.06)
        area = float((likelier * torch.tensor(grid.cell_area_m2)[:, None]).sum() / 1e6)
        assert regions.area_to_truth[row] == pytest.approx(area, rel=0.25, abs=2e5)


def test_the_best_guess_has_the_least_expected_distance():
    mix, weights = mixture(), logits(8)
    lat, lon = (v.numpy() for v in lat_lon(mix.centres))
    guess = torch.stack(best_guess(mix, weights), 1).numpy()
    for row, chance in enumerate(weights.exp().numpy()):
        expected = [float(great_circle_km(lat, lon, lat[j], lon[j]).numpy() @ chance) for j in range(K)]
        best = int(np.argmin(expected))
        np.testing.assert_allclose(guess[row], (lat[best], lon[best]), atol=1e-9)


def test_days_are_counted_the_shorter_way_round_the_year():
    first, second = np.array([1.0, 365.0, 10.0, 200.0]), np.array([365.0, 1.0, 20.0, 17.5])
    np.testing.assert_allclose(day_distance(first, second), [1.0, 1.0, 10.0, 182.5])


# --- the whole score ------------------------------------------------------------------------------------------------


def test_the_truth_drawn_from_a_belief_is_covered_as_often_as_it_says():
    mix, weights = mixture(), logits(400, spread=2.0)
    points = torch.cat([belief(mix, row).sample(1, seed=900 + number) for number, row in enumerate(weights)])
    lat, lon = (v.numpy() for v in lat_lon(points))
    truth = truth_at(lat, lon)
    scores = score(mix, beliefs_about(truth, weights), truth)
    for level in LEVELS:
        error = 3.0 * math.sqrt(level * (1.0 - level) / 400)
        assert scores["coverage"][f"{level:g}"] == pytest.approx(level, abs=error)
    # log-loss of the truth under its own belief is the mean entropy; three standard errors of both means
    entropy = float(torch.stack([belief(mix, row).entropy() for row in weights[:60]]).mean())
    assert scores["nll"] == pytest.approx(entropy, abs=0.33)
    assert scores["recall"] == sorted(scores["recall"])
    assert scores["recall"][-1] == 1.0
    assert RECALL_AREAS_KM2[-1] == pytest.approx(5.1e8, rel=1e-3)


def test_a_belief_that_knows_scores_best_and_one_row_stands_for_all():
    mix = mixture(8.0)
    lat, lon = (v.numpy() for v in lat_lon(mix.centres))
    truth = truth_at(lat, lon)
    sure = torch.log_softmax(50.0 * torch.eye(K, dtype=torch.float64), 1)
    scores = score(mix, beliefs_about(truth, sure), truth)
    assert scores["error_km"]["q75"] < 1e-6
    assert set(scores["within_km"].values()) == {1.0}
    assert scores["belief_within_km"]["750"] > 0.999
    assert scores["climate_accuracy"] == scores["climate_accuracy_coarse"] == 1.0
    assert scores["date_error_days"] == 0.0
    # the 90 % region of one component is a cap: 2πR² ln(10)/κ
    areas = [2 * math.pi * 6371.0**2 * math.log(10) / math.exp(k) for k in mix.log_kappa.tolist()]
    assert scores["area_km2"]["0.9"] == pytest.approx(float(np.median(areas)), rel=0.1)

    constant = Beliefs(torch.full((1, K), -math.log(K)).double(), torch.tensor(truth.climate[:1]), np.array([100.0]))
    repeated = Beliefs(*(part.expand(K, -1) for part in constant[:2]), np.repeat(constant.day, K))
    constant_scores, repeated_scores = score(mix, constant, truth), score(mix, repeated, truth)
    for name in ("error_km", "within_km", "nll", "climate_accuracy", "date_error_days"):
        assert constant_scores[name] == pytest.approx(repeated_scores[name])
    assert constant_scores["nll"] > scores["nll"] + 3.0


def test_sea_counts_for_climate_only():
    mix = mixture()
    truth = truth_at(np.array([0.0, 50.0]), np.array([0.0, 10.0]))._replace(is_placed=np.array([False, True]))
    alone = Truth(*(part[1:] for part in truth))
    weights = logits(2)
    both = score(mix, beliefs_about(truth, weights), truth)
    assert both["num_placed"] == 1
    for name in ("error_km", "nll", "date_error_days"):
        assert both[name] == pytest.approx(score(mix, beliefs_about(alone, weights[1:]), alone)[name])


# --- the prior ------------------------------------------------------------------------------------------------------


def tiles_around(lat: float, lon: float, count: int, seed: int) -> Tiles:
    rng = np.random.default_rng(seed)
    climate = np.zeros((count, NUM_CLASSES), np.float32)
    climate[:, 4] = 0.75
    climate[:, 5] = 0.25
    day = 1.0 + (355.0 + rng.normal(0.0, 20.0, count)) % 365.0
    pixels = np.zeros((count, 1, 8, 8), np.float32)
    return Tiles(pixels, lat + rng.normal(0, 5, count), lon + rng.normal(0, 5, count), day, climate)


def test_the_prior_learns_where_and_when_tiles_are_common():
    centres = even_centres(200)
    prior = fit_prior(centres, tiles_around(20.0, 30.0, 500, 0), tiles_around(20.0, 30.0, 300, 1))
    fitted = MixtureVMF(centres, prior.log_kappa.double(), prior.log_weights.double())
    fresh = tiles_around(20.0, 30.0, 300, 2)
    points = unit_vectors(fresh.lat, fresh.lon)
    reached = float(fitted.log_prob(points).mean())
    # the points' own distribution, σ = 5°: −ln 2πσ²e
    best = -math.log(2 * math.pi * math.e * math.radians(5.0) ** 2)
    assert best - 0.8 < reached < best
    assert float(prior.log_weights.exp().sum()) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(prior.climate[[4, 5]], (0.75, 0.25), atol=1e-6)
    assert day_distance(np.array(prior.day), np.array(356.0)) < 8


def test_few_tiles_make_no_prior_that_rules_places_out():
    centres = even_centres(200)
    prior = fit_prior(centres, tiles_around(20.0, 30.0, 10, 0), tiles_around(-30.0, 130.0, 10, 1))
    elsewhere = MixtureVMF(centres, prior.log_kappa.double(), prior.log_weights.double())
    assert float(elsewhere.log_prob(unit_vectors(-30.0, 130.0)[None])[0]) > -6.0
