"""Made-up content of ``scores.json``, with and without sums by block and month."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(**errors: float) -> dict[str, Any]:
    """Scores as older versions wrote them: errors over all open sea, without sums by block."""
    return {name: {"surface": {"sea": {"mae": error}}} for name, error in errors.items()}


def with_blocks(seed: int = 0, noise: float = 0.05, **errors: float) -> dict[str, Any]:
    """Scores whose mean errors are about ``errors``, with sums of a year in 20 blocks, all cells observed often."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(1.0, 3.0, (12, 20, 1))
    scores = {}
    for name, error in errors.items():
        sums = area * error * (1.0 + noise * rng.standard_normal(area.shape))
        total = float(sums.sum() / area.sum())
        blocks = {"labels": [">8"], "area": area.tolist(), "abs_error": sums.tolist()}
        scores[name] = {
            "surface": {"sea": {"mae": total}},
            "observations": {">8": {"mae": total}},
            "class": {"observed": {"mae": total}},
            "blocks": blocks,
        }
    return scores
