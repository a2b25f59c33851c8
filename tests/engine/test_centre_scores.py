"""The comparison of centres: known answers on points whose density is known."""

from __future__ import annotations

import math

import pytest
import torch

from engine.errors import DataError
from engine.evaluation.centre_scores import RECALL_KM, score_centres, split_points
from engine.mvmf import MixtureVMF, even_centres, kmeans_centres
from engine.sphere import unit_vectors
from tests.support.mixtures import directions


def test_a_density_that_a_mixture_can_be_scores_its_own_entropy() -> None:
    centres = unit_vectors([40.0, -20.0], [10.0, 120.0])
    true = MixtureVMF(centres, torch.tensor([300.0, 50.0], dtype=torch.float64).log(), torch.zeros(2).double())
    points = split_points(true.sample(20_000, seed=1), seed=0)
    score = score_centres(centres, points)
    # ∫ p ln(p / (1/4π)) = ln 4π − entropy
    assert score.log_likelihood == pytest.approx(math.log(4.0 * math.pi) - float(true.entropy()), abs=0.03)
    # P(1 − cos ≤ d) is the mean of 1 − e^−κd; its median by bisection
    low, high = 0.0, 0.1
    for _ in range(60):
        drop = (low + high) / 2.0
        inside = 1.0 - (math.exp(-300.0 * drop) + math.exp(-50.0 * drop)) / 2.0
        low, high = (drop, high) if inside < 0.5 else (low, drop)
    assert score.median_km == pytest.approx(6371.0 * math.acos(1.0 - low), rel=0.05)


def test_even_points_know_nothing_and_even_centres_are_as_far_as_their_cells() -> None:
    points = split_points(directions(20_000), seed=0)
    score = score_centres(even_centres(100), points)
    assert score.log_likelihood == pytest.approx(0.0, abs=0.03)
    # half of a cell of 1/100 of the sphere lies within R √(2/100)
    assert score.median_km == pytest.approx(6371.0 * math.sqrt(2.0 / 100.0), rel=0.05)
    radius_shares = [min(1.0, 100.0 * (1.0 - math.cos(km / 6371.0)) / 2.0) for km in RECALL_KM[:3]]
    assert score.recall[:3] == pytest.approx(radius_shares, abs=0.02)
    assert score.recall[4] == 1.0


def test_centres_that_follow_clusters_score_more_than_even_ones() -> None:
    noise = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clusters = torch.nn.functional.normalize(directions(20).repeat(200, 1) + 0.02 * noise, dim=1)
    points = split_points(clusters, seed=0)
    clustered, even = (score_centres(c, points) for c in (kmeans_centres(points.train, 20, 0), even_centres(20)))
    assert clustered.log_likelihood > even.log_likelihood + 1.0
    assert clustered.median_km < 0.3 * even.median_km


def test_points_are_dealt_once_and_too_few_are_refused() -> None:
    points = directions(100)
    dealt = split_points(points, seed=3)
    assert [len(part) for part in dealt] == [70, 10, 20]
    together = torch.cat(tuple(dealt))
    assert torch.equal(together[together[:, 0].argsort()], points[points[:, 0].argsort()])
    with pytest.raises(DataError, match="at least 30"):
        split_points(directions(20), seed=0)
