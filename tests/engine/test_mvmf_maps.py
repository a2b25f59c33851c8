"""Maps, cell masses, regions and running maps of mixtures, against direct sums and quadrature."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChoiceError, DataError
from engine.mvmf import MixtureVMF, RunningMap, credible_region
from engine.mvmf._tiles import Peaks
from engine.mvmf.maps import LEVEL_ROWS, cell_integrals
from engine.sphere import LatLonGrid, unit_vectors
from tests.support.mixtures import as_numpy, directions, f64, single, some_mixture
from tests.support.reference_mvmf import cell_mass_by_midpoints, mixture_log_map

DEGREE = LatLonGrid.regular(1.0)
BOX = LatLonGrid(np.arange(62.0, 30.0, -0.5), np.arange(170.0, 200.0, 0.5))
SHIFTED = LatLonGrid(np.linspace(-89.0, 89.0, 90), np.arange(0.0, 360.0, 360.0 / 77.0))

MAP_TOLERANCE = 1e-5
MASS_TOLERANCE = 1e-4


def map_error(mixture: MixtureVMF, grid: LatLonGrid, tolerance: float = 1e-6) -> float:
    """Largest error of the density, as a share of the largest density on the map."""
    exact = mixture_log_map(grid, *as_numpy(mixture))
    log_map = mixture.log_prob_map(grid, tolerance).numpy()
    assert log_map.shape == grid.shape
    return float(np.abs(np.exp(log_map - exact.max()) - np.exp(exact - exact.max())).max())


@pytest.mark.parametrize("grid", [LatLonGrid.regular(2.0), LatLonGrid.poles(2.5), SHIFTED, BOX], ids=repr)
@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e6), (1e-6, 1.0), (1.0, 300.0), (1e3, 8.1e3)])
def test_the_map_is_the_direct_sum(grid: LatLonGrid, low: float, high: float) -> None:
    mixture = some_mixture(60, low=math.log(low), high=math.log(high))
    assert map_error(mixture, grid) < MAP_TOLERANCE


def test_the_map_of_one_component_at_every_level_and_wherever_it_stands() -> None:
    grid = LatLonGrid.poles(3.0)
    centres = [unit_vectors(lat, lon) for lat, lon in ((90.0, 0.0), (-90.0, 5.0), (89.7, 180.0), (0.3, -180.0))]
    for size in LEVEL_ROWS[:6]:
        for centre in centres:
            # just what this level can still carry, and just too much for it
            for share in (0.999, 1.001):
                kappa = share * size**2 / (2.0 * math.log(1e6))
                assert map_error(single(centre, kappa), grid) < MAP_TOLERANCE


@pytest.mark.parametrize("step", [0.5, 1.0, 5.0, 20.0])
def test_a_peak_between_the_points_of_a_grid_is_still_right_where_they_are(step: float) -> None:
    # at 20° and κ = 1e6 the largest value on the map is e^-29000 of the peak
    grid = LatLonGrid.regular(step)
    mixture = MixtureVMF(
        torch.stack((unit_vectors(0.0, 0.0), unit_vectors(10.3, 50.2))), f64([1e6, 1.0]).log(), f64([0.0, -5e4])
    )
    assert map_error(mixture, grid) < MAP_TOLERANCE


def test_a_region_far_from_every_peak_is_right_by_its_own_measure() -> None:
    mixture = MixtureVMF(
        directions(20)[:, [1, 0, 2]].abs() * f64([[-1.0, 1.0, -1.0]]), f64([9.0] * 20), f64([0.0] * 20)
    )
    north_pacific = LatLonGrid(np.arange(40.0, 60.0), np.arange(-40.0, -20.0))
    assert map_error(mixture, north_pacific) < MAP_TOLERANCE


def test_a_draft_is_a_draft() -> None:
    mixture = some_mixture(60, low=0.0, high=9.0)
    grid = LatLonGrid.regular(2.0)
    assert 1e-6 < map_error(mixture, grid, tolerance=1e-3) < 1e-2


def test_below_the_tolerance_the_map_is_level_and_descending_rows_are_rows() -> None:
    mixture = single(unit_vectors(40.0, 30.0), 3000.0)
    log_map = mixture.log_prob_map(DEGREE)
    assert float(log_map.max() - log_map.min()) == pytest.approx(-math.log(1e-6), rel=1e-12)
    flipped = LatLonGrid(DEGREE.lat[::-1], DEGREE.lon)
    assert torch.allclose(mixture.log_prob_map(flipped).flip(0), log_map, rtol=0, atol=1e-4)
    assert torch.allclose(mixture.cell_mass(flipped).flip(0), mixture.cell_mass(DEGREE), rtol=0, atol=1e-7)


@settings(max_examples=15)
@given(
    st.floats(-90.0, 90.0),
    st.floats(-180.0, 180.0),
    st.floats(math.log(1e-6), math.log(1e6)),
    st.sampled_from([LatLonGrid.regular(10.0), LatLonGrid.poles(6.0)]),
)
def test_cell_masses_add_up_to_one(lat: float, lon: float, log_kappa: float, grid: LatLonGrid) -> None:
    masses = single(unit_vectors(lat, lon), math.exp(log_kappa)).cell_mass(grid)
    assert float(masses.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(masses.min()) >= 0.0


def test_cell_masses_of_mixtures_add_up_to_one_on_one_degree() -> None:
    for low, high in ((-13.0, 13.0), (7.0, 9.0)):
        assert float(some_mixture(300, low=low, high=high).cell_mass(DEGREE).sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kappa", [2e3, 9.8e3, 1e6])
@pytest.mark.parametrize(
    ("lat", "lon", "row", "column"),
    [(12.0, 30.0, 101, 209), (12.31, 30.77, 101, 209), (0.5, -179.999, 89, 0), (60.02, 10.5, 149, 189)],
    ids=["corner", "inside", "date line", "beside an edge"],
)
def test_cell_masses_are_quadrature(kappa: float, lat: float, lon: float, row: int, column: int) -> None:
    centre = unit_vectors(lat, lon)
    masses = single(centre, kappa).cell_mass(DEGREE).numpy()
    # the cells around the one it stands in, clear of the date line
    rows, columns = range(row - 1, row + 2), range(column, column + 2)
    expected = cell_mass_by_midpoints(DEGREE, rows, columns, centre.numpy(), kappa)
    nearby = masses[rows.start : rows.stop, columns.start : columns.stop]
    assert np.abs(nearby - expected).max() < MASS_TOLERANCE * expected.max()


def test_a_peak_on_a_corner_is_in_four_cells() -> None:
    masses = single(unit_vectors(0.0, 30.0), 1e6).cell_mass(DEGREE)
    around = masses[89:91, 209:211]
    assert torch.allclose(around, f64([[0.25] * 2] * 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kappa", [1e4, 1e6])
@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_a_peak_on_a_pole_is_the_same_in_every_direction(kappa: float, pole: float) -> None:
    masses = single(unit_vectors(pole, 123.0), kappa).cell_mass(DEGREE)
    first = masses[179 if pole > 0 else 0]
    # P(within 1° of the centre) = 1 − e^(−κ (1 − cos 1°))
    expected = -math.expm1(-kappa * 2.0 * math.sin(math.radians(0.5)) ** 2) / 360.0
    assert torch.allclose(first, f64([expected] * 360), rtol=1e-5, atol=0)


def test_a_peak_beside_a_pole_is_quadrature() -> None:
    # 0.1° from the pole: it reaches over it
    centre = unit_vectors(89.9, 40.2)
    masses = single(centre, 1e6).cell_mass(DEGREE).numpy()
    for column in (220, 219, 225, 300, 40, 0, 359):
        expected = cell_mass_by_midpoints(DEGREE, range(179, 180), range(column, column + 1), centre.numpy(), 1e6)
        assert masses[179, column] == pytest.approx(expected[0, 0], abs=MASS_TOLERANCE * masses.max())
    assert masses.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kappa", [50.0, 2e4, 1e6])
@pytest.mark.parametrize("lon", [170.2, 184.9, -170.0, 169.8, 20.0])
def test_a_box_holds_its_part(kappa: float, lon: float) -> None:
    grid = LatLonGrid(np.arange(62.0, 30.0, -1.0), np.arange(170.0, 200.0))
    whole = LatLonGrid(np.arange(89.0, -90.0, -1.0), np.arange(170.0, 530.0))
    mixture = single(unit_vectors(45.1, lon), kappa)
    expected = mixture.cell_mass(whole)[27:59, :30]
    assert torch.allclose(mixture.cell_mass(grid), expected, rtol=0, atol=1e-6)


def test_heights_beyond_float32_are_no_harm() -> None:
    peaks = Peaks(directions(2), f64([5.0, 1e5]), f64([300.0, 300.0]))
    total = float(cell_integrals(peaks, LatLonGrid.regular(5.0)).sum()) / math.exp(300.0)
    assert total == pytest.approx(2.0 * math.pi * (-math.expm1(-10.0) / 5.0 + 1e-5), rel=1e-5)


# --- regions --------------------------------------------------------------------------------------------------------


def test_regions_of_one_peak_are_caps() -> None:
    kappa, grid = 500.0, LatLonGrid.regular(0.5)
    masses = single(unit_vectors(20.0, 60.0), kappa).cell_mass(grid)
    for level in (0.5, 0.9):
        mask, area = credible_region(masses, grid, level)
        # the cap that holds `level` has 1 − cos = −ln(1 − level)/κ, and area 2πR² of that
        cap = 2.0 * math.pi * 6371.0**2 * -math.log1p(-level) / kappa
        assert area == pytest.approx(cap, rel=0.02)
        assert level <= float(masses[mask].sum()) < level + float(masses.max())
    inner, outer = (credible_region(masses, grid, level)[0] for level in (0.5, 0.9))
    assert bool((outer | ~inner).all())


@pytest.mark.parametrize("lat", [20.3, 0.0, 89.99])
@pytest.mark.parametrize(("level", "area_km2"), [(0.5, 177.0), (0.9, 587.0)])
def test_the_region_of_a_spot_within_a_cell_is_that_of_the_mixture(lat: float, level: float, area_km2: float) -> None:
    spot = single(unit_vectors(lat, 180.0), 1e6)
    masses = spot.cell_mass(DEGREE)
    mask, area = credible_region(masses, DEGREE, level, spot)
    assert area == pytest.approx(area_km2, rel=0.01)
    bound_mask, bound = credible_region(masses, DEGREE, level)
    assert torch.equal(mask, bound_mask)
    assert bound >= area


def test_regions_of_a_mixture_are_those_of_a_grid_that_resolves_it() -> None:
    mixture = some_mixture(12, seed=2, low=3.0, high=7.0)
    for grid in (LatLonGrid.regular(0.5), LatLonGrid(np.arange(-39.75, 60.0, 0.5), np.arange(100.25, 240.0, 0.5))):
        masses = mixture.cell_mass(grid)
        for level in (0.5, 0.9) if grid.is_global else (float(masses.sum()) / 2.0,):
            fine, of_mixture = (credible_region(masses, grid, level, of)[1] for of in (None, mixture))
            assert of_mixture == pytest.approx(fine, rel=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_tenths_of_samples_fall_into_regions_of_nine_tenths(seed: int) -> None:
    mixture = some_mixture(12, seed=seed, low=3.0, high=7.0)
    mask, _ = credible_region(mixture.cell_mass(DEGREE), DEGREE, 0.9)
    assert int(mask.sum()) >= 50
    points = mixture.sample(20_000, seed)
    lat = torch.rad2deg(torch.asin(points[:, 2]))
    lon = torch.rad2deg(torch.atan2(points[:, 1], points[:, 0]))
    rows, columns = (lat + 90.0).long().clamp(max=179), (lon + 180.0).long().clamp(max=359)
    assert float(mask[rows, columns].double().mean()) == pytest.approx(0.9, abs=0.02)


def test_density_and_not_mass_ranks_cells() -> None:
    # one cell of the polar row holds less than one at the equator at the same density
    masses = torch.tensor(DEGREE.cell_area_m2)[:, None].expand(DEGREE.shape).clone()
    masses[179] *= 1.5
    mask, area = credible_region(masses / masses.sum(), DEGREE, 1e-6)
    assert mask[179].any()
    assert not mask[:179].any()
    assert area == pytest.approx(float(mask.sum()) * DEGREE.cell_area_m2[179] / 1e6)


def test_regions_that_cannot_be_are_refused() -> None:
    masses = single(unit_vectors(0.0, 0.0), 5.0).cell_mass(DEGREE)
    for level in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ChoiceError, match="cannot hold a probability of"):
            credible_region(masses, DEGREE, level)
    with pytest.raises(ChoiceError, match=r"holds 0\.4"):
        credible_region(masses * 0.4, DEGREE, 0.5)
    for wrong in (masses[:5], -masses, masses * math.nan):
        with pytest.raises(DataError):
            credible_region(wrong, DEGREE, 0.5)


# --- running maps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["point", "cell"])
def test_a_dragged_component_leaves_nothing_behind(kind: str) -> None:
    grid, mixture = LatLonGrid.regular(3.0), some_mixture(30, low=2.0, high=9.0)
    running = RunningMap(mixture, grid, kind)
    heaviest = int(mixture.logits.argmax())
    centres, log_kappa = mixture.centres.clone(), mixture.log_kappa.clone()
    log_weights = mixture.log_weights.clone()
    for step in range(20):
        centres[heaviest] = unit_vectors(-40.0 + 5.0 * step, 100.0 + 7.0 * step)
        log_kappa[heaviest] = 3.0 + 0.3 * step
        log_weights[heaviest] = -1.0 + 0.1 * step
        running.replace(heaviest, centres[heaviest], float(log_kappa[heaviest]), float(log_weights[heaviest]))
    fresh = RunningMap(MixtureVMF(centres, log_kappa, log_weights), grid, kind).values
    assert float((running.values - fresh).abs().max()) < MAP_TOLERANCE * float(fresh.max())
    expected = MixtureVMF(centres, log_kappa, log_weights)
    whole = expected.cell_mass(grid) if kind == "cell" else expected.log_prob_map(grid).exp()
    assert float((fresh - whole).abs().max()) < MAP_TOLERANCE * float(whole.max())
