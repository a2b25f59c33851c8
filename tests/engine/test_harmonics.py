"""Harmonics against SciPy, against 60-digit arithmetic, and against what must hold of any orthonormal set."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChoiceError, DataError
from engine.sphere import (
    HarmonicGrid,
    LatLonGrid,
    degree_and_order,
    flat_index,
    harmonics_at,
    nodal_lines,
    resolution_note,
    unit_vectors,
    wavelength_km,
)
from engine.sphere.harmonics import legendre_rows
from tests.support.reference import legendre_column, real_harmonic, real_harmonics
from tests.support.tolerances import DEGREE_1000, TOLERANCES

EXACT = TOLERANCES[torch.float64]
DTYPES = list(TOLERANCES)
latitudes = st.floats(-90.0, 90.0)
longitudes = st.floats(-360.0, 360.0)


def gaussian_grid(rows: int, columns: int) -> tuple[LatLonGrid, torch.Tensor]:
    """A grid and row weights under which every product of harmonics below its resolution is summed exactly."""
    nodes, weights = np.polynomial.legendre.leggauss(rows)
    grid = LatLonGrid(np.degrees(np.arcsin(nodes)), np.arange(columns) * 360.0 / columns)
    return grid, torch.tensor(weights * 2.0 * math.pi / columns)


@pytest.mark.parametrize("dtype", DTYPES)
def test_points_agree_with_scipy(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    lat = np.r_[-90.0, 90.0, 89.9999, -45.0, 0.0, rng.uniform(-90, 90, 40)]
    lon = rng.uniform(-180.0, 360.0, lat.size)
    values = harmonics_at(lat, lon, 40, dtype=dtype)
    assert values.shape == (lat.size, 41**2)
    assert values.dtype == dtype
    assert np.abs(values.numpy() - real_harmonics(lat, lon, 40)).max() < TOLERANCES[dtype].harmonic


def test_low_degrees_are_the_closed_forms() -> None:
    lat, lon = 30.0, 60.0
    x, y, z = unit_vectors(lat, lon).tolist()
    a, b = math.sqrt(3.0 / (4.0 * math.pi)), math.sqrt(15.0 / (16.0 * math.pi))
    expected = [0.5 / math.sqrt(math.pi), a * y, a * z, a * x]
    expected += [2 * b * x * y, 2 * b * y * z, b / math.sqrt(3) * (3 * z * z - 1), 2 * b * x * z, b * (x * x - y * y)]
    assert harmonics_at(lat, lon, 2, dtype=torch.float64)[0].tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("order", "lat"), [(0, 0.1), (1, 89.9), (37, -60.0), (200, 88.0), (500, 45.3), (700, -20.0)])
def test_degree_1000_agrees_with_60_digits(order: int, lat: float) -> None:
    expected = np.array(legendre_column(1000, order, lat))
    rows = legendre_rows(np.array([lat]), 1000, torch.tensor([order]))
    values = torch.cat([row[:, 0] for row in (r.clone() for r in rows) if row.numel()]).numpy()
    sizes = np.sqrt((2.0 * np.arange(order, 1001) + 1.0) / (4.0 * math.pi))
    assert (np.abs(values - expected) / sizes).max() < DEGREE_1000


def test_values_that_underflow_on_the_way_still_arrive() -> None:
    # cos^300 at latitude 85 is 1e-318, which float64 cannot hold to 2 digits; Q_1000,300 there is far above
    expected = np.array(legendre_column(1000, 300, 85.0))
    rows = [r[0, 0].item() for r in legendre_rows(np.array([85.0]), 1000, torch.tensor([300])) if r.numel()]
    visible = np.abs(expected) > 1e-250
    assert visible.sum() > 500
    assert np.allclose(np.array(rows)[visible], expected[visible], rtol=1e-8, atol=0.0)


def test_degree_1000_is_finite_and_complete_at_61_latitudes() -> None:
    lat = np.linspace(-90.0, 90.0, 61)
    for degree, rows in enumerate(legendre_rows(lat, 1000)):
        last = rows
        assert degree < 1000 or torch.isfinite(last).all()
    # addition theorem at one point: Σ_m Y_lm² = (2l+1)/4π
    assert torch.allclose((last**2).sum(0) * 4.0 * math.pi / 2001.0, torch.ones(61).double(), atol=DEGREE_1000)


@settings(max_examples=50)
@given(latitudes, longitudes, latitudes, longitudes)
def test_addition_theorem(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    """Σ_m Y_lm(p) Y_lm(q) = (2l+1)/4π · P_l(p · q), whatever the two points."""
    L = 25
    p, q = (harmonics_at(lat, lon, L, dtype=torch.float64)[0] for lat, lon in ((lat1, lon1), (lat2, lon2)))
    cosine = float(unit_vectors(lat1, lon1) @ unit_vectors(lat2, lon2))
    for degree in range(L + 1):
        block = slice(degree**2, (degree + 1) ** 2)
        legendre = np.polynomial.legendre.Legendre.basis(degree)(cosine)
        expected = (2 * degree + 1) / (4.0 * math.pi) * legendre
        assert float(p[block] @ q[block]) == pytest.approx(expected, abs=EXACT.orthonormal)


@pytest.mark.parametrize("dtype", DTYPES)
def test_harmonics_are_orthonormal(dtype: torch.dtype) -> None:
    grid, weights = gaussian_grid(26, 52)
    fields = torch.stack([f.clone() for _, _, f in HarmonicGrid(grid, 25, dtype=dtype).fields()])
    gram = HarmonicGrid(grid, 25).analyse(fields, weights)
    assert float((gram - torch.eye(26**2)).abs().max()) < TOLERANCES[dtype].orthonormal


@given(longitudes, st.integers(-2, 2))
def test_a_turn_changes_nothing(lon: float, turns: int) -> None:
    here, there = harmonics_at(np.full(2, 20.0), np.array([lon, lon + 360.0 * turns]), 20, dtype=torch.float64)
    assert float((here - there).abs().max()) < 1e-10


@given(longitudes)
def test_poles_are_points(lon: float) -> None:
    values = harmonics_at(np.array([90.0, 90.0, -90.0, -90.0]), np.array([lon, 0.0, lon, 0.0]), 20)
    assert torch.equal(values[0], values[1])
    assert torch.equal(values[2], values[3])
    zonal = torch.tensor([flat_index(degree, 0) for degree in range(21)])
    assert int((values[0] != 0).sum()) == zonal.numel()
    assert (values[0, zonal] > 0).all()


@pytest.mark.parametrize(
    "grid",
    [LatLonGrid.regular(10.0), LatLonGrid.poles(15.0), LatLonGrid([60.0, 50.0, 35.0], [170.0, -170.0, -150.0])],
    ids=repr,
)
def test_grid_fields_are_the_values_at_the_points(grid: LatLonGrid) -> None:
    L = 9
    harmonics = HarmonicGrid(grid, L, dtype=torch.float64)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    expected = real_harmonics(lat, lon, L)
    for degree, order, field in harmonics.fields():
        truth = torch.tensor(expected[..., flat_index(degree, order)])
        assert torch.allclose(field, truth, atol=EXACT.harmonic, rtol=0)
        assert torch.allclose(harmonics.field(degree, order), truth, atol=EXACT.harmonic, rtol=0)
    profile = harmonics.legendre(-4)[9 - 4][:, None] * harmonics.trig[L - 4]
    assert torch.allclose(profile, harmonics.field(9, -4), atol=EXACT.harmonic, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_synthesis_is_the_sum_of_the_fields(dtype: torch.dtype) -> None:
    grid, L = LatLonGrid.regular(6.0), 12
    coeffs = torch.randn(3, 2, (L + 1) ** 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    expected = torch.tensor(real_harmonics(lat, lon, L)) @ coeffs.reshape(6, -1).T
    fields = HarmonicGrid(grid, L, dtype=dtype).synthesise(coeffs)
    assert fields.shape == (3, 2, *grid.shape)
    assert fields.dtype == dtype
    error = (fields - expected.permute(2, 0, 1).reshape(fields.shape)).abs().max()
    assert float(error) < 10.0 * TOLERANCES[dtype].harmonic


def test_analysis_is_the_adjoint_of_synthesis_and_on_gaussian_latitudes_its_inverse() -> None:
    grid, weights = gaussian_grid(20, 40)
    harmonics = HarmonicGrid(grid, 19, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    coeffs = torch.randn(400, generator=generator, dtype=torch.float64)
    field = torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    inner = float((harmonics.synthesise(coeffs) * field).sum())
    assert float(coeffs @ harmonics.analyse(field, torch.ones(20))) == pytest.approx(inner, rel=1e-10)
    back = harmonics.analyse(harmonics.synthesise(coeffs), weights)
    assert torch.allclose(back, coeffs, atol=EXACT.orthonormal, rtol=0)


def test_the_midpoint_rule_is_the_default_analysis() -> None:
    harmonics = HarmonicGrid(LatLonGrid.regular(1.0), 3, dtype=torch.float64)
    coeffs = harmonics.analyse(harmonics.field(2, 1))
    assert coeffs[flat_index(2, 1)] == pytest.approx(1.0, abs=1e-3)


@given(st.integers(0, 10_000))
def test_flat_index_and_its_inverse(index: int) -> None:
    degree, order = degree_and_order(index)
    assert abs(order) <= degree
    assert flat_index(degree, order) == index


def test_what_a_person_reads_about_a_harmonic() -> None:
    # degree 1: 2π·6371/√2 km
    assert wavelength_km(1) == pytest.approx(28305.6, abs=0.1)
    assert nodal_lines(7, -3) == (4, 3)
    coarse = LatLonGrid.regular(5.0)
    assert coarse.max_resolved_degree == 35
    assert resolution_note(coarse, 35) is None
    assert "36 is finer than this grid of 36 × 72 cells" in str(resolution_note(coarse, 36))


def test_degrees_and_orders_that_do_not_exist_are_refused() -> None:
    harmonics = HarmonicGrid(LatLonGrid.regular(10.0), 5)
    for wrong in (
        lambda: harmonics.field(6, 0),
        lambda: harmonics.field(3, 4),
        lambda: harmonics.legendre(6),
        lambda: harmonics.synthesise(torch.zeros(35)),
        lambda: HarmonicGrid(harmonics.grid, -1),
        lambda: harmonics_at(0.0, 0.0, -1),
        lambda: flat_index(2, -3),
        lambda: nodal_lines(2, 3),
        lambda: wavelength_km(0),
    ):
        with pytest.raises(ChoiceError) as refusal:
            wrong()
        assert refusal.value.remedy


def test_a_single_harmonic_is_the_slow_reference_at_high_degree() -> None:
    grid = LatLonGrid.poles(15.0)
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    for degree, order in ((80, -80), (80, 3), (79, 0)):
        field = HarmonicGrid(grid, 80, dtype=torch.float64).field(degree, order).numpy()
        assert np.allclose(field, real_harmonic(degree, order, lat, lon), atol=1e-11, rtol=0)


@pytest.mark.parametrize(("lat", "lon"), [(95.0, 0.0), (-90.5, 10.0), (math.nan, 0.0), (0.0, math.inf)])
def test_points_that_are_not_on_the_sphere_are_refused(lat: float, lon: float) -> None:
    with pytest.raises(DataError, match="1 of 2 points are not on the sphere"):
        harmonics_at(torch.tensor([0.0, lat]), torch.tensor([0.0, lon]), 4)
    assert harmonics_at(torch.tensor([90.0, -90.0]), torch.tensor([0.0, 720.0]), 4).isfinite().all()
