"""The PCA fit over an ocean against the pixel matrix that the separable form never builds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from engine.data.land import land_mask
from engine.embedding import HarmonicBasis
from engine.sphere import HarmonicGrid, LatLonGrid
from tests.benchmarks import Row, peak_mb_above_base, seconds
from tests.support.components import component_field
from tests.support.reference import real_harmonics, weighted_moments

MAX_DEGREE = 20
FIT_LIMIT_S = 1.0
MEMORY_LIMIT_MB = 150.0


def rows() -> Iterator[Row]:
    """Fit at 721 × 1440 and at 1° (where the naive way fits in memory), peak memory, and one component drawn."""
    fine, coarse = ocean(0.25), ocean(1.0)
    yield Row(f"fit, L = {MAX_DEGREE}, ocean, 721 × 1440", seconds(lambda: fit(fine)), "s", target_figure=FIT_LIMIT_S)
    yield Row(
        "the same, memory above base",
        peak_mb_above_base(fit, fine, warm=small_fit),
        "MB",
        target_figure=MEMORY_LIMIT_MB,
    )
    for max_degree in (10, MAX_DEGREE):
        yield Row(
            f"fit, L = {max_degree}, ocean, 181 × 360",
            seconds(lambda L=max_degree: fit(coarse, L)),
            "s",
            naive=seconds(lambda L=max_degree: naive_fit(coarse, L)),
            note="naive: SciPy on every cell, weighted covariance, eigh",
        )
    yield Row("fit, L = 40, ocean, 721 × 1440", seconds(lambda: fit(fine, 40)), "s")
    basis, grid = fit(fine), fine[0]
    yield Row(
        f"one component, L = {MAX_DEGREE}, 721 × 1440",
        1e3 * seconds(lambda: component_field(basis, grid, 9)),
        "ms",
        naive=1e3 * seconds(lambda: naive_component(basis, grid, 9)),
        note="naive: the sum over all harmonics' fields, ours too",
    )
    yield Row("its latitude table alone", 1e3 * seconds(lambda: basis.component_factors(grid, 9)), "ms")


Domain = tuple[LatLonGrid, torch.Tensor]


def ocean(step_deg: float) -> Domain:
    grid = LatLonGrid.poles(step_deg)
    return grid, ~torch.tensor(np.array(land_mask(grid)))


def small_fit() -> None:
    fit((LatLonGrid.regular(10.0), torch.rand(18, 36) < 0.5), 8)


def fit(domain: Domain, max_degree: int = MAX_DEGREE) -> HarmonicBasis:
    return HarmonicBasis.fit(domain[0], max_degree, 64, domain[1])


def naive_fit(domain: Domain, max_degree: int) -> np.ndarray:
    grid, where = domain[0], domain[1].numpy()
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    weights = np.broadcast_to(grid.cell_area_m2[:, None], grid.shape)[where]
    _, covariance = weighted_moments(real_harmonics(lat[where], lon[where], max_degree), weights)
    return np.linalg.eigh(covariance)[1][:, ::-1][:, :64]


def naive_component(basis: HarmonicBasis, grid: LatLonGrid, component: int) -> torch.Tensor:
    loadings = basis.components[:, component] / basis.std[component]
    total = torch.full(grid.shape, -float(basis.mean @ loadings))
    fields = HarmonicGrid(grid, basis.max_degree).fields()
    for loading, (_, _, field) in zip(loadings.tolist(), fields, strict=True):
        total.add_(field, alpha=loading)
    return total
