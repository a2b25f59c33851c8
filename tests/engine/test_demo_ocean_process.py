"""The demo ocean's random processes: any day alone, the right covariance, the right fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.data.demo_ocean.process import HarmonicProcess, OrnsteinUhlenbeck, Stream, unit_gradient, unit_variance
from engine.data.demo_ocean.spectral import Synthesis, by_order, gradient
from engine.sphere import HarmonicGrid, LatLonGrid

GRID = LatLonGrid.regular(3.0)


@pytest.mark.parametrize("memory_days", [0.4, 3.0, 40.0])
def test_days_are_correlated_as_an_ornstein_uhlenbeck_process(memory_days: float) -> None:
    # the span crosses day 0 and day 64, where the tree has its widest gaps
    days = np.arange(-9, 71)
    samples = 20_000
    process = OrnsteinUhlenbeck(np.full(samples, memory_days), seed=3, stream=Stream.BASIN)
    values = np.stack([process.at(int(day)) for day in days]).astype(np.float64)
    correlation = values @ values.T / samples
    expected = np.exp(-np.abs(days[:, None] - days) / memory_days)
    # the standard error of a correlation r between normal values is √((1 + r²)/n)
    error = (correlation - expected) / np.sqrt((1.0 + expected**2) / samples)
    assert np.abs(error).max() < 6.0
    assert np.sqrt((error**2).mean()) < 1.5


def test_each_process_has_its_own_memory() -> None:
    memory_days = np.repeat([2.0, 100.0], 20_000)
    process = OrnsteinUhlenbeck(memory_days, 0, Stream.BASIN)
    product = (process.at(1000) * process.at(1010)).reshape(2, -1).mean(axis=1)
    assert product == pytest.approx(np.exp([-5.0, -0.1]), abs=0.04)


def test_a_day_is_the_same_whatever_was_asked_before() -> None:
    def fresh() -> OrnsteinUhlenbeck:
        return OrnsteinUhlenbeck(np.geomspace(0.5, 500.0, 50), 7, Stream.STIR)

    forward, backward = fresh(), fresh()
    days = list(range(-200, 200))  # more than are kept
    ascending = {day: forward.at(day) for day in days}
    descending = {day: backward.at(day) for day in reversed(days)}
    for day in days:
        assert np.array_equal(ascending[day], descending[day])
    for day in (-200, -1, 0, 137):
        assert np.array_equal(fresh().at(day), ascending[day])


def test_processes_differ_by_seed_stream_and_day() -> None:
    memory = np.full(1000, 5.0)
    values = [
        OrnsteinUhlenbeck(memory, seed, stream).at(day)
        for seed, stream, day in (
            (0, Stream.BASIN, 64),
            (1, Stream.BASIN, 64),
            (0, Stream.STIR, 64),
            (0, Stream.BASIN, 192),
            (0, Stream.BASIN, -64),
        )
    ]
    correlations = np.corrcoef(values)[np.triu_indices(len(values), 1)]
    assert np.abs(correlations).max() < 0.15


def test_fewer_degrees_are_the_same_field_seen_coarser() -> None:
    spectrum, memory = 1.0 / np.arange(1, 32), np.linspace(1.0, 60.0, 31)
    fine = HarmonicProcess(spectrum, memory, 2, Stream.FINE, drift=3.0).on(777)
    coarse = HarmonicProcess(spectrum[:11], memory[:11], 2, Stream.FINE, drift=3.0).on(777)
    assert np.array_equal(fine[:11, :11], coarse)


def test_a_field_drifts_eastward() -> None:
    # with a memory of a million years nothing but the drift changes; 6° are two columns
    spectrum = unit_variance(np.ones(21))
    process = HarmonicProcess(spectrum, np.full(21, 4e8), 0, Stream.FINE, drift=6.0)
    synthesis = Synthesis(GRID, 20)
    before, after = synthesis(process.on(100), process.on(101))
    assert np.abs(after - np.roll(before, 2, axis=1)).max() < 1e-3
    assert np.abs(after - before).max() > 0.5


def test_what_is_remembered_is_the_weighted_past() -> None:
    process = HarmonicProcess(unit_variance(np.ones(13)), np.full(13, 5.0), 0, Stream.FINE, drift=-4.0)
    weights = np.array([0.5, -0.25, 2.0])
    synthesis = Synthesis(GRID, 12)
    expected = sum(weight * process.on(50 - lag)[:9, :9] for lag, weight in enumerate(weights))
    remembered = process.filtered(50, weights, 8)
    assert np.abs(synthesis(remembered) - synthesis(expected)).max() < 1e-5


def test_spectra_are_scaled_to_unit_variance_and_unit_gradient() -> None:
    spectrum = np.exp(-np.arange(25) / 5.0)
    process = HarmonicProcess(unit_variance(spectrum), np.full(25, 0.1), 0, Stream.FINE)
    steep = HarmonicProcess(unit_gradient(spectrum), np.full(25, 0.1), 0, Stream.FINE)
    synthesis = Synthesis(GRID, 25)
    weights = np.cos(np.deg2rad(GRID.lat))[:, None] / np.cos(np.deg2rad(GRID.lat)).sum() / GRID.shape[1]
    square, slope = 0.0, 0.0
    for day in range(100):
        square += float((synthesis(process.on(day))[0] ** 2 * weights).sum()) / 100
        northward, eastward = synthesis(*gradient(steep.on(day))) / np.cos(np.deg2rad(GRID.lat))[:, None]
        slope += float(((northward**2 + eastward**2) * weights).sum()) / 100
    assert square == pytest.approx(1.0, rel=0.05)
    assert slope == pytest.approx(1.0, rel=0.05)


def test_synthesis_is_that_of_the_sphere() -> None:
    coeffs = np.random.default_rng(0).standard_normal((2, 50**2)).astype(np.float32)
    expected = HarmonicGrid(GRID, 49, dtype=torch.float64).synthesise(torch.tensor(coeffs)).numpy()
    field = Synthesis(GRID, 49)(*by_order(coeffs))
    assert np.abs(field - expected).max() < 2e-5 * np.abs(expected).max()


def test_degrees_beyond_the_grid_are_left_out_and_sets_may_differ() -> None:
    coeffs = np.random.default_rng(1).standard_normal(80**2).astype(np.float32)
    short = by_order(coeffs[: 10**2])
    synthesis = Synthesis(GRID, 79)
    both = synthesis(by_order(coeffs), short)
    top = GRID.max_resolved_degree
    resolved = HarmonicGrid(GRID, top).synthesise(torch.tensor(coeffs[: (top + 1) ** 2])).numpy()
    assert np.abs(both[0] - resolved).max() < 2e-5 * np.abs(resolved).max()
    assert np.abs(both[1] - synthesis(short)[0]).max() < 1e-5


def test_the_gradient_is_the_limit_of_differences() -> None:
    coeffs = np.random.default_rng(2).standard_normal(13**2)
    lat, lon, h = np.array([-71.0, -20.0, 3.0, 48.0]), GRID.lon, 0.02

    def field(shift_lat: float, shift_lon: float) -> np.ndarray:
        grid = LatLonGrid(lat + shift_lat, lon + shift_lon)
        return HarmonicGrid(grid, 12, dtype=torch.float64).synthesise(torch.tensor(coeffs)).numpy()

    northward = (field(h, 0.0) - field(-h, 0.0)) / np.deg2rad(2.0 * h) * np.cos(np.deg2rad(lat))[:, None]
    eastward = (field(0.0, h) - field(0.0, -h)) / np.deg2rad(2.0 * h)
    components = [as_field(part, lat, lon) for part in gradient(by_order(coeffs.astype(np.float32)))]
    assert np.abs(components[0] - northward).max() < 2e-4 * np.abs(northward).max()
    assert np.abs(components[1] - eastward).max() < 2e-4 * np.abs(eastward).max()


def as_field(by_order_coeffs: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """The slow way: back to flat coefficients, then the harmonics of the sphere."""
    size = len(by_order_coeffs)
    flat = np.zeros(size**2)
    for degree in range(size):
        for order in range(degree + 1):
            flat[degree * (degree + 1) - order] = -by_order_coeffs[order, degree].imag
            flat[degree * (degree + 1) + order] = by_order_coeffs[order, degree].real
    return HarmonicGrid(LatLonGrid(lat, lon), size - 1, dtype=torch.float64).synthesise(torch.tensor(flat)).numpy()
