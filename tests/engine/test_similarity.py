"""Cosines against brute force, samples of pairs against the sphere they are drawn from."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ChoiceError
from engine.similarity import cosine_matrix, pair_histogram, sample_pairs, similarity_map
from engine.similarity.pairs import HALF_CIRCUMFERENCE_KM, _patch_at, _walk
from engine.sphere import LatLonGrid, great_circle_km

TOKENS = torch.tensor(np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([9, 3, 1, 1, 0.5, 0.1]) + 2.0)


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / math.sqrt((x @ x) * (y @ y)))


# --- cosines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [False, True])
def test_cosines_are_those_of_each_pair(centre: bool) -> None:
    tokens = TOKENS.numpy() - (TOKENS.numpy().mean(axis=0) if centre else 0.0)
    cosines = cosine_matrix(TOKENS, centre=centre)
    expected = [[cosine(x, y) for y in tokens] for x in tokens]
    np.testing.assert_allclose(cosines.numpy(), expected, atol=1e-12)


def test_whitened_cosines_are_mahalanobis_and_know_no_units() -> None:
    centred = TOKENS.numpy() - TOKENS.numpy().mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred)
    length = np.sqrt(np.einsum("nd,de,ne->n", centred, inverse, centred))
    expected = centred @ inverse @ centred.T / length[:, None] / length
    cosines = cosine_matrix(TOKENS, whiten=True)
    np.testing.assert_allclose(cosines.numpy(), expected, atol=1e-10)
    mixed = TOKENS @ torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    np.testing.assert_allclose(cosine_matrix(mixed, whiten=True).numpy(), cosines.numpy(), atol=1e-9)
    flat = torch.cat((TOKENS, TOKENS[:, :1]), dim=1)
    np.testing.assert_allclose(cosine_matrix(flat, whiten=True).numpy(), cosines.numpy(), atol=1e-9)


def test_a_token_without_length_has_no_cosine() -> None:
    tokens = TOKENS.clone()
    tokens[3] = 0.0
    cosines = cosine_matrix(tokens)
    assert torch.isnan(cosines[3]).all()
    assert int(torch.isnan(cosines).sum()) == 79


def test_a_map_is_a_row_of_the_matrix() -> None:
    grid = TOKENS.view(5, 8, 6)
    for row, col in ((0, 0), (4, 7), (2, 3)):
        expected = cosine_matrix(TOKENS)[row * 8 + col].view(5, 8)
        torch.testing.assert_close(similarity_map(grid, row, col), expected, rtol=0.0, atol=1e-12)
    assert similarity_map(grid.float(), 1, 1).dtype == torch.float32


@pytest.mark.parametrize(("row", "col"), [(5, 0), (-1, 0), (0, 8)])
def test_a_patch_that_is_not_there_is_refused(row: int, col: int) -> None:
    with pytest.raises(ChoiceError, match="a row from 0 to 4 and a column from 0 to 7"):
        similarity_map(TOKENS.view(5, 8, 6), row, col)


# --- pairs ----------------------------------------------------------------------------------------------------------


@given(st.floats(-89.9, 89.9), st.floats(-180, 180), st.floats(1e-3, math.pi - 1e-3), st.floats(0, 2 * math.pi))
def test_a_walk_goes_as_far_as_it_is_told(lat: float, lon: float, angle: float, bearing: float) -> None:
    start = torch.tensor([lat], dtype=torch.float64), torch.tensor([lon], dtype=torch.float64)
    end = _walk(*start, torch.tensor([angle]).double(), torch.tensor([bearing]).double())
    assert float(great_circle_km(*start, *end)) == pytest.approx(angle * 6371.0, abs=1e-3)


@pytest.mark.parametrize("west", [-180.0, 0.0])
def test_points_fall_into_the_patch_that_holds_them(west: float) -> None:
    lat_bounds, lon_bounds = torch.linspace(-90, 90, 7).double(), torch.linspace(west, west + 360, 9).double()
    rng = np.random.default_rng(2)
    lat, lon = rng.uniform(-90, 90, 200), rng.uniform(-400, 400, 200)
    expected = [int((y + 90) // 30) * 8 + int(((x - west) % 360) // 45) for y, x in zip(lat, lon, strict=True)]
    assert _patch_at(torch.tensor(lat), torch.tensor(lon), lat_bounds, lon_bounds).tolist() == expected


def test_pairs_are_even_in_area_and_distance_and_carry_their_cosine() -> None:
    grid = LatLonGrid.regular(2.0)
    lat = torch.tensor(np.deg2rad(grid.lat))[:, None].expand(90, 180)
    lon = torch.tensor(np.deg2rad(grid.lon)).expand(90, 180)
    points = torch.stack((lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()), dim=-1)
    bounds = torch.tensor(grid.lat_bounds), torch.tensor(grid.lon_bounds)
    pairs = sample_pairs(points, *bounds, 20_000, seed=4)
    assert 19_000 < pairs.similarity.numel() < 20_000
    # unit vectors as tokens: the cosine of a pair is that of its distance
    torch.testing.assert_close(pairs.similarity, torch.cos(pairs.distance_km / 6371.0), rtol=0.0, atol=1e-12)
    assert float(pairs.distance_km.min()) > 0.0
    far = pairs.distance_km[pairs.distance_km > 1000.0]
    shares = np.histogram(far.numpy(), bins=8, range=(1000.0, HALF_CIRCUMFERENCE_KM))[0] / far.numel()
    assert np.abs(shares - 1 / 8).max() < 0.01
    assert np.mean(np.abs(pairs.lat_deg.numpy()) < 30.0) == pytest.approx(0.5, abs=0.02)
    again = sample_pairs(points, *bounds, 20_000, seed=4)
    assert torch.equal(again.similarity, pairs.similarity)
    assert not torch.equal(sample_pairs(points, *bounds, 20_000, seed=5).lat_deg[:100], pairs.lat_deg[:100])


def test_the_histogram_counts_every_pair_by_area() -> None:
    areas = torch.linspace(1.0, 3.0, 40, dtype=torch.float64)
    upper = np.triu_indices(40, k=1)
    expected, _ = np.histogram(
        cosine_matrix(TOKENS).numpy()[upper],
        bins=20,
        range=(-1.0, 1.0),
        weights=np.outer(areas.numpy(), areas.numpy())[upper],
    )
    np.testing.assert_allclose(pair_histogram(TOKENS, areas, 20).numpy(), expected / expected.sum(), atol=1e-12)


def test_a_sample_of_tokens_stands_for_all() -> None:
    many = torch.randn(4000, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    # half the area lies with tokens that point one way, though they are a tenth of them
    many[:400] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    areas = torch.ones(4000, dtype=torch.float64)
    areas[:400] = 9.0
    exact = pair_histogram(many, areas, 10, most=4000)
    sampled = pair_histogram(many, areas, 10, most=1500)
    assert float(exact[-1]) > 0.25
    assert float((exact - sampled).abs().max()) < 0.03
    assert torch.equal(sampled, pair_histogram(many, areas, 10, most=1500))
