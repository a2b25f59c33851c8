"""Maps, masses and the loss of mixtures of von Mises–Fisher peaks, against the direct sum over all pairs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import torch

from engine.mvmf import (
    MixtureVMF,
    RunningMap,
    even_centres,
    log_normaliser,
    minibatch_kmeans_centres,
    partition_centres,
)
from engine.sphere import LatLonGrid, unit_vectors
from tests.benchmarks import Row, peak_mb_above_base, seconds

GRIDS = {"360 × 720": LatLonGrid.regular(0.5), "721 × 1440": LatLonGrid.poles(0.25)}
LIMITS_MS = {100: (60.0, 150.0), 4096: (150.0, 400.0), 32_768: (1000.0, 3000.0)}
DRAFT_LIMIT_MS = 150.0
DRAG_LIMIT_MS = 100.0
ERROR_LIMIT = 1e-5

BATCH, MOST = 1024, 32_768
MANY_POINTS, CENTRES_LIMIT_S = 10**6, 60.0
LOSS_LIMIT_MB = 1000.0
LOSS_LIMIT_RATIO = 1.0 / 1.5

DRAFT, DRAFT_GRID = 1e-3, LatLonGrid.regular(1.0)
PAIRS_AT_ONCE = 2**20


def rows() -> Iterator[Row]:
    """Loss and gradient; maps (κ from e⁷ to e⁹ = 8,103), drafts and masses; one centre dragged."""
    # first, while this process is small: a child's peak begins at what its parent held
    yield from loss_rows()
    yield from centre_rows()
    for count, limits in LIMITS_MS.items():
        mixture = scattered(count, 7.0, 9.0)
        for (size, grid), limit in zip(GRIDS.items(), limits, strict=True):
            yield map_row(f"map, {count} centres, {size}", mixture, grid, limit)
            yield error_row(f"its error, {count} centres, {size}", mixture, grid)
            masses = 1e3 * seconds(lambda m=mixture, g=grid: m.cell_mass(g))
            yield Row(f"cell masses, {count} centres, {size}", masses, "ms")
    draft = 1e3 * seconds(lambda: scattered(MOST, 7.0, 9.0).log_prob_map(DRAFT_GRID, DRAFT))
    yield Row(f"draft, {MOST} centres, 180 × 360", draft, "ms", target_figure=DRAFT_LIMIT_MS)
    for low, high, name in ((0.0, 9.0, "1 to 8,103"), (9.2, 13.8, "1e4 to 1e6")):
        mixture = scattered(MOST, low, high)
        grid = GRIDS["721 × 1440"]
        yield map_row(f"map, {MOST} centres, κ from {name}, 721 × 1440", mixture, grid, None)
        masses = 1e3 * seconds(lambda m=mixture, g=grid: m.cell_mass(g))
        yield Row(f"cell masses, {MOST} centres, κ from {name}, 721 × 1440", masses, "ms")
    for size, grid in GRIDS.items():
        figure = drag_p95_ms(grid)
        yield Row(f"one of 4096 centres dragged, {size}, p95 of 40", figure, "ms", target_figure=DRAG_LIMIT_MS)


def centre_rows() -> Iterator[Row]:
    """Centres that follow a million points around 3000 places."""
    generator = torch.Generator().manual_seed(0)
    places = torch.randn((3000, 3), generator=generator, dtype=torch.float64)
    chosen = torch.randint(3000, (MANY_POINTS,), generator=generator)
    noise = torch.randn((MANY_POINTS, 3), generator=generator, dtype=torch.float64)
    points = torch.nn.functional.normalize(places[chosen] + 0.02 * noise, dim=1)
    for name, make in (
        ("mini-batch k-means", lambda: minibatch_kmeans_centres(points, MOST, 0)),
        ("adaptive partition", lambda: partition_centres(points, MOST)),
    ):
        began = time.perf_counter()
        make()
        figure = time.perf_counter() - began
        yield Row(f"{name}, 10⁶ points, {MOST} centres", figure, "s", target_figure=CENTRES_LIMIT_S)


def scattered(count: int, low: float, high: float) -> MixtureVMF:
    """Evenly spread centres with ln κ even from ``low`` to ``high`` and random weights."""
    generator = torch.Generator().manual_seed(0)
    log_kappa = torch.empty(count, dtype=torch.float64).uniform_(low, high, generator=generator)
    return MixtureVMF(even_centres(count), log_kappa, torch.randn(count, generator=generator, dtype=torch.float64))


def direct_rows(mixture: MixtureVMF, grid: LatLonGrid, chosen: list[int]) -> torch.Tensor:
    """The log-density of some rows of the grid by the direct sum over all centres."""
    lat = torch.tensor(grid.lat[chosen])[:, None]
    points = unit_vectors(lat, torch.tensor(grid.lon)).reshape(-1, 3)
    height = mixture.log_weights + log_normaliser(mixture.kappa) - mixture.kappa
    scaled = (mixture.kappa[:, None] * mixture.centres).T
    size = max(1, PAIRS_AT_ONCE // height.numel())
    parts = [torch.logsumexp(points[i : i + size] @ scaled + height, 1) for i in range(0, len(points), size)]
    return torch.cat(parts).view(len(chosen), -1)


def map_row(label: str, mixture: MixtureVMF, grid: LatLonGrid, limit_ms: float | None) -> Row:
    figure = 1e3 * seconds(lambda: mixture.log_prob_map(grid))
    sample = [grid.shape[0] // 3]
    naive = 1e3 * seconds(lambda: direct_rows(mixture, grid, sample)) * grid.shape[0]
    return Row(label, figure, "ms", naive=naive, target_figure=limit_ms, note="naive: one row of the direct sum × rows")


def error_row(label: str, mixture: MixtureVMF, grid: LatLonGrid) -> Row:
    log_prob = mixture.log_prob_map(grid)
    top = float(log_prob.max())
    chosen = sorted({0, grid.shape[0] // 2, int(log_prob.amax(1).argmax())})
    exact = direct_rows(mixture, grid, chosen)
    error = (torch.exp(log_prob[chosen] - top) - torch.exp(exact - top)).abs().max()
    return Row(
        label, float(error), "of the maximum", target_figure=ERROR_LIMIT, note="three rows, that of the maximum too"
    )


def drag_p95_ms(grid: LatLonGrid) -> float:
    """A centre moved 40 times, its κ from 1 to 3e5 on the way; the map is read each time."""
    running = RunningMap(scattered(4096, 7.0, 9.0), grid)
    times: list[float] = []
    for step in range(40):
        start = time.perf_counter()
        running.replace(17, unit_vectors(-80.0 + 4.0 * step, 9.0 * step), 0.32 * step, -5.0)
        running.values.max()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.quantiles(times, n=20)[-1]


def loss_rows() -> Iterator[Row]:
    yield Row(
        f"loss and gradient, {BATCH} × {MOST}, memory above base, its logits included",
        peak_mb_above_base(whole_loss, warm=small_loss),
        "MB",
        target_figure=LOSS_LIMIT_MB,
    )
    mixture, points, logits = loss_input()
    yield Row(
        f"loss and gradient, {BATCH} × {MOST}",
        seconds(lambda: ours(mixture, points, logits)),
        "s",
        naive=seconds(lambda: chunked_log_sum_exp(mixture, points, logits)),
        target_ratio=LOSS_LIMIT_RATIO,
        note="beside: log-sum-exp of the same terms and its gradient by autograd, in chunks of 16 samples",
    )


def loss_input(batch: int = BATCH, count: int = MOST) -> tuple[MixtureVMF, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    log_kappa = torch.empty(count).uniform_(7.0, 9.0, generator=generator)
    mixture = MixtureVMF(even_centres(count).float(), log_kappa, torch.zeros(count), learn_kappa=True)
    points = torch.nn.functional.normalize(torch.randn(batch, 3, generator=generator), dim=1)
    return mixture, points, torch.randn(batch, count, generator=generator).requires_grad_()


def ours(mixture: MixtureVMF, points: torch.Tensor, logits: torch.Tensor) -> None:
    logits.grad = None
    (-mixture.paired_log_prob(points, logits).mean()).backward()


def chunked_log_sum_exp(mixture: MixtureVMF, points: torch.Tensor, logits: torch.Tensor) -> None:
    gradient = torch.empty_like(logits)
    kappa, centres = mixture.kappa.detach(), mixture.centres
    norm = log_normaliser(kappa)
    for first in range(0, len(points), 16):
        some = slice(first, first + 16)
        own = logits[some].detach().requires_grad_()
        density = norm - kappa * (1.0 - points[some] @ centres.T)
        loss = (torch.logsumexp(own, 1) - torch.logsumexp(own + density, 1)).sum() / len(points)
        (gradient[some],) = torch.autograd.grad(loss, own)


def whole_loss() -> None:
    ours(*loss_input())


def small_loss() -> None:
    ours(*loss_input(8, 64))
