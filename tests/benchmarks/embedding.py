"""The position embedding against every harmonic on every cell, its memory, and the map after a click."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from engine.data import land_mask
from engine.embedding import HarmonicBasis, position_embedding
from engine.similarity import similarity_map
from engine.sphere import LatLonGrid
from tests.benchmarks import Row, peak_mb_above_base, seconds
from tests.support.reference import real_harmonics

MAX_DEGREE, NUM_COMPONENTS, PATCH = 10, 64, (4, 4)
RATIO = 200.0
MEMORY_LIMIT_MB = {1.0: 100.0, 0.25: 100.0, 0.1: 300.0}
FINE_LIMIT_S = 2.0
MASKED_RATIO = 1.3
CLICK_LIMIT_MS = 40.0


def rows() -> Iterator[Row]:
    """Fit over the sphere and embed at 1°, 0.25° and 0.1°; the ocean's basis; a similarity map; a GPU if there is."""
    # first, because a process hands its own peak on to those it starts
    for step_deg, limit in MEMORY_LIMIT_MB.items():
        used = peak_mb_above_base(embed, step_deg, warm=small)
        yield Row(f"memory above base, {step_deg:g}°", used, "MB", target_figure=limit)
    for step_deg in (1.0, 0.25):
        grid = LatLonGrid.regular(step_deg)
        yield Row(
            f"position embedding, {grid.shape[0]} × {grid.shape[1]}",
            seconds(lambda step=step_deg: embed(step)),
            "s",
            naive=seconds(lambda grid=grid: naive(grid)),
            target_ratio=RATIO,
            note="naive: SciPy on every cell, SVD, project, clip, mean",
        )
    yield Row("the same, 1800 × 3600", seconds(lambda: embed(0.1)), "s", target_figure=FINE_LIMIT_S)
    yield masked_row()
    tokens = embed(0.25)
    yield Row(
        "similarity map, 0.25°, 4 × 4 patches",
        1e3 * seconds(lambda: similarity_map(tokens, 90, 40)),
        "ms",
        target_figure=CLICK_LIMIT_MS,
    )
    if torch.cuda.is_available():
        yield from gpu_rows()


def basis(kind: str = "sphere") -> HarmonicBasis:
    grid = LatLonGrid.regular(1.0)
    return HarmonicBasis.fit(grid, MAX_DEGREE, NUM_COMPONENTS, None if kind == "sphere" else ~land_mask(grid))


def embed(step_deg: float) -> torch.Tensor:
    return position_embedding(basis(), LatLonGrid.regular(step_deg), PATCH)


def small() -> None:
    embed(10.0 / PATCH[0])


def masked_row() -> Row:
    grid = LatLonGrid.regular(0.25)
    bases = [basis(kind) for kind in ("ocean", "sphere")]
    # in turns, so that what else the machine does falls on both
    turns = [
        [seconds(lambda fitted=fitted: position_embedding(fitted, grid, PATCH)) for fitted in bases] for _ in "123"
    ]
    ocean, sphere = (min(times) for times in zip(*turns, strict=True))
    return Row("ocean's basis over the sphere's, 0.25°", ocean / sphere, "×", target_figure=MASKED_RATIO)


def naive(grid: LatLonGrid) -> np.ndarray:
    lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
    pixels = real_harmonics(lat, lon, MAX_DEGREE).reshape(lat.size, -1)
    weights = np.repeat(grid.cell_area_m2 / grid.cell_area_m2.sum() / grid.shape[1], grid.shape[1])
    centred = pixels - weights @ pixels
    _, _, axes = np.linalg.svd(np.sqrt(weights)[:, None] * centred, full_matrices=False)
    values = centred @ axes[:NUM_COMPONENTS].T
    values /= values.std(axis=0)
    values = weights[:, None] * 3.0 * np.tanh(values / 3.0)
    sums = values.reshape(grid.shape[0] // PATCH[0], PATCH[0], -1, PATCH[1], NUM_COMPONENTS).sum(axis=(1, 3))
    return sums / weights.reshape(*sums.shape[:1], PATCH[0], -1, PATCH[1]).sum(axis=(1, 3))[..., None]


def gpu_rows() -> Iterator[Row]:
    """The same on the first CUDA device: achieved GB/s of values made, beside those of a device copy."""
    grid, fitted = LatLonGrid.regular(0.1), basis()
    gigabytes = 4e-9 * grid.shape[0] * grid.shape[1] * NUM_COMPONENTS

    def on_device() -> None:
        position_embedding(fitted, grid, PATCH, device="cuda")
        torch.cuda.synchronize()

    source = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        torch.cuda.synchronize()

    yield Row("values made on the GPU, 1800 × 3600", gigabytes / seconds(on_device), "GB/s")
    yield Row("a device copy, read and written", 2e-9 * source.numel() / seconds(copy), "GB/s")
