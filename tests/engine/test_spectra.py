"""Spectra against the plain sum over harmonics and against fields of known power; calibration against draws."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import ChoiceError, DataError
from engine.evaluation.calibration import LEVELS, CalibrationSums
from engine.evaluation.spectra import Spectrum, SpectrumSums, spectra
from engine.evaluation.uncertainty import calibration
from engine.sphere import EARTH_RADIUS_M, HarmonicGrid, LatLonGrid, wavelength_km
from tests.support.months import climatology_field, months_of
from tests.support.reference import real_harmonics

GRID = LatLonGrid.regular(3.0)
EVERYWHERE = np.ones(GRID.shape, bool)
TOP = 30


def synthesised(coeffs: np.ndarray) -> np.ndarray:
    top = int(np.sqrt(len(coeffs))) - 1
    return HarmonicGrid(GRID, top, dtype=torch.float64).synthesise(torch.tensor(coeffs)).numpy()


def red(seed: int, top: int = TOP) -> np.ndarray:
    """Coefficients whose power falls with the degree, without a mean."""
    degree = np.repeat(np.arange(top + 1), 2 * np.arange(top + 1) + 1)
    return np.random.default_rng(seed).normal(size=degree.size) / (1.0 + degree) * (degree > 0)


def by_degree(values: np.ndarray) -> np.ndarray:
    top = int(np.sqrt(len(values))) - 1
    return np.array([values[degree**2 : (degree + 1) ** 2].sum() for degree in range(top + 1)])


def spectrum_of(*pairs: tuple[np.ndarray, np.ndarray], counted: np.ndarray = EVERYWHERE, top: int = TOP) -> Spectrum:
    sums = SpectrumSums(GRID, top)
    for estimate, truth in pairs:
        sums.add(estimate, truth, counted)
    return sums.spectrum()


# --- power ----------------------------------------------------------------------------------------------------------


def test_the_power_of_a_degree_is_that_of_its_coefficients():
    a, b = red(0), red(1)
    spectrum = spectrum_of((synthesised(a), synthesised(b)))
    largest = by_degree(b**2).max() / (4 * np.pi)
    for power, coeffs in ((spectrum.estimate, a), (spectrum.truth, b), (spectrum.error, a - b)):
        np.testing.assert_allclose(power, by_degree(coeffs**2) / (4 * np.pi), atol=5e-3 * largest)


def test_power_adds_up_to_the_mean_square():
    field = synthesised(red(2))
    weights = np.broadcast_to(GRID.cell_area_m2[:, None], GRID.shape)
    spectrum = spectrum_of((np.zeros_like(field), field), top=GRID.max_resolved_degree)
    centred = field - np.average(field, weights=weights)
    assert spectrum.truth.sum() == pytest.approx(np.average(centred**2, weights=weights), rel=1e-3)


def test_a_masked_spectrum_is_the_plain_sum_over_harmonics_and_cells():
    grid = LatLonGrid.regular(10.0)
    rng = np.random.default_rng(3)
    estimate, truth = rng.normal(size=(2, *grid.shape))
    counted = rng.random(grid.shape) < 0.6
    truth[4, 5] = np.nan
    climatology = np.full(grid.shape, 0.5)
    climatology[counted.argmax(axis=0)[7], 7] = np.nan
    sums = SpectrumSums(grid, 6)
    sums.add(estimate, truth, counted, climatology=climatology)
    spectrum = sums.spectrum()

    where = counted & np.isfinite(truth) & np.isfinite(climatology)
    assert where.sum() < (counted & np.isfinite(truth)).sum()
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    harmonics = real_harmonics(lat[where], lon[where], 6)
    area = np.broadcast_to(grid.cell_area_m2[:, None] / EARTH_RADIUS_M**2, grid.shape)[where]
    a, b = ((values[where] - 0.5) * area @ harmonics for values in (estimate, truth))
    np.testing.assert_allclose(spectrum.estimate, by_degree(a * a) / area.sum(), rtol=1e-9)
    np.testing.assert_allclose(spectrum.error, by_degree((a - b) ** 2) / area.sum(), rtol=1e-9)
    coherence = by_degree(a * b) ** 2 / (by_degree(a * a) * by_degree(b * b))
    np.testing.assert_allclose(spectrum.coherence, coherence, rtol=1e-9)


def test_half_an_ocean_shows_the_power_of_the_whole():
    """White noise has the same expected power in every harmonic, so a mask changes nothing once f_sky is taken out."""
    rng = np.random.default_rng(4)
    half = np.broadcast_to(GRID.lat[:, None] > 0.0, GRID.shape)
    spread = 1.0 / np.sqrt(GRID.cell_area_m2)[:, None]
    fields = [rng.normal(size=GRID.shape) * spread for _ in range(40)]
    zero = np.zeros(GRID.shape)
    whole = spectrum_of(*((zero, field) for field in fields)).truth
    seen = spectrum_of(*((zero, field) for field in fields), counted=half).truth
    assert seen[5:].sum() == pytest.approx(whole[5:].sum(), rel=0.03)


# --- resolution -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [6, 12, 20])
def test_the_resolution_is_where_the_truth_ends(cut: int):
    truth, noise = red(5), red(6)
    degree = np.repeat(np.arange(TOP + 1), 2 * np.arange(TOP + 1) + 1)
    spectrum = spectrum_of((synthesised(np.where(degree <= cut, truth, noise)), synthesised(truth)))
    assert spectrum.effective_degree == pytest.approx(cut, abs=1)
    assert spectrum.effective_km == pytest.approx(wavelength_km(spectrum.effective_degree) / 2.0)


def test_the_coherence_sees_the_pattern_and_the_ratio_the_strength():
    field = synthesised(red(7))
    spectrum = spectrum_of((0.5 * field, field))
    np.testing.assert_allclose(spectrum.coherence[1:], 1.0, rtol=1e-9)
    np.testing.assert_allclose(spectrum.ratio[1:], 0.25, rtol=0.05)
    assert spectrum.effective_degree == TOP


def test_an_estimate_of_nothing_resolves_nothing():
    field = synthesised(red(8))
    spectrum = spectrum_of((np.zeros_like(field), field))
    assert spectrum.effective_degree == 0
    assert np.isinf(spectrum.effective_km)


def test_the_spectra_of_months_count_the_open_sea_only():
    data = months_of(1)
    assert data.target is not None
    icy = np.broadcast_to(data.grid.lat[:, None] > 60.0, data.ice.shape)
    better, worse = data.target.copy(), data.target.copy()
    better[icy], worse[:, 0] = np.float32(99.0), np.float32(99.0)
    better[3] = np.nan
    climatology = {month: climatology_field(np.array(month)) for month in range(1, 13)}
    months = replace(data, ice=icy.astype(np.float32), target=better)
    by_name = spectra(months, {"better": better, "worse": worse}, climatology)
    assert by_name["better"].effective_degree == data.grid.max_resolved_degree
    assert by_name["worse"].effective_degree < data.grid.max_resolved_degree
    np.testing.assert_array_equal(by_name["better"].error, 0.0)

    sums = SpectrumSums(data.grid)
    for n in [*range(3), *range(4, 12)]:
        sums.add(worse[n], better[n], ~data.land & ~icy[n], climatology[n + 1])
    np.testing.assert_allclose(by_name["worse"].coherence, sums.spectrum().coherence, rtol=1e-12)

    table = by_name["better"].table()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    with pytest.raises(DataError, match="truth of the months is not known"):
        spectra(replace(data, target=None), {"worse": worse})


def test_what_has_no_spectrum_is_refused():
    with pytest.raises(ChoiceError, match="the grid resolves 59"):
        SpectrumSums(GRID, 60)
    sums = SpectrumSums(GRID)
    with pytest.raises(DataError, match="no month was added"):
        sums.spectrum()
    with pytest.raises(DataError, match="no cell is counted"):
        sums.add(np.zeros(GRID.shape), np.full(GRID.shape, np.nan), EVERYWHERE)


# --- calibration ----------------------------------------------------------------------------------------------------


def draws(spread: float, size: int = 200_000) -> dict:
    """Errors of the standard deviations 0.2 to 2 K, predicted ``spread`` times as large."""
    rng = np.random.default_rng(0)
    true = np.exp(rng.uniform(np.log(0.2), np.log(2.0), size))
    sums = CalibrationSums()
    target, area = rng.normal(15.0, 5.0, size), rng.uniform(0.5, 1.5, size)
    sums.add(target + true * rng.normal(size=size), spread * true, target, area)
    return sums.table()


def test_right_deviations_cover_what_they_say():
    table = draws(1.0)
    assert list(table["coverage"]) == ["50", "68", "90", "95"]
    for level, share in zip(LEVELS, table["coverage"].values(), strict=True):
        assert share == pytest.approx(level, abs=0.005)
    for spread_bin in table["spread_skill"]:
        assert spread_bin["error"] == pytest.approx(spread_bin["spread"], rel=0.05)
    assert sum(spread_bin["area"] for spread_bin in table["spread_skill"]) == pytest.approx(1.0)


def test_wrong_deviations_are_seen_and_cost():
    timid, right, bold = draws(2.0), draws(1.0), draws(0.5)
    assert bold["coverage"]["90"] < 0.65 < 0.9 < 0.99 < timid["coverage"]["90"]
    assert right["crps"] < min(timid["crps"], bold["crps"])


def test_crps_is_the_integral_over_the_squared_difference_of_distributions():
    from scipy.integrate import quad
    from scipy.stats import norm

    error, std = np.array([-0.7, 0.0, 0.3, 2.0]), np.array([0.5, 1.0, 0.1, 0.4])
    sums = CalibrationSums()
    sums.add(error, std, np.zeros(4), np.ones(4))
    wanted = [
        quad(lambda x, m=m, s=s: norm.cdf(x, m, s) ** 2, -9, 0)[0]
        + quad(lambda x, m=m, s=s: norm.sf(x, m, s) ** 2, 0, 9)[0]
        for m, s in zip(error, std, strict=True)
    ]
    assert sums.table()["crps"] == pytest.approx(np.mean(wanted), rel=1e-6)


def test_crps_of_a_certain_estimate_is_its_absolute_error():
    sums = CalibrationSums()
    sums.add(np.array([1.0, -3.0]), np.full(2, 1e-9), np.zeros(2), np.array([3.0, 1.0]))
    assert sums.table()["crps"] == pytest.approx((3 * 1.0 + 1 * 3.0) / 4, rel=1e-6)


def test_fields_one_by_one_are_as_all_at_once():
    rng = np.random.default_rng(2)
    estimate, target = rng.normal(size=(2, 6, 40))
    std, area = rng.uniform(0.001, 30.0, (2, 6, 40))
    area[:, ::7] = 0.0
    target[2, 3] = np.nan
    whole, parts = CalibrationSums(), CalibrationSums()
    whole.add(estimate, std, target, area)
    for n in range(6):
        parts.add(estimate[n], std[n], target[n], area[n])
    at_once, in_parts = whole.table(), parts.table()
    assert at_once["crps"] == pytest.approx(in_parts["crps"])
    assert at_once["coverage"] == pytest.approx(in_parts["coverage"])
    for a, b in zip(at_once["spread_skill"], in_parts["spread_skill"], strict=True):
        assert a == pytest.approx(b)


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan")])
def test_a_deviation_that_is_none_is_refused(std: float):
    with pytest.raises(DataError, match="not positive"):
        CalibrationSums().add(np.zeros(1), np.array([std]), np.zeros(1), np.ones(1))
    with pytest.raises(DataError, match="no cell was counted"):
        CalibrationSums().table()


def test_the_calibration_of_months_counts_the_open_sea_whose_truth_is_known():
    data = months_of(1)
    rng = np.random.default_rng(4)
    target = np.where(rng.random(data.target.shape) < 0.8, data.target, np.nan).astype(np.float32)
    ice = (rng.random(data.ice.shape) < 0.2).astype(np.float32)
    data = replace(data, target=target, ice=ice)
    mean = np.where(data.land, np.nan, target + rng.normal(size=target.shape)).astype(np.float32)
    std = np.where(data.land, np.nan, rng.uniform(0.2, 2.0, target.shape)).astype(np.float32)
    counted = ~data.land & (ice == 0) & np.isfinite(target)
    area = np.broadcast_to(data.grid.cell_area_m2[:, None], target.shape)[counted]
    sums = CalibrationSums()
    sums.add(*(field[counted].astype(float) for field in (mean, std, target)), area)
    expected, table = sums.table(), calibration(data, mean, std)
    assert table["crps"] == pytest.approx(expected["crps"])
    assert table["coverage"] == pytest.approx(expected["coverage"])
    assert len(table["spread_skill"]) == len(expected["spread_skill"])


def test_months_of_which_nothing_is_known_have_no_calibration():
    data = months_of(1)
    nothing = replace(data, target=np.full_like(data.target, np.nan))
    assert calibration(nothing, data.target, np.ones_like(data.target)) is None
    with pytest.raises(DataError, match="truth of the months is not known"):
        calibration(replace(data, target=None), data.target, np.ones_like(data.target))
