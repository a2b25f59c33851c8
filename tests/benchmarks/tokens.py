"""Figures of the Tokens page: cosines of a scene, a receptive field, and search beside a bare matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from engine.config.model import SpatioTemporalConfig
from engine.models import SpatioTemporalModel
from engine.similarity import TokenSearch, cosine_matrix, receptive_field, similarity_map
from engine.training.sst.samples import Batch
from engine.training.sst.scenes import Scene
from tests.benchmarks import Row, seconds

COSINE_MS, GRADIENT_MS, OCCLUSION_S, SEARCH_RATIO = 50.0, 500.0, 5.0, 1.2
CELLS, WIDTH, NUM_TOKENS = 80, 128, 1_000_000


def rows() -> Iterator[Row]:
    """A 64 × 64 matrix with its map; fields of ``tiny`` on 80 × 80 cells and one month; a million tokens searched."""
    tokens = torch.randn(8, 8, 64, generator=torch.Generator().manual_seed(0))

    def cosines() -> None:
        cosine_matrix(tokens.flatten(0, 1))
        similarity_map(tokens, 3, 4)

    yield Row("64 × 64 cosines and the map", 1e3 * seconds(cosines), "ms", target_figure=COSINE_MS)
    known, patch = scene(), (4, 4)
    row, col = CELLS // patch[0] // 2, CELLS // patch[1] // 2

    def gradient(num_directions: int | None) -> float:
        return 1e3 * seconds(
            lambda: receptive_field(
                known.observed, known.finite, row, col, "gradient", patch, num_directions=num_directions
            )
        )

    yield Row("receptive field, exact gradient", gradient(None), "ms", target_figure=GRADIENT_MS)
    yield Row("the same from 8 random directions", gradient(8), "ms", target_figure=GRADIENT_MS)
    hidden = seconds(
        lambda: receptive_field(known.observed, known.finite, row, col, "occlusion", patch, fill=float("nan"), batch=8)
    )
    yield Row("receptive field by occlusion of 400 patches", hidden, "s", target_figure=OCCLUSION_S)
    yield search_row()


def scene() -> Scene:
    """A window of random days, a third of them observed."""
    config = SpatioTemporalConfig.preset("tiny", encoder="sinusoidal")
    random = torch.Generator().manual_seed(0)
    days = torch.randn(1, 1, 1, 31, CELLS, CELLS, generator=random)
    side = CELLS // config.patch[1]
    batch = Batch(
        daily=days,
        missing=torch.rand(days.shape, generator=random) < 0.66,
        land=torch.zeros(1, CELLS, CELLS, dtype=torch.bool),
        padded=torch.zeros(1, 1, 31, dtype=torch.bool),
        phases=torch.zeros(1, 1, 31, 3),
        lonlat=torch.rand(1, side * side, 2, generator=random),
        baseline=torch.zeros(1, 1, CELLS, CELLS),
    )
    return Scene(SpatioTemporalModel(config).eval(), batch, "output", 0)


def search_row() -> Row:
    tokens = torch.randn(NUM_TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
    known, query = TokenSearch(tokens), torch.randn(WIDTH)
    positive, negative = torch.tensor([3, 5]), torch.tensor([7])
    # in turns, so that what else the machine does falls on both
    turns = [
        (seconds(lambda: known.scores(positive, negative)), seconds(lambda: torch.mv(tokens, query))) for _ in "123"
    ]
    searched, bare = (min(times) for times in zip(*turns, strict=True))
    return Row("search over a bare product, 1 million × 128", searched / bare, "×", target_figure=SEARCH_RATIO)
