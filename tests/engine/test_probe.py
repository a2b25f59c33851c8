"""The probe against answers that are known: fields of one degree, fields of latitude, labels without a pattern."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.embedding import encode
from engine.errors import ChoiceError, DataError
from engine.evaluation.probing import TASKS, TaskValues, effective_resolution, embedding_measures, folds_of, probe
from engine.evaluation.probing.measures import half_recovered_km
from engine.evaluation.probing.moments import STRENGTHS, Moments, discriminant, ridge
from engine.evaluation.probing.splits import basins, continents
from engine.sphere import LatLonGrid, fibonacci_sphere, harmonics_at
from engine.sphere.harmonics import wavelength_km

LAT, LON = (axis.numpy() for axis in fibonacci_sphere(3000))
AREA = np.ones(3000)
SPLITS = ["random", "blocks", "basin"]
random = np.random.default_rng(0)


def field(values: object) -> TaskValues:
    return TaskValues("a field", "1", "everywhere", np.asarray(values, np.float64))


def of_degree(degree: int) -> np.ndarray:
    harmonics = harmonics_at(LAT, LON, degree, dtype=torch.float64)[:, degree**2 :]
    return (harmonics @ torch.from_numpy(np.random.default_rng(degree).standard_normal(2 * degree + 1))).numpy()


# --- answers that are known ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_a_field_of_degree_l_is_read_exactly_by_harmonics_of_l_and_not_at_all_by_those_of_l_minus_1(split: str) -> None:
    known = field(of_degree(6))
    exact = probe(encode("harmonics", LAT, LON, max_degree=6, dtype=torch.float64), LAT, LON, known, split)
    assert exact.score == pytest.approx(1.0, abs=1e-8)
    np.testing.assert_allclose(exact.predicted, exact.values, atol=1e-3)
    lower = probe(encode("harmonics", LAT, LON, max_degree=5, dtype=torch.float64), LAT, LON, known, split)
    assert lower.score < 0.02


def test_latitude_alone_explains_what_depends_on_latitude_alone() -> None:
    zonal = field(np.sin(np.deg2rad(LAT)) ** 3)
    score = probe(encode("direct", LAT, LON), LAT, LON, zonal, "blocks")
    assert score.latitude == pytest.approx(1.0, abs=1e-8)
    assert score.baseline >= score.latitude > score.score
    meridional = field(np.cos(np.deg2rad(2.0 * LON)))
    assert probe(encode("wrap", LAT, LON), LAT, LON, meridional, "blocks").latitude < 0.05


@pytest.mark.parametrize("reader", ["linear", "knn"])
def test_labels_without_a_pattern_score_no_better_than_chance_in_blocks(reader: str) -> None:
    labels = TaskValues("labels", "", "everywhere", random.integers(0, 2, 3000).astype(np.float64), ("a", "b"))
    score = probe(encode("rff", LAT, LON), LAT, LON, labels, "blocks", reader)
    assert score.score == pytest.approx(0.5, abs=0.03)
    assert score.nearest == pytest.approx(0.5, abs=0.03)
    noise = probe(encode("rff", LAT, LON), LAT, LON, field(random.standard_normal(3000)), "blocks", "linear")
    assert -0.05 < noise.score < 0.01


@pytest.mark.parametrize("reader", ["linear", "knn", "mlp"])
def test_hemispheres_are_recognised_by_every_reader(reader: str) -> None:
    north = TaskValues("north", "", "everywhere", (LAT > 0.0).astype(np.float64), ("south", "north"))
    score = probe(encode("cartesian3d", LAT, LON), LAT, LON, north, "blocks", reader)
    assert score.score > 0.95
    assert score.accuracy > 0.95
    assert score.log_loss < 0.3
    assert score.metric == "balanced accuracy"


def test_the_nearest_training_point_is_that_of_all_distances() -> None:
    values = random.standard_normal(3000)
    score = probe(encode("direct", LAT, LON), LAT, LON, field(values), "random", seed=4)
    folds = folds_of("random", LAT, LON, "everywhere", 4)
    points = encode("cartesian3d", LAT, LON, dtype=torch.float64).numpy()
    cosine = np.where(folds[:, None] != folds, points @ points.T, -2.0)
    predicted = values[cosine.argmax(axis=1)]
    assert score.nearest == pytest.approx(1.0 - ((predicted - values) ** 2).mean() / values.var())


# --- the closed forms against the slow way ---------------------------------------------------------------------------


def test_ridge_from_moments_is_ridge_from_the_points() -> None:
    x, y = torch.randn(600, 5, dtype=torch.float64), torch.randn(600, 2, dtype=torch.float64)
    area = torch.rand(600, dtype=torch.float64)
    folds = torch.arange(600) % 4
    moments = Moments.of(x, y, area, folds)
    error = moments.squared_error(torch.ones(6, 2, dtype=torch.float64), 1)
    rows = folds == 1
    np.testing.assert_allclose(error, area[rows] @ (1.0 + x[rows].sum(dim=1, keepdim=True) - y[rows]) ** 2)

    def slow(train: torch.Tensor, strength: float, column: int) -> torch.Tensor:
        w = (area * train) / (area * train).sum()
        mean, target = w @ x, w @ y[:, column]
        std = (w @ (x - mean) ** 2).sqrt()
        z = (x - mean) / std
        gram = z.T @ (w[:, None] * z) + strength * torch.eye(5, dtype=torch.float64)
        slope = torch.linalg.solve(gram, z.T @ (w * (y[:, column] - target))) / std
        return torch.cat(((target - mean @ slope)[None], slope))

    for column in range(2):
        losses = [
            float(area[folds == 3] @ (x[folds == 3] @ s[1:] + s[0] - y[folds == 3, column]) ** 2)
            for s in (slow(folds < 2, strength, column) for strength in STRENGTHS)
        ]
        expected = slow(folds != 2, STRENGTHS[int(np.argmin(losses))], column)
        torch.testing.assert_close(ridge(moments, 2)[:, column], expected, atol=1e-9, rtol=1e-7)


def test_the_discriminant_of_two_gaussians_is_the_posterior_of_bayes() -> None:
    labels = torch.arange(40_000) % 2
    x = torch.randn(40_000, 2, dtype=torch.float64) * torch.tensor([1.0, 2.0]) + labels[:, None] * torch.tensor(
        [2.0, 0]
    )
    folds = torch.from_numpy(random.integers(0, 4, 40_000))
    one_hot = torch.nn.functional.one_hot(labels, 2).to(torch.float64)
    moments = Moments.of(x, one_hot, torch.ones(40_000, dtype=torch.float64), folds)
    slopes, offsets = discriminant(moments, 0, x, labels, folds)
    # log p(1|x)/p(0|x) = 2 x − 2 for unit variance and means 0 and 2
    np.testing.assert_allclose(slopes[:, 1] - slopes[:, 0], [2.0, 0.0], atol=0.1)
    assert float(offsets[1] - offsets[0]) == pytest.approx(-2.0, abs=0.1)


# --- splits and tasks -------------------------------------------------------------------------------------------------


def test_a_block_of_ten_degrees_lies_in_one_fold_and_another_seed_deals_anew() -> None:
    folds = folds_of("blocks", LAT, LON, "everywhere", 0)
    block = np.floor((LAT + 90.0) / 10.0) * 36 + np.floor((LON + 180.0) / 10.0)
    for number in np.unique(block):
        assert len(np.unique(folds[block == number])) == 1
    assert (folds != folds_of("blocks", LAT, LON, "everywhere", 1)).any()
    assert set(folds) == set(range(5))


@pytest.mark.parametrize(
    ("where", "place", "number"),
    [
        (basins, (80, 0), 0),
        (basins, (-60, 100), 1),
        (basins, (40, -40), 2),
        (basins, (35, 18), 2),
        (basins, (25, -90), 2),
        (basins, (-20, -10), 3),
        (basins, (-10, 80), 4),
        (basins, (30, -150), 5),
        (basins, (10, -95), 5),
        (basins, (-20, -120), 6),
        (basins, (-30, 160), 6),
        (continents, (-80, 10), 0),
        (continents, (-15, -55), 1),
        (continents, (45, -100), 2),
        (continents, (70, -40), 2),
        (continents, (-25, 135), 3),
        (continents, (48, 10), 4),
        (continents, (5, 20), 5),
        (continents, (-20, 47), 5),
        (continents, (35, 100), 6),
        (continents, (23, 45), 6),
        (continents, (65, 150), 6),
    ],
)
def test_places_lie_in_their_basin_or_continent(where, place, number) -> None:
    assert where(np.array([place[0]], float), np.array([place[1]], float))[0] == number


def test_every_task_has_values_in_its_domain_and_the_fields_are_those_of_their_source() -> None:
    grid = LatLonGrid.regular(4.0)
    lat, lon = (axis.ravel() for axis in np.meshgrid(grid.lat, grid.lon, indexing="ij"))
    land = TASKS["land"].values(lat, lon) == 1.0
    assert 0.25 < np.average(land, weights=np.cos(np.deg2rad(lat))) < 0.33
    for name in ("koppen", "koppen_coarse"):
        values = TASKS[name].values(lat, lon)
        assert (np.isfinite(values) == land).all()
        assert values[land].max() < len(TASKS[name].classes)
    sst = TASKS["sst"].values(lat, lon)
    assert np.isnan(sst[land]).mean() > 0.9
    assert TASKS["sst"].values(np.array([0.5]), np.array([-150.5]))[0] == pytest.approx(26.8, abs=1.5)
    # London is 60 km from the sea, the middle of Asia more than 2000
    assert TASKS["coast"].values(np.array([46.3]), np.array([86.7]))[0] == pytest.approx(2600.0, rel=0.15)
    assert np.nanmax(TASKS["variability"].values(lat, lon)) < 15.0


# --- measures --------------------------------------------------------------------------------------------------------


def test_harmonics_resolve_their_own_degree_and_are_isotropic_and_well_conditioned() -> None:
    codes = encode("harmonics", LAT, LON, max_degree=8, dtype=torch.float64)
    resolution = effective_resolution(codes, LAT, LON, AREA)
    np.testing.assert_allclose(resolution.recovered[:6], 1.0, atol=1e-6)
    assert (resolution.recovered[6:] < 0.05).all()
    assert wavelength_km(11) / 2 < resolution.km < wavelength_km(8) / 2
    measures = embedding_measures(codes, LAT, LON, AREA)
    assert measures.condition < 1.1
    assert measures.effective_rank == pytest.approx(80.0, abs=0.2)
    # the similarity of all harmonics of a degree is a Legendre polynomial of the distance, but for the bins
    assert measures.isotropy > 0.9
    double = embedding_measures(torch.cat((codes, codes), dim=1), LAT, LON, AREA)
    assert math.isinf(double.condition)
    assert double.effective_rank == pytest.approx(80.0, abs=0.2)


def test_the_scale_of_half_the_variance_is_interpolated() -> None:
    degrees = np.array([1.0, 2.0, 4.0])
    assert half_recovered_km(degrees, np.array([1.0, 1.0, 1.0])) == wavelength_km(4) / 2
    assert half_recovered_km(degrees, np.array([1.0, 1.0, 0.0])) == pytest.approx(
        math.pi * 6371.0 / math.sqrt(2**1.5 * (2**1.5 + 1.0))
    )
    assert math.isinf(half_recovered_km(degrees, np.array([0.2, 0.0, 0.0])))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "ice"}, ChoiceError, "there is no task 'ice'"),
        ({"split": "east"}, ChoiceError, "there is no split 'east'"),
        ({"reader": "tree"}, ChoiceError, "there is no reader 'tree'"),
        ({"embedding": np.zeros((2999, 4))}, DataError, "2999 rows, 3000 latitudes"),
        ({"embedding": np.full((3000, 2), np.nan)}, DataError, "3000 of 3000 rows are not finite"),
        ({"embedding": np.zeros(3000)}, DataError, "an embedding of shape"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_words(change, error, message) -> None:
    arguments = {"embedding": np.zeros((3000, 2)), "lat_deg": LAT, "lon_deg": LON, "task": "sst"} | change
    with pytest.raises(error, match=message):
        probe(**arguments)


def test_a_constant_embedding_reads_the_mean_and_a_few_points_are_too_few() -> None:
    assert probe(np.ones((3000, 3)), LAT, LON, field(LAT), "random").score == pytest.approx(0.0, abs=0.01)
    with pytest.raises(DataError, match="2 points fall into 2 parts"):
        probe(np.ones((2, 3)), [0.0, 50.0], [0.0, 90.0], TaskValues("two", "", "everywhere", np.arange(2.0)))
