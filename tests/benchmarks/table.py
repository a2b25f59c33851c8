"""The spatial table's neighbourhoods, alone and before a convolution, against slower ways to the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from engine.embedding import Embedding2d
from engine.embedding.table import GLOBE, Topology
from engine.models import SpatialConv
from tests.benchmarks import Row, seconds
from tests.support.reference import table_gradient, table_windows

MANIFOLD, PADDING, NUM_POINTS = (63, 32, 2), (7, 7), 2000
FUSED_LIMIT_MS = 6.0
ALONE_TARGET = 40.0
LIBRARY = "torch-geopooling took 1173 ms for forward and backward (FACTS)"


def rows() -> Iterator[Row]:
    """Forward and backward at the guide's size by topology; on a GPU, where there is one, the bytes moved as well."""
    points = (torch.rand((NUM_POINTS, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5) * (
        torch.tensor([360.0, 180.0])
    )
    naive_ms = 1e3 * seconds(lambda: by_the_point(points.numpy()))
    for topology in ("sphere", "torus", "clamp"):
        model = SpatialConv(MANIFOLD, padding=PADDING, topology=topology)
        size = f"63 × 32, padding 7, {NUM_POINTS} points, {topology}"
        yield Row(
            f"table before a convolution, {size}",
            1e3 * seconds(lambda model=model: there_and_back(model, model, points)),
            "ms",
            naive=1e3 * seconds(lambda model=model: there_and_back(model, gathered(model), points)),
            target_figure=FUSED_LIMIT_MS,
            note=f"naive: neighbourhoods first, then the convolution; {LIBRARY}",
        )
        yield Row(
            f"table alone, {size}",
            1e3 * seconds(lambda table=model.embedding: there_and_back(table, table, points)),
            "ms",
            naive=naive_ms,
            target_ratio=ALONE_TARGET,
            note="naive: point by point, entry by entry (sphere)",
        )
    if torch.cuda.is_available():
        yield from gpu_rows()


def gathered(model: SpatialConv) -> Callable[[Tensor], Tensor]:
    """The model with every point's neighbourhood written out."""

    def forward(points: Tensor) -> Tensor:
        windows = model.embedding(points).permute(0, 3, 1, 2)
        return torch.nn.functional.conv2d(windows, model.kernel, model.bias)[:, :, 0, 0]

    return forward


def there_and_back(module: torch.nn.Module, path: Callable[[Tensor], Tensor], points: Tensor) -> None:
    module.zero_grad()
    path(points).sum().backward()


def by_the_point(points: np.ndarray, topology: Topology = "sphere") -> np.ndarray:
    windows = table_windows(np.zeros(MANIFOLD, np.float32), points, GLOBE, PADDING, topology)
    return table_gradient(MANIFOLD, points, GLOBE, topology, np.ones_like(windows))


def gpu_rows() -> Iterator[Row]:
    """Bytes a second of the neighbourhoods of a million points, beside a copy on the same device."""
    table = Embedding2d(MANIFOLD, padding=PADDING, device="cuda")
    points = (torch.rand((1_000_000, 2), dtype=torch.float64, device="cuda") - 0.5) * torch.tensor(
        [360.0, 180.0], device="cuda"
    )
    with torch.no_grad():
        held = table(points)
        written = held.nbytes / 1e9
        yield Row("neighbourhoods on the GPU, written", written / seconds(synchronised(lambda: table(points))), "GB/s")
        yield Row("a device copy, written", written / seconds(synchronised(held.clone)), "GB/s")


def synchronised(work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        work()
        torch.cuda.synchronize()

    return run
