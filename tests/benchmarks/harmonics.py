"""Spherical harmonics against one SciPy call for each (l, m), and against 60-digit arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from engine.sphere import HarmonicGrid, LatLonGrid, harmonics_at
from engine.sphere.harmonics import legendre_rows
from tests.benchmarks import Row, seconds
from tests.support.reference import legendre_column, real_harmonic

GRID = LatLonGrid.poles(0.25)
SCIPY_SAMPLE = [(0, 0), (3, -2), (5, 5), (7, 0), (8, -8), (10, 1), (10, -10)]
ORDERS_AT_1000 = [0, 1, 50, 300, 700]


def rows() -> Iterator[Row]:
    """Streams at 721 × 1440, one synthesis, scattered points, and the error at degree 1000."""
    each = scipy_field_s()
    for max_degree, target in ((10, 1000.0), (20, None), (40, None)):
        count = (max_degree + 1) ** 2
        yield Row(
            f"all {count} harmonics, L = {max_degree}, 721 × 1440, streamed",
            1e3 * seconds(lambda L=max_degree: stream(L)),
            "ms",
            naive=1e3 * count * each,
            target_ratio=target,
            note=f"naive: {count} × the mean of {len(SCIPY_SAMPLE)} SciPy fields of degree ≤ 10",
        )
    yield written_row()
    harmonics = HarmonicGrid(GRID, 180)
    yield Row("one harmonic, l = 180, 721 × 1440", 1e3 * seconds(lambda: harmonics.field(180, 7)), "ms")
    coeffs = torch.ones(harmonics.num_harmonics)
    yield Row("one synthesis, L = 180, 721 × 1440", 1e3 * seconds(lambda: harmonics.synthesise(coeffs)), "ms")
    yield points_row()
    yield Row(
        "largest error at L = 1000, 61 latitudes",
        error_at_1000(),
        "of the largest value",
        target_figure=1e-9,
        note=f"60 digits, orders {ORDERS_AT_1000}, all degrees",
    )


def scipy_field_s() -> float:
    """Mean time of one real harmonic on the whole grid by SciPy."""
    lat, lon = GRID.lat[:, None], GRID.lon[None, :]
    return seconds(lambda: [real_harmonic(*lm, lat, lon) for lm in SCIPY_SAMPLE]) / len(SCIPY_SAMPLE)


def stream(max_degree: int) -> None:
    for _ in HarmonicGrid(GRID, max_degree).fields():
        pass


def written_row() -> Row:
    """The stream against the least it could do: write as many numbers into the same buffer."""
    buffer = torch.empty(GRID.shape)
    fill = seconds(lambda: [buffer.fill_(1.0) for _ in range(121)])
    took = seconds(lambda: stream(10))
    return Row("the same, L = 10, beside only filling its buffer 121 times", 1e3 * took, "ms", naive=1e3 * fill)


def points_row() -> Row:
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-90, 90, 100_000), rng.uniform(-180, 180, 100_000)
    few = seconds(lambda: [real_harmonic(*lm, lat, lon) for lm in SCIPY_SAMPLE]) / len(SCIPY_SAMPLE)
    took = seconds(lambda: harmonics_at(lat, lon, 10, dtype=torch.float64))
    return Row("100 000 scattered points, L = 10, float64", 1e3 * took, "ms", naive=1e3 * 121 * few)


def error_at_1000() -> float:
    lat = np.linspace(-90.0, 90.0, 61)
    largest = 0.0
    for order in ORDERS_AT_1000:
        computed = [rows[0].numpy().copy() for rows in legendre_rows(lat, 1000, torch.tensor([order])) if rows.numel()]
        # the equator splits the latitudes into mirror images: |Q(−φ)| = |Q(φ)|
        exact = np.array([legendre_column(1000, order, value) for value in lat[30:]]).T
        sizes = np.sqrt((2.0 * np.arange(order, 1001) + 1.0) / (4.0 * np.pi))[:, None]
        errors = np.abs(np.abs(np.array(computed)[:, 30:]) - np.abs(exact)) / sizes
        mirrored = np.abs(np.abs(np.array(computed)[:, 30::-1]) - np.abs(exact)) / sizes
        largest = max(largest, float(errors.max()), float(mirrored.max()))
    return largest
