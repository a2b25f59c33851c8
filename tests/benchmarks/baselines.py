"""Interpolation and DINEOF on made-up anomalies: neighbours that share a matrix, and the smaller Gram matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from engine.models.baselines.dineof import _truncated
from engine.models.baselines.neighbourhood import Neighbourhood
from engine.models.baselines.part_months import NUM_PARTS
from engine.sphere import LatLonGrid
from tests.benchmarks import Row, seconds
from tests.support.gaussian_ocean import COVARIANCE

EVERY = 9
"""Rows from one that is interpolated to the next: a month at 1° takes this many times as long."""


def rows() -> Iterator[Row]:
    yield interpolation_row()
    yield truncation_row()


def interpolation_row() -> Row:
    grid, rng = LatLonGrid.regular(1.0), np.random.default_rng(0)
    shape = (NUM_PARTS, *grid.shape)
    values = np.where(rng.random(shape) < 0.6, np.nan, rng.normal(size=shape)).astype(np.float32)
    noise = np.full(shape, 0.3, np.float32)
    where = np.zeros(grid.shape, bool)
    where[EVERY // 2 :: EVERY] = True
    together, apart = (
        Neighbourhood(grid, COVARIANCE, num_nearest=nearest, num_together=count)
        for nearest, count in ((80, 3), (72, 1))
    )
    return Row(
        f"{np.count_nonzero(where)} cells of a month interpolated at 1°",
        seconds(lambda: together.estimate(values, noise, where)),
        "s",
        naive=seconds(lambda: apart.estimate(values, noise, where)),
        target_figure=60.0 / EVERY,
        note="naive: every cell with 72 observations of its own; the error on the demo ocean is the same",
    )


def truncation_row() -> Row:
    """A step of DINEOF on two years of parts of months."""
    values = torch.as_tensor(np.random.default_rng(1).normal(size=(144, 10_000)), dtype=torch.float32)

    def decomposed() -> torch.Tensor:
        left, singular, right = torch.linalg.svd(values, full_matrices=False)
        return (left[:, :20] * singular[:20]) @ right[:20]

    return Row(
        "144 × 10 000 values cut to 20 modes",
        1e3 * seconds(lambda: _truncated(values, 20)),
        "ms",
        naive=1e3 * seconds(decomposed),
        note="naive: the whole singular value decomposition",
    )
